/// Lock manager: who may read or change what until which transaction ends.
///
/// Hierarchy    environment > store > key ranges and keys. A lock takes the intention locks above it by itself. A
///              range conflicts with the ranges that overlap it and with the keys in it. Keys and ranges are locked
///              in S or X; environment and stores in any mode.
/// Queues       Fair: who asks waits for conflicting locks that are held, and for conflicting requests that wait
///              already; one that conflicts with neither goes ahead. Before new requests go conversions (the owner
///              holds it, or a range around it, in a weaker mode). Nobody waits behind a request that waits for
///              locks of his own: that could only end as a deadlock. Who releases grants, all that can be
///              granted at once; a thread wakes only when its request is granted, failed or out of time.
/// Deadlocks    Found when a request blocks: a cycle of waits, places in a queue counted. The victim is the
///              transaction in the cycle that has the fewest locks (LockSet::count), of equals the one with the
///              highest id, which is the youngest; a prepared transaction never waits and so is never chosen.
///              Its error reports the cycle. It keeps its locks until it rolls back.
/// Bound        A transaction that has `locks_per_transaction_max` locks takes the whole store in S or X instead
///              of the next key or range, if that needs no wait (escalation); else too_large.
///
/// Latches      Keys are spread over partitions by hash, and each partition has a mutex. Whatever is common to
///              all (ranges; S, SIX and X on stores and environment; all queues) is read under *any* partition's
///              mutex and written under *all* of them. So a key lock, an intention lock and their release cost one
///              mutex and touch nothing that is shared, and whoever blocks, grants, or looks for a deadlock sees
///              the world stand still. That price (some 1 us) is paid where a sleeping thread costs more anyway,
///              and by each lock of a range. A transaction's intention locks stand in its own LockSet, listed by the
///              partition of the thread that began it; who wants a store in S or X walks the lists.
///              Order: partitions ascending, then LockSet::mutex_. Nothing is called under them but the clock.
/// No memory    A lock is entered whole or not at all, and releasing needs none. Who is granted a lock for which there is no
///              memory has waited in vain: no_memory, and so for who blocks and cannot look for a deadlock.
/// Memory       Some 200 bytes and the key's for each key locked; a store's state stays until `forget_store`.
///              Once a range has been locked, keys are kept in order too, for the life of the manager.
///
/// Threads      Any; a LockSet is one thread's at a time.
/// Errors       busy (no wait was allowed), timed_out, deadlock (abort, then retry), too_large, no_memory,
///              invalid_argument. After an error the locks held before are held still; of the lock that was
///              refused, intention locks above it may have been taken.
/// Source       Gray, Reuter: "Transaction Processing", 1993, chapters 7 and 8. We differ: ranges are locked as
///              ranges (its section 7.8 calls them predicates of a simple form), not by the next key there is.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "aether/error.h"
#include "aether/function_ref.h"
#include "os/os.h"
#include "os/sync.h"
#include "txn/lock_name.h"
#include "txn/lock_set.h"
#include "txn/statistics.h"

namespace aether::txn {

struct LockOptions {
  uint32_t timeout_ms = 10'000;                  ///< Of an `acquire` that names none.
  uint32_t locks_per_transaction_max = 1 << 14;  ///< Beyond: escalation. At least 8.
  uint32_t partitions = 16;                      ///< A power of two, at most 32.
};

/// One step of a deadlock: `waiter` waits for `blocker`.
struct DeadlockStep {
  TxnId waiter = 0;
  uint64_t waiter_locks = 0;
  OwnedLockName wants;
  LockMode wanted = LockMode::none;
  TxnId blocker = 0;
  OwnedLockName has;
  LockMode mode = LockMode::none;
  bool granted = true;  ///< False: `blocker` only waits for `has`, ahead in the queue.
};

struct DeadlockReport {
  uint64_t wall_ns = 0;
  TxnId victim = 0;
  std::vector<DeadlockStep> cycle;
};
std::string to_string(const DeadlockReport& report);

struct LockInfo {
  TxnId txn = 0;
  OwnedLockName name;
  LockMode mode = LockMode::none;
  /// os monotonic_ns. Of a waiter: when it began to wait. Of a holder: when its transaction took its first lock
  /// (a look at the clock costs as much as a lock).
  uint64_t since_ns = 0;
};

struct LockCounters {
  uint64_t waits = 0, deadlocks = 0, timeouts = 0, escalations = 0;
};

struct LockSnapshot {
  std::vector<LockInfo> holders;  ///< At most the limit asked for.
  uint64_t holders_total = 0;
  std::vector<LockInfo> waiters;          ///< In the order of their queues.
  std::vector<DeadlockReport> deadlocks;  ///< The last kDeadlockReports, oldest first.
  LockCounters counters;
};

class LockManager {
 public:
  static constexpr uint64_t kForever = UINT64_MAX;
  static constexpr size_t kDeadlockReports = 16;

  /// `os`, and `statistics` if there is one, must outlive it.
  explicit LockManager(const LockOptions& options, os::Os& os = os::production(),
                       Statistics* statistics = nullptr);
  ~LockManager();  ///< No LockSet holds anything any more.
  LockManager(const LockManager&) = delete;
  LockManager& operator=(const LockManager&) = delete;

  /// Takes `name` in `mode` or, where a weaker mode is held, in the supremum of both. At once if the lock, or one
  /// that covers it, is held already. Hot path: a key that nobody else wants costs one mutex and one hash look-up.
  Result<void> acquire(LockSet& set, const LockName& name, LockMode mode) {
    return acquire(set, name, mode, default_timeout_ns_);
  }
  /// `timeout_ns` bounds all waits of the call together; 0: never waits, `busy` instead.
  Result<void> acquire(LockSet& set, const LockName& name, LockMode mode, uint64_t timeout_ns);
  Result<void> try_acquire(LockSet& set, const LockName& name, LockMode mode) {
    return acquire(set, name, mode, 0);
  }

