/// The log: streams that threads append to side by side, written together, one fdatasync for all.
///
///   thread ──reserve/publish──► ring of stream 0 ─┐
///   thread ──reserve/publish──► ring of stream 1 ─┼─gather─► block ──write, fdatasync──► segment file
///   thread ──reserve/publish──► ring of stream 2 ─┘
///
/// A flush step gathers the published bytes of every stream into one block, writes it at the end of the
/// current segment and syncs it. The next block is written only after that, so a valid block proves that
/// every block before it is durable. Whoever waits for durability leads the step if nobody else does;
/// a background thread flushes for those who do not wait.
///
/// Threads      Any method from any thread, unless it says otherwise.
/// Invariants   DESIGN.md 4.1 (LSNs used once and growing), 4.3 (acknowledged means durable).
///              For each stream: durable <= gathered <= published <= reserved <= durable + ring_bytes.
/// Failure      The first failed write or sync is final: every later call that needs the disk returns
///              `failed`, and what was not durable stays unknown until the environment is opened again.
/// Memory       Appending and flushing need none, but where a flush begins a segment: that is tried some times, then
///              it is such a failure.
/// Source       Taurus (see lsn_vector.h); the zeroed length word as a publication mark is Aeron's.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "aether/error.h"
#include "base/histogram.h"
#include "base/ids.h"
#include "os/os.h"
#include "os/sync.h"
#include "wal/completions.h"
#include "wal/lsn_vector.h"
#include "wal/record.h"
#include "wal/ring.h"
#include "wal/segment.h"
#include "wal/turn.h"

namespace aether::wal {

struct LogOptions {
  std::string directory = {};  ///< ".../log"; exists.
  /// The seed of every checksum, and a field of every block, so that foreign blocks are not taken.
  uint64_t environment_id = 0;
  uint32_t streams = 1;               ///< 1 - kMaxStreams.
  uint64_t segment_bytes = 64 * MiB;  ///< A power of two of at least 64 KiB.
  /// Of each stream; a power of two of at least 64 KiB. The largest record is a quarter of it (see
  /// max_record_bytes).
  uint64_t ring_bytes = 4 * MiB;
  /// Of one block; a multiple of 4 KiB. Larger than a quarter of a segment: taken as that quarter.
  uint64_t block_bytes_max = 1 * MiB;
  uint32_t flush_interval_ms = 20;
  /// A new segment is written once with zeros, so that a sync of its blocks is one of data alone: for commits that wait. Else
  /// it is only allocated, and the file system notes with each sync what has been written; a segment that is used again has
  /// been either way.
  bool fill_segments = true;
  bool background_thread = true;
};

/// Where appending starts: the first byte of a segment that does not exist yet, in a new epoch.
struct LogStart {
  uint32_t epoch = 1;
  uint64_t segment = 1;
  LsnVector lsn = {};  ///< First LSN of each stream; at least kFirstLsn.
  bool
      older_needed = true;  ///< Off: nothing in older segments counts; they are used again at once.
};

/// Space for one record, between reserve and publish.
struct Reservation {
  std::byte* data = nullptr;  ///< `size` zeroed, contiguous bytes. Nothing else may be written.
  uint64_t size = 0;
  uint32_t stream = 0;
  Lsn begin = kNoLsn;
  Lsn end() const noexcept { return begin + size; }
};

/// An end of the log: a position between blocks, and where each stream ends there.
struct LogTail {
  LogPosition position = 0;
  LsnVector cut;
};

struct LogStats {
  uint64_t bytes_appended = 0;
  uint64_t bytes_written = 0;
  uint64_t flushes = 0;
  uint64_t segments_created = 0;
  uint64_t segments_recycled = 0;
};

class Log {
 public:
  /// Creates the first segment of the epoch, durable with its name, and starts the background thread.
  /// `os` must outlive the log. Errors: io_error, no_space, no_memory, invalid_argument (an option).
  static Result<std::unique_ptr<Log>> create(const LogOptions& options, const LogStart& start,
                                             os::Os& os);
  /// A log that is never appended to, for read-only environments: no file, no thread; `reserve` gives
  /// `unsupported`, release_before does nothing.
  static std::unique_ptr<Log> detached(uint32_t streams, os::Os& os);
  /// Flushes what it can and stops the thread.
  ~Log();

  // --- appending -----------------------------------------------------------------------------------

  /// Takes `size` bytes (a multiple of kRecordAlignment) of `stream`. Waits while the ring is full.
  /// Cost without waiting: one fetch_add. The caller must publish soon, on every way out, and before it
  /// reserves or waits for durability again: the flush step stops at what is not published.
  /// Errors: failed; too_large (more than max_record_bytes).
  Result<Reservation> reserve(uint32_t stream, uint64_t size);
  /// Makes the filled reservation visible to the flush step: stores its length word, release.
  void publish(const Reservation& reservation) noexcept;
  /// reserve, write_record and publish in one. Returns the record's begin and end.
  Result<Reservation> append(uint32_t stream, const RecordSpec& spec);

