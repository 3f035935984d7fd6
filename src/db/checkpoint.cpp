// Checkpoints: fuzzy, in the background, so that the log stays within its bound and nobody waits.
#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/no_memory.h"
#include "base/planted.h"
#include "base/probes.h"
#include "base/reached.h"
#include "base/trace.h"
#include "buffer/page_order.h"
#include "db/env_impl.h"

namespace aether::db {
namespace {

/// A checkpoint begins when the log holds this share of its bound, and writes what is older than half of that.
constexpr uint64_t kTriggerDivisor = 2;
/// Until a recovery has been measured: a slow disk's, with as many page reads as records.
constexpr double kReplayBytesPerSecond = 32.0 * MiB;
constexpr uint64_t kMeasuredBytesMin = 16 * MiB;
/// Below this checkpoints would follow each other without a pause.
constexpr uint64_t kBoundMin = 4 * MiB;

}  // namespace

uint64_t EnvImpl::log_bytes_used() const noexcept {
  const LogPosition now = log_->append_position();
  const LogPosition start = log_start_.load(std::memory_order_relaxed);
  return now > start ? now - start : 0;
}

double EnvImpl::replay_bytes_per_second() const noexcept {
  const RecoveryReport& last = recovery_report_;
  if (last.log_bytes_read < kMeasuredBytesMin || last.seconds <= 0) return kReplayBytesPerSecond;
  return static_cast<double>(last.log_bytes_read) / last.seconds;
}

/// The log for redo is held near it: log_bytes_max, or what can be replayed in reopen_seconds_max.
uint64_t EnvImpl::log_bytes_bound() const noexcept {
  const double seconds = options_.reopen_seconds_max;
  if (seconds <= 0) return options_.log_bytes_max;
  const double bytes = seconds * replay_bytes_per_second();
  if (bytes >= static_cast<double>(options_.log_bytes_max)) return options_.log_bytes_max;
  return std::max(static_cast<uint64_t>(bytes), kBoundMin);
}

/// Once the environment is open: from then on nothing of what it comes from changes.
void EnvImpl::set_pace() noexcept { easy_log_bytes_ = log_bytes_bound() / kTriggerDivisor; }

Error EnvImpl::why_too_old(const txn::TransactionContext& txn) const {
  const LogPosition now = log_->append_position();
  return Error(Code::too_large,
               "the log since the transaction's first write has grown to " +
                   std::to_string(now - txn.pin_position) + " bytes, more than log_bytes_max (" +
                   std::to_string(options_.log_bytes_max) +
                   "): commit or abort it, and split the work or raise the option");
}

/// The disk has no room for the log's next segment. A checkpoint lets go of older ones, which are used again. If that is not
/// enough, what makes the data grow is refused while the current segment still has room for those who commit, roll back
/// and remove.
Result<void> EnvImpl::make_log_room(bool frees) {
  {
    AETHER_REACHED("checkpoint.for_room_in_the_log");
    os::LockGuard lock(log_room_mutex_);
    if (!log_->is_short_of_space()) return {};  // Somebody else has found some.
    AETHER_TRY(checkpoint_now(~LogPosition{0}, false));
    log_->retry_next_segment();
    if (!log_->is_short_of_space()) return {};
  }
  constexpr uint64_t kShareOfAll = 4, kShareOfRemovals = 8;
  const uint64_t segment = options_.log_segment_bytes;
  if (log_->room() >= segment / (frees ? kShareOfRemovals : kShareOfAll)) return {};
  AETHER_REACHED("checkpoint.no_room_in_the_log");
  return Error(
      Code::no_space,
      home_ + "/log: the file system has no room for another segment of " +
          std::to_string(segment) +
          " bytes: free space, or end transactions that are open for long; writing goes on "
          "by itself then");
}

Result<void> EnvImpl::slow_down(bool frees) {
  if (log_->is_short_of_space()) [[unlikely]]
    AETHER_TRY(make_log_room(frees));
  if (archiver_ != nullptr) {
    archive_soon();
    if (!frees && archive_behind_.load(std::memory_order_relaxed)) [[unlikely]]
      AETHER_TRY(why_archive_behind());
  }
  if (any_unfinished_.load(std::memory_order_relaxed)) [[unlikely]]
    finish_rollbacks();
  const uint64_t used = log_bytes_to_redo();
  const uint64_t bound = log_bytes_bound();
  if (used < bound / kTriggerDivisor) [[likely]]
    return {};
  if (!checkpointer_) {
    // An error of the disk shows in check_writable; there is nothing to wait for here.
    AETHER_REACHED("checkpoint.log_at_its_bound");
    const LogPosition keep = bound / kTriggerDivisor / 2;
    static_cast<void>(base::or_no_memory([&] {
                        return checkpoint_now(log_->append_position() - std::min(keep, used),
                                              false);
                      }).has_value());
    return {};
  }
  if (!checkpoint_requested_.exchange(true, std::memory_order_relaxed)) {
    os::LockGuard lock(checkpointer_mutex_);
    checkpoint_wanted_ = true;
    checkpointer_wake_.notify_one();
  }
  if (used < bound) return {};
  // Writers outrun the disk: wait for one round, no longer.
  os::LockGuard lock(checkpointer_mutex_);
  if (!stop_ && checkpoint_wanted_) {
    constexpr uint64_t kPatienceNs = 100'000'000;
    checkpointer_done_.wait_for(checkpointer_mutex_, kPatienceNs);
  }
  return {};
}

/// After rows in memory have become a run, and redo needs their part of the log no more. A segment that is used again is written once, a
/// new one twice, first with zeros: so it is let go of at once where hardly a page has to be written for it.
void EnvImpl::let_go_of_log() {
  constexpr uint64_t kSegmentsMin = 2, kLogBytesADirtyByte = 16;
  if (!checkpointer_) return;
  const LogPosition start = redo_start_.load(std::memory_order_relaxed);
  const LogPosition below = tables_redo_from(log_->append_position());
  if (below < start + kSegmentsMin * options_.log_segment_bytes) return;
  const uint64_t dirty_bytes = pool_->dirty_count() * options_.page_bytes;
  if (dirty_bytes > (below - start) / kLogBytesADirtyByte) return;
  AETHER_REACHED("checkpoint.after_a_flush");
  os::LockGuard lock(checkpointer_mutex_);
  checkpoint_wanted_ = true;
  checkpoint_below_ = std::max(checkpoint_below_, below);
  checkpointer_wake_.notify_one();
}

void EnvImpl::run_checkpointer() {
  checkpointer_mutex_.lock();
  while (!stop_) {
    if (!checkpoint_wanted_ && !archive_wanted_) {
      checkpointer_wake_.wait(checkpointer_mutex_);
      continue;
    }
    const bool archive_only = !checkpoint_wanted_;
    archive_wanted_ = false;
    const LogPosition below = archive_only ? 0 : std::exchange(checkpoint_below_, 0);
    checkpointer_mutex_.unlock();
    if (archive_only) {
      static_cast<void>(
          base::or_no_memory([this] { return archive(); }).has_value());  // Its figures tell.
      checkpointer_mutex_.lock();
      continue;
    }
    const LogPosition now = log_->append_position();
    const uint64_t keep = std::min<uint64_t>(log_bytes_to_redo(),
                                             log_bytes_bound() / kTriggerDivisor / 2);
    const Result<void> done = base::or_no_memory(
        [&] { return checkpoint_now(below != 0 ? below : now - keep, false); });
    // Without memory, or without a frame for what waits to be redone: the next write asks for another.
    const bool is_passing = !done && (done.error().code() == Code::no_memory ||
                                      done.error().code() == Code::busy);
    if (!done && !is_passing) fail(done.error());
    checkpoint_requested_.store(false, std::memory_order_relaxed);
    checkpointer_mutex_.lock();
    checkpoint_wanted_ = false;
    checkpointer_done_.notify_all();
  }
  checkpointer_done_.notify_all();
  checkpointer_mutex_.unlock();
}

Result<void> EnvImpl::checkpoint() {
  AETHER_TRY(check_open());
  AETHER_TRY(check_writable());
  return checkpoint_now(~LogPosition{0}, false);
}

/// Writes every page that has been dirty since before `flush_below`, then moves the start of recovery up to the
/// oldest change that is not in the data file and the oldest record that an undo may need. What waits to be redone comes first:
/// of its changes only the log knows.
Result<void> EnvImpl::checkpoint_now(LogPosition flush_below, bool closing) {
  AETHER_TRY(drain_redo());
  AETHER_TRY(write_images(flush_below, closing));
  os::LockGuard lock(checkpoint_mutex_);
  if (closing) AETHER_TRY(log_->flush());
  AETHER_PROBE(checkpoint_begin, flush_below);
  std::vector<buffer::PageWriter::Target> targets;
  pool_->collect_dirty(flush_below, targets);
  for (const buffer::PageWriter::Target& target : space_->map_pages()) {
    const LogPosition dirty = target.frame->dirty_position.load(std::memory_order_seq_cst);
    if (dirty != 0 && dirty < flush_below) targets.push_back(target);
  }
  buffer::sort_by_page(targets);
  AETHER_TRY(writer_->write(targets));

  // First the position, then the frames: a page that gets dirty in between has its record at or above it.
  const LogPosition now = log_->append_position();
  os::sim_window();
  std::vector<buffer::PageWriter::Target> rest;
  LogPosition redo = pool_->collect_dirty(now, rest);
  if (AETHER_PLANTED("checkpoint.redo_too_far")) redo = now;
  for (const buffer::PageWriter::Target& target : space_->map_pages()) {
    const LogPosition dirty = target.frame->dirty_position.load(std::memory_order_seq_cst);
    if (dirty != 0 && !AETHER_PLANTED("checkpoint.forget_maps")) redo = std::min(redo, dirty);
  }
  redo = std::min(redo, tables_redo_from(now));
  // Pages that have left memory because they were freed hold `redo` back no more: they must not come back.
  if (!AETHER_PLANTED("checkpoint.forget_freed")) AETHER_TRY(log_->wait_durable(space_->freed()));
  // A thread may have read the log position before the last checkpoint and marked its page only now; its record lies
  // above that checkpoint all the same.
  const recovery::ControlState& last = control_->state();
  redo = std::max(redo, last.redo_position);
  AETHER_ASSERT(!closing || redo == now);
  if (archiver_ != nullptr) {
    // A failure keeps the log, and shows in the figures; the checkpoint goes on.
    AETHER_TRY_ASSIGN(const wal::LogTail end,
                      closing ? log_->flush_to_end() : Result<wal::LogTail>(log_->closed_end()));
    static_cast<void>(archive_before(end).has_value());
  }
  const bool forgets_pins = AETHER_PLANTED("checkpoint.forget_open_transactions");
  const LogPosition needed = std::min(redo, forgets_pins ? now : transactions_->oldest_pin(now));
  if (needed < redo) AETHER_REACHED("checkpoint.log_kept_for_an_open_transaction");
  const LogPosition start = std::max(std::min(needed, start_bound()), last.start_position);
  // After the position: a page that a tag taken now does not know is dirty, and so has a record at or above it.
  AETHER_TRY(write_tags());
  AETHER_TRY(write_control(redo, start, now, closing && start == now));
  log_start_.store(start, std::memory_order_relaxed);
  redo_start_.store(redo, std::memory_order_relaxed);
  checkpoints_.fetch_add(1, std::memory_order_relaxed);
  AETHER_PROBE(checkpoint_end, start, targets.size());
  return log_->release_before(AETHER_PLANTED("checkpoint.release_too_much") ? now : start);
}

Result<void> EnvImpl::write_tags() {
  Result<void> written = data_->tags()->write([this] { return writer_->sync_unreferenced(); });
  if (!written) fail(written.error());
  return written;
}

Result<void> EnvImpl::write_control(LogPosition redo, LogPosition start, LogPosition durable,
                                    bool clean) {
  recovery::ControlState state = control_->state();
  AETHER_ASSERT(start >= state.start_position && redo >= start);
  state.redo_position = redo;
  state.start_position = start;
  state.known_durable = durable;
  state.next_txn = transactions_->next_id();
  state.clean = clean;
  state.lsn = log_->durable();
  state.tags_sequence = data_->tags()->sequence();
  std::erase_if(state.fences, [&](const recovery::Fence& fence) { return fence.end <= start; });
  Result<void> written = control_->write(state);
  if (!written) {
    fail(written.error());
    return written;
  }
  AETHER_TRACE_EVENT("control", {{"redo", redo}, {"start", start}});
  return {};
}

}  // namespace aether::db
