/// Analysis: which transactions have no end, and what of them is still to be undone.
///
/// Threads   One.
#pragma once

#include <map>
#include <vector>

#include "aether/stats.h"
#include "recovery/recovery.h"

namespace aether::recovery {

class Analysis {
 public:
  /// A record that counts, in log order.
  void add(const wal::RecordView& record, LogPosition block, uint32_t epoch,
           RecoveryReport& report);
  std::vector<Loser> losers() &&;
  TxnId max_txn() const noexcept { return max_txn_; }
  void note_txn(TxnId txn) noexcept {
    if (txn > max_txn_) max_txn_ = txn;
  }

 private:
  std::map<TxnId, Loser> open_;
  TxnId max_txn_ = 0;
};

}  // namespace aether::recovery
