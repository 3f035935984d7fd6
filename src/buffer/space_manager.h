/// Which pages of the data file are in use: allocation, logged like every change, and reuse of what was freed.
///
/// The map pages (page/space_map_page.h) stay in memory, 4 KiB for 126 MiB of data. Allocation has two steps:
/// `reserve` takes pages in memory, so that nobody else does; the record of the action that uses them carries a
/// part for their map page, in the same record that refers to them. So after any crash allocated pages are
/// reachable and reachable pages are allocated (DESIGN.md 4.10).
///
/// A freed page may be used again only when the record that freed it is durable: else the old life, come back
/// after a crash, would meet the bytes of the new one. And what a transaction has freed, the pages of a large value,
/// only when every snapshot sees that transaction: an older one may still read them.
///
/// Threads   Any. Latch order: tree pages before map pages; map pages ascending.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <vector>

#include "aether/error.h"
#include "base/ids.h"
#include "buffer/change.h"
#include "buffer/data_file.h"
#include "buffer/guard.h"
#include "buffer/page_writer.h"
#include "wal/log.h"

namespace aether::buffer {

class BufferPool;

/// Contiguous pages.
struct PageRange {
  PageId first = kNoPage;
  uint32_t count = 0;
};

/// Operations of ResourceManager::space on a map page. Data: ranges of {u32 first bit, u32 count}.
enum class SpaceOp : uint8_t {
  format = 1,  ///< The whole map: an empty group's. Data: none.
  allocate = 2,
  free = 3,
  image =
      4,  ///< On any page that is written past the log (page_images.h). Data: bytes 24.. of the page.
};

class SpaceManager {
 public:
  /// Reads the maps of all groups that the file has; those that redo has left in `redone` (may be null) it takes over.
  static Result<std::unique_ptr<SpaceManager>> open(DataFile& data, wal::Log& log,
                                                    BufferPool* redone = nullptr);

  /// Who tells below which id every snapshot sees every transaction that has ended. Before that: all are seen.
  void set_horizon(std::function<TxnId()> horizon) { horizon_ = std::move(horizon); }

  /// Takes `count` contiguous pages (at most pages_per_group - 2) nobody uses, and makes room for them in the
  /// file. Errors: no_space, io_error, failed.
  Result<PageRange> reserve(uint32_t count, LogContext context);
  /// Gives a reservation back that no record mentions.
  void unreserve(const PageRange& range) noexcept;

  /// May these pages be given back? Who read their numbers from a page or the log asks first. With no map latched. Errors:
  /// corruption: one is free, is being given back, is named twice, or is none that could be.
  Result<void> check_in_use(std::span<const PageRange> ranges);

  struct PendingFree {
    PageRange range;
    wal::LsnVector vector;
    TxnId txn = 0;
  };

  /// The map pages of `ranges`, latched, as pages and parts for log_change, and the bits to flip afterwards.
  class MapChange {
   public:
    MapChange() = default;
    MapChange(MapChange&&) noexcept = default;
    MapChange& operator=(MapChange&&) = delete;
    /// Without `apply` nothing has happened.
    ~MapChange();
    void append_to(std::vector<PageRef>& pages, std::vector<wal::PartSpec>& parts);
    /// After a successful log_change: flips the bits and releases the latches. Cannot fail, and needs no memory.
    void apply() noexcept;

   private:
    friend class SpaceManager;
    struct Piece;
    SpaceManager* manager_ = nullptr;
    SpaceOp op_ = SpaceOp::allocate;
    std::vector<std::shared_ptr<Piece>> pieces_;
    std::list<PendingFree>
        blocked_;  ///< Marked not to be taken, until apply; then to wait for reuse.
    const LogContext* context_ = nullptr;
  };
  /// `context` is the one that log_change gets: apply() takes from it what must be durable before reuse.
  MapChange change(SpaceOp op, std::span<const PageRange> ranges, const LogContext& context);

  /// What must be durable before no page that has been freed so far can come back by a crash. Their frames are gone, with
  /// changes that may have been written nowhere.
  wal::LsnVector freed();

  /// All map pages, for checkpoints.
  std::vector<PageWriter::Target> map_pages();
  bool is_allocated(PageId id);
  /// Gives the map page of `id` a GSN that nothing has had, with a record on `stream` that changes no bit: for pages of its group
  /// that are about to be written past the log. Above every former life of theirs, logged or not, and below every later one.
  Result<Gsn> raise_gsn(PageId id, uint32_t stream);
  /// Of the map page of `id`: above the GSN of every former life of the pages that are free in it.
  Gsn map_gsn(PageId id);
  uint64_t group_count() noexcept;
  /// By bit of the group: its pages that are allocated, and those that are reserved or not yet given back.
  struct UsedPages {
    std::vector<bool> allocated, taken;
  };
  UsedPages used_pages(uint64_t group);
  uint64_t page_count();  ///< Pages that groups cover, within the file's capacity.
  uint64_t free_count();  ///< Of these, not allocated.

 private:
  struct Group {
    Frame frame;
    AlignedBuffer bytes;
    AlignedBuffer unavailable;  ///< A second map: bits free in `bytes` that may not be taken now.
    uint32_t hint = 0;
    uint32_t free_hint = 0;  ///< Upper bound of free bits.
  };
  SpaceManager(DataFile& data, wal::Log& log, BufferPool* redone)
      : data_(data), log_(log), redone_(redone) {}
  Group& group(uint64_t index) noexcept;
  uint64_t group_of(PageId id) const noexcept;
  Result<void> add_group(LogContext context, uint64_t seen);
  std::optional<PageRange> take(uint64_t index, uint32_t count);
  void reclaim() AETHER_REQUIRES(mutex_);
  void make_available(const PageRange& range) noexcept AETHER_REQUIRES(mutex_);
  void set_unavailable(const PageRange& range, bool value) noexcept;

  DataFile& data_;
  wal::Log& log_;
  BufferPool* const redone_;  ///< Hears which pages begin a new life.
  os::Mutex mutex_;  ///< Guards groups_ (its length), unavailable maps, hints and pending_.
  std::vector<std::unique_ptr<Group>> groups_;
  std::list<PendingFree> pending_;  ///< Freed by system actions: wait for the log.
  std::list<PendingFree> held_;     ///< Freed by transactions: wait for the log and for snapshots.
  wal::LsnVector freed_;            ///< Of all that ever was in the two.
  std::function<TxnId()> horizon_;
};

/// A change that redo is going to apply: of its page, and of those it takes into use, the log and the data file say more
/// than tags from before.
Result<void> forget_changed(DataFile& data, const wal::PartView& part);

/// Redo of ResourceManager::space on the bytes of a map page.
Result<void> redo_space(std::byte* page, uint32_t page_bytes, PageId id, uint8_t op,
                        std::string_view data);

}  // namespace aether::buffer
