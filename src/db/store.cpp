// Stores and cursors: the public calls over the tree.
#include "aether/store.h"

#include <optional>
#include <utility>

#include "base/no_memory.h"
#include "db/env_impl.h"
#include "db/transaction_impl.h"
#include "index/btree/cursor.h"
#include "index/btree/read_view.h"
#include "table/cursor.h"

namespace aether {
namespace db {

namespace {

Error why_no_part(Transaction& txn, StoreImpl& store) {
  if (!txn.active()) {
    return {Code::closed,
            "the transaction has ended or was moved to another object: begin another"};
  }
  return {Code::invalid_argument, "the transaction belongs to environment " +
                                      txn.impl().env().home() + ", store '" + store.name() +
                                      "' to " + store.env().home()};
}

/// `txn` as one to which `store` may belong. Errors: closed; invalid_argument (of another environment).
inline Result<TransactionImpl*> locker_of(Transaction& txn, StoreImpl& store) {
  if (txn.active() && &txn.impl().env() == &store.env()) [[likely]]
    return &txn.impl();
  return why_no_part(txn, store);
}

}  // namespace

Result<TransactionImpl*> part_of(Transaction& txn, StoreImpl& store) {
  AETHER_TRY_ASSIGN(TransactionImpl * impl, locker_of(txn, store));
  impl->note_use();
  return impl;
}

namespace {

/// The index's view of that.
Result<txn::TransactionContext*> context_of(Transaction& txn, StoreImpl& store) {
  AETHER_TRY_ASSIGN(TransactionImpl * impl, part_of(txn, store));
  return &impl->context();
}

}  // namespace

class CursorImpl {
 public:
  explicit CursorImpl(StoreImpl& store, TransactionImpl* txn = nullptr)
      : store_(store), txn_(txn) {}
  CursorImpl(StoreImpl& store, Transaction& txn, std::shared_ptr<TransactionImpl> impl)
      : store_(store) {
    Result<TransactionImpl*> part = part_of(txn, store);
    if (part) {
      txn_ = *part;
      owner_ = std::move(impl);
    } else {
      refusal_.emplace(std::move(part).error());
    }
  }
  /// Whether it may move. Errors: closed, not_found (the store is dropped), invalid_argument.
  Result<void> check() {
    AETHER_TRY(store_.check());
    if (refusal_) return refusal_->clone();
    if (txn_ != nullptr) AETHER_TRY(txn_->check_active());
    return {};
  }
  bool is_of_table() const noexcept { return store_.table() != nullptr; }
  /// After `check`. The tree's cursor, or the table's.
  index::BTreeCursor& of_tree() {
    if (!cursor_) {
      cursor_.emplace(store_.tree(), context());
      cursor_->set_limits(range_.begin, range_.end);
    }
    return *cursor_;
  }
  table::TableCursor& of_table() {
    if (table_cursor_ == nullptr) {
      table_cursor_ = std::make_unique<table::TableCursor>(*store_.table(), context());
      table_cursor_->set_limits(range_.begin, range_.end);
    }
    return *table_cursor_;
  }
  /// For a scan of `range`, which outlives it.
  void set_limits(const Range& range) noexcept { range_ = range; }
  bool positioned() const noexcept {
    if (table_cursor_ != nullptr) [[unlikely]]
      return table_cursor_->positioned();
    return cursor_ && cursor_->positioned();
  }
  Bytes key() const noexcept {
    if (table_cursor_ != nullptr) [[unlikely]]
      return table_cursor_->key();
    return cursor_ ? cursor_->key() : Bytes();
  }

 private:
  txn::TransactionContext* context() noexcept {
    return txn_ == nullptr ? nullptr : &txn_->context();
  }

