/// Comparing a key with a node's prefix.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "aether/options.h"
#include "base/bytes.h"
#include "index/rax/node.h"

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

/// A key of which 16 bytes can be read wherever some are left: the last ones lie once more in front of zeros.
class PaddedKey {
 public:
  explicit PaddedKey(Bytes key) noexcept {
    if (key.size() >= kTail) {
      std::memcpy(tail_.data(), key.data() + key.size() - kTail, kTail);
    } else if (!key.empty()) {
      std::memcpy(tail_.data() + kTail - key.size(), key.data(), key.size());
    }
    std::memset(tail_.data() + kTail, 0, kTail);
  }
  /// Without a branch, as every key comes to its last bytes somewhere, and each elsewhere.
  const char* readable(const char* at, size_t left) const noexcept {
    const uint64_t there = reinterpret_cast<uint64_t>(at);
    const uint64_t here = reinterpret_cast<uint64_t>(tail_.data()) + kTail - left;
    const uint64_t chosen = left >= kTail ? ~uint64_t{0} : 0;
    return reinterpret_cast<const char*>(here ^ ((here ^ there) & chosen));
  }

 private:
  static constexpr size_t kTail = 16;
  std::array<char, 2 * kTail> tail_;
};

#if defined(AETHER_RAX_READS_OVER)
/// The first `length` bytes, 16 at most, of which 16 can be read on both sides.
inline bool are_equal_16(const char* a, const char* b, size_t length) noexcept {
  const __m128i mine = _mm_loadu_si128(reinterpret_cast<const __m128i*>(a));
  const __m128i other = _mm_loadu_si128(reinterpret_cast<const __m128i*>(b));
  const uint32_t same = static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(mine, other)));
  return (~same & ((1U << length) - 1)) == 0;
}
#endif

/// `length` bytes at `at` and at `theirs`, which lie in something that ends at `end`: alike? `readable`: as below.
inline bool are_equal(const char* readable, const char* at, const char* theirs, size_t length,
                      const char* end) noexcept {
#if defined(AETHER_RAX_READS_OVER)
  if (end - theirs >= 16) [[likely]] {
    if (length <= 16) return are_equal_16(readable, theirs, length);
    return are_equal_16(readable, theirs, 16) &&
           std::memcmp(at + 16, theirs + 16, length - 16) == 0;
  }
#else
  static_cast<void>(readable);
  static_cast<void>(end);
#endif
  return begins_with(at, length, theirs, length);
}

/// `at` has as many bytes as the prefix of an inner node, and `readable` the first of them, of which 16 can be read: alike?
/// Most prefixes are short, and of any length: one comparison for all of them, without a branch by length.
inline bool begins_with_prefix(const char* readable, const char* at, const Node& node) noexcept {
  const uint32_t length = node.prefix_bytes();
  const char* const prefix = reinterpret_cast<const char*>(node.edges()) + node.children();
#if defined(AETHER_RAX_READS_OVER)
  if (length <= 16) return are_equal_16(readable, prefix, length);
#else
  static_cast<void>(readable);
#endif
  return std::memcmp(at, prefix, length) == 0;
}

}  // namespace aether::index::rax
