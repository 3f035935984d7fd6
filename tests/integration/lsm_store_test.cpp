// Stores of kind lsm: what only they do. What all kinds have in common is in store_kinds_test and the conformance suite.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "aether/aether.hpp"
#include "sim/sim_os.h"

namespace aether {
namespace {

using Rows = std::map<std::string, std::string>;

class LsmStoreTest : public testing::Test {
 protected:
  LsmStoreTest() { open(); }

  void open() {
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open("/env",
                                                     {.pool_bytes = 4 * MiB,
                                                      .block_cache_bytes = 4 * MiB,
                                                      .log_streams = 2,
                                                      .log_segment_bytes = 1 * MiB,
                                                      .log_bytes_max = 4 * MiB,
                                                      .durability = Durability::none,
                                                      .background_threads = false},
                                                     *os_);
    ASSERT_TRUE(env.has_value()) << env.error().message();
    env_ = *std::move(env);
    const Result<KvStore> opened = env_->open_store("rows", {.index = IndexKind::lsm, .lsm = lsm_});
    ASSERT_TRUE(opened.has_value()) << opened.error().message();
    store_ = *opened;
  }
  void reopen() {
    ok(env_->close());
    store_.reset();
    env_.reset();
    open();
  }
  void crash(uint64_t seed) {
    std::unique_ptr<sim::SimOs> after = os_->crash({.seed = seed});
    store_.reset();
    env_.reset();
    os_ = std::move(after);
    open();
  }
  static void ok(const Result<void>& done) {
    ASSERT_TRUE(done.has_value()) << done.error().message();
  }
  static std::string key_of(uint64_t number) {
    const std::string digits = std::to_string(number);
    return "key" + std::string(8 - digits.size(), '0') + digits;
  }
  static std::string value_of(uint64_t number, char family) {
    return std::string(100, family) + std::to_string(number);
  }
  void fill(uint64_t from, uint64_t to, char family) {
    for (uint64_t i = from; i < to; ++i) {
      const uint64_t number = from + i * 7919 % (to - from);
      ok(store_->put(key_of(number), value_of(number, family)));
      rows_[key_of(number)] = value_of(number, family);
    }
  }
  void expect_rows() {
    Rows found;
    const Result<uint64_t> scanned = store_->scan(
        {}, [&](Bytes key, Bytes value) { return found.emplace(key, value).second; });
    ASSERT_TRUE(scanned.has_value()) << scanned.error().message();
    EXPECT_TRUE(found == rows_) << found.size() << " rows, not " << rows_.size();
    Rows backwards;
    ok_scan(store_->scan({.begin = {}, .end = {}, .reverse = true}, [&](Bytes key, Bytes value) {
      return backwards.emplace(key, value).second;
    }));
    EXPECT_TRUE(backwards == rows_);
  }
  static void ok_scan(const Result<uint64_t>& scanned) {
    ASSERT_TRUE(scanned.has_value()) << scanned.error().message();
  }
  void verify() {
    const Result<VerifyReport> report = env_->verify();
    ASSERT_TRUE(report.has_value()) << report.error().message();
    for (const VerifyProblem& problem : report->problems) ADD_FAILURE() << problem.message;
  }
  LsmStats lsm() { return env_->stats().stores.at(0).lsm; }
  uint64_t free_pages() {
    const Result<VerifyReport> report = env_->verify();
    EXPECT_TRUE(report.has_value());
    return report ? report->pages_free : 0;
  }

