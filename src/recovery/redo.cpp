#include "recovery/redo.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/no_memory.h"
#include "base/trace.h"
#include "buffer/space_manager.h"
#include "page/page_header.h"

namespace aether::recovery {
namespace {

constexpr size_t kBatchPages = 64;
constexpr uint32_t kQueueDepth = 32;
constexpr uint64_t kPartOverhead = 64;

}  // namespace

Result<void> RedoWindow::add(const wal::RecordView& record) {
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
    parts_.push_back({PageId{part->header.page_id}, record.gsn, *part});
  }
  return {};
}

Result<void> RedoWindow::apply(RecoveryReport& report) {
  std::sort(parts_.begin(), parts_.end(), [](const PendingPart& a, const PendingPart& b) {
    return a.page != b.page ? a.page < b.page : a.gsn < b.gsn;
  });
  // Shares of about equal size, cut between pages.
  const size_t workers = std::max<size_t>(1, parts_.size() < 1024 ? 1 : options_.workers);
  std::vector<size_t> cuts{0};
  for (size_t i = 1; i < workers; ++i) {
    size_t cut = std::max(cuts.back(), parts_.size() * i / workers);
    while (cut > 0 && cut < parts_.size() && parts_[cut].page == parts_[cut - 1].page) ++cut;
    cuts.push_back(cut);
  }
  cuts.push_back(parts_.size());

  std::vector<WorkerResult> results(workers);
  std::vector<std::unique_ptr<os::Thread>> threads;
  threads.reserve(workers);  // None may be lost that runs.
  for (size_t i = 1; i < workers; ++i) {
    const auto work = [this, &cuts, &results, i] { run_worker(cuts[i], cuts[i + 1], results[i]); };
    Result<std::unique_ptr<os::Thread>> thread = base::or_no_memory(
        [&] { return os_.spawn("aether-redo", work); });
    if (thread) {
      threads.push_back(std::move(*thread));
    } else {
      run_worker(cuts[i], cuts[i + 1], results[i]);
    }
  }
  run_worker(cuts[0], cuts[1], results[0]);
  for (std::unique_ptr<os::Thread>& thread : threads) thread->join();

  std::deque<std::string> old_arena = std::move(arena_);
  arena_.clear();
  bytes_ = 0;
  parts_.clear();
  broken_.clear();
  for (WorkerResult& result : results) {
    AETHER_TRY(std::move(result.status));
    report.records_redone += result.records;
    report.pages_redone += result.pages;
    for (PendingPart& part : result.waiting) {
      broken_.insert(part.page);
      part.view.data = arena_.emplace_back(part.view.data);
      parts_.push_back(part);
    }
  }
  return {};
}

void RedoWindow::run_worker(size_t begin, size_t end, WorkerResult& result) noexcept {
  result.status = base::or_no_memory([&] { return redo_share(begin, end, result); });
}

Result<void> RedoWindow::redo_share(size_t begin, size_t end, WorkerResult& result) {
  AETHER_TRY_ASSIGN(const std::unique_ptr<os::IoQueue> queue,
                    os_.make_io_queue(kQueueDepth, options_.io_mode));
  buffer::AlignedBuffer memory(kBatchPages * uint64_t{data_.page_bytes()});
  std::vector<std::pair<size_t, size_t>> runs;
  while (begin < end) {
    runs.clear();
    while (begin < end && runs.size() < kBatchPages) {
      size_t next = begin;
      while (next < end && parts_[next].page == parts_[begin].page) ++next;
      runs.emplace_back(begin, next);
      begin = next;
    }
    AETHER_TRY(redo_batch(*queue, runs, memory.data(), result));
  }
  return {};
}

Result<void> RedoWindow::redo_batch(os::IoQueue& queue,
                                    std::span<const std::pair<size_t, size_t>> runs,
                                    std::byte* memory, WorkerResult& result) {
  std::vector<PageWork> pages;
  for (const auto& run : runs) {
    const PageId id = parts_[run.first].page;
    if (!data_.may_hold(id)) {
      return Error(Code::corruption, "the log changes page " + std::to_string(raw(id)) +
                                         ", which no data file has: restore from a backup");
    }
    pages.push_back(
        {id, memory + pages.size() * uint64_t{data_.page_bytes()}, false, false, false});
  }
  AETHER_TRY(read_pages(queue, pages));
  std::vector<buffer::PageWriter::SealedPage> changed;
  for (size_t i = 0; i < pages.size(); ++i) {
    AETHER_TRY(apply_run(pages[i], runs[i].first, runs[i].second, result));
    if (!pages[i].changed) continue;
    page::seal(pages[i].bytes, data_.page_bytes(), data_.environment_id());
    changed.push_back({pages[i].id, pages[i].bytes});
  }
  result.pages += changed.size();
  return writer_.write_sealed(changed);
}

Result<void> RedoWindow::read_pages(os::IoQueue& queue, std::vector<PageWork>& pages) {
  const uint32_t page_bytes = data_.page_bytes();
  std::vector<os::IoRequest> requests(pages.size());
  std::vector<os::IoRequest*> pointers, done;
  pointers.reserve(pages.size());
  done.reserve(pages.size());  // Nothing may fail while requests are under way.
  for (size_t i = 0; i < pages.size(); ++i) {
    requests[i].kind = os::IoRequest::Kind::read;
    requests[i].file = &data_.file();
    requests[i].offset = raw(pages[i].id) * page_bytes;
    requests[i].data = pages[i].bytes;
    requests[i].size = page_bytes;
    pointers.push_back(&requests[i]);
  }
  Result<void> submitted = queue.submit(pointers);
  while (queue.in_flight() > 0) {
    AETHER_TRY(queue.complete(queue.in_flight(), done));
  }
  AETHER_TRY(std::move(submitted));
  for (size_t i = 0; i < pages.size(); ++i) {
    AETHER_TRY(std::move(requests[i].result));
    pages[i].readable = requests[i].transferred == page_bytes &&
                        data_.check(pages[i].id, pages[i].bytes).has_value();
  }
  return {};
}

/// The changes of one page, in GSN order.
Result<void> RedoWindow::apply_run(PageWork& page, size_t begin, size_t end, WorkerResult& result) {
  for (size_t i = begin; i < end; ++i) {
    const PendingPart& part = parts_[i];
    auto& header = *reinterpret_cast<page::PageHeader*>(page.bytes);
    if (page.readable && part.gsn <= header.gsn) {
      // It has this change already, as it is read: the disk may not. After a failed sync the system takes what it has in
      // memory for written, and no later sync saves it. So what the log explains is written once more.
      page.changed = true;
      continue;
    }
    const bool formats = part.view.header.gsn_before == wal::kFormatGsn;
    if (!formats && page.readable && !page.checked) AETHER_TRY(check_structure(page, part));
    if (!formats && (!page.readable || part.view.header.gsn_before != header.gsn)) {
      result.waiting.push_back(part);
      continue;
    }
    if (formats) {
      // A new life: changes of the old one that were left waiting do not matter any more.
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
  page.changed = true;
  return {};
}

}  // namespace aether::recovery
