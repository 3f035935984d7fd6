// Queues, timeouts, deadlocks. Suites are named Concurrent: their waits are those of threads.
#include "tests/unit/txn/lock_fixture.h"

namespace aether::txn {
namespace {

using testing::HasSubstr;
using testing::Not;
using namespace testing_support;

const LockName kStore = LockName::of_store(1);
constexpr Code kOk = LockFixture::kOk;
constexpr LockMode kS = LockMode::s, kX = LockMode::x;

TEST(ConcurrentLockQueue, AReleaseGrantsInTheOrderOfArrival) {
  LockFixture t;
  ASSERT_TRUE(t.take(1, key("k"), kX));
  Asking second(t, 2, key("k"), kX);
  ASSERT_TRUE(second.blocks());
  Asking third(t, 3, key("k"), kX);
  ASSERT_TRUE(third.blocks());
  t.release(1);
  EXPECT_EQ(second.code(), kOk);
  EXPECT_TRUE(t.waits(3));
  t.release(2);
  EXPECT_EQ(third.code(), kOk);
  EXPECT_EQ(t.manager.snapshot().counters.waits, 2u);
}

TEST(ConcurrentLockQueue, ACompatibleNewcomerDoesNotOvertakeAWaiterItWouldHoldUp) {
  for (const LockName& name : {key("k"), range("a", "z"), kStore}) {
    LockFixture t;
    ASSERT_TRUE(t.take(1, name, kS));
    Asking writer(t, 2, name, kX);
    ASSERT_TRUE(writer.blocks());
    EXPECT_EQ(t.ask(3, name, kS), Code::busy) << to_string(name);
    Asking reader(t, 3, name, kS);
    ASSERT_TRUE(reader.blocks());
    t.release(1);
    EXPECT_EQ(writer.code(), kOk);
    EXPECT_TRUE(t.waits(3));
    t.release(2);
    EXPECT_EQ(reader.code(), kOk);
  }
}

TEST(ConcurrentLockQueue, OneThatHoldsNobodyUpGoesAhead) {
  LockFixture t;
  ASSERT_TRUE(t.take(1, kStore, LockMode::ix));
  Asking reader(t, 2, kStore, kS);
  ASSERT_TRUE(reader.blocks());
  EXPECT_TRUE(t.take(3, kStore, LockMode::is));   // Gets along with both.
  EXPECT_EQ(t.ask(4, key("k"), kX), Code::busy);  // Its IX would hold the reader up.
  EXPECT_TRUE(t.take(4, LockName::of_store(2), kX));
  t.release(1);
  EXPECT_EQ(reader.code(), kOk);

  ASSERT_TRUE(t.take(5, range("a", "c"), kS));
  Asking ranged(t, 6, range("b", "d"), kS);
  EXPECT_EQ(ranged.code(), kOk);
}

TEST(ConcurrentLockQueue, AllThatCanBeGrantedAreGrantedTogether) {
  LockFixture t;
  ASSERT_TRUE(t.take(1, key("k"), kX));
  Asking a(t, 2, key("k"), kS);
  ASSERT_TRUE(a.blocks());
  Asking b(t, 3, range("a", "z"), kS);
  ASSERT_TRUE(b.blocks());
  Asking writer(t, 4, key("k"), kX);
  ASSERT_TRUE(writer.blocks());
  Asking c(t, 5, key("k"), kS);
  ASSERT_TRUE(c.blocks());
  t.release(1);
  EXPECT_EQ(a.code(), kOk);
  EXPECT_EQ(b.code(), kOk);
  EXPECT_TRUE(t.waits(4) && t.waits(5));
  t.release(2);
  EXPECT_TRUE(t.waits(4) && t.waits(5));
  t.release(3);
  EXPECT_EQ(writer.code(), kOk);
  t.release(4);
  EXPECT_EQ(c.code(), kOk);
}

TEST(ConcurrentLockQueue, ConversionsGoBeforeNewRequests) {
  LockFixture t;
  ASSERT_TRUE(t.take(1, key("k"), kS) && t.take(2, key("k"), kS));
  Asking stranger(t, 3, key("k"), kX);
  ASSERT_TRUE(stranger.blocks());
  Asking conversion(t, 1, key("k"), kX);
  ASSERT_TRUE(conversion.blocks());
  t.release(2);
  EXPECT_EQ(conversion.code(), kOk);
  EXPECT_EQ(t.mode_of(1, key("k")), "X");
  EXPECT_TRUE(t.waits(3));
  t.release(1);
  EXPECT_EQ(stranger.code(), kOk);
}

// IS gets along with the S that waits, so only its being a conversion puts it first.
TEST(ConcurrentLockQueue, ConversionsOfStoresGoBeforeNewRequests) {
  LockFixture t;
  ASSERT_TRUE(t.take(1, kStore, LockMode::is) && t.take(2, kStore, LockMode::six));
  Asking stranger(t, 3, kStore, kS);
  ASSERT_TRUE(stranger.blocks());
  Asking conversion(t, 1, kStore, LockMode::ix);
  ASSERT_TRUE(conversion.blocks());
  t.release(2);
  EXPECT_EQ(conversion.code(), kOk);
  EXPECT_TRUE(t.waits(3));
  t.release(1);
  EXPECT_EQ(stranger.code(), kOk);
}

// The waiter waits for the holder anyway: to queue behind it would be a deadlock for nothing.
TEST(ConcurrentLockQueue, AHolderDoesNotQueueBehindItsOwnWaiters) {
  LockFixture t;
  ASSERT_TRUE(t.take(1, key("k"), kS));
  Asking writer(t, 2, key("k"), kX);
  ASSERT_TRUE(writer.blocks());
  EXPECT_TRUE(t.take(1, range("a", "z"), kS));
  EXPECT_TRUE(t.take(1, key("k"), kX));
  t.release(1);
  EXPECT_EQ(writer.code(), kOk);
  EXPECT_EQ(t.manager.snapshot().counters.deadlocks, 0u);
}

TEST(ConcurrentLockQueue, RangesAndKeysWaitForEachOther) {
  LockFixture t;
  ASSERT_TRUE(t.take(1, key("k"), kX));
  Asking scan(t, 2, range("a", "z"), kS);
  ASSERT_TRUE(scan.blocks());
  EXPECT_EQ(t.ask(3, key("m"), kX), Code::busy);  // The scan waits ahead.
  EXPECT_TRUE(t.take(3, key("m"), kS) && t.take(3, key("zz"), kX));
  t.release(1);
  EXPECT_EQ(scan.code(), kOk);
  Asking insert(t, 4, key("b"), kX);
  ASSERT_TRUE(insert.blocks());
  t.release(2);
  EXPECT_EQ(insert.code(), kOk);
}

TEST(ConcurrentLockQueue, ASavepointWakesThoseWhoWaitForWhatItGivesBack) {
  LockFixture t;
  ASSERT_TRUE(t.take(1, key("a"), kS));
  const LockMark mark = t[1].mark();
  ASSERT_TRUE(t.take(1, key("a"), kX) && t.take(1, key("b"), kX));
  Asking first(t, 2, key("a"), kS), second(t, 3, key("b"), kX);
  ASSERT_TRUE(first.blocks() && second.blocks());
  Asking third(t, 4, kStore, kS);
  ASSERT_TRUE(third.blocks());
  t.manager.release_to(t[1], mark);
  EXPECT_EQ(first.code(), kOk);
  EXPECT_EQ(second.code(), kOk);
  EXPECT_TRUE(t.waits(4));  // Transaction 3 has its IX.
  t.release(3);
  EXPECT_EQ(third.code(), kOk);
}

TEST(ConcurrentLockTimeout, AWaitEndsAndLeavesTheQueue) {
  LockFixture t;
  ASSERT_TRUE(t.take(1, key("k"), kS));
  Asking writer(t, 2, key("k"), kX, 300'000'000);
  ASSERT_TRUE(writer.blocks());
  Asking reader(t, 3, key("k"), kS);
  ASSERT_TRUE(reader.blocks() || reader.code() == kOk);
  ASSERT_EQ(writer.code(), Code::timed_out);
  EXPECT_THAT(std::string(writer.result().error().message()),
              HasSubstr("waited 300 ms: transaction 2 wants X on key 'k' of store 1, but "
                        "transaction 1 holds S"));
  EXPECT_EQ(reader.code(), kOk);  // Nobody stands before it any more.
  EXPECT_EQ(t.manager.snapshot().counters.timeouts, 1u);
  t.release(1);
  t.release(3);
  EXPECT_TRUE(t.take(2, key("k"), kX));  // The set is usable as before.
}

TEST(ConcurrentLockTimeout, TheDefaultIsTheOptions) {
  LockFixture t({.timeout_ms = 20});
  ASSERT_TRUE(t.take(1, key("k"), kX));
  EXPECT_EQ(LockFixture::code_of(t.manager.acquire(t[2], key("k"), kX)), Code::timed_out);
  Asking patient(t, 2, key("k"), kX, LockManager::kForever);
  ASSERT_TRUE(patient.blocks());
  t.release(1);
  EXPECT_EQ(patient.code(), kOk);
}

TEST(ConcurrentLockSnapshot, ShowsWhoWaitsForWhatSinceWhen) {
  LockFixture t;
  ASSERT_TRUE(t.take(1, key("k"), kX));
  const uint64_t before = os::production().monotonic_ns();
  Asking waiter(t, 2, key("k"), kS);
  ASSERT_TRUE(waiter.blocks());
  const LockSnapshot now = t.manager.snapshot();
  ASSERT_EQ(now.waiters.size(), 1u);
  EXPECT_EQ(now.waiters[0].txn, 2u);
  EXPECT_TRUE(LockFixture::same(now.waiters[0].name.view(), key("k")));
  EXPECT_EQ(now.waiters[0].mode, kS);
  EXPECT_GE(now.waiters[0].since_ns, before);
  t.manager.forget_store(1);
  t.release(1);
  EXPECT_EQ(waiter.code(), kOk);
}

// --- Deadlocks ------------------------------------------------------------------------------------------

// Goal:   a ring of any length is found when it closes, and costs exactly one transaction: the youngest, as
//         all have equally many locks.
// Method: transaction i holds key i and asks for key i + 1.
TEST(ConcurrentDeadlock, RingsOfTwoThreeAndFiveCostTheYoungest) {
  for (const TxnId size : {2u, 3u, 5u}) {
    LockFixture t;
    const auto name = [](TxnId i) { return std::string(1, static_cast<char>('a' + i)); };
    for (TxnId i = 0; i < size; ++i) ASSERT_TRUE(t.take(10 + i, key(name(i)), kX));
    std::vector<std::unique_ptr<Asking>> ring;
    for (TxnId i = 1; i < size; ++i) {  // The youngest blocks before the ring is closed.
      ring.push_back(std::make_unique<Asking>(t, 10 + i, key(name((i + 1) % size)), kX));
      ASSERT_TRUE(ring.back()->blocks());
    }
    Asking closes(t, 10, key(name(1)), kX);
    ASSERT_EQ(ring.back()->code(), Code::deadlock);
    const std::string message(ring.back()->result().error().message());
    for (TxnId i = 0; i < size; ++i) {
      EXPECT_THAT(message, HasSubstr("transaction " + std::to_string(10 + i) +
                                     " (locks: 3) waits for X on key '" + name((i + 1) % size) +
                                     "' of store 1, held by transaction " +
                                     std::to_string(10 + (i + 1) % size) + " in X"));
    }
    EXPECT_THAT(message,
                HasSubstr("; transaction " + std::to_string(9 + size) + " has the fewest"));
    for (TxnId i = size; i-- > 1;) {  // Each that ends lets the one before it go on.
      t.release(10 + i);
      EXPECT_EQ((i == 1 ? closes : *ring[i - 2]).code(), kOk);
    }
    EXPECT_EQ(t.manager.snapshot().counters.deadlocks, 1u);
  }
}

TEST(ConcurrentDeadlock, TheVictimIsTheOneWithTheFewestLocks) {
  LockFixture t;
  ASSERT_TRUE(t.take(1, key("a"), kX));
  ASSERT_TRUE(t.take(2, key("b"), kX) && t.take(2, key("c"), kX));
  Asking older(t, 1, key("b"), kX);
  ASSERT_TRUE(older.blocks());
  Asking younger(t, 2, key("a"), kX);
  EXPECT_EQ(older.code(), Code::deadlock);  // The older one, though the younger closed the ring.
  EXPECT_TRUE(t.waits(2));                  // The victim keeps its locks until it rolls back.
  t.release(1);
  EXPECT_EQ(younger.code(), kOk);

  const LockSnapshot now = t.manager.snapshot();
  ASSERT_EQ(now.deadlocks.size(), 1u);
  EXPECT_EQ(now.deadlocks[0].victim, 1u);
  EXPECT_GT(now.deadlocks[0].wall_ns, 0u);
  ASSERT_EQ(now.deadlocks[0].cycle.size(), 2u);
  const DeadlockStep& step = now.deadlocks[0].cycle[0];
  EXPECT_EQ(step.waiter, 2u);
  EXPECT_EQ(step.waiter_locks, 4u);
  EXPECT_EQ(step.blocker, 1u);
  EXPECT_TRUE(LockFixture::same(step.wants.view(), key("a")));
  EXPECT_TRUE(step.granted && step.wanted == kX && step.mode == kX);
}

TEST(ConcurrentDeadlock, TwoConversionsOfOneKeyOrStore) {
  for (const LockName& name : {key("k"), kStore}) {
    LockFixture t;
    ASSERT_TRUE(t.take(1, name, kS) && t.take(2, name, kS));
    Asking first(t, 1, name, kX);
    ASSERT_TRUE(first.blocks());
    EXPECT_EQ(t.ask(2, name, kX, kLong), Code::deadlock);
    t.release(2);
    EXPECT_EQ(first.code(), kOk);
  }
}

TEST(ConcurrentDeadlock, OfRangesAndKeys) {
  LockFixture t;
  ASSERT_TRUE(t.take(1, range("a", "m"), kS) && t.take(2, range("g", "z"), kS));
  Asking first(t, 1, key("h"), kX);  // In both ranges.
  ASSERT_TRUE(first.blocks());
  Asking second(t, 2, key("i"), kX);
  ASSERT_EQ(second.code(), Code::deadlock);
  EXPECT_THAT(std::string(second.result().error().message()),
              HasSubstr("transaction 2 (locks: 5) waits for X on key 'i' of store 1, held by "
                        "transaction 1 in S on keys 'a' to 'm' of store 1"));
  t.release(2);
  EXPECT_EQ(first.code(), kOk);
}

// 1 holds S(k); 2 waits for X(k); 3 waits for S(k) behind 2, and holds what 1 asks for.
TEST(ConcurrentDeadlock, APlaceInAQueueCounts) {
  LockFixture t;
  ASSERT_TRUE(t.take(1, key("k"), kS) && t.take(3, key("j"), kX) && t.take(3, key("i"), kX));
  Asking second(t, 2, key("k"), kX);
  ASSERT_TRUE(second.blocks());
  Asking third(t, 3, key("k"), kS);
  ASSERT_TRUE(third.blocks());
  Asking first(t, 1, key("j"), kX);
  ASSERT_EQ(second.code(), Code::deadlock);  // The fewest locks: its intentions only.
  EXPECT_THAT(std::string(second.result().error().message()),
              HasSubstr("transaction 3 (locks: 4) waits for S on key 'k' of store 1, behind "
                        "transaction 2, which waits for X"));
  EXPECT_EQ(third.code(), kOk);  // With 2 out of the queue there is nothing between 1 and 3.
  t.release(3);
  EXPECT_EQ(first.code(), kOk);
}

// 4 waits for S until 2 gives up its IX. 1 comes with a conversion to X and so stands before it, waiting for 3
// too; and 3 waits for 4.
TEST(ConcurrentDeadlock, AConversionThatGoesAheadMayCloseARing) {
  LockFixture t;
  ASSERT_TRUE(t.take(1, kStore, LockMode::is) && t.take(3, kStore, LockMode::is));
  ASSERT_TRUE(t.take(2, kStore, LockMode::ix) && t.take(4, key("j", 2), kX));
  Asking fourth(t, 4, kStore, kS);
  ASSERT_TRUE(fourth.blocks());
  Asking third(t, 3, key("j", 2), kS);
  ASSERT_TRUE(third.blocks());
  Asking first(t, 1, kStore, kX);
  EXPECT_EQ(fourth.code(), Code::deadlock);  // All have three locks; it is the youngest.
  t.release(4);
  EXPECT_EQ(third.code(), kOk);
  t.release(2);
  EXPECT_TRUE(t.waits(1));
  t.release(3);
  EXPECT_EQ(first.code(), kOk);
}

TEST(ConcurrentDeadlock, AcrossLevels) {
  LockFixture t;
  const LockName other = LockName::of_store(2);
  ASSERT_TRUE(t.take(1, kStore, kX) && t.take(2, other, kX));
  Asking first(t, 1, key("k", 2), kS);
  ASSERT_TRUE(first.blocks());
  EXPECT_EQ(t.ask(2, key("k"), kS, kLong), Code::deadlock);
  t.release(2);
  EXPECT_EQ(first.code(), kOk);
}

// One request may close several rings at once: 3 asks for X where 1 and 2 hold S, and both wait for 3.
TEST(ConcurrentDeadlock, SeveralRingsAreAllBroken) {
  LockFixture t;
  for (const TxnId id : {1u, 2u}) ASSERT_TRUE(t.take(id, key("k"), kS));
  for (const char* k : {"a", "b", "c"}) ASSERT_TRUE(t.take(3, key(k), kX));
  Asking first(t, 1, key("a"), kS), second(t, 2, key("b"), kS);
  ASSERT_TRUE(first.blocks() && second.blocks());
  Asking third(t, 3, key("k"), kX);
  EXPECT_EQ(first.code(), Code::deadlock);
  EXPECT_EQ(second.code(), Code::deadlock);
  t.release(1);
  EXPECT_TRUE(t.waits(3));
  t.release(2);
  EXPECT_EQ(third.code(), kOk);
  EXPECT_EQ(t.manager.snapshot().counters.deadlocks, 2u);
}

TEST(ConcurrentDeadlock, AChainIsNone) {
  LockFixture t;
  for (const TxnId id : {1u, 2u, 3u}) ASSERT_TRUE(t.take(id, key(std::to_string(id)), kX));
  Asking third(t, 3, key("2"), kX), second(t, 2, key("1"), kX), fourth(t, 4, key("3"), kX);
  ASSERT_TRUE(third.blocks() && second.blocks() && fourth.blocks());
  t.release(1);
  EXPECT_EQ(second.code(), kOk);
  t.release(2);
  EXPECT_EQ(third.code(), kOk);
  t.release(3);
  EXPECT_EQ(fourth.code(), kOk);
  EXPECT_EQ(t.manager.snapshot().counters.deadlocks, 0u);
}

TEST(ConcurrentDeadlock, TheLastSixteenAreKept) {
  LockFixture t;
  for (TxnId i = 0; i < 20; ++i) {
    const TxnId a = 100 + 2 * i, b = a + 1;
    ASSERT_TRUE(t.take(a, key("a"), kX) && t.take(b, key("b"), kX));
    Asking waits(t, a, key("b"), kX);
    ASSERT_TRUE(waits.blocks());
    ASSERT_EQ(t.ask(b, key("a"), kX, kLong), Code::deadlock);
    t.release(b);
    ASSERT_EQ(waits.code(), kOk);
    t.release(a);
  }
  const LockSnapshot now = t.manager.snapshot();
  ASSERT_EQ(now.deadlocks.size(), LockManager::kDeadlockReports);
  EXPECT_EQ(now.deadlocks.front().victim, 109u);
  EXPECT_EQ(now.deadlocks.back().victim, 139u);
  EXPECT_EQ(now.counters.deadlocks, 20u);
}

}  // namespace
}  // namespace aether::txn
