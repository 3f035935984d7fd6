/// What a RAX is made of: inner nodes, which lead on by a byte, and buckets (bucket.h), which hold some dozens of keys in order.
/// Each is one allocation of the size it needs.
///
///   offset  size  what
///   0       8     word     bit 0: gone, and then the link of retired nodes; bit 1: latched by a writer
///   8       4     shape    bits 0-16 bytes of the prefix, 17-25 number of children (of a bucket: of keys), 26 has a value,
///                          27 is a bucket, 28 the value lies apart, 29 it lies in the region (region.h)
///   12      4     bytes of the value; of a bucket: of all that follows this field
///
/// 40 bytes at least.
///
/// An inner node goes on with:
///   16      n     edges: the least byte that leads to each child, ascending
///   ..            prefix: what every key below goes on with, the byte of the edge that led here included
///   ..            zeros up to a multiple of 8, if there are children
///   ..      8*n   children, in the order of their edges: an address, and bit 0 if it is a bucket's (so a way down knows where it ends
///                 before the bucket has come from memory)
///   ..            value of the key that ends here; where it lies apart, the address
///
/// A child that is an inner node has all keys that go on with just its edge; one that is a bucket also those up to the next
/// edge. All but the word and the child pointers never changes: who changes the rest puts another node in its place.
#pragma once

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/// Edges and prefixes are compared 16 bytes at a time, children behind them included, which others may be storing: what is read of these does not
/// count. By the language's letter that is a race, and ThreadSanitizer would report each one: it gets the plain form.
#if defined(__SSE2__) && !defined(AETHER_TSAN)
#define AETHER_RAX_READS_OVER 1
#endif

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>

#include "aether/options.h"
#include "base/bytes.h"
#include "base/epochs.h"
#include "base/prefetch.h"

namespace aether::index::rax {

/// A value that is too long to be copied whenever a neighbour changes. It goes when its key gets another.
struct Apart {
  base::Epochs::Link word;
  uint64_t value_bytes;

  static uint64_t bytes_for(uint64_t value) noexcept { return sizeof(Apart) + value; }
  uint64_t bytes() const noexcept { return bytes_for(value_bytes); }
  Bytes value() const noexcept { return {reinterpret_cast<const char*>(this + 1), value_bytes}; }
};

/// A value as a node has it: its bytes, or where they lie.
struct Stored {
  static constexpr uint64_t kHereMax = 128;  ///< Longer ones lie apart.
  Bytes bytes;
  bool is_apart = false;

  Apart* apart() const noexcept {
    return is_apart ? reinterpret_cast<Apart*>(base::load<uint64_t>(bytes.data())) : nullptr;
  }
  Bytes value() const noexcept { return is_apart ? apart()->value() : bytes; }
};

struct Node {
  /// Of every node, so that 16 edges, 16 bytes of an inner node's prefix and 16 tags can be read where there are fewer. (The
  /// allocator's blocks are of 24 bytes, 40, 56 ...)
  static constexpr uint64_t kBytesMin = 40;
  static constexpr uint64_t kLatched = 2;
  static constexpr uint64_t kLinksBucket = 1;  ///< Of a child pointer.
  static constexpr uint32_t kPrefixBits = 17;
  static constexpr uint32_t kChildrenBits = 9;
  static constexpr uint32_t kHasValue = 1U << (kPrefixBits + kChildrenBits);
  static constexpr uint32_t kIsBucket = kHasValue << 1;
  static constexpr uint32_t kValueApart = kHasValue << 2;
  static constexpr uint32_t kInRegion = kHasValue << 3;

  base::Epochs::Link word;
  uint32_t shape;
  uint32_t value_bytes;

