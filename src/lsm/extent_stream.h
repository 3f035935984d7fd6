/// A run's bytes on their way into extents: one after another, each with the first page of the next in its pages.
///
/// Threads   One.
/// Errors    io_error, no_space, failed. Dropped before `finish`, it gives all pages back.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "aether/error.h"
#include "buffer/data_file.h"
#include "index/btree/extents.h"

namespace aether::lsm {

class ExtentStream {
 public:
  /// `stream`: of the log, on which what refers to the pages will be logged.
  ExtentStream(index::Services& services, StoreId store, uint32_t stream, uint32_t extent_pages);

  Result<void> append(std::string_view bytes);
  uint64_t offset() const noexcept { return written_ + pending_.size(); }
  /// Zeros up to the next page.
  Result<void> pad_to_page();
  /// So that the next `bytes` lie in one extent, the last one: pads the one before with zeros if they do not fit there, and
  /// then they are `more_if_new` more. With all extents as they will be.
  Result<std::vector<buffer::PageRange>> begin_last(uint64_t bytes, uint64_t more_if_new);
  /// Behind begin_last and what it has announced: writes what is left. Pages that are not needed go back.
  Result<void> finish();

  /// Where the byte at `offset` of the last extent lies.
  PageId page_of_last(uint64_t offset) const noexcept;
  PageId first_page() const noexcept { return extents_.ranges().front().first; }
  uint64_t pages_written() const noexcept { return pages_written_; }
  /// To be logged.
  index::ReservedExtents& extents() noexcept { return extents_; }

 private:
  uint64_t room() const noexcept { return capacity_ - pending_.size(); }
  Result<void> open_first();
  Result<void> begin_next(uint32_t pages);
  Result<void> write(const buffer::PageRange& extent, PageId next);

  index::Services& services_;
  const StoreId store_;
  const uint32_t stream_;
  const uint32_t extent_pages_;
  const uint32_t page_bytes_;
  const uint32_t per_page_;
  index::ReservedExtents extents_;
  buffer::AlignedBuffer memory_;
  std::string pending_;    ///< Of the extent that is being filled: the last one reserved.
  uint64_t capacity_ = 0;  ///< Of it.
  uint64_t written_ = 0;
  uint64_t pages_written_ = 0;
  Gsn gsn_ = 0;
};

}  // namespace aether::lsm
