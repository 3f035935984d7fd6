/// The last level of a RAX: the keys below a place of the tree, side by side in their order.
///
/// Behind the header that all nodes have (node.h), of n keys:
///   16      n     tags: a byte of each key's hash
///   ..      2*n   where each entry begins, from the first one
///   ..            prefix: what every key here goes on with
///   ..            entries: a byte for the value (its length, or kApart: the address follows), the rest of the key, the value
///
/// A search for one key compares tags, 16 at a time, and then mostly one entry: two waits for memory, whatever the number of
/// keys. A walk reads the entries as they lie.
#pragma once

#include <cstdint>

#include "index/rax/common_private.h"
#include "index/rax/node.h"

namespace aether::index::rax {

/// A byte that tells most keys apart. Of the whole key: so it stays when prefixes change.
inline uint8_t tag_of(Bytes key) noexcept {
  constexpr uint64_t kFactor = 0x9E3779B97F4A7C15;
  const char* at = key.data();
  size_t left = key.size();
  uint64_t hash = left;
  const auto take = [&](uint64_t word) {
    hash = (hash ^ word) * kFactor;
    hash ^= hash >> 32;
  };
  for (; left >= 8; at += 8, left -= 8) take(base::load<uint64_t>(at));
  if (left >= 4) {
    take(base::load<uint32_t>(at) | uint64_t{base::load<uint32_t>(at + left - 4)} << 32);
  } else if (left > 0) {
    take(static_cast<uint64_t>(static_cast<uint8_t>(at[0])) |
         static_cast<uint64_t>(static_cast<uint8_t>(at[left / 2])) << 8 |
         static_cast<uint64_t>(static_cast<uint8_t>(at[left - 1])) << 16);
  }
  return static_cast<uint8_t>((hash * kFactor) >> 56);
}

/// A key's rest and its value.
struct Entry {
  Bytes rest;
  Stored stored;
};

/// A look at a node that is a bucket.
class Bucket {
 public:
  static constexpr uint32_t kKeysMax = 64;
  /// Of more than one key: of tags, places and entries.
  static constexpr uint64_t kBytesMax = 1024;
  static constexpr uint64_t kPrefixMax = 256;  ///< Of more than one key: what a change copies.
  static constexpr uint8_t kApart = 255;
  static constexpr uint64_t kBytesPerKey = 4;  ///< Beside the rest of the key and the value.

  explicit Bucket(const Node& node) noexcept
      : node_(node),
        count_(node.children()),
        tags_(reinterpret_cast<const char*>(&node + 1)),
        entries_(tags_ + 3 * count_ + node.prefix_bytes()) {}

  static uint64_t bytes_for(uint32_t keys, uint64_t prefix, uint64_t entries) noexcept {
    return std::max<uint64_t>(Node::kBytesMin, sizeof(Node) + 3ULL * keys + prefix + entries);
  }
  uint32_t count() const noexcept { return count_; }
  Bytes prefix() const noexcept { return {tags_ + 3 * count_, node_.prefix_bytes()}; }
  uint8_t tag(uint32_t index) const noexcept { return static_cast<uint8_t>(tags_[index]); }
  /// But for the header and the prefix.
  uint64_t bytes() const noexcept { return node_.value_bytes - node_.prefix_bytes(); }
  uint64_t entries_bytes() const noexcept { return bytes() - 3ULL * count_; }
  const char* entries() const noexcept { return entries_; }
  /// Where entry `index` begins, from the first; of `count()`: where the last ends.
  uint64_t begin_of(uint32_t index) const noexcept {
    return index == count_ ? entries_bytes() : base::load<uint16_t>(tags_ + count_ + 2 * index);
  }

  Entry operator[](uint32_t index) const noexcept {
    const char* const at = entries_ + begin_of(index);
    const char* const end = entries_ + begin_of(index + 1);
    const uint8_t code = static_cast<uint8_t>(*at);
    const uint64_t value = code == kApart ? 8 : code;
    return {{at + 1, static_cast<size_t>(end - at) - 1 - value},
            {{end - value, value}, code == kApart}};
  }

  bool is_rest(uint32_t index, Bytes rest) const noexcept {
    const Bytes mine = (*this)[index].rest;
    return mine.size() == rest.size() &&
           begins_with(rest.data(), rest.size(), mine.data(), mine.size());
  }
  /// The key that goes on with `rest` behind the prefix; or kNoChild.
  uint32_t find(Bytes rest, uint8_t tag) const noexcept {
    return find_tagged(tag, [&](uint32_t index) { return is_rest(index, rest); });
  }
  /// The same for what is left of a key from the prefix on.
  uint32_t find(const PaddedKey& key, const char* at, size_t left, uint8_t tag) const noexcept {
    const size_t prefix_bytes = node_.prefix_bytes();
    const char* const end = entries_ + entries_bytes();
    if (left < prefix_bytes ||
        !are_equal(key.readable(at, left), at, entries_ - prefix_bytes, prefix_bytes, end)) {
      return kNoChild;
    }
    at += prefix_bytes;
    left -= prefix_bytes;
    const char* const readable = key.readable(at, left);
    return find_tagged(tag, [&](uint32_t index) {
      const Bytes mine = (*this)[index].rest;
      return mine.size() == left && are_equal(readable, at, mine.data(), left, end);
    });
  }

 private:
  template <typename IsWanted>
  uint32_t find_tagged(uint8_t tag, const IsWanted& is_wanted) const noexcept {
#if defined(__SSE2__)
    // 16 bytes are there to read, whatever follows the last tag.
    const __m128i wanted = _mm_set1_epi8(static_cast<char>(tag));
    for (uint32_t from = 0; from < count_; from += 16) {
      const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(tags_ + from));
      uint32_t equal = static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(block, wanted)));
      if (from + 16 > count_) equal &= (1U << (count_ - from)) - 1;
      for (; equal != 0; equal &= equal - 1) {
        const uint32_t index = from + static_cast<uint32_t>(std::countr_zero(equal));
        if (is_wanted(index)) return index;
      }
    }
#else
    for (uint32_t index = 0; index < count_; ++index) {
      if (this->tag(index) == tag && is_wanted(index)) return index;
    }
#endif
    return kNoChild;
  }

 public:
  /// The first key whose rest is not below `rest`, or is above it; count(), if there is none.
  uint32_t first_from(Bytes rest, bool or_equal) const noexcept {
    uint32_t from = 0;
    for (uint32_t to = count_; from < to;) {
      const uint32_t middle = (from + to) / 2;
      const int order = (*this)[middle].rest.compare(rest);
      if (order < 0 || (order == 0 && !or_equal)) {
        from = middle + 1;
      } else {
        to = middle;
      }
    }
    return from;
  }

 private:
  const Node& node_;
  const uint32_t count_;
  const char* const tags_;
  const char* const entries_;
};

}  // namespace aether::index::rax
