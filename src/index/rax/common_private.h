/// Comparing a key with a node's prefix.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

#include "aether/options.h"
#include "base/bytes.h"

namespace aether::index::rax {

/// How many bytes `a` and `b` begin with in common.
inline size_t common_bytes(Bytes a, Bytes b) noexcept {
  const size_t most = std::min(a.size(), b.size());
  size_t same = 0;
  for (; same + 8 <= most; same += 8) {
    const uint64_t differ = base::load<uint64_t>(a.data() + same) ^
                            base::load<uint64_t>(b.data() + same);
    if (differ != 0) return same + static_cast<size_t>(std::countr_zero(differ)) / 8;
  }
  while (same < most && a[same] == b[same]) ++same;
  return same;
}

/// `bytes` begin with `prefix`? Most prefixes are short: two reads, one over a part of the other, for all of up to 16 bytes.
inline bool begins_with(const char* bytes, size_t length, const char* prefix,
                        size_t prefix_length) noexcept {
  if (prefix_length == 0) return true;
  if (length < prefix_length) return false;
  const auto ends_alike = [&]<typename Word>(Word) {
    const size_t last = prefix_length - sizeof(Word);
    return base::load<Word>(bytes) == base::load<Word>(prefix) &&
           base::load<Word>(bytes + last) == base::load<Word>(prefix + last);
  };
  if (prefix_length == 1) return *bytes == *prefix;
  if (prefix_length < 4) return ends_alike(uint16_t{});
  if (prefix_length < 8) return ends_alike(uint32_t{});
  if (prefix_length <= 16) return ends_alike(uint64_t{});
  return std::memcmp(bytes, prefix, prefix_length) == 0;
}

}  // namespace aether::index::rax
