/// What ended transactions leave behind and snapshots may still need: older versions, and the ghosts of removed rows.
///
/// Threads   Any. Purging a ghost appends to the log and latches pages: not under a page latch.
#pragma once

#include <atomic>
#include <cstddef>
#include <deque>

#include "base/ids.h"
#include "os/sync.h"
#include "txn/transaction_context.h"
#include "wal/lsn_vector.h"

namespace aether::db {

class EnvImpl;

class Garbage {
 public:
  explicit Garbage(EnvImpl& env) : env_(env) {}  // The list allocates.

  /// Takes over what `ended` leaves. Its snapshot is closed and its end is in the log.
  void add(txn::TransactionContext& ended) noexcept;
  /// Lets go of what no snapshot needs, and purges so many ghosts at most: whoever ends pays a share, nobody for all.
  /// An error of the disk shows in the next write.
  void collect(size_t ghosts_max = kGhostShare) noexcept;
  /// The store is being dropped: its ghosts go with its pages. Nobody purges one any more when this returns.
  void forget_store(StoreId store) noexcept;

 private:
  /// What an end purges beside twice its own: what snapshots have held back goes, too.
  static constexpr size_t kGhostShare = 16;

  /// To be purged by a record that depends on the removal's commit.
  struct Removed {
    txn::Ghost ghost;
    TxnId owner = 0;
    Gsn gsn = 0;
    wal::LsnVector vector;
  };

  bool take_next(Removed& next) noexcept;
  bool purge(const Removed& removed) noexcept;
  void end_purge() noexcept;

  EnvImpl& env_;
  os::Mutex mutex_;
  std::deque<Removed> removed_ AETHER_GUARDED_BY(mutex_);  ///< In the order of their ends, about.
  std::atomic<bool> any_removed_{false};
  bool purging_ AETHER_GUARDED_BY(mutex_) = false;  ///< One thread at a time.
  os::CondVar purged_;
};

}  // namespace aether::db
