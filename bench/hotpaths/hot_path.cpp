#include "hotpaths/hot_path.h"

#include <cstdio>
#include <filesystem>

namespace aether::hotpaths {

void stop(const Error& error) {
  std::fprintf(stderr, "hot paths: %s\n", std::string(error.message()).c_str());
  std::exit(1);
}

Place::Place() {
  const bool in_memory = std::filesystem::exists("/dev/shm");
  name_ = in_memory ? "/dev/shm" : std::filesystem::temp_directory_path().string();
  name_ += "/aether_paths_XXXXXX";
  if (::mkdtemp(name_.data()) == nullptr)
    stop(Error(Code::io_error, "no directory can be made at " + name_));
}

Place::~Place() {
  std::error_code ignored;  // What is left costs only space.
  std::filesystem::remove_all(name_, ignored);
}

}  // namespace aether::hotpaths
