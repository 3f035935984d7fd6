#include "fuzz/support/regressions.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/text.h"
#include "fuzz/support/target.h"

namespace aether::fuzz {

std::string read_hex_file(const std::string& path) {
  std::ifstream file(path);
  std::string bytes;
  std::string line;
  int high = -1;
  while (std::getline(file, line)) {
    if (line.starts_with('#')) continue;
    for (const char c : line) {
      if (c == ' ' || c == '\t' || c == '\r') continue;
      const int digit = base::hex_digit(c);
      FUZZ_REQUIRE_SAYING(digit >= 0, path);
      if (high < 0) {
        high = digit;
        continue;
      }
      bytes.push_back(static_cast<char>(high << 4 | digit));
      high = -1;
    }
  }
  FUZZ_REQUIRE_SAYING(high < 0, path + ": an odd number of digits");
  return bytes;
}

std::vector<Regression> read_regressions(const std::string& directory) {
  std::vector<Regression> all;
  if (!std::filesystem::is_directory(directory)) return all;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() != ".hex") continue;
    all.push_back({entry.path().filename().string(), read_hex_file(entry.path().string())});
  }
  std::sort(all.begin(), all.end(),
            [](const Regression& a, const Regression& b) { return a.name < b.name; });
  return all;
}

}  // namespace aether::fuzz
