#include "db/transaction_impl.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>

#include "base/assert.h"
#include "index/btree/overflow.h"

namespace aether {

struct CommitTicket::State {
  std::weak_ptr<wal::Log> log;  ///< Gone when the environment is closed.
  wal::LsnVector vector;
  std::atomic<bool> seen_durable{false};  ///< Stays true, also when the log has gone.
};

bool CommitTicket::durable() const noexcept {
  if (state_ == nullptr || state_->seen_durable.load(std::memory_order_relaxed)) return true;
  const std::shared_ptr<wal::Log> log = state_->log.lock();
  const bool durable = log != nullptr && state_->vector.covered_by(log->durable());
  if (durable) state_->seen_durable.store(true, std::memory_order_relaxed);
  return durable;
}

Result<void> CommitTicket::wait() const {
  if (durable()) return {};
  const std::shared_ptr<wal::Log> log = state_->log.lock();
  if (log == nullptr) {
    return Error(Code::closed,
                 "the environment was closed before the commit was seen to be durable: if close "
                 "was ok, it is; else open the environment again and look");
  }
  AETHER_TRY(log->wait_durable(state_->vector));
  state_->seen_durable.store(true, std::memory_order_relaxed);
  return {};
}

namespace db {

TransactionImpl::TransactionImpl(EnvImpl& env, const TxnOptions& options)
    : env_(env), options_(options) {
  context_.log.stream = env.stream_of_caller();
  context_.undo_bytes_max = env.options().transaction_bytes_max;
}

TransactionImpl::~TransactionImpl() {
  // An error is remembered by the environment (EnvImpl::fail); there is nobody here to tell.
  if (active_) static_cast<void>(abort().has_value());
  if (snapshot_.is_open())
    env_.transactions().close_snapshot(snapshot_);  // The environment was closed.
}

Result<void> TransactionImpl::open() {
  txn::TransactionTable& table = env_.transactions();
  const bool has_snapshot = options_.isolation != Isolation::read_committed;
  if (!options_.read_only) {
    AETHER_TRY_ASSIGN(context_.log.txn, table.open(has_snapshot ? &snapshot_ : nullptr));
  } else if (has_snapshot) {
    table.open_snapshot(snapshot_);
  }
  if (has_snapshot) context_.snapshot = &snapshot_;
  active_ = true;
  return {};
}

void TransactionImpl::leave() noexcept {
  active_ = false;
  txn::TransactionTable& table = env_.transactions();
  context_.snapshot = nullptr;
  table.close_snapshot(snapshot_);
  if (!context_.pinned && context_.id() != 0) table.forget(context_.id());
  if (!context_.pinned) env_.garbage().collect();
}

Result<void> TransactionImpl::check_active() const {
  if (!active_) return Error(Code::closed, "the transaction has ended: begin another");
  return env_.check_open();
}

Result<void> TransactionImpl::check_writable() const {
  AETHER_TRY(check_active());
  if (options_.read_only)
    return Error(Code::invalid_argument, "the transaction was begun read-only");
  return env_.check_writable();
}

Result<wal::LsnVector> TransactionImpl::precommit() {
  AETHER_TRY(check_active());
  index::Services& services = env_.services();
  if (!context_.pinned) {  // It wrote nothing: no record.
    leave();
    return context_.log.lsn_vector;
  }
  AETHER_TRY(env_.check_writable());
  // Overflow pages are not in the log: they are in their place before the commit can be.
  if (context_.data_written) AETHER_TRY(services.writer.sync());
  std::vector<buffer::PageRange> ranges = context_.freed_pages;
  for (const page::OverflowReference& reference : context_.freed) {
    AETHER_TRY_ASSIGN(const std::vector<buffer::PageRange> pages,
                      index::overflow_ranges(services.pool.data(), reference));
    ranges.insert(ranges.end(), pages.begin(), pages.end());
  }
  buffer::SpaceManager::MapChange map = services.space.change(buffer::SpaceOp::free, ranges,
                                                              context_.log);
  std::vector<buffer::PageRef> pages;
  std::vector<wal::PartSpec> parts;
  map.append_to(pages, parts);
  AETHER_TRY(buffer::log_change(services.log, context_.log, {.type = wal::RecordType::commit},
                                pages, parts));
  map.apply();
  services.transactions.end(context_.id(), context_.log.lsn_vector);
  leave();
  return context_.log.lsn_vector;
}

/// A commit that cannot be logged has not happened: the transaction is taken back, and has ended either way.
Result<wal::LsnVector> TransactionImpl::precommit_or_abort() {
  Result<wal::LsnVector> vector = precommit();
  if (!vector && active_)
    static_cast<void>(abort().has_value());  // EnvImpl::fail remembers what went wrong.
  return vector;
}

Result<void> TransactionImpl::commit() {
  AETHER_TRY_ASSIGN(const wal::LsnVector vector, precommit_or_abort());
  env_.committed_.fetch_add(1, std::memory_order_relaxed);
  const Durability durability = env_.durability(options_);
  Result<void> durable;
  if (durability != Durability::none) {
    durable = env_.services().log.wait_durable(vector, durability == Durability::group);
  }
  env_.garbage().add(context_);
  return durable;
}

Result<CommitTicket> TransactionImpl::commit_async() {
  AETHER_TRY_ASSIGN(const wal::LsnVector vector, precommit_or_abort());
  env_.committed_.fetch_add(1, std::memory_order_relaxed);
  env_.garbage().add(context_);
  env_.services().log.request_flush();
  CommitTicket ticket;
  ticket.state_ = std::make_shared<CommitTicket::State>();
  ticket.state_->log = env_.log();
  ticket.state_->vector = vector;
  return ticket;
}

Result<void> TransactionImpl::abort() {
  AETHER_TRY(check_active());
  env_.aborted_.fetch_add(1, std::memory_order_relaxed);
  if (!context_.pinned) {
    leave();
    return {};
  }
  Result<void> undone = roll_back();
  leave();
  if (!undone) {
    // Its rows stay locked, with what others see in their place; the next open finishes the rollback.
    env_.services().versions.keep(context_.undo.take_versions());
    env_.fail(undone.error());
  }
  return undone;
}

Result<void> TransactionImpl::roll_back() {
  index::Services& services = env_.services();
  // Before their pages are free: no frame may hold a page that has begun another life.
  for (buffer::Frame* root : context_.new_roots) {
    buffer::ExclusiveGuard guard = buffer::ExclusiveGuard::lock(*root);
    context_.log.gsn = std::max(context_.log.gsn, services.pool.ref(*root).header().gsn);
    services.pool.discard(std::move(guard));
  }
  context_.new_roots.clear();
  while (!context_.undo.empty()) {
    const txn::UndoEntry entry = context_.undo.back();
    if (entry.manager == wal::ResourceManager::space) {
      AETHER_TRY(index::undo_allocation(services, context_, entry));
    } else {
      AETHER_TRY_ASSIGN(index::BTree * tree, env_.tree(entry.store));
      AETHER_TRY(tree->undo(context_, entry));
    }
    context_.undo.pop();
  }
  AETHER_TRY(
      buffer::log_change(services.log, context_.log, {.type = wal::RecordType::end}, {}, {}));
  services.transactions.end(context_.id(), context_.log.lsn_vector);
  return {};
}

}  // namespace db

Transaction::Transaction(std::unique_ptr<db::TransactionImpl> impl) noexcept
    : impl_(std::move(impl)) {}
Transaction::Transaction(Transaction&&) noexcept = default;
Transaction& Transaction::operator=(Transaction&&) noexcept = default;
Transaction::~Transaction() = default;

namespace {

Error moved_from() { return Error(Code::closed, "the transaction was moved to another object"); }

}  // namespace

Result<void> Transaction::commit() { return impl_ ? impl_->commit() : moved_from(); }
Result<CommitTicket> Transaction::commit_async() {
  return impl_ ? impl_->commit_async() : moved_from();
}
Result<void> Transaction::abort() { return impl_ ? impl_->abort() : moved_from(); }
uint64_t Transaction::id() const noexcept { return impl_ ? impl_->id() : 0; }
bool Transaction::active() const noexcept { return impl_ != nullptr && impl_->active(); }

}  // namespace aether