  void release_all(LockSet& set) noexcept { release_to(set, {}); }
  /// Releases what was taken after the mark and takes conversions after it back. What a transaction has *read*
  /// under a lock it may have acted upon: rolling back to a savepoint undoes its writes, but a serializable one
  /// must keep its S locks, and then does not call this.
  void release_to(LockSet& set, LockMark mark) noexcept;

  /// What `set` holds, without intention locks: taken again in this order, it has the same. By its thread.
  static std::vector<HeldLock> held(const LockSet& set);

  /// After a store is dropped: frees its state, if nobody has a lock there.
  void forget_store(StoreId store);

  /// Everything stands still while it is copied.
  LockSnapshot snapshot(size_t holders_max = 10'000) const;
  LockCounters counters() const;

 private:
  friend class LockSet;
  struct Partition;
  class World;
  class Timer;
  enum class Grant : uint8_t { granted, blocked, full };
  using Queue = std::vector<LockSet*>;  // Conversions first, then in order of arrival.

  /// Locks of environment or store that not only announce others: rare, so counted.
  struct Coarse {
    uint32_t strong = 0;  ///< Sets that hold it in S, SIX or X.
    Queue queue;
    bool quiet() const noexcept { return strong == 0 && queue.empty(); }
  };
  friend struct StoreLocks;

  struct Blocker {
    LockSet* set;
    LockName name;
    LockMode mode;
    bool granted;
  };
  using BlockerVisitor = FunctionRef<bool(const Blocker&)>;

  // lock_manager.cpp: taking locks.
  Result<void> lock_above(LockSet& set, const LockName& name, LockMode intention, Timer& timer);
  bool try_intentions(LockSet& set, StoreId store, LockMode intention);
  Result<void> raise(LockSet& set, const LockName& name, LockMode mode, Timer& timer);
  Result<void> acquire_key(LockSet& set, LockRequest& request, Timer& timer);
  Result<void> acquire_range(LockSet& set, LockRequest& request, Timer& timer);
  Grant try_key(LockSet& set, LockRequest& request, Partition& partition);
  Result<void> escalate(LockSet& set, const LockRequest& request);
  StoreLocks* known_store(StoreId store) const noexcept;
  static LockEntry* find_store(LockSet& set, StoreId store) noexcept;

  // lock_grant.cpp: entering and leaving locks; under what the entry's place demands.
  void grant(const LockRequest& request);
  void grant_coarse(LockSet& set, StoreLocks* store, LockMode mode);
  void grant_key(const LockRequest& request, Partition& partition, KeyLocks* key, LockEntry* own);
  void grant_range(const LockRequest& request);
  void undo_top(LockSet& set) noexcept;
  void undo_coarse(LockSet& set, LockEntry& entry) noexcept;
  void undo_key(LockEntry& entry) noexcept;
  bool release_coarse(LockSet& set, size_t height) noexcept;
  bool release_key(LockSet& set) noexcept;
  void order_keys();

  // lock_waiting.cpp: all under all latches, but for `sleep`.
  Result<void> block_or_grant(LockRequest request, Timer& timer);
  Result<void> sleep(LockSet& set, const Timer& timer);
  static Result<void> outcome(LockSet& set) AETHER_REQUIRES(set.mutex_);
  Result<void> time_out(LockSet& set, const Timer& timer);
  bool any_granted_conflict(const LockRequest& request, const BlockerVisitor& visit) const;
  bool any_coarse_conflict(const LockRequest& request, const BlockerVisitor& visit) const;
  bool any_key_conflict(const LockRequest& request, const BlockerVisitor& visit) const;
  bool any_range_conflict(const LockRequest& request, const BlockerVisitor& visit) const;
  bool any_blocker(const LockRequest& request, const BlockerVisitor& visit,
                   uint64_t search = 0) const;
  bool waits_for_lock_of(const LockRequest& waiting, const LockSet& set) const;
  void grant_waiting(Queue& queue) noexcept;
  void leave_queue(LockSet& set) noexcept;
  void resolve_deadlocks(LockSet& set);
  std::vector<LockSet*> find_cycle(LockSet& set);
  DeadlockReport describe(const std::vector<LockSet*>& cycle, const LockSet& victim) const;
  void enqueue(LockSet& set, const LockRequest& request);
  void end_wait(LockSet& set, LockSet::Wait how) noexcept;
  std::string refusal(const LockRequest& request) const;

  Queue& queue_of(const LockRequest& request) const noexcept;
  Queue& queue_of(const LockEntry& entry) const noexcept;
  Coarse& coarse_of(StoreLocks* store) const noexcept;
  Partition& partition_of(uint64_t hash) const noexcept;
  static LockName name_of(const LockEntry& entry) noexcept;
  void snapshot_holders(const LockSet& set, size_t holders_max, LockSnapshot& into) const;

  const LockOptions options_;
  const uint64_t default_timeout_ns_;
  os::Os& os_;
  Statistics* const statistics_;
  const std::unique_ptr<Partition[]> partitions_;

  // Common to all: read under any partition's mutex, written under all.
  const std::unique_ptr<Coarse> environment_;
  std::unordered_map<StoreId, std::unique_ptr<StoreLocks>> stores_;
  bool keys_ordered_ = false;
  std::deque<DeadlockReport> deadlocks_;
  LockCounters counters_;
  uint64_t searches_ = 0;
  const LockSet* search_from_ = nullptr;
};

}  // namespace aether::txn
