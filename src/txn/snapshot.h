/// Which transactions a reader sees: those that had ended when it began.
///
/// Ids are drawn in order, so a snapshot is two bounds and the few ids between them that were open: a row is
/// visible iff its writer's id is below the lower bound, or below the upper one and not among the open. No commit
/// timestamps, and nothing to look up for old rows: one comparison.
///
/// Threads   Made and dropped by TransactionTable from any thread; read by its owner, and by garbage collection
///           under the table's mutex.
/// Source    The form is that of PostgreSQL's snapshots (xmin, xmax, xip); first updater wins: Berenson et al.,
///           "A Critique of ANSI SQL Isolation Levels", 1995.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "base/few_vector.h"
#include "base/ids.h"

namespace aether::txn {

/// The value of a snapshot.
struct SnapshotBounds {
  TxnId low = 0;                   ///< Every id below has ended.
  TxnId next = 0;                  ///< Ids from here on were not drawn yet.
  base::FewVector<TxnId, 6> open;  ///< Of those between, ascending.

  /// True if transaction `id` had ended when the snapshot was taken.
  bool sees(TxnId id) const noexcept {
    if (id < low) return true;
    return id < next && !std::binary_search(open.begin(), open.end(), id);
  }
};

/// A snapshot that holds back garbage collection while it is open (TransactionTable::open_snapshot).
class Snapshot {
 public:
  Snapshot() = default;
  Snapshot(const Snapshot&) = delete;  // It is linked into the table by address.
  Snapshot& operator=(const Snapshot&) = delete;

  bool sees(TxnId id) const noexcept { return bounds_.sees(id); }
  /// It sees `id` and every id before.
  bool sees_all_to(TxnId id) const noexcept { return id < bounds_.low; }
  bool is_open() const noexcept { return bounds_.next != 0; }
  const SnapshotBounds& bounds() const noexcept { return bounds_; }
  /// By the monotonic clock; before it is opened. Not known: the time when it is first asked for.
  void set_time(uint64_t now_ns) noexcept { opened_ns_ = now_ns; }

 private:
  friend class TransactionTable;
  SnapshotBounds bounds_;
  Snapshot* older_ = nullptr;
  Snapshot* newer_ = nullptr;
  uint64_t opened_ns_ = 0;
  /// What expires at it or before is not there for its reader. 0: nobody has asked yet (TransactionTable::now_ms).
  mutable std::atomic<uint64_t> now_ms_{0};
};

}  // namespace aether::txn
