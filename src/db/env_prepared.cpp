// Rebuilding a transaction in doubt from its records, after a restart.
//
// Its changes are in their pages; what is missing is what they replaced: for a rollback, and for readers, who must not
// see the rows of an open transaction. Records hold all of it or, of a removal and a patch, what has changed: the rest
// stands in the row still, or in what the next change to it replaced. So records are read from the newest to the oldest.
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/reached.h"
#include "db/env_impl.h"
#include "db/log_visit.h"
#include "index/btree/ops.h"
#include "index/btree/row_patch.h"
#include "page/leaf_record.h"
#include "txn/prepare_record.h"

namespace aether::db {
namespace {

/// An undo entry with bytes of its own.
struct Change {
  txn::UndoEntry entry;
  std::string key;
  std::string before;  ///< The row's whole payload.
};

/// Rows, by store and key, as they were before the changes that have been looked at so far.
using Rows = std::map<std::pair<StoreId, std::string>, std::string>;

bool is_of(const txn::UndoEntry& entry, index::BTreeOp op) noexcept {
  return entry.manager == wal::ResourceManager::btree && entry.op == static_cast<uint8_t>(op);
}
bool is_removal(const txn::UndoEntry& entry) noexcept {
  return is_of(entry, index::BTreeOp::set_meta);
}
bool is_of_table(const txn::UndoEntry& entry) noexcept {
  return entry.manager == wal::ResourceManager::table;
}

/// The row before `change`, whose record holds all of it, or only what has changed of `after`.
Result<void> complete(Change& change, const std::string& after) {
  const bool is_patch = is_of(change.entry, index::BTreeOp::patch);
  const bool fits = is_patch ? index::count_runs(change.before, after.size()).has_value()
                             : change.before.size() == page::kMetaBytes &&
                                   after.size() >= page::kMetaBytes;
  if (!fits) {
    return Error(Code::corruption, "the change of a row at LSN " +
                                       std::to_string(change.entry.lsn) +
                                       ", by a transaction in doubt, does not fit the row");
  }
  if (!is_patch) {
    change.before.append(page::body_of(after));
    return {};
  }
  std::string whole = after;
  index::apply_patch(change.before, reinterpret_cast<std::byte*>(whole.data()));
  change.before = std::move(whole);
  change.entry.op = static_cast<uint8_t>(index::BTreeOp::replace);
  return {};
}

Result<void> complete(EnvImpl& env, Change& change, Rows& rows) {
  if (change.entry.manager != wal::ResourceManager::btree) return {};
  const auto [row, is_newest] = rows.try_emplace({change.entry.store, change.key});
  if (is_removal(change.entry) || is_of(change.entry, index::BTreeOp::patch)) {
    if (is_newest) {
      AETHER_TRY_ASSIGN(index::BTree * tree, env.tree(change.entry.store));
      AETHER_TRY_ASSIGN(row->second, tree->newest_payload(change.key));
    }
    AETHER_TRY(complete(change, row->second));
  }
  row->second = change.before;
  return {};
}

/// Readers find what the change has replaced; a rollback does too.
void restore(index::Services& services, txn::TransactionContext& context, const Change& change) {
  txn::UndoEntry entry = change.entry;
  context.undo.make_room();
  txn::OwnedVersion version(txn::Version::make(entry.store, change.key, change.before));
  entry.version = version.get();
  if (entry.manager != wal::ResourceManager::space) {
    const TxnId writer = page::meta_of(change.before).txn();
    if (!change.before.empty() && writer != context.id())
      services.versions.link(*entry.version, writer, context.id());
  }
  context.undo.push(entry);
  static_cast<void>(version.release());
  if (is_removal(entry)) context.ghosts.push_back({entry.store, change.key});
  if (is_of_table(entry) && entry.op == static_cast<uint8_t>(table::TableOp::remove))
    context.ghosts.push_back({entry.store, change.key, true});
}

}  // namespace

Result<void> EnvImpl::restore_prepared(const recovery::Loser& loser, wal::LogReader& reader) {
  auto prepared = std::make_unique<Prepared>();
  txn::TransactionContext& context = prepared->context;
  context.log.txn = loser.txn;
  context.log.stream = loser.stream;
  context.log.last_lsn = loser.last_lsn;
  context.pinned = true;
  context.lock_manager = locks_.get();

  txn::PrepareRecord record;
  AETHER_TRY(visit_record(reader, loser, *loser.prepared,
                          [&](const wal::RecordView& view) -> Result<void> {
                            AETHER_TRY_ASSIGN(record, txn::decode_prepare_record(view.undo));
                            return {};
                          }));
  std::vector<Change> changes;  // Newest first.
  Rows rows;
  for (size_t i = loser.undo.size(); i-- > 0;) {
    AETHER_TRY(visit_record(
        reader, loser, loser.undo[i], [&](const wal::RecordView& view) -> Result<void> {
          AETHER_TRY_ASSIGN(const txn::UndoEntry entry, undo_entry(view));
          changes.push_back({entry, std::string(entry.key), std::string(entry.before)});
          context.log.gsn = std::max(context.log.gsn, view.gsn);
          return {};
        }));
    AETHER_TRY(complete(*this, changes.back(), rows));
  }
  for (size_t i = changes.size(); i-- > 0;) restore(*services_, context, changes[i]);

  context.freed = std::move(record.freed);
  for (const txn::HeldLock& lock : record.locks) {
    if (lock.name.level != txn::LockLevel::environment) {
      AETHER_TRY_ASSIGN(const StoreRows locked, this->rows(lock.name.store));
      locked.table != nullptr ? locked.table->count_locker(context)
                              : locked.tree->count_locker(context);
    }
    AETHER_TRY(
        context.lock(lock.name.view(), lock.mode));  // Nobody else has any that it could meet.
  }
  // It comes before all that commit from here on: it may have been serializable, and has been looked at.
  transactions_->restore_commit_number(loser.txn);
  prepared->prepared_at_ns = record.prepared_at_ns;
  AETHER_REACHED("recovery.prepared_restored");
  if (rows.size() < changes.size()) AETHER_REACHED("recovery.prepared_wrote_a_row_twice");
  prepared->recovered = true;
  AETHER_TRY(prepared_.reserve(record.gid));
  prepared_.put(record.gid, std::move(prepared));
  return {};
}

}  // namespace aether::db
