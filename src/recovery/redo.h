/// Redo: one window of the log at a time, its changes sorted by page; every page is read once and stays in the pool.
///
/// Threads   One calls; `apply` spreads the pages over workers and joins them.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "buffer/buffer_pool.h"
#include "os/sync.h"
#include "recovery/page_reads.h"
#include "recovery/recovery.h"

namespace aether::recovery {

/// A change of one page, waiting to be applied.
struct PendingPart {
  PageId page = kNoPage;
  Gsn gsn = 0;
  LogPosition block = 0;  ///< Where its record lies.
  wal::PartView view;
};

class RedoWindow {
 public:
  RedoWindow(const RedoOptions& options, const ResourceManagers& managers, buffer::DataFile& data,
             buffer::BufferPool& pool, os::Os& os)
      : options_(options), managers_(managers), data_(data), pool_(pool), os_(os) {}

  /// Remembers the parts of the record, which lies in `block`; their bytes are copied. Errors: io_error, corruption (of
  /// `tags`).
  Result<void> add(const wal::RecordView& record, LogPosition block);
  bool full() const noexcept { return bytes_ >= options_.window_bytes; }
  /// Applies what was added. What meets a gap waits for the next window: records of one page may lie in one block
  /// later than their order says, when they come from different streams.
  Result<void> apply(RecoveryReport& report);
  /// Pages with changes that still wait, since their chains have a gap, and such as are none after their changes.
  std::set<PageId> take_broken();

 private:
  /// The changes of one page: parts_[begin, end).
  struct Run {
    size_t begin = 0;
    size_t end = 0;
  };
  struct WorkerResult {
    Result<void> status;
    uint64_t records = 0;
    uint64_t pages = 0;
    std::vector<PendingPart> waiting;
    std::vector<PageId> bad;
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

  /// Pages that are read side by side.
  struct Batch {
    std::span<const Run> runs;
    std::vector<PageWork> pages;
    std::vector<PageReads::Page> wanted;  ///< The new ones of `pages`.
    std::unique_ptr<PageReads> reads;
  };

  Result<void> apply_runs(std::span<const Run> runs, std::vector<WorkerResult>& results);
  void run_worker(std::span<const Run> runs, WorkerResult& result) noexcept;
  Result<void> redo_share(std::span<const Run> runs, WorkerResult& result);
  Result<void> start_batch(Batch& batch);
  Result<void> finish_batch(Batch& batch, WorkerResult& result);
  Result<void> apply_run(PageWork& page, const Run& run, WorkerResult& result);
  static void note_position(PageWork& page, const PendingPart& part) noexcept;
  void keep(PageWork& page, WorkerResult& result);
  Result<const ResourceManager*> manager_of(const PendingPart& part) const;
  Result<void> check_structure(PageWork& page, const PendingPart& part) const;
  Result<void> apply_part(PageWork& page, const PendingPart& part);

  const RedoOptions& options_;
  const ResourceManagers& managers_;
  buffer::DataFile& data_;
  buffer::BufferPool& pool_;
  os::Os& os_;
  std::deque<std::string> arena_;  ///< Copies of part data; addresses stay.
  uint64_t bytes_ = 0;
  std::vector<PendingPart> parts_;
  std::set<PageId> broken_;
  std::set<PageId> bad_;
};

}  // namespace aether::recovery
