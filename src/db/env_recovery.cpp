// Recovery of an environment: the log's end and its fence, redo, then undo through the indexes.
#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/trace.h"
#include "db/env_impl.h"
#include "db/log_visit.h"
#include "db/transaction_end.h"
#include "recovery/log_tail.h"

namespace aether::db {

Result<void> EnvImpl::recover() {
  const uint64_t begin_ns = os_.monotonic_ns();
  recovery_report_.ran = true;
  AETHER_TRY_ASSIGN(const buffer::AreaReport area,
                    buffer::restore_torn_pages(home_ + "/doublewrite", *data_, os_));
  recovery_report_.pages_restored = area.pages_restored;
  wal::LogReaderOptions to_end = reader_options();
  to_end.known_durable = std::max(to_end.known_durable, area.log_durable);
  AETHER_TRY_ASSIGN(const recovery::LogEnd end,
                    recovery::find_log_end(to_end, control_->state(), os_));
  if (end.last_block != 0) {
    AETHER_TRY(
        recovery::secure_log_tail(reader_options(), end.last_block, control_->state().epoch, os_));
  }
  // Pages that a killed process has written past the pool and not synced.
  AETHER_TRY(data_->sync());
  // The fence: from here on every recovery, also one that starts over, cuts where this one does.
  AETHER_TRY(start_epoch(end));

  btree_manager_ = std::make_unique<BTreeManager>(this);
  space_manager_ = std::make_unique<SpaceResourceManager>(this);
  recovery::ResourceManagers managers{};
  managers[static_cast<size_t>(wal::ResourceManager::space)] = space_manager_.get();
  managers[static_cast<size_t>(wal::ResourceManager::btree)] = btree_manager_.get();
  std::vector<wal::EpochExtent> extents = recovery::log_extents(control_->state());
  AETHER_ASSERT(!extents.empty() && extents.back().epoch == log_->epoch());
  extents.pop_back();  // The new epoch, still empty.
  const recovery::RedoOptions options{.reader = reader_options(),
                                      .extents = extents,
                                      .redo_position = control_->state().redo_position,
                                      .workers = options_.background_threads ? os_.core_count() : 1,
                                      .io_mode = options_.io_mode};
  recovery::RedoResult redo;
  if (!extents.empty()) {
    AETHER_TRY_ASSIGN(redo, recovery::analyze_and_redo(options, managers, *data_, *writer_, os_,
                                                       recovery_report_));
  }
  AETHER_TRY(data_->refresh_capacity());
  // Ids must not meet those that stand in pages and log records.
  AETHER_TRY(open_pool(std::max(control_->state().next_txn, redo.max_txn + 1)));
  AETHER_TRY(open_catalogue());
  AETHER_TRY(undo_losers(redo));
  AETHER_TRY(check_broken_pages(redo));
  AETHER_TRACE_EVENT("recovered", {});
  AETHER_TRY(finish_drops());
  AETHER_TRY(checkpoint_now(~LogPosition{0}, false));
  recovery_report_.seconds = static_cast<double>(os_.monotonic_ns() - begin_ns) / 1e9;
  return {};
}

Result<void> EnvImpl::undo_losers(recovery::RedoResult& redo) {
  if (redo.losers.empty()) return {};
  std::vector<wal::EpochExtent> extents = recovery::log_extents(control_->state());
  extents.pop_back();
  AETHER_TRY_ASSIGN(auto reader, wal::LogReader::open(reader_options(), extents, os_));
  // All of them are open before any is undone: a row of one is locked against the undo of another.
  for (const recovery::Loser& loser : redo.losers) {
    // The log stays whole until recovery is through, and from the first record on for those in doubt.
    LogPosition pin = 1;
    if (loser.prepared) pin = loser.undo.empty() ? loser.prepared->block : loser.undo.front().block;
    transactions_->reopen(loser.txn, pin);
  }
  for (const recovery::Loser& loser : redo.losers) {
    AETHER_TRACE_EVENT(
        "loser",
        {{"txn", loser.txn}, {"left", loser.undo.size()}, {"prepared", loser.prepared ? 1u : 0u}});
    if (loser.prepared) {
      AETHER_TRY(restore_prepared(loser, *reader));
      ++recovery_report_.transactions_prepared;
    } else {
      AETHER_TRY(undo_loser(loser, *reader));
      ++recovery_report_.transactions_undone;
    }
  }
  return {};
}

recovery::ResourceManager& EnvImpl::manager_of(const wal::PartView& part) const noexcept {
  if (part.header.manager == wal::ResourceManager::space) return *space_manager_;
  return *btree_manager_;
}

/// What undoing `record` takes. Borrows its bytes.
Result<txn::UndoEntry> EnvImpl::undo_entry(const wal::RecordView& record) const {
  const std::optional<wal::PartView> part = wal::PartCursor(record).next();
  if (!part) {
    return Error(Code::corruption,
                 "a change at LSN " + std::to_string(record.lsn) + " of the log changes nothing");
  }
  return manager_of(*part).undo_entry(record, *part);
}

Result<void> EnvImpl::undo_loser(const recovery::Loser& loser, wal::LogReader& reader) {
  txn::TransactionContext context;
  context.log.txn = loser.txn;
  context.log.stream = loser.stream;
  context.log.last_lsn = loser.last_lsn;
  context.pinned = true;
  for (size_t i = loser.undo.size(); i-- > 0;) {
    AETHER_TRY(visit_record(reader, loser, loser.undo[i],
                            [&](const wal::RecordView& record) -> Result<void> {
                              AETHER_TRY_ASSIGN(const txn::UndoEntry entry, undo_entry(record));
                              return undo_change(*this, context, entry);
                            }));
    ++recovery_report_.records_undone;
  }
  AETHER_TRY(buffer::log_change(*log_, context.log, {.type = wal::RecordType::end}, {}, {}));
  transactions_->end(loser.txn, context.log.lsn_vector);
  return {};
}

/// A page whose chain of changes had a gap is no loss if nothing owns it any more: it was freed, or holds the
/// unlogged pages of a value. Else the log and the data file do not belong together.
Result<void> EnvImpl::check_broken_pages(const recovery::RedoResult& redo) {
  buffer::AlignedBuffer page(data_->page_bytes());
  for (const PageId id : redo.broken_pages) {
    if (!space_->is_allocated(id)) continue;
    Result<void> read = data_->read(id, page.data());
    const auto* header = reinterpret_cast<const page::PageHeader*>(page.data());
    if (read && header->kind == page::PageKind::overflow) continue;
    if (may_repair() && repair_page(id, read ? header->gsn + 1 : 0).has_value()) continue;
    return Error(Code::corruption,
                 home_ + "/data: page " + std::to_string(raw(id)) +
                     " is not what the log was written for (" +
                     (read ? "its GSN leaves a gap" : std::string(read.error().message())) +
                     "): restore the environment from a backup");
  }
  return {};
}

}  // namespace aether::db
