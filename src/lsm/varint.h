/// Numbers in 7 bits a byte, the lowest first; the top bit says that another byte follows.
///
/// Threads   Pure functions.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace aether::lsm {

inline void append_varint(std::string& to, uint64_t value) {
  while (value >= 0x80) {
    to.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  to.push_back(static_cast<char>(value));
}

/// A byte at a time.
inline const char* read_long_varint(const char* from, const char* end, uint64_t& value) noexcept {
  value = 0;
  for (uint32_t shift = 0; from != end && shift < 64; shift += 7) {
    const auto byte = static_cast<uint8_t>(*from++);
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return shift == 63 && byte > 1 ? nullptr : from;
  }
  return nullptr;
}

/// So many bytes from a varint's first on let it be read without a look at where they end.
inline constexpr ptrdiff_t kVarintRoom = 10;

/// Behind it, which has kVarintRoom; null: it has more than 64 bits.
inline const char* read_varint(const char* from, uint64_t& value) noexcept {
  value = static_cast<uint8_t>(*from);
  if (value < 0x80) return from + 1;
  // Up to 8 bytes at once: those that end it and lie behind are masked out, then groups of 7 bits are moved together, two by two.
  constexpr uint64_t kTops = 0x8080'8080'8080'8080;
  const uint64_t word = base::load<uint64_t>(from);
  const uint64_t ends = ~word & kTops;
  if (ends == 0) return read_long_varint(from, from + kVarintRoom, value);
  uint64_t groups = word & (ends ^ (ends - 1)) & ~kTops;
  groups = (groups & 0x007f'007f'007f'007f) | (groups & 0x7f00'7f00'7f00'7f00) >> 1;
  groups = (groups & 0x0000'3fff'0000'3fff) | (groups & 0x3fff'0000'3fff'0000) >> 2;
  value = (groups & 0x0fff'ffff) | (groups & 0x0fff'ffff'0000'0000) >> 4;
  return from + (std::countr_zero(ends) / 8 + 1);
}

/// Behind it; null: it is cut short or has more than 64 bits.
inline const char* read_varint(const char* from, const char* end, uint64_t& value) noexcept {
  return end - from >= kVarintRoom ? read_varint(from, value) : read_long_varint(from, end, value);
}

}  // namespace aether::lsm
