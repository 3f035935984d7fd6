// Snapshots: what a transaction reads is the moment it began, whatever others do.
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "aether/aether.hpp"
#include "db/env_impl.h"
#include "sim/sim_os.h"

namespace aether {
namespace {

using Rows = std::map<std::string, std::string>;

struct World {
  sim::SimOs os{{.seed = 1}};
  std::unique_ptr<DbEnv> env;
  KvStore store;

  explicit World(uint64_t pool_bytes = 4 * MiB)
      : env(open(os, pool_bytes)), store(*env->open_store("s")) {}

  static std::unique_ptr<DbEnv> open(sim::SimOs& os, uint64_t pool_bytes) {
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open("/env",
                                                     {.pool_bytes = pool_bytes,
                                                      .page_bytes = 4 * KiB,
                                                      .log_streams = 2,
                                                      .log_segment_bytes = 1 * MiB,
                                                      .log_bytes_max = 256 * MiB,
                                                      .durability = Durability::none,
                                                      .version_bytes_max = 64 * KiB,
                                                      .background_threads = false},
                                                     os);
    EXPECT_TRUE(env.has_value()) << env.error().message();
    return *std::move(env);
  }
  Transaction begin(Isolation isolation = Isolation::snapshot, bool read_only = false) {
    return *env->begin({.isolation = isolation, .read_only = read_only});
  }
  txn::VersionStats versions() { return env->impl().services().versions.stats(); }
  void put(const std::string& key, const std::string& value) {
    EXPECT_TRUE(store.put(key, value).has_value());
  }
  std::string get(Transaction& txn, const std::string& key) {
    const Result<std::string> value = store.get(txn, key);
    return value ? *value : std::string(value.error().message());
  }
  std::string get(const std::string& key) {
    const Result<std::string> value = store.get(key);
    return value ? *value : "(none)";
  }
  bool has(Transaction& txn, const std::string& key) { return store.get(txn, key).has_value(); }

