#include "table/cursor.h"

#include <utility>

#include "base/reached.h"
#include "index/btree/read_view.h"
#include "table/row.h"

namespace aether::table {

/// So many rows that are not there, before it is asked whether that is known of more of them.
constexpr uint64_t kRemovedBeforeALook = 64;

TableCursor::TableCursor(Table& table, txn::TransactionContext* txn)
    : table_(table), txn_(txn), at_(table.cursor()), recorder_(txn, table.store()) {}

TableCursor::~TableCursor() { table_.services().transactions.close_snapshot(own_); }

/// Before the index's cursor moves: so what it shows of open transactions is told from the rest.
void TableCursor::take_snapshot() {
  if (txn_ != nullptr && txn_->snapshot != nullptr) {
    snapshot_ = txn_->snapshot;
    return;
  }
  txn::TransactionTable& transactions = table_.services().transactions;
  // Nobody was open then, and nobody has begun since: it would see the same.
  const txn::SnapshotBounds& bounds = own_.bounds();
  const bool is_current = snapshot_ == &own_ && bounds.open.empty() &&
                          bounds.next == transactions.next_id();
  if (!is_current) transactions.renew_snapshot(own_);
  snapshot_ = &own_;
}

/// Copies the row on which at_ stands to next_key_ and next_value_. False: for this cursor there is none.
Result<bool> TableCursor::settle() {
  AETHER_TRY_ASSIGN(const Bytes row, at_.value());
  const Bytes payload = payload_of(row);
  const page::RecordMeta meta = page::meta_of(payload);
  next_key_ = at_.key();
  index::ReadView view(table_.services(), txn_, snapshot_);
  // What layers show may have been met ahead, and be changed or taken back since.
  const bool looks_again = table_.has_layers() && !is_of_run(row) &&
                           meta.txn() >= table_.services().transactions.settled_below();
  if (looks_again || meta.overflow() || !view.sees(meta.txn())) {
    Result<void> got = table_.read(next_key_, next_value_, view, txn_);
    next_expiry_ms_ = view.expiry_ms();
    if (got) return true;
    if (got.error().code() == Code::not_found) return false;
    return std::move(got).error();
  }
  if (txn_ != nullptr)
    table_.services().transactions.add_dependency(meta.txn(), txn_->log.lsn_vector);
  if (!meta.stays() && (meta.removed() || view.finds_expired(payload))) return false;
  next_expiry_ms_ = view.expiry_ms();
  next_value_ = page::value_of(payload, meta);
  return true;
}

/// Whether at_ may step on from key_. Layers are met ahead: what others have done since is looked for anew, but not by a scan,
/// which need not see it, unless its own transaction did it.
bool TableCursor::may_step() noexcept {
  if (!table_.has_layers()) return at_is_here_;
  const uint64_t changes = txn_ != nullptr ? txn_->writes : table_.layer_changes();
  const bool is_same = std::exchange(changes_, changes) == changes;
  return at_is_here_ && (is_same || (is_scan_ && txn_ == nullptr));
}

/// On from a row that is not there for this cursor, over those of which that is known together.
Result<bool> TableCursor::pass_removed(bool up) {
  const index::ReadView view(table_.services(), txn_, snapshot_);
  const auto sees = [&](TxnId writer) {
    if (!view.sees(writer)) return false;
    if (txn_ != nullptr)
      table_.services().transactions.add_dependency(writer, txn_->log.lsn_vector);
    return true;
  };
  if (!up) {
    AETHER_TRY_ASSIGN(const bool passes, table_.pass_removed_below(next_key_, sees, next_value_));
    if (!passes) return at_.prev();
    AETHER_REACHED("table.removed_range_passed_downwards");
    return at_.seek(index::SeekOp::less, next_value_);
  }
  next_key_.push_back('\0');
  AETHER_TRY_ASSIGN(const bool passes, table_.pass_removed(next_key_, sees, next_value_));
  if (!passes) return at_.next();
  AETHER_REACHED("table.removed_range_passed");
  return at_.seek(next_value_);
}

/// From where at_ has come to, on to the first row that there is for this cursor.
Result<bool> TableCursor::walk(Result<bool> moved, bool up) {
  at_is_here_ = false;  // Until it has succeeded.
  uint64_t looks_at = kRemovedBeforeALook;
  for (uint64_t removed = 1; moved && *moved; ++removed) {
    AETHER_TRY_ASSIGN(const bool is_row, settle());
    if (is_row) {
      key_.swap(next_key_);
      value_.swap(next_value_);
      expiry_ms_ = next_expiry_ms_;
      positioned_ = true;
      at_is_here_ = true;
      return true;
    }
    take_snapshot();
    const bool looks = removed == looks_at;
    if (looks) looks_at *= 2;
    moved = looks ? pass_removed(up) : up ? at_.next() : at_.prev();
  }
  if (!moved) return moved;
  positioned_ = false;
  return false;
}

Result<bool> TableCursor::seek(Bytes key) {
  from_ = key;  // `key` may be our own key_.
  recorder_.seek(from_);
  take_snapshot();
  return recorder_.move(walk(at_.seek(from_), true), key_, true);
}

Result<bool> TableCursor::seek_for_prev(Bytes key) {
  from_ = key;
  recorder_.seek_for_prev(from_);
  take_snapshot();
  return recorder_.move(walk(at_.seek_for_prev(from_), false), key_, false);
}

Result<bool> TableCursor::last() {
  take_snapshot();
  AETHER_TRY_ASSIGN(const bool found, walk(at_.last(), false));
  recorder_.seek_last(found, key_);
  return found;
}

Result<bool> TableCursor::next() {
  if (!positioned_) return first();
  take_snapshot();
  Result<bool> moved = may_step() ? at_.next() : at_.seek(index::SeekOp::greater, key_);
  return recorder_.move(walk(std::move(moved), true), key_, true);
}

Result<bool> TableCursor::prev() {
  if (!positioned_) return last();
  take_snapshot();
  Result<bool> moved = may_step() ? at_.prev() : at_.seek(index::SeekOp::less, key_);
  return recorder_.move(walk(std::move(moved), false), key_, false);
}

Result<Bytes> TableCursor::value() {
  if (!positioned_) return Error(Code::invalid_argument, "the cursor stands on no key: seek first");
  return Bytes(value_);
}

Result<uint64_t> TableCursor::expiry() {
  if (!positioned_) return Error(Code::invalid_argument, "the cursor stands on no key: seek first");
  return expiry_ms_;
}

Result<bool> TableCursor::visit_leaf(Visit& visit) {
  if (visit.is_outside(key_)) return false;
  ++visit.visited;
  is_scan_ = true;
  return visit.visitor(key_, value_);
}

/// For the rows above key_ nothing but them has to be looked at, as long as the transaction has this snapshot and writes nothing.
bool TableCursor::may_be_plain() const noexcept {
  const bool has_snapshot = txn_ != nullptr && txn_->snapshot != nullptr &&
                            txn_->snapshot == snapshot_;
  return at_is_here_ && has_snapshot && !recorder_.is_recording() &&
         (!table_.has_layers() || changes_ == txn_->writes);
}

/// The snapshot shows the row as it is. Where layers are met ahead, nobody may change it.
bool TableCursor::is_plain(const index::ReadView& view, Bytes row) const noexcept {
  constexpr uint8_t kNotPlain = page::RecordMeta::kRemoved | page::RecordMeta::kExpires |
                                page::RecordMeta::kOverflow;
  const page::RecordMeta meta = page::meta_of(payload_of(row));
  const bool is_as_met = !table_.has_layers() || is_of_run(row) ||
                         meta.txn() < table_.services().transactions.settled_below();
  return (meta.flags() & kNotPlain) == 0 && is_as_met && view.sees(meta.txn());
}

/// Upwards, from where the rows lie to the visitor, up to one that needs more than that. False: the visit is over.
Result<bool> TableCursor::visit_plain_rows(Visit& visit) {
  enum class Stop : uint8_t { before, after, over };
  Stop stop = Stop::over;
  const index::ReadView view(table_.services(), txn_, snapshot_);
  const uint64_t writes = txn_->writes;
  const auto stop_at = [&stop](Stop where) {
    stop = where;
    return false;
  };
  const auto show = [&](Bytes key, Bytes row) {
    if (!is_plain(view, row)) return stop_at(Stop::before);
    if (visit.is_outside(key)) return stop_at(Stop::over);
    const Bytes payload = payload_of(row);
    const page::RecordMeta meta = page::meta_of(payload);
    const Bytes value = page::value_of(payload, meta);
    table_.services().transactions.add_dependency(meta.txn(), txn_->log.lsn_vector);
    ++visit.visited;
    if (!visit.visitor(key, value)) return stop_at(Stop::over);
    if (txn_->snapshot == snapshot_ && txn_->writes == writes) return true;
    key_.assign(key);
    value_.assign(value);
    return stop_at(Stop::after);
  };
  positioned_ = at_is_here_ = false;  // Unless it stops at a row.
  AETHER_TRY_ASSIGN(const bool is_on_row, at_.next_while(show));
  if (!is_on_row || stop == Stop::over) return false;
  if (stop == Stop::before) {
    AETHER_TRY_ASSIGN(const bool more, walk(true, true));
    return more ? visit_leaf(visit) : Result<bool>(false);
  }
  expiry_ms_ = 0;
  positioned_ = at_is_here_ = true;
  return true;
}

Result<bool> TableCursor::visit_on(Visit& visit) {
  if (visit.up && may_be_plain()) return visit_plain_rows(visit);
  AETHER_TRY_ASSIGN(const bool more, visit.up ? next() : prev());
  return more ? visit_leaf(visit) : Result<bool>(false);
}

}  // namespace aether::table
