#include "os/directories.h"

namespace aether::os {

std::string parent_of(const std::string& path) {
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.pop_back();
  const size_t slash = trimmed.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : trimmed.substr(0, slash);
}

Result<void> make_directory(Os& os, const std::string& path) {
  Result<void> made = os.create_directory(path);
  if (!made && made.error().code() != Code::exists) return made;
  return os.sync_directory(
      parent_of(path));  // Also if it is there: its maker may have failed here.
}

}  // namespace aether::os
