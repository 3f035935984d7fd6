// A table whose rows lie in layers: what differs from one that has each row once.
//
// A row that hides an older one in a run has replaced no version here, so none is linked. A reader who does not see it
// asks for the version that his snapshot reads (there is one at most: txn/version.h), and if there is none, for the newest row
// below that he sees.
#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/no_memory.h"
#include "base/reached.h"
#include "index/btree/overflow.h"
#include "page/leaf_record.h"
#include "table/row.h"
#include "table/table.h"
#include "txn/version.h"

namespace aether::table {

using index::ReadView;
using index::WriteMode;
using page::RecordMeta;
using txn::TransactionContext;

/// Of the row that an open transaction has written: it is in memory.
Result<bool> Table::find_own(Bytes key, std::string& row) const {
  if (layers_ == nullptr) return find(key, row);
  AETHER_TRY_ASSIGN(const Layers::Place place, layers_->find_in_memory(key, row));
  return place != Layers::Place::nowhere;
}

Result<void> Table::read_layers(Bytes key, std::string& value, ReadView& view,
                                TransactionContext* txn, bool is_head) {
  txn::TransactionTable& transactions = services_.transactions;
  std::string older;
  const auto sees = [&view](TxnId writer) { return view.sees(writer); };
  for (os::Backoff backoff;; backoff.wait()) {
    const TxnId settled = transactions.settled_below();
    AETHER_TRY_ASSIGN(const Layers::Seen seen, layers_->find_seen(key, sees, value));
    TxnId writer = seen.writer;
    bool removed = seen.removed;
    bool found = seen.found;
    bool apart = seen.apart;
    uint64_t expiry_ms = seen.expiry_ms;
    if (seen.passed_by) {
      if (!view.has_snapshot()) {
        view.take_snapshot();
        continue;
      }
      Result<bool> has_version = view.find_version(store_, key, older);
      if (!is_still(key, seen.newest)) continue;
      AETHER_TRY_ASSIGN(const bool is_version, std::move(has_version));
      if (is_version) {
        const RecordMeta meta = page::meta_of(older);
        found = true;
        writer = meta.txn();
        removed = meta.removed();
        apart = meta.overflow();
        expiry_ms = page::expiry_of(older);
        value.assign(page::value_of(older, meta));
      }
    } else if (found && !view.has_snapshot() && writer >= settled &&
               (txn == nullptr || writer != txn->id()) && !is_still(key, seen.newest)) {
      continue;  // It may have been open when the row was read, and taken it back since.
    }
    if (found && !removed) removed = view.finds_expired(expiry_ms);
    if (found && !removed && apart && !is_head) {
      bool is_same = true;
      AETHER_TRY(read_outside(value, view, key, seen.newest, is_same));
      if (!is_same) continue;
    }
    remember(txn, key);
    if (!found) return Code::not_found;
    if (txn != nullptr) transactions.add_dependency(writer, txn->log.lsn_vector);
    if (removed) return Code::not_found;
    return {};
  }
}

/// `value` holds the reference. A snapshot keeps the pages; else they may have been given back while they were read, if the newest row is not
/// what it was.
Result<void> Table::read_outside(std::string& value, const ReadView& view, Bytes key, Gsn newest,
                                 bool& is_same) {
  if (value.size() != sizeof(page::OverflowReference))
    return Error(Code::corruption, "a row's reference to its value is damaged");
  const auto reference = base::load<page::OverflowReference>(value.data());
  const uint64_t before = index::before_value(services_, reference);
  const bool is_kept = index::find_value(services_, reference, value);
  Result<void> read = is_kept ? Result<void>() : index::read_overflow(services_, reference, value);
  is_same = view.has_snapshot() || is_still(key, newest);
  if (!is_same) return {};
  if (read && !is_kept) index::keep_value(services_, reference, value, before);
  return read;
}

/// Who wrote what `writer`'s row of the key has replaced or hides; nobody: there was nothing.
Result<std::optional<TxnId>> Table::writer_before(TxnId writer, Bytes key) const {
  if (layers_ == nullptr) return services_.versions.newest_writer(store_, key);
  std::optional<TxnId> before = services_.versions.newest_writer(store_, key, writer);
  if (before) return before;
  AETHER_TRY(layers_->visit_all(key, [&](Bytes row) {
    const TxnId of_row = page::meta_of(payload_of(row)).txn();
    if (of_row == writer) return true;
    before = of_row;
    return false;
  }));
  return before;
}

/// The newest row, if what the write will be depends on it. One in memory counts as replaced, in whichever layer it lies: the log may
/// have nothing but its record, and recovery knows no layers, so the undo has to have it. But a value outside is owned by whoever comes first, its
/// layer's run or who replaces it: once the run is there, the row is hidden as those of runs are.
Result<Table::Met> Table::find_to_write(TransactionContext& txn, WriteMode mode, Stripe& stripe,
                                        Bytes key, std::string& row) {
  AETHER_TRY_ASSIGN(const Layers::Place place, layers_->find_in_memory(key, row));
  if (place == Layers::Place::active) return Met::replaced;
  if (place != Layers::Place::nowhere) {
    const RecordMeta meta = page::meta_of(payload_of(row));
    if (meta.txn() != txn.id()) {
      if (!meta.overflow() || place == Layers::Place::sealed) return Met::replaced;
      return place == Layers::Place::written ? Met::hidden : Met::being_written;
    }
    // Its own: to be replaced as in one layer, so that taking it back finds what was before.
    AETHER_TRY(move_up(txn, stripe, layers_->home_of(key), key, row));
    AETHER_TRY_ASSIGN(const Layers::Place now, layers_->find_in_memory(key, row));
    return now == Layers::Place::active ? Met::replaced : Met::nothing;
  }
  // Who puts, whatever was there, need not know it. But first updater wins.
  const bool is_blind = mode == WriteMode::put;
  const bool may_conflict = txn.snapshot != nullptr &&
                            !txn.snapshot->sees_all_to(layers_->newest_writer_in_runs());
  if (is_blind && !may_conflict) return Met::nothing;
  AETHER_TRY_ASSIGN(const bool is_there, layers_->find_in_runs(key, row));
  return is_there ? Met::hidden : Met::nothing;
}

/// The row of an open transaction, from a sealed layer to the active one; what it had replaced stands in its place then. Logged by
/// `logger` as a change that nobody takes back: the transaction's own record leads its undo to the key.
Result<void> Table::move_up(TransactionContext& logger, Stripe& stripe, index::AnyIndex& sealed,
                            Bytes key, Bytes row) {
  const std::string old_row(row);
  const Bytes payload = payload_of(old_row);
  const RecordMeta meta = page::meta_of(payload);
  index::AnyIndex& active = layers_->active(key);
  // Whatever is there is what a reader of this moment reads who does not see that transaction.
  std::string before;
  txn::Snapshot now;
  services_.transactions.open_snapshot(now);
  Result<bool> has_before = services_.versions.find(store_, key, now, before);
  services_.transactions.close_snapshot(now);
  AETHER_TRY_ASSIGN(const bool had_row, std::move(has_before));
  const Gsn gsn = next_gsn(logger.log, stripe);
  std::string moved;
  std::string left;
  make_row(moved, gsn, payload, {});
  if (had_row) make_row(left, gsn_of(old_row), before, {});
  AETHER_TRY(active.put(key, moved));
  mark_dirty();
  logger.pin(services_.transactions);
  const TableOp op = meta.removed() ? TableOp::remove : TableOp::set;
  const TablePart part(op, store_, gsn_of(old_row), key, payload, {});
  const buffer::ChangeKind kind{.type = wal::RecordType::clr, .link = logger.log.last_lsn};
  Result<void> done = buffer::log_row_change(services_.log, logger.log, kind, gsn, part.spec());
  if (done) {
    stripe.gsn = gsn;
    count_record(logger.log);
    layers_->note_move();
    done = put_back(sealed, key, left);
  }
  // A second record of the same row does no harm.
  if (!done) static_cast<void>(active.remove(key).has_value());
  AETHER_REACHED("lsm.row_moved_up");
  return done;
}

Result<void> Table::seal() AETHER_NO_THREAD_SAFETY {
  const Gsn highest = lock_stripes();
  Result<void> sealed = layers_->seal(highest, dirty_from_.load(std::memory_order_seq_cst));
  if (sealed) dirty_from_.store(0, std::memory_order_seq_cst);
  raise_and_unlock_stripes(highest);
  return sealed;
}

Result<void> Table::check_below(Bytes begin, Bytes end) const {
  if (lockers_.load(std::memory_order_seq_cst) != 0)
    return Error(Code::busy, "transactions have locks in the store: try it again when they end");
  AETHER_TRY_ASSIGN(const bool in_memory, layers_->has_in_memory(begin, end));
  if (!in_memory) return {};
  return Error(Code::busy, "others have written rows in the range meanwhile: try it again");
}

/// Who locks a row later looks at it after that (check_locked_range).
Result<void> Table::add_below(Bytes begin, Bytes end,
                              FunctionRef<Result<void>()> commit) AETHER_NO_THREAD_SAFETY {
  const Gsn highest = lock_stripes();
  const base::Unless unlock([&] { raise_and_unlock_stripes(highest); });
  AETHER_TRY(check_below(begin, end));
  return commit();
}

namespace {

/// So that most rows are known to be nobody's any more, without asking for each.
void settle_writers(txn::TransactionTable& transactions) {
  txn::Snapshot now;
  transactions.open_snapshot(now);
  transactions.settle(now.bounds().next);
  transactions.close_snapshot(now);
}

}  // namespace

/// A record of a row that moves must not outlive the one that made it, which lies in another stream and alone has its undo: so
/// the log is durable before the first one moves. No row of an open transaction has come to a sealed layer since.
Result<uint64_t> Table::write_out(
    index::AnyIndex& sealed, TransactionContext& flusher,
    FunctionRef<Result<void>(Bytes key, Bytes row, bool owns)> visitor) {
  txn::TransactionTable& transactions = services_.transactions;
  settle_writers(transactions);
  const TxnId settled = transactions.settled_below();
  bool is_log_durable = false;
  index::AnyCursor at = sealed.cursor();
  std::string row;
  uint64_t moved_bytes = 0;
  Result<bool> more = at.first();
  for (; more && *more; more = at.next()) {
    AETHER_TRY_ASSIGN(const Bytes found, at.value());
    const RecordMeta meta = page::meta_of(payload_of(found));
    const TxnId writer = meta.txn();
    if (writer < settled && !meta.overflow()) {
      AETHER_TRY(visitor(at.key(), found, false));
      continue;
    }
    if (!is_log_durable && transactions.is_open(writer)) {
      AETHER_TRY(services_.log.flush());
      is_log_durable = true;
    }
    bool owns = false;
    AETHER_TRY_ASSIGN(const bool stays,
                      settle_row(sealed, flusher, at.key(), row, owns, moved_bytes));
    if (stays) AETHER_TRY(visitor(at.key(), row, owns));
  }
  if (!more) return std::move(more).error();
  return moved_bytes;
}

/// Under its stripe, where an open transaction's row stays what it is: the row that is written out. False: there is none. It owns its value
/// unless a newer one hides it.
Result<bool> Table::settle_row(index::AnyIndex& sealed, TransactionContext& flusher, Bytes key,
                               std::string& row, bool& owns, uint64_t& moved_bytes) {
  const auto get = [&]() -> Result<bool> {
    Result<void> got = sealed.get(key, row);
    if (got) return true;
    if (got.error().code() == Code::not_found) return false;  // Taken back.
    return std::move(got).error();
  };
  Stripe& stripe = stripe_of(key);
  os::LockGuard guard(stripe.mutex);
  AETHER_TRY_ASSIGN(const bool found, get());
  if (!found) return false;
  const RecordMeta meta = page::meta_of(payload_of(row));
  owns = meta.overflow() && !meta.removed() && &layers_->home_of(key) == &sealed;
  if (!services_.transactions.is_open(meta.txn())) return true;
  owns = false;
  moved_bytes += key.size() + row.size();
  AETHER_TRY(move_up(flusher, stripe, sealed, key, row));
  return get();
}

}  // namespace aether::table
