/// What the source files of SlottedPage share.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "page/slotted_page.h"

namespace aether::page {

inline constexpr uint32_t kHints = 14;
inline constexpr uint32_t kNodeHeaderBytes = sizeof(NodeHeader);
inline constexpr uint32_t kSlotBytes = sizeof(Slot);
inline constexpr uint32_t kChildBytes = sizeof(uint64_t);
inline constexpr uint32_t kLargestPage = 64 * 1024;

/// Room to build a node aside before it replaces a page. On the stack, because neither an
/// allocation nor state that outlives the call belongs in a change of a page. Not cleared: `format`
/// clears what is used.
struct Scratch {
  alignas(64) std::byte bytes[kLargestPage];
};

/// Hint i is the head of this slot. With 14 hints there are 15 intervals of equal width.
inline constexpr uint32_t hint_slot(uint32_t hint, uint32_t count) noexcept {
  return (hint + 1) * count / (kHints + 1);
}

/// The first 4 bytes of a suffix as a number that orders as the bytes do; missing bytes count as
/// zero.
inline uint32_t head_of(Bytes suffix) noexcept {
  if (suffix.size() >= 4) return __builtin_bswap32(base::load<uint32_t>(suffix.data()));
  uint32_t head = 0;
  for (size_t i = 0; i < suffix.size(); ++i) {
    head |= uint32_t{static_cast<uint8_t>(suffix[i])} << (24 - 8 * i);
  }
  return head;
}

/// What a record takes of the heap.
inline uint32_t record_bytes(bool leaf, size_t suffix_bytes, size_t payload_bytes) noexcept {
  return static_cast<uint32_t>(leaf ? suffix_bytes + payload_bytes
                                    : base::align_up(kChildBytes + suffix_bytes, 8));
}

/// What the fences take of the heap. In an inner node the records below them are aligned.
inline uint32_t fence_bytes(bool leaf, size_t lower_bytes, size_t upper_bytes) noexcept {
  const size_t bytes = lower_bytes + upper_bytes;
  return static_cast<uint32_t>(leaf ? bytes : base::align_up(bytes, 8));
}

inline size_t length_of(const Fence& fence) noexcept { return fence ? fence->size() : 0; }

inline size_t common_prefix(Bytes a, Bytes b) noexcept {
  const size_t shorter = a.size() < b.size() ? a.size() : b.size();
  size_t same = 0;
  while (same < shorter && a[same] == b[same]) ++same;
  return same;
}

/// The prefix that every key between two fences has.
inline size_t fence_prefix(const Fence& lower, const Fence& upper) noexcept {
  return lower && upper ? common_prefix(*lower, *upper) : 0;
}

}  // namespace aether::page
