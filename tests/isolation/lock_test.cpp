// Explicit locks: who holds one is waited for, by locks and by writes.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "aether/aether.hpp"
#include "db/env_impl.h"

namespace aether {
namespace {

class LockTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(mkdtemp(home_), nullptr);
    env_ = *DbEnv::open(home_, {.pool_bytes = 8 * MiB, .durability = Durability::none});
    store_.emplace(*env_->open_store("s"));
    for (const char* key : {"a", "b", "c"}) ok(store_->put(key, "1"));
  }
  void TearDown() override {
    env_.reset();
    std::filesystem::remove_all(home_);
  }
  static void ok(const Result<void>& done) {
    ASSERT_TRUE(done.has_value()) << done.error().message();
  }
  Transaction begin(uint32_t timeout_ms = 10'000, Isolation isolation = Isolation::snapshot) {
    return *env_->begin({.isolation = isolation, .lock_timeout_ms = timeout_ms});
  }
  /// Until so many wait for a lock.
  void wait_for_waiters(size_t count) {
    while (env_->impl().locks().snapshot().waiters.size() < count) std::this_thread::yield();
  }

  char home_[32] = "/tmp/aether_lock_XXXXXX";
  std::unique_ptr<DbEnv> env_;
  std::optional<KvStore> store_;
};

using LockConcurrentTest = LockTest;

TEST_F(LockTest, AWriteOfALockedRowIsRefusedOrWaits) {
  Transaction owner = begin(), other = begin(0);
  EXPECT_EQ(*store_->lock_for_update(owner, "a"), "1");
  EXPECT_EQ(store_->put(other, "a", "2").error().code(), Code::busy);
  EXPECT_EQ(store_->remove(other, "a").error().code(), Code::busy);
  EXPECT_EQ(*store_->get(other, "a"), "1");  // Reads do not ask.
  EXPECT_TRUE(store_->put(other, "b", "2").has_value());
  ok(store_->put(owner, "a", "3"));
  ok(owner.commit());
  Transaction late = begin(1);
  Transaction holder = begin();
  ok(store_->lock(holder, "a", LockMode::shared));
  EXPECT_EQ(store_->put(late, "a", "4").error().code(), Code::timed_out);
  ok(store_->lock(late, "a", LockMode::shared));
  EXPECT_EQ(*store_->get("a"), "3");
}

TEST_F(LockTest, SoIsAnInsertIntoALockedRangeOrStore) {
  Transaction owner = begin(), other = begin(0);
  ok(store_->lock_range(owner, {.begin = "b", .end = "d"}, LockMode::shared));
  EXPECT_EQ(store_->insert(other, "bb", "1").error().code(), Code::busy);
  EXPECT_EQ(store_->remove(other, "c").error().code(), Code::busy);
  EXPECT_TRUE(store_->insert(other, "d", "1").has_value());
  ok(other.abort());
  ok(owner.abort());
  Transaction again = begin(), last = begin(0);
  ok(store_->lock_store(again, LockMode::exclusive));
  EXPECT_EQ(store_->put(last, "z", "1").error().code(), Code::busy);
  EXPECT_EQ(store_->lock(last, "z", LockMode::shared).error().code(), Code::busy);
  KvStore elsewhere = *env_->open_store("other");
  EXPECT_TRUE(elsewhere.put(last, "z", "1").has_value());
}

TEST_F(LockTest, RowsThatOthersHaveWrittenAreConflicts) {
  Transaction writer = begin(), locker = begin(), reader = begin();
  ok(store_->put(writer, "a", "2"));
  EXPECT_EQ(store_->lock_for_update(locker, "a").error().code(), Code::conflict);
  EXPECT_EQ(store_->lock_range(locker, {.begin = "", .end = "b"}, LockMode::shared).error().code(),
            Code::conflict);
  EXPECT_EQ(store_->lock_store(locker, LockMode::shared).error().code(), Code::conflict);
  EXPECT_EQ(*store_->get(reader, "b"), "1");
  ok(locker.abort());
  ok(writer.commit());
  EXPECT_EQ(store_->lock_for_update(reader, "a").error().code(),
            Code::conflict);  // It sees the row before.
  ok(reader.abort());
  Transaction fresh = begin();
  EXPECT_EQ(*store_->lock_for_update(fresh, "a"), "2");
}

// Goal: whoever has ended holds nothing, however it ended, also while its object is still there.
TEST_F(LockTest, AnEndReleasesThemWhileTheObjectLives) {
  const auto nobody_holds = [&](const char* after) {
    Transaction next = begin(0);
    EXPECT_TRUE(store_->lock(next, "a", LockMode::exclusive)) << after;
    EXPECT_TRUE(store_->lock_store(next, LockMode::exclusive)) << after;
    ok(next.abort());
    EXPECT_EQ(env_->impl().locks().snapshot().holders_total, 0u) << after;
  };
  Transaction wrote = begin(0), read = begin(0), gave_up = begin(0);
  EXPECT_EQ(*store_->lock_for_update(wrote, "a"), "1");
  ok(store_->put(wrote, "a", "2"));
  ok(wrote.commit());
  nobody_holds("a commit");
  ok(store_->lock(read, "a", LockMode::shared));
  ok(read.commit());
  nobody_holds("a commit that wrote nothing");
  ok(store_->lock_range(gave_up, {.begin = "a", .end = "c"}, LockMode::exclusive));
  ok(store_->put(gave_up, "b", "2"));
  ok(gave_up.abort());
  nobody_holds("an abort");
}

