/// Buffer pool: keeps the hot part of the data file in memory and turns swips into frames.
///
/// A hot access costs one tag test and one version check; there is no table of pages. When free frames run low, the
/// page provider looks at frames in clock order: the first look cools a hot page (its swip says so; whoever
/// touches it heats it again), the second evicts it, written out first if dirty. Without the provider, or when it
/// cannot keep up, whoever needs a frame does the same on the spot.
///
/// Threads      Any method from any thread. Latch order: parent before child; eviction only tries.
/// Invariants   DESIGN.md 4.2 (log before page), 4.6 (one frame, one state), 4.7 (validate before use),
///              4.11 (memory within the pool).
/// Source       Leis, Haubenschild, Kemper, Neumann: "LeanStore: In-Memory Data Management Beyond Main
///              Memory", ICDE 2018. We differ: a clock in place of its cooling queue, the parent's frame is
///              remembered in the child's, reads are checked, writes obey the log.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "aether/error.h"
#include "aether/function_ref.h"
#include "base/ids.h"
#include "buffer/data_file.h"
#include "buffer/frame.h"
#include "buffer/guard.h"
#include "buffer/page_writer.h"
#include "buffer/swip.h"
#include "os/os.h"
#include "os/sync.h"
#include "page/slotted_page.h"

namespace aether::buffer {

struct PoolOptions {
  uint64_t pool_bytes = 256 * MiB;  ///< Frames with their headers.
  uint32_t page_bytes = 4 * KiB;
  bool background_thread = true;
  IoMode io_mode = IoMode::automatic;  ///< Of load_batch.
};

/// How a page is going to be used: scans must not throw the working set out.
enum class Access : uint8_t {
  normal,
  scan,  ///< Comes in cool and is not heated by touching it.
};

/// The few frames that a scan has brought in, oldest first; they make room for its next ones.
class ScanRing {
 public:
  static constexpr size_t kFrames = 32;
  struct Entry {
    Frame* frame = nullptr;
    PageId id = kNoPage;
  };
  /// Remembers a frame; returns the one it pushes out, if the ring was full.
  Entry push(Entry entry) noexcept {
    const Entry oldest = entries_[next_];
    entries_[next_] = entry;
    next_ = (next_ + 1) % kFrames;
    return oldest;
  }

 private:
  Entry entries_[kFrames] = {};
  size_t next_ = 0;
};

/// What the fences of a page must be that is read through its parent.
enum class Fences : uint8_t {
  as_in_parent,  ///< Those between which the parent sends keys there.
  may_end_early,  ///< Of a tree that is being dropped from the right: the last child may end before its parent.
};

/// A page that was met evicted: `place`, a swip in the page of `parent`, named it while that had `version`.
struct Miss {
  Frame* parent;
  uint64_t version;
  uint64_t* place;
  PageId id;
};

/// Pages of which the log knows changes that the file does not have, and nobody has applied yet (recovery/deferred_redo.h).
class PendingPages {
 public:
  virtual ~PendingPages() = default;
  /// If changes of page `id` wait, it is a redone page of the pool afterwards. With no latch held. Errors: corruption, io_error,
  /// busy.
  virtual Result<void> bring(PageId id) = 0;
  /// The pages begin another life.
  virtual void forget(PageId first, uint64_t count) noexcept = 0;
};

class BufferPool {
 public:
  /// Errors: invalid_argument (fewer than 64 pages).
  static Result<void> check(const PoolOptions& options);
  /// Reserves the pool's address space. `data`, `writer` and `os` must outlive the pool.
  /// Errors: no_memory, invalid_argument (fewer than 64 pages).
  static Result<std::unique_ptr<BufferPool>> open(const PoolOptions& options, DataFile& data,
                                                  PageWriter& writer, os::Os& os);
  /// For redo: nothing is evicted until `attach` says who writes. Before anybody else uses the pool.
  static Result<std::unique_ptr<BufferPool>> open(const PoolOptions& options, DataFile& data,
                                                  os::Os& os);
  Result<void> attach(PageWriter& writer);
  /// Stops the provider. Dirty pages are not written: checkpoint first.
  ~BufferPool();

