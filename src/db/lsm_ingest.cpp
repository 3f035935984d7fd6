// What comes to a store of runs as runs at once: a bulk load, and the removal of many rows that lie in runs (decision 0031).
#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/no_memory.h"
#include "base/reached.h"
#include "db/env_impl.h"
#include "db/lsm_store.h"
#include "db/transaction_impl.h"
#include "index/btree/overflow.h"
#include "lsm/ingest.h"
#include "lsm/tree_row.h"
#include "table/cursor.h"
#include "table/row.h"

namespace aether::db {
namespace {

/// Fewer rows are removed one by one: a run costs a sync, and its reader a look.
constexpr uint64_t kRowsByRunMin = 1000;
/// Rows in memory have to be written out first; so for a share of the nursery's rows, of this many bytes each.
constexpr uint64_t kNurseryBytesARow = 256;

}  // namespace

/// A transaction that has no snapshot, and whose rows are runs.
Result<TransactionPointer> StoreImpl::begin_ingest() {
  AETHER_TRY_ASSIGN(TransactionPointer whole, env_.begin({.durability = Durability::group,
                                                          .env_durability = false,
                                                          .isolation = Isolation::read_committed}));
  AETHER_TRY(check_writable());  // Who drops the store marks it, then counts who is open.
  whole->context().undo_bytes_max = ~uint64_t{0} >> 1;  // References to extents.
  return whole;
}

Result<void> StoreImpl::end_ingest(lsm::Ingest& ingest, TransactionImpl& whole,
                                   const Range& range) {
  const auto commit = [&](FunctionRef<Result<void>()> edit, FunctionRef<void()> publish) {
    return whole.commit_below(*table_, range, edit, publish);
  };
  AETHER_TRY(ingest.end(range.begin, range.end, commit));
  env_.lsm_worker().wake();
  env_.run_completions();
  return {};
}

namespace {

Error out_of_order(uint64_t row) {
  std::string text("bulk_load: the key of row ");
  text.append(std::to_string(row)).append(" is not above the one before");
  return {Code::invalid_argument, std::move(text)};
}

}  // namespace

Result<void> StoreImpl::load_row(lsm::Ingest& ingest, TransactionImpl& whole, Bytes key,
                                 Bytes value) {
  AETHER_TRY(table_->check_row(key, value));
  txn::TransactionContext& txn = whole.context();
  if (txn.pinned) {
    AETHER_TRY(env_.check_log_share(txn));
    AETHER_TRY(env_.pace_log(false));
  }
  if (!table_->lies_outside(key, value))
    return ingest.add({.key = key, .kind = lsm::EntryKind::value, .value = value});
  AETHER_TRY_ASSIGN(const page::OverflowReference reference,
                    index::write_overflow(env_.services(), txn, id(), value));
  const std::string apart = lsm::apart_value(
      {reinterpret_cast<const char*>(&reference), sizeof reference}, true);
  AETHER_TRY(ingest.add({.key = key, .kind = lsm::EntryKind::value_apart, .value = apart}));
  lsm_->upkeep().count_outside(value.size());
  return {};
}

Result<uint64_t> StoreImpl::load_runs(FunctionRef<bool(Bytes& key, Bytes& value)> next) {
  AETHER_TRY_ASSIGN(const bool in_memory, lsm_->tree().has_in_memory({}, {}));
  if (in_memory) AETHER_TRY(lsm_->flush_all());
  AETHER_TRY_ASSIGN(const TransactionPointer whole, begin_ingest());
  lsm::Ingest ingest(lsm_->upkeep(), whole->context(), lsm::Ingest::Kind::rows);
  AETHER_TRY(table_->check_below({}, {}));
  {
    table::TableCursor rows(*table_, nullptr);
    AETHER_TRY_ASSIGN(const bool is_filled, rows.first());
    if (is_filled) {
      return Error(Code::exists, "store '" + name_ + "' has rows: bulk_load fills an empty one");
    }
  }
  uint64_t rows = 0;
  for (Bytes key, value; next(key, value); ++rows) {
    if (rows > 0 && key <= ingest.largest_key()) return out_of_order(rows);
    AETHER_TRY(load_row(ingest, *whole, key, value));
  }
  if (rows == 0) return 0;
  const std::string begin(ingest.smallest_key());
  std::string end(ingest.largest_key());
  end.push_back('\0');
  AETHER_TRY(end_ingest(ingest, *whole, {.begin = begin, .end = end}));
  return rows;
}

namespace {

/// Rows of a range as they are now, the newest of each key, whoever wrote it.
class NewestRows {
 public:
  NewestRows(table::Table& table, const Range& range)
      : table_(table),
        at_(table.cursor()),
        range_(range),
        now_ms_(table.services().transactions.now_ms()) {}

