/// What a RAX is made of: one shape of node, in one allocation of exactly the size it needs.
///
///   offset  size  what
///   0       8     word     bit 0: gone, and then the link of retired nodes; bit 1: latched by a writer
///   8       4     shape    bits 0-16 bytes of the prefix, 17-25 number of children, 26 has a value
///   12      4     bytes of the value
///   16      n     edges: the byte that leads to each child, ascending
///   ..            prefix: what every key below goes on with
///   ..            zeros up to a multiple of 8, if there are children
///   ..      8*n   children, in the order of their edges
///   ..            value of the key that ends here
///
/// What a search looks at lies together at the beginning: of most nodes in one cache line, with the child's pointer.
/// All but the word and the child pointers never changes: who changes the rest puts another node in its place.
#pragma once

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>

#include "aether/options.h"
#include "base/bytes.h"
#include "base/epochs.h"

namespace aether::index::rax {

struct Node {
  static constexpr uint64_t kLatched = 2;
  static constexpr uint32_t kPrefixBits = 17;
  static constexpr uint32_t kChildrenBits = 9;
  static constexpr uint32_t kHasValue = 1U << (kPrefixBits + kChildrenBits);

  base::Epochs::Link word;
  uint32_t shape;
  uint32_t value_bytes;

  /// Of edges and prefix, with what makes the child pointers lie as they must.
  static uint64_t head_bytes(uint32_t children, uint64_t prefix) noexcept {
    return children == 0 ? prefix : base::align_up(children + prefix, 8);
  }
  static uint64_t bytes_for(uint32_t children, uint64_t prefix, uint64_t value) noexcept {
    return sizeof(Node) + head_bytes(children, prefix) + children * 8ULL + value;
  }
  uint32_t prefix_bytes() const noexcept { return shape & ((1U << kPrefixBits) - 1); }
  uint32_t children() const noexcept { return shape >> kPrefixBits & ((1U << kChildrenBits) - 1); }
  bool has_value() const noexcept { return (shape & kHasValue) != 0; }
  uint64_t bytes() const noexcept { return bytes_for(children(), prefix_bytes(), value_bytes); }
  bool is_gone() const noexcept {
    return base::Epochs::is_gone(word.load(std::memory_order_acquire));
  }

  const uint8_t* edges() const noexcept { return reinterpret_cast<const uint8_t*>(this + 1); }
  uint8_t edge(uint32_t index) const noexcept { return edges()[index]; }
  Bytes prefix() const noexcept {
    return {reinterpret_cast<const char*>(edges()) + children(), prefix_bytes()};
  }
  std::atomic<Node*>& slot(uint32_t index) noexcept {
    char* const slots = reinterpret_cast<char*>(this + 1) + head_bytes(children(), prefix_bytes());
    return reinterpret_cast<std::atomic<Node*>*>(slots)[index];
  }
  Node* child(uint32_t index) const noexcept {
    return const_cast<Node*>(this)->slot(index).load(std::memory_order_acquire);
  }
  Bytes value() const noexcept {
    const char* const end = reinterpret_cast<const char*>(this) + bytes();
    return {end - value_bytes, value_bytes};
  }
};
static_assert(sizeof(Node) == 16 && alignof(Node) == 8);
static_assert(sizeof(std::atomic<Node*>) == 8);

inline constexpr uint32_t kNoChild = UINT32_MAX;

/// Soon somebody looks at `node`: its first two lines are fetched side by side.
inline void fetch_ahead(const Node* node) noexcept {
  __builtin_prefetch(node);
  __builtin_prefetch(reinterpret_cast<const char*>(node) + 64);
}

#if defined(__SSE2__)
/// The place of `byte` among `count` >= 16 bytes, no two of them equal; reads no other bytes.
inline uint32_t find_byte_wide(const uint8_t* bytes, uint32_t count, uint8_t byte) noexcept {
  const __m128i wanted = _mm_set1_epi8(static_cast<char>(byte));
  for (uint32_t at = 0;; at += 16) {
    if (at + 16 > count) at = count - 16;  // The last block, over some of the one before.
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + at));
    const auto found = static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(block, wanted)));
    if (found != 0) return at + static_cast<uint32_t>(__builtin_ctz(found));
    if (at + 16 >= count) return kNoChild;
  }
}
#endif

/// The child that `byte` leads to, or kNoChild.
inline uint32_t find_child(const Node& node, uint8_t byte) noexcept {
  const uint8_t* const edges = node.edges();
  const uint32_t count = node.children();
  if (count <= 8) {
    if (count == 0) return kNoChild;
    // Eight bytes are there, zeros or a part of the prefix behind the edges. Of equal bytes the lowest is told rightly.
    constexpr uint64_t kOnes = 0x0101010101010101;
    const uint64_t differ = base::load<uint64_t>(edges) ^ (kOnes * byte);
    const uint64_t equal = (differ - kOnes) & ~differ & (kOnes << 7) &
                           (~uint64_t{0} >> (64 - 8 * count));
    return equal == 0 ? kNoChild : static_cast<uint32_t>(std::countr_zero(equal)) / 8;
  }
  if (count == 256) return byte;
#if defined(__SSE2__)
  if (count >= 16) {
    // Edges ascend and differ: at most `missing` bytes before it are no edge. In a node of many children that
    // leaves one block to look at.
    const uint32_t missing = 256 - count;
    const uint32_t from = std::min(byte > missing ? byte - missing : 0, count - 16);
    const uint32_t to = std::max(std::min<uint32_t>(byte + 1, count), from + 16);
    const uint32_t found = find_byte_wide(edges + from, to - from, byte);
    return found == kNoChild ? kNoChild : from + found;
  }
  // Of more than eight edges sixteen bytes are there.
  const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(edges));
  const __m128i wanted = _mm_set1_epi8(static_cast<char>(byte));
  const uint32_t equal = static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(block, wanted))) &
                         ((1U << count) - 1);
  return equal == 0 ? kNoChild : static_cast<uint32_t>(std::countr_zero(equal));
#else
  const uint8_t* const found = std::lower_bound(edges, edges + count, byte);
  return found == edges + count || *found != byte ? kNoChild : static_cast<uint32_t>(found - edges);
#endif
}

/// The first child whose edge is not below `byte`; the number of children, if there is none.
inline uint32_t first_child_from(const Node& node, uint8_t byte) noexcept {
  const uint8_t* const edges = node.edges();
  const uint32_t count = node.children();
  if (count > 16) {
    return static_cast<uint32_t>(std::lower_bound(edges, edges + count, byte) - edges);
  }
  uint32_t index = 0;
  while (index < count && edges[index] < byte) ++index;
  return index;
}

}  // namespace aether::index::rax