  Rows scan(Transaction& txn, bool reverse = false) {
    Rows rows;
    const Result<uint64_t> count = store.scan(txn, {.begin = {}, .end = {}, .reverse = reverse},
                                              [&](Bytes key, Bytes value) {
                                                rows.emplace(key, value);
                                                return true;
                                              });
    EXPECT_TRUE(count.has_value() && *count == rows.size());
    return rows;
  }
};

TEST(Snapshot, ReadsTheMomentOfItsBegin) {
  World w;
  w.put("a", "1");
  w.put("gone", "1");
  Transaction old = w.begin();
  w.put("a", "2");
  w.put("new", "2");
  ASSERT_TRUE(w.store.remove("gone").has_value());
  EXPECT_EQ(w.scan(old), (Rows{{"a", "1"}, {"gone", "1"}}));
  EXPECT_EQ(w.scan(old, true), (Rows{{"a", "1"}, {"gone", "1"}}));
  EXPECT_EQ(w.get(old, "a"), "1");
  EXPECT_EQ(w.get(old, "gone"), "1");
  EXPECT_FALSE(w.has(old, "new"));
  Transaction now = w.begin();
  EXPECT_EQ(w.scan(now), (Rows{{"a", "2"}, {"new", "2"}}));
  std::string seen;
  ASSERT_TRUE(w.store.visit(old, "a", [&](Bytes value) { seen = value; }).has_value());
  EXPECT_EQ(seen, "1");
}

TEST(Snapshot, SeesItsOwnWritesAndNobodyElseDoes) {
  World w;
  w.put("a", "1");
  Transaction writer = w.begin();
  ASSERT_TRUE(w.store.put(writer, "a", "mine").has_value());
  ASSERT_TRUE(w.store.put(writer, "b", "mine").has_value());
  ASSERT_TRUE(w.store.put(writer, "a", "mine too").has_value());
  EXPECT_EQ(w.scan(writer), (Rows{{"a", "mine too"}, {"b", "mine"}}));
  for (const Isolation level : {Isolation::read_committed, Isolation::snapshot}) {
    Transaction other = w.begin(level);
    EXPECT_EQ(w.scan(other), (Rows{{"a", "1"}}));
    EXPECT_EQ(w.get(other, "a"), "1");
    EXPECT_FALSE(w.has(other, "b"));
  }
  EXPECT_EQ(w.get("a"), "1");
  EXPECT_EQ(w.get("b"), "(none)");
  ASSERT_TRUE(w.store.remove(writer, "a").has_value());
  EXPECT_EQ(w.get("a"), "1");
  EXPECT_FALSE(w.has(writer, "a"));
  ASSERT_TRUE(writer.abort().has_value());
  EXPECT_EQ(w.get("a"), "1");
  EXPECT_EQ(w.get("b"), "(none)");
}

TEST(Snapshot, FirstUpdaterWins) {
  World w;
  w.put("a", "1");
  w.put("b", "1");
  Transaction late = w.begin();
  w.put("a", "2");
  ASSERT_TRUE(w.store.remove("b").has_value());
  EXPECT_EQ(w.store.put(late, "a", "3").error().code(), Code::conflict);
  EXPECT_EQ(w.store.remove(late, "b").error().code(), Code::conflict);
  EXPECT_EQ(w.store.insert(late, "b", "3").error().code(), Code::conflict);
  ASSERT_TRUE(w.store.put(late, "c", "3").has_value()) << "the transaction goes on";
  Transaction lenient = w.begin(Isolation::read_committed);
  w.put("a", "4");
  EXPECT_EQ(w.get(lenient, "a"), "4");
  EXPECT_TRUE(w.store.put(lenient, "a", "5").has_value());
  EXPECT_EQ(w.store.put("a", "6").error().code(), Code::conflict) << "its writer is open";
  ASSERT_TRUE(lenient.commit().has_value());
  EXPECT_EQ(w.get("a"), "5");
}

TEST(Snapshot, AbortedWritesAreNeverSeen) {
  World w;
  w.put("a", "1");
  w.put("b", "1");
  Transaction oldest = w.begin();
  w.put("a", "2");
  Transaction old = w.begin();
  for (int i = 0; i < 3; ++i) {
    Transaction loser = w.begin();
    ASSERT_TRUE(w.store.put(loser, "a", "never").has_value());
    ASSERT_TRUE(w.store.put(loser, "a", "never ever").has_value());
    ASSERT_TRUE(w.store.remove(loser, "b").has_value());
    ASSERT_TRUE(w.store.put(loser, "b", "back").has_value());
    ASSERT_TRUE(w.store.put(loser, "c", "never").has_value());
    EXPECT_EQ(w.scan(oldest), (Rows{{"a", "1"}, {"b", "1"}}));
    EXPECT_EQ(w.scan(old), (Rows{{"a", "2"}, {"b", "1"}}));
    ASSERT_TRUE(loser.abort().has_value());
    EXPECT_EQ(w.scan(oldest), (Rows{{"a", "1"}, {"b", "1"}}));
    EXPECT_EQ(w.scan(old), (Rows{{"a", "2"}, {"b", "1"}}));
  }
}

// Goal:   a removed row that has been purged and inserted again is not there for a snapshot in between.
// Method: the row's version stays in the queue behind one that is younger, because of a transaction that stays open.
TEST(Snapshot, ARowThatWasPurgedIsNotFoundInItsOldVersion) {
  World w;
  w.put("a", "1");
  w.put("b", "1");
  Transaction oldest = w.begin(Isolation::snapshot,
                               true);  // Holds everything back until `between` is there.
  Transaction remover = w.begin();
  Transaction stays = w.begin(Isolation::read_committed);
  Transaction younger = w.begin();
  ASSERT_TRUE(w.store.put(younger, "b", "2").has_value());
  ASSERT_TRUE(younger.commit().has_value());
  ASSERT_TRUE(w.store.remove(remover, "a").has_value());
  ASSERT_TRUE(remover.commit().has_value());
  Transaction between = w.begin();
  ASSERT_TRUE(oldest.commit().has_value());
  w.put("a", "2");
  EXPECT_FALSE(w.has(between, "a"));
  EXPECT_EQ(w.scan(between), (Rows{{"b", "2"}}));
}

// Goal:   the pages of a large value stay as long as a snapshot may read it, and are used again afterwards.
TEST(Snapshot, LargeValuesStay) {
  World w;
  const auto large = [](char fill) { return std::string(200 * KiB, fill); };
  w.put("a", large('1'));
  Transaction old = w.begin(Isolation::snapshot, true);
  for (char fill = '2'; fill <= '9'; ++fill) w.put("a", large(fill));
  ASSERT_TRUE(w.store.remove("a").has_value());
  EXPECT_EQ(w.get(old, "a"), large('1'));
  EXPECT_EQ(w.scan(old), (Rows{{"a", large('1')}}));
  ASSERT_TRUE(old.commit().has_value());
  ASSERT_TRUE(w.env->checkpoint().has_value());
  const uint64_t pages = w.env->stats().data_pages;
  for (int i = 0; i < 50; ++i) {
    w.put("b", large('b'));
    ASSERT_TRUE(w.env->checkpoint().has_value());
  }
  EXPECT_LE(w.env->stats().data_pages, pages + 256) << "freed pages are used again";
}

TEST(Snapshot, VersionsGoWhenNobodyNeedsThem) {
  World w;
  for (int i = 0; i < 100; ++i) w.put("k" + std::to_string(i), "0");
  EXPECT_EQ(w.versions().versions, 0u) << "without snapshots none are kept";
  {
    Transaction old = w.begin(Isolation::snapshot, true);
    for (int i = 0; i < 100; ++i) w.put("k" + std::to_string(i), "1");
    EXPECT_EQ(w.versions().versions, 100u);
  }
  EXPECT_EQ(w.versions().versions, 0u);
  Transaction writer = w.begin();
  for (int i = 0; i < 100; ++i)
    ASSERT_TRUE(w.store.remove(writer, "k" + std::to_string(i)).has_value());
  ASSERT_TRUE(writer.commit().has_value());
  EXPECT_EQ(w.versions().versions, 0u);
  EXPECT_EQ((*w.env->verify()).keys, 1u) << "the catalogue's; no ghost is left";
}

// Goal:   an old snapshot holds back one version of a row, not all that came after it.
TEST(Snapshot, WhatLiesBetweenTwoSnapshotsGoes) {
  World w;
  for (int i = 0; i < 50; ++i) w.put("k" + std::to_string(i), "old");
  Transaction old = w.begin(Isolation::snapshot, true);
  for (int round = 0; round < 1000; ++round) {
    for (int i = 0; i < 50; ++i) w.put("k" + std::to_string(i), std::to_string(round));
    ASSERT_LE(w.versions().versions, 4096u) << round;
  }
  for (const auto& [key, value] : w.scan(old)) EXPECT_EQ(value, "old") << key;
}

TEST(Snapshot, AThousandAtOnce) {
  World w;
  std::vector<Transaction> snapshots;
  for (int i = 0; i < 1000; ++i) {
    w.put("k", std::to_string(i));
    snapshots.push_back(w.begin(Isolation::snapshot, true));
  }
  for (int i = 0; i < 1000; ++i)
    EXPECT_EQ(w.get(snapshots[static_cast<size_t>(i)], "k"), std::to_string(i));
  snapshots.clear();
  EXPECT_EQ(w.versions().versions, 0u);
}

/// Random writes, alone and in transactions that commit or abort, with snapshots that come and go; each is compared
/// with a copy of the model of its moment.
class SnapshotModel {
 public:
  explicit SnapshotModel(uint64_t seed) : random_(seed) {}

