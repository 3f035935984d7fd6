/// Which transactions are open, what they see, and what must be durable before those that have just ended are.
///
/// A row says who wrote it last. Looking that transaction up here is one load: slot id % kSlots holds the id or it
/// does not. An open writer means a conflict; an ended one whose end is not durable yet passes its vector on to
/// whoever reads or overwrites the row (the commit-order carrier of DESIGN.md, section wal); anything else is
/// old history.
///
/// Threads   Any. Ids are drawn without a lock; opening and ending an explicit transaction or a snapshot takes a
///           short mutex.
/// Memory    A snapshot's list of the open ones, if they are many, is all that is allocated, before it is entered.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "aether/error.h"
#include "base/ids.h"
#include "os/sync.h"
#include "txn/faults.h"
#include "txn/snapshot.h"
#include "wal/log.h"
#include "wal/lsn_vector.h"

namespace aether::txn {

/// Times by the monotonic clock; 0: there is none.
struct OldestOpen {
  uint64_t transaction_ns = 0;
  uint64_t snapshot_ns = 0;
  uint64_t snapshot_ids_behind = 0;  ///< Ids drawn since it was opened.
};

class TransactionTable {
 public:
  /// Open at one time. An end that is not durable yet counts as open here: of lone writes, which wait for nothing, so many must fit as a
  /// device takes in a few of its flushes, else writers wait for it.
  static constexpr uint32_t kSlots = 16384;

  TransactionTable(wal::Log& log, TxnId first_id);

  /// An id for a transaction of one record, which is ended when its record is there. Not entered: a snapshot that is
  /// opened later sees it. So it is drawn under the latch of the page that it changes, where readers wait for it.
  TxnId draw_id() noexcept {
    os::sim_point();
    return next_id_.fetch_add(1, std::memory_order_seq_cst);
  }
  /// Opens a transaction, and the snapshot it is to read (null: none). `is_safe` (null: nobody asks): whether that is
  /// a safe one. Errors: busy (kSlots are open).
  Result<TxnId> open(Snapshot* snapshot = nullptr, bool* is_safe = nullptr);
  /// For recovery: enters a transaction of the last life, so below `first_id`, that has no end. `pin`: at or below its
  /// first record.
  void reopen(TxnId id, LogPosition pin) noexcept;

  /// Before its first record: pins the log from here on for undo. Returns from where.
  LogPosition pin(TxnId id) noexcept;
  /// For statistics: when it began, by the monotonic clock.
  void set_time(TxnId id, uint64_t now_ns) noexcept {
    slots_[id % kSlots].begun_ns.store(now_ns, std::memory_order_relaxed);
  }
  /// Its last record is appended; `vector` must be durable for it to be. Others may overwrite its rows now. `snapshot`
  /// (null: none) is closed with it, if it is open.
  void end(TxnId id, const wal::LsnVector& vector, Snapshot* snapshot = nullptr) noexcept;
  /// It wrote nothing: forgotten at once.
  void forget(TxnId id, Snapshot* snapshot = nullptr) noexcept;

  bool is_open(TxnId id) const noexcept {
    os::sim_point();
    if (open_count_.load(std::memory_order_acquire) == 0) return false;
    const Slot& slot = slots_[id % kSlots];
    return slot.id.load(std::memory_order_acquire) == id &&
           slot.state.load(std::memory_order_acquire) == State::open;
  }
  // Snapshots.
  void open_snapshot(Snapshot& snapshot);
  /// Opens it anew, as of now; without memory for that it stays as it was.
  void renew_snapshot(Snapshot& snapshot);
  /// A snapshot with which reads alone are serializable: whoever it does not see commits with a higher number than
  /// all it sees. False: not at this moment, because commits are under way; it is not opened.
  bool try_open_safe_snapshot(Snapshot& snapshot);
  /// Nothing if it is not open.
  void close_snapshot(Snapshot& snapshot) noexcept;
  /// After draw_id: false means that no snapshot is open that does not see that id.
  bool has_snapshots() const noexcept {
    return snapshot_count_.load(std::memory_order_seq_cst) != 0;
  }
  /// After draw_id, or the end, of who replaces a row of `writer`: false means that no snapshot that does not see the
  /// former sees `writer`, and none will; nobody reads that version.
  bool may_need_version(TxnId writer) const noexcept {
    return writer < newest_bound_.load(std::memory_order_seq_cst);
  }
  uint64_t snapshot_count() const noexcept {
    return snapshot_count_.load(std::memory_order_relaxed);
  }
  /// Every snapshot, now and later, sees the ended transactions below.
  TxnId horizon() const noexcept;
  /// It has ended, and every snapshot sees it.
  bool seen_by_all(TxnId id) const noexcept { return !is_open(id) && id < horizon(); }
  /// Copies of all that are open, oldest first.
  std::vector<SnapshotBounds> snapshots() const;

