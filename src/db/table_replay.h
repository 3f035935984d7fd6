/// What the log has of rows in memory, until their tables are there: redo comes before the catalogue can be read, and an
/// image can be read only when the trees are as they were, so losers are undone here, too.
///
/// Of each row the change with the highest GSN counts, also one that took the row away: records of a row may come in
/// another order than they were made in.
///
/// Threads   Any.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "aether/error.h"
#include "base/ids.h"
#include "os/sync.h"
#include "txn/transaction_context.h"
#include "wal/log.h"
#include "wal/record.h"

namespace aether::db {

class TableReplay {
 public:
  struct Row {
    Gsn gsn = 0;
    std::string payload;  ///< Empty: the row went.
  };
  using Rows = std::unordered_map<std::string, Row>;

  /// Errors: corruption.
  Result<void> add(const wal::PartView& part, Gsn gsn);
  /// Takes a loser's change back, logging a CLR.
  Result<void> undo(txn::TransactionContext& txn, const txn::UndoEntry& entry, wal::Log& log);
  bool has(StoreId store);
  /// Of one store, which has none afterwards.
  Rows take(StoreId store);

 private:
  void set(StoreId store, std::string_view key, Gsn gsn, std::string_view payload)
      AETHER_REQUIRES(mutex_);

  os::Mutex mutex_;
  std::map<StoreId, Rows> stores_ AETHER_GUARDED_BY(mutex_);
};

}  // namespace aether::db
