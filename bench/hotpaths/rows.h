/// The rows of stores that hot paths go through: 16 + 100 bytes, in no order.
///
/// Threads   Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace aether::hotpaths {

inline constexpr uint64_t kRows = 20'000;
inline constexpr size_t kValueBytes = 100;

inline uint64_t scramble(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

/// Row `row` of the store; numbers from kRows on are not there.
inline std::string key_of(uint64_t row) {
  std::string key = std::to_string(scramble(row + 1));
  key.insert(0, 20 - key.size(), '0');
  return key.substr(4);
}

}  // namespace aether::hotpaths
