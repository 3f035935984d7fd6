// Stores and cursors: the public calls over the tree.
#include "aether/store.h"

#include <utility>

#include "db/env_impl.h"
#include "db/transaction_impl.h"
#include "index/btree/cursor.h"

namespace aether {
namespace db {

class CursorImpl {
 public:
  CursorImpl(StoreImpl& store, TransactionImpl* txn)
      : txn_(txn), cursor_(store.tree(), txn == nullptr ? nullptr : &txn->context()) {}
  /// A cursor must not be used after its transaction has ended.
  Result<void> check() const { return txn_ == nullptr ? Result<void>() : txn_->check_active(); }
  index::BTreeCursor& cursor() noexcept { return cursor_; }

 private:
  TransactionImpl* txn_;
  index::BTreeCursor cursor_;
};

StoreImpl::StoreImpl(EnvImpl& env, std::string name, StoreId id, buffer::Frame& root)
    : env_(env), name_(std::move(name)), tree_(env.services(), id, root) {}

Result<void> StoreImpl::write(TransactionImpl* txn, index::WriteMode mode, Bytes key, Bytes value) {
  if (dropped_.load(std::memory_order_relaxed)) {
    return Error(Code::not_found, "store '" + name_ + "' has been dropped");
  }
  if (txn != nullptr) {
    AETHER_TRY(txn->check_writable());
    env_.pace_log();
    Result<bool> written = tree_.write(txn->context(), mode, key, value);
    if (written) return {};
    if (written.error().code() == Code::conflict)
      env_.conflicts_.fetch_add(1, std::memory_order_relaxed);
    return std::move(written).error();
  }
  // Alone: one record that is change and commit in one, unless overflow pages come into it.
  AETHER_TRY(env_.check_writable());
  env_.pace_log();
  index::Services& services = env_.services();
  txn::TransactionContext single;
  single.single_record = true;
  single.log.txn = services.transactions.draw_id();
  single.log.stream = env_.stream_of_caller();
  AETHER_TRY_ASSIGN(const bool done, tree_.write(single, mode, key, value));
  if (done) {
    const Durability durability = env_.options().durability;
    if (durability == Durability::none) return {};
    return services.log.wait_durable(single.log.lsn_vector, durability == Durability::group);
  }
  AETHER_TRY_ASSIGN(const std::unique_ptr<TransactionImpl> whole, env_.begin({}));
  AETHER_TRY(tree_.write(whole->context(), mode, key, value));
  return whole->commit();
}

}  // namespace db

namespace {

/// The index's view of a transaction; null without one. Errors: closed.
Result<txn::TransactionContext*> context_of(Transaction& txn) {
  AETHER_TRY(txn.impl().check_active());
  return &txn.impl().context();
}

}  // namespace

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
  return impl_->tree().get(key, value, nullptr);
}

Result<void> KvStore::get(Transaction& txn, Bytes key, std::string& value) const {
  AETHER_TRY_ASSIGN(txn::TransactionContext * context, context_of(txn));
  return impl_->tree().get(key, value, context);
}

Result<void> KvStore::visit(Bytes key, FunctionRef<void(Bytes)> visitor) const {
  return impl_->tree().visit(key, visitor, nullptr);
}

Result<void> KvStore::visit(Transaction& txn, Bytes key, FunctionRef<void(Bytes)> visitor) const {
  AETHER_TRY_ASSIGN(txn::TransactionContext * context, context_of(txn));
  return impl_->tree().visit(key, visitor, context);
}

Result<void> KvStore::put(Bytes key, Bytes value) {
  return impl_->write(nullptr, index::WriteMode::put, key, value);
}
Result<void> KvStore::put(Transaction& txn, Bytes key, Bytes value) {
  return impl_->write(&txn.impl(), index::WriteMode::put, key, value);
}
Result<void> KvStore::insert(Bytes key, Bytes value) {
  return impl_->write(nullptr, index::WriteMode::insert, key, value);
}
Result<void> KvStore::insert(Transaction& txn, Bytes key, Bytes value) {
  return impl_->write(&txn.impl(), index::WriteMode::insert, key, value);
}
Result<void> KvStore::update(Bytes key, Bytes value) {
  return impl_->write(nullptr, index::WriteMode::update, key, value);
}
Result<void> KvStore::update(Transaction& txn, Bytes key, Bytes value) {
  return impl_->write(&txn.impl(), index::WriteMode::update, key, value);
}
Result<void> KvStore::remove(Bytes key) {
  return impl_->write(nullptr, index::WriteMode::remove, key, {});
}
Result<void> KvStore::remove(Transaction& txn, Bytes key) {
  return impl_->write(&txn.impl(), index::WriteMode::remove, key, {});
}