  void run(int steps) {
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
      switch (random_() % 8) {
        case 0: snapshots_.push_back({world_.begin(Isolation::snapshot, true), rows_}); break;
        case 1:
          if (!snapshots_.empty()) snapshots_.erase(snapshots_.begin() + pick());
          break;
        case 2:
          if (!snapshots_.empty()) check(snapshots_[static_cast<size_t>(pick())]);
          break;
        case 3: transaction(); break;
        default: write(nullptr, rows_); break;
      }
    }
    for (Held& held : snapshots_) check(held);
    snapshots_.clear();
    world_.put("last", "");
    EXPECT_EQ(world_.versions().versions, 0u);
    const Result<VerifyReport> report = world_.env->verify();
    ASSERT_TRUE(report.has_value());
    EXPECT_TRUE(report->problems.empty()) << report->problems.front().message;
  }

 private:
  struct Held {
    Transaction txn;
    Rows rows;
  };

  std::ptrdiff_t pick() { return static_cast<std::ptrdiff_t>(random_() % snapshots_.size()); }
  std::string key() { return "key" + std::to_string(random_() % 400); }

  void write(Transaction* txn, Rows& rows) {
    // Now a key, now a stretch of them, so that leaves fill, split, empty and merge.
    const uint64_t first = random_() % 400, count = random_() % 3 == 0 ? 40 : 1;
    const bool removes = random_() % 2 == 0;
    for (uint64_t i = first; i < first + count; ++i) {
      const std::string k = "key" + std::to_string(i);
      if (removes) {
        const Result<void> done = txn == nullptr ? world_.store.remove(k)
                                                 : world_.store.remove(*txn, k);
        EXPECT_EQ(done.has_value(), rows.erase(k) == 1);
        continue;
      }
      const std::string value((random_() % 30 == 0 ? 6000 : random_() % 200),
                              static_cast<char>('a' + random_() % 26));
      const Result<void> done = txn == nullptr ? world_.store.put(k, value)
                                               : world_.store.put(*txn, k, value);
      EXPECT_TRUE(done.has_value()) << done.error().message();
      rows[k] = value;
    }
  }

