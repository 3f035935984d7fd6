/// Redo: one window of the log at a time, its changes sorted by page, every page read and written once.
///
/// Threads   One calls; `apply` spreads the pages over workers and joins them.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "os/sync.h"
#include "recovery/recovery.h"

namespace aether::recovery {

/// A change of one page, waiting to be applied.
struct PendingPart {
  PageId page = kNoPage;
  Gsn gsn = 0;
  wal::PartView view;
};

class RedoWindow {
 public:
  RedoWindow(const RedoOptions& options, const ResourceManagers& managers, buffer::DataFile& data,
             buffer::PageWriter& writer, os::Os& os)
      : options_(options), managers_(managers), data_(data), writer_(writer), os_(os) {}

  /// Remembers the record's parts; their bytes are copied. Errors: io_error, corruption (of `tags`).
  Result<void> add(const wal::RecordView& record);
  bool full() const noexcept { return bytes_ >= options_.window_bytes; }
  /// Applies what was added. What meets a gap waits for the next window: records of one page may lie in one block
  /// later than their order says, when they come from different streams.
  Result<void> apply(RecoveryReport& report);
  /// Pages with changes that still wait: their chains have a gap.
  std::set<PageId> take_broken() { return std::move(broken_); }

 private:
  struct WorkerResult {
    Result<void> status;
    uint64_t records = 0;
    uint64_t pages = 0;
    std::vector<PendingPart> waiting;
  };
  /// The bytes of one page while its changes are applied.
  struct PageWork {
    PageId id = kNoPage;
    std::byte* bytes = nullptr;
    bool readable = false;
    bool changed = false;
    bool checked = false;  ///< Its structure too: before the first change.
  };

  void run_worker(size_t begin, size_t end, WorkerResult& result) noexcept;
  Result<void> redo_share(size_t begin, size_t end, WorkerResult& result);
  Result<void> redo_batch(os::IoQueue& queue, std::span<const std::pair<size_t, size_t>> runs,
                          std::byte* memory, WorkerResult& result);
  Result<void> read_pages(os::IoQueue& queue, std::vector<PageWork>& pages);
  Result<void> apply_run(PageWork& page, size_t begin, size_t end, WorkerResult& result);
  Result<const ResourceManager*> manager_of(const PendingPart& part) const;
  Result<void> check_structure(PageWork& page, const PendingPart& part) const;
  Result<void> apply_part(PageWork& page, const PendingPart& part);

  const RedoOptions& options_;
  const ResourceManagers& managers_;
  buffer::DataFile& data_;
  buffer::PageWriter& writer_;
  os::Os& os_;
  std::deque<std::string> arena_;  ///< Copies of part data; addresses stay.
  uint64_t bytes_ = 0;
  std::vector<PendingPart> parts_;
  std::set<PageId> broken_;
};

}  // namespace aether::recovery