  Result<bool> first() { return arrive(at_.seek(range_.begin)); }
  Result<bool> next() {
    removals_ = is_removal_ ? removals_ + 1 : 0;
    if (removals_ != kRemovalsBeforeALook) return arrive(at_.next());
    removals_ = 0;
    from_.assign(at_.key());
    from_.push_back('\0');
    AETHER_TRY_ASSIGN(const bool passes, table_.pass_removed(
                                             from_, [](TxnId) { return true; }, next_));
    return arrive(passes ? at_.seek(next_) : at_.next());
  }
  Bytes key() const noexcept { return at_.key(); }
  bool is_of_run() const noexcept { return is_of_run_; }
  /// Or has expired.
  bool is_removal() const noexcept { return is_removal_; }

 private:
  Result<bool> arrive(Result<bool> moved) {
    if (!moved || !*moved || (!range_.end.empty() && at_.key() >= range_.end))
      return moved ? Result<bool>(false) : std::move(moved);
    AETHER_TRY_ASSIGN(const Bytes row, at_.value());
    is_of_run_ = table::is_of_run(row);
    const Bytes payload = table::payload_of(row);
    is_removal_ = page::meta_of(payload).removed() ||
                  page::has_expired(page::expiry_of(payload), now_ms_);
    return true;
  }

  static constexpr uint32_t kRemovalsBeforeALook = 64;
  table::Table& table_;
  index::AnyCursor at_;
  const Range range_;
  const uint64_t now_ms_;
  uint32_t removals_ = 0;  ///< One after another.
  std::string from_;
  std::string next_;
  bool is_of_run_ = false;
  bool is_removal_ = false;
};

}  // namespace

/// Whether it has so many rows that a run of removals is less work than they are one by one.
Result<bool> StoreImpl::has_many(const Range& range) {
  AETHER_TRY_ASSIGN(const bool in_memory, lsm_->tree().has_in_memory(range.begin, range.end));
  const uint64_t nursery_rows = lsm_->upkeep().nursery_bytes_max() / kNurseryBytesARow;
  uint64_t wanted = in_memory ? std::max(kRowsByRunMin, nursery_rows) : kRowsByRunMin;
  NewestRows rows(*table_, range);
  AETHER_TRY_ASSIGN(bool more, rows.first());
  while (more) {
    if (!rows.is_removal() && --wanted == 0) return true;
    AETHER_TRY_ASSIGN(more, rows.next());
  }
  return false;
}

/// What is removed is what is there at the end: nothing in the range changes between the look at a row and the commit, or else nothing
/// is done.
Result<std::optional<uint64_t>> StoreImpl::remove_by_run(const Range& range) {
  constexpr std::optional<uint64_t> kOneByOne;
  if (!range.end.empty() && range.end <= range.begin) return kOneByOne;
  AETHER_TRY_ASSIGN(const bool is_worth_it, has_many(range));
  if (!is_worth_it) return kOneByOne;
  AETHER_TRY_ASSIGN(const bool in_memory, lsm_->tree().has_in_memory(range.begin, range.end));
  if (in_memory) AETHER_TRY(lsm_->flush_all());
  AETHER_TRY_ASSIGN(const TransactionPointer whole, begin_ingest());
  lsm::Ingest ingest(lsm_->upkeep(), whole->context(), lsm::Ingest::Kind::removals);
  uint64_t removed = 0;
  NewestRows rows(*table_, range);
  AETHER_TRY_ASSIGN(bool more, rows.first());
  while (more) {
    if (!rows.is_of_run()) return kOneByOne;
    if (!rows.is_removal()) {
      AETHER_TRY(ingest.add({.key = rows.key(), .kind = lsm::EntryKind::tombstone, .value = {}}));
      ++removed;
    }
    AETHER_TRY_ASSIGN(more, rows.next());
  }
  if (removed == 0) return kOneByOne;
  Result<void> ended = end_ingest(ingest, *whole, range);
  if (ended) {
    AETHER_REACHED("lsm.range_removed_by_a_run");
    return std::optional<uint64_t>(removed);
  }
  if (ended.error().code() != Code::busy) return std::move(ended).error();
  AETHER_REACHED("lsm.range_removed_one_by_one");
  return kOneByOne;
}

}  // namespace aether::db
