/// A transaction in progress.
///
/// Threads   One at a time.
#pragma once

#include <memory>

#include "aether/transaction.h"
#include "db/env_impl.h"
#include "txn/transaction_context.h"

namespace aether::db {

class TransactionImpl {
 public:
  TransactionImpl(EnvImpl& env, const TxnOptions& options);
  ~TransactionImpl();

  /// Draws its id and takes its snapshot, as far as it needs them. Before anything else. Errors: busy.
  Result<void> open();
  /// It reads no more: lets go of its snapshot, and of its id if nothing in the log bears it.
  void leave() noexcept;
  /// Appends the commit record; the rows are others' to change from then on. Returns what must be durable for
  /// the commit to be.
  Result<wal::LsnVector> precommit();
  Result<void> commit();
  Result<CommitTicket> commit_async();
  Result<void> abort();

  Result<void> check_active() const;
  Result<void> check_writable() const;
  bool active() const noexcept { return active_ && !env_.is_closed(); }
  TxnId id() const noexcept { return context_.id(); }
  txn::TransactionContext& context() noexcept { return context_; }
  EnvImpl& env() noexcept { return env_; }

 private:
  Result<wal::LsnVector> precommit_or_abort();
  Result<void> roll_back();

  EnvImpl& env_;
  txn::TransactionContext context_;
  txn::Snapshot snapshot_;
  const TxnOptions options_;
  bool active_ = false;
};

}  // namespace aether::db