TEST_F(LockTest, GoingBackToASavepointReleases) {
  Transaction owner = begin();
  ok(store_->lock(owner, "a", LockMode::exclusive));
  const Savepoint savepoint = *owner.savepoint();
  ok(store_->lock(owner, "b", LockMode::exclusive));
  ok(owner.rollback_to(savepoint));
  Transaction other = begin(0);
  EXPECT_TRUE(store_->put(other, "b", "2").has_value());
  EXPECT_EQ(store_->put(other, "a", "2").error().code(), Code::busy);
}

TEST_F(LockTest, BadUseIsRefused) {
  Transaction reader = *env_->begin({.read_only = true});
  EXPECT_EQ(store_->lock(reader, "a", LockMode::shared).error().code(), Code::invalid_argument);
  Transaction ended = begin();
  ok(ended.commit());
  EXPECT_EQ(store_->lock_for_update(ended, "a").error().code(), Code::closed);
  Transaction holder = begin();
  ok(store_->lock_store(holder, LockMode::shared));
  KvStore empty = *env_->open_store("empty");
  EXPECT_EQ(empty.bulk_load([](Bytes&, Bytes&) { return false; }).value_or(1), 0u);
  EXPECT_EQ(store_->bulk_load([](Bytes&, Bytes&) { return false; }).error().code(), Code::exists);
  ok(empty.lock_store(holder, LockMode::shared));
  EXPECT_EQ(empty.bulk_load([](Bytes&, Bytes&) { return false; }).error().code(), Code::busy);
  EXPECT_EQ(store_->lock_for_update(holder, "none").error().code(), Code::not_found);
}

TEST_F(LockConcurrentTest, AWriteAloneWaitsForTheLock) {
  Transaction owner = begin();
  EXPECT_EQ(*store_->lock_for_update(owner, "a"), "1");
  std::thread other([&] { ok(store_->put("a", "alone")); });
  wait_for_waiters(1);
  ok(store_->put(owner, "a", "owner"));
  ok(owner.commit());
  other.join();
  EXPECT_EQ(*store_->get("a"), "alone");
}

TEST_F(LockConcurrentTest, ADeadlockIsReportedToOneOfTheTwo) {
  Transaction one = begin(), two = begin();
  ok(store_->lock(one, "a", LockMode::exclusive));
  ok(store_->lock(two, "b", LockMode::exclusive));
  std::thread other([&] {
    const Result<void> got = store_->lock(one, "b", LockMode::exclusive);
    EXPECT_TRUE(got || got.error().code() == Code::deadlock);
    ok(one.abort());
  });
  wait_for_waiters(1);
  const Result<void> got = store_->lock(two, "a", LockMode::exclusive);
  ASSERT_FALSE(got.has_value());  // Of two with as many locks the younger is the victim.
  EXPECT_EQ(got.error().code(), Code::deadlock);
  EXPECT_NE(got.error().message().find("'a'"), std::string_view::npos) << got.error().message();
  EXPECT_NE(got.error().message().find("'b'"), std::string_view::npos) << got.error().message();
  ok(two.abort());
  other.join();
}

TEST_F(LockConcurrentTest, CountersUnderLocksLoseNothingAndNeverConflict) {
  constexpr int kThreads = 4, kRounds = 500;
  ok(store_->put("n", "0"));
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kRounds; ++i) {
        Transaction txn = begin();
        const Result<std::string> value = store_->lock_for_update(txn, "n");
        ASSERT_TRUE(value.has_value()) << value.error().message();
        ok(store_->put(txn, "n", std::to_string(std::stoi(*value) + 1)));
        ok(txn.commit());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(*store_->get("n"), std::to_string(kThreads * kRounds));
}

// Some lock, some write without: nobody who holds a lock ever meets a changed row.
TEST_F(LockConcurrentTest, LockedRowsHoldStillAmongWritersWithoutLocks) {
  std::atomic<bool> stop{false};
  std::atomic<int> written{0};
  std::vector<std::thread> writers;
  for (int t = 0; t < 2; ++t) {
    writers.emplace_back([&, t] {
      for (int i = 0; !stop; ++i) {
        if (t == 0) {
          if (store_->put("a", std::to_string(i))) ++written;
          continue;
        }
        Transaction txn = begin();
        if (store_->put(txn, "a", std::to_string(i)) && txn.commit()) ++written;
      }
    });
  }
  int held = 0;
  while (held < 300 || written == 0) {
    Transaction txn = begin(10'000, Isolation::read_committed);
    const Result<std::string> before = store_->lock_for_update(txn, "a");
    if (!before) {
      ASSERT_EQ(before.error().code(), Code::conflict) << before.error().message();
      continue;
    }
    ++held;
    for (int i = 0; i < 20; ++i) ASSERT_EQ(*store_->get(txn, "a"), *before);
    ASSERT_EQ(*store_->get("a"), *before);
    ok(store_->put(txn, "a", "locked"));
    ok(txn.commit());
  }
  stop = true;
  for (std::thread& writer : writers) writer.join();
}

}  // namespace
}  // namespace aether
