#include "recovery/analysis.h"
#include "base/planted.h"
#include "base/reached.h"

#include <utility>

namespace aether::recovery {

void Analysis::add(const wal::RecordView& record, LogPosition block, uint32_t epoch,
                   RecoveryReport& report) {
  const TxnId txn = record.header.txn;
  if (txn == 0) return;
  switch (record.header.type) {
    case wal::RecordType::filler: return;
    case wal::RecordType::change: {
      if ((record.header.flags & wal::kFlagCommits) != 0) {
        ++report.transactions_committed;
        return;
      }
      Loser& loser = open_[txn];
      loser.txn = txn;
      loser.stream = record.stream;
      loser.last_lsn = record.lsn;
      loser.undo.push_back({block, epoch, record.lsn});
      return;
    }
    case wal::RecordType::clr: {
      // All that lies above its undo-next has been undone: a CLR is never undone, nor what it undid.
      Loser& loser = open_[txn];
      loser.txn = txn;
      loser.stream = record.stream;
      loser.last_lsn = record.lsn;
      if (loser.prepared) AETHER_REACHED("recovery.rollback_of_a_prepared_one_was_under_way");
      loser.prepared.reset();
      while (!loser.undo.empty() && loser.undo.back().lsn > record.header.link &&
             !AETHER_PLANTED("recovery.undo_twice")) {
        AETHER_REACHED("recovery.undone_change_skipped");
        loser.undo.pop_back();
      }
      return;
    }
    case wal::RecordType::prepare: {
      Loser& loser = open_[txn];
      loser.txn = txn;
      loser.stream = record.stream;
      loser.last_lsn = record.lsn;
      if (!AETHER_PLANTED("recovery.forget_prepared")) loser.prepared = {block, epoch, record.lsn};
      return;
    }
    case wal::RecordType::commit:
      open_.erase(txn);
      ++report.transactions_committed;
      return;
    case wal::RecordType::end: open_.erase(txn); return;
  }
}

std::vector<Loser> Analysis::losers() && {
  std::vector<Loser> result;
  for (auto& entry : open_) result.push_back(std::move(entry.second));
  return result;
}

}  // namespace aether::recovery
