#include "buffer/buffer_pool.h"

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

#include "base/assert.h"
#include "base/no_memory.h"
#include "base/planted.h"
#include "base/probes.h"
#include "base/reached.h"
#include "base/trace.h"
#include "buffer/batch_reader.h"
#include "page/leaf_record.h"

namespace aether::buffer {
namespace {

constexpr uint64_t kFramesMin = 64;
constexpr uint64_t kFramesPerPartition = 1024;
constexpr uint64_t kPartitionsMax = 16;

uint64_t frames_of(const PoolOptions& options) noexcept {
  return options.pool_bytes / (options.page_bytes + sizeof(Frame));
}

/// Does `child` cover just the keys that lead to `place` in `parent`?
bool has_fences(page::SlottedPage child, page::SlottedPage parent, const uint64_t* place,
                Fences fences) {
  uint32_t index = 0;
  while (index < parent.count() && parent.child_word(index) != place) ++index;
  const bool is_last = index == parent.count();
  std::string key;
  if (index > 0) parent.key(index - 1, key);
  if (child.lower_fence() != (index > 0 ? page::Fence(key) : parent.lower_fence())) return false;
  if (is_last && fences == Fences::may_end_early) return true;
  if (!is_last) parent.key(index, key);
  return child.upper_fence() == (is_last ? parent.upper_fence() : page::Fence(key));
}

}  // namespace

/// The node is well formed, its child words are page ids, its rows begin with their meta.
Result<void> BufferPool::check_words(page::SlottedPage node) {
  AETHER_TRY(node.check_node());
  for (uint32_t i = 0; node.is_leaf() && i < node.count(); ++i) {
    if (node.payload(i).size() < page::kMetaBytes) {
      return Error(Code::corruption, "page " + std::to_string(raw(node.header().page.page_id)) +
                                         ": row " + std::to_string(i) + " is cut short");
    }
  }
  for (uint32_t i = 0; !node.is_leaf() && i <= node.count(); ++i) {
    const SwipWord word = SwipWord::load(node.child_word(i));
    if (!word.is_evicted() || word.page_id() == kNoPage) {
      return Error(Code::corruption, "page " + std::to_string(raw(node.header().page.page_id)) +
                                         ": child " + std::to_string(i) + " is not a page id");
    }
  }
  return {};
}

/// A page with the right checksum may still be an older life of itself (a lost write) or another tree's: what is
/// followed from here on must be a node of this tree, one level down, with nothing but page ids in it.
Result<void> BufferPool::check_kinship(page::SlottedPage parent, page::SlottedPage child) {
  const page::NodeHeader& header = child.header();
  const auto where = [&] { return "page " + std::to_string(raw(header.page.page_id)); };
  const bool is_node = header.page.kind == page::PageKind::btree_leaf ||
                       header.page.kind == page::PageKind::btree_inner;
  if (!is_node || header.page.store != parent.header().page.store ||
      !page::is_level_below(header.level, parent.header().level)) {
    return Error(Code::corruption, where() + " is not the child that page " +
                                       std::to_string(raw(parent.header().page.page_id)) +
                                       " refers to (a lost write?): restore it from a backup");
  }
  return {};
}

/// Its keys are those that the parent sends there: a walk from fence to fence then has an end, and no page two parents.
Result<void> BufferPool::check_fences(page::SlottedPage parent, const uint64_t* place,
                                      page::SlottedPage child, Fences fences) {
  // With one child it could lead to itself. A tree that is being dropped leaves some with one.
  if (child.header().level == page::kRadixLevel && child.count() == 0 &&
      fences != Fences::may_end_early) {
    return Error(Code::corruption, "page " + std::to_string(raw(child.header().page.page_id)) +
                                       " is an inner node of a radix tree with a single child: "
                                       "restore it from a backup");
  }
  if (has_fences(child, parent, place, fences)) return {};
  return Error(Code::corruption, "page " + std::to_string(raw(child.header().page.page_id)) +
                                     " has other fences than page " +
                                     std::to_string(raw(parent.header().page.page_id)) +
                                     " says (a lost write?): restore it from a backup");
}

Result<void> BufferPool::check_child(page::SlottedPage parent, const uint64_t* place,
                                     page::SlottedPage child, Fences fences) {
  AETHER_TRY(check_kinship(parent, child));
  AETHER_TRY(check_words(child));
  return check_fences(parent, place, child, fences);
}

Result<void> BufferPool::check_root(page::SlottedPage root) {
  AETHER_TRY(check_words(root));
  if (!root.lower_fence() && !root.upper_fence()) return {};
  return Error(Code::corruption, "page " + std::to_string(raw(root.header().page.page_id)) +
                                     " is not the root of a tree (a lost write?): it has fences");
}

BufferPool::BufferPool(const PoolOptions& options, DataFile& data, os::Os& os)
    : page_bytes_(options.page_bytes),
      page_shift_(static_cast<uint32_t>(std::countr_zero(options.page_bytes))),
      data_(data),
      os_(os),
      background_thread_(options.background_thread),
      io_mode_(options.io_mode) {}

Result<void> BufferPool::check(const PoolOptions& options) {
  const uint64_t frames = frames_of(options);
  if (frames >= kFramesMin) return {};
  return Error(Code::invalid_argument,
               "pool_bytes of " + std::to_string(options.pool_bytes) + " holds " +
                   std::to_string(frames) + " pages of " + std::to_string(options.page_bytes) +
                   " bytes; it must hold at least " + std::to_string(kFramesMin));
}

Result<std::unique_ptr<BufferPool>> BufferPool::open(const PoolOptions& options, DataFile& data,
                                                     PageWriter& writer, os::Os& os) {
  AETHER_TRY_ASSIGN(std::unique_ptr<BufferPool> pool, open(options, data, os));
  AETHER_TRY(pool->attach(writer));
  return pool;
}

Result<void> BufferPool::attach(PageWriter& writer) {
  writer_ = &writer;
  if (!background_thread_) return {};
  AETHER_TRY_ASSIGN(provider_, os_.spawn("aether-pages", [this] { provide(); }));
  return {};
}

Result<std::unique_ptr<BufferPool>> BufferPool::open(const PoolOptions& options, DataFile& data,
                                                     os::Os& os) {
  AETHER_TRY(check(options));
  const uint64_t frames = frames_of(options);
  auto pool = std::unique_ptr<BufferPool>(new BufferPool(options, data, os));
  pool->frame_count_ = frames;
  pool->memory_bytes_ = frames * options.page_bytes + frames * sizeof(Frame);
  pool->memory_ = os::reserve_memory(pool->memory_bytes_);
  if (pool->memory_ == nullptr) {
    return Error(Code::no_memory, "no memory for a pool of " + std::to_string(options.pool_bytes) +
                                      " bytes: set pool_bytes lower");
  }
  pool->pages_ = static_cast<std::byte*>(pool->memory_);
  pool->frames_ = reinterpret_cast<Frame*>(pool->pages_ + frames * options.page_bytes);

  const uint64_t count = std::clamp<uint64_t>(frames / kFramesPerPartition, 1, kPartitionsMax);
  pool->low_water_ = std::max<uint64_t>(4, frames / count / 64);
  for (uint64_t i = 0; i < count; ++i) {
    auto partition = std::make_unique<Partition>();
    partition->begin = frames * i / count;
    partition->end = frames * (i + 1) / count;
    partition->hand = 0;
    partition->used_end = partition->begin;
    partition->free_count = partition->end - partition->begin;
    partition->number = static_cast<uint32_t>(i);
    pool->partitions_.push_back(std::move(partition));
  }
  return pool;
}

BufferPool::~BufferPool() {
  if (provider_) {
    {
      os::LockGuard lock(provider_mutex_);
      stop_ = true;
      provider_wake_.notify_all();
    }
    provider_->join();
  }
  os::release_memory(memory_, memory_bytes_);
}

Frame* BufferPool::pop_free(Partition& partition) noexcept {
  if (partition.free_count.load(std::memory_order_relaxed) == 0) return nullptr;
  os::LockGuard lock(partition.mutex);
  Frame* frame = partition.free;
  if (frame != nullptr) {
    partition.free = frame->next_free;
  } else {
    const uint64_t next = partition.used_end.load(std::memory_order_relaxed);
    if (next == partition.end) return nullptr;
    frame = new (&frames_[next]) Frame();
    frame->partition = partition.number;
    partition.used_end.store(next + 1, std::memory_order_seq_cst);
  }
  partition.free_count.fetch_sub(1, std::memory_order_relaxed);
  return frame;
}

void BufferPool::push_free(Frame& frame) noexcept {
  Partition& partition = *partitions_[frame.partition];
  frame.state.store(FrameState::free, std::memory_order_relaxed);
  os::LockGuard lock(partition.mutex);
  frame.next_free = partition.free;
  partition.free = &frame;
  partition.free_count.fetch_add(1, std::memory_order_relaxed);
}

Result<Frame*> BufferPool::take_frame(ScanRing* ring) {
  const uint64_t count = partitions_.size();
  // All partitions fill evenly, so that none evicts while others have room.
  const uint64_t home = next_partition_.fetch_add(1, std::memory_order_relaxed);
  constexpr uint32_t kRoundsMax = 200;
  os::Backoff backoff;
  for (uint32_t round = 0; round < kRoundsMax; ++round) {
    for (uint64_t i = 0; i < count; ++i) {
      Partition& partition = *partitions_[(home + i) % count];
      Frame* frame = pop_free(partition);
      if (frame == nullptr) continue;
      frame->state.store(FrameState::loading, std::memory_order_relaxed);
      if (partition.free_count.load(std::memory_order_relaxed) < low_water_) wake_provider();
      return frame;
    }
    AETHER_MAYBE(ring != nullptr);
    uint64_t evicted = 0;
    for (uint64_t i = 0; i < count && evicted == 0; ++i) {
      AETHER_TRY_ASSIGN(evicted, evict_some(*partitions_[(home + round + i) % count], 8));
    }
    if (evicted == 0) AETHER_REACHED("buffer.no_frame_to_evict");
    if (evicted == 0) backoff.wait();
  }
  return Error(Code::busy, "every one of the pool's " + std::to_string(frame_count_) +
                               " frames is in use: set pool_bytes higher");
}

Result<void> BufferPool::resolve(OptimisticGuard& parent, uint64_t* place, ScanRing* ring,
                                 Fences fences) {
  const SwipWord word = SwipWord::load(place);
  if (!parent.validate() || word.is_hot()) {
    parent.leave();
    return {};
  }
  if (word.is_cool()) {
    heat(parent, place, word);
    return {};
  }
  Frame& frame = parent.frame();
  const uint64_t version = parent.leave();  // No latch is held across the disk.
  return load(frame, version, place, word.page_id(), ring, fences);
}

void BufferPool::heat(OptimisticGuard& parent, uint64_t* place, SwipWord word) noexcept {
  const std::optional<ExclusiveGuard> latched = parent.try_upgrade();
  if (!latched) return;
  AETHER_ASSERT(SwipWord::load(place).word() ==
                word.word());  // Who changes a swip holds this latch.
  SwipWord::hot(word.frame()).store(place);
  word.frame()->state.store(FrameState::hot, std::memory_order_relaxed);
  AETHER_TRACE_EVENT("heat", {{"frame", number_of(*word.frame())}});
}

Result<void> BufferPool::load(Frame& parent, uint64_t version, uint64_t* place, PageId id,
                              ScanRing* ring, Fences fences) {
  const bool asks = pending_ != nullptr &&
                    !(AETHER_PLANTED("recovery.scan_skips_waiting") && ring != nullptr);
  if (asks) AETHER_TRY(pending_->bring(id));
  AETHER_TRY_ASSIGN(const bool is_redone, adopt_redone(parent, version, place, id, fences));
  if (is_redone) return {};
  AETHER_TRY_ASSIGN(Frame* const taken, take_frame(ring));
  FrameLease lease(*this, taken);
  // The frame is nobody's until its swip is stored; optimistic readers of its old life fail to validate.
  Result<void> read = data_.read_or_repair(id, page(*lease));
  page_reads_.fetch_add(1, std::memory_order_relaxed);
  AETHER_PROBE(page_read, raw(id));
  std::optional<ExclusiveGuard> latched = ExclusiveGuard::try_lock_at(parent, version);
  // Something changed: perhaps somebody else has loaded the page; or it was given back, and what was read is being
  // overwritten by another life. The caller restarts.
  if (!latched) return {};
  AETHER_TRY(std::move(read));
  AETHER_TRY(check_child(node(parent), place, node(*lease), fences));
  Frame* const frame = lease.release();
  install(*frame, parent, place, id, ring == nullptr);
  latched->release();
  if (ring != nullptr) {
    const ScanRing::Entry oldest = ring->push({frame, id});
    if (oldest.frame != nullptr &&
        oldest.frame->state.load(std::memory_order_relaxed) == FrameState::cool) {
      evict(*oldest.frame, oldest.id);
    }
  }
  return {};
}

/// What was read for page `id` is its page from now on. `parent` is latched.
void BufferPool::install(Frame& frame, Frame& parent, uint64_t* place, PageId id,
                         bool hot) noexcept {
  AETHER_ASSERT(SwipWord::load(place).is_evicted());
  AETHER_ASSERT(SwipWord::load(place).page_id() == id);
  const ExclusiveGuard self = ExclusiveGuard::lock(frame);
  adopt(frame, id, &parent);
  frame.dirty_position.store(0, std::memory_order_relaxed);
  if (hot) {
    SwipWord::hot(&frame).store(place);
  } else {
    frame.state.store(FrameState::cool, std::memory_order_relaxed);
    SwipWord::cool(&frame).store(place);
    AETHER_TRACE_EVENT("cool", {{"frame", number_of(frame)}});
  }
}

Result<Frame*> BufferPool::allocate_frame() {
  AETHER_TRY_ASSIGN(Frame * frame, take_frame(nullptr));
  frame->lsn_vector = {};
  frame->dirty_position.store(0, std::memory_order_relaxed);
  return frame;
}

void BufferPool::cancel_frame(Frame& frame) noexcept {
  frame.dirty_position.store(0, std::memory_order_relaxed);
  push_free(frame);
}

void BufferPool::adopt(Frame& frame, PageId id, Frame* parent) noexcept {
  AETHER_ASSERT(frame.latch.is_locked());
  frame.page_id.store(id, std::memory_order_relaxed);
  frame.parent.store(parent, std::memory_order_release);
  frame.swizzled_children.store(0, std::memory_order_relaxed);
  frame.pinned = parent == nullptr;
  if (parent != nullptr) {
    AETHER_ASSERT(parent->latch.is_locked());
    parent->swizzled_children.fetch_add(1, std::memory_order_relaxed);
  }
  const bool is_read = frame.state.load(std::memory_order_relaxed) == FrameState::loading &&
                       frame.dirty_position.load(std::memory_order_relaxed) == 0;
  if (is_read) frame.lsn_vector = {};  // All that it depends on is durable.
  AETHER_TRACE_EVENT("adopt", {{"frame", number_of(frame)},
                               {"page", raw(id)},
                               {"parent", parent == nullptr ? 0 : number_of(*parent)},
                               {"read", is_read ? 1u : 0u},
                               {"found", is_read ? ref(frame).header().gsn : 0}});
  frame.state.store(FrameState::hot, std::memory_order_release);
}

void BufferPool::adopt_children(Frame& frame) noexcept {
  page::SlottedPage parent = node(frame);
  uint32_t swizzled = 0;
  if (!parent.is_leaf()) {
    for (uint32_t i = 0; i <= parent.count(); ++i) {
      const SwipWord word = SwipWord::load(parent.child_word(i));
      if (word.is_evicted()) continue;
      word.frame()->parent.store(&frame, std::memory_order_release);
      AETHER_TRACE_EVENT("parent",
                         {{"frame", number_of(*word.frame())}, {"parent", number_of(frame)}});
      ++swizzled;
    }
  }
  frame.swizzled_children.store(swizzled, std::memory_order_relaxed);
}

void BufferPool::discard(ExclusiveGuard guard) noexcept {
  AETHER_TRACE_EVENT("discard", {{"frame", number_of(guard.frame())}});
  free_frame(std::move(guard));
}

void BufferPool::free_frame(ExclusiveGuard guard) noexcept {
  Frame& frame = guard.frame();
  frame.dirty_position.store(0, std::memory_order_relaxed);
  frame.page_id.store(kNoPage, std::memory_order_relaxed);
  frame.parent.store(nullptr, std::memory_order_relaxed);
  frame.state.store(FrameState::loading,
                    std::memory_order_relaxed);  // Not for eviction to look at.
  guard.release();
  push_free(frame);
}

Result<Frame*> BufferPool::load_pinned(PageId id) {
  if (pending_ != nullptr && !AETHER_PLANTED("recovery.root_skips_waiting"))
    AETHER_TRY(pending_->bring(id));
  if (Redone::node_type taken = take_redone(id)) {
    Frame* const redone = taken.mapped();
    base::Unless put_back([&]() noexcept { put_back_redone(std::move(taken)); });
    AETHER_TRY(check_root(node(*redone)));
    put_back.dismiss();
    const ExclusiveGuard guard = ExclusiveGuard::lock(*redone);
    adopt(*redone, id, nullptr);
    return redone;
  }
  AETHER_TRY_ASSIGN(Frame* const taken, take_frame(nullptr));
  FrameLease lease(*this, taken);
  Result<void> read = data_.read_or_repair(id, page(*lease));
  page_reads_.fetch_add(1, std::memory_order_relaxed);
  AETHER_TRY(std::move(read));
  AETHER_TRY(check_root(node(*lease)));
  Frame* const frame = lease.release();
  frame->latch.lock();
  frame->dirty_position.store(0, std::memory_order_relaxed);
  adopt(*frame, id, nullptr);
  frame->latch.unlock();
  return frame;
}

LogPosition BufferPool::collect_dirty(LogPosition position,
                                      std::vector<PageWriter::Target>& targets) const {
  LogPosition lowest = position;
  for_each_frame([&](Frame& frame) {
    const LogPosition dirty = frame.dirty_position.load(std::memory_order_seq_cst);
    if (dirty == 0) return true;
    const FrameState state = frame.state.load(std::memory_order_acquire);
    AETHER_MAYBE(state == FrameState::loading);  // A new page whose record is being written.
    if (dirty < position && (state == FrameState::hot || state == FrameState::cool)) {
      targets.push_back({&frame, page(frame)});
    }
    lowest = std::min(lowest, dirty);
    return true;
  });
  return lowest;
}

std::optional<PageWriter::Target> BufferPool::find_page(PageId id) const noexcept {
  std::optional<PageWriter::Target> found;
  for_each_frame([&](Frame& frame) {
    if (frame.page_id.load(std::memory_order_relaxed) != id) return true;
    const FrameState state = frame.state.load(std::memory_order_acquire);
    if (state != FrameState::hot && state != FrameState::cool) return true;
    found = {&frame, page(frame)};
    return false;
  });
  return found;
}

uint64_t BufferPool::free_count() const noexcept {
  uint64_t count = 0;
  for (const auto& partition : partitions_)
    count += partition->free_count.load(std::memory_order_relaxed);
  return count;
}

uint64_t BufferPool::dirty_count() const noexcept {
  uint64_t count = 0;
  for_each_frame([&](const Frame& frame) {
    count += frame.dirty_position.load(std::memory_order_relaxed) != 0 ? 1 : 0;
    return true;
  });
  return count;
}

}  // namespace aether::buffer
