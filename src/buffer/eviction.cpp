// Eviction: the clock that cools and evicts, and the page provider thread that keeps frames free.
#include <algorithm>
#include <array>
#include <span>

#include "base/assert.h"
#include "base/no_memory.h"
#include "base/planted.h"
#include "base/probes.h"
#include "base/trace.h"
#include "buffer/buffer_pool.h"

namespace aether::buffer {
namespace {

constexpr size_t kWriteBatch = 64;

}  // namespace

struct BufferPool::DirtyPages {
  std::array<PageWriter::Target, kWriteBatch> targets;
  size_t count = 0;
};

/// The latched parent of `frame` and the swip in it that leads to `frame`. Empty: try later.
std::optional<ExclusiveGuard> BufferPool::lock_parent(Frame& frame, uint64_t*& place) noexcept {
  Frame* parent = frame.parent.load(std::memory_order_acquire);
  if (parent == nullptr) return std::nullopt;
  std::optional<ExclusiveGuard> guard = ExclusiveGuard::try_lock(*parent);
  if (!guard) return std::nullopt;
  // The parent's latch guards the relation: look again now that it is held.
  if (frame.parent.load(std::memory_order_acquire) != parent) return std::nullopt;
  page::SlottedPage parent_node = node(*parent);
  for (uint32_t i = 0; i <= parent_node.count(); ++i) {
    const SwipWord word = SwipWord::load(parent_node.child_word(i));
    if (word.in_memory() && word.frame() == &frame) {
      place = parent_node.child_word(i);
      return guard;
    }
  }
  return std::nullopt;
}

/// hot -> cool.
bool BufferPool::cool(Frame& frame) noexcept {
  if (frame.pinned || frame.swizzled_children.load(std::memory_order_relaxed) != 0) return false;
  uint64_t* place = nullptr;
  const std::optional<ExclusiveGuard> parent = lock_parent(frame, place);
  if (!parent) return false;
  // Children are swizzled under this frame's latch, not the parent's: look under it.
  const std::optional<ExclusiveGuard> self = ExclusiveGuard::try_lock(frame);
  if (!self || frame.state.load(std::memory_order_relaxed) != FrameState::hot) return false;
  if (frame.swizzled_children.load(std::memory_order_relaxed) != 0) return false;
  SwipWord::cool(&frame).store(place);
  frame.state.store(FrameState::cool, std::memory_order_relaxed);
  AETHER_TRACE_EVENT("cool", {{"frame", number_of(frame)}});
  return true;
}

/// cool and clean -> free. `expected`: the page it must still hold, or kNoPage for any.
bool BufferPool::evict(Frame& frame, PageId expected) noexcept {
  uint64_t* place = nullptr;
  std::optional<ExclusiveGuard> parent = lock_parent(frame, place);
  if (!parent) return false;
  std::optional<ExclusiveGuard> self = ExclusiveGuard::try_lock(frame);
  if (!self || frame.state.load(std::memory_order_relaxed) != FrameState::cool) return false;
  const PageId id = frame.page_id.load(std::memory_order_relaxed);
  if (expected != kNoPage && id != expected) return false;
  const bool is_dirty = frame.dirty_position.load(std::memory_order_relaxed) != 0;
  if (is_dirty && !AETHER_PLANTED("buffer.evict_dirty")) return false;
  if (frame.swizzled_children.load(std::memory_order_relaxed) != 0) return false;
  SwipWord::evicted(id).store(place);
  parent->frame().swizzled_children.fetch_sub(1, std::memory_order_relaxed);
  AETHER_TRACE_EVENT("evict", {{"frame", number_of(frame)}, {"page", raw(id)}});
  AETHER_PROBE(page_evict, raw(id));
  discard(*std::move(self));
  evictions_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void BufferPool::look_at(Frame& frame, uint64_t& evicted, DirtyPages& dirty) noexcept {
  const FrameState state = frame.state.load(std::memory_order_relaxed);
  if (frame.pinned) return;
  if (state == FrameState::hot && frame.parent.load(std::memory_order_relaxed) == nullptr) {
    // Redone, and nobody has come by: if it goes, the next one reads it.
    if (frame.dirty_position.load(std::memory_order_relaxed) != 0) {
      dirty.targets[dirty.count++] = {&frame, page(frame)};
    } else if (evict_redone(frame)) {
      ++evicted;
    }
  } else if (state == FrameState::hot) {
    cool(frame);
  } else if (state == FrameState::cool) {
    if (frame.dirty_position.load(std::memory_order_relaxed) != 0) {
      dirty.targets[dirty.count++] = {&frame, page(frame)};
    } else if (evict(frame, kNoPage)) {
      ++evicted;
    }
  }
}

Result<uint64_t> BufferPool::evict_some(Partition& partition, uint64_t wanted) {
  const uint64_t size = partition.used_end.load(std::memory_order_acquire) - partition.begin;
  uint64_t evicted = 0;
  DirtyPages dirty;
  // Twice round: once to cool, once to evict what stayed cool.
  for (uint64_t looked = 0; looked < 2 * size && evicted < wanted && dirty.count < kWriteBatch;
       ++looked) {
    const uint64_t step = partition.hand.fetch_add(1, std::memory_order_relaxed);
    look_at(frames_[partition.begin + step % size], evicted, dirty);
  }
  if (dirty.count == 0) return evicted;
  const std::span<const PageWriter::Target> targets(dirty.targets.data(), dirty.count);
  AETHER_TRY(writer_->write(targets));
  for (const PageWriter::Target& target : targets) {
    if (evict_redone(*target.frame) || evict(*target.frame, kNoPage)) ++evicted;
  }
  return evicted;
}

void BufferPool::provide() {
  while (true) {
    uint64_t evicted = 0;
    bool low = false;
    for (const std::unique_ptr<Partition>& partition : partitions_) {
      const uint64_t free = partition->free_count.load(std::memory_order_relaxed);
      if (free >= 2 * low_water_) continue;
      low = true;
      const Result<uint64_t> got = base::or_no_memory(
          [&] { return evict_some(*partition, 2 * low_water_ - free); });
      // A failed write marks the writer failed; who needs a frame hears of it. No memory: in the next round.
      if (got) evicted += *got;
    }
    os::LockGuard lock(provider_mutex_);
    if (stop_) return;
    if (low && evicted > 0) continue;
    provider_asleep_.store(true, std::memory_order_relaxed);
    // Low, but nothing could go (all hot, or held): look again soon. Else sleep until woken.
    if (low) {
      constexpr uint64_t kRetryNs = 2'000'000;
      provider_wake_.wait_for(provider_mutex_, kRetryNs);
    } else {
      provider_wake_.wait(provider_mutex_);
    }
    provider_asleep_.store(false, std::memory_order_relaxed);
    if (stop_) return;
  }
}

void BufferPool::wake_provider() noexcept {
  if (!provider_asleep_.load(std::memory_order_relaxed)) return;
  os::LockGuard lock(provider_mutex_);
  provider_wake_.notify_one();
}

}  // namespace aether::buffer
