// Reading many pages side by side: a disk answers thirty reads in little more time than one.
#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/no_memory.h"
#include "base/probes.h"
#include "buffer/batch_reader.h"
#include "buffer/buffer_pool.h"

namespace aether::buffer {
namespace {

constexpr size_t kReadersMax = 16;
/// Pages that are looked at while others are on their way: each wait costs the thread a turn.
constexpr uint64_t kAtOnce = 8;
/// A batch takes so small a part of the pool that all readers together leave frames to work with.
constexpr uint64_t kPoolShare = 4 * kReadersMax;

}  // namespace

os::IoRequest& BufferPool::BatchReader::prepare(size_t i) noexcept {
  Load& load = loads_[i];
  load.request.kind = os::IoRequest::Kind::read;
  load.request.file = &pool_.data_.file();
  load.request.offset = raw(load.miss.id) * pool_.page_bytes_;
  load.request.data = pool_.page(*load.frame);
  load.request.size = pool_.page_bytes_;
  load.request.user_data = i;
  return load.request;
}

Result<size_t> BufferPool::BatchReader::read() {
  pointers_.clear();
  for (size_t i = 0; i < count_; ++i) pointers_.push_back(&prepare(i));
  Result<void> submitted = queue_->submit(pointers_);
  size_t hot = 0;
  // Also after an error: the kernel writes into the frames until the last transfer has ended.
  while (queue_->in_flight() > 0) {
    done_.clear();
    const Result<void> completed = queue_->complete(kAtOnce, done_);
    AETHER_ASSERT(completed.has_value());
    for (const os::IoRequest* request : done_) hot += arrived(loads_[request->user_data]) ? 1 : 0;
  }
  give_back();
  if (!submitted) return std::move(submitted).error();
  return hot;
}

/// As BufferPool::load from where the page was read.
bool BufferPool::BatchReader::arrived(Load& load) {
  const Miss& miss = load.miss;
  pool_.page_reads_.fetch_add(1, std::memory_order_relaxed);
  AETHER_PROBE(page_read, raw(miss.id));
  if (!load.request.result || load.request.transferred < load.request.size) return false;
  if (!pool_.data_.check(miss.id, pool_.page(*load.frame))) return false;
  const std::optional<ExclusiveGuard> latched = ExclusiveGuard::try_lock_at(*miss.parent,
                                                                            miss.version);
  if (!latched) return false;
  if (!check_child(pool_.node(*miss.parent), miss.place, pool_.node(*load.frame),
                   Fences::as_in_parent))
    return false;
  pool_.install(*std::exchange(load.frame, nullptr), *miss.parent, miss.place, miss.id, true);
  // Nothing but this has happened to the parent: its other pages of the batch are wanted as before.
  const uint64_t before = miss.version;
  for (size_t i = 0; i < count_; ++i) {
    Miss& other = loads_[i].miss;
    if (other.parent == miss.parent && other.version == before)
      other.version = HybridLatch::version_after(before);
  }
  return true;
}

void BufferPool::BatchReader::give_back() noexcept {
  for (size_t i = 0; i < count_; ++i) {
    if (loads_[i].frame != nullptr) pool_.push_free(*std::exchange(loads_[i].frame, nullptr));
  }
  count_ = 0;
}

/// Null: so many threads read batches already, or there is no queue to be had.
std::unique_ptr<BufferPool::BatchReader> BufferPool::take_reader() {
  {
    os::LockGuard lock(readers_mutex_);
    if (!idle_readers_.empty()) {
      std::unique_ptr<BatchReader> reader = std::move(idle_readers_.back());
      idle_readers_.pop_back();
      return reader;
    }
    if (reader_count_ == kReadersMax) return nullptr;
    idle_readers_.reserve(kReadersMax);  // Giving one back needs no memory.
    ++reader_count_;
  }
  base::Unless give_up([&]() noexcept { drop_reader(nullptr); });
  Result<std::unique_ptr<os::IoQueue>> queue = os_.make_io_queue(BatchReader::kQueueDepth,
                                                                 io_mode_);
  if (!queue) return nullptr;
  auto reader = std::make_unique<BatchReader>(*this, *std::move(queue));
  give_up.dismiss();
  return reader;
}

void BufferPool::give_reader(std::unique_ptr<BatchReader> reader) noexcept {
  os::LockGuard lock(readers_mutex_);
  idle_readers_.push_back(std::move(reader));
}

void BufferPool::drop_reader(std::unique_ptr<BatchReader> reader) noexcept {
  reader.reset();
  os::LockGuard lock(readers_mutex_);
  --reader_count_;
}

size_t BufferPool::load_batch(std::span<const Miss> misses) {
  std::unique_ptr<BatchReader> reader = take_reader();
  if (reader == nullptr) return 0;
  base::Unless drop([&]() noexcept { drop_reader(std::move(reader)); });
  const size_t most = std::max<uint64_t>(1, frame_count_ / kPoolShare);
  for (const Miss& miss : misses.first(std::min(most, misses.size()))) {
    if (reader->is_full()) break;
    if (reader->has(miss.id)) continue;
    // What the log knows more of than the file comes by `resolve`.
    if (pending_ != nullptr && !pending_->bring(miss.id)) continue;
    if (find_redone(miss.id) != nullptr) continue;
    Result<Frame*> frame = take_frame(nullptr);
    if (!frame) break;
    reader->add(miss, **frame);
  }
  const Result<size_t> hot = reader->read();
  if (!hot) return 0;
  drop.dismiss();
  give_reader(std::move(reader));
  return *hot;
}

}  // namespace aether::buffer
