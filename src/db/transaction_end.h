/// How a transaction that has written ends, whoever ends it: its object, a decision of two-phase commit, recovery.
///
/// Threads   One, as the context's.
#pragma once

#include <cstddef>

#include "aether/error.h"
#include "aether/function_ref.h"
#include "txn/transaction_context.h"

namespace aether::db {

class EnvImpl;

/// Appends the commit record, which gives the freed pages back; the rows are others' to change from then on. The commit
/// is durable when context.log.lsn_vector is. `snapshot` (null: none) is closed with it. After an error it is as open as
/// before. `before_end`: what others are to find when they see that it has ended.
Result<void> log_commit(EnvImpl& env, txn::TransactionContext& context,
                        txn::Snapshot* snapshot = nullptr);
Result<void> log_commit(EnvImpl& env, txn::TransactionContext& context, txn::Snapshot* snapshot,
                        FunctionRef<void()> before_end);
/// Takes one change back, logging a CLR.
Result<void> undo_change(EnvImpl& env, txn::TransactionContext& context,
                         const txn::UndoEntry& entry);
/// Takes the changes above `height` of the undo log back, newest first, logging CLRs.
Result<void> undo_to(EnvImpl& env, txn::TransactionContext& context, size_t height);
/// Takes all back and appends the end record. Errors: no_memory: it may be called again, and goes on.
Result<void> roll_back(EnvImpl& env, txn::TransactionContext& context);
/// A rollback could not be finished, and not for want of memory: the rows stay locked, with what others see in their place, the environment has
/// failed, and the next open finishes it.
void give_up(EnvImpl& env, txn::TransactionContext& context, const Error& why) noexcept;

}  // namespace aether::db