  // --- hot ------------------------------------------------------------------------------------------

  std::byte* page(const Frame& frame) const noexcept {
    const auto delta = static_cast<uint64_t>(reinterpret_cast<const std::byte*>(&frame) -
                                             reinterpret_cast<const std::byte*>(frames_));
    return pages_ + (delta / sizeof(Frame) << page_shift_);
  }
  page::SlottedPage node(const Frame& frame) const noexcept {
    return page::SlottedPage(page(frame), page_bytes_);
  }
  PageRef ref(Frame& frame) const noexcept { return {&frame, page(frame)}; }
  /// From 1: what events call the frame.
  uint64_t number_of(const Frame& frame) const noexcept {
    return static_cast<uint64_t>(&frame - frames_) + 1;
  }

  // --- cold -----------------------------------------------------------------------------------------

  /// Makes the page that `place`, a swip in the page of `parent`, names hot: heats it if it is cool, reads it if it
  /// is evicted. Ends `parent`. Ok also if nothing came of it because something changed: the caller restarts.
  /// `ring`: of a scan, else null. `fences`: what is asked of a page that is read. Cost: at most one read of a page; if no frame is free, one eviction.
  /// Errors: io_error; corruption (names file and page); busy (every frame is in use).
  Result<void> resolve(OptimisticGuard& parent, uint64_t* place, ScanRing* ring = nullptr,
                       Fences fences = Fences::as_in_parent);
  /// Makes the cool page that `word`, the swip at `place`, leads to hot, unless something changed. Ends `parent`. Waits for nothing.
  void heat(OptimisticGuard& parent, uint64_t* place, SwipWord word) noexcept;
  /// Makes the pages of `misses` hot, reading them side by side, as far as they are still wanted where they were met. With nothing
  /// entered or latched. What does not come (a change underneath, no frame, a page that is damaged or waits to be redone) is
  /// left to `resolve`, which says what is wrong. Returns how many came. Cost: a small part of the pool at most.
  size_t load_batch(std::span<const Miss> misses);
  /// A frame for a new page, state loading, not latched (who waits for a frame may be waited for by the page writer):
  /// the caller latches it when it formats and links the page, and calls `adopt` for it. Errors: busy, io_error.
  Result<Frame*> allocate_frame();
  /// Gives back an unlatched frame from allocate_frame that was not used.
  void cancel_frame(Frame& frame) noexcept;
  /// The latched frame holds page `id` from now on, hot, with its swip in the page of `parent` (null: pinned).
  void adopt(Frame& frame, PageId id, Frame* parent) noexcept;
  /// After the children of `frame`'s page changed (split, merge): their parent is this frame, and their number is
  /// counted again. `frame` is latched exclusively, and so are the frames they came from.
  void adopt_children(Frame& frame) noexcept;
  /// The page of the exclusively latched `frame` is no more. Unlatches it and frees it.
  void discard(ExclusiveGuard guard) noexcept;
  /// Reads a page that no swip names (a root) into a frame that stays.
  Result<Frame*> load_pinned(PageId id);

  // --- after a crash (redone.cpp) -------------------------------------------------------------------
  // Pages that redo has changed stay in their frames, hot, dirty, without a parent. A table finds them by their number until
  // their parent's swip is resolved and adopts them, their frame is needed (written and clean, it goes), or their number
  // is given out for a new page. Space: an entry for each of them.

