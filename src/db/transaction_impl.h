/// A transaction in progress.
///
/// Threads   One at a time.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "aether/transaction.h"
#include "base/spare_memory.h"
#include "db/env_impl.h"
#include "txn/transaction_context.h"

namespace aether::db {

class TransactionImpl {
 public:
  TransactionImpl(EnvImpl& env, const TxnOptions& options);
  ~TransactionImpl();
  static void* operator new(size_t bytes) { return base::take_memory(bytes); }
  static void operator delete(void* memory) noexcept {
    base::give_memory(memory, sizeof(TransactionImpl));
  }

  /// Draws its id and takes its snapshot, as far as it needs them. Before anything else. Errors: busy.
  Result<void> open();
  /// It reads no more: lets go of its snapshot, and of its id if nothing in the log bears it.
  void leave() noexcept;
  /// Appends the commit record; the rows are others' to change from then on. Returns what must be durable for
  /// the commit to be.
  Result<wal::LsnVector> precommit();
  Result<void> commit();
  /// Ends a transaction without rows in memory, whose runs `publish` shows below those of `table` (lsm/ingest.h): commits it durably, or takes it
  /// back. `edit` belongs to it.
  Result<void> commit_below(table::Table& table, const Range& range,
                            FunctionRef<Result<void>()> edit, FunctionRef<void()> publish);
  Result<CommitTicket> commit_async();
  Result<void> commit_async(std::function<void(Result<void>)> completion);
  Result<void> write(const WriteBatch& batch);
  Result<void> abort();
  /// `gid`: 1 to txn::kGidBytesMax bytes.
  Result<PrepareVote> prepare(Bytes gid);
  /// Its object goes: aborts if it is open. Cursors may still hold on to what is left. False: there was no memory for its
  /// rollback; what is left of it keeps its rows and locks.
  bool abandon() noexcept;

  /// Takes the lock, and its snapshot anew if it has not read or written yet. Errors: see KvStore::lock.
  Result<void> lock(StoreImpl& store, const txn::LockName& name, LockMode mode);
  /// It is about to read or write.
  void note_use() noexcept { is_fresh_ = false; }

  Result<Savepoint> savepoint();
  Result<void> rollback_to(const Savepoint& savepoint);
  Result<void> release(const Savepoint& savepoint);

  /// A call in it has failed: if it ends in an abort, this may be why.
  void blame(const Error& error) noexcept;
  /// By the monotonic clock.
  uint64_t begun_ns() const noexcept { return begun_ns_; }

  Result<void> check_active() const {
    if (active()) [[likely]]
      return {};
    return why_not_active();
  }
  Result<void> check_writable() const {
    if (active() && !options_.read_only && env_.takes_writes()) [[likely]]
      return {};
    return why_not_writable();
  }
  bool active() const noexcept {
    return active_ && rollback_ == Rollback::none && !env_.is_closed();
  }
  TxnId id() const noexcept { return context_.id(); }
  txn::TransactionContext& context() noexcept { return context_; }
  EnvImpl& env() noexcept { return env_; }

 private:
  friend class EnvImpl;
  friend struct SharedRelease;
  template <typename Block>
  friend class InsideAllocator;
  /// What the context held when a savepoint was made.
  struct Mark {
    uint64_t id = 0;
    size_t undo = 0, ghosts = 0, freed = 0, freed_pages = 0;
    uint64_t freed_extents = 0;
    txn::LockMark locks;
  };

  /// A rollback that could not be finished for want of memory: nothing else may be done with the transaction, lest half of
  /// it be committed.
  enum class Rollback : uint8_t { none, to_savepoint, whole };

  Error why_not_active() const;
  Error why_not_writable() const;
  bool open_safe_snapshot();
  Result<void> take_back();
  Result<void> take_lock(StoreImpl& store, const txn::LockName& name, LockMode mode);
  Result<wal::LsnVector> precommit_or_abort();
  void abort_unfit(const Error& why);
  Result<void> precommit_below(table::Table& table, const Range& range,
                               FunctionRef<Result<void>()> edit, FunctionRef<void()> publish);
  Result<void> validate();
  Result<bool> still_holds(const txn::Validation& validation);
  Result<void> log_prepare(Bytes gid);
  void hand_over(Bytes gid, std::unique_ptr<Prepared> prepared) noexcept;
  Result<wal::LsnVector> commit_without_wait();
  /// 0: it has written nothing, or neither waits nor is one of those that are timed. A look at the clock costs as much as a
  /// tenth of a small transaction.
  uint64_t time_of_commit(bool waits) const noexcept {
    return context_.pinned && (waits || is_timed_) ? env_.now_ns() : 0;
  }
  Result<void> wait_durable(const wal::LsnVector& vector, Durability durability);
  Result<std::vector<Mark>::iterator> find(const Savepoint& savepoint);

  EnvImpl& env_;
  txn::TransactionContext context_;
  txn::Snapshot snapshot_;
  std::optional<txn::ReadSet> reads_;  ///< Serializable, and it may write or has no safe snapshot.
  bool is_safe_ = false;  ///< Its snapshot is: while it writes nothing, what it reads is no matter.
  std::vector<Mark> savepoints_;  ///< Oldest first.
  const TxnOptions options_;
  uint64_t prepared_at_ns_ = 0;
  bool active_ = false;
  Rollback rollback_ = Rollback::none;
  TransactionImpl* next_unfinished_ = nullptr;  ///< In the environment's list of those.
  bool is_fresh_ = true;                        ///< It has not read or written yet.
  txn::AbortReason abort_reason_ = txn::AbortReason::user;
  bool is_timed_ = false;
  uint64_t begun_ns_ = 0;
  /// Of its shared owners (share): how many they are.
  static constexpr size_t kCountBytes = 64;
  alignas(std::max_align_t) std::array<std::byte, kCountBytes> shared_count_;
  bool is_abandoned_ = false;  ///< The last of them has gone, and nothing of it is left open.
};

/// For owners that share it, without memory for how many they are.
std::shared_ptr<TransactionImpl> share(TransactionPointer transaction);

/// `txn` as a part of which `store` is to be used. Errors: closed; invalid_argument (of another environment).
Result<TransactionImpl*> part_of(Transaction& txn, StoreImpl& store);

}  // namespace aether::db
