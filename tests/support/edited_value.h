// A value that differs from another of its size in a few places only: its update is logged as a patch.
#pragma once

#include <random>
#include <string>

namespace aether::testing_support {

inline std::string edited(std::string value, std::mt19937_64& random) {
  if (value.empty()) return value;
  for (uint64_t places = random() % 3 + 1; places > 0; --places) {
    size_t at = random() % value.size();
    for (uint64_t bytes = random() % 12 + 1; bytes > 0 && at < value.size(); --bytes, ++at)
      value[at] = static_cast<char>(random());
  }
  return value;
}

}  // namespace aether::testing_support