  // When rows expire: milliseconds since 1970 that never go back while this object lives, whatever the wall clock does. They
  // decide whether a row is there, and never an order.
  /// For who reads without a snapshot.
  uint64_t now_ms() const noexcept { return to_ms(log_.os().monotonic_ns() + clock_offset_ns()); }
  /// The moment at which `snapshot` was opened: one answer as long as it is open.
  uint64_t now_ms(const Snapshot& snapshot) const noexcept {
    const uint64_t now = snapshot.now_ms_.load(std::memory_order_relaxed);
    return now != 0 ? now : take_now(snapshot);
  }
  /// What has expired by then has for every snapshot, now and later.
  uint64_t expiry_horizon_ms() const noexcept;

  // Serializable transactions (validation.h).
  /// Its place in the serial order, drawn when all its writes are in their pages and before its reads are looked at
  /// again. 0 as `id`: it writes nothing.
  uint64_t draw_commit_number(TxnId id) noexcept;
  /// For recovery: transaction `id` is in doubt and has looked in a life before. It comes before all that draw in this
  /// one; those in doubt share a number, since their order among themselves is forgotten.
  void restore_commit_number(TxnId id) noexcept;
  /// True if transaction `id` is open and will have, or has, a higher number than `number`.
  bool commits_after(TxnId id, uint64_t number) const noexcept;

  /// What a reader or overwriter of a row of `id` depends on: nothing for old history.
  void add_dependency(TxnId id, wal::LsnVector& vector) const noexcept {
    if (id >= settled_below_.load(std::memory_order_relaxed)) add_unsettled(id, vector);
  }
  /// The transactions below have ended, and nothing depends on them any more.
  TxnId settled_below() const noexcept { return settled_below_.load(std::memory_order_relaxed); }
  /// Raises that, if it can cheaply be told. `next`: of an open snapshot, so that all ids below are entered that ever
  /// will be.
  void settle(TxnId next) noexcept;
  /// The same in a time that does not depend on how many ids were drawn, for who only writes: what had ended at the call
  /// before, if that is durable by now. For a call every kSettleIds ids.
  void settle_ended() noexcept;
  static constexpr TxnId kSettleIds = 1024;

  /// Where the log must be kept from, for undo: the lowest pin of all that are open or whose end is not
  /// durable; `otherwise` if there is none.
  LogPosition oldest_pin(LogPosition otherwise) const noexcept;
  TxnId next_id() const noexcept { return next_id_.load(std::memory_order_relaxed); }
  Faults& faults() noexcept { return faults_; }
  uint64_t open_count() const noexcept { return open_count_.load(std::memory_order_relaxed); }
  /// Those that began first, of whom the time is known.
  OldestOpen oldest() const noexcept;

 private:
  enum class State : uint8_t { none, open, ended };
  struct alignas(64) Slot {
    std::atomic<TxnId> id{0};
    std::atomic<State> state{State::none};
    std::atomic<LogPosition> pin{0};
    std::atomic<uint64_t> commit_number{0};  ///< 0: none drawn. kDrawing: in a moment.
    std::atomic<uint64_t> lone_ids{0};       ///< `lone_ids()` when the number was drawn, or before.
    std::atomic<uint64_t> begun_ns{0};       ///< 0: not known.
    std::array<std::atomic<Lsn>, wal::kMaxStreams> vector{};
  };

