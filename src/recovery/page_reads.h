/// Reads the pages that redo needs into their frames, many at a time and ahead of their turn.
///
/// Pages that lie near each other come with one transfer, through memory of its own: a single 4 KiB read costs the kernel more
/// than copying the bytes costs us.
///
/// Threads   One at a time.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "aether/error.h"
#include "base/ids.h"
#include "buffer/data_file.h"
#include "os/os.h"

namespace aether::recovery {

class PageReads {
 public:
  struct Page {
    PageId id = kNoPage;
    std::byte* to = nullptr;  ///< A page's bytes; the caller's, until `finish`.
    bool is_whole = false;    ///< Out: the file has all of it. Its bytes have not been checked.
  };

  /// `pages_max`: of one `start`.
  PageReads(buffer::DataFile& data, std::unique_ptr<os::IoQueue> queue, size_t pages_max);
  PageReads(const PageReads&) = delete;
  PageReads& operator=(const PageReads&) = delete;
  ~PageReads();  ///< Waits for what is under way.

  /// Starts to read `pages`, ascending by id, which stay where they are until `finish`. Errors: io_error.
  Result<void> start(std::span<Page> pages);
  /// Waits until all are there. Errors: io_error.
  Result<void> finish();

 private:
  /// Pages [begin, end) of the span come with one transfer.
  struct Group {
    size_t begin = 0;
    size_t end = 0;
    bool is_direct = false;  ///< One page, straight to its place.
  };
  void form_groups();
  void wait() noexcept;

  buffer::DataFile& data_;
  const uint32_t page_bytes_;
  buffer::AlignedBuffer scratch_;
  std::span<Page> pages_;
  std::vector<Group> groups_;
  std::vector<os::IoRequest> requests_;  ///< Of the groups, in their order.
  std::vector<os::IoRequest*> pointers_, done_;
  std::unique_ptr<os::IoQueue> queue_;
};

}  // namespace aether::recovery
