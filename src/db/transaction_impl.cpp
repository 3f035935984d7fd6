#include "db/transaction_impl.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>

#include "base/assert.h"
#include "base/no_memory.h"
#include "base/planted.h"
#include "base/probes.h"
#include "base/reached.h"
#include "base/trace.h"
#include "db/transaction_end.h"
#include "txn/prepare_record.h"

namespace aether {

struct CommitTicket::State {
  os::ProcessMark process;
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
  return base::or_no_memory([&] { return wait_for_it(); });
}

Result<void> CommitTicket::wait_for_it() const {
  if (durable()) return {};
  if (!state_->process.is_here()) {
    return Error(Code::closed,
                 "the commit is of the process before the fork: only that may wait for it");
  }
  const std::shared_ptr<wal::Log> log = state_->log.lock();
  if (log == nullptr) {
    return Error(Code::closed,
                 "the environment was closed before the commit was seen to be durable: if close "
                 "was ok, it is; else open the environment again and look");
  }
  Result<void> durable = log->wait_durable(state_->vector);
  log->run_completions();
  AETHER_TRY(std::move(durable));
  state_->seen_durable.store(true, std::memory_order_relaxed);
  return {};
}

namespace db {

TransactionImpl::TransactionImpl(EnvImpl& env, const TxnOptions& options)
    : env_(env), options_(options) {
  context_.log.stream = env.stream_of_caller();
  context_.undo_bytes_max = env.options().transaction_bytes_max;
  context_.lock_manager = &env.locks();
  context_.lock_timeout_ns = options.lock_timeout_ms * uint64_t{1'000'000};
}

TransactionImpl::~TransactionImpl() { static_cast<void>(abandon()); }

bool TransactionImpl::abandon() noexcept {
  if (!env_.is_here()) {  // It is the parent's to end; so are its locks.
    static_cast<void>(context_.locks.release());
    active_ = false;
    return true;
  }
  if (abort_reason_ == txn::AbortReason::user) abort_reason_ = txn::AbortReason::dropped;
  if (active_ && !env_.is_closed()) {
    // An error is remembered by the environment (EnvImpl::fail); there is nobody here to tell.
    static_cast<void>(take_back().has_value());
    if (active_) return false;
  }
  if (snapshot_.is_open())
    env_.transactions().close_snapshot(snapshot_);  // The environment was closed.
  active_ = false;
  return true;
}

void TransactionRelease::operator()(TransactionImpl* transaction) const noexcept {
  if (transaction->abandon()) {
    delete transaction;
  } else {
    transaction->env().keep_unfinished(*transaction);
  }
}

/// The last owner has gone; the count, which lies in the transaction, has not yet.
struct SharedRelease {
  void operator()(TransactionImpl* transaction) const noexcept {
    transaction->is_abandoned_ = transaction->abandon();
  }
};

/// Gives the count its place in the transaction, which goes with it.
template <typename Block>
class InsideAllocator {
 public:
  using value_type = Block;
  explicit InsideAllocator(TransactionImpl& transaction) noexcept : transaction_(&transaction) {}
  template <typename Other>
  InsideAllocator(const InsideAllocator<Other>& other) noexcept  // NOLINT: as allocators convert
      : transaction_(other.transaction_) {}

  Block* allocate(size_t count) noexcept {
    // NOLINTNEXTLINE(misc-redundant-expression): of this library's block they are alike.
    static_assert(sizeof(Block) <= TransactionImpl::kCountBytes);
    static_assert(alignof(Block) <= alignof(std::max_align_t));
    AETHER_ASSERT(count == 1);
    return reinterpret_cast<Block*>(transaction_->shared_count_.data());
  }
  void deallocate(Block* /*block*/, size_t /*count*/) noexcept {
    if (transaction_->is_abandoned_) {
      delete transaction_;
    } else {
      transaction_->env().keep_unfinished(*transaction_);
    }
  }
  template <typename Other>
  bool operator==(const InsideAllocator<Other>& other) const noexcept {
    return transaction_ == other.transaction_;
  }

