/// What a descent is going to touch of the next node, asked for as soon as its frame is known: one wait for memory
/// instead of one each for latch, header and slots.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/prefetch.h"
#include "buffer/buffer_pool.h"

namespace aether::index {

constexpr size_t kCacheLine = 64;

/// The frame's latch, the node's header with its hints, and of a leaf, which is seldom in the cache, also the slots.
inline void prefetch_node(const buffer::BufferPool& pool, const buffer::Frame& frame,
                          bool is_leaf) noexcept {
  constexpr size_t kHeaderLines = 2, kLeafLines = 6;
  const std::byte* const page = pool.page(frame);
  base::prefetch(&frame);
  const size_t lines = is_leaf ? kLeafLines : kHeaderLines;
  for (size_t line = 0; line < lines; ++line) base::prefetch(page + line * kCacheLine);
}

/// Asks for the records of the leaf that a scan copies next, evenly while it shows the rows of this one: asked for at once
/// they would keep the processor from all else, and not asked for the copy waits for each few of them. Portions of four lines, as
/// far as twice the row that is shown, kept it waiting more than two do.
class LeafAhead {
 public:
  /// `page`: where that leaf lies; null: nowhere. It is taken to be as full as `leaf`, of which `rows` are still to be shown.
  LeafAhead(const std::byte* page, const page::SlottedPage& leaf, uint32_t rows) noexcept {
    if (page == nullptr || rows == 0) return;
    const uint32_t heap = std::min(leaf.header().heap_begin, leaf.page_bytes());
    at_ = page + leaf.page_bytes();
    end_ = page + heap;
    bytes_a_row_ = (leaf.page_bytes() - heap) / rows;
  }
  /// Of each row. A few lines too many are asked for rather than counted.
  void ask() noexcept {
    if (at_ <= end_) return;
    const std::byte* const row_end = at_ - bytes_a_row_;
    do {
      at_ -= kLines * kCacheLine;
      base::prefetch(at_);
      base::prefetch(at_ + kCacheLine);
    } while (at_ > row_end);
  }

 private:
  static constexpr size_t kLines = 2;
  const std::byte*
      at_ = nullptr;  ///< From here down to `end_`, since the heap begins at the page's end.
  const std::byte* end_ = nullptr;
  uint32_t bytes_a_row_ = 0;
};

}  // namespace aether::index
