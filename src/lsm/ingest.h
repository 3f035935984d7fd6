/// Rows in order that become runs at once, without nursery and log: bulk loads, and the removal of many rows of runs.
///
/// Their writer is a transaction that has no row in memory. Its runs are written beside all others, each when it is full; they are the newest
/// of the store from the commit of that transaction on, which edits the manifest, too. So a crash, an error or an abort before it leaves
/// nothing of them.
///
/// Below memory they may be only if nothing older lies there. `end` looks: no row in memory has a key of the range, nor has one that came to
/// runs since this was made. Both are held still from the look to the end of the transaction (Upkeep's mutex, all stripes of the table).
///
/// Threads   One.
/// Errors    Those of runs and transactions; busy: something lies in the range. After any of them the transaction is to be taken back.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "aether/error.h"
#include "aether/function_ref.h"
#include "lsm/entry.h"
#include "lsm/run_output.h"
#include "txn/transaction_context.h"

namespace aether::lsm {

class Upkeep;

class Ingest {
 public:
  enum class Kind : uint8_t {
    rows,
    removals,  ///< Of all rows that there are between the first and the last: readers may pass over what lies there.
  };
  /// From here on what comes to runs is watched. `txn` is open, with an id and no snapshot.
  Ingest(Upkeep& upkeep, txn::TransactionContext& txn, Kind kind);
  ~Ingest();
  Ingest(const Ingest&) = delete;
  Ingest& operator=(const Ingest&) = delete;

  /// In the order of keys, each once; its writer is the transaction.
  Result<void> add(Entry entry);
  bool empty() const noexcept { return output_ == nullptr && parts_.empty(); }
  /// What has been added first and last.
  Bytes smallest_key() const noexcept { return smallest_key_; }
  Bytes largest_key() const noexcept { return largest_key_; }

  /// Commits the transaction; whatever its outcome, it has ended then. `edit` writes the manifest as a part of it; `publish` shows the runs, when it
  /// is sure to commit, and before it ends.
  using Commit = FunctionRef<Result<void>(FunctionRef<Result<void>()> edit,
                                          FunctionRef<void()> publish)>;
  /// The range has all that was added, and what was read for it. An empty end: there is none.
  Result<void> end(Bytes begin, Bytes end, Commit commit);

 private:
  friend class Upkeep;
  Result<void> end_part();

  Upkeep& upkeep_;
  txn::TransactionContext& txn_;
  const Kind kind_;
  const size_t since_;
  std::unique_ptr<RunOutput> output_;
  std::vector<RunOutput::Finished> parts_;
  std::string smallest_key_;
  std::string part_begin_;
  std::string largest_key_;
  uint64_t bytes_ = 0;
};

}  // namespace aether::lsm
