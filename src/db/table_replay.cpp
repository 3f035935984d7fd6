#include "db/table_replay.h"

#include <algorithm>
#include <utility>

#include "base/planted.h"
#include "buffer/change.h"
#include "page/leaf_record.h"
#include "table/table_log.h"

namespace aether::db {

void TableReplay::set(StoreId store, std::string_view key, Gsn gsn, std::string_view payload) {
  Row& row = stores_[store][std::string(key)];
  if (row.gsn >= gsn) return;
  row.gsn = gsn;
  row.payload = payload;
}

Result<void> TableReplay::add(const wal::PartView& part, Gsn gsn) {
  AETHER_TRY_ASSIGN(const table::TableOperation operation, table::parse_operation(part));
  os::LockGuard lock(mutex_);
  set(part.header.store, operation.key, gsn, operation.payload);
  return {};
}

/// Blindly: nobody else has changed the row since. Its GSN is of this epoch, so above all that were read.
Result<void> TableReplay::undo(txn::TransactionContext& txn, const txn::UndoEntry& entry,
                               wal::Log& log) {
  if (!entry.before.empty() && entry.before.size() < page::kMetaBytes) {
    return Error(Code::corruption, "undo: what a row of store " + std::to_string(entry.store) +
                                       " was before transaction " + std::to_string(txn.id()) +
                                       " is cut short");
  }
  const Gsn gsn = std::max(txn.log.gsn, buffer::first_gsn(log.epoch())) + 1;
  const table::TableOp op = entry.before.empty()                    ? table::TableOp::erase
                            : page::meta_of(entry.before).removed() ? table::TableOp::remove
                                                                    : table::TableOp::set;
  os::LockGuard lock(mutex_);
  const table::TablePart part(op, entry.store, 0, entry.key, entry.before, {});
  const buffer::ChangeKind kind{
      .type = wal::RecordType::clr,
      .link = AETHER_PLANTED("txn.clr_link_wrong") ? entry.lsn : entry.previous};
  AETHER_TRY(buffer::log_row_change(log, txn.log, kind, gsn, part.spec()));
  set(entry.store, entry.key, gsn, entry.before);
  return {};
}

bool TableReplay::has(StoreId store) {
  os::LockGuard lock(mutex_);
  return stores_.contains(store);
}

TableReplay::Rows TableReplay::take(StoreId store) {
  os::LockGuard lock(mutex_);
  const auto found = stores_.find(store);
  if (found == stores_.end()) return {};
  Rows rows = std::move(found->second);
  stores_.erase(found);
  return rows;
}

}  // namespace aether::db