  /// From now on who loads a page asks `pending` first, which must outlive the pool. Before there are threads.
  void set_pending(PendingPages& pending) noexcept { pending_ = &pending; }
  /// A free frame, state loading; null: there is none. Evicts nothing.
  Frame* try_take_frame() noexcept;
  /// The frame of redone page `id`; null: there is none. Stays what it is only while redo runs.
  Frame* find_redone(PageId id) noexcept;
  /// The frame, from try_take_frame or found, holds page `id`, which has changes from `position` on that are not in the file.
  /// Errors: corruption (an inner node whose children are no page ids): the frame is as it was.
  Result<void> keep_redone(Frame& frame, PageId id, LogPosition position);
  /// Writes all of them and frees their frames. While redo runs.
  Result<void> flush_redone(PageWriter& writer);
  /// Writes those of `kind`; they stay.
  Result<void> write_redone(PageWriter& writer, page::PageKind kind);
  /// Copies the page. False: there is none.
  bool read_redone(PageId id, std::byte* to) noexcept;
  /// Copies the page to who keeps it from now on. Returns its dirty position; 0: there is none.
  LogPosition move_redone(PageId id, std::byte* to) noexcept;
  /// Forgets those that `drop` says, unwritten. Before anybody else uses the pool.
  void drop_redone(FunctionRef<bool(PageId, page::PageKind)> drop);
  /// The pages begin another life: what redo made of the last one must not be written any more.
  void forget_redone(PageId first, uint64_t count) noexcept;
  /// Behind the greatest number of them.
  uint64_t redone_end() noexcept;
  uint64_t redone_count() const noexcept { return redone_count_.load(std::memory_order_relaxed); }

  /// All frames that hold pages, for checkpoints: dirty ones whose position is below `position` are appended.
  /// Returns the lowest dirty position of all, or `position` if that is lower.
  LogPosition collect_dirty(LogPosition position, std::vector<PageWriter::Target>& targets) const;

  /// The frame that holds page `id`, if one does. A guess, unless its latch is held. Cost: a look at every frame.
  std::optional<PageWriter::Target> find_page(PageId id) const noexcept;

  // What a child must be, as its parent's latch finds it. Errors: corruption.
  static Result<void> check_kinship(page::SlottedPage parent, page::SlottedPage child);
  /// Of well-formed nodes.
  static Result<void> check_fences(page::SlottedPage parent, const uint64_t* place,
                                   page::SlottedPage child, Fences fences);

  uint64_t frame_count() const noexcept { return frame_count_; }
  uint64_t free_count() const noexcept;
  uint64_t dirty_count() const noexcept;
  uint64_t page_reads() const noexcept { return page_reads_.load(std::memory_order_relaxed); }
  uint64_t evictions() const noexcept { return evictions_.load(std::memory_order_relaxed); }
  uint32_t page_bytes() const noexcept { return page_bytes_; }
  DataFile& data() noexcept { return data_; }

 private:
  /// A share of the frames with its own free list and clock hand.
  struct alignas(64) Partition {
    os::Mutex mutex;
    Frame* free = nullptr;
    std::atomic<uint64_t> free_count{0};
    std::atomic<uint64_t> hand{0};
    uint32_t number = 0;
    uint64_t begin = 0;
    uint64_t end = 0;
    /// Frames from here to `end` have never been used: their memory is not touched. Raised under the mutex.
    std::atomic<uint64_t> used_end{0};
  };

  BufferPool(const PoolOptions& options, DataFile& data, os::Os& os);
  Result<void> load(Frame& parent, uint64_t version, uint64_t* place, PageId id, ScanRing* ring,
                    Fences fences);
  void install(Frame& frame, Frame& parent, uint64_t* place, PageId id, bool hot) noexcept;
  class BatchReader;
  std::unique_ptr<BatchReader> take_reader();
  void give_reader(std::unique_ptr<BatchReader> reader) noexcept;
  void drop_reader(std::unique_ptr<BatchReader> reader) noexcept;
  Result<Frame*> take_frame(ScanRing* ring);
  /// A frame that goes back unless it is released.
  class FrameLease {
   public:
    FrameLease(BufferPool& pool, Frame* frame) noexcept : pool_(pool), frame_(frame) {}
    FrameLease(const FrameLease&) = delete;
    FrameLease& operator=(const FrameLease&) = delete;
    ~FrameLease() {
      if (frame_ != nullptr) pool_.push_free(*frame_);
    }
    Frame& operator*() const noexcept { return *frame_; }
    Frame* release() noexcept { return std::exchange(frame_, nullptr); }

