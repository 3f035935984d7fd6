/// A transaction over any stores of one environment.
///
/// Threads     One thread at a time; any thread. Different transactions run in parallel.
/// Lifetime    Must end before the environment is closed; one that is open then answers `closed`. Dropped without
///             commit, it aborts; so does one that another is assigned to. What was moved from is `closed`.
/// Isolation   Atomic commit and abort. Reads see the moment of `begin` and the transaction's own writes, or with
///             Isolation::read_committed the newest committed rows; they take no locks and do not wait. A row that
///             another transaction has changed meanwhile cannot be written: `conflict`, first updater wins
///             (docs/ISOLATION.md).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "aether/error.h"
#include "aether/options.h"

namespace aether {

class KvStore;

namespace db {
class EnvImpl;
class TransactionImpl;
}  // namespace db

/// What `commit_async` hands back: tells when the commit is durable. Copyable; outlives the transaction.
class CommitTicket {
 public:
  CommitTicket() = default;
  /// True once the commit is durable. No I/O, no wait. After the environment's close: whether it was
  /// seen to be durable before.
  bool durable() const noexcept;
  /// Waits until the commit is durable. Errors: failed (the log could not be written; the outcome is
  /// unknown until the environment is opened again), closed (the environment, before this was seen to be
  /// durable: if its close was ok, it is).
  Result<void> wait() const;

 private:
  friend class db::TransactionImpl;
  friend class Transaction;
  Result<void> wait_for_it() const;
  struct State;
  std::shared_ptr<State> state_;
};

/// A place in a transaction to go back to. A small value, of use only with the transaction that made it.
class Savepoint {
 public:
  Savepoint() = default;

 private:
  friend class db::TransactionImpl;
  explicit Savepoint(uint64_t id) noexcept : id_(id) {}
  uint64_t id_ = 0;
};

class WriteBatch;

/// What `prepare` has come to.
enum class PrepareVote : uint8_t {
  prepared,   ///< It waits for commit_prepared or rollback_prepared.
  read_only,  ///< It had written nothing: it has ended, and there is nothing to decide.
};

class Transaction {
 public:
  Transaction(Transaction&&) noexcept;
  Transaction& operator=(Transaction&&) noexcept;
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  /// Aborts if neither commit nor abort was called.
  ~Transaction();

  /// Makes all writes permanent and waits as the durability asks. The transaction has ended afterwards,
  /// whatever the answer. Errors: conflict (serializable: what it has read was changed; it has been taken back, run it
  /// again), no_memory (it has been taken back), failed (log I/O failed: the outcome is unknown until reopened), closed.
  Result<void> commit();
  /// Makes the writes visible and returns without waiting for the disk.
  Result<CommitTicket> commit_async();
  /// The same, and calls `completion` once, when the outcome is known: ok, the commit is durable; `failed`, as
  /// from commit. If this call itself answers an error, never. With background threads the engine's log
  /// thread calls it, one after another in the order of their commits, about. Without them it is called inside this
  /// call if nothing has to be waited for, else inside the next one that commits with a wait, checkpoints or closes.
  /// The environment's close calls all that are left before it returns; calls into the environment answer
  /// `closed` by then. A completion is to be short, since commits that nobody waits for are flushed by the same
  /// thread. It may read, write with Durability::none, begin transactions and commit them by commit_async; it must
  /// not throw, wait for a commit, close the environment or drop its DbEnv. Errors: invalid_argument
  /// (`completion` is empty: the transaction is still open), and those of commit.
  Result<void> commit_async(std::function<void(Result<void>)> completion);
  /// Applies `batch` as a part of this transaction: all of it or, after an error, nothing; the transaction is open and as
  /// before (aether/batch.h). Errors: those of the single calls, with the index of the entry, and of rollback_to.
  Result<void> write(const WriteBatch& batch);
  /// Takes every write back. Errors: closed; io_error or corruption if a page could not be read: the
  /// environment has then failed, and the next open finishes the rollback; no_memory: half of it may be taken back, and nothing
  /// but calling it again can be done with the transaction (dropped, it is the environment that goes on with it).
  Result<void> abort();

  /// First phase of two-phase commit: makes all writes durable, so that `DbEnv::commit_prepared` will succeed whatever
  /// happens, also after a crash. The transaction belongs to the environment from then on, under the global id `gid`
  /// (1 to 128 bytes); this object has ended. Rows and locks stay its own until it is decided. Always waits for the
  /// disk. Errors: exists (a transaction is prepared under `gid`), invalid_argument (`gid`), too_large (its locks and
  /// freed values do not fit a log record): it is still open; conflict (serializable): it has been taken back; failed: as
  /// for commit.
  Result<PrepareVote> prepare(Bytes gid);

  /// Marks this place. Savepoints nest to any depth; each costs some 100 bytes until it is released or the
  /// transaction ends. Errors: closed.
  Result<Savepoint> savepoint();
  /// Takes back every write since `savepoint`, which stays and may be used again; later ones are gone. Locks taken
  /// since are released. What was read since still counts for a serializable commit. Cursors stay usable. Errors:
  /// invalid_argument (it is gone, or another transaction's), closed; io_error or corruption as for `abort`: the
  /// environment has then failed and the transaction ended; no_memory: as for `abort`, call it or `abort` again.
  Result<void> rollback_to(const Savepoint& savepoint);
  /// Forgets `savepoint` and later ones; the writes stay. Errors: invalid_argument, closed.
  Result<void> release(const Savepoint& savepoint);

  /// Grows with every transaction of the environment. 0 if it was begun read-only, or moved from.
  uint64_t id() const noexcept;
  bool active() const noexcept;

  db::TransactionImpl& impl() noexcept { return *impl_; }

 private:
  friend class db::EnvImpl;
  friend class KvStore;
  explicit Transaction(std::shared_ptr<db::TransactionImpl> impl) noexcept;
  std::shared_ptr<db::TransactionImpl> impl_;  ///< Cursors hold on to it, to answer `closed`.
};

}  // namespace aether
