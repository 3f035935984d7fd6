// Stores of kind lsm: what only they do. What all kinds have in common is in store_kinds_test and the conformance suite.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
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
                                                      .durability = durability_,
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
  Durability durability_ = Durability::none;
  std::unique_ptr<sim::SimOs> os_ = std::make_unique<sim::SimOs>(sim::SimOptions{.seed = 1});
  std::unique_ptr<DbEnv> env_;
  std::optional<KvStore> store_;
  Rows rows_;
};

// Goal:   without background threads a transaction that has written pays no upkeep with its share of the log; the next write does.
TEST_F(LsmStoreTest, ATransactionThatHasWrittenLeavesUpkeepToTheNext) {
  Transaction txn = env_->begin().value();
  const std::string value(1000, 'v');
  for (uint64_t i = 0; i < 150; ++i) {
    ok(store_->put(txn, key_of(i), value));
    rows_[key_of(i)] = value;
  }
  EXPECT_EQ(lsm().flushes, 0u) << "150 KB in a nursery of 64 KiB";
  ok(txn.commit());
  fill(200, 201, 'a');
  EXPECT_EQ(lsm().flushes, 1u);
  // But memory has a bound; and what is open moves into the next nursery as often as that doubles, not with each look at it.
  Transaction large = env_->begin().value();
  for (uint64_t i = 0; i < 600; ++i) {
    ok(store_->put(large, key_of(i), value));
    rows_[key_of(i)] = value;
  }
  EXPECT_GT(lsm().flushes, 1u);
  EXPECT_LT(lsm().flushes, 5u);
  ok(large.commit());
  expect_rows();
}

// Goal:   a merge whose output is of several parts keeps those that it has committed, and goes on behind them, when it is cut off by a
//         power cut.
// Method: rows of several parts, overwritten; every few hundred of them the power goes if a merge is under way.
TEST_F(LsmStoreTest, AMergeOfSeveralPartsGoesOnAfterACrash) {
  durability_ = Durability::group;
  lsm_.policy = MergePolicyKind::leveled;
  lsm_.size_ratio = 4;
  store_.reset();
  env_.reset();
  os_ = std::make_unique<sim::SimOs>(sim::SimOptions{.seed = 2});
  open();
  uint64_t found_under_way = 0, most_parts = 0;
  for (uint64_t chunk = 0; chunk < 200 && !HasFailure(); ++chunk) {
    for (uint64_t i = 0; i < 400; ++i) {
      const uint64_t number = (chunk * 400 + i) * 7919 % 30'011;
      rows_[key_of(number)] = value_of(number, static_cast<char>('a' + chunk % 26));
      ok(store_->put(key_of(number), rows_[key_of(number)]));
    }
    for (const SortedRunStats& run : lsm().sorted_runs) most_parts = std::max(most_parts, run.runs);
    // Seldom enough that parts are ended between two crashes.
    if (chunk % 6 != 5 || lsm().merges_under_way == 0) continue;
    crash(chunk);
    found_under_way += lsm().merges_under_way != 0 ? 1 : 0;
  }
  expect_rows();
  verify();
  EXPECT_GT(most_parts, 1u);
  EXPECT_GT(found_under_way, 5u);
}