   private:
    BufferPool& pool_;
    Frame* frame_;
  };
  Frame* pop_free(Partition& partition) noexcept;
  /// Calls `visitor(frame)` for every frame that was ever used, until it returns false.
  template <typename Visitor>
  void for_each_frame(Visitor visitor) const {
    for (const std::unique_ptr<Partition>& partition : partitions_) {
      // Who takes a frame into use reads the log position later: a checkpoint that misses the frame misses no change.
      const uint64_t end = partition->used_end.load(std::memory_order_seq_cst);
      for (uint64_t i = partition->begin; i < end; ++i) {
        if (!visitor(frames_[i])) return;
      }
    }
  }
  void push_free(Frame& frame) noexcept;
  static Result<void> check_words(page::SlottedPage node);
  static Result<void> check_child(page::SlottedPage parent, const uint64_t* place,
                                  page::SlottedPage child, Fences fences);
  static Result<void> check_root(page::SlottedPage root);

  struct HashId {
    size_t operator()(PageId id) const noexcept { return std::hash<uint64_t>{}(raw(id)); }
  };
  using Redone = std::unordered_map<PageId, Frame*, HashId>;
  void free_frame(ExclusiveGuard guard) noexcept;
  Result<bool> adopt_redone(Frame& parent, uint64_t version, uint64_t* place, PageId id,
                            Fences fences);
  Redone::node_type take_redone(PageId id) noexcept;
  void put_back_redone(Redone::node_type taken) noexcept;
  bool evict_redone(Frame& frame) noexcept;

  // Eviction (eviction.cpp).
  std::optional<ExclusiveGuard> lock_parent(Frame& frame, uint64_t*& place) noexcept;
  bool cool(Frame& frame) noexcept;
  bool evict(Frame& frame, PageId expected) noexcept;
  Result<uint64_t> evict_some(Partition& partition, uint64_t wanted);
  /// Dirty pages that one look gathers, to be written in one batch. Needs no memory: who looks for a frame may be in a
  /// rollback.
  struct DirtyPages;
  void look_at(Frame& frame, uint64_t& evicted, DirtyPages& dirty) noexcept;
  void provide();
  void wake_provider() noexcept;

  const uint32_t page_bytes_;
  uint32_t page_shift_ = 0;
  Frame* frames_ = nullptr;
  std::byte* pages_ = nullptr;
  uint64_t frame_count_ = 0;
  void* memory_ = nullptr;
  uint64_t memory_bytes_ = 0;
  uint64_t
      low_water_ = 0;  ///< Of each partition: below it the provider starts; it stops at twice this.
  std::vector<std::unique_ptr<Partition>> partitions_;
  DataFile& data_;
  PageWriter* writer_ = nullptr;
  os::Os& os_;
  const bool background_thread_;
  const IoMode io_mode_;
  std::atomic<uint64_t> next_partition_{0};
  std::atomic<uint64_t> page_reads_{0};
  std::atomic<uint64_t> evictions_{0};

  PendingPages* pending_ = nullptr;
  os::Mutex
      redone_mutex_;  ///< Before a frame's latch only to try it, or when nobody else is about.
  Redone redone_ AETHER_GUARDED_BY(redone_mutex_);
  std::atomic<uint64_t> redone_count_{0};

  os::Mutex readers_mutex_;
  std::vector<std::unique_ptr<BatchReader>> idle_readers_ AETHER_GUARDED_BY(readers_mutex_);
  size_t reader_count_ AETHER_GUARDED_BY(readers_mutex_) = 0;  ///< With those in use.

  os::Mutex provider_mutex_;
  os::CondVar provider_wake_;
  std::atomic<bool> provider_asleep_{false};
  bool stop_ = false;
  std::unique_ptr<os::Thread> provider_;
};

}  // namespace aether::buffer