  os::Os& os() const noexcept { return os_; }
  /// The largest record: a quarter of the ring, or what fits into one block if that is less.
  uint64_t max_record_bytes() const noexcept { return record_bytes_max_; }

  // --- durability ----------------------------------------------------------------------------------

  /// PLV: how far each stream is durable. Relaxed snapshot; each element only grows.
  LsnVector durable() const noexcept;
  Lsn durable(uint32_t stream) const noexcept {
    return streams_durable_[stream].load(std::memory_order_acquire);
  }
  /// The same into `vector`, of the log's streams; the others' elements stay as they are.
  void read_durable(LsnVector& vector) const noexcept {
    for (uint32_t s = 0; s < options_.streams; ++s) vector.at[s] = durable(s);
  }
  /// Waits until `vector` is covered by durable(), leading flush steps where nobody else does.
  /// `linger`: lets other committers join the step it leads (Durability::group).
  Result<void> wait_durable(const LsnVector& vector, bool linger = false);
  /// Everything published before this call is durable when it returns.
  Result<void> flush();
  /// The same for a writer that has no room before: `room_wait` counts it.
  Result<void> flush_for_room();
  /// Asks the background thread for a flush soon; does not wait. Without that thread: nothing.
  void request_flush() noexcept;

  // Completions run on the background thread, and in `finish_completions`; without that thread, inside `on_durable` and
  // `run_completions` instead. They are called without a mutex or the turn, and may call the log, also on_durable.

  /// Calls `completion` once: with ok when `vector` is durable, with `failed` when it cannot become so. Asks for a flush.
  void on_durable(const LsnVector& vector, Completions::Entry completion) noexcept;
  /// The same for who has nothing to lose yet: takes the memory now.
  void on_durable(const LsnVector& vector, Completions::Call completion) {
    on_durable(vector, Completions::make(std::move(completion)));
  }
  /// For whoever has waited for the log: without a background thread, runs the completions that are due on the caller,
  /// who holds no latch and no mutex. With one: nothing. Cost when none waits: one load.
  void run_completions() noexcept;
  /// Flushes, and returns when every completion has returned. Not from a completion.
  void finish_completions() noexcept;

  // --- positions, for checkpoints ------------------------------------------------------------------

  /// A lower bound of where a record appended after this call will lie. Read it before the append: the
  /// page's recovery position.
  LogPosition append_position() const noexcept {
    return append_position_.load(std::memory_order_acquire);
  }
  /// Lets go of segments that end at or below `position`: they are recycled or removed. Those of earlier
  /// epochs too. Errors: io_error; the log goes on, and the next call tries again.
  Result<void> release_before(LogPosition position);
  // The end of the space. The next segment is prepared ahead; where the disk has no room for it, the log goes on in the
  // current one, and when that is full too it fails. Before that a checkpoint can let go of older segments.

  /// There was no room for the next segment. Never without a background thread. Cost: one load.
  bool is_short_of_space() const noexcept {
    return short_of_space_.load(std::memory_order_relaxed);
  }
  /// Tries again, on the caller. Any thread.
  void retry_next_segment();
  /// So many bytes of records fit into the current segment, about.
  uint64_t room() const noexcept;
  /// Names and positions never reused: the number of the segment being written.
  uint64_t current_segment() const noexcept;
  /// Where the last segment of this epoch that is full ends; begin of the epoch if none is.
  LogTail closed_end() const;
  /// Flushes, and tells exactly where the durable log ends then.
  Result<LogTail> flush_to_end();
  /// From the next block on, blocks say that pages which bypass the log are logged as images too (kFlagImagesLogged).
  void set_images_logged(bool value) noexcept { images_logged_.store(value); }

  uint32_t stream_count() const noexcept { return options_.streams; }
  uint32_t epoch() const noexcept { return start_.epoch; }
  bool failed() const noexcept { return failed_.load(std::memory_order_acquire); }
  LogStats stats() const noexcept;
  /// How long writers waited, in ns, since so much was not durable that nothing more had room.
  base::Histogram room_wait() const noexcept { return room_wait_.read(); }

 private:
  /// What the background thread does; whoever appends looks whether it has to be woken.
  enum class WriterState : uint32_t {
    awake,  ///< It will look at the streams again before it sleeps.
    timed,  ///< Sleeps until the interval is over; wake it if much has gathered.
    idle,   ///< Sleeps without a timer: everything is durable. Wake it for the first record.
  };
  enum class Work : uint8_t { flush, complete, prepare_segment, stop };
  /// What came of a flush step.
  enum class Step : uint8_t {
    wrote,   ///< One block more is durable.
    empty,   ///< Nothing is published that is not durable.
    failed,  ///< See failure().
  };
  /// What one flush step takes along.
  struct Gathered {
    std::array<uint64_t, kMaxStreams> run{};  ///< Bytes of each stream, from durable on.
    uint64_t payload = 0;
  };

