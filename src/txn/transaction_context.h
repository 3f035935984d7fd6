/// A transaction as the indexes see it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.h"
#include "buffer/change.h"
#include "buffer/space_manager.h"
#include "page/leaf_record.h"
#include "txn/lock_set.h"
#include "txn/read_set.h"
#include "txn/recent_leaves.h"
#include "txn/snapshot.h"
#include "txn/undo_log.h"

namespace aether::txn {

class LockManager;
class TransactionTable;

/// A row that was removed and kept as a ghost, to be purged once its transaction has committed.
struct Ghost {
  StoreId store = 0;
  std::string key;
  /// Of a table (src/table): it goes without a record, so not before its removal is durable.
  bool in_memory = false;
};

struct TransactionContext {
  TransactionContext() = default;
  TransactionContext(TransactionContext&&) noexcept = default;
  TransactionContext& operator=(TransactionContext&&) noexcept = default;

  buffer::LogContext log;
  /// Its only change also commits it: one record, no undo. Entered in the table only if the row can be met before its
  /// record is there (src/table).
  bool single_record = false;
  bool pinned = false;           ///< It has appended a record.
  LogPosition pin_position = 0;  ///< Then: where the log is kept from.
  bool data_written =
      false;  ///< It wrote overflow pages: the data file must be synced before it commits.
  /// What it reads; null: the newest committed rows. Its own are always seen.
  const Snapshot* snapshot = nullptr;
  ReadSet* reads = nullptr;  ///< What it reads is remembered here; null: need not be.
  RecentLeaves recent;       ///< Of the rows that it has read or locked and may write.
  uint64_t writes = 0;       ///< Rows written, so that its cursors know when to look again.
  uint64_t undo_bytes_max = 0;
  UndoLog undo;
  std::vector<Ghost> ghosts;
  /// Of a single record: the version it replaced, if a snapshot may need it.
  VersionList versions;
  /// Overflow values that no row refers to once it has committed, and those it made itself and dropped.
  std::vector<page::OverflowReference> freed;
  std::vector<buffer::PageRange> freed_pages;  ///< Other pages that go with the commit.
  uint64_t freed_extents = 0;  ///< Of those, about: the commit record has to name them all.
  /// Locks that it has asked for; none of a single record.
  LockManager* lock_manager = nullptr;
  std::unique_ptr<LockSet> locks;
  uint64_t lock_timeout_ns = 0;
  /// One for each store in which it has locks: how many have, there.
  std::vector<std::atomic<uint32_t>*> locked_stores;
  /// Pinned frames of trees that it has made: let go of if it aborts, before their pages are.
  std::vector<buffer::Frame*> new_roots;

  TxnId id() const noexcept { return log.txn; }
  /// Before its first record: the log is kept from here on.
  void pin(TransactionTable& table) noexcept;
  /// Waits as long as it may. Errors: those of LockManager::acquire.
  Result<void> lock(const LockName& name, LockMode mode);
  /// After its end.
  void release_locks() noexcept;
};

}  // namespace aether::txn
