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
#include <unordered_map>
#include <vector>

#include "buffer/buffer_pool.h"
#include "os/sync.h"
#include "recovery/log_reach.h"
#include "recovery/page_reads.h"
#include "recovery/page_redo.h"
#include "recovery/recovery.h"

namespace aether::recovery {

/// What is left of the log's changes for whoever meets their pages.
struct DeferredParts {
  /// The changes of one page, in GSN order: parts[order[begin, end)].
  struct Run {
    PageId page = kNoPage;
    uint32_t begin = 0;
    uint32_t end = 0;
    Gsn known = 0;  ///< The highest that the log has for the page, also in windows before.
  };
  std::deque<std::string> arena;  ///< The parts' data.
  std::deque<PendingPart> parts;  ///< As the log has them.
  std::vector<uint32_t> order;
  std::vector<Run> runs;  ///< By page, ascending.
  /// Behind the greatest page that begins a life here: the data file may end before it.
  uint64_t pages_end = 0;
  LogReach reach;
};

/// Those of `run`, one after another.
std::vector<PendingPart> parts_of(const DeferredParts::Run& run,
                                  const std::deque<PendingPart>& parts,
                                  const std::vector<uint32_t>& order);

class RedoWindow {
 public:
  RedoWindow(const RedoOptions& options, const ResourceManagers& managers, buffer::DataFile& data,
             buffer::BufferPool& pool, os::Os& os)
      : options_(options), page_redo_(managers, data), data_(data), pool_(pool), os_(os) {}

  /// Remembers the parts of the record, which lies in `block`; their bytes are copied. Errors: io_error, corruption (of
  /// `tags`).
  Result<void> add(const wal::RecordView& record, LogPosition block);
  /// Before the first `add`: the block from which redo begins.
  void begin(const wal::Block& block) noexcept {
    if (!reach_.has_begun()) reach_.begin(block);
  }
  bool full() const noexcept { return bytes_ >= options_.window_bytes; }
  /// Applies what was added. What meets a gap waits for the next window: records of one page may lie in one block
  /// later than their order says, when they come from different streams.
  Result<void> apply(RecoveryReport& report);
  /// In place of the last `apply`: applies only what recovery itself, or what reads past the pool, is going to need (space
  /// maps, images, pages that are in memory already), and leaves the rest in `left`.
  Result<void> apply_some(RecoveryReport& report, DeferredParts& left);
  /// Pages with changes that still wait, since their chains have a gap, and such as are none after their changes.
  std::set<PageId> take_broken();
  /// After the last window: pages of the file that have changes which the log does not have.
  Result<std::set<PageId>> take_beyond_log();

 private:
  using Run = DeferredParts::Run;
  struct WorkerResult {
    Result<void> status;
    uint64_t pages = 0;
    PageRedo::Outcome outcome;
    std::vector<PageId> bad;
    std::vector<page::PageHeader> beyond;  ///< As far as the windows so far say.
  };

  /// Pages that are read side by side.
  struct Batch {
    std::span<const Run> runs;
    std::vector<PageWork> pages;
    std::vector<PageReads::Page> wanted;  ///< The new ones of `pages`.
    std::unique_ptr<PageReads> reads;
  };

  std::vector<Run> sort_parts();
  bool is_needed_now(const Run& run);
  Result<void> apply_all(std::span<const Run> runs, std::vector<WorkerResult>& results);
  Result<void> apply_runs(std::span<const Run> runs, std::vector<WorkerResult>& results);
  void run_worker(std::span<const Run> runs, WorkerResult& result) noexcept;
  Result<void> redo_share(std::span<const Run> runs, WorkerResult& result);
  Result<void> start_batch(Batch& batch);
  Result<void> finish_batch(Batch& batch, WorkerResult& result);
  void keep(PageWork& page, WorkerResult& result);
  void take_results(std::vector<WorkerResult>& results, RecoveryReport& report);
  void note_known(std::span<const Run> runs);

  const RedoOptions& options_;
  PageRedo page_redo_;
  buffer::DataFile& data_;
  buffer::BufferPool& pool_;
  os::Os& os_;
  std::deque<std::string> arena_;  ///< Copies of part data; addresses stay.
  uint64_t bytes_ = 0;
  std::deque<PendingPart> parts_;
  std::vector<uint32_t> order_;  ///< Of the parts that are being applied: by page and GSN.
  std::set<PageId> broken_;
  std::set<PageId> bad_;
  LogReach reach_;
  std::unordered_map<PageId, Gsn> known_;  ///< Of the pages that are applied.
  std::vector<page::PageHeader> beyond_;
};

}  // namespace aether::recovery
