// Reading many keys in one call.
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "aether/store.h"
#include "base/no_memory.h"
#include "db/env_impl.h"
#include "db/transaction_impl.h"

namespace aether {

using Visitor = FunctionRef<void(size_t index, const Bytes* value)>;
using Values = std::vector<std::optional<std::string>>;

Result<void> KvStore::multi_get(std::span<const Bytes> keys, Visitor visitor) const {
  return base::or_no_memory([&]() -> Result<void> {
    AETHER_TRY(impl_->check());
    db::TransactionImpl moment(impl_->env(), {.read_only = true});
    AETHER_TRY(moment.open());
    table::Table* const table = impl_->table();
    Result<void> read = table != nullptr
                            ? table->multi_get(keys, visitor, &moment.context())
                            : impl_->tree().multi_get(keys, visitor, &moment.context());
    moment.leave();
    return read;
  });
}

Result<void> KvStore::multi_get(Transaction& txn, std::span<const Bytes> keys,
                                Visitor visitor) const {
  return base::or_no_memory([&]() -> Result<void> {
    AETHER_TRY(impl_->check());
    AETHER_TRY_ASSIGN(db::TransactionImpl * part, db::part_of(txn, *impl_));
    if (table::Table* const table = impl_->table()) [[unlikely]]
      return table->multi_get(keys, visitor, &part->context());
    return impl_->tree().multi_get(keys, visitor, &part->context());
  });
}

Result<Values> KvStore::multi_get(std::span<const Bytes> keys) const {
  return base::or_no_memory([&]() -> Result<Values> {
    Values values(keys.size());
    AETHER_TRY(multi_get(keys, [&](size_t i, const Bytes* value) {
      if (value != nullptr) values[i].emplace(*value);
    }));
    return values;
  });
}

Result<Values> KvStore::multi_get(Transaction& txn, std::span<const Bytes> keys) const {
  return base::or_no_memory([&]() -> Result<Values> {
    Values values(keys.size());
    AETHER_TRY(multi_get(txn, keys, [&](size_t i, const Bytes* value) {
      if (value != nullptr) values[i].emplace(*value);
    }));
    return values;
  });
}

}  // namespace aether
