/// What a descent is going to touch of the next node, asked for as soon as its frame is known: one wait for memory
/// instead of one each for latch, header and slots.
#pragma once

#include <cstddef>

#include "buffer/buffer_pool.h"

namespace aether::index {

constexpr size_t kCacheLine = 64;

/// The frame's latch, the node's header with its hints, and of a leaf, which is seldom in the cache, also the slots.
inline void prefetch_node(const buffer::BufferPool& pool, const buffer::Frame& frame,
                          bool is_leaf) noexcept {
  constexpr size_t kHeaderLines = 2, kLeafLines = 6;
  const std::byte* const page = pool.page(frame);
  __builtin_prefetch(&frame);
  const size_t lines = is_leaf ? kLeafLines : kHeaderLines;
  for (size_t line = 0; line < lines; ++line) __builtin_prefetch(page + line * kCacheLine);
}

}  // namespace aether::index
