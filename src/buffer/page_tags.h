/// Tags: which version of each page of `data` was written last, so that no older one is taken for it.
///
/// A disk may say that a write is done and keep the old page, or put the new one elsewhere. What it then gives back is whole:
/// its checksum, its id and often its place in the tree are right, it is only old. So there is a tag of 32 bits for every
/// page, half of its checksum, noted when the page has been written and compared whenever it is read. Tags are kept
/// in blocks of 4 KiB (0.1% of the data with 4 KiB pages), read from the file `tags` when first needed and written to it by
/// checkpoints (docs/formats/tags.md; why after a crash a tag is right or not looked at: docs/decisions/0014).
///
///   kUnknown ── matches: the page that is there ──► the tag of a version ◄── set ── kUnwritten ◄── reserve ── any
///
/// Threads   Any; `write` one at a time. Who reads or writes one page's tag is ordered by who may touch that page.
/// Errors    io_error; no_space; corruption (names the file): of a block neither copy is whole.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "aether/error.h"
#include "aether/function_ref.h"
#include "base/ids.h"
#include "os/os.h"
#include "os/sync.h"

namespace aether::buffer {

using PageTag = uint32_t;

class PageTags {
 public:
  static constexpr PageTag kUnknown = 0;  ///< Nothing is compared.
  static constexpr PageTag
      kUnwritten = 1;  ///< Of a page taken for a new life that has not been written: likewise.

  /// Makes the file, knowing nothing, durable. The caller syncs the directory.
  static Result<void> create(const std::string& path, uint64_t environment_id, os::Os& os);
  /// `sequence`: of the last write that is known; a file that knows less is an old copy. Errors: also not_found.
  static Result<std::unique_ptr<PageTags>> open(const std::string& path, uint64_t environment_id,
                                                bool write, uint64_t sequence, os::Os& os);
  ~PageTags();

  /// The tag of a sealed page.
  static PageTag of(const void* page) noexcept;

  /// Is the checked `page` the version of `id` that was written last? If nothing is known, it is from now on.
  Result<bool> matches(PageId id, const void* page);
  /// Makes `set` sure to succeed for these pages: before they are written.
  Result<void> prepare(PageId first, uint64_t count);
  /// The sealed `page` is at its place now.
  Result<void> set(PageId id, const void* page);
  /// As `set`, unless nothing is known of the page.
  Result<void> replace(PageId id, const void* page);
  /// The pages begin a new life: until they are written, what is there means nothing.
  Result<void> reserve(PageId first, uint64_t count);
  /// Redo will say what they are.
  Result<void> forget(PageId first, uint64_t count);
  Result<PageTag> get(PageId id);
  /// May this be the version that was there when the file was written last? Whatever has been noted or forgotten since.
  Result<bool> was_there(PageId id, const void* page);

  /// Makes room in the file for the tags of so many pages, so that no checkpoint runs out of it.
  Result<void> ensure_capacity(uint64_t pages);
  /// Makes durable what has changed: call `sync_data` first, for the pages that the tags are of. After a failure the
  /// environment has failed.
  Result<void> write(FunctionRef<Result<void>()> sync_data);
  /// Of the last write that is known to be in both copies: for CONTROL.
  uint64_t sequence() const noexcept { return sequence_; }
  const std::string& path() const noexcept { return file_->path(); }

  // Scrubbing. A block is written while it is looked at: what is damaged counts only if `write` cannot be running.
  /// Of the file; the first one is the file's header.
  uint64_t file_blocks();
  /// Reads both copies of `count` blocks from `first` on. Appends those that are not whole.
  struct BadCopy {
    uint64_t block = 0;  ///< 0: the file's header.
    uint64_t copy = 0;
    std::string message;
  };
  Result<void> check_blocks(uint64_t first, uint64_t count, std::vector<BadCopy>& bad);
  /// The next `write` writes the block anew, this copy first. Not beside `write`. Errors: corruption (the other copy is
  /// damaged as well, and nobody has read it before).
  Result<void> write_anew(const BadCopy& copy);

  static constexpr uint32_t kPagesPerBlock = 1008;

 private:
  struct Block {
    std::array<std::atomic<PageTag>, kPagesPerBlock> tags{};
    std::atomic<bool> changed{false};
    std::atomic<uint64_t> first_copy{
        0};  ///< To be overwritten first: the other one is needed until that is durable.
  };
  /// Two levels, so that a block keeps its place and is found without a lock.
  static constexpr uint64_t kFanout = 4096;
  struct Directory {
    std::array<std::atomic<Block*>, kFanout> blocks{};
  };
  struct Image;

  PageTags(std::unique_ptr<os::File> file, uint64_t environment_id, uint64_t sequence,
           uint64_t newest, uint64_t header_first_copy, uint64_t block_count) noexcept;
  static Result<Image> read_image(os::File& file, uint64_t environment_id, uint64_t number);
  Block* find(PageId id) const noexcept;
  bool is_settled(uint64_t number) const noexcept;
  Result<Block*> block_of(PageId id);
  Result<void> put(PageId first, uint64_t count, PageTag tag);
  Result<void> load(uint64_t number, Block& block) AETHER_REQUIRES(mutex_);
  std::vector<uint64_t> take_changed(uint64_t most) AETHER_EXCLUDES(mutex_);
  void encode(uint64_t number, std::byte* to, uint64_t sequence) const noexcept;
  Result<void> write_portion(const std::vector<uint64_t>& numbers, uint64_t sequence,
                             FunctionRef<Result<void>()> sync_data);
  Result<void> write_copy(const std::vector<uint64_t>& numbers, std::byte* images, uint64_t pass);

  std::unique_ptr<os::File> file_;
  const uint64_t environment_id_;
  std::atomic<uint64_t> sequence_;
  uint64_t newest_;             ///< Of the last write, whole or not.
  uint64_t header_first_copy_;  ///< As a block's.
  os::Mutex mutex_;             ///< Who adds a block. Also guards what follows.
  std::array<std::atomic<Directory*>, kFanout> directories_{};
  std::vector<std::unique_ptr<Directory>> own_directories_ AETHER_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Block>> own_blocks_ AETHER_GUARDED_BY(mutex_);
  uint64_t block_count_ AETHER_GUARDED_BY(mutex_);     ///< Blocks below it may be in the file.
  uint64_t capacity_bytes_ AETHER_GUARDED_BY(mutex_);  ///< Of the file.
};

}  // namespace aether::buffer
