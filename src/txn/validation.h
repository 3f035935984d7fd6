/// The look that a serializable transaction takes at its commit: has anybody changed what it has read?
///
/// When all its writes are in their pages it draws a number, then looks at each row that it has read. It may commit
/// if the row is its own, or was written by somebody its snapshot sees, or is being written by one who draws a higher
/// number. So every dependency between two serializable transactions leads from a lower number to a higher one, and
/// there is no cycle:
///   T reads what W wrote, or overwrites it    T's snapshot sees W, so W had drawn and ended before T began
///   T reads what W then overwrites            W wrote after T's look, or was let through: W's number is higher
/// A single record alone has no number: its moment is its write, under the page's latch. A batch has none either: its
/// moment is its end. spec/Snapshots has the argument with both, and what a safe snapshot has to mind about them.
///
/// No transaction waits for another, and none is aborted but one whose reads are out of date.
///
/// Source    Backward validation: Kung, Robinson, "On Optimistic Methods for Concurrency Control", TODS 6(2), 1981;
///           numbers drawn before the look, and looking without a critical section: Tu et al., "Speedy Transactions
///           in Multicore In-Memory Databases" (Silo), SOSP 2013; Larson et al., "High-Performance Concurrency Control
///           Mechanisms for Main-Memory Databases" (Hekaton), PVLDB 5(4), 2011. Why not SSI or key-range locks:
///           decision 0008.
#pragma once

#include <cstdint>

#include "base/ids.h"
#include "txn/snapshot.h"
#include "txn/transaction_table.h"

namespace aether::txn {

struct Validation {
  const TransactionTable& transactions;
  const Snapshot& snapshot;
  TxnId self = 0;
  uint64_t number = 0;  ///< TransactionTable::draw_commit_number.

  /// What a row's newest writer means for one who has read the row.
  enum class Writer : uint8_t {
    harmless,  ///< Seen, or the reader itself.
    later,  ///< Comes after the reader in the serial order; what it replaced has to be looked at.
    conflicts,
  };
  Writer judge(TxnId writer) const noexcept {
    if (writer == self || snapshot.sees(writer)) return Writer::harmless;
    return transactions.commits_after(writer, number) ? Writer::later : Writer::conflicts;
  }
};

}  // namespace aether::txn
