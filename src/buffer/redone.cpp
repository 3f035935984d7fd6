// Pages that redo leaves in the pool: hot, dirty, and without a parent until a descent comes by.
#include <algorithm>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "base/no_memory.h"
#include "base/planted.h"
#include "base/reached.h"
#include "base/trace.h"
#include "buffer/buffer_pool.h"

namespace aether::buffer {

Frame* BufferPool::try_take_frame() noexcept {
  const uint64_t count = partitions_.size();
  const uint64_t home = next_partition_.fetch_add(1, std::memory_order_relaxed);
  for (uint64_t i = 0; i < count; ++i) {
    Frame* frame = pop_free(*partitions_[(home + i) % count]);
    if (frame == nullptr) continue;
    frame->state.store(FrameState::loading, std::memory_order_relaxed);
    frame->lsn_vector = {};  // What redo applies is durable.
    frame->dirty_position.store(0, std::memory_order_relaxed);
    return frame;
  }
  return nullptr;
}

Frame* BufferPool::find_redone(PageId id) noexcept {
  if (redone_count_.load(std::memory_order_acquire) == 0) return nullptr;
  os::LockGuard lock(redone_mutex_);
  const auto found = redone_.find(id);
  return found == redone_.end() ? nullptr : found->second;
}

BufferPool::Redone::node_type BufferPool::take_redone(PageId id) noexcept {
  if (redone_count_.load(std::memory_order_acquire) == 0) return {};
  os::LockGuard lock(redone_mutex_);
  Redone::node_type taken = redone_.extract(id);
  redone_count_.store(redone_.size(), std::memory_order_release);
  return taken;
}

void BufferPool::put_back_redone(Redone::node_type taken) noexcept {
  os::LockGuard lock(redone_mutex_);
  redone_.insert(std::move(taken));
  redone_count_.store(redone_.size(), std::memory_order_release);
}

Result<void> BufferPool::keep_redone(Frame& frame, PageId id, LogPosition position) {
  // Whoever writes the page follows what look like swips: there must be none.
  if (node(frame).header().page.kind == page::PageKind::btree_inner)
    AETHER_TRY(check_words(node(frame)));
  const LogPosition dirty = frame.dirty_position.load(std::memory_order_relaxed);
  if (dirty == 0 || position < dirty)
    frame.dirty_position.store(position, std::memory_order_relaxed);
  AETHER_TRACE_EVENT("keep", {{"frame", number_of(frame)},
                              {"page", raw(id)},
                              {"gsn", node(frame).header().page.gsn},
                              {"position", position}});
  if (frame.state.load(std::memory_order_relaxed) == FrameState::hot)
    return {};  // In an earlier window.
  {
    os::LockGuard lock(redone_mutex_);  // First: it may lack memory.
    redone_[id] = &frame;
    redone_count_.store(redone_.size(), std::memory_order_release);
  }
  frame.latch.lock();
  frame.page_id.store(id, std::memory_order_relaxed);
  frame.parent.store(nullptr, std::memory_order_relaxed);
  frame.swizzled_children.store(0, std::memory_order_relaxed);
  frame.pinned = false;
  frame.state.store(FrameState::hot, std::memory_order_release);
  frame.latch.unlock();
  return {};
}

bool BufferPool::read_redone(PageId id, std::byte* to) noexcept {
  Frame* frame = find_redone(id);
  if (frame == nullptr) return false;
  std::memcpy(to, page(*frame), page_bytes_);
  return true;
}

LogPosition BufferPool::move_redone(PageId id, std::byte* to) noexcept {
  const Redone::node_type taken = take_redone(id);
  if (!taken) return 0;
  Frame* const frame = taken.mapped();
  std::memcpy(to, page(*frame), page_bytes_);
  AETHER_TRACE_EVENT("forget", {{"page", raw(id)}});
  const LogPosition position = frame->dirty_position.load(std::memory_order_relaxed);
  free_frame(ExclusiveGuard::lock(*frame));
  return position;
}

Result<void> BufferPool::flush_redone(PageWriter& writer) {
  std::vector<PageWriter::Target> targets;
  {
    os::LockGuard lock(redone_mutex_);
    for (const auto& entry : redone_) targets.push_back({entry.second, page(*entry.second)});
  }
  std::sort(targets.begin(), targets.end(), [](const auto& a, const auto& b) {
    return a.frame->page_id.load(std::memory_order_relaxed) <
           b.frame->page_id.load(std::memory_order_relaxed);
  });
  AETHER_REACHED("recovery.more_pages_than_frames");
  AETHER_TRY(writer.write(targets));
  drop_redone([](PageId, page::PageKind) { return true; });
  return {};
}

Result<void> BufferPool::write_redone(PageWriter& writer, page::PageKind kind) {
  std::vector<PageWriter::Target> targets;
  {
    os::LockGuard lock(redone_mutex_);
    for (const auto& entry : redone_) {
      if (node(*entry.second).header().page.kind == kind)
        targets.push_back({entry.second, page(*entry.second)});
    }
  }
  return writer.write(targets);
}

void BufferPool::drop_redone(FunctionRef<bool(PageId, page::PageKind)> drop) {
  std::vector<PageId> ids;
  {
    os::LockGuard lock(redone_mutex_);
    for (const auto& entry : redone_) ids.push_back(entry.first);
  }
  for (const PageId id : ids) {
    const Frame* frame = find_redone(id);
    if (frame != nullptr && drop(id, node(*frame).header().page.kind)) forget_redone(id, 1);
  }
}

void BufferPool::forget_redone(PageId first, uint64_t count) noexcept {
  // First: what is being redone just now comes into the table, or does not.
  if (pending_ != nullptr && !AETHER_PLANTED("recovery.waiting_page_reused"))
    pending_->forget(first, count);
  for (uint64_t i = 0; i < count && redone_count_.load(std::memory_order_acquire) != 0; ++i) {
    const Redone::node_type taken = take_redone(PageId{raw(first) + i});
    if (!taken) continue;
    AETHER_REACHED("buffer.redone_page_forgotten");
    AETHER_TRACE_EVENT("forget", {{"page", raw(first) + i}});
    free_frame(ExclusiveGuard::lock(*taken.mapped()));
  }
}

uint64_t BufferPool::redone_end() noexcept {
  os::LockGuard lock(redone_mutex_);
  uint64_t end = 0;
  for (const auto& entry : redone_) end = std::max(end, raw(entry.first) + 1);
  return end;
}

/// As load, of a page that is in a frame already. False: it is not, or not any more.
Result<bool> BufferPool::adopt_redone(Frame& parent, uint64_t version, uint64_t* place, PageId id,
                                      Fences fences) {
  if (find_redone(id) == nullptr) return false;
  const std::optional<ExclusiveGuard> latched = ExclusiveGuard::try_lock_at(parent, version);
  if (!latched) return true;  // The caller restarts.
  Redone::node_type taken = take_redone(id);
  if (!taken) return true;  // Written and evicted meanwhile: the next round reads it.
  Frame* const frame = taken.mapped();
  // Also if the check lacks memory: the page is nowhere else.
  base::Unless put_back([&]() noexcept {
    AETHER_REACHED("buffer.redone_page_put_back");
    put_back_redone(std::move(taken));
  });
  AETHER_TRY(check_child(node(parent), place, node(*frame), fences));
  put_back.dismiss();
  AETHER_REACHED("buffer.redone_page_adopted");
  const ExclusiveGuard self = ExclusiveGuard::lock(*frame);
  adopt(*frame, id, &parent);
  SwipWord::hot(frame).store(place);
  return true;
}

/// Clean -> free: whoever looks for it reads it. The table's mutex keeps it from being adopted meanwhile.
bool BufferPool::evict_redone(Frame& frame) noexcept {
  os::LockGuard lock(redone_mutex_);
  const auto found = redone_.find(frame.page_id.load(std::memory_order_relaxed));
  if (found == redone_.end() || found->second != &frame) return false;
  std::optional<ExclusiveGuard> self = ExclusiveGuard::try_lock(frame);
  if (!self || frame.dirty_position.load(std::memory_order_relaxed) != 0) return false;
  AETHER_REACHED("buffer.redone_page_evicted");
  AETHER_TRACE_EVENT("leave", {{"page", raw(found->first)}});
  redone_.erase(found);
  redone_count_.store(redone_.size(), std::memory_order_release);
  free_frame(*std::move(self));
  evictions_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

}  // namespace aether::buffer
