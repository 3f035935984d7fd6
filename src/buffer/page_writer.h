/// Writes dirty pages in batches, each first to the double-write area and then to its place.
///
/// A crash may tear a page that is being overwritten. So a batch goes to the file `doublewrite` first, in one
/// sequential write, and is synced; then to the data file, and is synced; only then may the area be used again.
/// Recovery restores each page that it finds torn from the area (docs/formats/doublewrite.md).
///
/// A page is copied under its latch, with its swips turned back to page ids, and written from the copy: it may
/// change meanwhile. It is written only when the log that explains it is durable (DESIGN.md 4.2).
///
/// Threads   Any; one batch at a time, so that an older copy never overwrites a newer one.
/// Failure   The first failed write or sync is final: `failed` from then on.
/// Memory    A batch needs none but what was there from the beginning, so that a frame can be had, and a page be undone,
///           when there is no other.
/// Source    InnoDB's doublewrite buffer, in idea.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "aether/error.h"
#include "base/ids.h"
#include "buffer/change.h"
#include "buffer/data_file.h"
#include "os/os.h"
#include "wal/log.h"

namespace aether::buffer {

/// What the double-write area has told.
struct AreaReport {
  uint64_t pages_restored = 0;
  /// The log was durable below it before the batch was written: pages may rely on all of it. 0: not known.
  LogPosition log_durable = 0;
};

/// Restores torn pages from the double-write area at `path`. Call before anything else reads the data file. A missing
/// file restores nothing.
Result<AreaReport> restore_torn_pages(const std::string& path, DataFile& data, os::Os& os);

class PageWriter {
 public:
  struct Target {
    Frame* frame = nullptr;
    std::byte* page = nullptr;
  };

  /// Makes the double-write file if it is not there. The caller syncs the directory.
  static Result<std::unique_ptr<PageWriter>> open(const std::string& double_write_path,
                                                  DataFile& data, wal::Log& log, IoMode io_mode,
                                                  os::Os& os);

  /// For read-only environments: nothing is ever dirty there.
  static std::unique_ptr<PageWriter> detached(DataFile& data, wal::Log& log);

  /// Writes those of `targets` that are still dirty. They are clean afterwards, unless changed meanwhile.
  /// Waits for the log where it must. Errors: failed, io_error.
  Result<void> write(std::span<const Target> targets);
  /// Writes a sealed page that was made again over what is there, unless that is whole meanwhile, and at `at_least` or above.
  Result<void> replace_damaged(PageId id, const std::byte* page, Gsn at_least);
  /// Writes page `id` over what is in the file, from its frame, clean or dirty: what is there is damaged. False: the frame
  /// holds another page, or none.
  Result<bool> write_again(const Target& target, PageId id);
  /// Writes `count` contiguous sealed pages that nothing refers to yet (overflow extents, bulk loads), without
  /// double write. Not synced. They have one GSN. Where images are logged, that is done on `stream`, on which whatever
  /// refers to the pages has to be logged, too.
  Result<void> write_unreferenced(uint32_t stream, PageId first, const std::byte* pages,
                                  uint64_t count);
  /// For a backup or an archive: from when this returns, pages that bypass the log are logged as images. One call that
  /// sets it for each that takes it back.
  void log_images(bool value);
  /// Syncs the data file.
  Result<void> sync();
  /// Syncs it if write_unreferenced has written since it was last synced.
  Result<void> sync_unreferenced();
  /// Reads and checks a page past the cache while no batch is on its way. Errors: as DataFile::read.
  Result<void> read_settled(PageId id, void* page);

  uint32_t batch_pages() const noexcept { return batch_pages_; }
  uint64_t pages_written() const noexcept { return pages_written_.load(std::memory_order_relaxed); }
  bool failed() const noexcept { return failed_.load(std::memory_order_acquire); }

 private:
  /// A copy of a page on its way to the disk.
  struct Copy {
    Target target;
    PageId id = kNoPage;
    Gsn gsn = 0;
    LogPosition position = 0;  ///< Changes after the copy lie at or above it in the log.
    std::byte* bytes = nullptr;
  };

  PageWriter(std::unique_ptr<os::File> file, std::unique_ptr<os::IoQueue> queue, DataFile& data,
             wal::Log& log, uint32_t batch_pages);
  Result<void> write_batch(std::span<const Target> targets) AETHER_REQUIRES(mutex_);
  Result<void> write_copies(std::vector<Copy>& copies) AETHER_REQUIRES(mutex_);
  Result<void> note(const Copy& copy);
  /// What of a frame is wanted.
  enum class Wanted : uint8_t { dirty, any };
  bool copy_page(const Target& target, std::byte* to, Copy& copy, wal::LsnVector& vector,
                 Wanted wanted);
  Result<void> write_area(std::vector<Copy>& copies);
  Result<void> write_places(std::vector<Copy>& copies) AETHER_REQUIRES(mutex_);
  void mark_clean(const Copy& copy) noexcept;
  Result<void> fail(Result<void> result);

  std::unique_ptr<os::File> file_;
  std::unique_ptr<os::IoQueue> queue_;
  DataFile& data_;
  wal::Log& log_;
  const uint32_t batch_pages_;
  AlignedBuffer area_;  ///< Header block, then the pages of the batch.
  os::Mutex mutex_;
  // Of the batch under way; each has room for `batch_pages_`.
  std::vector<Copy> copies_ AETHER_GUARDED_BY(mutex_);
  std::vector<os::IoRequest> requests_ AETHER_GUARDED_BY(mutex_);
  std::vector<os::IoRequest*> pointers_ AETHER_GUARDED_BY(mutex_);
  std::vector<os::IoRequest*> done_ AETHER_GUARDED_BY(mutex_);
  uint64_t sequence_ = 0;
  uint32_t image_users_ AETHER_GUARDED_BY(mutex_) = 0;  ///< While any: images are logged.
  std::atomic<bool> unsynced_{false};                   ///< Pages that nothing refers to yet.
  std::atomic<uint64_t> pages_written_{0};
  std::atomic<bool> failed_{false};
};

}  // namespace aether::buffer
