/// The data file: pages at their places, every one checked when it comes and sealed when it goes.
///
/// Threads   Any method from any thread.
/// Errors    corruption (names page and reason), io_error, no_space.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "aether/error.h"
#include "base/ids.h"
#include "buffer/page_tags.h"
#include "os/os.h"
#include "os/sync.h"

namespace aether::buffer {

class DataFile {
 public:
  /// Makes the file with its header page (page 0), synced. The caller syncs the directory.
  static Result<std::unique_ptr<DataFile>> create(const std::string& path, uint32_t page_bytes,
                                                  uint64_t environment_id, os::Os& os);
  /// Opens the file and checks its header page. Errors: also not_found, unsupported (newer format).
  static Result<std::unique_ptr<DataFile>> open(const std::string& path, uint32_t page_bytes,
                                                uint64_t environment_id, bool write, os::Os& os);

  /// Without tags older versions of a page are not told apart: tests, and the bytes before `tags` is open.
  void set_tags(std::unique_ptr<PageTags> tags) noexcept { tags_ = std::move(tags); }
  PageTags* tags() noexcept { return tags_.get(); }

  /// Reads page `id` into `page` (aligned, page_bytes) and checks it.
  Result<void> read(PageId id, void* page);
  /// As `read`, but has a page that fails its check made again, if somebody can. With no latch held.
  Result<void> read_or_repair(PageId id, void* page);
  /// Who can. Before there are threads.
  void set_repair(std::function<Result<void>(PageId)> repair) { repair_ = std::move(repair); }
  /// Is what was read from the place of `id` whole, that page, and its last version?
  Result<void> check(PageId id, const void* page);
  /// Before pages are written: note_written will have what it needs. Errors: io_error, corruption (of `tags`), no_memory.
  Result<void> prepare_to_note(PageId first, uint64_t count);
  /// The pages are at their places: reading finds these versions, or something is wrong.
  Result<void> note_written(PageId first, const void* pages, uint64_t count);
  /// A page was written over with what it had been before a fault. Nothing is known of one that is taken anew meanwhile.
  Result<void> note_replaced(PageId id, const void* page);
  /// Is it known that the page was written, in this life or one before?
  Result<bool> was_written(PageId id);
  /// The pages were taken for a new life: what is in their places means nothing until they are written.
  Result<void> note_reserved(PageId first, uint64_t count);
  /// As far as is known, may this version of the page have been there at the last checkpoint?
  Result<bool> was_there_at_checkpoint(PageId id, const void* page);
  /// Redo will bring these pages up to date, or find that it cannot.
  Result<void> forget_versions(PageId first, uint64_t count);
  /// Reads without checking; what lies behind the end of the file reads as zeros.
  Result<void> read_raw(PageId id, void* page);
  /// Writes `count` contiguous sealed pages from `first` on.
  Result<void> write(PageId first, const void* pages, uint64_t count);
  Result<void> sync();
  /// From now on ensure_capacity leaves the last `bytes` of the file system to others: the log must go on where data
  /// cannot. `os` must outlive the file.
  void leave_free(uint64_t bytes, os::Os& os) noexcept {
    leave_free_ = bytes;
    os_ = &os;
  }
  /// Makes room for at least `pages` pages, in steps that grow with the file. Errors: no_space; then no space is kept.
  Result<void> ensure_capacity(uint64_t pages);
  /// The file may have grown by writes behind its end: redo does that.
  Result<void> refresh_capacity();

  uint64_t capacity_pages() const noexcept {
    return capacity_pages_.load(std::memory_order_relaxed);
  }
  /// A number from the log or from another page: is it that of a page which a file can have, the header's apart?
  bool may_hold(PageId id) const noexcept {
    return id != kNoPage && raw(id) < static_cast<uint64_t>(INT64_MAX) / page_bytes_;
  }
  uint32_t page_bytes() const noexcept { return page_bytes_; }
  uint64_t environment_id() const noexcept { return environment_id_; }
  os::File& file() noexcept { return *file_; }

 private:
  DataFile(std::unique_ptr<os::File> file, uint32_t page_bytes, uint64_t environment_id,
           uint64_t capacity_pages) noexcept;

  Result<void> grow(uint64_t from, uint64_t to) AETHER_REQUIRES(growth_mutex_);

  std::unique_ptr<os::File> file_;
  os::Os* os_ = nullptr;  ///< Set with leave_free_.
  uint64_t leave_free_ = 0;
  std::unique_ptr<PageTags> tags_;
  const uint32_t page_bytes_;
  const uint64_t environment_id_;
  std::atomic<uint64_t> capacity_pages_;
  os::Mutex growth_mutex_;
  std::function<Result<void>(PageId)> repair_;
};

/// A page-aligned block of memory that frees itself.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(uint64_t bytes);
  AlignedBuffer(AlignedBuffer&& other) noexcept;
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept;
  ~AlignedBuffer();
  std::byte* data() noexcept { return data_; }
  const std::byte* data() const noexcept { return data_; }
  uint64_t size() const noexcept { return size_; }

 private:
  std::byte* data_ = nullptr;
  uint64_t size_ = 0;
};

}  // namespace aether::buffer