 private:
  template <typename Other>
  friend class InsideAllocator;
  TransactionImpl* transaction_;
};

std::shared_ptr<TransactionImpl> share(TransactionPointer transaction) {
  TransactionImpl* const raw = transaction.release();
  return {raw, SharedRelease(), InsideAllocator<TransactionImpl>(*raw)};
}

void EnvImpl::keep_unfinished(TransactionImpl& transaction) noexcept {
  AETHER_REACHED("txn.rollback_left_to_others");
  os::LockGuard lock(unfinished_mutex_);
  transaction.next_unfinished_ = std::exchange(unfinished_, &transaction);
  any_unfinished_.store(true, std::memory_order_relaxed);
}

void EnvImpl::finish_rollbacks() noexcept {
  TransactionImpl* next = nullptr;
  {
    os::LockGuard lock(unfinished_mutex_);
    next = std::exchange(unfinished_, nullptr);
    any_unfinished_.store(false, std::memory_order_relaxed);
  }
  while (next != nullptr) {
    TransactionImpl* const transaction = std::exchange(next, next->next_unfinished_);
    TransactionRelease()(transaction);
  }
}

Result<void> TransactionImpl::open() {
  txn::TransactionTable& table = env_.transactions();
  begun_ns_ = env_.now_ns();
  snapshot_.set_time(begun_ns_);
  const bool has_snapshot = options_.isolation != Isolation::read_committed;
  const bool is_serializable = options_.isolation == Isolation::serializable;
  if (!options_.read_only) {
    AETHER_TRY_ASSIGN(context_.log.txn, table.open(has_snapshot ? &snapshot_ : nullptr,
                                                   is_serializable ? &is_safe_ : nullptr));
  } else if (is_serializable) {
    is_safe_ = open_safe_snapshot();
  } else if (has_snapshot) {
    table.open_snapshot(snapshot_);
  }
  if (has_snapshot) context_.snapshot = &snapshot_;
  if (is_serializable && !(is_safe_ && options_.read_only)) {
    constexpr uint64_t kReadsShare = 4;  // Of the memory for a rollback.
    context_.reads = &reads_.emplace(env_.options().transaction_bytes_max / kReadsShare);
  }
  if (!options_.read_only) table.set_time(context_.id(), begun_ns_);
  active_ = true;
  return {};
}

/// False: others were committing all the while; the snapshot is an ordinary one, and the reads have to be validated.
bool TransactionImpl::open_safe_snapshot() {
  constexpr uint32_t kTries = 16;  // All before a pause becomes a sleep.
  txn::TransactionTable& table = env_.transactions();
  for (os::Backoff backoff; backoff.rounds() < kTries; backoff.wait()) {
    if (table.try_open_safe_snapshot(snapshot_)) return true;
  }
  table.open_snapshot(snapshot_);
  return false;
}

void TransactionImpl::blame(const Error& error) noexcept {
  switch (error.code()) {
    case Code::conflict: abort_reason_ = txn::AbortReason::conflict; break;
    case Code::deadlock: abort_reason_ = txn::AbortReason::deadlock; break;
    case Code::timed_out: abort_reason_ = txn::AbortReason::timed_out; break;
    case Code::io_error:
    case Code::corruption:
    case Code::no_space:
    case Code::no_memory:
    case Code::failed: abort_reason_ = txn::AbortReason::error; break;
    default: break;  // An answer, or a call that was wrong: no reason to end.
  }
}

void TransactionImpl::leave() noexcept {
  active_ = false;
  txn::TransactionTable& table = env_.transactions();
  context_.snapshot = nullptr;
  if (!context_.pinned && context_.id() != 0) {
    table.forget(context_.id(), &snapshot_);
  } else {
    table.close_snapshot(snapshot_);
  }
  if (!AETHER_PLANTED("txn.keep_locks")) context_.release_locks();
  if (!context_.pinned) env_.garbage().collect();
}

Error TransactionImpl::why_not_active() const {
  if (!active_) return Error(Code::closed, "the transaction has ended: begin another");
  if (rollback_ != Rollback::none) {
    return Error(Code::closed,
                 "the transaction is half rolled back, for want of memory: roll it back again");
  }
  return env_.why_closed();
}

Error TransactionImpl::why_not_writable() const {
  if (!active()) return why_not_active();
  if (options_.read_only)
    return Error(Code::invalid_argument, "the transaction was begun read-only");
  return env_.why_not_writable();
}

Result<void> TransactionImpl::lock(StoreImpl& store, const txn::LockName& name, LockMode mode) {
  Result<void> locked = take_lock(store, name, mode);
  if (!locked) blame(locked.error());
  return locked;
}

Result<void> TransactionImpl::take_lock(StoreImpl& store, const txn::LockName& name,
                                        LockMode mode) {
  AETHER_TRY(check_writable());
  AETHER_TRY(store.check_writable());
  const StoreRows rows = store.rows();
  rows.table != nullptr ? rows.table->count_locker(context_) : rows.tree->count_locker(context_);
  AETHER_TRY(context_.lock(name, mode == LockMode::shared ? txn::LockMode::s : txn::LockMode::x));
  if (is_fresh_ && snapshot_.is_open()) {
    // It may have waited: what it was to see is what there is now.
    env_.transactions().renew_snapshot(snapshot_);
    is_safe_ = false;  // Another moment: nobody has looked whether it is.
  }
  const auto check = [&](auto& index) {
    return name.level == txn::LockLevel::key
               ? index.check_locked_key(context_, name.begin)
               : index.check_locked_range(context_, name.begin, name.end);
  };
  return rows.table != nullptr ? check(*rows.table) : check(*rows.tree);
}

Result<wal::LsnVector> TransactionImpl::precommit() {
  AETHER_TRY(check_active());
  AETHER_TRY(validate());
  if (!context_.pinned) {  // It wrote nothing: no record.
    leave();
    return context_.log.lsn_vector;
  }
  AETHER_TRY(env_.check_writable());
  AETHER_TRY(log_commit(env_, context_, &snapshot_));
  AETHER_PROBE(commit, context_.id(), context_.log.stream, context_.log.last_lsn);
  leave();
  return context_.log.lsn_vector;
}

/// Serializable: nothing that it has read has been changed by others (txn/validation.h).
Result<void> TransactionImpl::validate() {
  if (!reads_ || (is_safe_ && !context_.pinned)) return {};
  txn::TransactionTable& table = env_.transactions();
  const txn::Validation validation{.transactions = table,
                                   .snapshot = snapshot_,
                                   .self = context_.id(),
                                   .number = table.draw_commit_number(context_.id())};
  AETHER_TRY_ASSIGN(const bool holds, still_holds(validation));
  if (holds || table.faults().skip_validation || AETHER_PLANTED("txn.skip_validation")) return {};
  AETHER_REACHED("txn.serializable_not_valid");
  env_.conflicts_.fetch_add(1, std::memory_order_relaxed);
  return Error(Code::conflict,
               "another transaction has changed what this one has read: it has been taken back; "
               "run it again");
}

Result<bool> TransactionImpl::still_holds(const txn::Validation& validation) {
  StoreRows rows;
  StoreId store = 0;
  // False: the store has been dropped, and with it what was read.
  const auto find = [&](StoreId wanted) {
    if (!rows || store != wanted) rows = env_.open_rows(wanted);
    store = wanted;
    return static_cast<bool>(rows);
  };
  for (const txn::PointRead& read : reads_->points()) {
    if (!find(read.store)) return false;
    const Bytes key = reads_->key(read);
    AETHER_TRY_ASSIGN(const bool holds,
                      rows.table != nullptr
                          ? rows.table->still_holds(key, validation)
                          : rows.tree->still_holds(key, read.witness, validation));
    if (!holds) return false;
  }
  for (const std::unique_ptr<txn::RangeRead>& range : reads_->ranges()) {
    if (!find(range->store)) return false;
    AETHER_TRY_ASSIGN(const bool holds, rows.table != nullptr
                                            ? rows.table->still_holds(*range, validation)
                                            : rows.tree->still_holds(*range, validation));
    if (!holds) return false;
  }
  return true;
}

/// A commit that cannot be logged has not happened: the transaction is taken back, and has ended either way.
Result<wal::LsnVector> TransactionImpl::precommit_or_abort() {
  Result<wal::LsnVector> vector = base::or_no_memory([&] { return precommit(); });
  if (!vector && active_) abort_unfit(vector.error());
  return vector;
}

void TransactionImpl::abort_unfit(const Error& why) {
  AETHER_REACHED("txn.commit_taken_back");
  abort_reason_ = why.code() == Code::conflict ? txn::AbortReason::serialization
                                               : txn::AbortReason::error;
  if (!env_.check_open()) return;  // Closed, or another process's.
  // EnvImpl::fail remembers what went wrong; without memory its object, when it goes, tries again.
  static_cast<void>(take_back().has_value());
}

Result<void> TransactionImpl::wait_durable(const wal::LsnVector& vector, Durability durability) {
  wal::Log& log = env_.services().log;
  const bool group = durability == Durability::group;
  if (vector.covered_by(log.durable())) {
    AETHER_TRACE_EVENT("ack", {{"txn", context_.id()}});
    return log.wait_durable(vector, group);
  }
  const uint64_t from_ns = env_.now_ns();
  Result<void> durable = log.wait_durable(vector, group);
  env_.statistics().waited_for_durability(env_.now_ns() - from_ns);
  if (durable) AETHER_TRACE_EVENT("ack", {{"txn", context_.id()}});
  return durable;
}

Result<void> TransactionImpl::commit() {
  const Durability durability = env_.durability(options_);
  const uint64_t from_ns = time_of_commit(durability != Durability::none);
  AETHER_TRY_ASSIGN(const wal::LsnVector vector, precommit_or_abort());
  env_.statistics().count_commit();
  Result<void> durable;
  if (durability != Durability::none) durable = wait_durable(vector, durability);
  env_.garbage().add(context_);
  if (from_ns != 0) env_.statistics().committed(env_.now_ns() - from_ns);
  return durable;
}

/// The data file is synced before others are kept from writing.
Result<void> TransactionImpl::precommit_below(table::Table& table, const Range& range,
                                              FunctionRef<Result<void>()> edit,
                                              FunctionRef<void()> publish) {
  AETHER_TRY(check_writable());
  AETHER_TRY(edit());
  AETHER_TRY(env_.services().writer.sync());
  context_.data_written = false;
  AETHER_TRY(table.add_below(range.begin, range.end,
                             [&] { return log_commit(env_, context_, &snapshot_, publish); }));
  leave();
  return {};
}

Result<void> TransactionImpl::commit_below(table::Table& table, const Range& range,
                                           FunctionRef<Result<void>()> edit,
                                           FunctionRef<void()> publish) {
  const uint64_t from_ns = env_.now_ns();
  Result<void> done = base::or_no_memory(
      [&] { return precommit_below(table, range, edit, publish); });
  if (!done) {
    if (active_) abort_unfit(done.error());
    return done;
  }
  env_.statistics().count_commit();
  env_.garbage().add(context_);
  Result<void> durable = wait_durable(context_.log.lsn_vector, Durability::group);
  env_.statistics().committed(env_.now_ns() - from_ns);
  // It has been done, whatever comes now: who does not hear of it must not go on.
  if (!durable) env_.fail(durable.error());
  return durable;
}

Result<wal::LsnVector> TransactionImpl::commit_without_wait() {
  const uint64_t from_ns = time_of_commit(false);
  AETHER_TRY_ASSIGN(const wal::LsnVector vector, precommit_or_abort());
  env_.statistics().count_commit();
  env_.garbage().add(context_);
  if (from_ns != 0) env_.statistics().committed(env_.now_ns() - from_ns);
  return vector;
}

Result<void> TransactionImpl::commit_async(std::function<void(Result<void>)> completion) {
  AETHER_TRY(check_active());
  if (!completion) return Error(Code::invalid_argument, "commit_async: the completion is empty");
  // What comes after the commit has its memory before.
  wal::Completions::Entry entry = wal::Completions::make(std::move(completion));
  AETHER_TRY_ASSIGN(const wal::LsnVector vector, commit_without_wait());
  env_.services().log.on_durable(vector, std::move(entry));
  return {};
}

Result<CommitTicket> TransactionImpl::commit_async() {
  CommitTicket ticket;
  ticket.state_ = std::make_shared<CommitTicket::State>();
  AETHER_TRY_ASSIGN(const wal::LsnVector vector, commit_without_wait());
  env_.services().log.request_flush();
  ticket.state_->log = env_.log();
  ticket.state_->vector = vector;
  return ticket;
}

Result<void> TransactionImpl::abort() {
  AETHER_TRY(env_.check_open());
  if (!active_ || rollback_ == Rollback::none) AETHER_TRY(check_active());
  return take_back();
}

/// The end of an open transaction. Errors: no_memory: it is open still, and to be taken back again.
Result<void> TransactionImpl::take_back() {
  if (rollback_ != Rollback::whole) env_.statistics().aborted(abort_reason_);
  if (!context_.pinned) {
    leave();
    return {};
  }
  rollback_ = Rollback::whole;
  Result<void> undone = base::or_no_memory([&] { return roll_back(env_, context_); });
  if (!undone && undone.error().code() == Code::no_memory) {
    AETHER_REACHED("txn.rollback_without_memory");
    return undone;
  }
  leave();
  if (!undone) give_up(env_, context_, undone.error());
  return undone;
}

Result<PrepareVote> TransactionImpl::prepare(Bytes gid) {
  AETHER_TRY(check_active());
  if (context_.pinned) AETHER_TRY(env_.check_writable());
  PreparedTable& table = env_.prepared_table();
  AETHER_TRY(table.reserve(gid));
  base::Unless free([&] { table.release(gid); });
  auto prepared = std::make_unique<Prepared>();
  AETHER_TRY(log_prepare(gid));
  if (context_.pinned) {
    free.dismiss();
    hand_over(gid, std::move(prepared));
    if (!AETHER_PLANTED("txn.prepare_without_wait"))
      AETHER_TRY(env_.services().log.wait_durable(context_.log.lsn_vector, true));
    return PrepareVote::prepared;
  }
  leave();
  env_.statistics().count_commit();
  return PrepareVote::read_only;
}

/// Appends the prepare record, if there is anything to decide.
Result<void> TransactionImpl::log_prepare(Bytes gid) {
  index::Services& services = env_.services();
  const txn::PrepareRecord record{.gid = std::string(gid),
                                  .prepared_at_ns = prepared_at_ns_ = env_.os().wall_ns(),
                                  .freed = context_.freed,
                                  .locks = context_.locks ? txn::LockManager::held(*context_.locks)
                                                          : std::vector<txn::HeldLock>()};
  const std::string body = encode(record);
  const uint64_t bytes_max = services.log.max_record_bytes() -
                             KiB;  // Its head and vector come on top.
  if (body.size() > bytes_max) {
    return Error(Code::too_large,
                 "the locks and freed values of the transaction need " +
                     std::to_string(body.size()) + " bytes of a log record, which holds " +
                     std::to_string(bytes_max) + ": lock ranges or stores instead of keys");
  }
  if (Result<void> valid = validate(); !valid) {
    abort_unfit(valid.error());
    return valid;
  }
  if (!context_.pinned) return {};
  if (context_.data_written) AETHER_TRY(services.writer.sync());
  const std::string_view body_view = body;
  return buffer::log_change(services.log, context_.log, {.type = wal::RecordType::prepare}, {}, {},
                            {&body_view, 1});
}

/// The environment has it from here on; what is left of it here has ended.
void TransactionImpl::hand_over(Bytes gid, std::unique_ptr<Prepared> prepared) noexcept {
  context_.snapshot = nullptr;
  prepared->context = std::move(context_);
  prepared->context.reads = nullptr;
  prepared->prepared_at_ns = prepared_at_ns_;
  active_ = false;
  env_.transactions().close_snapshot(snapshot_);
  env_.prepared_table().put(gid, std::move(prepared));
}

Result<Savepoint> TransactionImpl::savepoint() {
  AETHER_TRY(check_active());
  // Never used twice, so that another transaction's is told from one's own.
  static std::atomic<uint64_t> next_id{1};
  const uint64_t id = next_id.fetch_add(1, std::memory_order_relaxed);
  savepoints_.push_back({.id = id,
                         .undo = context_.undo.size(),
                         .ghosts = context_.ghosts.size(),
                         .freed = context_.freed.size(),
                         .freed_pages = context_.freed_pages.size(),
                         .freed_extents = context_.freed_extents,
                         .locks = context_.locks ? context_.locks->mark() : txn::LockMark{}});
  return Savepoint(id);
}

Result<std::vector<TransactionImpl::Mark>::iterator> TransactionImpl::find(
    const Savepoint& savepoint) {
  if (rollback_ != Rollback::to_savepoint) AETHER_TRY(check_active());
  const auto found = std::lower_bound(savepoints_.begin(), savepoints_.end(), savepoint.id_,
                                      [](const Mark& mark, uint64_t id) { return mark.id < id; });
  if (found == savepoints_.end() || found->id != savepoint.id_) {
    return Error(
        Code::invalid_argument,
        "the transaction has no such savepoint: it was released, or went when an earlier one was "
        "rolled back to, or is another transaction's");
  }
  return found;
}

Result<void> TransactionImpl::rollback_to(const Savepoint& savepoint) {
  AETHER_TRY_ASSIGN(const auto found, find(savepoint));
  const Mark mark = *found;
  savepoints_.erase(found + 1, savepoints_.end());
  if (context_.undo.size() > mark.undo) AETHER_TRY(env_.check_writable());
  Result<void> undone = base::or_no_memory([&] { return undo_to(env_, context_, mark.undo); });
  if (!undone && undone.error().code() == Code::no_memory) {
    rollback_ = Rollback::to_savepoint;
    return undone;
  }
  rollback_ = Rollback::none;
  if (!undone) {
    env_.statistics().aborted(txn::AbortReason::error);
    leave();
    give_up(env_, context_, undone.error());
    return undone;
  }
  if (context_.locks) env_.locks().release_to(*context_.locks, mark.locks);
  context_.ghosts.resize(mark.ghosts);
  context_.freed.resize(mark.freed);
  context_.freed_pages.resize(mark.freed_pages);
  context_.freed_extents = mark.freed_extents;
  abort_reason_ = txn::AbortReason::user;  // What had failed is taken back.
  return {};
}

Result<void> TransactionImpl::release(const Savepoint& savepoint) {
  AETHER_TRY(check_active());
  AETHER_TRY_ASSIGN(const auto found, find(savepoint));
  savepoints_.erase(found, savepoints_.end());
  return {};
}

}  // namespace db

Transaction::Transaction(std::shared_ptr<db::TransactionImpl> impl) noexcept
    : impl_(std::move(impl)) {}
Transaction::Transaction(Transaction&&) noexcept = default;
Transaction& Transaction::operator=(Transaction&& other) noexcept {
  if (this == &other) return *this;
  if (impl_) static_cast<void>(impl_->abandon());
  impl_ = std::move(other.impl_);
  return *this;
}
Transaction::~Transaction() {
  if (impl_) static_cast<void>(impl_->abandon());
}

namespace {

Error moved_from() { return Error(Code::closed, "the transaction was moved to another object"); }

}  // namespace

Result<void> Transaction::commit() {
  return base::or_no_memory([&]() -> Result<void> {
    if (!impl_) return moved_from();
    Result<void> committed = impl_->commit();
    impl_->env().run_completions();
    return committed;
  });
}
Result<CommitTicket> Transaction::commit_async() {
  return base::or_no_memory(
      [&]() -> Result<CommitTicket> { return impl_ ? impl_->commit_async() : moved_from(); });
}
Result<void> Transaction::commit_async(std::function<void(Result<void>)> completion) {
  return base::or_no_memory([&]() -> Result<void> {
    return impl_ ? impl_->commit_async(std::move(completion)) : moved_from();
  });
}
Result<void> Transaction::write(const WriteBatch& batch) {
  return base::or_no_memory(
      [&]() -> Result<void> { return impl_ ? impl_->write(batch) : moved_from(); });
}
Result<void> Transaction::abort() {
  return base::or_no_memory(
      [&]() -> Result<void> { return impl_ ? impl_->abort() : moved_from(); });
}
Result<PrepareVote> Transaction::prepare(Bytes gid) {
  return base::or_no_memory([&]() -> Result<PrepareVote> {
    if (!impl_) return moved_from();
    AETHER_TRY(db::PreparedTable::check_user_gid(gid));
    return impl_->prepare(gid);
  });
}
Result<Savepoint> Transaction::savepoint() {
  return base::or_no_memory(
      [&]() -> Result<Savepoint> { return impl_ ? impl_->savepoint() : moved_from(); });
}
Result<void> Transaction::rollback_to(const Savepoint& savepoint) {
  return base::or_no_memory(
      [&]() -> Result<void> { return impl_ ? impl_->rollback_to(savepoint) : moved_from(); });
}
Result<void> Transaction::release(const Savepoint& savepoint) {
  return base::or_no_memory(
      [&]() -> Result<void> { return impl_ ? impl_->release(savepoint) : moved_from(); });
}
uint64_t Transaction::id() const noexcept { return impl_ ? impl_->id() : 0; }
bool Transaction::active() const noexcept { return impl_ != nullptr && impl_->active(); }

}  // namespace aether