// Goal:   generations are written out and merged while rows are put, and nothing is lost by a crash at the end of it.
TEST_F(LsmStoreTest, FlushesAndMergesAsItIsFilled) {
  fill(0, 8000, 'a');
  fill(0, 4000, 'b');
  const LsmStats stats = lsm();
  EXPECT_GT(stats.flushes, 10u);
  EXPECT_GT(stats.merges, 2u);
  EXPECT_LT(stats.sorted_runs.size(), stats.flushes);
  EXPECT_GT(stats.run_bytes_written, 0u);
  // Figures: written since it was made, by whom, for what.
  uint64_t user_bytes = 0;
  for (uint64_t i = 0; i < 8000; ++i)
    user_bytes += (i < 4000 ? 2 : 1) * (key_of(i).size() + value_of(i, 'a').size());
  EXPECT_EQ(stats.user_bytes, user_bytes);
  EXPECT_GT(stats.log_bytes, user_bytes);
  EXPECT_EQ(stats.flush_bytes + stats.merge_bytes, stats.run_bytes_written);
  EXPECT_GT(stats.merge_bytes, 0u);
  EXPECT_NEAR(stats.write_amplification * static_cast<double>(user_bytes),
              static_cast<double>(stats.log_bytes + stats.run_bytes_written), 1.0);
  EXPECT_GT(stats.sorted_runs.back().level, stats.sorted_runs.front().level);
  uint64_t run_bytes = 0;
  for (const SortedRunStats& sorted : stats.sorted_runs) {
    for (const RunStats& run : sorted.parts) run_bytes += run.disk_bytes;
  }
  EXPECT_GE(stats.disk_bytes, run_bytes);
  EXPECT_GT(stats.space_amplification_max, 0.1);
  const StoreStats store = env_->stats().stores.at(0);
  EXPECT_GT(store.memory_bytes, 0u);
  EXPECT_LT(store.memory_bytes, 4 * lsm_.nursery_bytes);
  EXPECT_GE(store.rows, rows_.size());
  expect_rows();
  verify();
  const LsmStats before = lsm();
  reopen();
  const LsmStats after = lsm();
  EXPECT_EQ(after.user_bytes, before.user_bytes);
  EXPECT_EQ(after.log_bytes, before.log_bytes);
  EXPECT_GE(after.flush_bytes, before.flush_bytes);  // What was in memory is in a run now.
  EXPECT_EQ(after.run_reads, 0u);
  EXPECT_EQ(store_->get("no such key").error().code(), Code::not_found);
  EXPECT_EQ(store_->get(key_of(4711)).value_or(""), value_of(4711, 'a'));
  EXPECT_EQ(lsm().run_reads, 2u);
  EXPECT_GE(lsm().runs_read, 1u);
  EXPECT_GE(lsm().read_amplification, 0.5);
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

// Goal:   a scan's first hit behind many removals is found, and merges leave few of them to pass.
// Load:   AETHER_TOMBSTONES asks for another number: 1000000 takes half a minute.
TEST_F(LsmStoreTest, ManyTombstonesBeforeTheFirstHit) {
  const char* const text = std::getenv("AETHER_TOMBSTONES");
  const uint64_t rows = text == nullptr ? 20'000 : std::strtoull(text, nullptr, 0);
  for (uint64_t i = 0; i < rows; ++i) ok(store_->put(key_of(i), "v"));
  ok(store_->put("z", "last"));
  for (uint64_t i = 0; i < rows; ++i) ok(store_->remove(key_of(i)));
  rows_ = {{"z", "last"}};
  expect_rows();
  for (uint64_t i = 0; i < 2 * rows; ++i) {
    const std::string key = "zz" + key_of(i);
    ok(store_->put(key, "v"));
    rows_[key] = "v";
  }
  uint64_t left = 0;
  for (const SortedRunStats& run : lsm().sorted_runs) left += run.tombstones;
  EXPECT_LT(left, rows / 4);
  {
    Cursor cursor = store_->cursor();
    const Result<bool> found = cursor.first();
    ASSERT_TRUE(found.has_value() && *found);
    EXPECT_EQ(cursor.key(), "z");
  }
  reopen();
  expect_rows();
}

// Goal:   (AETHER_ROUNDS: each page, else some) whatever page of a store of runs is damaged (manifest, footer, index, block, filter, dictionary, value outside, a run that has been
//         dropped), no answer is wrong, errors say what is damaged, verify does, and the other store goes on.
TEST_F(LsmStoreTest, NoDamagedPageMakesAWrongAnswer) {
  KvStore other = *env_->open_store("other", {.index = IndexKind::lsm, .lsm = lsm_});
  ok(other.put("key", "other"));
  lsm_ = {.nursery_bytes = 16 * KiB,
          .size_ratio = 2,
          .compression = Compression::zstd,
          .dictionary_bytes = 2048,
          .block_bytes = 4 * KiB,
          .filter = RunFilter::surf};
  ok(env_->drop_store("rows"));
  store_ = *env_->open_store("rows", {.index = IndexKind::lsm, .lsm = lsm_});
  fill(0, 300, 'a');
  rows_["large"] = std::string(9000, 'l');
  ok(store_->put("large", rows_["large"]));
  Cursor reader = store_->cursor();  // So that what merges drop stays.
  ASSERT_TRUE(reader.first().has_value());
  for (const char family : {'b', 'c', 'd', 'e'}) fill(0, 300, family);
  ok(env_->checkpoint());
  const auto stats = env_->stats();
  EXPECT_GT(stats.stores.at(1).lsm.dropped_runs, 0u);
  const uint64_t page_bytes = 4096;
  const Result<std::string> data = os_->read_file("/env/data");
  ASSERT_TRUE(data.has_value());
  const uint64_t stride = std::getenv("AETHER_ROUNDS") == nullptr ? 3 : 1;
  uint64_t harmless = 0;
  uint64_t noticed = 0;
  for (uint64_t page = 2; page < data->size() / page_bytes; page += stride) {
    const std::unique_ptr<sim::SimOs> damaged = os_->crash({.seed = page});
    const Bytes whole = Bytes(*data).substr(page * page_bytes, page_bytes);
    if (whole.find_first_not_of('\0') == Bytes::npos) continue;
    SCOPED_TRACE("page " + std::to_string(page));
    ok(damaged->flip_bit("/env/data", (page * page_bytes + 100 + page % 3000) * 8));
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open(
        "/env", {.durability = Durability::none, .background_threads = false}, *damaged);
    if (!env) {  // Of the catalogue, or of what recovery has to write.
      EXPECT_EQ(env.error().code(), Code::corruption) << env.error().message();
      continue;
    }
    uint64_t errors = 0;
    const auto look = [&](const std::string& name, Bytes key, const std::string* value) {
      Result<KvStore> store = (*env)->open_store(name, {.create = false});
      const Result<std::string> got = store ? store->get(key)
                                            : Result<std::string>(store.error().clone());
      if (!got) {
        ++errors;
        EXPECT_EQ(got.error().code(), Code::corruption) << got.error().message();
        EXPECT_NE(got.error().message().find_first_of("0123456789"), std::string::npos);
      } else {
        EXPECT_TRUE(value != nullptr && *got == *value) << key;
      }
    };
    for (const auto& [key, value] : rows_) look("rows", key, &value);
    const uint64_t errors_of_rows = errors;
    const std::string others = "other";
    look("other", "key", &others);
    EXPECT_TRUE(errors == errors_of_rows || errors_of_rows == 0) << "both stores suffer";
    const Result<VerifyReport> report = (*env)->verify();
    const bool is_told = !report || !report->problems.empty();
    EXPECT_TRUE(errors == 0 || is_told);
    noticed += errors > 0 ? 1 : 0;
    harmless += errors == 0 && is_told ? 1 : 0;
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(noticed, 40 / stride / 2);
  EXPECT_GT(harmless, 0u) << noticed << "a dropped run keeps nobody from reading";
}

// Goal:   where the disk is full, a merge is put off: what is there is read and found whole, and when there is room it goes on.
TEST_F(LsmStoreTest, AFullDiskInTheMiddleOfAMerge) {
  lsm_.inline_value_bytes = 1024;
  store_ = *env_->open_store("full", {.index = IndexKind::lsm, .lsm = lsm_});
  fill(0, 3000, 'a');
  ok(env_->checkpoint());
  uint64_t refused = 0;
  uint64_t next = 0;
  for (uint64_t round = 0; round < 5; ++round) {
    // The data file does not grow; the log, which has its space beforehand, goes on.
    os_->add_fault({.kind = sim::StepKind::allocate,
                    .path_contains = "/data",
                    .nth = 1,
                    .errnum = ENOSPC,
                    .sticky = true});
    for (uint64_t i = 0; i < 2500; ++i) {
      const std::string key = key_of(next++ * 7919 % 100'000);
      const std::string value = i % 20 == 0 ? std::string(5000, 'v') : value_of(round, 'b');
      const Result<void> put = store_->put(key, value);
      if (put) {
        rows_[key] = value;
        continue;
      }
      ++refused;
      ASSERT_EQ(put.error().code(), Code::no_space) << put.error().message();
      break;
    }
    ASSERT_EQ(store_->get(rows_.begin()->first).value_or(""), rows_.begin()->second);
    if (round % 2 == 0) expect_rows();
    os_->clear_faults();
    ok(env_->checkpoint());
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(refused, 0u);
  const LsmStats before = env_->stats().stores.at(0).lsm;
  fill(0, 3000, 'c');
  EXPECT_GT(env_->stats().stores.at(0).lsm.merges, before.merges);
  expect_rows();
  verify();
  reopen();
  store_ = *env_->open_store("full", {.create = false});
  expect_rows();
}

// Goal:   values outside are written once, whatever merges do; and what is overwritten or removed gives its pages back.
TEST_F(LsmStoreTest, LargeValuesAreWrittenOnceAndGivenBack) {
  lsm_ = {.nursery_bytes = 16 * KiB, .size_ratio = 2, .block_bytes = 4 * KiB};
  KvStore store = *env_->open_store("large", {.index = IndexKind::lsm, .lsm = lsm_});
  const auto value = [](uint64_t i, uint64_t round) {
    return std::string(5000 + i % 7 * 3000, static_cast<char>('a' + round)) + std::to_string(i);
  };
  const auto stats = [&] { return env_->stats().stores.at(0).lsm; };
  ASSERT_EQ(env_->stats().stores.at(0).name, "large");
  constexpr uint64_t kRows = 500;
  constexpr uint64_t kRounds = 8;
  const uint64_t free_before = free_pages();
  for (uint64_t round = 0; round < kRounds; ++round) {
    for (uint64_t i = 0; i < kRows; ++i) ok(store.put(key_of(i * 7919 % kRows), value(i, round)));
    verify();
  }
  EXPECT_GT(stats().merges, 4u);
  EXPECT_GT(stats().outside_bytes, kRounds * kRows * 5000);
  EXPECT_LT(stats().run_bytes_written, stats().outside_bytes / 4);
  uint64_t in_runs = 0;
  for (const SortedRunStats& run : stats().sorted_runs) in_runs += run.values_outside;
  EXPECT_GT(in_runs, kRows / 2);
  for (uint64_t i = 0; i < kRows; ++i) {
    const Result<std::string> got = store.get(key_of(i * 7919 % kRows));
    ASSERT_TRUE(got.has_value()) << got.error().message();
    ASSERT_EQ(*got, value(i, kRounds - 1));
  }
  for (uint64_t i = 0; i < kRows; ++i) ok(store.remove(key_of(i)));
  for (uint64_t i = 0; i < 20 * kRows; ++i) ok(store.put("small", std::string(100, 'x')));
  ok(env_->checkpoint());
  in_runs = 0;
  for (const SortedRunStats& run : stats().sorted_runs) in_runs += run.values_outside;
  EXPECT_LT(in_runs, kRows);
  verify();
  crash(1);
  verify();
  ok(env_->drop_store("large"));
  verify();
  EXPECT_GE(free_pages(), free_before);
}

TEST_F(LsmStoreTest, AValueAsLargeAsInAnyOtherStore) {
  const std::string huge(5 * MiB + 3, 'h');
  ok(store_->put("huge", huge));
  fill(0, 3000, 'a');
  EXPECT_EQ(store_->get("huge").value_or(""), huge);
  ok(env_->checkpoint());
  crash(2);
  EXPECT_EQ(store_->get("huge").value_or(""), huge);
  verify();
  ok(store_->put("huge", "small"));
  rows_["huge"] = "small";
  expect_rows();
  verify();
}

// Goal:   a value outside has one owner, wherever its row is replaced, taken back or moved: none is lost, none is given back twice, none is
//         left behind.
// Load:   few keys, large and small values; transactions that stay open while generations go, that set savepoints, roll back, or are
//         cut off by a crash; snapshots that read what has been replaced.
// Check:  each read is the model's, and verify finds every page reached once.
TEST_F(LsmStoreTest, ValuesOutsideHaveOneOwnerAtAnyTime) {
  const uint64_t rounds = [] {
    const char* text = std::getenv("AETHER_ROUNDS");
    return text == nullptr ? uint64_t{4} : std::strtoull(text, nullptr, 0);
  }();
  durability_ = Durability::group;
  reopen();
  for (uint64_t seed = 1; seed <= rounds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    rows_.clear();
    lsm_ = {.nursery_bytes = 16 * KiB,
            .nursery = seed % 2 == 0 ? IndexKind::rax : IndexKind::skiplist,
            .policy = static_cast<MergePolicyKind>(1 + seed % 5),
            .size_ratio = 2,
            .block_bytes = 4 * KiB,
            .inline_value_bytes = 500};
    const std::string name = "values" + std::to_string(seed);
    store_ = *env_->open_store(name, {.index = IndexKind::lsm, .lsm = lsm_});
    struct Open {
      Transaction txn;
      Rows written;  // Empty value: removed.
    };
    std::vector<Open> open;
    const auto is_locked = [&](const std::string& key) {
      for (const Open& each : open) {
        if (each.written.contains(key)) return true;
      }
      return false;
    };
    for (int step = 0; step < 1500; ++step) {
      const std::string key = key_of(random() % 60);
      const uint64_t bytes = random() % 3 == 0 ? 100 : 500 + random() % 12'000;
      const std::string value(bytes, static_cast<char>('a' + random() % 26));
      const uint64_t dice = random() % 100;
      if (dice < 8 && open.size() < 3) {
        open.push_back({*env_->begin(), {}});
      } else if (dice < 35 && !open.empty()) {
        Open& own = open[random() % open.size()];
        if (is_locked(key) && !own.written.contains(key)) continue;
        const bool takes_back = random() % 4 == 0;
        std::optional<Savepoint> here;
        if (takes_back) here = *own.txn.savepoint();
        if (random() % 5 == 0) {
          const Result<void> removed = store_->remove(own.txn, key);
          if (!removed && removed.error().code() == Code::conflict) continue;
          if (removed && !takes_back) own.written[key] = "";
        } else {
          const Result<void> put = store_->put(own.txn, key, value);
          if (!put && put.error().code() == Code::conflict) continue;
          ok(put);
          if (!takes_back) own.written[key] = value;
        }
        if (here) ok(own.txn.rollback_to(*here));
      } else if (dice < 42 && !open.empty()) {
        const size_t which = random() % open.size();
        if (random() % 2 == 0) {
          ok(open[which].txn.commit());
          for (const auto& [own_key, own_value] : open[which].written) {
            if (own_value.empty()) {
              rows_.erase(own_key);
            } else {
              rows_[own_key] = own_value;
            }
          }
        } else {
          ok(open[which].txn.abort());
        }
        open.erase(open.begin() + static_cast<ptrdiff_t>(which));
      } else if (dice < 48) {
        ok(env_->checkpoint());  // Writes the nursery out.
      } else if (!is_locked(key)) {
        if (dice < 60) {
          static_cast<void>(store_->remove(key).has_value());
          rows_.erase(key);
        } else {
          ok(store_->put(key, value));
          rows_[key] = value;
        }
      }
      if (testing::Test::HasFailure()) return;
    }
    for (const Open& each : open) {
      for (const auto& [key, value] : each.written) {
        const Result<std::string> got = store_->get(key);
        const auto row = rows_.find(key);
        ASSERT_EQ(got ? *got : "", row == rows_.end() ? "" : row->second);
      }
    }
    std::unique_ptr<sim::SimOs> after = os_->crash({.seed = seed});
    open.clear();
    store_.reset();
    env_.reset();
    os_ = std::move(after);
    this->open();
    store_ = *env_->open_store(name, {.create = false});
    expect_rows();
    verify();
    if (seed % 2 == 0) {
      ok(env_->drop_store(name));
      verify();
    }
    if (testing::Test::HasFailure()) return;
  }
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
  EXPECT_NE(refused({.inline_value_bytes = 100}).find("inline_value_bytes"), std::string::npos);
  EXPECT_NE(refused({.zstd_level = 99}).find("zstd_level"), std::string::npos);
  EXPECT_EQ(env_->list_stores()->size(), 1u);
}

}  // namespace
}  // namespace aether