  void transaction() {
    Transaction txn = world_.begin();
    Rows after = rows_;
    for (uint64_t i = random_() % 6; i > 0; --i) {
      write(&txn, after);
      if (random_() % 4 == 0) {
        EXPECT_EQ(world_.scan(txn), after);
        Transaction other = world_.begin(Isolation::read_committed);
        EXPECT_EQ(world_.scan(other), rows_);
      }
    }
    if (random_() % 2 == 0) {
      EXPECT_TRUE(txn.abort().has_value());
    } else {
      EXPECT_TRUE(txn.commit().has_value());
      rows_ = after;
    }
  }

  void check(Held& held) {
    EXPECT_EQ(world_.scan(held.txn), held.rows);
    EXPECT_EQ(world_.scan(held.txn, true), held.rows);
    const std::string k = key();
    const auto found = held.rows.find(k);
    EXPECT_EQ(world_.has(held.txn, k), found != held.rows.end()) << k;
    if (found != held.rows.end()) {
      EXPECT_EQ(world_.get(held.txn, k), found->second);
    }
  }

  World world_;
  Rows rows_;
  std::deque<Held> snapshots_;
  std::mt19937_64 random_;
};

TEST(Snapshot, MatchesTheModelOfItsMoment) {
  for (uint64_t seed = 1; seed <= 20 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SnapshotModel(seed).run(400);
  }
}

// Goal:   every snapshot sees the same total, whatever transfers are under way.
// Method: writers move money in transactions, one also abort; readers sum up by scan, by gets, and alone.
TEST(SnapshotConcurrent, TheTotalIsConstant) {
  constexpr int kAccounts = 60, kStart = 1000, kTransfers = 1500;
  World w(1 * MiB);
  const auto account = [](uint64_t i) { return "account" + std::to_string(i); };
  for (uint64_t i = 0; i < kAccounts; ++i) w.put(account(i), std::to_string(kStart));
  std::atomic<int> writers{2};
  std::atomic<uint64_t> moved{0}, checked{0};
  const auto transfer = [&](std::mt19937_64& random) {
    Transaction txn = w.begin();
    const std::string from = account(random() % kAccounts), to = account(random() % kAccounts);
    if (from == to) return;
    const int amount = static_cast<int>(random() % 50);
    const int rest = std::stoi(w.get(txn, from)) - amount;
    if (!w.store.put(txn, from, std::to_string(rest))) return;
    if (!w.store.put(txn, to, std::to_string(std::stoi(w.get(txn, to)) + amount))) return;
    if (random() % 4 == 0) return;  // Aborts.
    ASSERT_TRUE(txn.commit().has_value());
    moved.fetch_add(1);
  };
  std::vector<std::thread> threads;
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    threads.emplace_back([&, seed] {
      std::mt19937_64 random(seed);
      for (int i = 0; i < kTransfers; ++i) transfer(random);
      writers.fetch_sub(1);
    });
  }
  threads.emplace_back([&] {  // Beside them: rows of nobody's total, written and removed alone.
    for (int i = 0; writers.load() > 0; ++i) {
      const std::string key = "beside" + std::to_string(i % 300);
      ASSERT_TRUE(w.store.put(key, std::string(100, 'x')).has_value());
      if (i % 3 != 0) continue;
      ASSERT_TRUE(w.store.remove(key).has_value());
    }
  });
  const auto total_by_scan = [&](const auto& scan) {
    int total = 0;
    const Result<uint64_t> count = scan([&](Bytes key, Bytes value) {
      if (key.starts_with("account")) total += std::stoi(std::string(value));
      return true;
    });
    EXPECT_TRUE(count.has_value());
    EXPECT_EQ(total, kAccounts * kStart);
    checked.fetch_add(1);
  };
  for (int reader = 0; reader < 2; ++reader) {
    threads.emplace_back([&, reader] {
      for (int round = 0; (writers.load() > 0 || round < 10) && !testing::Test::HasFailure();
           ++round) {
        Transaction txn = w.begin(Isolation::snapshot, reader == 0);
        total_by_scan([&](auto visitor) { return w.store.scan(txn, {}, visitor); });
        int total = 0;
        for (uint64_t i = 0; i < kAccounts; ++i) total += std::stoi(w.get(txn, account(i)));
        EXPECT_EQ(total, kAccounts * kStart);
        total_by_scan([&](auto visitor) {
          return w.store.scan({.begin = {}, .end = {}, .reverse = true}, visitor);
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(moved.load(), 100u);
  EXPECT_GT(checked.load(), 10u);
  Transaction last = w.begin();
  total_by_scan([&](auto visitor) { return w.store.scan(last, {}, visitor); });
}

}  // namespace
}  // namespace aether
