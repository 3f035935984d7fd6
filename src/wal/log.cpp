// Opening, appending and waiting. The flush step and the background thread are in log_flush.cpp.
#include "wal/log.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"
#include "base/no_memory.h"
#include "base/planted.h"
#include "base/probes.h"
#include "base/reached.h"
#include "wal/block.h"
#include "wal/record_write.h"

namespace aether::wal {
namespace {

constexpr uint64_t kRingBytesMin = 64 * KiB;
constexpr uint64_t kSegmentBytesMin = 64 * KiB;

Error bad_option(const std::string& name, const std::string& rule) {
  return Error(Code::invalid_argument, "log option " + name + " must be " + rule);
}

Result<void> check_options(const LogOptions& options, const LogStart& start) {
  if (options.streams < 1 || options.streams > kMaxStreams) {
    return bad_option("streams", "1 to " + std::to_string(kMaxStreams));
  }
  if (!std::has_single_bit(options.segment_bytes) || options.segment_bytes < kSegmentBytesMin) {
    return bad_option("segment_bytes", "a power of two of at least 64 KiB");
  }
  if (!std::has_single_bit(options.ring_bytes) || options.ring_bytes < kRingBytesMin) {
    return bad_option("ring_bytes", "a power of two of at least 64 KiB");
  }
  if (options.block_bytes_max % kBlockAlignment != 0 ||
      options.block_bytes_max < 2 * kBlockAlignment) {
    return bad_option("block_bytes_max", "a multiple of 4096 of at least 8192");
  }
  for (uint32_t s = 0; s < options.streams; ++s) {
    if (start.lsn.at[s] < kFirstLsn || start.lsn.at[s] % kRecordAlignment != 0) {
      return bad_option("start.lsn", "a multiple of 8 of at least 64 for every stream");
    }
  }
  if (start.segment == 0 || start.epoch == 0)
    return bad_option("start", "at least segment 1, epoch 1");
  return {};
}

}  // namespace

Log::Log(const LogOptions& options, const LogStart& start, os::Os& os)
    : options_(options), start_(start), os_(os), room_wait_(options.streams) {
  options_.block_bytes_max = std::min(options.block_bytes_max, options.segment_bytes / 4);
  record_bytes_max_ = std::min(options_.ring_bytes / 4,
                               options_.block_bytes_max - block_overhead(options_.streams));
}

Result<std::unique_ptr<Log>> Log::create(const LogOptions& options, const LogStart& start,
                                         os::Os& os) {
  AETHER_TRY(check_options(options, start));
  std::unique_ptr<Log> log(new Log(options, start, os));
  AETHER_TRY(log->open());
  return log;
}

Result<void> Log::open() {
  for (uint32_t s = 0; s < kMaxStreams; ++s) {
    if (s < options_.streams) AETHER_TRY(rings_[s].open(options_.ring_bytes, start_.lsn.at[s]));
    streams_durable_[s].store(start_.lsn.at[s], std::memory_order_relaxed);
  }
  AETHER_TRY_ASSIGN(block_, AlignedBuffer::make(options_.block_bytes_max));
  AETHER_TRY_ASSIGN(segments_, SegmentFiles::open({.directory = options_.directory,
                                                   .environment_id = options_.environment_id,
                                                   .segment_bytes = options_.segment_bytes,
                                                   .epoch = start_.epoch,
                                                   .fill = options_.fill_segments},
                                                  start_.segment, os_));
  if (!start_.older_needed) AETHER_TRY(segments_->release_before(start_.segment));
  AETHER_TRY_ASSIGN(file_, segments_->take(start_.segment));
  segment_.store(start_.segment, std::memory_order_relaxed);
  next_position_ = start_.segment * options_.segment_bytes + kSegmentHeaderBytes;
  append_position_.store(next_position_, std::memory_order_release);
  {
    os::LockGuard lock(mutex_);
    closed_end_ = {start_.segment * options_.segment_bytes, start_.lsn};
  }

  if (options_.background_thread) {
    AETHER_TRY_ASSIGN(thread_, os_.spawn("aether-log", [this] { run_background(); }));
  }
  return {};
}

std::unique_ptr<Log> Log::detached(uint32_t streams, os::Os& os) {
  std::unique_ptr<Log> log(new Log({.streams = streams}, {}, os));
  log->record_bytes_max_ = 0;  // No record is small enough.
  return log;
}

Log::~Log() {
  if (thread_ != nullptr) {
    {
      os::LockGuard lock(mutex_);
      stop_ = true;
      wake_.notify_one();
    }
    thread_->join();
  }
  if (current_segment() == 0) return;  // Detached, or creation failed.
  finish_completions();                // Who needs to know calls flush before.
}

// --- Appending ---------------------------------------------------------------------------------------

Error Log::why_no_record(uint64_t size) const {
  if (current_segment() == 0) return Error(Code::unsupported, "the log is open for reading only");
  return Error(Code::too_large,
               "a log record of " + std::to_string(size) + " bytes exceeds the limit of " +
                   std::to_string(record_bytes_max_) + "; make the change smaller");
}

Result<Reservation> Log::reserve(uint32_t stream, uint64_t size) {
  AETHER_ASSERT(stream < options_.streams);
  AETHER_ASSERT(size % kRecordAlignment == 0 && size >= sizeof(RecordHeader));
  if (size > record_bytes_max_) [[unlikely]]
    return why_no_record(size);
  Ring& ring = rings_[stream];
  const Lsn begin = ring.reserve(size);
  os::sim_point();
  const Lsn end = begin + size;
  if (!ring.has_room(end)) [[unlikely]] {
    AETHER_TRY(wait_for_room(stream, end));
  } else if (failed()) [[unlikely]] {
    return failure();
  }
  return Reservation{.data = ring.at(begin), .size = size, .stream = stream, .begin = begin};
}

void Log::publish(const Reservation& reservation) noexcept {
  os::sim_point();
  rings_[reservation.stream].publish(reservation.begin, static_cast<uint32_t>(reservation.size));
  os::sim_point();

  // The background thread announces its sleep, then looks at the streams' tails once more; we moved our
  // tail in reserve() and look at its state now. All sequentially consistent, so one sees the other.
  WriterState state = writer_state_.load(std::memory_order_seq_cst);
  if (state == WriterState::awake) return;
  const bool much = reservation.end() -
                        streams_durable_[reservation.stream].load(std::memory_order_relaxed) >
                    kFlushBytes;
  if (state == WriterState::timed && !much) return;
  if (writer_state_.compare_exchange_strong(state, WriterState::awake)) wake_writer();
}

Result<Reservation> Log::append(uint32_t stream, const RecordSpec& spec) {
  AETHER_ASSERT(spec.home_stream == stream && stream < options_.streams);
  const RecordLayout layout = lay_out_here(spec);
  if (layout.size > record_bytes_max_) [[unlikely]]
    return why_no_record(layout.size);
  // As `reserve`, whose Result would cost as much again.
  Ring& ring = rings_[stream];
  const Lsn begin = ring.reserve(layout.size);
  os::sim_point();
  if (!ring.has_room(begin + layout.size)) [[unlikely]] {
    AETHER_TRY(wait_for_room(stream, begin + layout.size));
  } else if (failed()) [[unlikely]] {
    return failure();
  }
  const Reservation space{
      .data = ring.at(begin), .size = layout.size, .stream = stream, .begin = begin};
  if (AETHER_PLANTED("wal.publish_early")) publish(space);
  write_record_here(spec, layout, space.data);
  if (!AETHER_PLANTED("wal.publish_early")) publish(space);
  return space;
}

/// The device is behind: what it takes from a writer is told apart from what the engine does.
class Log::RoomWait {
 public:
  explicit RoomWait(Log& log) noexcept : log_(log), begin_ns_(log.os_.monotonic_ns()) {}
  RoomWait(const RoomWait&) = delete;
  RoomWait& operator=(const RoomWait&) = delete;
  ~RoomWait() { log_.room_wait_.record(os::worker_id(), log_.os_.monotonic_ns() - begin_ns_); }

