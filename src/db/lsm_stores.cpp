// The environment's part in stores of kind lsm: commits of their upkeep, the thread that does it, and how their runs go.
#include <utility>
#include <vector>

#include "base/no_memory.h"
#include "db/env_impl.h"
#include "db/transaction_end.h"
#include "db/transaction_impl.h"

namespace aether::db {

/// As an image: a transaction that does not count as one.
Result<void> EnvImpl::commit_upkeep(uint32_t stream, bool log_first, lsm::Committer::Body body) {
  os::LockGuard lock(image_mutex_);
  AETHER_TRY(check_writable());
  AETHER_TRY_ASSIGN(const TransactionPointer txn, begin({.durability = Durability::group,
                                                         .env_durability = false,
                                                         .isolation = Isolation::read_committed}));
  txn::TransactionContext& context = txn->context();
  context.log.stream = stream;
  context.undo_bytes_max = ~uint64_t{0} >> 1;  // A few rows, and references to extents.
  AETHER_TRY(body(context));
  if (log_first) AETHER_TRY(log_->flush());
  AETHER_TRY(log_commit(*this, context));
  txn->leave();
  statistics_.count_commit();
  garbage_.add(context);
  // It has been done, whatever comes now: who does not hear of it must not go on.
  Result<void> durable = log_->wait_durable(context.log.lsn_vector, true);
  if (!durable) fail(durable.error());
  return durable;
}

void EnvImpl::collect_lsm_stores(std::vector<StoreImpl*>& stores) {
  stores.clear();
  os::LockGuard lock(stores_mutex_);
  for (const auto& [name, store] : stores_) {
    if (store->lsm() != nullptr && store->is_open()) stores.push_back(store.get());
  }
}

/// With the first such store that is opened.
Result<void> EnvImpl::start_worker(const StoreImpl& store) {
  const bool is_wanted = store.kind() == IndexKind::lsm && options_.background_threads &&
                         !options_.read_only;
  if (!is_wanted) return {};
  AETHER_TRY(lsm_worker_.start());
  lsm_worker_.wake();  // A merge may be under way, or something may have expired.
  return {};
}

namespace {

/// For what has no store any more.
class PlainCommitter final : public lsm::Committer {
 public:
  explicit PlainCommitter(EnvImpl& env) noexcept : env_(env) {}
  Result<void> commit(uint32_t stream, bool log_first, Body body) override {
    return env_.commit_upkeep(stream, log_first, body);
  }
  uint32_t stream() const noexcept override { return env_.stream_of_caller(); }

 private:
  EnvImpl& env_;
};

}  // namespace

Result<void> EnvImpl::drop_runs(const CatalogueEntry& entry, index::BTree& tree) {
  AETHER_ASSERT(entry.index == IndexKind::lsm);
  PlainCommitter committer(*this);
  return lsm::Upkeep::drop_runs(*services_, tree, committer);
}

}  // namespace aether::db
