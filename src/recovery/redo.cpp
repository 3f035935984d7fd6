#include "recovery/redo.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/no_memory.h"
#include "base/planted.h"
#include "base/reached.h"
#include "buffer/space_manager.h"

namespace aether::recovery {
namespace {

constexpr size_t kBatchBytes = 512 * KiB;
constexpr size_t kBatchPagesMin = 8;
constexpr size_t kBatchPagesMax = 128;
constexpr uint32_t kQueueDepth = 32;
constexpr uint64_t kPartOverhead = sizeof(PendingPart);

}  // namespace

Result<void> RedoWindow::add(const wal::RecordView& record, LogPosition block) {
  wal::PartCursor cursor(record);
  while (std::optional<wal::PartView> part = cursor.next()) {
    if (part->header.manager == wal::ResourceManager::table) {
      if (options_.redo_row) AETHER_TRY(options_.redo_row(*part, record.gsn));
      continue;
    }
    AETHER_TRY(buffer::forget_changed(data_, *part));
    reach_.add(*part, record.gsn);
    if (arena_.empty() || arena_.back().capacity() - arena_.back().size() < part->data.size()) {
      constexpr size_t kChunkBytes = 1 << 20;
      arena_.emplace_back().reserve(std::max(kChunkBytes, part->data.size()));
    }
    std::string& chunk = arena_.back();
    const size_t offset = chunk.size();
    chunk.append(part->data);
    part->data = std::string_view(chunk).substr(offset);
    bytes_ += part->data.size() + kPartOverhead;
    parts_.push_back({PageId{part->header.page_id}, record.gsn, block, *part});
  }
  return {};
}

std::vector<PendingPart> parts_of(const DeferredParts::Run& run,
                                  const std::deque<PendingPart>& parts,
                                  const std::vector<uint32_t>& order) {
  std::vector<PendingPart> result;
  result.reserve(run.end - run.begin);
  for (uint32_t i = run.begin; i < run.end; ++i) result.push_back(parts[order[i]]);
  return result;
}

/// Where the parts are, not the parts themselves, is moved about.
std::vector<RedoWindow::Run> RedoWindow::sort_parts() {
  struct Key {
    PageId page;
    Gsn gsn;
    uint32_t index;
  };
  std::vector<Key> keys;
  keys.reserve(parts_.size());
  for (const PendingPart& part : parts_)
    keys.push_back({part.page, part.gsn, static_cast<uint32_t>(keys.size())});
  std::sort(keys.begin(), keys.end(), [](const Key& a, const Key& b) {
    if (a.page != b.page) return a.page < b.page;
    return AETHER_PLANTED("recovery.redo_unordered") ? a.gsn > b.gsn : a.gsn < b.gsn;
  });
  std::vector<Run> runs;
  order_.clear();
  order_.reserve(keys.size());
  for (const Key& key : keys) {
    const auto at = static_cast<uint32_t>(order_.size());
    if (runs.empty() || runs.back().page != key.page) runs.push_back({key.page, at, at});
    order_.push_back(key.index);
    runs.back().end = at + 1;
    runs.back().known = std::max(runs.back().known, key.gsn);
  }
  if (known_.empty()) return runs;
  for (Run& run : runs) {
    if (const auto before = known_.find(run.page); before != known_.end())
      run.known = std::max(run.known, before->second);
  }
  return runs;
}

/// Records of one page may come in another order than its changes (LogPass), so in an earlier window than their turn.
void RedoWindow::note_known(std::span<const Run> runs) {
  for (const Run& run : runs) known_[run.page] = run.known;
}

Result<void> RedoWindow::apply(RecoveryReport& report) {
  const std::vector<Run> runs = sort_parts();
  note_known(runs);
  std::vector<WorkerResult> results;
  AETHER_TRY(apply_all(runs, results));
  const std::deque<std::string> old_arena = std::exchange(arena_, {});
  bytes_ = 0;
  parts_.clear();
  take_results(results, report);
  return {};
}

/// Space maps: allocation begins with them. Images of what is written past the pool is read past it, too. And a page in memory
/// is found before anybody asks what waits for it.
bool RedoWindow::is_needed_now(const Run& run) {
  const auto is_of_space = [this](uint32_t index) {
    return parts_[index].view.header.manager != wal::ResourceManager::btree;
  };
  return !data_.may_hold(run.page) ||
         std::any_of(order_.begin() + run.begin, order_.begin() + run.end, is_of_space) ||
         pool_.find_redone(run.page) != nullptr;
}

Result<void> RedoWindow::apply_some(RecoveryReport& report, DeferredParts& left) {
  std::vector<Run> now;
  for (const Run& run : sort_parts()) (is_needed_now(run) ? now : left.runs).push_back(run);
  std::vector<WorkerResult> results;
  AETHER_TRY(apply_all(now, results));
  if (!known_.empty()) note_known(left.runs);
  note_known(now);
  left.arena = std::exchange(arena_, {});
  left.parts = std::exchange(parts_, {});
  left.order = std::exchange(order_, {});
  reach_.sort();
  left.reach = reach_;
  for (const Run& run : left.runs) {
    for (uint32_t i = run.begin; i < run.end; ++i) {
      const PendingPart& part = left.parts[left.order[i]];
      if (part.view.header.gsn_before == wal::kFormatGsn)
        left.pages_end = std::max(left.pages_end, raw(part.page) + 1);
    }
  }
  bytes_ = 0;
  take_results(results, report);
  return {};
}

Result<void> RedoWindow::apply_all(std::span<const Run> runs, std::vector<WorkerResult>& results) {
  for (std::span<const Run> rest = runs; !rest.empty();) {
    // The workers take free frames, and evict nothing: room is made here, where nobody else is about.
    const uint64_t enough = std::min<uint64_t>(rest.size(), pool_.frame_count() / 8);
    if (pool_.free_count() < enough) AETHER_TRY(options_.make_room());
    const uint64_t count = std::min<uint64_t>(rest.size(), pool_.free_count());
    if (count == 0) return Error(Code::busy, "redo finds no free frame: set pool_bytes higher");
    AETHER_TRY(apply_runs(rest.first(count), results));
    rest = rest.subspan(count);
  }
  return {};
}

/// What meets a gap waits for the next window, with copies of its bytes.
void RedoWindow::take_results(std::vector<WorkerResult>& results, RecoveryReport& report) {
  broken_.clear();
  for (WorkerResult& result : results) {
    report.records_redone += result.outcome.records;
    report.pages_redone += result.pages;
    bad_.insert(result.bad.begin(), result.bad.end());
    beyond_.insert(beyond_.end(), result.beyond.begin(), result.beyond.end());
    for (PendingPart& part : result.outcome.waiting) {
      broken_.insert(part.page);
      part.view.data = arena_.emplace_back(part.view.data);
      parts_.push_back(part);
    }
  }
}

std::set<PageId> RedoWindow::take_broken() {
  broken_.merge(bad_);
  return std::move(broken_);
}

Result<std::set<PageId>> RedoWindow::take_beyond_log() {
  reach_.sort();
  std::set<PageId> result;
  for (const page::PageHeader& page : beyond_) {
    const auto known = known_.find(page.page_id);
    AETHER_ASSERT(known != known_.end());
    AETHER_TRY_ASSIGN(const bool is_beyond, reach_.is_beyond(page, known->second, data_));
    if (is_beyond) result.insert(page.page_id);
  }
  beyond_.clear();
  return result;
}

Result<void> RedoWindow::apply_runs(std::span<const Run> runs, std::vector<WorkerResult>& results) {
  // Shares of about equal numbers of pages.
  const size_t workers = runs.size() < 2 * kBatchPagesMax ? 1 : std::max(1u, options_.workers);
  const size_t first = results.size();
  results.resize(first + workers);
  const auto share = [&](size_t i) {
    const size_t begin = runs.size() * i / workers;
    return runs.subspan(begin, runs.size() * (i + 1) / workers - begin);
  };
  std::vector<std::unique_ptr<os::Thread>> threads;
  threads.reserve(workers);  // None may be lost that runs.
  for (size_t i = 1; i < workers; ++i) {
    WorkerResult& result = results[first + i];
    const auto work = [this, mine = share(i), &result] { run_worker(mine, result); };
    Result<std::unique_ptr<os::Thread>> thread = base::or_no_memory(
        [&] { return os_.spawn("aether-redo", work); });
    if (thread) {
      threads.push_back(std::move(*thread));
    } else {
      run_worker(share(i), result);
    }
  }
  run_worker(share(0), results[first]);
  for (std::unique_ptr<os::Thread>& thread : threads) thread->join();
  for (size_t i = first; i < results.size(); ++i) AETHER_TRY(std::move(results[i].status));
  return {};
}

void RedoWindow::run_worker(std::span<const Run> runs, WorkerResult& result) noexcept {
  result.status = base::or_no_memory([&] { return redo_share(runs, result); });
}

/// While the changes of one batch are applied the pages of the next are read.
Result<void> RedoWindow::redo_share(std::span<const Run> runs, WorkerResult& result) {
  const size_t usual = std::clamp<size_t>(kBatchBytes / data_.page_bytes(), kBatchPagesMin,
                                          kBatchPagesMax);
  const size_t most = std::min(usual, runs.size());
  const auto make_reads = [&]() -> Result<std::unique_ptr<PageReads>> {
    AETHER_TRY_ASSIGN(auto queue, os_.make_io_queue(kQueueDepth, options_.io_mode));
    return std::make_unique<PageReads>(data_, std::move(queue), most);
  };
  Batch current, next;
  AETHER_TRY_ASSIGN(current.reads, make_reads());
  AETHER_TRY_ASSIGN(next.reads, make_reads());
  const auto start_next = [&]() -> Result<void> {
    next.runs = runs.first(std::min(runs.size(), most));
    runs = runs.subspan(next.runs.size());
    return start_batch(next);
  };
  AETHER_TRY(start_next());
  while (!next.runs.empty()) {
    std::swap(current, next);
    AETHER_TRY(start_next());
    AETHER_TRY(finish_batch(current, result));
  }
  return {};
}

Result<void> RedoWindow::start_batch(Batch& batch) {
  batch.pages.clear();
  batch.wanted.clear();
  for (const Run& run : batch.runs) {
    PageWork page{.id = run.page};
    if (!data_.may_hold(page.id)) {
      return Error(Code::corruption, "the log changes page " + std::to_string(raw(page.id)) +
                                         ", which no data file has: restore from a backup");
    }
    page.frame = pool_.find_redone(page.id);
    page.is_new = page.frame == nullptr;
    page.readable = page.checked = !page.is_new;
    if (page.is_new) page.frame = pool_.try_take_frame();
    AETHER_ASSERT(page.frame != nullptr);
    page.bytes = pool_.page(*page.frame);
    if (page.is_new) batch.wanted.push_back({.id = page.id, .to = page.bytes});
    batch.pages.push_back(page);
  }
  return batch.reads->start(batch.wanted);
}

Result<void> RedoWindow::finish_batch(Batch& batch, WorkerResult& result) {
  AETHER_TRY(batch.reads->finish());
  auto read = batch.wanted.begin();
  for (size_t i = 0; i < batch.pages.size(); ++i) {
    PageWork& page = batch.pages[i];
    if (page.is_new)
      page.readable = (read++)->is_whole && data_.check(page.id, page.bytes).has_value();
    AETHER_TRY(page_redo_.apply(page, parts_of(batch.runs[i], parts_, order_), result.outcome));
    const auto& header = *reinterpret_cast<const page::PageHeader*>(page.bytes);
    if (page.readable && header.gsn > batch.runs[i].known) result.beyond.push_back(header);
    keep(page, result);
  }
  return {};
}

void RedoWindow::keep(PageWork& page, WorkerResult& result) {
  const bool is_kept = page.position != 0 && page.readable;
  if (is_kept && pool_.keep_redone(*page.frame, page.id, page.position)) {
    ++result.pages;
    return;
  }
  // Changes that make no page of it: as one that cannot be read.
  if (is_kept) AETHER_REACHED("recovery.changes_make_no_page");
  if (is_kept) result.bad.push_back(page.id);
  if (page.is_new) {
    pool_.cancel_frame(*page.frame);
  } else if (is_kept) {
    pool_.forget_redone(page.id, 1);
  }
}

}  // namespace aether::recovery
