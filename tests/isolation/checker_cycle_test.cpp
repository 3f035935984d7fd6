// The history checker against cycles made by hand: each is found and called by its name at the levels that forbid it,
// and let pass at the others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "isolation/checker_fixture.h"

namespace aether::isolation {
namespace {

using testing::HasSubstr;

class CheckerCycle : public CheckerFixture {};

// --- Cycles -----------------------------------------------------------------------------------------

TEST_F(CheckerCycle, DirtyWrites) {
  begin(a_);
  begin(b_);
  a_.append(kX, 1);
  b_.append(kX, 2);
  b_.append(kY, 2);
  a_.append(kY, 1);
  commit(a_);
  commit(b_);
  alone(c_, [](Session& s) { s.read_list(kX, List{1, 2}), s.read_list(kY, List{2, 1}); });
  expect_found(Anomaly::g0);
  EXPECT_THAT(at(Level::read_committed).text(), HasSubstr("T0 -ww-> T1: T0 wrote k1 = 1"));
}

TEST_F(CheckerCycle, CircularInformationFlow) {
  begin(a_);
  begin(b_);
  a_.append(kX, 1);
  b_.append(kY, 2);
  a_.read_list(kY, List{2});
  b_.read_list(kX, List{1});
  commit(a_);
  commit(b_);
  expect_found(Anomaly::g1c);
  EXPECT_EQ(at(Level::read_committed).count(Anomaly::g0), 0u);
}

TEST_F(CheckerCycle, CircularInformationFlowOfRegisters) {
  alone(c_, [](Session& s) { s.write(kX, 9); });
  begin(a_);
  begin(b_);
  a_.read(kX, 9);
  a_.write(kX, 1);
  b_.read(kX, 1);
  b_.write(kX, 2);
  b_.write(kY, 3);
  a_.read(kY, 3);
  commit(b_);
  commit(a_);
  expect_found(Anomaly::g1c);
}

TEST_F(CheckerCycle, ReadSkew) {
  alone(c_, [](Session& s) { s.append(kX, 1), s.append(kY, 1); });
  begin(a_);
  a_.read_list(kX, List{1});
  alone(b_, [](Session& s) { s.append(kX, 2), s.append(kY, 2); });
  a_.read_list(kY, List{1, 2});
  commit(a_);
  alone(d_, [](Session& s) { s.read_list(kX, List{1, 2}); });
  expect_found(Anomaly::g_single);
  const Report report = at(Level::serializable);
  ASSERT_FALSE(report.violations.empty());
  EXPECT_THAT(report.violations[0].text, HasSubstr("a cycle of 2"));
  EXPECT_THAT(report.violations[0].text,
              HasSubstr("T0 -rw-> T1: T0 read k1 = 1, and T1 wrote 2 after it"));
}

TEST_F(CheckerCycle, ReadSkewOverAScan) {
  begin(a_);
  a_.scan(kX, kZ, Rows{});
  alone(b_, [](Session& s) { s.write(kX, 2), s.write(10, 2); });
  a_.read(10, 2);
  commit(a_);
  expect_found(Anomaly::g_single);
}

TEST_F(CheckerCycle, LongFork) {
  begin(a_);
  begin(b_);
  a_.append(kX, 1);
  b_.append(kY, 1);
  commit(a_);
  commit(b_);
  begin(c_);
  begin(d_);
  c_.read_list(kX, List{1});
  c_.read_list(kY, List{});
  d_.read_list(kX, List{});
  d_.read_list(kY, List{1});
  commit(c_);
  commit(d_);
  expect_violation(Level::snapshot, Anomaly::g_nonadjacent, Order::none);
  expect_violation(Level::serializable, Anomaly::g_nonadjacent);
  expect_legal(Level::read_committed);
}

TEST_F(CheckerCycle, WriteSkew) {
  begin(a_);
  begin(b_);
  a_.read(kX, std::nullopt);
  a_.read(kY, std::nullopt);
  b_.read(kX, std::nullopt);
  b_.read(kY, std::nullopt);
  a_.write(kX, 1);
  b_.write(kY, 1);
  commit(a_);
  commit(b_);
  expect_found(Anomaly::g2_item);
  expect_legal(Level::snapshot);
}

TEST_F(CheckerCycle, WriteSkewOfLists) {
  begin(a_);
  begin(b_);
  a_.read_list(kX, List{});
  b_.read_list(kY, List{});
  a_.append(kY, 1);
  b_.append(kX, 1);
  commit(a_);
  commit(b_);
  expect_found(Anomaly::g2_item);
  expect_legal(Level::snapshot);
}

// Fekete, O'Neil, O'Neil: "A read-only transaction anomaly under snapshot isolation", 2004.
TEST_F(CheckerCycle, ReadOnlyAnomaly) {
  begin(a_);
  a_.read(kX, std::nullopt);
  a_.read(kY, std::nullopt);
  alone(b_, [](Session& s) { s.read(kY, std::nullopt), s.write(kY, 20); });
  alone(c_, [](Session& s) { s.read(kX, std::nullopt), s.read(kY, 20); });
  a_.write(kX, 11);
  commit(a_);
  expect_found(Anomaly::g2_item);
  expect_legal(Level::snapshot);
}

TEST_F(CheckerCycle, Phantoms) {
  begin(a_);
  begin(b_);
  a_.scan(0, 100, Rows{});
  b_.scan(0, 100, Rows{});
  a_.write(kX, 1);
  b_.write(kY, 1);
  commit(a_);
  commit(b_);
  expect_found(Anomaly::g2);
  expect_legal(Level::snapshot);
  EXPECT_THAT(at(Level::serializable).text(), HasSubstr("T0 scanned and did not find k2"));
}

TEST_F(CheckerCycle, AScanThatSeesAllIsNoPhantom) {
  alone(a_, [](Session& s) { s.scan(0, 100, Rows{}), s.write(kX, 1); });
  alone(b_, [](Session& s) { s.scan(0, 100, Rows{{kX, 1}}), s.write(kY, 1); });
  alone(c_, [](Session& s) { s.scan(kY, 100, Rows{{kY, 1}}); });
  expect_legal_everywhere();
}

// --- Time -------------------------------------------------------------------------------------------

TEST_F(CheckerCycle, SnapshotOverwritesWhatWasCommittedMeanwhile) {
  begin(a_);
  alone(b_, [](Session& s) { s.append(kX, 1); });
  a_.append(kX, 2);
  commit(a_);
  alone(c_, [](Session& s) { s.read_list(kX, List{1, 2}); });
  expect_violation(Level::snapshot, Anomaly::g_si_a);
  expect_legal(Level::snapshot, Order::none);
  expect_legal(Level::serializable, Order::real_time);
  expect_legal(Level::read_committed);
}

TEST_F(CheckerCycle, SnapshotSeesWhatBeganToCommitAfterIt) {
  begin(a_);
  alone(b_, [](Session& s) { s.write(kY, 1); });
  a_.read(kY, 1);
  commit(a_);
  expect_violation(Level::snapshot, Anomaly::g_si_a);
  EXPECT_THAT(at(Level::snapshot).text(), HasSubstr("T0 -time-> T1: T0 had begun before T1 began"));
  expect_legal(Level::serializable, Order::real_time);
}

TEST_F(CheckerCycle, SnapshotSeesAnOlderTransactionThatCommitsAfterIt) {
  begin(b_);
  b_.write(kY, 1);
  begin(a_);
  commit(b_);
  a_.read(kY, 1);
  commit(a_);
  expect_violation(Level::snapshot, Anomaly::g_si_a);
  EXPECT_THAT(at(Level::snapshot).text(),
              HasSubstr("T0 -time-> T1: T0 had begun before T1 began to commit"));
  expect_legal(Level::serializable, Order::real_time);
}

TEST_F(CheckerCycle, SnapshotMissesWhatWasCommittedBefore) {
  alone(a_, [](Session& s) { s.write(kY, 1); });
  alone(b_, [](Session& s) { s.read(kY, std::nullopt); });
  expect_violation(Level::snapshot, Anomaly::g_si_b);
  expect_legal(Level::snapshot, Order::none);
  expect_legal(Level::serializable);
  expect_violation(Level::serializable, Anomaly::real_time, Order::real_time);
  EXPECT_THAT(at(Level::serializable, Order::real_time).text(),
              HasSubstr("T0 -time-> T1: T0 had committed before T1 began"));
}

TEST_F(CheckerCycle, WhatOverlapsMayBeSeenOrMissed) {
  begin(a_);
  begin(b_);
  b_.read(kX, std::nullopt);
  a_.write(kX, 1);
  a_.committing();
  begin(d_);
  begin(c_);
  c_.read(kX, 1);
  d_.read(kX, std::nullopt);
  a_.committed();
  commit(b_);
  commit(d_);
  commit(c_);
  expect_legal_everywhere();
}

TEST_F(CheckerCycle, ALaterSnapshotSeesNoLess) {
  begin(a_);
  a_.write(kX, 1);
  a_.committing();
  alone(b_, [](Session& s) { s.read(kX, 1); });
  begin(c_);
  c_.read(kX, std::nullopt);
  a_.committed();
  commit(c_);
  expect_violation(Level::snapshot, Anomaly::g_si_b);
  expect_legal(Level::snapshot, Order::session);
  expect_legal(Level::serializable);
}

TEST_F(CheckerCycle, BlindWritesAreOrderedByTime) {
  alone(a_, [](Session& s) { s.write(kY, 1); });
  alone(b_, [](Session& s) { s.write(kY, 2); });
  alone(c_, [](Session& s) { s.read(kY, 1); });
  expect_violation(Level::snapshot, Anomaly::g_si_b);
  expect_violation(Level::serializable, Anomaly::real_time, Order::real_time);
}

TEST_F(CheckerCycle, ASessionThatForgets) {
  alone(a_, [](Session& s) { s.append(kX, 1); });
  alone(a_, [](Session& s) { s.read_list(kX, List{}); });
  alone(b_, [](Session& s) { s.read_list(kX, List{1}); });
  expect_violation(Level::serializable, Anomaly::session_order, Order::session);
  expect_violation(Level::snapshot, Anomaly::g_si_b, Order::session);
  expect_legal(Level::serializable, Order::none);
}

TEST_F(CheckerCycle, AnotherSessionMayBeBehindUnlessTimeCounts) {
  alone(a_, [](Session& s) { s.append(kX, 1); });
  alone(b_, [](Session& s) { s.read_list(kX, List{}); });
  alone(b_, [](Session& s) { s.read_list(kX, List{1}); });
  expect_legal(Level::serializable, Order::session);
  expect_violation(Level::serializable, Anomaly::real_time, Order::real_time);
}

}  // namespace
}  // namespace aether::isolation
