/// Looks at pages of the data file of an open environment, beside those who write them.
///
/// A first look is cheap and may err: a page that is being written reads torn, one that has just been freed and taken
/// means nothing. So what it suspects is looked at again, settled: allocated, written in this life, and read while no batch
/// is on its way (PageWriter::read_settled). Only that is believed.
///
/// Nothing is loaded into the pool. A page that is dirty there, and whose version on disk nobody knows (redone after a
/// crash), is no damage: it will be written.
///
/// Threads   One at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "aether/error.h"
#include "base/ids.h"
#include "buffer/data_file.h"
#include "buffer/page_writer.h"

namespace aether::db {

class EnvImpl;

class PageLook {
 public:
  /// `mends`: damaged pages are written anew, from their frame or by EnvImpl::repair_page.
  PageLook(EnvImpl& env, bool mends);

  /// Hears of pages.
  struct Visitor {
    virtual ~Visitor() = default;
    /// So many have been read. An error ends it.
    virtual Result<void> passed(uint64_t pages) = 0;
    virtual void whole(PageId id) = 0;
    virtual void repaired(PageId id) = 0;
    virtual void damaged(PageId id, std::string why) = 0;
  };
  /// All allocated pages of a group (page/space_map_page.h), in runs of at most `run_pages`. Errors: the visitor's; of
  /// writing.
  Result<void> look_at_group(uint64_t group, uint64_t run_pages, Visitor& visitor);
  static constexpr uint64_t kRunPagesMax = 32;

 private:
  enum class Found : uint8_t { nothing, whole, repaired, damaged };
  Result<void> look_at_run(uint64_t first, uint64_t count, Visitor& visitor);
  Result<Found> settle(PageId id, std::string& why);
  bool is_meant(PageId id);
  std::optional<buffer::PageWriter::Target> frame_of(PageId id);
  Result<bool> mend(PageId id, std::string& why);

  EnvImpl& env_;
  buffer::DataFile& data_;
  const bool mends_;
  buffer::AlignedBuffer pages_;
  buffer::AlignedBuffer page_;
};

}  // namespace aether::db
