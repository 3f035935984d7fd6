// Values that say of themselves which write made them: whoever reads one can tell a whole one from a torn, a
// stale or a foreign one, without a copy of what was written.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "aether/options.h"

namespace aether::testing_support {

inline constexpr size_t kStampedBytesMin = 16;

/// One step of splitmix64: neighbouring numbers go far apart.
inline uint64_t scramble(uint64_t x) noexcept {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

/// Ties stamp, key and length together (FNV-1a over the key).
inline uint64_t stamp_check(Bytes key, uint64_t stamp, size_t bytes) noexcept {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : key) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return scramble(hash ^ scramble(stamp) ^ bytes);
}

/// The value that write number `stamp` gives `key`: stamp, check, then filler that follows from the check.
inline std::string stamped_value(Bytes key, uint64_t stamp, size_t bytes) {
  if (bytes < kStampedBytesMin) bytes = kStampedBytesMin;
  std::string value(bytes, '\0');
  const uint64_t check = stamp_check(key, stamp, bytes);
  std::memcpy(value.data(), &stamp, sizeof stamp);
  std::memcpy(value.data() + sizeof stamp, &check, sizeof check);
  for (size_t at = kStampedBytesMin; at < bytes; at += sizeof(uint64_t)) {
    const uint64_t word = scramble(check + at);
    std::memcpy(value.data() + at, &word, std::min(sizeof word, bytes - at));
  }
  return value;
}

/// The stamp of a whole value of `key`; none if a byte of it is wrong.
inline std::optional<uint64_t> stamp_of(Bytes key, Bytes value) {
  if (value.size() < kStampedBytesMin) return std::nullopt;
  uint64_t stamp = 0;
  std::memcpy(&stamp, value.data(), sizeof stamp);
  if (value != stamped_value(key, stamp, value.size())) return std::nullopt;
  return stamp;
}

}  // namespace aether::testing_support
