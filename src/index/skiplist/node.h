/// What a skiplist is made of: nodes with their tower, key and first value in one allocation.
///
///   offset  size      what
///   0       8         value   0x2: behind the key | address of a Value | bit 0: removed; then the link of retired nodes
///   8       4         bytes of the value behind the key
///   12      2         bytes of the key, the low 16 bits
///   14      1         height; bit 7: the key has 64 KiB
///   15      1         how far those are who link and remove it (kLinked, kMarked)
///   16      8*height  next, by level: address of a node | bit 0: this node is removed at that level
///   ..                key, then the value that it was inserted with
///
/// A later value is an allocation of its own, and the word at 0 moves to it in one step.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>

#include "aether/options.h"
#include "base/epochs.h"

namespace aether::index::skiplist {

/// The next pointers of a node, or of the head.
using Tower = std::atomic<uint64_t>*;

inline constexpr uint64_t kMark = 1;
inline bool is_marked(uint64_t next) noexcept { return (next & kMark) != 0; }

struct Node {
  static constexpr uint64_t kInline = 2;
  static constexpr uint8_t kHuge = 0x80;
  static constexpr uint8_t kLinked = 1;  ///< Who inserted it links it nowhere any more.
  static constexpr uint8_t
      kMarked = 2;  ///< Removed while that was going on: who inserted it unlinks it.

  base::Epochs::Link value;
  uint32_t value_bytes;
  uint16_t key_low;
  uint8_t shape;
  std::atomic<uint8_t> done;

  static uint64_t bytes_for(uint32_t height, size_t key_bytes, size_t value_bytes) noexcept {
    return sizeof(Node) + 8 * height + key_bytes + value_bytes;
  }
  uint32_t height() const noexcept { return shape & ~kHuge & 0xff; }
  uint64_t bytes() const noexcept { return bytes_for(height(), key().size(), value_bytes); }
  Tower tower() noexcept { return reinterpret_cast<Tower>(this + 1); }
  Bytes key() const noexcept {
    return {reinterpret_cast<const char*>(this + 1) + 8 * height(),
            key_low + ((shape & kHuge) != 0 ? size_t{1} << 16 : 0)};
  }
  Bytes first_value() const noexcept {
    const Bytes before = key();
    return {before.data() + before.size(), value_bytes};
  }
};
static_assert(sizeof(Node) == 16 && alignof(Node) == 8);

/// A value that replaced another.
struct Value {
  base::Epochs::Link link;
  uint64_t size;

  uint64_t bytes() const noexcept { return sizeof(Value) + size; }
  Bytes content() const noexcept { return {reinterpret_cast<const char*>(this + 1), size}; }
};
static_assert(sizeof(Value) == 16 && alignof(Value) == 8);

inline Node* node_of(uint64_t next) noexcept { return reinterpret_cast<Node*>(next & ~kMark); }
inline uint64_t word_of(const Node* node) noexcept { return reinterpret_cast<uint64_t>(node); }

/// Of a node whose word is `value`, which does not say that it is removed.
inline Bytes value_of(const Node& node, uint64_t value) noexcept {
  if (value == Node::kInline) return node.first_value();
  return reinterpret_cast<const Value*>(value)->content();
}

}  // namespace aether::index::skiplist
