#include "recovery/redo.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/no_memory.h"
#include "base/planted.h"
#include "base/reached.h"
#include "base/trace.h"
#include "buffer/space_manager.h"
#include "page/page_header.h"

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
    AETHER_TRY(buffer::forget_changed(data_, *part));
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

Result<void> RedoWindow::apply(RecoveryReport& report) {
  std::sort(parts_.begin(), parts_.end(), [](const PendingPart& a, const PendingPart& b) {
    if (AETHER_PLANTED("recovery.redo_unordered")) return a.page < b.page;
    return a.page != b.page ? a.page < b.page : a.gsn < b.gsn;
  });
  std::vector<Run> runs;
  for (size_t i = 0; i < parts_.size(); ++i) {
    if (i == 0 || parts_[i].page != parts_[i - 1].page) runs.push_back({i, i});
    runs.back().end = i + 1;
  }
  std::vector<WorkerResult> results;
  for (std::span<const Run> rest = runs; !rest.empty();) {
    // The workers take free frames, and evict nothing: room is made here, where nobody else is about.
    const uint64_t enough = std::min<uint64_t>(rest.size(), pool_.frame_count() / 8);
    if (pool_.free_count() < enough) AETHER_TRY(options_.make_room());
    const uint64_t count = std::min<uint64_t>(rest.size(), pool_.free_count());
    if (count == 0) return Error(Code::busy, "redo finds no free frame: set pool_bytes higher");
    AETHER_TRY(apply_runs(rest.first(count), results));
    rest = rest.subspan(count);
  }

  std::deque<std::string> old_arena = std::move(arena_);
  arena_.clear();
  bytes_ = 0;
  parts_.clear();
  broken_.clear();
  for (WorkerResult& result : results) {
    report.records_redone += result.records;
    report.pages_redone += result.pages;
    bad_.insert(result.bad.begin(), result.bad.end());
    for (PendingPart& part : result.waiting) {
      broken_.insert(part.page);
      part.view.data = arena_.emplace_back(part.view.data);
      parts_.push_back(part);
    }
  }
  return {};
}

std::set<PageId> RedoWindow::take_broken() {
  broken_.merge(bad_);
  return std::move(broken_);
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
    PageWork page{.id = parts_[run.begin].page};
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
    AETHER_TRY(apply_run(page, batch.runs[i], result));
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

/// The page is dirty from its first change on: several streams may put a later one into an earlier block.
void RedoWindow::note_position(PageWork& page, const PendingPart& part) noexcept {
  page.position = page.position == 0 ? part.block : std::min(page.position, part.block);
}

/// The changes of one page, in GSN order.
Result<void> RedoWindow::apply_run(PageWork& page, const Run& run, WorkerResult& result) {
  for (size_t i = run.begin; i < run.end; ++i) {
    const PendingPart& part = parts_[i];
    auto& header = *reinterpret_cast<page::PageHeader*>(page.bytes);
    const Gsn has = AETHER_PLANTED("recovery.redo_off_by_one") ? header.gsn - 1 : header.gsn;
    if (page.readable && part.gsn <= has) {
      // It has this change already, as it is read: the disk may not. After a failed sync the system takes what it has in
      // memory for written, and no later sync saves it. So what the log explains is written once more.
      if (!AETHER_PLANTED("recovery.trust_the_cache")) note_position(page, part);
      continue;
    }
    const bool formats = part.view.header.gsn_before == wal::kFormatGsn;
    if (!formats && page.readable && !page.checked) AETHER_TRY(check_structure(page, part));
    if (!formats && (!page.readable || part.view.header.gsn_before != header.gsn)) {
      AETHER_REACHED("recovery.gap_in_a_page");
      result.waiting.push_back(part);
      continue;
    }
    if (formats) {
      // A new life: changes of the old one that were left waiting do not matter any more.
      if (!result.waiting.empty() && result.waiting.back().page == page.id)
        AETHER_REACHED("recovery.page_began_another_life");
      std::erase_if(result.waiting, [&](const PendingPart& old) { return old.page == page.id; });
      std::memset(page.bytes, 0, data_.page_bytes());
      header.page_id = page.id;
      page.checked = true;
    }
    AETHER_TRY(apply_part(page, part));
    ++result.records;
  }
  return {};
}

Result<const ResourceManager*> RedoWindow::manager_of(const PendingPart& part) const {
  const auto index = static_cast<size_t>(part.view.header.manager);
  if (index >= managers_.size() || managers_[index] == nullptr) {
    return Error(Code::corruption, "the log names resource manager " + std::to_string(index) +
                                       ", which this program does not have");
  }
  return managers_[index];
}

/// A page with the right checksum may still not be what it says: changing it could then go anywhere. It counts as one that
/// cannot be read, and its changes wait: harmless if the page turns out to be free.
Result<void> RedoWindow::check_structure(PageWork& page, const PendingPart& part) const {
  AETHER_TRY_ASSIGN(const ResourceManager* manager, manager_of(part));
  page.checked = true;
  page.readable = manager->check(page.bytes, data_.page_bytes()).has_value();
  return {};
}

Result<void> RedoWindow::apply_part(PageWork& page, const PendingPart& part) {
  AETHER_TRY_ASSIGN(const ResourceManager* manager, manager_of(part));
  Result<void> applied = manager->redo(page.bytes, data_.page_bytes(), part.view);
  if (!applied) {
    return std::move(applied).error().with_context("redo of page " + std::to_string(raw(page.id)) +
                                                   " to GSN " + std::to_string(part.gsn));
  }
  auto& header = *reinterpret_cast<page::PageHeader*>(page.bytes);
  AETHER_TRACE_EVENT("redo", {{"page", raw(page.id)},
                              {"before", part.view.header.gsn_before},
                              {"found", page.readable ? header.gsn : 0},
                              {"gsn", part.gsn}});
  header.page_id = page.id;
  header.gsn = part.gsn;
  page.readable = true;
  note_position(page, part);
  return {};
}

}  // namespace aether::recovery
