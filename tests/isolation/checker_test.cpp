// The history checker against histories made by hand: what needs no cycle is found and called by its name at the levels
// that forbid it, and what a level allows is let pass.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "isolation/checker_fixture.h"

namespace aether::isolation {
namespace {

using testing::HasSubstr;

class Checker : public CheckerFixture {};

TEST_F(Checker, NothingIsLegal) {
  expect_legal_everywhere();
  EXPECT_EQ(at(Level::snapshot).transactions, 0u);
}

TEST_F(Checker, OneAfterTheOtherIsLegal) {
  alone(a_, [](Session& s) { s.append(kX, 1), s.append(kX, 2), s.write(kY, 1); });
  alone(b_, [](Session& s) { s.read_list(kX, List{1, 2}), s.append(kX, 3), s.read(kY, 1); });
  alone(a_, [](Session& s) { s.write(kY, 2), s.read(kY, 2), s.write(kY, 3), s.read(kY, 3); });
  alone(c_, [](Session& s) {
    s.scan(kX, kZ, Rows{{kX, 3}, {kY, 3}});
    s.read_list(kX, List{1, 2, 3});
    s.append(kX, 4);
    s.read_list(kX, List{1, 2, 3, 4});
    s.scan(kX, kX, Rows{{kX, 4}});
  });
  alone(d_, [](Session& s) { s.read(kZ, std::nullopt), s.scan(kZ, 100, Rows{}), s.write(kZ, 7); });
  expect_legal_everywhere();
  EXPECT_EQ(at(Level::serializable).operations, 18u);
}

// --- What needs no cycle ----------------------------------------------------------------------------

TEST_F(Checker, AbortedReadOfAList) {
  begin(a_);
  a_.append(kX, 1);
  begin(b_);
  b_.read_list(kX, List{1});
  a_.aborted();
  commit(b_);
  expect_found(Anomaly::g1a);
  EXPECT_THAT(at(Level::read_committed).text(), HasSubstr("1 is of T0, which aborted"));
}

TEST_F(Checker, AbortedReadOfARegisterAndByAScan) {
  begin(a_);
  a_.write(kY, 1);
  begin(b_);
  b_.read(kY, 1);
  a_.aborted();
  commit(b_);
  EXPECT_EQ(at(Level::read_committed).count(Anomaly::g1a), 1u);
  alone(c_, [](Session& s) { s.scan(kX, kZ, Rows{{kY, 1}}); });
  EXPECT_EQ(at(Level::read_committed).count(Anomaly::g1a), 2u);
  expect_found(Anomaly::g1a);
}

TEST_F(Checker, AnAbortedReaderMayHaveSeenAnything) {
  begin(a_);
  a_.write(kY, 1);
  begin(b_);
  b_.read(kY, 1);
  b_.read_list(kX, List{77});
  b_.aborted();
  a_.aborted();
  expect_legal_everywhere();
}

TEST_F(Checker, IntermediateReadOfAList) {
  begin(a_);
  begin(b_);
  a_.append(kX, 1);
  b_.read_list(kX, List{1});
  a_.append(kX, 2);
  commit(a_);
  commit(b_);
  alone(c_, [](Session& s) { s.read_list(kX, List{1, 2}); });
  expect_found(Anomaly::g1b);
}

TEST_F(Checker, IntermediateReadOfARegister) {
  begin(a_);
  begin(b_);
  a_.write(kY, 1);
  b_.read(kY, 1);
  a_.write(kY, 2);
  commit(a_);
  commit(b_);
  expect_found(Anomaly::g1b);
  expect_found(Anomaly::g_single);
}

TEST_F(Checker, DirtyUpdateOfAList) {
  begin(a_);
  a_.append(kX, 1);
  begin(b_);
  b_.append(kX, 2);
  commit(b_);
  a_.aborted();
  alone(c_, [](Session& s) { s.read_list(kX, List{1, 2}); });
  expect_found(Anomaly::dirty_update);
  expect_found(Anomaly::g1a);
}

TEST_F(Checker, DirtyUpdateOfARegister) {
  begin(a_);
  a_.write(kY, 1);
  begin(b_);
  b_.read(kY, 1);
  b_.write(kY, 2);
  commit(b_);
  a_.aborted();
  expect_found(Anomaly::dirty_update);
}

TEST_F(Checker, GarbageRead) {
  alone(a_, [](Session& s) { s.append(kX, 1), s.write(kY, 1); });
  alone(b_, [](Session& s) { s.read_list(kX, List{1, 99}); });
  expect_found(Anomaly::garbage_read);
  alone(c_, [](Session& s) { s.read(kY, 98); });
  EXPECT_EQ(at(Level::read_committed).count(Anomaly::garbage_read), 2u);
  alone(d_, [](Session& s) { s.scan(kY, 50, Rows{{kY, 1}, {44, 1}}); });
  EXPECT_EQ(at(Level::read_committed).count(Anomaly::garbage_read), 3u);
}

TEST_F(Checker, AValueTwiceInAListIsGarbage) {
  alone(a_, [](Session& s) { s.append(kX, 1); });
  alone(b_, [](Session& s) { s.read_list(kX, List{1, 1}); });
  expect_found(Anomaly::garbage_read);
}

TEST_F(Checker, AScanOutOfOrderIsGarbage) {
  alone(a_, [](Session& s) { s.write(kX, 1), s.write(kY, 2); });
  alone(b_, [](Session& s) { s.scan(kX, kZ, Rows{{kY, 2}, {kX, 1}}); });
  expect_found(Anomaly::garbage_read);
}

TEST_F(Checker, ListsThatAreNoPrefixesAreIncompatible) {
  alone(a_, [](Session& s) { s.append(kX, 1); });
  alone(b_, [](Session& s) { s.append(kX, 2); });
  alone(c_, [](Session& s) { s.read_list(kX, List{1, 2}); });
  alone(d_, [](Session& s) { s.read_list(kX, List{2}); });
  expect_found(Anomaly::incompatible_order);
}

TEST_F(Checker, OwnAppendNotSeen) {
  alone(a_, [](Session& s) { s.append(kX, 1), s.read_list(kX, List{}); });
  expect_found(Anomaly::internal);
}

TEST_F(Checker, OwnAppendsInTheWrongOrder) {
  alone(a_, [](Session& s) { s.append(kX, 1), s.append(kX, 2); });
  alone(b_, [](Session& s) { s.read_list(kX, List{2, 1}); });
  expect_found(Anomaly::internal);
}

TEST_F(Checker, OwnWriteNotSeen) {
  alone(a_, [](Session& s) { s.write(kY, 1); });
  alone(b_, [](Session& s) { s.write(kY, 2), s.read(kY, 1); });
  expect_found(Anomaly::internal);
}

TEST_F(Checker, OwnWriteNotSeenByAScan) {
  alone(a_, [](Session& s) { s.write(kY, 1), s.scan(kX, kZ, Rows{}); });
  expect_found(Anomaly::internal);
}

TEST_F(Checker, OwnWriteSeenBeforeItWasMade) {
  alone(a_, [](Session& s) { s.read(kY, 1), s.write(kY, 1); });
  alone(b_, [](Session& s) { s.read_list(kX, List{5}), s.append(kX, 5); });
  EXPECT_EQ(at(Level::read_committed).count(Anomaly::internal), 2u);
  expect_found(Anomaly::internal);
}

TEST_F(Checker, NonRepeatableRead) {
  begin(a_);
  a_.read(kY, std::nullopt);
  alone(b_, [](Session& s) { s.write(kY, 1); });
  a_.read(kY, 1);
  commit(a_);
  expect_found(Anomaly::non_repeatable);
  expect_found(Anomaly::g_single);
}

TEST_F(Checker, NonRepeatableScan) {
  begin(a_);
  a_.scan(kX, kZ, Rows{});
  alone(b_, [](Session& s) { s.append(kX, 1); });
  a_.scan(kX, kZ, Rows{{kX, 1}});
  commit(a_);
  expect_found(Anomaly::non_repeatable);
}

TEST_F(Checker, AListReadAroundOwnAppendsIsRepeatable) {
  alone(a_, [](Session& s) { s.append(kX, 1); });
  begin(a_);
  a_.read_list(kX, List{1});
  a_.append(kX, 2);
  a_.append(kX, 3);
  a_.read_list(kX, List{1, 2, 3});
  commit(a_);
  expect_legal_everywhere();
}

TEST_F(Checker, LostUpdateOfARegister) {
  begin(a_);
  begin(b_);
  a_.read(kY, std::nullopt);
  b_.read(kY, std::nullopt);
  a_.write(kY, 1);
  commit(a_);
  b_.write(kY, 2);
  commit(b_);
  expect_found(Anomaly::lost_update);
  EXPECT_THAT(at(Level::snapshot).text(), HasSubstr("T0, T1, each read k2 = nothing"));
}

TEST_F(Checker, LostUpdateOfAList) {
  alone(a_, [](Session& s) { s.append(kX, 9); });
  begin(a_);
  begin(b_);
  a_.read_list(kX, List{9});
  b_.read_list(kX, List{9});
  a_.append(kX, 1);
  commit(a_);
  b_.append(kX, 2);
  commit(b_);
  expect_found(Anomaly::lost_update);
  alone(c_, [](Session& s) { s.read_list(kX, List{9, 1, 2}); });
  expect_found(Anomaly::lost_update);
  expect_found(Anomaly::g_single);
}

TEST_F(Checker, LostWrite) {
  alone(a_, [](Session& s) { s.append(kX, 1); });
  alone(b_, [](Session& s) { s.append(kX, 2); });
  alone(c_, [](Session& s) { s.read_list(kX, List{1}); });
  expect_found(Anomaly::lost_write);
}

TEST_F(Checker, AnAppendThatNobodyCouldReadIsNotLost) {
  alone(a_, [](Session& s) { s.append(kX, 1); });
  begin(c_);
  alone(b_, [](Session& s) { s.append(kX, 2); });
  c_.read_list(kX, List{1});
  commit(c_);
  expect_legal_everywhere();
}

// --- Outcomes nobody knows, levels side by side, bad recordings ---------------------------------------

TEST_F(Checker, AnUnknownCommitThatWasSeenHasHappened) {
  begin(a_);
  a_.append(kX, 1);
  a_.append(kY, 1);
  a_.unknown();
  alone(b_, [](Session& s) { s.read_list(kX, List{1}); });
  expect_legal_everywhere();
  alone(b_, [](Session& s) { s.read_list(kX, List{1}), s.read_list(kY, List{}); });
  expect_found(Anomaly::g_single);
}

TEST_F(Checker, AnUnknownCommitThatNobodySawDoesNotCount) {
  begin(a_);
  a_.append(kX, 1);
  a_.read(kY, 77);
  a_.unknown();
  alone(b_, [](Session& s) { s.read_list(kX, List{}); });
  expect_legal_everywhere();
}

TEST_F(Checker, AnUnknownCommitMayComeLate) {
  begin(a_);
  a_.append(kX, 1);
  a_.unknown();
  alone(b_, [](Session& s) { s.read_list(kX, List{}); });
  alone(c_, [](Session& s) { s.read_list(kX, List{1}); });
  expect_legal_everywhere();
}

TEST_F(Checker, UnknownCommitsSeenByOneAnother) {
  begin(a_);
  a_.append(kX, 1);
  a_.unknown();
  begin(b_);
  b_.read_list(kX, List{1});
  b_.write(kY, 1);
  b_.unknown();
  alone(c_, [](Session& s) { s.read(kY, 1), s.read_list(kX, List{}); });
  expect_found(Anomaly::g_single);
}

TEST_F(Checker, AWeakerTransactionIsHeldToItsOwnLevel) {
  alone(c_, [](Session& s) { s.append(kX, 1), s.append(kY, 1); });
  begin(a_, Level::read_committed);
  a_.read_list(kX, List{1});
  alone(b_, [](Session& s) { s.append(kX, 2), s.append(kY, 2); });
  a_.read_list(kX, List{1, 2});
  a_.read_list(kY, List{1, 2});
  commit(a_);
  for (const Level level : kLevels) {
    EXPECT_TRUE(check(history_, {.level = level, .own_levels = true}).ok());
  }
  expect_violation(Level::snapshot, Anomaly::g_single);

  begin(a_, Level::read_committed);  // Its own level forbids this.
  a_.append(kX, 3);
  a_.read_list(kX, List{1, 2});
  commit(a_);
  for (const Level level : kLevels) {
    EXPECT_FALSE(check(history_, {.level = level, .own_levels = true}).ok());
  }
}

TEST_F(Checker, BadRecordingsAreRefused) {
  begin(a_);
  EXPECT_THAT(at(Level::snapshot).text(), HasSubstr("session 0 has a transaction open"));
  a_.append(kX, 1);
  commit(a_);
  expect_legal_everywhere();
  alone(b_, [](Session& s) { s.append(kX, 1); });
  expect_found(Anomaly::malformed);
  EXPECT_THAT(at(Level::snapshot).text(), HasSubstr("key 1 is given the value 1 twice"));
}

TEST_F(Checker, AKeyOfBothKindsIsRefused) {
  alone(a_, [](Session& s) { s.append(kX, 1), s.read(kX, 1); });
  expect_found(Anomaly::malformed);
}

TEST_F(Checker, NoValueCannotBeWritten) {
  alone(a_, [](Session& s) { s.write(kX, kNoValue); });
  expect_found(Anomaly::malformed);
}

TEST_F(Checker, LargeKeysAreKeysToo) {
  static constexpr Key kLarge = UINT32_MAX;
  alone(a_, [](Session& s) { s.append(kLarge, 1), s.write(kLarge - 1, 4), s.write(kX, 2); });
  alone(b_, [](Session& s) { s.scan(0, kLarge, Rows{{kX, 2}, {kLarge - 1, 4}, {kLarge, 1}}); });
  expect_legal_everywhere();
  alone(b_, [](Session& s) { s.read_list(kLarge, List{}); });
  expect_violation(Level::snapshot, Anomaly::g_si_b);
}

TEST_F(Checker, ManyAreCountedAndAFewTold) {
  for (Value v = 1; v <= 50; ++v) {
    begin(a_);
    a_.write(v, v);
    begin(b_);
    b_.read(v, v);
    a_.aborted();
    commit(b_);
  }
  const Report report = check(history_, {.level = Level::read_committed, .told_max = 3});
  EXPECT_EQ(report.count(Anomaly::g1a), 50u);
  EXPECT_EQ(report.violations.size(), 3u);
  EXPECT_FALSE(check(history_, {.level = Level::read_committed, .told_max = 0}).ok());
}

}  // namespace
}  // namespace aether::isolation