 private:
  Log& log_;
  const uint64_t begin_ns_;
};

Result<void> Log::flush_for_room() {
  const RoomWait wait(*this);
  return flush();
}

Result<void> Log::wait_for_room(uint32_t stream, Lsn end) {
  AETHER_REACHED("wal.ring_full");
  const RoomWait wait(*this);
  os::Backoff backoff;
  while (!rings_[stream].has_room(end)) {
    if (failed()) return failure();
    if (!turn_.try_take()) {
      turn_.wait_while_taken();
      continue;
    }
    const Step step = rings_[stream].has_room(end) ? Step::wrote : flush_step();
    turn_.give_back();
    if (step == Step::empty) backoff.wait();  // A hole: its owner is about to publish.
  }
  return {};
}

// --- Durability --------------------------------------------------------------------------------------

LsnVector Log::durable() const noexcept {
  LsnVector vector;
#pragma GCC unroll 8
  for (uint32_t s = 0; s < kMaxStreams; ++s) vector.at[s] = durable(s);
  return vector;
}

LsnVector Log::reserved() const noexcept {
  LsnVector vector = start_.lsn;
  for (uint32_t s = 0; s < options_.streams; ++s) vector.at[s] = rings_[s].tail();
  return vector;
}

bool Log::is_durable(const LsnVector& vector) const noexcept {
  bool covered = true;
  for (uint32_t s = 0; s < kMaxStreams; ++s) covered &= vector.at[s] <= durable(s);
  return covered;
}

Result<void> Log::wait_durable(const LsnVector& vector, bool linger) {
  if (is_durable(vector) || AETHER_PLANTED("wal.ack_before_flush")) return {};
  AETHER_PROBE(log_wait_begin, linger);
  Result<void> waited = wait_until_durable(vector, linger);
  AETHER_PROBE(log_wait_end, waited.has_value());
  return waited;
}

Result<void> Log::wait_until_durable(const LsnVector& vector, bool linger) {
  AETHER_ASSERT(
      vector.covered_by(reserved()));  // Else it would wait for records that nobody wrote.

  os::Backoff backoff;
  while (!is_durable(vector)) {
    if (failed()) return failure();
    if (!turn_.try_take()) {
      turn_.wait_while_taken();
      continue;
    }
    // The step that just ended may have taken our records along.
    Step step = Step::wrote;
    if (!is_durable(vector)) {
      // Others waited a moment ago: let them bring their next commits, they will share our sync.
      if (linger && joined_.load(std::memory_order_relaxed) != 0) os::yield();
      linger = false;
      step = flush_step();
    }
    turn_.give_back();
    if (step == Step::empty)
      backoff.wait();  // A hole in one of our streams: about to be published.
  }
  return {};
}

Result<void> Log::flush() { return wait_durable(reserved()); }

Result<LogTail> Log::flush_to_end() {
  AETHER_TRY(flush());
  while (!turn_.try_take()) turn_.wait_while_taken();
  LogTail tail{next_position_, durable()};
  turn_.give_back();
  for (uint32_t s = options_.streams; s < kMaxStreams; ++s) tail.cut.at[s] = 0;  // There are none.
  return tail;
}

LogTail Log::closed_end() const {
  os::LockGuard lock(mutex_);
  return closed_end_;
}

void Log::request_flush() noexcept {
  flush_requested_.store(true, std::memory_order_seq_cst);
  if (writer_state_.exchange(WriterState::awake) != WriterState::awake) wake_writer();
}

// --- Completions -------------------------------------------------------------------------------------

// No wake-up is lost. With a background thread: it does not sleep while a completion waits, and looks for one after it
// has announced its sleep; we have added ours before we look at its state. Without one: who makes records durable looks
// for completions afterwards, we look at what is durable after we have added ours.
void Log::on_durable(const LsnVector& vector, Completions::Entry completion) noexcept {
  AETHER_ASSERT(vector.covered_by(reserved()));
  completions_.add(vector, std::move(completion));
  if (thread_ != nullptr) {
    request_flush();
  } else {
    run_completions();
  }
}

void Log::run_completions() noexcept {
  if (thread_ != nullptr) return;
  std::atomic_thread_fence(
      std::memory_order_seq_cst);  // Between durable() and the queue, both ways.
  if (completions_.any()) run_due_completions();
}

void Log::run_due_completions() noexcept {
  if (!failed()) return completions_.run(durable(), nullptr);
  const Error why = failure();
  completions_.run(durable(), &why);
}

void Log::finish_completions() noexcept {
  static_cast<void>(flush());  // If it fails, they are told.
  run_due_completions();
  completions_.wait_until_returned();
}

Result<void> Log::release_before(LogPosition position) {
  if (segments_ == nullptr) return {};  // Detached.
  const uint64_t ended = position /
                         options_.segment_bytes;  // Segments below this number end there.
  return segments_->release_before(std::min(ended, current_segment()));
}

uint64_t Log::room() const noexcept {
  const LogPosition end = (current_segment() + 1) * options_.segment_bytes;
  const LogPosition used = append_position() + bytes_not_durable();
  return used < end ? end - used : 0;
}

uint64_t Log::current_segment() const noexcept { return segment_.load(std::memory_order_acquire); }

LogStats Log::stats() const noexcept {
  LogStats stats;
  for (uint32_t s = 0; s < options_.streams; ++s) {
    stats.bytes_appended += rings_[s].tail() - start_.lsn.at[s];
  }
  stats.bytes_written = bytes_written_.load(std::memory_order_relaxed);
  stats.flushes = flushes_.load(std::memory_order_relaxed);
  if (segments_ == nullptr) return stats;  // Detached.
  stats.segments_created = segments_->created();
  stats.segments_recycled = segments_->recycled();
  return stats;
}

/// The answer to who waits for a commit: it must say that the log has failed, with or without the text.
Error Log::failure() const noexcept {
  Error error(Code::failed);
  base::if_memory_allows([&] {
    os::LockGuard lock(mutex_);
    error = Error(Code::failed, failure_);
  });
  return error;
}

}  // namespace aether::wal
