/// Frames: what the pool knows about a page in memory, beside the page's own bytes.
///
///          load                    provider, first look          provider, second look
///   free ────────► loading ───► hot ─────────────────────► cool ─────────────────────► free
///     ▲                          ▲ ◄───────────────────────── │
///     └── page freed ────────────┘      touched (reheat)      ┘
///
/// A page is in at most one frame; a hot or cool swip points to the frame that holds its page; a frame with
/// swizzled children is never cooled, so no parent leaves before its children (DESIGN.md 4.6).
#pragma once

#include <atomic>
#include <cstdint>

#include "base/ids.h"
#include "buffer/latch.h"
#include "wal/lsn_vector.h"

namespace aether::buffer {

enum class FrameState : uint8_t { free, loading, hot, cool };

struct alignas(64) Frame {
  HybridLatch latch;
  std::atomic<PageId> page_id{kNoPage};
  /// The frame whose page holds the swip to this one. Changed under the exclusive latch of the old and the
  /// new parent; null for pinned frames (roots) and space maps.
  std::atomic<Frame*> parent{nullptr};
  /// Log position at or below the first record that is not in the data file yet; 0: clean.
  std::atomic<LogPosition> dirty_position{0};
  Frame* next_free = nullptr;  ///< Under the partition's mutex.
  /// Swips in this page that are hot or cool. Changed under the exclusive latch.
  std::atomic<uint32_t> swizzled_children{0};
  std::atomic<FrameState> state{FrameState::free};
  std::atomic<bool> pinned{false};  ///< Never cooled: roots.
  uint8_t reserved[2] = {};
  uint32_t partition = 0;
  uint32_t reserved2 = 0;
  /// Dependencies of the page: the log positions that must be durable before it may be written, and that
  /// every later change of the page inherits. Under the latch.
  wal::LsnVector lsn_vector;
};
static_assert(sizeof(Frame) == 128);

}  // namespace aether::buffer
