#include "recovery/deferred_redo.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/no_memory.h"
#include "base/planted.h"
#include "base/reached.h"
#include "page/page_header.h"

namespace aether::recovery {
namespace {

constexpr size_t kBatchBytes = 512 * KiB;
constexpr size_t kBatchPagesMax = 128;
constexpr uint32_t kQueueDepth = 32;
/// What batches may hold of the pool, all workers together.
constexpr uint64_t kShareOfPool = 8;

}  // namespace

/// Pages of this thread; `take` and `end` under mutex_. On every way out those that have not ended wait again, and their frames are free.
class DeferredRedo::Claims {
 public:
  Claims(DeferredRedo& redo, size_t most) : redo_(redo) { list_.reserve(most); }
  Claims(const Claims&) = delete;
  Claims& operator=(const Claims&) = delete;
  ~Claims() { release(); }

  std::vector<Claim>& list() noexcept { return list_; }
  /// False: somebody else has it, or nothing waits.
  bool take(uint32_t run) noexcept AETHER_NO_THREAD_SAFETY {
    if (redo_.states_[run] != State::waiting) return false;
    list_.push_back({.run = run, .page = {.id = redo_.page_of(run)}});
    redo_.set(run, State::busy);
    return true;
  }
  /// Its changes are applied, or do not matter. `is_kept`: the frame is the pool's.
  void end(Claim& claim, bool is_kept) noexcept AETHER_NO_THREAD_SAFETY {
    if (!is_kept) free_frame(claim);
    claim.ended = true;
    redo_.set(claim.run, State::done);
  }
  void release() noexcept {
    while (!list_.empty()) release_last();
  }
  void release_last() noexcept {
    if (Claim& claim = list_.back(); !claim.ended) {
      os::LockGuard lock(redo_.mutex_);
      free_frame(claim);
      const bool is_given_up = redo_.states_[claim.run] == State::given_up;
      redo_.set(claim.run, is_given_up ? State::done : State::waiting);
    }
    list_.pop_back();
  }

 private:
  void free_frame(Claim& claim) noexcept {
    if (claim.page.frame != nullptr) redo_.pool_.cancel_frame(*claim.page.frame);
    claim.page.frame = nullptr;
  }

