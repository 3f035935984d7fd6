// What is granted, refused, kept and given back. Waiting: lock_waiting_test.cpp.
#include "txn/lock_manager.h"

#include "tests/unit/txn/lock_fixture.h"

namespace aether::txn {
namespace {

using testing::HasSubstr;
using namespace testing_support;

constexpr LockMode kModes[] = {LockMode::is, LockMode::ix, LockMode::s, LockMode::six, LockMode::x};
const LockName kEnvironment = LockName::environment();
const LockName kStore = LockName::of_store(1);
constexpr Code kOk = LockFixture::kOk;

// Goal:   what two transactions hold on one thing is what the table allows; nothing leaks.
// Method: every pair of modes on the environment, on a store, on a key and on a range.
TEST(LockManager, TwoHoldOneThingInCompatibleModes) {
  for (const LockName& name : {kEnvironment, kStore, key("k"), range("a", "z")}) {
    for (const LockMode first : kModes) {
      for (const LockMode second : kModes) {
        const bool leaf = name.level > LockLevel::store;
        if (leaf && (is_intention(first) || is_intention(second))) continue;
        if (leaf && (first == LockMode::six || second == LockMode::six)) continue;
        LockFixture t;
        ASSERT_TRUE(t.take(1, name, first));
        EXPECT_EQ(t.ask(2, name, second), compatible(first, second) ? kOk : Code::busy)
            << to_string(name) << " " << to_string(first) << " " << to_string(second);
        t.release(1);
        EXPECT_TRUE(t.take(2, name, second));
        t.release(2);
        EXPECT_EQ(t.manager.snapshot().holders_total, 0u);
      }
    }
  }
}

TEST(LockManager, AConversionEndsInTheSupremum) {
  for (const LockName& name : {kEnvironment, kStore}) {
    for (const LockMode first : kModes) {
      for (const LockMode second : kModes) {
        LockFixture t;
        ASSERT_TRUE(t.take(1, name, first) && t.take(1, name, second));
        EXPECT_EQ(t.mode_of(1, name), to_string(supremum(first, second)));
      }
    }
  }
}

TEST(LockManager, ALockTakesTheIntentionsAboveIt) {
  LockFixture t;
  ASSERT_TRUE(t.take(1, key("k"), LockMode::s));
  EXPECT_EQ(t.mode_of(1, kEnvironment), "IS");
  EXPECT_EQ(t.mode_of(1, kStore), "IS");
  ASSERT_TRUE(t.take(1, key("l"), LockMode::x));
  EXPECT_EQ(t.mode_of(1, kEnvironment), "IX");
  EXPECT_EQ(t.mode_of(1, kStore), "IX");
  EXPECT_EQ(t.mode_of(1, key("k")), "S");
  ASSERT_TRUE(t.take(2, LockName::of_store(2), LockMode::s));
  EXPECT_EQ(t.mode_of(2, kEnvironment), "IS");
  ASSERT_TRUE(t.take(3, LockName::of_store(3), LockMode::six));
  EXPECT_EQ(t.mode_of(3, kEnvironment), "IX");
}

TEST(LockManager, LevelsExcludeEachOther) {
  LockFixture t;
  ASSERT_TRUE(t.take(1, key("k"), LockMode::x));
  EXPECT_EQ(t.ask(2, kStore, LockMode::s), Code::busy);
  EXPECT_EQ(t.ask(2, kEnvironment, LockMode::s), Code::busy);
  EXPECT_TRUE(t.take(2, LockName::of_store(2), LockMode::x));
  EXPECT_TRUE(t.take(2, kStore, LockMode::ix));
  t.release(1);
  t.release(2);

  ASSERT_TRUE(t.take(1, kStore, LockMode::s));
  EXPECT_TRUE(t.take(2, key("k"), LockMode::s));
  EXPECT_EQ(t.ask(2, key("k"), LockMode::x), Code::busy);
  EXPECT_TRUE(t.take(2, key("k", 2), LockMode::x));
  t.release(1);
  t.release(2);

  ASSERT_TRUE(t.take(1, kEnvironment, LockMode::x));
  EXPECT_EQ(t.ask(2, key("k"), LockMode::s), Code::busy);
  EXPECT_EQ(t.ask(2, kStore, LockMode::is), Code::busy);
}

TEST(LockManager, WhatIsCoveredIsNotTakenAgain) {
  LockFixture t;
  ASSERT_TRUE(t.take(1, key("k"), LockMode::x));
  const size_t locks = t[1].count();
  EXPECT_EQ(locks, 3u);
  EXPECT_TRUE(t.take(1, key("k"), LockMode::x) && t.take(1, key("k"), LockMode::s));
  EXPECT_TRUE(t.take(1, kStore, LockMode::is) && t.take(1, kEnvironment, LockMode::ix));
  EXPECT_EQ(t[1].count(), locks);

  ASSERT_TRUE(t.take(2, range("l", "p"), LockMode::x));
  const size_t with_range = t[2].count();
  EXPECT_TRUE(t.take(2, key("m"), LockMode::x) && t.take(2, range("m", "p"), LockMode::s));
  EXPECT_EQ(t[2].count(), with_range);
  EXPECT_TRUE(t.take(2, range("m", "q"), LockMode::s));
  EXPECT_EQ(t[2].count(), with_range + 1);

  ASSERT_TRUE(t.take(3, LockName::of_store(2), LockMode::six));
  const size_t with_store = t[3].count();
  EXPECT_TRUE(t.take(3, key("k", 2), LockMode::s) && t.take(3, range("", "", 2), LockMode::s));
  EXPECT_EQ(t[3].count(), with_store);
  EXPECT_TRUE(t.take(3, key("k", 2), LockMode::x));
  EXPECT_EQ(t[3].count(), with_store + 1);
}

TEST(LockManager, RangesMeetRangesAndKeys) {
  LockFixture t;
  ASSERT_TRUE(t.take(1, key("f"), LockMode::x));
  ASSERT_TRUE(t.take(1, range("k", "n"), LockMode::s));
  ASSERT_TRUE(t.take(1, range("x", ""), LockMode::x));

  EXPECT_EQ(t.ask(2, range("a", "f\x01"), LockMode::s), Code::busy);
  EXPECT_TRUE(t.take(2, range("a", "f"), LockMode::x));
  EXPECT_EQ(t.ask(2, range("", ""), LockMode::s), Code::busy);
  EXPECT_TRUE(t.take(2, range("g", "x"), LockMode::s));
  EXPECT_EQ(t.ask(2, key("k"), LockMode::x), Code::busy);
  EXPECT_EQ(t.ask(2, range("m", "t"), LockMode::x), Code::busy);
  EXPECT_TRUE(t.take(2, key("n"), LockMode::x));
  EXPECT_EQ(t.ask(2, key("zzz"), LockMode::s), Code::busy);
  EXPECT_EQ(t.ask(2, range("z", ""), LockMode::s), Code::busy);
  EXPECT_TRUE(t.take(2, range("x", "", 2), LockMode::x));
  EXPECT_TRUE(t.take(1, range("", "a"), LockMode::x));
  EXPECT_EQ(t.ask(1, range("", "b"), LockMode::s), Code::busy);
}

// Keys locked before the first range of all must be found by it.
TEST(LockManager, RangesFindEarlierKeys) {
  LockFixture t;
  for (int i = 0; i < 2'000; ++i) ASSERT_TRUE(t.take(1, key(std::to_string(i)), LockMode::x));
  EXPECT_EQ(t.ask(2, range("1999", "1999\x01"), LockMode::s), Code::busy);
  EXPECT_TRUE(t.take(2, range("a", ""), LockMode::x));
  t.release(1);
  EXPECT_TRUE(t.take(2, range("", ""), LockMode::x));
  EXPECT_EQ(t.ask(1, key("1999"), LockMode::s), Code::busy);
}

TEST(LockManager, AnyBytesAreAKey) {
  LockFixture t;
  const std::string zero("\0", 1), large(16'384, 'k');
  const std::string larger = large + "x";
  for (const std::string& bytes : {std::string(), zero, large, larger}) {
    ASSERT_TRUE(t.take(1, key(bytes), LockMode::x)) << bytes.size();
    EXPECT_EQ(t.ask(2, key(bytes), LockMode::s), Code::busy);
  }
  EXPECT_EQ(t.ask(2, range("", zero), LockMode::s), Code::busy);
  t.release(1);
  EXPECT_TRUE(t.take(2, range("", ""), LockMode::x));
}

TEST(LockManager, WrongCallsAreRefused) {
  LockFixture t;
  EXPECT_EQ(t.ask(1, key("k"), LockMode::ix), Code::invalid_argument);
  EXPECT_EQ(t.ask(1, range("a", "b"), LockMode::six), Code::invalid_argument);
  EXPECT_EQ(t.ask(1, range("b", "a"), LockMode::s), Code::invalid_argument);
  EXPECT_EQ(t.ask(1, range("a", "a"), LockMode::s), Code::invalid_argument);
  EXPECT_EQ(t.ask(1, kStore, LockMode::none), Code::invalid_argument);
  EXPECT_EQ(t[1].count(), 0u);
}

TEST(LockManager, ARefusalNamesWhoStandsInTheWay) {
  LockFixture t;
  ASSERT_TRUE(t.take(7, range("a", "c"), LockMode::s));
  const Result<void> refused = t.manager.try_acquire(t[8], key("b"), LockMode::x);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().message(),
            "lock: transaction 8 wants X on key 'b' of store 1, but transaction 7 holds S on keys "
            "'a' to 'c' of store 1");
}

TEST(LockManager, ASavepointGivesBackWhatCameAfterIt) {
  LockFixture t;
  ASSERT_TRUE(t.take(1, key("a"), LockMode::s));
  const LockMark mark = t[1].mark();
  ASSERT_TRUE(t.take(1, key("a"), LockMode::x) && t.take(1, key("b"), LockMode::x));
  const LockMark inner = t[1].mark();
  ASSERT_TRUE(t.take(1, range("c", "d"), LockMode::x) && t.take(1, key("k", 2), LockMode::x));
  ASSERT_TRUE(t.take(1, kStore, LockMode::s));
  EXPECT_EQ(t.mode_of(1, kStore), "SIX");

  t.manager.release_to(t[1], inner);
  EXPECT_EQ(t.mode_of(1, kStore), "IX");
  EXPECT_EQ(t.mode_of(1, LockName::of_store(2)), "");
  EXPECT_TRUE(t.take(2, range("c", "d"), LockMode::x) && t.take(2, key("k", 2), LockMode::x));
  EXPECT_EQ(t.ask(2, key("b"), LockMode::s), Code::busy);

  t.manager.release_to(t[1], mark);
  EXPECT_EQ(t.mode_of(1, key("a")), "S");
  EXPECT_EQ(t.mode_of(1, kStore), "IS");
  EXPECT_EQ(t.mode_of(1, kEnvironment), "IS");
  EXPECT_TRUE(t.take(2, key("b"), LockMode::s) && t.take(2, key("a"), LockMode::s));
  EXPECT_EQ(t.ask(2, key("a"), LockMode::x), Code::busy);

  ASSERT_TRUE(t.take(1, key("e"), LockMode::x));  // As usable as before.
  t.release(1);
  EXPECT_TRUE(t.take(2, kEnvironment, LockMode::x));
}

TEST(LockManager, TooManyLocksBecomeOneOfTheStore) {
  LockFixture t({.locks_per_transaction_max = 10});
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(t.take(1, key(std::to_string(i)), LockMode::s));
  EXPECT_EQ(t[1].count(), 10u);
  const LockMark mark = t[1].mark();
  ASSERT_TRUE(t.take(1, key("8"), LockMode::s));
  EXPECT_EQ(t.mode_of(1, kStore), "S");
  ASSERT_TRUE(t.take(1, key("9"), LockMode::x));
  EXPECT_EQ(t.mode_of(1, kStore), "X");
  for (int i = 10; i < 1000; ++i) ASSERT_TRUE(t.take(1, key(std::to_string(i)), LockMode::x));
  EXPECT_EQ(t[1].count(), 14u);  // The environment went from IS to IX; the store to S, SIX and X.
  EXPECT_EQ(t.manager.snapshot().counters.escalations, 2u);
  ASSERT_TRUE(t.take(1, range("a", "b", 2), LockMode::x));  // Another store: again.
  EXPECT_EQ(t.mode_of(1, LockName::of_store(2)), "X");
  EXPECT_EQ(t.ask(2, key("500"), LockMode::s), Code::busy);

  t.manager.release_to(t[1], mark);
  EXPECT_EQ(t.mode_of(1, kStore), "IS");
  EXPECT_EQ(t.ask(2, key("7"), LockMode::x), Code::busy);  // What was locked by key still is.
  EXPECT_TRUE(t.take(2, key("500"), LockMode::x));
}

TEST(LockManager, EscalationDoesNotWait) {
  LockFixture t({.locks_per_transaction_max = 10});
  ASSERT_TRUE(t.take(2, key("other"), LockMode::x));
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(t.take(1, key(std::to_string(i)), LockMode::x));
  const Result<void> refused = t.manager.acquire(t[1], key("8"), LockMode::x, kLong);
  ASSERT_EQ(LockFixture::code_of(refused), Code::too_large);
  EXPECT_THAT(refused.error().message(),
              HasSubstr("transaction 1 wants X on store 1, but transaction 2 holds IX on store 1"));
  EXPECT_TRUE(t.take(1, key("7"), LockMode::x));  // Held already.
  EXPECT_EQ(t.ask(1, range("a", "b"), LockMode::s), Code::too_large);
  t.release(2);
  EXPECT_TRUE(t.take(1, key("8"), LockMode::x));
}

TEST(LockManager, ASnapshotShowsTheHolders) {
  LockFixture t;
  ASSERT_TRUE(t.take(1, key("k"), LockMode::x) && t.take(1, range("a", "b"), LockMode::s));
  ASSERT_TRUE(t.take(2, LockName::of_store(2), LockMode::s));
  const LockSnapshot all = t.manager.snapshot();
  EXPECT_EQ(all.holders_total, 6u);
  EXPECT_EQ(all.holders.size(), 6u);
  for (const LockInfo& info : all.holders) EXPECT_GT(info.since_ns, 0u);
  EXPECT_TRUE(all.waiters.empty() && all.deadlocks.empty());
  EXPECT_EQ(t.mode_of(1, range("a", "b")), "S");

  const LockSnapshot some = t.manager.snapshot(2);
  EXPECT_EQ(some.holders_total, 6u);
  EXPECT_EQ(some.holders.size(), 2u);
}

TEST(LockManager, ADroppedStoreIsForgottenOnceNobodyUsesIt) {
  LockFixture t;
  ASSERT_TRUE(t.take(1, key("k"), LockMode::x));
  t.manager.forget_store(1);
  EXPECT_EQ(t.ask(2, key("k"), LockMode::x), Code::busy);
  t.release(1);
  t.manager.forget_store(1);
  t.manager.forget_store(1);
  EXPECT_TRUE(t.take(2, key("k"), LockMode::x));
}

TEST(LockManager, ASetThatEndsReleasesAll) {
  LockManager manager(LockOptions{});
  {
    LockSet set(manager, 1);
    ASSERT_TRUE(manager.acquire(set, range("a", "b"), LockMode::x).has_value());
    ASSERT_TRUE(manager.acquire(set, key("k"), LockMode::x).has_value());
  }
  EXPECT_EQ(manager.snapshot().holders_total, 0u);
}

}  // namespace
}  // namespace aether::txn