  /// So much not durable wakes the background thread before its interval is over.
  static constexpr uint64_t kFlushBytes = 256 * KiB;

  Log(const LogOptions& options, const LogStart& start, os::Os& os);
  Result<void> open() AETHER_NO_THREAD_SAFETY;  // Nobody else knows the log yet: no turn needed.

  // Appending and waiting (log.cpp).
  class RoomWait;
  Error why_no_record(uint64_t size) const;
  Result<void> wait_for_room(uint32_t stream, Lsn end);
  Result<void> wait_until_durable(const LsnVector& vector, bool linger);
  bool is_durable(const LsnVector& vector) const noexcept;
  LsnVector reserved() const noexcept;
  Error failure() const noexcept;
  void run_due_completions() noexcept;

  // The flush step (log_flush.cpp).
  Step flush_step() AETHER_REQUIRES(turn_);
  Gathered gather(uint64_t room) AETHER_REQUIRES(turn_);
  Gathered gather_what_fits() AETHER_REQUIRES(turn_);
  uint64_t build_block(const Gathered& gathered, LogPosition position) AETHER_REQUIRES(turn_);
  uint64_t block_length(const Gathered& gathered) const noexcept;
  Result<void> make_segment_room(const Gathered& gathered) AETHER_REQUIRES(turn_);
  Result<void> write_block(const Gathered& gathered) AETHER_REQUIRES(turn_);
  Result<void> switch_segment() AETHER_REQUIRES(turn_);
  void ask_for_next_segment() AETHER_REQUIRES(turn_);
  void make_durable(const Gathered& gathered) AETHER_REQUIRES(turn_);
  void fail(const Error& why) noexcept;

  // The background thread (log_flush.cpp).
  void run_background();
  Work wait_for_work();
  bool flush_is_due() AETHER_REQUIRES(mutex_);
  uint64_t bytes_not_durable() const noexcept;
  void wake_writer() noexcept;
  void prepare_next_segment();

  LogOptions options_;
  const LogStart start_;
  os::Os& os_;
  uint64_t record_bytes_max_ = 0;

  // Appenders.
  std::array<Ring, kMaxStreams> rings_;
  /// PLV, in one cache line.
  alignas(64) std::array<std::atomic<Lsn>, kMaxStreams> streams_durable_{};
  alignas(64) std::atomic<LogPosition> append_position_{0};
  std::atomic<WriterState> writer_state_{WriterState::awake};
  std::atomic<bool> failed_{false};

  // The flush step: only who has the turn.
  Turn turn_;
  std::unique_ptr<SegmentFiles> segments_;
  std::unique_ptr<os::File> file_ AETHER_GUARDED_BY(turn_);
  AlignedBuffer block_ AETHER_GUARDED_BY(turn_);
  /// Of the next block, if it fits there.
  LogPosition next_position_ AETHER_GUARDED_BY(turn_) = 0;
  LogPosition previous_position_ AETHER_GUARDED_BY(turn_) = 0;  ///< Of the last block; 0: none.
  uint32_t first_stream_ AETHER_GUARDED_BY(turn_) = 0;  ///< Whose records go first; rotates.
  std::atomic<uint32_t> joined_{0};  ///< How many waited for the last step: worth a linger.
  /// The background thread was asked to prepare this one, and has not yet if segment_wanted_ is set.
  uint64_t asked_segment_ AETHER_GUARDED_BY(turn_) = 0;
  std::atomic<bool> segment_wanted_{false};
  std::atomic<bool> short_of_space_{false};
  std::atomic<uint64_t> segment_{0};
  std::atomic<uint64_t> bytes_written_{0};
  std::atomic<uint64_t> flushes_{0};
  std::atomic<bool> images_logged_{false};
  base::SharedHistogram room_wait_;
  uint64_t last_wall_ns_ AETHER_GUARDED_BY(turn_) = 0;

  Completions completions_;

  // The background thread and the failure's text.
  mutable os::Mutex mutex_;
  os::CondVar wake_;
  std::string failure_ AETHER_GUARDED_BY(mutex_);
  LogTail closed_end_ AETHER_GUARDED_BY(mutex_);
  bool stop_ AETHER_GUARDED_BY(mutex_) = false;
  std::atomic<bool> flush_requested_{false};
  LsnVector interval_mark_ AETHER_GUARDED_BY(mutex_);  ///< To be durable when the interval is over.
  uint64_t interval_end_ns_ AETHER_GUARDED_BY(mutex_) = 0;  ///< 0: none runs.
  std::unique_ptr<os::Thread> thread_;
};

}  // namespace aether::wal
