/// Numbers in 7 bits a byte, the lowest first; the top bit says that another byte follows.
///
/// Threads   Pure functions.
#pragma once

#include <cstdint>
#include <string>

namespace aether::lsm {

inline void append_varint(std::string& to, uint64_t value) {
  while (value >= 0x80) {
    to.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  to.push_back(static_cast<char>(value));
}

/// Behind it; null: it is cut short or has more than 64 bits.
inline const char* read_varint(const char* from, const char* end, uint64_t& value) noexcept {
  value = 0;
  for (uint32_t shift = 0; from != end && shift < 64; shift += 7) {
    const auto byte = static_cast<uint8_t>(*from++);
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return shift == 63 && byte > 1 ? nullptr : from;
  }
  return nullptr;
}

}  // namespace aether::lsm
