// The flush step, which turns published records into one durable block, and the background thread.
#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/no_memory.h"
#include "base/planted.h"
#include "base/probes.h"
#include "base/reached.h"
#include "base/trace.h"
#include "wal/block.h"
#include "wal/log.h"

namespace aether::wal {
namespace {

constexpr uint64_t kNanosecondsPerMillisecond = 1'000'000;

}  // namespace

// --- The flush step ----------------------------------------------------------------------------------

Log::Step Log::flush_step() {
  if (failed()) return Step::failed;
  const Gathered gathered = gather_what_fits();
  if (gathered.payload == 0) return Step::empty;
  if (AETHER_PLANTED("wal.durable_before_write")) make_durable(gathered);
  const Result<void> written = base::or_no_memory([&]() AETHER_NO_THREAD_SAFETY -> Result<void> {
    AETHER_TRY(make_segment_room(gathered));
    return write_block(gathered);
  });
  if (!written) {
    fail(written.error());
    return Step::failed;
  }
  if (!AETHER_PLANTED("wal.durable_before_write")) make_durable(gathered);
  return Step::wrote;
}

// Without room for another segment, what fits into this one: a smaller block rather than the end of the log.
Log::Gathered Log::gather_what_fits() {
  const uint64_t overhead = block_overhead(options_.streams);
  const uint64_t most = options_.block_bytes_max - overhead;
  const uint64_t left = (current_segment() + 1) * options_.segment_bytes - next_position_;
  if (!is_short_of_space() || left >= options_.block_bytes_max || left <= overhead)
    return gather(most);
  AETHER_REACHED("wal.smaller_block_for_want_of_a_segment");
  const Gathered gathered = gather(left - overhead);
  return gathered.payload != 0 ? gathered : gather(most);
}

// Finds what is published. append_position_ is this block's position, or, if it will not fit there, a
// lower bound of it: whoever read it before appending a record that we take now has not read too much.
Log::Gathered Log::gather(uint64_t room) {
  Gathered gathered;
  for (uint32_t i = 0; i < options_.streams; ++i) {
    const uint32_t s = (first_stream_ + i) % options_.streams;
    os::sim_window();
    gathered.run[s] = rings_[s].published_run(room);
    room -= gathered.run[s];
    gathered.payload += gathered.run[s];
  }
  first_stream_ = (first_stream_ + 1) % options_.streams;
  return gathered;
}

uint64_t Log::block_length(const Gathered& gathered) const noexcept {
  return base::align_up(block_overhead(options_.streams) + gathered.payload, kBlockAlignment);
}

// The one part of a flush that needs memory. Commits wait for it that have happened already, so it is not given up at once.
Result<void> Log::make_segment_room(const Gathered& gathered) {
  constexpr uint32_t kTriesMax = 16;
  const LogPosition segment_end = (current_segment() + 1) * options_.segment_bytes;
  if (next_position_ + block_length(gathered) <= segment_end) return {};
  for (os::Backoff backoff;; backoff.wait()) {
    Result<void> switched = base::or_no_memory(
        [&]() AETHER_NO_THREAD_SAFETY { return switch_segment(); });
    if (switched || switched.error().code() != Code::no_memory || backoff.rounds() >= kTriesMax)
      return switched;
  }
}

Result<void> Log::write_block(const Gathered& gathered) {
  const uint64_t length = block_length(gathered);
  const LogPosition position = next_position_;
  AETHER_PROBE(log_flush_begin, position, length);
  const uint64_t built = build_block(gathered, position);
  AETHER_ASSERT(built == length);
  AETHER_TRY(file_->write_at(position % options_.segment_bytes, block_.data(), length));
#if defined(AETHER_TRACE)
  const LsnVector from = durable();
  AETHER_TRACE_EVENT("block", {{"at", position}, {"from", from.at}, {"run", gathered.run}});
#endif
  if (!AETHER_PLANTED("wal.skip_sync")) {
    Result<void> synced = file_->sync();
    if (!synced && AETHER_PLANTED("wal.retry_sync")) synced = file_->sync();
    AETHER_TRY(std::move(synced));
  }

  AETHER_PROBE(log_flush_end, position, length);
  previous_position_ = position;
  next_position_ = position + length;
  bytes_written_.fetch_add(length, std::memory_order_relaxed);
  flushes_.fetch_add(1, std::memory_order_relaxed);
  if (position % options_.segment_bytes + length > options_.segment_bytes / 2)
    ask_for_next_segment();
  return {};
}

// Once a segment: a preparation that failed is not tried again before the switch needs it.
void Log::ask_for_next_segment() {
  const uint64_t next = current_segment() + 1;
  if (!options_.background_thread || asked_segment_ == next) return;
  asked_segment_ = next;
  segment_wanted_.store(true);
  if (writer_state_.exchange(WriterState::awake) != WriterState::awake) wake_writer();
}

// Returns the block's length.
uint64_t Log::build_block(const Gathered& gathered, LogPosition position) {
  std::byte* const block = block_.data();
  uint64_t at = block_overhead(options_.streams);
  for (uint32_t s = 0; s < options_.streams; ++s) {
    const Ring& ring = rings_[s];
    const uint64_t run = gathered.run[s];
    const ChunkEntry entry{
        .stream = s, .length = static_cast<uint32_t>(run), .lsn = ring.released()};
    base::store(block + sizeof(BlockHeader) + s * sizeof(ChunkEntry), entry);
    std::memcpy(block + at, ring.at(ring.released()), run);
    at += run;
  }
  const uint64_t length = base::align_up(at, kBlockAlignment);
  last_wall_ns_ = std::max(last_wall_ns_,
                           os_.wall_ns());  // A clock may be set back; time here is not.
  std::memset(block + at, 0, length - at);  // The buffer still holds the block before.
  const BlockHeader header{.stream_count = static_cast<uint16_t>(options_.streams),
                           .environment_id = options_.environment_id,
                           .position = position,
                           .previous = previous_position_,
                           .epoch = start_.epoch,
                           .length = static_cast<uint32_t>(length),
                           .wall_ns = last_wall_ns_,
                           .flags = images_logged_.load() ? kFlagImagesLogged : 0};
  base::store(block, header);
  seal_block(block, length);
  return length;
}

Result<void> Log::switch_segment() {
  const uint64_t next = current_segment() + 1;
  AETHER_TRY_ASSIGN(std::unique_ptr<os::File> file, segments_->take(next));
  AETHER_TRY(file_->close());
  file_ = std::move(file);
  {
    os::LockGuard lock(mutex_);
    closed_end_ = {next_position_, durable()};
  }
  next_position_ = next * options_.segment_bytes + kSegmentHeaderBytes;
  segment_.store(next, std::memory_order_release);
  segment_wanted_.store(false);
  short_of_space_.store(false, std::memory_order_relaxed);
  return {};
}

// In this order: a record is durable, then its space is free (reserved <= durable + ring_bytes).
void Log::make_durable(const Gathered& gathered) {
  append_position_.store(next_position_, std::memory_order_release);
  for (uint32_t s = 0; s < options_.streams; ++s) {
    os::sim_point();
    const Lsn durable_end = rings_[s].released() + gathered.run[s];
    AETHER_ASSERT(durable_end <= rings_[s].tail());
    streams_durable_[s].store(durable_end, std::memory_order_release);
  }
#if defined(AETHER_TRACE)
  const LsnVector plv = durable();
  AETHER_TRACE_EVENT("durable", {{"plv", plv.at}});
#endif
  for (uint32_t s = 0; s < options_.streams; ++s) {
    if (gathered.run[s] != 0) rings_[s].release(gathered.run[s]);
  }
  joined_.store(turn_.waiters(), std::memory_order_relaxed);
}

void Log::fail(const Error& why) noexcept {
  AETHER_REACHED("wal.failed");
  os::LockGuard lock(mutex_);
  base::if_memory_allows([&]() AETHER_NO_THREAD_SAFETY {
    failure_ = "the log could not be written (" + std::string(to_string(why.code())) + ": " +
               std::string(why.message()) +
               "); the outcome of unacknowledged commits is unknown until the environment is "
               "opened again";
  });
  failed_.store(true, std::memory_order_release);
}

// --- The background thread ---------------------------------------------------------------------------

void Log::run_background() {
  os::Backoff backoff;
  while (true) {
    if (completions_.any()) run_due_completions();
    switch (wait_for_work()) {
      case Work::stop: return;
      case Work::complete: break;
      case Work::prepare_segment: prepare_next_segment(); break;
      case Work::flush:
        if (turn_.try_take()) {
          const Step step = flush_step();
          turn_.give_back();
          if (step == Step::empty) {
            backoff.wait();  // A hole: its owner is about to publish.
          } else {
            backoff = os::Backoff();
          }
        } else {
          turn_.wait_while_taken();
        }
        break;
    }
  }
}

// Sleeps until there is work. Everything durable: without a timer, until an append wakes it.
Log::Work Log::wait_for_work() {
  os::LockGuard lock(mutex_);
  while (!stop_) {
    const bool has_failed = failed();  // Then only completions and stop_ are left to wait for.
    if (!has_failed && flush_is_due()) return Work::flush;
    if (completions_.any()) return Work::complete;
    if (!has_failed && segment_wanted_.load(std::memory_order_relaxed))
      return Work::prepare_segment;

    // Announce the sleep, then look once more: an appender that did not see the announcement has moved a
    // tail before, and we see that (see publish).
    const bool idle = has_failed || interval_end_ns_ == 0;
    writer_state_.store(idle ? WriterState::idle : WriterState::timed, std::memory_order_seq_cst);
    os::sim_point();
    const uint64_t waiting = bytes_not_durable();
    const bool records = flush_requested_.load() || segment_wanted_.load() ||
                         (idle ? waiting != 0 : waiting > kFlushBytes);
    const bool look_again = completions_.any() || (records && !has_failed);
    if (!look_again) {
      if (idle) {
        wake_.wait(mutex_);
      } else {
        const uint64_t now = os_.monotonic_ns();
        if (now < interval_end_ns_) wake_.wait_for(mutex_, interval_end_ns_ - now);
      }
    }
    writer_state_.store(WriterState::awake, std::memory_order_seq_cst);
  }
  return Work::stop;
}

// Half the interval passes between two looks: a record that comes right after one look is seen by the
// next, and flushed by the one after that.
bool Log::flush_is_due() {
  const bool requested = flush_requested_.exchange(false) || completions_.any();
  const uint64_t waiting = bytes_not_durable();
  if (waiting == 0) {
    interval_end_ns_ = 0;
    return false;
  }
  if (waiting > kFlushBytes) return true;

  const uint64_t now = os_.monotonic_ns();
  if (requested) {
    interval_mark_ = reserved();
    interval_end_ns_ = now;
  }
  const bool over = interval_end_ns_ != 0 && now >= interval_end_ns_;
  // Those who wait for their commits may have flushed everything meanwhile; then there is no hurry.
  if (over && !is_durable(interval_mark_)) return true;
  if (over || interval_end_ns_ == 0) {
    interval_mark_ = reserved();
    interval_end_ns_ = now + options_.flush_interval_ms * kNanosecondsPerMillisecond / 2;
  }
  return false;
}

uint64_t Log::bytes_not_durable() const noexcept {
  uint64_t bytes = 0;
  for (uint32_t s = 0; s < options_.streams; ++s) {
    // Durable first: it only grows up to the tail, so the difference is never negative.
    const Lsn durable_end = durable(s);
    bytes += rings_[s].tail() - durable_end;
  }
  return bytes;
}

void Log::wake_writer() noexcept {
  os::LockGuard lock(mutex_);
  wake_.notify_one();
}

// A failure here is no failure of the log: the switch will try again, and then it counts.
void Log::prepare_next_segment() {
  const Result<bool> more = base::or_no_memory(
      [&] { return segments_->prepare_step(current_segment() + 1); });
  if (!more || !*more) segment_wanted_.store(false);
  if (more || more.error().code() == Code::no_space)
    short_of_space_.store(!more, std::memory_order_relaxed);
}

void Log::retry_next_segment() {
  const uint64_t next = current_segment() + 1;
  Result<bool> more = true;
  while (more && *more) more = segments_->prepare_step(next);
  if (more) short_of_space_.store(false, std::memory_order_relaxed);
}

}  // namespace aether::wal