  DeferredRedo& redo_;
  std::vector<Claim> list_;
};

/// Pages that are read side by side.
struct DeferredRedo::Batch {
  Batch(DeferredRedo& redo, size_t most, std::unique_ptr<os::IoQueue> queue)
      : claims(redo, most), reads(redo.data_, std::move(queue), most) {
    wanted.reserve(most);
  }
  Claims claims;
  std::vector<PageReads::Page> wanted;
  PageReads reads;  ///< Into the claims' frames, so it goes first.
};

DeferredRedo::DeferredRedo(std::unique_ptr<DeferredParts> parts, DeferredRedoOptions options,
                           const ResourceManagers& managers, buffer::DataFile& data,
                           buffer::BufferPool& pool, os::Os& os)
    : parts_(std::move(parts)),
      options_(std::move(options)),
      page_redo_(managers, data),
      data_(data),
      pool_(pool),
      os_(os),
      states_(parts_->runs.size(), State::waiting),
      unfinished_(parts_->runs.size()) {}

/// The first run of `id` or a later page.
std::optional<uint32_t> DeferredRedo::find(PageId id) const noexcept {
  const auto found = std::lower_bound(parts_->runs.begin(), parts_->runs.end(), id,
                                      [](const Run& run, PageId page) { return run.page < page; });
  if (found == parts_->runs.end()) return std::nullopt;
  return static_cast<uint32_t>(found - parts_->runs.begin());
}

void DeferredRedo::set(uint32_t run, State to) noexcept {
  State& state = states_[run];
  busy_ -= state == State::busy || state == State::given_up ? 1 : 0;
  busy_ += to == State::busy || to == State::given_up ? 1 : 0;
  if (to == State::done) unfinished_.fetch_sub(1, std::memory_order_release);
  state = to;
  if (sleepers_ > 0 && to != State::busy) changed_.notify_all();
}

Result<void> DeferredRedo::bring(PageId id) {
  if (unfinished_.load(std::memory_order_acquire) == 0) return {};
  Claims claims(*this, 1);
  {
    os::LockGuard lock(mutex_);
    for (;;) {
      const std::optional<uint32_t> run = find(id);
      if (!run || page_of(*run) != id || states_[*run] == State::done) return {};
      if (claims.take(*run)) break;
      AETHER_REACHED("recovery.waited_for_a_page_being_redone");
      ++sleepers_;
      changed_.wait(mutex_);
      --sleepers_;
    }
  }
  AETHER_REACHED("recovery.page_redone_when_met");
  Claim& claim = claims.list().front();
  AETHER_TRY(take_frame(claim));
  AETHER_TRY(read(claim));
  return finish(claims, claim);
}

void DeferredRedo::forget(PageId first, uint64_t count) noexcept {
  if (unfinished_.load(std::memory_order_acquire) == 0) return;
  os::LockGuard lock(mutex_);
  std::optional<uint32_t> run = find(first);
  for (; run && *run < states_.size() && raw(page_of(*run)) - raw(first) < count; ++*run) {
    if (states_[*run] == State::waiting) {
      AETHER_REACHED("recovery.waiting_page_forgotten");
      set(*run, State::done);
    } else if (states_[*run] == State::busy) {
      AETHER_REACHED("recovery.busy_page_given_up");
      set(*run, State::given_up);
    }
  }
}

/// May write and evict others.
Result<void> DeferredRedo::take_frame(Claim& claim) {
  AETHER_TRY_ASSIGN(claim.page.frame, pool_.allocate_frame());
  claim.page.bytes = pool_.page(*claim.page.frame);
  return {};
}

Result<void> DeferredRedo::read(Claim& claim) {
  AETHER_TRY(data_.read_raw(claim.page.id, claim.page.bytes));
  claim.page.readable = data_.check(claim.page.id, claim.page.bytes).has_value();
  return {};
}

/// Applies what waits to the page, as it was read.
Result<DeferredRedo::Verdict> DeferredRedo::apply(Claims& claims, Claim& claim) {
  PageWork& page = claim.page;
  auto& header = *reinterpret_cast<page::PageHeader*>(page.bytes);
  const bool was_readable = page.readable;
  const bool was_value = was_readable && header.kind == page::PageKind::overflow;
  const Run& run = parts_->runs[claim.run];
  const std::vector<PendingPart> parts = parts_of(run, parts_->parts, parts_->order);
  if (AETHER_PLANTED("recovery.redo_met_unchecked") && was_readable) {
    const Gsn before = parts.front().view.header.gsn_before;
    if (before != wal::kFormatGsn) header.gsn = before;
  }
  PageRedo::Outcome outcome;
  AETHER_TRY(page_redo_.apply(page, parts, outcome));
  Verdict verdict{.at_least = was_readable ? header.gsn + 1 : 0};
  const bool is_whole = outcome.waiting.empty() && page.readable;
  if (is_whole) {
    AETHER_TRY_ASSIGN(verdict.is_beyond_log, parts_->reach.is_beyond(header, run.known, data_));
  }
  os::LockGuard lock(mutex_);
  // What is past the pool is not the pool's: bytes of a value that are not logged, in a page that was a node once.
  const bool is_nobodys = states_[claim.run] == State::given_up ||
                          (is_whole ? !is_node(header.kind) : was_value);
  if (is_nobodys) {
    AETHER_REACHED("recovery.waiting_page_holds_a_value");
    claims.end(claim, false);
    verdict.is_done = true;
    return verdict;
  }
  if (!is_whole || verdict.is_beyond_log) return verdict;
  if (page.position != 0) {
    if (!pool_.keep_redone(*page.frame, page.id, page.position)) {
      AETHER_REACHED("recovery.changes_make_no_page");
      return verdict;
    }
  }
  claims.end(claim, page.position != 0);
  verdict.is_done = true;
  return verdict;
}

Result<void> DeferredRedo::finish(Claims& claims, Claim& claim) {
  const PageId id = claim.page.id;
  AETHER_TRY_ASSIGN(const Verdict found, apply(claims, claim));
  if (found.is_done) return {};
  if (!options_.is_used(id)) {
    AETHER_REACHED("recovery.broken_page_is_free");
    os::LockGuard lock(mutex_);
    claims.end(claim, false);
    return {};
  }
  if (found.is_beyond_log) AETHER_REACHED("recovery.page_beyond_the_log");
  std::string why = found.is_beyond_log   ? kBeyondLog
                    : found.at_least == 0 ? "it cannot be read"
                                          : "its GSN leaves a gap";
  if (options_.repair) {
    const Result<void> repaired = options_.repair(id, found.at_least);
    if (repaired) {
      AETHER_REACHED("recovery.broken_page_repaired");
      claim.page.position = 0;
      claim.page.checked = false;
      AETHER_TRY(read(claim));
      AETHER_TRY_ASSIGN(const Verdict repaired_to, apply(claims, claim));
      if (repaired_to.is_done) return {};
    } else if (repaired.error().code() == Code::no_memory) {
      return repaired.error().clone();
    } else {
      why.append("; ").append(repaired.error().message());
    }
  }
  return Error(Code::corruption, data_.file().path() + ": page " + std::to_string(raw(id)) +
                                     " is not what the log was written for (" + why +
                                     "): restore the environment from a backup");
}

Result<void> DeferredRedo::drain() {
  os::LockGuard one(drain_mutex_);
  while (waiting() != 0) {
    AETHER_TRY(drain_once());
    os::LockGuard lock(mutex_);
    while (busy_ != 0 && busy_ == waiting()) {
      ++sleepers_;
      changed_.wait(mutex_);
      --sleepers_;
    }
  }
  DeferredParts old;
  os::LockGuard lock(mutex_);
  std::swap(old, *parts_);
  states_.clear();
  return {};
}

Result<void> DeferredRedo::drain_once() {
  std::vector<uint32_t> runs;
  {
    os::LockGuard lock(mutex_);
    for (uint32_t run = 0; run < states_.size(); ++run)
      if (states_[run] == State::waiting) runs.push_back(run);
  }
  const size_t workers = runs.size() < 2 * kBatchPagesMax ? 1 : std::max(1u, options_.workers);
  std::vector<Result<void>> results(workers);
  const auto work = [&](size_t i) noexcept {
    const size_t begin = runs.size() * i / workers;
    const size_t end = runs.size() * (i + 1) / workers;
    const std::span<const uint32_t> share(runs.data() + begin, end - begin);
    results[i] = base::or_no_memory([&] { return drain_share(share); });
  };
  std::vector<std::unique_ptr<os::Thread>> threads;
  threads.reserve(workers);  // None may be lost that runs.
  for (size_t i = 1; i < workers; ++i) {
    Result<std::unique_ptr<os::Thread>> thread = base::or_no_memory(
        [&] { return os_.spawn("aether-redo", [&work, i] { work(i); }); });
    if (thread) {
      threads.push_back(std::move(*thread));
    } else {
      work(i);
    }
  }
  work(0);
  for (std::unique_ptr<os::Thread>& thread : threads) thread->join();
  for (Result<void>& result : results) AETHER_TRY(std::move(result));
  return {};
}

/// While the changes of one batch are applied the pages of the next are read. What is damaged stops nobody else.
Result<void> DeferredRedo::drain_share(std::span<const uint32_t> runs) {
  const uint64_t of_pool = pool_.frame_count() / kShareOfPool / 2 / std::max(1u, options_.workers);
  const size_t most = std::clamp<uint64_t>(
      std::min<uint64_t>(kBatchBytes / data_.page_bytes(), of_pool), 1, kBatchPagesMax);
  AETHER_TRY_ASSIGN(auto first_queue, os_.make_io_queue(kQueueDepth, options_.io_mode));
  AETHER_TRY_ASSIGN(auto second_queue, os_.make_io_queue(kQueueDepth, options_.io_mode));
  Batch first(*this, most, std::move(first_queue)), second(*this, most, std::move(second_queue));
  Batch *current = &first, *next = &second;
  Result<void> damage;
  const auto start_next = [&]() -> Result<void> {
    const std::span<const uint32_t> slice = runs.first(std::min(runs.size(), most));
    runs = runs.subspan(slice.size());
    return start_batch(*next, slice);
  };
  AETHER_TRY(start_next());
  while (!runs.empty() || !next->wanted.empty()) {
    std::swap(current, next);
    AETHER_TRY(start_next());
    AETHER_TRY(finish_batch(*current, damage));
  }
  return damage;
}

Result<void> DeferredRedo::start_batch(Batch& batch, std::span<const uint32_t> runs) {
  batch.wanted.clear();
  for (const uint32_t run : runs) {
    const PageId id = page_of(run);
    if (!options_.is_used(id)) {
      forget(id, 1);
      continue;
    }
    {
      os::LockGuard lock(mutex_);
      if (!batch.claims.take(run)) continue;
    }
    Claim& claim = batch.claims.list().back();
    Result<void> taken = take_frame(claim);
    if (!taken && taken.error().code() == Code::busy && !batch.wanted.empty()) {
      batch.claims.release_last();  // With fewer, then; what is left waits for the next round.
      break;
    }
    AETHER_TRY(std::move(taken));
    batch.wanted.push_back({.id = id, .to = claim.page.bytes});
  }
  return batch.reads.start(batch.wanted);
}

Result<void> DeferredRedo::finish_batch(Batch& batch, Result<void>& damage) {
  AETHER_TRY(batch.reads.finish());
  auto page = batch.wanted.begin();
  for (Claim& claim : batch.claims.list()) {
    claim.page.readable = (page++)->is_whole && data_.check(claim.page.id, claim.page.bytes);
    Result<void> done = finish(batch.claims, claim);
    if (!done && done.error().code() != Code::corruption) return done;
    if (!done && damage) damage = std::move(done);
  }
  batch.claims.release();
  batch.wanted.clear();
  return {};
}

}  // namespace aether::recovery
