// Two-phase commit: what is prepared stays so, over restarts and crashes, until it is decided.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "isolation/one_store_fixture.h"
#include "support/edited_value.h"

namespace aether {
namespace {

class PreparedTest : public OneStoreTest {
 protected:
  PreparedTest() : OneStoreTest(4 * MiB) {}
  void prepare(Transaction& txn, const std::string& gid) {
    const Result<PrepareVote> vote = txn.prepare(gid);
    ASSERT_TRUE(vote.has_value()) << vote.error().message();
    EXPECT_EQ(*vote, PrepareVote::prepared);
    EXPECT_FALSE(txn.active());
  }
  std::vector<std::string> gids() {
    std::vector<std::string> result;
    const std::vector<PreparedTransaction> list = *env_->prepared();
    for (const PreparedTransaction& one : list) result.push_back(one.gid);
    return result;
  }
};

TEST_F(PreparedTest, CommitsAndRollsBackByItsId) {
  ok(store_->put("a", "1"));
  Transaction one = *env_->begin();
  put(one, "a", "2");
  put(one, "b", "2");
  prepare(one, "one");
  Transaction two = *env_->begin();
  put(two, "c", "3");
  prepare(two, "two");
  EXPECT_EQ(gids(), (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(rows(), (Rows{{"a", "1"}}));
  EXPECT_EQ(store_->put("a", "9").error().code(), Code::conflict);
  ok(env_->commit_prepared("one"));
  ok(env_->rollback_prepared("two"));
  EXPECT_EQ(rows(), (Rows{{"a", "2"}, {"b", "2"}}));
  EXPECT_TRUE(gids().empty());
  EXPECT_EQ(env_->commit_prepared("one").error().code(), Code::not_found);
  EXPECT_EQ(env_->rollback_prepared("two").error().code(), Code::not_found);
}

TEST_F(PreparedTest, BadIdsAreRefusedAndTheTransactionStaysOpen) {
  Transaction txn = *env_->begin(), other = *env_->begin();
  put(txn, "a", "1");
  put(other, "b", "1");
  prepare(other, "taken");
  EXPECT_EQ(txn.prepare("").error().code(), Code::invalid_argument);
  EXPECT_EQ(txn.prepare(std::string(129, 'x')).error().code(), Code::invalid_argument);
  EXPECT_EQ(txn.prepare("taken").error().code(), Code::exists);
  EXPECT_TRUE(txn.active());
  put(txn, "a", "2");
  prepare(txn, std::string(128, '\0'));
  EXPECT_EQ(txn.prepare("again").error().code(), Code::closed);
  EXPECT_EQ(txn.commit().error().code(), Code::closed);
  ok(env_->commit_prepared(std::string(128, '\0')));
  ok(env_->rollback_prepared("taken"));
  EXPECT_EQ(rows(), (Rows{{"a", "2"}}));
}

TEST_F(PreparedTest, WhoHasWrittenNothingIsDone) {
  ok(store_->put("a", "1"));
  Transaction txn = *env_->begin();
  EXPECT_EQ(*store_->get(txn, "a"), "1");
  EXPECT_EQ(*txn.prepare("reader"), PrepareVote::read_only);
  EXPECT_TRUE(gids().empty());
  Transaction later = *env_->begin();
  put(later, "b", "1");
  prepare(later, "reader");  // The id is free.
  ok(env_->commit_prepared("reader"));
}

TEST_F(PreparedTest, ACloseAndAnOpenKeepIt) {
  const std::string large(50'000, 'l');
  ok(store_->put("updated", "1"));
  ok(store_->put("removed", "1"));
  ok(store_->put("large", large));
  ok(store_->put("twice", "1"));
  const Rows before = rows();
  for (const bool commits : {true, false}) {
    Transaction txn = *env_->begin();
    put(txn, "updated", "2");
    put(txn, "inserted", "2");
    ok(store_->remove(txn, "removed"));
    put(txn, "large", "small");
    ok(store_->remove(txn, "twice"));
    put(txn, "twice", "2");
    ok(store_->remove(txn, "twice"));
    prepare(txn, "kept");
    for (int i = 0; i < 3; ++i) {
      reopen();
      const std::vector<PreparedTransaction> list = *env_->prepared();
      ASSERT_EQ(list.size(), 1u);
      EXPECT_EQ(list[0].gid, "kept");
      EXPECT_TRUE(list[0].recovered);
      EXPECT_EQ(rows(), before);
      EXPECT_EQ(store_->put("updated", "9").error().code(), Code::conflict);
      EXPECT_EQ(store_->put("removed", "9").error().code(), Code::conflict);
      EXPECT_EQ(store_->insert("inserted", "9").error().code(), Code::conflict);
    }
    if (!commits) {
      ok(env_->rollback_prepared("kept"));
      EXPECT_EQ(rows(), before);
    } else {
      Transaction snapshot = *env_->begin({.read_only = true});
      ok(env_->commit_prepared("kept"));
      EXPECT_EQ(*store_->get(snapshot, "removed"), "1");
      EXPECT_EQ(*store_->get(snapshot, "large"), large);
      EXPECT_EQ(rows(), (Rows{{"inserted", "2"}, {"large", "small"}, {"updated", "2"}}));
      ok(snapshot.commit());
      ok(store_->remove("inserted"));
      for (const auto& [key, value] : before) ok(store_->put(key, value));
    }
    verify();
    reopen();
    EXPECT_EQ(rows(), before);
    EXPECT_TRUE(gids().empty());
  }
}

// Its records hold only what has changed of each row: the rows as others see them, and as a rollback leaves them, are put
// together again, also where the same row was patched, removed, and made anew.
TEST_F(PreparedTest, RowsOfWhichTheLogHoldsLittleComeBackWhole) {
  const std::string first(500, 'x');
  for (const char* key : {"once", "often", "removed", "anew", "same"}) ok(store_->put(key, first));
  const Rows before = rows();
  for (const bool commits : {false, true}) {
    Transaction txn = *env_->begin();
    std::string value = first;
    value[7] = '1';
    put(txn, "once", value);
    put(txn, "same", first);
    for (const size_t at : {0, 250, 499}) {
      value[at] = '2';
      put(txn, "often", value);
    }
    put(txn, "removed", value);
    ok(store_->remove(txn, "removed"));
    put(txn, "anew", value);
    ok(store_->remove(txn, "anew"));
    value[100] = '3';
    put(txn, "anew", value);
    prepare(txn, "kept");
    for (int i = 0; i < 2; ++i) {
      i == 0 ? reopen() : crash();
      EXPECT_EQ(rows(), before);
      Transaction reader = *env_->begin({.read_only = true});
      EXPECT_EQ(*store_->get(reader, "often"), first);
    }
    Rows after = before;
    if (commits) {
      ok(env_->commit_prepared("kept"));
      after["once"][7] = '1';
      after["often"] = after["anew"] = value;
      after["often"][100] = 'x';
      after.erase("removed");
    } else {
      ok(env_->rollback_prepared("kept"));
    }
    EXPECT_EQ(rows(), after);
    crash();
    EXPECT_EQ(rows(), after);
    verify();
  }
}

TEST_F(PreparedTest, LocksAreKeptToo) {
  ok(store_->put("a", "1"));
  Transaction txn = *env_->begin();
  ok(store_->lock(txn, "a", LockMode::shared));
  ok(store_->lock(txn, "absent", LockMode::exclusive));
  ok(store_->lock_range(txn, {.begin = "m", .end = "n"}, LockMode::exclusive));
  put(txn, "w", "1");
  prepare(txn, "locks");
  for (int i = 0; i < 3; ++i) {
    Transaction other = *env_->begin({.lock_timeout_ms = 0});
    EXPECT_EQ(store_->put(other, "absent", "2").error().code(), Code::busy);
    EXPECT_EQ(store_->put(other, "mm", "2").error().code(), Code::busy);
    EXPECT_EQ(store_->put(other, "a", "2").error().code(), Code::busy);
    EXPECT_TRUE(store_->lock(other, "a", LockMode::shared).has_value());
    EXPECT_TRUE(store_->put(other, "free", "2").has_value());
    ok(other.abort());
    i == 0 ? reopen() : crash();
  }
  ok(env_->commit_prepared("locks"));
  ok(store_->put("mm", "2"));
  EXPECT_EQ(rows(), (Rows{{"a", "1"}, {"mm", "2"}, {"w", "1"}}));
}

// It read y and wrote x; so it comes before whoever changes y, and nobody may see that change and not x, also after a
// restart that has forgotten its place in the order.
TEST_F(PreparedTest, ASerializableOneKeepsItsPlaceInTheOrder) {
  for (const bool restarts : {false, true}) {
    ok(store_->put("x", "old"));
    ok(store_->put("y", "old"));
    Transaction txn = *env_->begin({.isolation = Isolation::serializable});
    EXPECT_EQ(*store_->get(txn, "y"), "old");
    put(txn, "x", "new");
    prepare(txn, "first");
    if (restarts) crash();
    Transaction writes = *env_->begin({.isolation = Isolation::serializable});
    put(writes, "y", "new");
    ok(writes.commit());
    Transaction reads = *env_->begin({.isolation = Isolation::serializable, .read_only = true});
    EXPECT_EQ(*store_->get(reads, "y"), "new");
    EXPECT_EQ(*store_->get(reads, "x"), "old");
    const Result<void> done = reads.commit();
    ASSERT_FALSE(done.has_value()) << "restarts: " << restarts;
    EXPECT_EQ(done.error().code(), Code::conflict);
    ok(env_->commit_prepared("first"));
  }
}

// The same where who changes y has no number in the order: a record alone, or a batch. Found by TLC (spec/Snapshots).
TEST_F(PreparedTest, NoReaderSeesWhatHasNoNumberWithoutWhatComesBeforeIt) {
  for (const bool restarts : {false, true}) {
    for (const bool is_batch : {false, true}) {
      ok(store_->put("x", "old"));
      ok(store_->put("y", "old"));
      Transaction txn = *env_->begin({.isolation = Isolation::serializable});
      EXPECT_EQ(*store_->get(txn, "y"), "old");
      put(txn, "x", "new");
      prepare(txn, "first");
      if (restarts) crash();
      if (is_batch) {
        WriteBatch batch;
        batch.put(*store_, "y", "new");
        ok(env_->write(batch));
      } else {
        ok(store_->put("y", "new"));
      }
      for (const bool read_only : {false, true}) {
        Transaction reads = *env_->begin(
            {.isolation = Isolation::serializable, .read_only = read_only});
        EXPECT_EQ(*store_->get(reads, "y"), "new");
        EXPECT_EQ(*store_->get(reads, "x"), "old");
        const Result<void> done = reads.commit();
        ASSERT_FALSE(done.has_value()) << "restarts " << restarts << ", batch " << is_batch;
        EXPECT_EQ(done.error().code(), Code::conflict);
      }
      ok(env_->commit_prepared("first"));
    }
  }
}

// Two in doubt, the one with the higher id first in the order; a restart forgets which. Found by TLC (spec/Snapshots).
TEST_F(PreparedTest, ThoseInDoubtKeepAnyOrderThatTheyHad) {
  for (const bool restarts : {false, true}) {
    ok(store_->put("x", "old"));
    ok(store_->put("y", "old"));
    Transaction second = *env_->begin({.isolation = Isolation::serializable});
    Transaction first = *env_->begin({.isolation = Isolation::serializable});
    put(second, "y", "new");
    EXPECT_EQ(*store_->get(first, "y"), "old");
    put(first, "x", "new");
    prepare(first, "first");
    prepare(second, "second");
    if (restarts) crash();
    ok(env_->commit_prepared("second"));
    Transaction reads = *env_->begin({.isolation = Isolation::serializable, .read_only = true});
    EXPECT_EQ(*store_->get(reads, "y"), "new");
    EXPECT_EQ(*store_->get(reads, "x"), "old");
    const Result<void> done = reads.commit();
    ASSERT_FALSE(done.has_value()) << "restarts " << restarts;
    EXPECT_EQ(done.error().code(), Code::conflict);
    ok(env_->commit_prepared("first"));
  }
}

// One in doubt, another that comes after it and has committed: who sees the second must not miss the first, also when a
// restart has forgotten the second's number. Found by TLC (spec/Snapshots).
TEST_F(PreparedTest, NoReaderAfterARestartSeesWhatComesAfterOneInDoubt) {
  for (const bool restarts : {false, true}) {
    ok(store_->put("x", "old"));
    ok(store_->put("y", "old"));
    Transaction first = *env_->begin({.isolation = Isolation::serializable});
    EXPECT_EQ(*store_->get(first, "x"), "old");
    put(first, "y", "new");
    prepare(first, "first");
    Transaction second = *env_->begin({.isolation = Isolation::serializable});
    put(second, "x", "new");
    ok(second.commit());
    if (restarts) crash();
    Transaction reads = *env_->begin({.isolation = Isolation::serializable, .read_only = true});
    ok(env_->commit_prepared("first"));
    EXPECT_EQ(*store_->get(reads, "x"), "new");
    EXPECT_EQ(*store_->get(reads, "y"), "old");
    const Result<void> done = reads.commit();
    ASSERT_FALSE(done.has_value()) << "restarts " << restarts;
    EXPECT_EQ(done.error().code(), Code::conflict);
  }
}

TEST_F(PreparedTest, ThreadsDecideOnce) {
  for (int round = 0; round < 20; ++round) {
    Transaction txn = *env_->begin();
    put(txn, "row" + std::to_string(round), "1");
    prepare(txn, "once");
    std::atomic<int> committed{0}, rolled_back{0}, refused{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        const Result<void> done = t % 2 == 0 ? env_->commit_prepared("once")
                                             : env_->rollback_prepared("once");
        if (!done) {
          EXPECT_TRUE(done.error().code() == Code::not_found || done.error().code() == Code::busy);
          ++refused;
        } else {
          ++(t % 2 == 0 ? committed : rolled_back);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(committed + rolled_back, 1);
    EXPECT_EQ(refused, 3);
    EXPECT_EQ(store_->get("row" + std::to_string(round)).has_value(), committed == 1);
  }
}

TEST_F(PreparedTest, OthersWriteOnThoughItKeepsTheLog) {
  Transaction txn = *env_->begin();
  put(txn, "kept", "1");
  prepare(txn, "old");
  const std::string value(2000, 'v');
  for (int i = 0; i < 10'000; ++i)
    ok(store_->put(std::to_string(i % 100), value));  // 20 MB of log.
  EXPECT_GT(env_->stats().log_bytes_on_disk, 4 * MiB);
  crash();
  EXPECT_EQ(gids(), std::vector<std::string>{"old"});
  ok(env_->commit_prepared("old"));
  ok(env_->checkpoint());
  EXPECT_LT(env_->stats().log_bytes_on_disk, 4 * MiB);
  EXPECT_EQ(*store_->get("kept"), "1");
}

TEST_F(PreparedTest, ATransactionThatKeepsTooMuchLogFailsAlone) {
  Transaction txn = *env_->begin();
  put(txn, "first", "1");
  const std::string value(2000, 'v');
  for (int i = 0; i < 3000; ++i) ok(store_->put(std::to_string(i % 100), value));
  EXPECT_EQ(store_->put(txn, "second", "1").error().code(), Code::too_large);
  ok(store_->put("other", "1"));
  ok(txn.abort());
  ok(env_->checkpoint());
  EXPECT_FALSE(store_->get("first").has_value());
  EXPECT_LT(env_->stats().log_bytes_on_disk, 4 * MiB);
}

// Random transactions, some in doubt, some decided, with crashes between all of it: each is there whole or not at all.
TEST_F(PreparedTest, CrashesAtEveryStepLeaveItInDoubtOrDecided) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE(round);
    const Rows before = rows();
    Rows after = before;
    Transaction txn = *env_->begin();
    Savepoint savepoint = *txn.savepoint();
    for (int step = 0; step < 12; ++step) {
      const std::string key = std::to_string(random() % 8);
      std::string value(random() % 4 == 0 ? 6000 : random() % 100,
                        static_cast<char>('a' + random() % 26));
      if (after.contains(key) && random() % 2 == 0)
        value = testing_support::edited(after[key], random);
      if (step == 6 && random() % 2 == 0) {
        ok(txn.rollback_to(savepoint));
        after = before;
      }
      if (random() % 3 == 0) {
        EXPECT_EQ(store_->remove(txn, key).has_value(), after.erase(key) == 1);
      } else {
        put(txn, key, value);
        after[key] = value;
      }
    }
    prepare(txn, "gid");
    if (random() % 2 == 0) crash(random());
    if (random() % 3 == 0) ok(env_->checkpoint());
    if (random() % 3 == 0) crash(random());
    EXPECT_EQ(rows(), before);
    ASSERT_EQ(gids(), std::vector<std::string>{"gid"});
    verify();  // Values that it has replaced are nobody's, and yet not leaked.
    // Stopped anywhere in the decision, it is decided or still in doubt.
    const bool commits = random() % 2 == 0;
    const uint64_t cut = random() % 8;
    uint64_t steps = 0;
    std::unique_ptr<sim::SimOs> stopped;
    os_->on_step([&](const sim::Step& step) {
      if (step.changes_disk && steps++ == cut) stopped = os_->crash({.seed = random()});
    });
    ok(commits ? env_->commit_prepared("gid") : env_->rollback_prepared("gid"));
    os_->on_step({});
    if (stopped != nullptr) {
      env_.reset();
      os_ = std::move(stopped);
      open();
    }
    if (!gids().empty()) {
      EXPECT_EQ(rows(), before);
      ok(commits ? env_->commit_prepared("gid") : env_->rollback_prepared("gid"));
    }
    EXPECT_EQ(rows(), commits ? after : before);
    verify();
  }
}

}  // namespace
}  // namespace aether
