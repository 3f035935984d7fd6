#include "recovery/analysis.h"

#include <gtest/gtest.h>

namespace aether::recovery {
namespace {

using wal::RecordType;

/// A log of one stream, by hand: each record gets the next LSN.
struct AnalysisFixture {
  Analysis analysis;
  RecoveryReport report;
  Lsn next = 100;

  Lsn add(RecordType type, TxnId txn, Lsn link = kNoLsn, uint8_t flags = 0) {
    wal::RecordView record;
    record.header.type = type;
    record.header.txn = txn;
    record.header.link = link;
    record.header.flags = flags;
    record.lsn = next;
    analysis.add(record, 4096, 1, report);
    next += 100;
    return record.lsn;
  }
  std::vector<Loser> losers() { return std::move(analysis).losers(); }
};

TEST(Analysis, WhoHasNoEndIsALoser) {
  AnalysisFixture t;
  t.add(RecordType::change, 1);
  const Lsn second = t.add(RecordType::change, 2);
  t.add(RecordType::change, 3);
  t.add(RecordType::commit, 1);
  const Lsn last = t.add(RecordType::change, 2);
  t.add(RecordType::end, 3);
  const std::vector<Loser> losers = t.losers();
  ASSERT_EQ(losers.size(), 1u);
  EXPECT_EQ(losers[0].txn, 2u);
  EXPECT_EQ(losers[0].last_lsn, last);
  ASSERT_EQ(losers[0].undo.size(), 2u);
  EXPECT_EQ(losers[0].undo[0].lsn, second);
  EXPECT_EQ(losers[0].undo[1].lsn, last);
  EXPECT_EQ(t.report.transactions_committed, 1u);
}

TEST(Analysis, ARecordThatCommitsItselfIsNoLoser) {
  AnalysisFixture t;
  t.add(RecordType::change, 5, kNoLsn, wal::kFlagCommits);
  t.add(RecordType::change, 0);  // A structure modification.
  EXPECT_EQ(t.report.transactions_committed, 1u);
  EXPECT_TRUE(t.losers().empty());
}

// Goal:   undo goes on where an interrupted one stopped, and never undoes twice.
TEST(Analysis, WhatAClrHasUndoneIsNotUndoneAgain) {
  AnalysisFixture t;
  const Lsn first = t.add(RecordType::change, 2);
  const Lsn second = t.add(RecordType::change, 2, first);
  t.add(RecordType::change, 2, second);
  t.add(RecordType::clr, 2, second);  // Has undone the third.
  const Lsn clr = t.add(RecordType::clr, 2, first);
  const std::vector<Loser> losers = t.losers();
  ASSERT_EQ(losers.size(), 1u);
  ASSERT_EQ(losers[0].undo.size(), 1u);
  EXPECT_EQ(losers[0].undo[0].lsn, first);
  EXPECT_EQ(losers[0].last_lsn, clr);
}

TEST(Analysis, ALoserThatIsUndoneToItsBeginningLacksOnlyItsEnd) {
  AnalysisFixture t;
  t.add(RecordType::change, 2);
  t.add(RecordType::clr, 2, kNoLsn);
  const std::vector<Loser> losers = t.losers();
  ASSERT_EQ(losers.size(), 1u);
  EXPECT_TRUE(losers[0].undo.empty());
}

// A transaction that goes on after a partial rollback: only what was not taken back is left to undo.
TEST(Analysis, ChangesAfterAClrAreUndone) {
  AnalysisFixture t;
  const Lsn first = t.add(RecordType::change, 2);
  t.add(RecordType::change, 2, first);
  const Lsn clr = t.add(RecordType::clr, 2, first);
  const Lsn third = t.add(RecordType::change, 2, clr);
  const std::vector<Loser> losers = t.losers();
  ASSERT_EQ(losers[0].undo.size(), 2u);
  EXPECT_EQ(losers[0].undo[0].lsn, first);
  EXPECT_EQ(losers[0].undo[1].lsn, third);
}

}  // namespace
}  // namespace aether::recovery
