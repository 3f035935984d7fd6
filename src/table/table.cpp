// Reading, looking again, locks, images.
#include "table/table.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/no_memory.h"
#include "base/probes.h"
#include "index/concept/size_limits.h"
#include "table/row.h"
#include "txn/version.h"

namespace aether::table {

using index::ReadView;
using page::RecordMeta;
using txn::TransactionContext;
using txn::Validation;

Table::Table(const index::Services& services, StoreId store, index::AnyIndex index,
             uint64_t memory_bytes_max, Layers* layers)
    : services_(services),
      store_(store),
      index_(std::move(index)),
      layers_(layers),
      memory_bytes_max_(memory_bytes_max) {}

Table::Stripe& Table::stripe_of(Bytes key) noexcept {
  return stripes_[txn::RowKey(store_, key).hash % kStripes];
}

/// A copy of the row as it stands, whoever wrote it. False: there is none.
Result<bool> Table::find(Bytes key, std::string& row) const {
  Result<void> got = index_.get(key, row);
  if (got) return true;
  if (got.error().code() == Code::not_found) return false;
  return std::move(got).error();
}

/// Nobody has changed the row since it was read with that GSN.
bool Table::is_still(Bytes key, Gsn gsn) const {
  Gsn now = 0;
  const Result<void> found = index_.visit(key, [&](Bytes row) { now = gsn_of(row); });
  return found.has_value() && now == gsn;
}

void Table::remember(TransactionContext* txn, Bytes key) const {
  if (txn != nullptr && txn->reads != nullptr) txn->reads->add_key(store_, key, {});
}

Result<void> Table::get(Bytes key, std::string& value, TransactionContext* txn) {
  ReadView view(services_, txn);
  return read(key, value, view, txn, false);
}

Result<uint64_t> Table::expiry(Bytes key, TransactionContext* txn) {
  ReadView view(services_, txn);
  std::string value;
  AETHER_TRY(read(key, value, view, txn, true));
  return view.expiry_ms();
}

Result<void> Table::read(Bytes key, std::string& value, ReadView& view, TransactionContext* txn) {
  return read(key, value, view, txn, false);
}

/// The one place where a row is read for its value (`is_head`: only for the rest of it). A key without a row depends on nothing: a ghost goes when its removal is
/// durable, and an insert that is taken back has never been.
Result<void> Table::read(Bytes key, std::string& value, ReadView& view, TransactionContext* txn,
                         bool is_head) {
  if (layers_ != nullptr) return read_layers(key, value, view, txn, is_head);
  txn::TransactionTable& transactions = services_.transactions;
  std::string row;
  std::string older;
  for (os::Backoff backoff;; backoff.wait()) {
    const TxnId settled = transactions.settled_below();
    AETHER_TRY_ASSIGN(const bool found, find(key, row));
    if (!found) break;
    Bytes payload = payload_of(row);
    const TxnId writer = page::meta_of(payload).txn();
    if (view.sees(writer)) {
      // Without a snapshot it may have been open when the row was read, and taken it back since.
      const bool is_certain = view.has_snapshot() || writer < settled ||
                              (txn != nullptr && writer == txn->id());
      if (!is_certain && !is_still(key, gsn_of(row))) continue;
    } else if (!view.has_snapshot()) {
      view.take_snapshot();
      continue;
    } else {
      Result<bool> is_there = view.find_version(store_, key, older);
      if (!is_still(key, gsn_of(row))) continue;
      AETHER_TRY_ASSIGN(const bool existed, std::move(is_there));
      if (!existed) break;
      payload = older;
    }
    remember(txn, key);
    const RecordMeta meta = page::meta_of(payload);
    if (txn != nullptr) transactions.add_dependency(meta.txn(), txn->log.lsn_vector);
    if (!meta.stays() && (meta.removed() || view.finds_expired(payload))) return Code::not_found;
    value.assign(page::value_of(payload, meta));
    return {};
  }
  remember(txn, key);
  return Code::not_found;
}

Result<void> Table::visit(Bytes key, FunctionRef<void(Bytes)> visitor, TransactionContext* txn) {
  std::string value;
  AETHER_TRY(get(key, value, txn));
  visitor(value);
  return {};
}

Result<void> Table::multi_get(std::span<const Bytes> keys,
                              FunctionRef<void(size_t index, const Bytes* value)> visitor,
                              TransactionContext* txn) {
  std::string value;
  for (size_t i = 0; i < keys.size(); ++i) {
    Result<void> got = get(keys[i], value, txn);
    if (!got && got.error().code() != Code::not_found) return got;
    const Bytes bytes = value;
    visitor(i, got ? &bytes : nullptr);
  }
  return {};
}

// --- Looking again at what a serializable transaction has read (txn/validation.h)

/// As BTree::row_holds.
Result<bool> Table::row_holds(TxnId writer, Bytes key, const Validation& validation) const {
  const Validation::Writer judged = validation.judge(writer);
  if (judged != Validation::Writer::later) return judged == Validation::Writer::harmless;
  AETHER_TRY_ASSIGN(const std::optional<TxnId> before, writer_before(writer, key));
  if (validation.judge(writer) != Validation::Writer::later) return false;
  return !before || *before == validation.self || validation.snapshot.sees(*before);
}

Result<bool> Table::still_holds(Bytes key, const Validation& validation) {
  std::string row;
  for (os::Backoff backoff;; backoff.wait()) {
    AETHER_TRY_ASSIGN(const bool found, find(key, row));
    if (!found) return true;
    AETHER_TRY_ASSIGN(const bool holds,
                      row_holds(page::meta_of(payload_of(row)).txn(), key, validation));
    if (is_still(key, gsn_of(row))) return holds;
  }
}

/// What a writer that comes after this one in the serial order puts in place later need not be found: it drew its number later.
Result<bool> Table::still_holds(const txn::RangeRead& range, const Validation& validation) {
  index::AnyCursor at = cursor_of_later(validation.snapshot.bounds().low);
  Result<bool> more = at.seek(range.first);
  for (; more && *more; more = at.next()) {
    if (range.ends_before(at.key())) return true;
    AETHER_TRY_ASSIGN(const Bytes row, at.value());
    const TxnId writer = page::meta_of(payload_of(row)).txn();
    if (validation.judge(writer) == Validation::Writer::harmless) continue;
    AETHER_TRY_ASSIGN(const bool holds, still_holds(at.key(), validation));
    if (!holds) return false;
  }
  if (!more) return std::move(more).error();
  return true;
}

// --- Explicit locks and the rows that others wrote without one

void Table::count_locker(TransactionContext& txn) {
  std::vector<std::atomic<uint32_t>*>& counted = txn.locked_stores;
  if (std::find(counted.begin(), counted.end(), &lockers_) != counted.end()) return;
  counted.push_back(&lockers_);  // May fail: then nobody is counted.
  lockers_.fetch_add(1, std::memory_order_seq_cst);
}

/// Under the stripe: a writer that has it after us sees that we are counted, and what one has written before us, we see.
Result<void> Table::check_locked_key(TransactionContext& txn, Bytes key) {
  std::string row;
  os::LockGuard guard(stripe_of(key).mutex);
  AETHER_TRY_ASSIGN(const bool found, find(key, row));
  return found ? check_writer(txn, page::meta_of(payload_of(row)).txn()) : Result<void>();
}

Result<void> Table::check_locked_range(TransactionContext& txn, Bytes begin, Bytes end) {
  for (Stripe& stripe : stripes_) {
    stripe.mutex.lock();
    stripe.mutex.unlock();
  }
  // Others are open, or are not seen: they do not lie below both bounds.
  const TxnId settled = services_.transactions.settled_below();
  index::AnyCursor at = cursor_of_later(
      txn.snapshot == nullptr ? settled : std::min(settled, txn.snapshot->bounds().low));
  Result<bool> more = at.seek(begin);
  for (; more && *more; more = at.next()) {
    if (!end.empty() && at.key() >= end) return {};
    AETHER_TRY(check_locked_key(txn, at.key()));
  }
  if (!more) return std::move(more).error();
  return {};
}

/// First updater wins; and who overwrites a commit that is not durable yet depends on it.
Result<void> Table::check_writer(TransactionContext& txn, TxnId writer) const {
  if (writer == txn.id()) return {};
  if (services_.transactions.is_open(writer)) {
    AETHER_PROBE(conflict, txn.id(), writer);
    return Error(Code::conflict, "the row is being changed by transaction " +
                                     std::to_string(writer) + ": abort and retry");
  }
  if (txn.snapshot != nullptr && !txn.snapshot->sees(writer) &&
      !services_.transactions.faults().ignore_snapshot) {
    AETHER_PROBE(conflict, txn.id(), writer);
    return Error(Code::conflict, "the row was changed by transaction " + std::to_string(writer) +
                                     ", which this one's snapshot does not see: abort and retry");
  }
  services_.transactions.add_dependency(writer, txn.log.lsn_vector);
  return {};
}

// --- Recovery and images

Result<void> Table::load(Bytes key, Bytes row) { return index_.put(key, row); }

Result<void> Table::redo(Bytes key, Gsn gsn, Bytes payload) {
  std::string row;
  if (layers_ == nullptr) {
    AETHER_TRY_ASSIGN(const bool found, find(key, row));
    if (found && gsn_of(row) >= gsn) return {};
    if (payload.empty()) return found ? index_.remove(key) : Result<void>();
  } else if (payload.empty()) {
    return {};  // A row that was taken back, in a layer that starts empty.
  }
  make_row(row, gsn, payload, {});
  return index_.put(key, row);
}

void Table::raise_gsn(Gsn gsn) noexcept {
  for (Stripe& stripe : stripes_) {
    os::LockGuard guard(stripe.mutex);
    stripe.gsn = std::max(stripe.gsn, gsn);
  }
}

/// What earlier epochs have made of rows is here, too, though no stripe has given their GSNs.
Gsn Table::lock_stripes() noexcept AETHER_NO_THREAD_SAFETY {
  Gsn highest = buffer::first_gsn(services_.log.epoch());
  for (Stripe& stripe : stripes_) {
    stripe.mutex.lock();
    highest = std::max(highest, stripe.gsn);
  }
  return highest;
}

void Table::raise_and_unlock_stripes(Gsn gsn) noexcept AETHER_NO_THREAD_SAFETY {
  for (Stripe& stripe : stripes_) {
    stripe.gsn = gsn;
    stripe.mutex.unlock();
  }
}

Gsn Table::begin_image() noexcept {
  const Gsn highest = lock_stripes();
  // Whoever writes from here on notes where it begins.
  image_from_.store(dirty_from_.load(std::memory_order_seq_cst), std::memory_order_seq_cst);
  dirty_from_.store(0, std::memory_order_seq_cst);
  raise_and_unlock_stripes(highest);
  return highest;
}

void Table::end_image(bool is_there) noexcept {
  const LogPosition from = image_from_.load(std::memory_order_seq_cst);
  if (!is_there && from != 0) dirty_from_.store(from, std::memory_order_seq_cst);
  image_from_.store(0, std::memory_order_seq_cst);
}

/// Beside an image that begins or ends: what moves from one to the other is in one of them, or in the first again.
LogPosition Table::redo_from() const noexcept {
  LogPosition from = 0;
  const auto take = [&from](LogPosition position) {
    if (position != 0) from = from == 0 ? position : std::min(from, position);
  };
  for (const std::atomic<LogPosition>* const each : {&dirty_from_, &image_from_, &dirty_from_})
    take(each->load(std::memory_order_seq_cst));
  if (layers_ != nullptr) {
    take(layers_->sealed_redo_from());
    take(
        dirty_from_.load(std::memory_order_seq_cst));  // The same, of one that is sealed meanwhile.
  }
  return from;
}

/// A ghost, or an expired row, that no reader and no rollback needs. `horizon_ms` is asked for once. 0: not yet.
bool Table::may_go(Bytes row, uint64_t& horizon_ms) const {
  const Bytes payload = payload_of(row);
  const RecordMeta meta = page::meta_of(payload);
  if (meta.stays()) return false;
  if (!meta.removed()) {
    if (horizon_ms == 0) horizon_ms = services_.transactions.expiry_horizon_ms();
    if (!page::has_expired(page::expiry_of(payload), horizon_ms)) return false;
  }
  if (!services_.transactions.seen_by_all(meta.txn())) return false;
  wal::LsnVector end;
  services_.transactions.add_dependency(meta.txn(), end);
  return end.covered_by(services_.log.durable());
}

Result<void> Table::visit_rows(FunctionRef<Result<void>(Bytes key, Bytes row)> visitor) {
  index::AnyCursor at = index_.cursor();
  std::string row;
  uint64_t horizon_ms = 0;
  Result<bool> more = at.first();
  for (; more && *more; more = at.next()) {
    {
      // Under its stripe: what has no record yet, and may be refused one, is not seen.
      os::LockGuard guard(stripe_of(at.key()).mutex);
      AETHER_TRY_ASSIGN(const bool found, find(at.key(), row));
      if (!found) continue;
    }
    const RecordMeta meta = page::meta_of(payload_of(row));
    if (may_go(row, horizon_ms)) {
      // One that stays for want of memory goes with the next image.
      static_cast<void>(take_ghost(at.key(), gsn_of(row)).has_value());
    } else if (!meta.removed() || services_.transactions.is_open(meta.txn())) {
      AETHER_TRY(visitor(at.key(), row));
    }
  }
  if (!more) return std::move(more).error();
  return {};
}

void Table::clear() noexcept {
  static_cast<void>(base::or_no_memory([&]() -> Result<void> {
                      index::AnyCursor at = index_.cursor();
                      Result<bool> more = at.first();
                      for (; more && *more; more = at.next()) AETHER_TRY(index_.remove(at.key()));
                      return {};
                    }).has_value());
  index_.collect();
}

uint64_t Table::row_bytes_max() const noexcept {
  constexpr uint64_t kHeads = 512;  // Of record, vector and part, about.
  const uint64_t record = services_.log.max_record_bytes();
  const uint64_t half = record > 2 * kHeads ? (record - kHeads) / 2 : 0;
  return std::min<uint64_t>(kRowBytesMax - page::kMetaBytes, half);
}

TableStats Table::stats() const noexcept {
  return {.rows = index_.keys(),
          .memory_bytes = index_.memory_bytes(),
          .memory_bytes_max = memory_bytes_max_.load(std::memory_order_relaxed),
          .log_bytes = static_cast<uint64_t>(log_bytes_.sum())};
}

}  // namespace aether::table
