// Writing rows, and taking writes back.
//
// The index is changed before the record is appended: only that may fail for want of memory, and then nothing has happened.
// Nobody sees the row before its transaction has ended; if the log takes no record, the row before is put back.
#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/no_memory.h"
#include "base/planted.h"
#include "base/reached.h"
#include "index/btree/overflow.h"
#include "index/concept/size_limits.h"
#include "table/row.h"
#include "table/table.h"
#include "txn/version.h"

namespace aether::table {

using index::WriteKind;
using index::WriteMode;
using page::RecordMeta;
using txn::TransactionContext;

namespace {

std::string_view word_bytes(const uint64_t& word) noexcept {
  return {reinterpret_cast<const char*>(&word), sizeof word};
}

}  // namespace

struct Table::Change {
  TableOp op = TableOp::set;
  Bytes key;
  Bytes value;  ///< Not of a removal.
  uint8_t flags = 0;
  Bytes old_row;  ///< Empty: there is none.
};

struct Table::Given {
  index::WriteKind kind;
  Bytes body;         ///< Expiry if it has one, and value, or where it lies.
  uint8_t flags = 0;  ///< Of the row.
  bool has_lock = false;
  bool is_outside = false;
  index::OutsideBody outside;
  Bytes expiry = {};     ///< Of WriteMode::expire: what is given.
  Gsn copied_gsn = 0;    ///< Of the row whose value was copied to there, to expire at another time.
  bool is_used = false;  ///< A row refers to it.
};

Result<void> Table::check_arguments(WriteKind kind, Bytes key, Bytes value) const {
  const uint32_t key_max = index::BTree::key_bytes_max(services_.pool.page_bytes());
  if (key.size() > key_max) {
    return Error(Code::too_large, "a key of " + std::to_string(key.size()) +
                                      " bytes: the longest is " + std::to_string(key_max) +
                                      ", a quarter of the environment's page");
  }
  if (layers_ != nullptr && kind.mode != WriteMode::remove && value.size() > kMaxValueBytes) {
    return Error(Code::too_large,
                 "a value of " + std::to_string(value.size()) + " bytes: the largest is 1 GiB");
  }
  const uint64_t row_max = row_bytes_max();
  if (layers_ == nullptr && kind.mode != WriteMode::remove && key.size() + value.size() > row_max) {
    return Error(Code::too_large, "a row of " + std::to_string(key.size() + value.size()) +
                                      " bytes: a store in memory holds rows of up to " +
                                      std::to_string(row_max) +
                                      " (one log record must hold two); keep larger ones in a "
                                      "store of kind btree");
  }
  return {};
}

/// Only what grows is refused: removals and rollbacks go on, by which the bound may be passed.
Result<void> Table::check_bound() {
  if (layers_ != nullptr)
    return {};  // What is in memory goes to runs; who writes faster is made to wait.
  const uint64_t max = memory_bytes_max_.load(std::memory_order_relaxed);
  if (index_.memory_bytes() < max) [[likely]]
    return {};
  index_.collect();
  if (index_.memory_bytes() < max) return {};
  AETHER_REACHED("table.bound_reached");
  return Error(Code::no_memory,
               "the store in memory holds " + std::to_string(index_.memory_bytes()) +
                   " bytes of its " + std::to_string(max) +
                   ": remove keys, move cursors that stand still, or open it with a larger "
                   "StoreOptions::memory_bytes_max");
}

Gsn Table::next_gsn(const buffer::LogContext& context, const Stripe& stripe) const noexcept {
  return std::max({context.gsn, stripe.gsn, buffer::first_gsn(services_.log.epoch())}) + 1;
}

/// Before the record is appended, so that a checkpoint that reads the log position first misses nothing.
void Table::mark_dirty() noexcept {
  if (dirty_from_.load(std::memory_order_relaxed) != 0) return;
  LogPosition none = 0;
  dirty_from_.compare_exchange_strong(none, services_.log.append_position(),
                                      std::memory_order_seq_cst);
}

Result<bool> Table::write(TransactionContext& txn, WriteKind kind, Bytes key, Bytes value) {
  AETHER_TRY(check_arguments(kind, key, value));
  if (kind.mode != WriteMode::remove) AETHER_TRY(check_bound());
  Given given{.kind = kind, .body = value, .flags = kind.flags, .outside = {}, .expiry = value};
  if (kind.mode == WriteMode::expire && kind.expires())
    given.outside.expiry_ms = base::load<uint64_t>(value.data());
  // Written for nothing, whatever the way out: given back at the commit.
  const base::Unless needless([&] {
    if (given.is_outside && !given.is_used) index::free_value(txn, given.outside.reference);
  });
  if (lies_outside(kind, key, value)) {
    if (txn.single_record) return false;
    if (kind.expires()) given.outside.expiry_ms = index::take_expiry(value);
    AETHER_TRY(write_outside(txn, value, given));
  }
  for (os::Backoff backoff;;) {
    AETHER_TRY_ASSIGN(const Step step, try_write(txn, key, given));
    switch (step) {
      case Step::done: return true;
      case Step::needs_transaction: return false;
      case Step::needs_lock:
        AETHER_TRY(txn.lock(txn::LockName::key(store_, key), txn::LockMode::x));
        given.has_lock = true;
        break;
      case Step::being_written:
        AETHER_REACHED("lsm.writer_waits_for_a_value");
        backoff.wait();
        break;
      case Step::needs_value: AETHER_TRY(copy_outside(txn, key, given)); break;
    }
  }
}

/// Rows in memory alone hold all of their values.
bool Table::lies_outside(WriteKind kind, Bytes key, Bytes value) const noexcept {
  if (layers_ == nullptr || kind.mode >= WriteMode::remove) return false;
  return value.size() > layers_->inline_value_max() || key.size() + value.size() > row_bytes_max();
}

Result<void> Table::write_outside(TransactionContext& txn, Bytes value, Given& given) {
  base::make_room(txn.freed, 2);  // The new one, if it was written for nothing, and the old.
  AETHER_TRY_ASSIGN(given.outside.reference, index::write_overflow(services_, txn, store_, value));
  given.is_outside = true;
  given.body = given.outside.bytes(given.kind.expires());
  given.flags |= RecordMeta::kOverflow;
  return {};
}

/// A value outside has one owner, and the row that expires at another time becomes another: it gets a copy. Nothing, if the row has
/// changed meanwhile.
Result<void> Table::copy_outside(TransactionContext& txn, Bytes key, Given& given) {
  std::string row;
  AETHER_TRY_ASSIGN(const bool found, find(key, row));
  const std::optional<page::OverflowReference> reference = index::value_outside(payload_of(row));
  if (!found || !reference) return {};
  std::string value(page::value_of(payload_of(row)));
  bool is_same = true;
  const index::ReadView newest(services_, nullptr);
  AETHER_TRY(read_outside(value, newest, key, gsn_of(row), is_same));
  if (!is_same) return {};
  if (given.is_outside) {
    base::make_room(txn.freed);
    index::free_value(txn, given.outside.reference);
    given.is_outside = false;
  }
  AETHER_TRY(write_outside(txn, value, given));
  given.copied_gsn = gsn_of(row);
  return {};
}

/// With the value of the row that is there. `room`: for what it is then.
Result<Table::Step> Table::try_expire(TransactionContext& txn, Bytes key, Bytes old_row,
                                      Given& given, std::string& room) const {
  const Bytes payload = payload_of(old_row);
  const RecordMeta meta = page::meta_of(payload);
  if (meta.overflow()) {
    if (txn.single_record) return Step::needs_transaction;
    if (!given.is_outside || given.copied_gsn != gsn_of(old_row)) return Step::needs_value;
    given.flags = given.kind.flags | RecordMeta::kOverflow;
    given.body = given.outside.bytes(given.kind.expires());
    return Step::done;
  }
  room.append(given.expiry).append(page::value_of(payload, meta));
  if (key.size() + room.size() > row_bytes_max())
    return Error(Code::too_large, "the row has no room for an expiry: put it with one");
  given.flags = given.kind.flags;
  given.body = room;
  return Step::done;
}

Result<Table::Step> Table::try_write(TransactionContext& txn, Bytes key, Given& given) {
  const WriteKind kind = given.kind;
  Stripe& stripe = stripe_of(key);
  std::string old;
  os::LockGuard guard(stripe.mutex);
  // Under the stripe: who locks a row looks at it after it is counted.
  if (lockers_.load(std::memory_order_seq_cst) != 0 && !given.has_lock)
    return txn.single_record ? Step::needs_transaction : Step::needs_lock;
  Met met = Met::nothing;
  if (layers_ == nullptr) {
    AETHER_TRY_ASSIGN(const bool is_there, find(key, old));
    if (is_there) met = Met::replaced;
  } else {
    AETHER_TRY_ASSIGN(met, find_to_write(txn, kind.mode, stripe, key, old));
    if (met == Met::being_written) return Step::being_written;
  }
  const bool found = met != Met::nothing;
  if (found) AETHER_TRY(check_writer(txn, page::meta_of(payload_of(old)).txn()));
  const bool present = found && index::is_present(services_, txn, payload_of(old));
  const bool refused = present ? kind.mode == WriteMode::insert : kind.needs_row();
  if (refused) {
    remember(&txn, key);  // The answer is a read.
    return present ? Code::exists : Code::not_found;
  }
  std::string expiring;
  if (kind.mode == WriteMode::expire) {
    AETHER_TRY_ASSIGN(const Step step, try_expire(txn, key, old, given, expiring));
    if (step != Step::done) return step;
  }
  const bool removes = kind.mode == WriteMode::remove;
  const Change change{.op = removes ? TableOp::remove : TableOp::set,
                      .key = key,
                      .value = removes ? Bytes() : given.body,
                      .flags = removes ? RecordMeta::kRemoved : given.flags,
                      .old_row = met == Met::replaced ? Bytes(old) : Bytes()};
  // What lies outside goes with a commit that names its pages.
  if (txn.single_record && index::value_outside(payload_of(change.old_row)))
    return Step::needs_transaction;
  AETHER_TRY(write_row(txn, stripe, change));
  given.is_used = (change.flags & RecordMeta::kOverflow) != 0;
  return Step::done;
}

/// Everything that needs memory comes first; when the record is appended nothing may fail.
Result<void> Table::write_row(TransactionContext& txn, Stripe& stripe, const Change& change) {
  const Bytes before = payload_of(change.old_row);
  const bool is_lone = txn.single_record;
  if (!is_lone &&
      txn.undo.memory_bytes() + change.key.size() + before.size() > txn.undo_bytes_max) {
    return Error(Code::too_large,
                 "the transaction needs more than transaction_bytes_max (" +
                     std::to_string(txn.undo_bytes_max) +
                     " bytes) to roll back: abort it, and split the work or raise the option");
  }
  const bool removes = change.op == TableOp::remove;
  const uint64_t meta = RecordMeta(txn.id(), change.flags).word();
  const std::optional<page::OverflowReference> outside = index::value_outside(before);
  if (outside) {
    AETHER_TRY(index::check_freed(txn));
    base::make_room(txn.freed);
  }
  const Gsn gsn = next_gsn(txn.log, stripe);
  const TxnId writer = page::meta_of(before).txn();
  std::string row;
  make_row(row, gsn, word_bytes(meta), change.value);
  const bool leaves_ghost = removes && layers_ == nullptr;  // Layers need it: it hides older rows.
  std::string ghost_key(leaves_ghost ? change.key : Bytes());
  if (leaves_ghost) base::make_room(txn.ghosts);
  if (!is_lone) txn.undo.make_room();
  txn::OwnedVersion version;
  if (!is_lone || !before.empty()) version.reset(txn::Version::make(store_, change.key, before));
  const auto keep_undo = [&](Lsn previous) {
    if (is_lone) {
      if (version != nullptr) txn.versions.push_back(version.release());
      return;
    }
    txn.undo.push({.manager = wal::ResourceManager::table,
                   .op = static_cast<uint8_t>(change.op),
                   .lsn = txn.log.last_lsn,
                   .previous = previous,
                   .key = {},
                   .before = {},
                   .version = version.release()});
  };
  if (!is_lone) txn.pin(services_.transactions);
  // What it wrote itself is no version that anybody could see.
  const bool has_readers = !before.empty() && writer != txn.id();
  if (has_readers && !AETHER_PLANTED("txn.forget_version"))
    services_.versions.link(*version, writer, txn.id());
  index::AnyIndex& index = layers_ == nullptr ? index_ : layers_->active(change.key);
  if (Result<void> put = index.put(change.key, row); !put) {
    if (version != nullptr) services_.versions.unlink(*version);
    return put;
  }
  mark_dirty();
  const Lsn previous = txn.log.last_lsn;
  const TablePart part(change.op, store_, gsn_of(change.old_row), change.key, word_bytes(meta),
                       change.value);
  const size_t undo_count = is_lone || before.empty() ? 0 : 1;
  const auto flags = static_cast<uint8_t>(wal::kFlagRow | (is_lone ? wal::kFlagCommits : 0));
  const buffer::ChangeKind kind{.flags = flags};
  Result<void> logged = buffer::log_row_change(services_.log, txn.log, kind, gsn, part.spec(),
                                               {&before, undo_count});
  if (!logged) {
    AETHER_REACHED("table.log_takes_no_record");
    if (put_back(index, change.key, change.old_row)) {
      if (version != nullptr) services_.versions.unlink(*version);
    } else {
      // Then it stays as an open transaction's, and its rollback tries again; a lone write has none, and says so.
      ++txn.writes;
      keep_undo(previous);
    }
    return logged;
  }
  stripe.gsn = gsn;
  ++txn.writes;
  count_record(txn.log);
  keep_undo(previous);
  if (outside) index::free_value(txn, *outside);
  if (leaves_ghost) txn.ghosts.push_back({store_, std::move(ghost_key), true});
  return {};
}

/// Empty: there was none.
Result<void> Table::put_back(index::AnyIndex& index, Bytes key, Bytes old_row) {
  return old_row.empty() ? index.remove(key) : index.put(key, old_row);
}

Result<void> Table::undo(TransactionContext& txn, const txn::UndoEntry& entry) {
  Stripe& stripe = stripe_of(entry.key);
  std::string now;
  os::LockGuard guard(stripe.mutex);
  AETHER_TRY_ASSIGN(const bool found, find_own(entry.key, now));
  if (!found || page::meta_of(payload_of(now)).txn() != txn.id()) {
    return Error(Code::corruption, "undo: store " + std::to_string(store_) +
                                       " does not hold the row that transaction " +
                                       std::to_string(txn.id()) + " wrote");
  }
  if (!entry.before.empty() && entry.before.size() < page::kMetaBytes) {
    return Error(Code::corruption, "undo: what the row of store " + std::to_string(store_) +
                                       " was before transaction " + std::to_string(txn.id()) +
                                       " is cut short");
  }
  const Gsn gsn = next_gsn(txn.log, stripe);
  std::string row;
  if (!entry.before.empty()) make_row(row, gsn, entry.before, {});
  index::AnyIndex& index = home(entry.key);
  AETHER_TRY(put_back(index, entry.key, row));
  mark_dirty();
  const TableOp op = entry.before.empty()                    ? TableOp::erase
                     : page::meta_of(entry.before).removed() ? TableOp::remove
                                                             : TableOp::set;
  const TablePart part(op, store_, gsn_of(now), entry.key, entry.before, {});
  const buffer::ChangeKind kind{
      .type = wal::RecordType::clr,
      .link = AETHER_PLANTED("txn.clr_link_wrong") ? entry.lsn : entry.previous};
  Result<void> logged = buffer::log_row_change(services_.log, txn.log, kind, gsn, part.spec());
  if (!logged) {
    // The row is still its transaction's: readers find the version before, and who tries again finds it.
    static_cast<void>(index.put(entry.key, now).has_value());
    return logged;
  }
  // Who has met it in neither place finds the row changed.
  if (entry.version != nullptr) services_.versions.unlink(*entry.version);
  stripe.gsn = gsn;
  count_record(txn.log);
  ++txn.writes;
  return {};
}

Result<void> Table::purge(Bytes key, TxnId owner) {
  if (layers_ != nullptr)
    return {};  // It hides what lies below. Recovery does not know layers from others.
  std::string row;
  os::LockGuard guard(stripe_of(key).mutex);
  AETHER_TRY_ASSIGN(const bool found, find(key, row));
  const RecordMeta meta = page::meta_of(payload_of(row));
  if (!found || !meta.removed() || meta.txn() != owner) return {};
  return index_.remove(key);
}

Result<void> Table::take_ghost(Bytes key, Gsn gsn) {
  std::string row;
  os::LockGuard guard(stripe_of(key).mutex);
  AETHER_TRY_ASSIGN(const bool found, find(key, row));
  if (!found || gsn_of(row) != gsn) return {};
  return index_.remove(key);
}

}  // namespace aether::table