  static constexpr uint64_t kDrawing = 1;
  static constexpr uint64_t kRestored = 2;

  static uint64_t to_ms(uint64_t ns) noexcept { return ns / 1'000'000; }
  uint64_t clock_offset_ns() const noexcept;
  uint64_t take_now(const Snapshot& snapshot) const noexcept;
  uint64_t now_of(const Snapshot& snapshot) const noexcept AETHER_REQUIRES(mutex_);

  /// A number that others read at any time and that changes under the mutex only: needs no locked instruction.
  static void step(std::atomic<uint64_t>& number, int64_t by) noexcept {
    number.store(number.load(std::memory_order_relaxed) + static_cast<uint64_t>(by),
                 std::memory_order_release);
  }
  TxnId try_open(Snapshot* snapshot, bool* is_safe);
  bool is_safe_moment() const noexcept AETHER_REQUIRES(mutex_);
  uint64_t lone_ids() const noexcept;
  void make_room(Snapshot& snapshot) AETHER_REQUIRES(mutex_);
  void enter(Snapshot& snapshot) noexcept AETHER_REQUIRES(mutex_);
  void drop(Snapshot& snapshot) noexcept AETHER_REQUIRES(mutex_);
  void leave(Slot& slot, State state, Snapshot* snapshot) noexcept;
  static wal::LsnVector vector_of(const Slot& slot) noexcept;
  bool is_durable(const Slot& slot) const noexcept;
  bool reusable(const Slot& slot) const noexcept;
  void add_unsettled(TxnId id, wal::LsnVector& vector) const noexcept;
  TxnId settled_among_all(TxnId next) const noexcept;
  void raise_settled(TxnId settled) noexcept;
  /// The ids below are in no slot, or in one that is reusable.
  TxnId first_in_use() const noexcept {
    return std::max(settled_below(), lowest_id_.load(std::memory_order_relaxed));
  }

  wal::Log& log_;
  Faults faults_;
  struct Release {
    void operator()(Slot* slots) const noexcept;
  };
  /// Zeroed memory of its own: empty slots, which cost nothing before their first use.
  std::unique_ptr<Slot[], Release> slots_;
  mutable os::Mutex mutex_;
  std::vector<TxnId> open_ids_
      AETHER_GUARDED_BY(mutex_);  ///< Ascending, but for those that were reopened.
  Snapshot* oldest_ AETHER_GUARDED_BY(mutex_) = nullptr;
  Snapshot* newest_ AETHER_GUARDED_BY(mutex_) = nullptr;
  uint64_t highest_ended_number_ AETHER_GUARDED_BY(mutex_) = 0;
  wal::LsnVector ended_ AETHER_GUARDED_BY(mutex_);  ///< What makes all ends so far durable.
  /// All ids below `below` had ended, and `ends` makes them durable.
  struct EndedIds {
    TxnId below = 0;
    wal::LsnVector ends;
  };
  EndedIds ended_ids_ AETHER_GUARDED_BY(mutex_);
  /// The latest that was told: snapshots that are opened later are not before it.
  mutable uint64_t told_horizon_ms_ AETHER_GUARDED_BY(mutex_) = 0;
  /// From the monotonic clock to the wall clock, modulo 2^64; it only grows, counted from the first.
  mutable std::atomic<uint64_t> clock_offset_ns_{0};
  std::atomic<uint64_t> snapshot_count_{0};
  /// No open snapshot sees an id from here on. 0: none is open.
  std::atomic<TxnId> newest_bound_{0};
  alignas(64) std::atomic<TxnId> settled_below_{0};
  std::atomic<TxnId> lowest_id_;        ///< None below was ever entered.
  std::atomic<TxnId> settle_tried_{0};  ///< The bound when all slots were looked at last.
  alignas(64) std::atomic<TxnId> next_id_;
  std::atomic<TxnId> entered_ids_{0};  ///< Ids that were drawn for the table.
  alignas(64) std::atomic<uint64_t> open_count_{0};
  alignas(64) std::atomic<uint64_t> next_commit_number_{kRestored + 1};
};

}  // namespace aether::txn