  StoreImpl& store_;
  TransactionImpl* txn_ = nullptr;          ///< Null: none.
  std::shared_ptr<TransactionImpl> owner_;  ///< Of a transaction that may go before the cursor.
  Range range_;
  std::optional<Error> refusal_;  ///< It was made for a transaction that cannot be used.
  std::optional<index::BTreeCursor> cursor_;  ///< From the first move on.
  std::unique_ptr<table::TableCursor> table_cursor_;
};

StoreImpl::StoreImpl(EnvImpl& env, std::string name, StoreId id, buffer::Frame& root,
                     std::unique_ptr<table::Table> table, IndexKind kind,
                     std::unique_ptr<LsmStore> lsm)
    : env_(env),
      name_(std::move(name)),
      tree_(env.services(), id, root,
            kind == IndexKind::rax_paged ? index::Growth::radix : index::Growth::balanced),
      lsm_(std::move(lsm)),
      table_(std::move(table)),
      kind_(kind) {
  if (lsm_ != nullptr) lsm_->attach(*this);
}

Error StoreImpl::why_not() const {
  if (Result<void> open = env_.check_open(); !open && !process_.is_here())
    return std::move(open).error();
  const std::string store = "store '" + name_ + "'";
  switch (state_.load(std::memory_order_relaxed)) {
    case State::dropped: return Error(Code::not_found, store + " has been dropped");
    case State::closed:
      return Error(Code::closed, store + ": its environment is closed: open it again");
    case State::open:  // Again, since the caller looked.
    case State::dropping: break;
  }
  return Error(Code::busy, store + " is about to be dropped: retry");
}

Result<void> StoreImpl::write(TransactionImpl* txn, index::WriteKind kind, Bytes key,
                              const Bytes& value) {
  Result<void> written = txn != nullptr ? write_in(*txn, kind, key, value)
                                        : write_alone(kind, key, value);
  if (!written && written.error().code() == Code::conflict) [[unlikely]]
    env_.conflicts_.fetch_add(1, std::memory_order_relaxed);
  if (!written && txn != nullptr) [[unlikely]]
    txn->blame(written.error());
  return written;
}

Result<void> StoreImpl::write_in(TransactionImpl& txn, index::WriteKind kind, Bytes key,
                                 const Bytes& value) {
  AETHER_TRY(check_writable());
  AETHER_TRY(txn.check_writable());
  AETHER_TRY(env_.check_log_share(txn.context()));
  AETHER_TRY(env_.pace_log(kind.mode == index::WriteMode::remove));
  AETHER_TRY(write_row(txn.context(), kind, key, value));
  return {};
}

/// One record that is change and commit in one, unless overflow pages come into it, or locks.
Result<void> StoreImpl::write_alone(index::WriteKind kind, Bytes key, const Bytes& value) {
  AETHER_TRY(check_writable());
  AETHER_TRY(env_.check_writable());
  AETHER_TRY(env_.pace_log(kind.mode == index::WriteMode::remove));
  index::Services& services = env_.services();
  txn::TransactionContext single;
  single.single_record = true;
  single.log.stream = env_.stream_of_caller();
  AETHER_TRY_ASSIGN(const bool done, table_ == nullptr ? write_row(single, kind, key, value)
                                                       : write_lone_row(single, kind, key, value));
  if (done) {
    if (single.id() % txn::TransactionTable::kSettleIds == 0) [[unlikely]]
      services.transactions.settle_ended();
    if (!single.versions.empty() || !single.ghosts.empty()) env_.garbage().add(single);
    const Durability durability = env_.options().durability;
    if (durability == Durability::none) return {};
    Result<void> durable = services.log.wait_durable(single.log.lsn_vector,
                                                     durability == Durability::group);
    env_.run_completions();
    return durable;
  }
  AETHER_TRY_ASSIGN(const TransactionPointer whole,
                    env_.begin({.isolation = Isolation::read_committed}));
  AETHER_TRY(check_writable());  // Who drops the store marks it, then counts who is open.
  AETHER_TRY(write_row(whole->context(), kind, key, value));
  Result<void> committed = whole->commit();
  env_.run_completions();
  return committed;
}

/// A row that stands in the index before its record is in the log: until then its transaction is open.
Result<bool> StoreImpl::write_lone_row(txn::TransactionContext& single, index::WriteKind kind,
                                       Bytes key, Bytes value) {
  txn::TransactionTable& transactions = env_.services().transactions;
  AETHER_TRY_ASSIGN(single.log.txn, transactions.open());
  // Whatever the way out; but who cannot take the row back leaves it open.
  base::Unless unwritten([&] {
    if (single.writes == 0) transactions.forget(single.id());
  });
  AETHER_TRY(check_writable());  // Who drops the store marks it, then counts who is open.
  Result<bool> done = write_row(single, kind, key, value);
  if (!done && single.writes > 0) {
    env_.services().versions.keep(std::move(single.versions));
    env_.fail(done.error());
  }
  if (!done || !*done) return done;
  unwritten.dismiss();
  transactions.end(single.id(), single.log.lsn_vector);
  return true;
}

Result<uint64_t> StoreImpl::expiry(Bytes key, txn::TransactionContext* txn) {
  AETHER_TRY(check());
  if (table_ != nullptr) return table_->expiry(key, txn);
  index::ReadView view(env_.services(), txn);
  return tree_.expiry(key, view, txn);
}

}  // namespace db

// The public calls: what an allocation that fails inside becomes.

Result<std::string> KvStore::get(Bytes key) const {
  std::string value;
  AETHER_TRY(get(key, value));
  return value;
}

Result<std::string> KvStore::get(Transaction& txn, Bytes key) const {
  std::string value;
  AETHER_TRY(get(txn, key, value));
  return value;
}

Result<void> KvStore::get(Bytes key, std::string& value) const {
  return base::or_no_memory([&]() -> Result<void> {
    AETHER_TRY(impl_->check());
    if (table::Table* const table = impl_->table()) [[unlikely]]
      return table->get(key, value, nullptr);
    return impl_->tree().get(key, value, nullptr);
  });
}

Result<void> KvStore::get(Transaction& txn, Bytes key, std::string& value) const {
  return base::or_no_memory([&]() -> Result<void> {
    AETHER_TRY(impl_->check());
    AETHER_TRY_ASSIGN(txn::TransactionContext * context, db::context_of(txn, *impl_));
    if (table::Table* const table = impl_->table()) [[unlikely]]
      return table->get(key, value, context);
    return impl_->tree().get(key, value, context);
  });
}

Result<void> KvStore::visit(Bytes key, FunctionRef<void(Bytes)> visitor) const {
  return base::or_no_memory([&]() -> Result<void> {
    AETHER_TRY(impl_->check());
    if (table::Table* const table = impl_->table()) [[unlikely]]
      return table->visit(key, visitor, nullptr);
    return impl_->tree().visit(key, visitor, nullptr);
  });
}

Result<void> KvStore::visit(Transaction& txn, Bytes key, FunctionRef<void(Bytes)> visitor) const {
  return base::or_no_memory([&]() -> Result<void> {
    AETHER_TRY(impl_->check());
    AETHER_TRY_ASSIGN(txn::TransactionContext * context, db::context_of(txn, *impl_));
    if (table::Table* const table = impl_->table()) [[unlikely]]
      return table->visit(key, visitor, context);
    return impl_->tree().visit(key, visitor, context);
  });
}

namespace {

Result<void> write(db::StoreImpl& store, Transaction* txn, index::WriteKind kind, Bytes key,
                   const Bytes& value) {
  return base::or_no_memory([&]() -> Result<void> {
    db::TransactionImpl* part = nullptr;
    if (txn != nullptr) {
      AETHER_TRY_ASSIGN(part, db::part_of(*txn, store));
    }
    return store.write(part, kind, key, value);
  });
}

Result<void> write(db::StoreImpl& store, Transaction* txn, index::WriteMode mode, Bytes key,
                   Bytes value, const PutOptions& options) {
  if (options.expires_at_ms == 0) return write(store, txn, mode, key, value);
  return base::or_no_memory([&] {
    std::string body;
    index::append_body(body, options.expires_at_ms, value);
    return write(store, txn, {mode, page::RecordMeta::kExpires}, key, body);
  });
}

Result<void> take_lock(db::StoreImpl& store, Transaction& txn, const txn::LockName& name,
                       LockMode mode) {
  return base::or_no_memory([&]() -> Result<void> {
    AETHER_TRY_ASSIGN(db::TransactionImpl* const locker, db::locker_of(txn, store));
    return locker->lock(store, name, mode);
  });
}

}  // namespace

Result<void> KvStore::put(Bytes key, Bytes value) {
  return write(*impl_, nullptr, index::WriteMode::put, key, value);
}
Result<void> KvStore::put(Transaction& txn, Bytes key, Bytes value) {
  return write(*impl_, &txn, index::WriteMode::put, key, value);
}
Result<void> KvStore::insert(Bytes key, Bytes value) {
  return write(*impl_, nullptr, index::WriteMode::insert, key, value);
}
Result<void> KvStore::insert(Transaction& txn, Bytes key, Bytes value) {
  return write(*impl_, &txn, index::WriteMode::insert, key, value);
}
Result<void> KvStore::update(Bytes key, Bytes value) {
  return write(*impl_, nullptr, index::WriteMode::update, key, value);
}
Result<void> KvStore::update(Transaction& txn, Bytes key, Bytes value) {
  return write(*impl_, &txn, index::WriteMode::update, key, value);
}
Result<void> KvStore::put(Bytes key, Bytes value, const PutOptions& options) {
  return write(*impl_, nullptr, index::WriteMode::put, key, value, options);
}
Result<void> KvStore::put(Transaction& txn, Bytes key, Bytes value, const PutOptions& options) {
  return write(*impl_, &txn, index::WriteMode::put, key, value, options);
}
Result<void> KvStore::insert(Bytes key, Bytes value, const PutOptions& options) {
  return write(*impl_, nullptr, index::WriteMode::insert, key, value, options);
}
Result<void> KvStore::insert(Transaction& txn, Bytes key, Bytes value, const PutOptions& options) {
  return write(*impl_, &txn, index::WriteMode::insert, key, value, options);
}
Result<void> KvStore::update(Bytes key, Bytes value, const PutOptions& options) {
  return write(*impl_, nullptr, index::WriteMode::update, key, value, options);
}
Result<void> KvStore::update(Transaction& txn, Bytes key, Bytes value, const PutOptions& options) {
  return write(*impl_, &txn, index::WriteMode::update, key, value, options);
}
Result<void> KvStore::set_expiry(Bytes key, uint64_t at_ms) {
  return write(*impl_, nullptr, index::WriteMode::expire, key, {}, {.expires_at_ms = at_ms});
}
Result<void> KvStore::set_expiry(Transaction& txn, Bytes key, uint64_t at_ms) {
  return write(*impl_, &txn, index::WriteMode::expire, key, {}, {.expires_at_ms = at_ms});
}
Result<uint64_t> KvStore::expiry(Bytes key) const {
  return base::or_no_memory([&] { return impl_->expiry(key, nullptr); });
}
Result<uint64_t> KvStore::expiry(Transaction& txn, Bytes key) const {
  return base::or_no_memory([&]() -> Result<uint64_t> {
    AETHER_TRY_ASSIGN(txn::TransactionContext* const context, db::context_of(txn, *impl_));
    return impl_->expiry(key, context);
  });
}
Result<void> KvStore::remove(Bytes key) {
  return write(*impl_, nullptr, index::WriteMode::remove, key, {});
}
Result<void> KvStore::remove(Transaction& txn, Bytes key) {
  return write(*impl_, &txn, index::WriteMode::remove, key, {});
}

Result<std::string> KvStore::lock_for_update(Transaction& txn, Bytes key) {
  AETHER_TRY(lock(txn, key, LockMode::exclusive));
  return get(txn, key);
}
Result<void> KvStore::lock(Transaction& txn, Bytes key, LockMode mode) {
  return take_lock(*impl_, txn, txn::LockName::key(id(), key), mode);
}
Result<void> KvStore::lock_range(Transaction& txn, const Range& range, LockMode mode) {
  return take_lock(*impl_, txn, txn::LockName::range(id(), range.begin, range.end), mode);
}
Result<void> KvStore::lock_store(Transaction& txn, LockMode mode) {
  return take_lock(*impl_, txn, txn::LockName::of_store(id()), mode);
}

namespace {

template <typename AnyCursor>
Result<bool> go_to_first(AnyCursor& cursor, const Range& range) {
  if (!range.reverse) return cursor.seek(range.begin);
  if (range.end.empty()) return cursor.last();
  Result<bool> found = cursor.seek_for_prev(range.end);
  if (found && *found && cursor.key() == range.end) return cursor.prev();
  return found;
}

template <typename AnyCursor>
Result<uint64_t> run_scan(db::CursorImpl& scan, AnyCursor& cursor, const Range& range,
                          FunctionRef<bool(Bytes key, Bytes value)> visitor) {
  index::BTreeCursor::Visit visit{range.begin, range.end, !range.reverse, visitor};
  AETHER_TRY_ASSIGN(bool more, go_to_first(cursor, range));
  if (more) {
    AETHER_TRY_ASSIGN(more, cursor.visit_leaf(visit));
  }
  while (more) {
    AETHER_TRY(scan.check());  // The visitor may have ended what it needs.
    AETHER_TRY_ASSIGN(more, cursor.visit_on(visit));
  }
  return visit.visited;
}

Result<uint64_t> run_scan(db::CursorImpl& scan, const Range& range,
                          FunctionRef<bool(Bytes key, Bytes value)> visitor) {
  AETHER_TRY(scan.check());
  if (scan.is_of_table()) [[unlikely]]
    return run_scan(scan, scan.of_table(), range, visitor);
  return run_scan(scan, scan.of_tree(), range, visitor);
}

}  // namespace

Result<uint64_t> KvStore::scan(const Range& range, FunctionRef<bool(Bytes, Bytes)> visitor) const {
  return base::or_no_memory([&]() -> Result<uint64_t> {
    AETHER_TRY(impl_->check());
    if (impl_->table() != nullptr && !range.end.empty()) {
      // A range that filters know to be empty needs no moment to read at: it was empty at one.
      AETHER_TRY_ASSIGN(const bool may_have, impl_->table()->may_have(range.begin, range.end));
      if (!may_have) return uint64_t{0};
    }
    db::TransactionImpl moment(impl_->env(), {.read_only = true});
    AETHER_TRY(moment.open());
    Result<uint64_t> visited = [&] {
      db::CursorImpl cursor(*impl_, &moment);
      cursor.set_limits(range);
      return run_scan(cursor, range, visitor);
    }();
    moment.leave();
    return visited;
  });
}

Result<uint64_t> KvStore::scan(Transaction& txn, const Range& range,
                               FunctionRef<bool(Bytes, Bytes)> visitor) const {
  return base::or_no_memory([&]() -> Result<uint64_t> {
    db::CursorImpl cursor(*impl_, txn, txn.impl_);
    cursor.set_limits(range);
    return run_scan(cursor, range, visitor);
  });
}

Cursor KvStore::cursor() const {
  std::unique_ptr<db::CursorImpl> impl;
  const bool made = base::if_memory_allows(
      [&] { impl = std::make_unique<db::CursorImpl>(*impl_); });
  return Cursor(std::move(impl), made);
}

Cursor KvStore::cursor(Transaction& txn) const {
  std::unique_ptr<db::CursorImpl> impl;
  const bool made = base::if_memory_allows(
      [&] { impl = std::make_unique<db::CursorImpl>(*impl_, txn, txn.impl_); });
  return Cursor(std::move(impl), made);
}

Result<uint64_t> KvStore::bulk_load(FunctionRef<bool(Bytes& key, Bytes& value)> next) {
  return base::or_no_memory([&] { return impl_->bulk_load(next); });
}

/// One transaction, which has to fit into memory as any other. Durable when it returns, as every bulk load.
template <typename RowCursor>
Result<uint64_t> db::StoreImpl::load_rows(RowCursor& cursor, TransactionImpl& whole,
                                          FunctionRef<bool(Bytes& key, Bytes& value)> next) {
  AETHER_TRY_ASSIGN(const bool is_filled, cursor.first());
  if (is_filled) {
    return Error(Code::exists, "store '" + name_ + "' has rows: bulk_load fills an empty one");
  }
  uint64_t rows = 0;
  std::string last;
  for (Bytes key, value; next(key, value); ++rows) {
    if (rows > 0 && key <= last) {
      std::string text("bulk_load: the key of row ");
      text.append(std::to_string(rows)).append(" is not above the one before");
      return Error(Code::invalid_argument, std::move(text));
    }
    last = key;
    AETHER_TRY(write_in(whole, index::WriteMode::insert, key, value));
  }
  AETHER_TRY(whole.commit());
  env_.run_completions();
  return rows;
}

Result<uint64_t> db::StoreImpl::bulk_load(FunctionRef<bool(Bytes& key, Bytes& value)> next) {
  AETHER_TRY(check_writable());
  AETHER_TRY(env_.check_writable());
  if (lsm_ != nullptr) return load_runs(next);
  if (table_ != nullptr || kind_ == IndexKind::rax_paged) {
    AETHER_TRY_ASSIGN(const TransactionPointer whole,
                      env_.begin({.durability = Durability::group, .env_durability = false}));
    if (table_ != nullptr) {
      table::TableCursor cursor(*table_, &whole->context());
      return load_rows(cursor, *whole, next);
    }
    index::BTreeCursor cursor(tree_, &whole->context());
    return load_rows(cursor, *whole, next);
  }
  index::Services& services = env_.services();
  buffer::LogContext context;
  context.stream = env_.stream_of_caller();
  // Open while the rows are made: a snapshot of that time does not see them.
  AETHER_TRY_ASSIGN(context.txn, services.transactions.open());
  base::Unless loaded([&] { services.transactions.forget(context.txn); });
  Result<uint64_t> rows = tree_.bulk_load(
      context, [&](Bytes& key, Bytes& value) -> Result<bool> { return next(key, value); });
  if (!rows) return std::move(rows).error().with_context("store '" + name() + "'");
  loaded.dismiss();
  services.transactions.end(context.txn, context.lsn_vector);
  Result<void> durable = services.log.wait_durable(context.lsn_vector);
  env_.run_completions();
  AETHER_TRY(std::move(durable));
  return rows;
}

Result<void> KvStore::set_merge_policy(const LsmOptions& options) {
  return base::or_no_memory([&]() -> Result<void> {
    AETHER_TRY(impl_->check_writable());
    if (impl_->lsm() == nullptr) {
      return Error(Code::invalid_argument,
                   "store '" + impl_->name() + "' is not of kind lsm: it has no runs to merge");
    }
    return impl_->lsm()->upkeep().set_policy(lsm::policy_of(options));
  });
}

const std::string& KvStore::name() const noexcept { return impl_->name(); }
uint32_t KvStore::id() const noexcept { return impl_->id(); }

Range Range::prefix(Bytes prefix, std::string& storage) {
  storage.assign(prefix);
  // The least key above all that start with `prefix`: drop trailing 0xff bytes, add one to the last.
  while (!storage.empty() && static_cast<unsigned char>(storage.back()) == 0xff) storage.pop_back();
  if (!storage.empty())
    storage.back() = static_cast<char>(static_cast<unsigned char>(storage.back()) + 1);
  return {.begin = prefix, .end = storage};
}

Cursor::Cursor(std::unique_ptr<db::CursorImpl> impl, bool is_made) noexcept
    : impl_(std::move(impl)), is_made_(is_made) {}
Cursor::Cursor(Cursor&&) noexcept = default;
Cursor& Cursor::operator=(Cursor&&) noexcept = default;
Cursor::~Cursor() = default;

namespace {

/// Calls `call` with the store's cursor, if it may move.
template <typename Call>
auto use(const std::unique_ptr<db::CursorImpl>& impl, bool is_made, Call call)
    -> decltype(call(std::declval<index::BTreeCursor&>())) {
  return base::or_no_memory([&]() -> decltype(call(std::declval<index::BTreeCursor&>())) {
    if (!is_made) return Error(Code::no_memory, "there was no memory for the cursor: open another");
    if (impl == nullptr) return Error(Code::closed, "the cursor was moved to another object");
    AETHER_TRY(impl->check());
    if (impl->is_of_table()) [[unlikely]]
      return call(impl->of_table());
    return call(impl->of_tree());
  });
}

}  // namespace

Result<bool> Cursor::seek(Bytes key) {
  return use(impl_, is_made_, [&](auto& cursor) { return cursor.seek(key); });
}
Result<bool> Cursor::seek_for_prev(Bytes key) {
  return use(impl_, is_made_, [&](auto& cursor) { return cursor.seek_for_prev(key); });
}
Result<bool> Cursor::first() {
  return use(impl_, is_made_, [&](auto& cursor) { return cursor.first(); });
}
Result<bool> Cursor::last() {
  return use(impl_, is_made_, [&](auto& cursor) { return cursor.last(); });
}
Result<bool> Cursor::next() {
  return use(impl_, is_made_, [&](auto& cursor) { return cursor.next(); });
}
Result<bool> Cursor::prev() {
  return use(impl_, is_made_, [&](auto& cursor) { return cursor.prev(); });
}
Result<Bytes> Cursor::value() {
  return use(impl_, is_made_, [&](auto& cursor) { return cursor.value(); });
}
Result<uint64_t> Cursor::expiry() {
  uint64_t expiry = 0;
  Result<bool> asked = use(impl_, is_made_, [&](auto& cursor) -> Result<bool> {
    AETHER_TRY_ASSIGN(expiry, cursor.expiry());
    return true;
  });
  AETHER_TRY(std::move(asked));
  return expiry;
}
bool Cursor::positioned() const noexcept { return impl_ != nullptr && impl_->positioned(); }
Bytes Cursor::key() const noexcept { return impl_ != nullptr ? impl_->key() : Bytes(); }

}  // namespace aether