namespace {

Result<uint64_t> run_scan(Cursor cursor, const Range& range,
                          FunctionRef<bool(Bytes key, Bytes value)> visitor) {
  Result<bool> more = false;
  if (!range.reverse) {
    more = cursor.seek(range.begin);
  } else if (range.end.empty()) {
    more = cursor.last();
  } else {
    more = cursor.seek_for_prev(range.end);
    if (more && *more && cursor.key() == range.end) more = cursor.prev();
  }
  uint64_t visited = 0;
  for (; more && *more; more = range.reverse ? cursor.prev() : cursor.next()) {
    const Bytes key = cursor.key();
    const bool outside = range.reverse ? key < range.begin : !range.end.empty() && key >= range.end;
    if (outside) break;
    Result<Bytes> value = cursor.value();
    if (!value && value.error().code() == Code::not_found)
      continue;  // Removed since: not a row any more.
    AETHER_TRY_ASSIGN(const Bytes bytes, std::move(value));
    ++visited;
    if (!visitor(key, bytes)) break;
  }
  if (!more) return std::move(more).error();
  return visited;
}

}  // namespace

Result<uint64_t> KvStore::scan(const Range& range, FunctionRef<bool(Bytes, Bytes)> visitor) const {
  return run_scan(cursor(), range, visitor);
}

Result<uint64_t> KvStore::scan(Transaction& txn, const Range& range,
                               FunctionRef<bool(Bytes, Bytes)> visitor) const {
  AETHER_TRY(txn.impl().check_active());
  return run_scan(cursor(txn), range, visitor);
}

Cursor KvStore::cursor() const { return Cursor(std::make_unique<db::CursorImpl>(*impl_, nullptr)); }

Cursor KvStore::cursor(Transaction& txn) const {
  return Cursor(std::make_unique<db::CursorImpl>(*impl_, &txn.impl()));
}

Result<uint64_t> KvStore::bulk_load(FunctionRef<bool(Bytes& key, Bytes& value)> next) {
  db::EnvImpl& env = impl_->env();
  AETHER_TRY(env.check_writable());
  index::Services& services = env.services();
  buffer::LogContext context;
  context.stream = env.stream_of_caller();
  AETHER_TRY_ASSIGN(const uint64_t rows,
                    impl_->tree().bulk_load(context, services.transactions.draw_id(),
                                            [&](Bytes& key, Bytes& value) -> Result<bool> {
                                              return next(key, value);
                                            }));
  AETHER_TRY(services.log.wait_durable(context.lsn_vector));
  return rows;
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

Cursor::Cursor(std::unique_ptr<db::CursorImpl> impl) noexcept : impl_(std::move(impl)) {}
Cursor::Cursor(Cursor&&) noexcept = default;
Cursor& Cursor::operator=(Cursor&&) noexcept = default;
Cursor::~Cursor() = default;

Result<bool> Cursor::seek(Bytes key) {
  AETHER_TRY(impl_->check());
  return impl_->cursor().seek(key);
}
Result<bool> Cursor::seek_for_prev(Bytes key) {
  AETHER_TRY(impl_->check());
  return impl_->cursor().seek_for_prev(key);
}
Result<bool> Cursor::first() {
  AETHER_TRY(impl_->check());
  return impl_->cursor().first();
}
Result<bool> Cursor::last() {
  AETHER_TRY(impl_->check());
  return impl_->cursor().last();
}
Result<bool> Cursor::next() {
  AETHER_TRY(impl_->check());
  return impl_->cursor().next();
}
Result<bool> Cursor::prev() {
  AETHER_TRY(impl_->check());
  return impl_->cursor().prev();
}
bool Cursor::positioned() const noexcept { return impl_->cursor().positioned(); }
Bytes Cursor::key() const noexcept { return impl_->cursor().key(); }
Result<Bytes> Cursor::value() {
  AETHER_TRY(impl_->check());
  return impl_->cursor().value();
}

}  // namespace aether
