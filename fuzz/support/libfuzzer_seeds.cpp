// With libFuzzer: AETHER_FUZZ_SEEDS=DIR makes the program write its seeds and regressions into DIR and end.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "fuzz/support/regressions.h"
#include "fuzz/support/target.h"

namespace {

void write_input(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace

#ifdef AETHER_ASAN
// What is given back waits in 256 MiB by default before it is used again: more than the caches hold, for an input of kilobytes.
extern "C" const char* __asan_default_options() {
  return "quarantine_size_mb=2:malloc_context_size=8";
}
#endif

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* directory = std::getenv("AETHER_FUZZ_SEEDS");
  if (directory == nullptr) return 0;
  const std::filesystem::path to = directory;
  std::filesystem::create_directories(to);
  int number = 0;
  for (const std::string& seed : aether::fuzz::seeds())
    write_input(to / ("seed-" + std::to_string(++number)), seed);
  for (const auto& regression : aether::fuzz::read_regressions(FUZZ_REGRESSIONS))
    write_input(to / regression.name, regression.bytes);
  std::exit(0);
}
