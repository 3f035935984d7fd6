/// The changes of one page, applied to its bytes in GSN order: what eager redo (redo.h) and redo on demand (deferred_redo.h)
/// share.
///
/// Threads   Any; a page is one thread's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "aether/error.h"
#include "base/ids.h"
#include "buffer/data_file.h"
#include "buffer/frame.h"
#include "recovery/recovery.h"

namespace aether::recovery {

/// A change of one page, waiting to be applied.
struct PendingPart {
  PageId page = kNoPage;
  Gsn gsn = 0;
  LogPosition block = 0;  ///< Where its record lies.
  wal::PartView view;
};

/// A page while its changes are applied.
struct PageWork {
  PageId id = kNoPage;
  buffer::Frame* frame = nullptr;
  std::byte* bytes = nullptr;
  bool is_new = false;  ///< In this window: to be read.
  bool readable = false;
  bool checked = false;      ///< Its structure too: before the first change.
  LogPosition position = 0;  ///< Of its first change; 0: none.
};

class PageRedo {
 public:
  struct Outcome {
    uint64_t records = 0;
    /// What meets a gap: an earlier change has not come by, or the page is not whole.
    std::vector<PendingPart> waiting;
  };

  PageRedo(const ResourceManagers& managers, buffer::DataFile& data)
      : managers_(managers), data_(data) {}

  /// `parts` are the page's, in GSN order. Errors: corruption (a change that cannot be one of this page).
  Result<void> apply(PageWork& page, std::span<const PendingPart> parts, Outcome& outcome);

 private:
  static void note_position(PageWork& page, const PendingPart& part) noexcept;
  Result<const ResourceManager*> manager_of(const PendingPart& part) const;
  Result<void> check_structure(PageWork& page, const PendingPart& part) const;
  Result<void> apply_part(PageWork& page, const PendingPart& part);

  const ResourceManagers managers_;
  buffer::DataFile& data_;
};

}  // namespace aether::recovery