  LsmOptions lsm_{.nursery_bytes = 64 * KiB, .block_bytes = 4 * KiB};
  std::unique_ptr<sim::SimOs> os_ = std::make_unique<sim::SimOs>(sim::SimOptions{.seed = 1});
  std::unique_ptr<DbEnv> env_;
  std::optional<KvStore> store_;
  Rows rows_;
};

// Goal:   generations are written out and merged while rows are put, and nothing is lost by a crash at the end of it.
TEST_F(LsmStoreTest, FlushesAndMergesAsItIsFilled) {
  fill(0, 8000, 'a');
  fill(0, 4000, 'b');
  const LsmStats stats = lsm();
  EXPECT_GT(stats.flushes, 10u);
  EXPECT_GT(stats.merges, 2u);
  EXPECT_LT(stats.sorted_runs.size(), stats.flushes);
  EXPECT_GT(stats.run_bytes_written, 0u);
  const StoreStats store = env_->stats().stores.at(0);
  EXPECT_GT(store.memory_bytes, 0u);
  EXPECT_LT(store.memory_bytes, 4 * lsm_.nursery_bytes);
  EXPECT_GE(store.rows, rows_.size());
  expect_rows();
  verify();
  reopen();
  expect_rows();
  verify();
}

TEST_F(LsmStoreTest, EveryPolicyCompressionAndFilterAnswersAlike) {
  for (const MergePolicyKind policy :
       {MergePolicyKind::hanoi, MergePolicyKind::leveled, MergePolicyKind::tiered,
        MergePolicyKind::lazy_leveled, MergePolicyKind::adaptive}) {
    for (const RunFilter filter :
         {RunFilter::none, RunFilter::bloom, RunFilter::ribbon, RunFilter::surf}) {
      const int number = static_cast<int>(policy) * 4 + static_cast<int>(filter);
      lsm_.policy = policy;
      lsm_.filter = filter;
      lsm_.compression = static_cast<Compression>(number % 3);
      lsm_.dictionary_bytes = number % 2 == 0 ? 4096 : 0;
      lsm_.nursery = number % 2 == 0 ? IndexKind::skiplist : IndexKind::rax;
      const std::string name = "store" + std::to_string(number);
      Result<KvStore> store = env_->open_store(name, {.index = IndexKind::lsm, .lsm = lsm_});
      ASSERT_TRUE(store.has_value()) << store.error().message();
      std::mt19937_64 random(static_cast<uint64_t>(number));
      Rows rows;
      for (int i = 0; i < 3000; ++i) {
        const std::string key = key_of(random() % 1500);
        if (random() % 5 == 0) {
          const Result<void> removed = store->remove(key);
          ASSERT_EQ(removed.has_value(), rows.erase(key) == 1);
        } else {
          rows[key] = value_of(random() % 100, 'x');
          ok(store->put(key, rows[key]));
        }
      }
      for (uint64_t i = 0; i < 1500; ++i) {
        const auto row = rows.find(key_of(i));
        const Result<std::string> got = store->get(key_of(i));
        ASSERT_EQ(got.has_value(), row != rows.end()) << name << " " << key_of(i);
        if (got) {
          ASSERT_EQ(*got, row->second);
        }
      }
      Rows found;
      ok_scan(store->scan(
          {}, [&](Bytes key, Bytes value) { return found.emplace(key, value).second; }));
      EXPECT_TRUE(found == rows) << name;
    }
  }
  verify();
}

// Goal:   a snapshot reads what it read at first, however often its rows are overwritten, flushed and merged since.
TEST_F(LsmStoreTest, ASnapshotOutlivesFlushesAndMerges) {
  fill(0, 1000, 'a');
  const Rows before = rows_;
  Transaction reader = *env_->begin({.read_only = true});
  EXPECT_EQ(store_->get(reader, key_of(0)).value_or(""), before.at(key_of(0)));
  for (const char family : {'b', 'c', 'd'}) fill(0, 1000, family);
  for (uint64_t i = 0; i < 1000; i += 3) {
    ok(store_->remove(key_of(i)));
    rows_.erase(key_of(i));
  }
  ok(env_->checkpoint());
  fill(1000, 6000, 'e');
  EXPECT_GT(lsm().merges, 0u);
  for (const auto& [key, value] : before) {
    const Result<std::string> got = store_->get(reader, key);
    ASSERT_TRUE(got.has_value()) << key;
    ASSERT_EQ(*got, value);
  }
  Rows found;
  ok_scan(store_->scan(reader, {},
                       [&](Bytes key, Bytes value) { return found.emplace(key, value).second; }));
  EXPECT_TRUE(found == before) << found.size();
  ok(reader.commit());
  expect_rows();
}

// Goal:   rows of a transaction that stays open do not keep their generation in memory, and are not in a run before it commits.
TEST_F(LsmStoreTest, ATransactionOutlivesItsGeneration) {
  for (const bool commits : {true, false}) {
    fill(0, 300, commits ? 'a' : 'b');
    std::optional<Transaction> txn = *env_->begin();
    ok(store_->put(*txn, key_of(1), "mine"));
    ok(store_->remove(*txn, key_of(2)));
    ok(store_->insert(*txn, "new", "mine"));
    const uint64_t flushes = lsm().flushes;
    fill(300, 3000, 'c');
    EXPECT_GT(lsm().flushes, flushes + 2);
    EXPECT_EQ(store_->get(key_of(1)).value_or(""), rows_.at(key_of(1)));
    EXPECT_EQ(store_->get("new").error().code(), Code::not_found);
    EXPECT_EQ(store_->get(*txn, key_of(1)).value_or(""), "mine");
    EXPECT_EQ(store_->get(*txn, key_of(2)).error().code(), Code::not_found);
    // Once more, where the row lies in another generation than the one that it was written to.
    ok(store_->put(*txn, key_of(1), "mine, again"));
    EXPECT_EQ(store_->put(key_of(2), "yours").error().code(), Code::conflict);
    if (commits) {
      ok(txn->commit());
      rows_[key_of(1)] = "mine, again";
      rows_["new"] = "mine";
      rows_.erase(key_of(2));
    } else {
      ok(txn->abort());
    }
    txn.reset();
    expect_rows();
    ok(env_->checkpoint());
    crash(5);
    expect_rows();
    verify();
    if (commits) {
      ok(store_->remove("new"));
      rows_.erase("new");
    }
  }
}

TEST_F(LsmStoreTest, ALoserWhoseRowsWereMovedIsTakenBackByRecovery) {
  fill(0, 300, 'a');
  {
    std::optional<Transaction> txn = *env_->begin();
    ok(store_->put(*txn, key_of(1), "mine"));
    ok(store_->insert(*txn, "new", "mine"));
    fill(300, 3000, 'c');
    ok(env_->checkpoint());
    std::unique_ptr<sim::SimOs> after = os_->crash({.seed = 3});
    txn.reset();
    store_.reset();
    env_.reset();
    os_ = std::move(after);
  }
  open();
  expect_rows();
  verify();
}

// Goal:   the policy changes in use, nothing is rewritten at once, and it is remembered.
TEST_F(LsmStoreTest, ThePolicyIsSwitchedOnALiveStore) {
  fill(0, 6000, 'a');
  const LsmStats before = lsm();
  EXPECT_EQ(before.policy, "tiered");
  ok(store_->set_merge_policy({.policy = MergePolicyKind::leveled}));
  EXPECT_EQ(lsm().policy, "leveled");
  EXPECT_EQ(lsm().merged_bytes, before.merged_bytes);
  fill(0, 6000, 'b');
  EXPECT_LE(lsm().sorted_runs.size(), before.sorted_runs.size() + 2);
  reopen();
  EXPECT_EQ(lsm().policy, "leveled");
  expect_rows();
  EXPECT_EQ(store_->set_merge_policy({.size_ratio = 65}).error().code(), Code::invalid_argument);
  KvStore tree = *env_->open_store("tree");
  EXPECT_EQ(tree.set_merge_policy({}).error().code(), Code::invalid_argument);
}

TEST_F(LsmStoreTest, ADroppedStoreGivesAllItsPagesBack) {
  const uint64_t before = free_pages();
  KvStore other = *env_->open_store("other", {.index = IndexKind::lsm, .lsm = lsm_});
  for (uint64_t i = 0; i < 5000; ++i) ok(other.put(key_of(i), value_of(i, 'o')));
  EXPECT_GT(env_->stats().stores.at(0).lsm.flushes, 2u);
  ok(env_->drop_store("other"));
  EXPECT_EQ(other.get("key").error().code(), Code::not_found);
  verify();
  EXPECT_GE(free_pages(), before);
  crash(9);
  EXPECT_EQ(*env_->list_stores(), std::vector<std::string>{"rows"});
  verify();
}

TEST_F(LsmStoreTest, ManyTombstonesBeforeTheFirstHit) {
  constexpr uint64_t kRows = 20'000;
  for (uint64_t i = 0; i < kRows; ++i) ok(store_->put(key_of(i), "v"));
  ok(store_->put("z", "last"));
  for (uint64_t i = 0; i < kRows; ++i) ok(store_->remove(key_of(i)));
  rows_ = {{"z", "last"}};
  expect_rows();
  {
    Cursor cursor = store_->cursor();
    const Result<bool> found = cursor.first();
    ASSERT_TRUE(found.has_value() && *found);
    EXPECT_EQ(cursor.key(), "z");
  }
  reopen();
  expect_rows();
}

TEST_F(LsmStoreTest, OptionsOutOfTheirBoundsAreNamed) {
  const auto refused = [&](const LsmOptions& options) {
    const Result<KvStore> made = env_->open_store("bad", {.index = IndexKind::lsm, .lsm = options});
    EXPECT_FALSE(made.has_value());
    EXPECT_EQ(made.error().code(), Code::invalid_argument);
    return std::string(made.error().message());
  };
  EXPECT_NE(refused({.nursery_bytes = 1}).find("nursery_bytes"), std::string::npos);
  EXPECT_NE(refused({.nursery = IndexKind::btree}).find("nursery"), std::string::npos);
  EXPECT_NE(refused({.block_bytes = 1}).find("block_bytes"), std::string::npos);
  EXPECT_NE(refused({.filter_bits = 0.5}).find("filter_bits"), std::string::npos);
  EXPECT_NE(refused({.zstd_level = 99}).find("zstd_level"), std::string::npos);
  EXPECT_EQ(env_->list_stores()->size(), 1u);
}

}  // namespace
}  // namespace aether
