/// The order of keys: unsigned bytes, a prefix before what it begins.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "aether/options.h"
#include "base/bytes.h"

namespace aether::index {

/// The first bytes as a number that compares as they do; for keys of at least 8.
inline uint64_t key_head(const char* key) noexcept {
  return __builtin_bswap64(base::load<uint64_t>(key));
}

/// The same for any key: zeros follow a shorter one. So two keys whose beginnings differ compare as those do.
inline uint64_t key_begin(Bytes key) noexcept {
  if (key.size() >= 8) return key_head(key.data());
  char padded[8] = {};
  if (!key.empty()) std::memcpy(padded, key.data(), key.size());
  return key_head(padded);
}

/// Below zero, zero, above zero. Most keys differ in their first 8 bytes: no call for them.
inline int compare_keys(Bytes a, Bytes b) noexcept {
  const size_t common = std::min(a.size(), b.size());
  if (common >= 8) {
    const uint64_t head_a = key_head(a.data());
    const uint64_t head_b = key_head(b.data());
    if (head_a != head_b) return head_a < head_b ? -1 : 1;
  }
  const int order = std::memcmp(a.data(), b.data(), common);
  if (order != 0) return order;
  return a.size() == b.size() ? 0 : a.size() < b.size() ? -1 : 1;
}

}  // namespace aether::index