  /// Of edges and prefix, with what makes the child pointers lie as they must.
  static uint64_t head_bytes(uint32_t children, uint64_t prefix) noexcept {
    return children == 0 ? prefix : base::align_up(children + prefix, 8);
  }
  static uint64_t bytes_for(uint32_t children, uint64_t prefix, uint64_t value) noexcept {
    return std::max<uint64_t>(
        kBytesMin, sizeof(Node) + head_bytes(children, prefix) + children * 8ULL + value);
  }
  uint32_t prefix_bytes() const noexcept { return shape & ((1U << kPrefixBits) - 1); }
  uint32_t children() const noexcept { return shape >> kPrefixBits & ((1U << kChildrenBits) - 1); }
  bool has_value() const noexcept { return (shape & kHasValue) != 0; }
  bool is_bucket() const noexcept { return (shape & kIsBucket) != 0; }
  uint64_t bytes() const noexcept {
    return is_bucket() ? std::max<uint64_t>(kBytesMin, sizeof(Node) + value_bytes)
                       : bytes_for(children(), prefix_bytes(), value_bytes);
  }
  bool is_gone() const noexcept {
    return base::Epochs::is_gone(word.load(std::memory_order_acquire));
  }

  const uint8_t* edges() const noexcept { return reinterpret_cast<const uint8_t*>(this + 1); }
  uint8_t edge(uint32_t index) const noexcept { return edges()[index]; }
  Bytes prefix() const noexcept {
    // A bucket has three bytes for each key before it.
    const uint32_t before = is_bucket() ? 3 * children() : children();
    return {reinterpret_cast<const char*>(edges()) + before, prefix_bytes()};
  }
  std::atomic<uint64_t>& slot(uint32_t index) noexcept {
    char* const slots = reinterpret_cast<char*>(this + 1) +
                        base::align_up(uint64_t{children()} + prefix_bytes(), 8);
    return reinterpret_cast<std::atomic<uint64_t>*>(slots)[index];
  }
  uint64_t link(uint32_t index) const noexcept {
    return const_cast<Node*>(this)->slot(index).load(std::memory_order_acquire);
  }
  static uint64_t link_to(const Node* node) noexcept {
    return reinterpret_cast<uint64_t>(node) |
           (node != nullptr && node->is_bucket() ? kLinksBucket : 0);
  }
  static bool links_bucket(uint64_t link) noexcept { return (link & kLinksBucket) != 0; }
  static Node* linked(uint64_t link) noexcept {
    return reinterpret_cast<Node*>(link & ~kLinksBucket);
  }
  Node* child(uint32_t index) const noexcept { return linked(link(index)); }
  /// As it lies here; `Stored::value` is what the user gave.
  Stored stored() const noexcept {
    const char* const end = reinterpret_cast<const char*>(this) + bytes();
    return {{end - value_bytes, value_bytes}, (shape & kValueApart) != 0};
  }
};
static_assert(sizeof(Node) == 16 && alignof(Node) == 8);
static_assert(sizeof(std::atomic<uint64_t>) == 8);

inline constexpr uint32_t kNoChild = UINT32_MAX;

/// Soon somebody looks at `node`: its first lines are fetched side by side.
inline void fetch_ahead(const Node* node) noexcept {
  base::prefetch(node);
  base::prefetch(reinterpret_cast<const char*>(node) + 64);
  base::prefetch(reinterpret_cast<const char*>(node) + 128);
}

/// The last child whose edge is not above `byte`, the only one that may lead on with it; or kNoChild.
inline uint32_t find_child(const Node& node, uint8_t byte) noexcept {
  const uint8_t* const edges = node.edges();
  const uint32_t count = node.children();
  if (count == 256) return byte;
#if defined(AETHER_RAX_READS_OVER)
  // Of edges that ascend, those that are not above `byte` come first. Behind the last one something is always there to read.
  const __m128i wanted = _mm_set1_epi8(static_cast<char>(byte));
  const auto above_from = [&](uint32_t at) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(edges + at));
    const __m128i not_above = _mm_cmpeq_epi8(_mm_max_epu8(block, wanted), wanted);
    return ~static_cast<uint32_t>(_mm_movemask_epi8(not_above)) & 0xFFFFU;
  };
  uint32_t at = 0;
  for (; count - at > 16; at += 16) {
    const uint32_t above = above_from(at);
    if (above != 0) return at + static_cast<uint32_t>(std::countr_zero(above)) - 1;
  }
  const uint32_t above = above_from(at) | 1U << (count - at);
  return at + static_cast<uint32_t>(std::countr_zero(above)) - 1;
#else
  return static_cast<uint32_t>(std::upper_bound(edges, edges + count, byte) - edges) - 1;
#endif
}
static_assert(kNoChild + 1 == 0);

}  // namespace aether::index::rax
