/// What a thread reads a batch of pages with: BufferPool::load_batch.
///
/// Threads   One at a time.
#pragma once

#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "buffer/buffer_pool.h"
#include "os/os.h"

namespace aether::buffer {

/// A queue of transfers, and the pages that one thread reads by it into frames.
class BufferPool::BatchReader {
 public:
  static constexpr uint32_t kQueueDepth = 64;

  BatchReader(BufferPool& pool, std::unique_ptr<os::IoQueue> queue)
      : pool_(pool), queue_(std::move(queue)) {
    pointers_.reserve(kQueueDepth);
    done_.reserve(kQueueDepth);
  }
  BatchReader(const BatchReader&) = delete;
  BatchReader& operator=(const BatchReader&) = delete;
  ~BatchReader() {
    queue_.reset();  // Waits for transfers that an exception left behind: they are into the frames.
    give_back();
  }

  bool is_full() const noexcept { return count_ == kQueueDepth; }
  bool has(PageId id) const noexcept {
    for (size_t i = 0; i < count_; ++i) {
      if (loads_[i].miss.id == id) return true;
    }
    return false;
  }
  /// `frame`: from take_frame.
  void add(const Miss& miss, Frame& frame) noexcept { loads_[count_++] = {miss, &frame, {}}; }

  /// Reads what was added and is empty afterwards. Returns how many pages became hot. Errors: of the queue, which is not used again.
  Result<size_t> read();

 private:
  struct Load {
    Miss miss{};
    Frame* frame = nullptr;  ///< Null: the pool has it.
    os::IoRequest request;
  };

  os::IoRequest& prepare(size_t i) noexcept;
  bool arrived(Load& load);
  void give_back() noexcept;

  BufferPool& pool_;
  std::unique_ptr<os::IoQueue> queue_;
  std::array<Load, kQueueDepth> loads_;
  size_t count_ = 0;
  std::vector<os::IoRequest*> pointers_, done_;
};

}  // namespace aether::buffer
