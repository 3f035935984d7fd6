// Removing the rows of a range: a removal for each, in one transaction, whatever the store's kind.
#include <string>
#include <utility>
#include <vector>

#include "base/no_memory.h"
#include "db/env_impl.h"
#include "db/transaction_impl.h"
#include "index/btree/cursor.h"
#include "table/cursor.h"

namespace aether {
namespace db {
namespace {

/// What a walk keeps of keys before they are removed: a cursor that goes on over what changes seeks anew for each.
constexpr size_t kKeysAtOnce = 256;

/// What is left of a range.
struct Rest {
  std::string begin;
  std::string end;        ///< Empty: there is no end.
  bool is_begun = false;  ///< The row of `begin` has been met.
};

template <typename AnyCursor>
Result<void> gather(AnyCursor& cursor, const Rest& rest, std::vector<std::string>& keys) {
  keys.clear();
  cursor.set_limits(rest.begin, rest.end);
  AETHER_TRY_ASSIGN(bool more, cursor.seek(rest.begin));
  if (more && rest.is_begun && cursor.key() == rest.begin) {
    AETHER_TRY_ASSIGN(more, cursor.next());
  }
  while (more && (rest.end.empty() || cursor.key() < rest.end)) {
    keys.emplace_back(cursor.key());
    if (keys.size() == kKeysAtOnce) return {};
    AETHER_TRY_ASSIGN(more, cursor.next());
  }
  return {};
}

}  // namespace

Result<void> StoreImpl::gather_keys(TransactionImpl& txn, Bytes begin, Bytes end, bool is_begun,
                                    std::vector<std::string>& keys) {
  const Rest rest{std::string(begin), std::string(end), is_begun};
  if (table_ != nullptr) {
    table::TableCursor cursor(*table_, &txn.context());
    return gather(cursor, rest, keys);
  }
  index::BTreeCursor cursor(tree_, &txn.context());
  return gather(cursor, rest, keys);
}

Result<uint64_t> StoreImpl::remove_rows(TransactionImpl& txn, const Range& range) {
  uint64_t removed = 0;
  std::string begin(range.begin);
  const std::string end(range.end);
  std::vector<std::string> keys;
  for (bool is_begun = false;; is_begun = true) {
    AETHER_TRY(check());
    AETHER_TRY(gather_keys(txn, begin, end, is_begun, keys));
    for (const std::string& key : keys) {
      Result<void> written = write(&txn, index::WriteMode::remove, key, {});
      if (written) {
        ++removed;
      } else if (written.error().code() != Code::not_found) {  // At read_committed others may.
        return std::move(written).error();
      }
    }
    if (keys.size() < kKeysAtOnce) return removed;
    begin = keys.back();
  }
}

Result<uint64_t> StoreImpl::remove_range(TransactionImpl* txn, const Range& range) {
  if (txn != nullptr) {
    AETHER_TRY(txn->check_writable());
    AETHER_TRY_ASSIGN(const Savepoint before, txn->savepoint());
    Result<uint64_t> removed = base::or_no_memory([&] { return remove_rows(*txn, range); });
    if (!removed) AETHER_TRY(txn->rollback_to(before));
    AETHER_TRY(txn->release(before));
    return removed;
  }
  AETHER_TRY(check_writable());
  AETHER_TRY(env_.check_writable());
  if (lsm_ != nullptr) {
    AETHER_TRY_ASSIGN(const std::optional<uint64_t> removed, remove_by_run(range));
    if (removed) return *removed;
  }
  AETHER_TRY_ASSIGN(const TransactionPointer whole, env_.begin({}));
  AETHER_TRY_ASSIGN(const uint64_t removed, remove_rows(*whole, range));
  AETHER_TRY(whole->commit());
  env_.run_completions();
  return removed;
}

}  // namespace db

Result<uint64_t> KvStore::remove_range(const Range& range) {
  return base::or_no_memory([&] { return impl_->remove_range(nullptr, range); });
}

Result<uint64_t> KvStore::remove_range(Transaction& txn, const Range& range) {
  return base::or_no_memory([&]() -> Result<uint64_t> {
    AETHER_TRY_ASSIGN(db::TransactionImpl* const part, db::part_of(txn, *impl_));
    return impl_->remove_range(part, range);
  });
}

}  // namespace aether
