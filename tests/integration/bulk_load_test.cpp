// Bulk load: packed pages, all or nothing.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <random>

#include "aether/aether.hpp"

namespace aether {
namespace {

class BulkLoad : public testing::Test {
 protected:
  void SetUp() override {
    home_ = testing::TempDir() + "aether_bulk_" + std::to_string(::getpid()) + "_" +
            testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(home_);
    open();
  }
  void TearDown() override {
    env_.reset();
    std::filesystem::remove_all(home_);
  }
  void open() {
    EnvOptions options;
    options.pool_bytes = 2 * MiB;
    options.log_segment_bytes = 1 * MiB;
    options.log_bytes_max = 8 * MiB;
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open(home_, options);
    ASSERT_TRUE(env.has_value()) << env.error().message();
    env_ = *std::move(env);
  }
  KvStore store() { return env_->open_store("main").value(); }
  void expect_whole() {
    const Result<VerifyReport> report = env_->verify();
    ASSERT_TRUE(report.has_value()) << report.error().message();
    for (const VerifyProblem& problem : report->problems)
      ADD_FAILURE() << problem.page_id << " " << problem.message;
  }

  std::string home_;
  std::unique_ptr<DbEnv> env_;
};

using Rows = std::map<std::string, std::string>;

Result<uint64_t> load(KvStore store, const Rows& rows) {
  auto at = rows.begin();
  return store.bulk_load([&](Bytes& key, Bytes& value) {
    if (at == rows.end()) return false;
    key = at->first;
    value = at->second;
    ++at;
    return true;
  });
}

void expect_rows(KvStore store, const Rows& rows) {
  auto at = rows.begin();
  const Result<uint64_t> count = store.scan({}, [&](Bytes key, Bytes value) {
    EXPECT_EQ(key, at->first);
    EXPECT_EQ(value, at->second);
    ++at;
    return true;
  });
  ASSERT_TRUE(count.has_value()) << count.error().message();
  EXPECT_EQ(*count, rows.size());
  for (const auto& [key, value] : rows) ASSERT_EQ(store.get(key).value(), value);
}

// Goal:   what is loaded is there, in packed pages, and stays right under later changes and a reopen.
// Method: keys of 0 to 1,024 bytes, many with long common prefixes; values from empty to 300 KB.
TEST_F(BulkLoad, LoadsWhatItIsGiven) {
  std::mt19937_64 random(11);
  Rows rows;
  rows[""] = "empty key";
  for (int i = 0; i < 30000; ++i) {
    std::string key = std::to_string(random() % 1000000);
    if (i % 50 == 0) key = std::string(random() % 900, static_cast<char>('a' + random() % 3)) + key;
    const uint64_t size = i % 997 == 0 ? random() % 300000 : random() % 200;
    rows[key] = std::string(size, static_cast<char>('A' + i % 26));
  }
  const Result<uint64_t> loaded = load(store(), rows);
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message();
  EXPECT_EQ(*loaded, rows.size());
  expect_rows(store(), rows);
  expect_whole();

  for (int i = 0; i < 5000; ++i) {
    const std::string key = std::to_string(random() % 1000000);
    ASSERT_TRUE(store().put(key, "later").has_value());
    rows[key] = "later";
  }
  ASSERT_TRUE(env_->close().has_value());
  open();
  expect_rows(store(), rows);
  expect_whole();
}

// Goal:   pages are packed: ascending small rows fill at least 90% of their leaves.
// Goal:   pages that a load did not need go back, and no others, also when large values come after the last extent of nodes.
TEST_F(BulkLoad, LargeValuesKeepTheirPages) {
  for (const size_t large : {5'000u, 60'000u, 3'000'000u}) {
    SCOPED_TRACE(large);
    Rows rows;
    for (int i = 0; i < 300; ++i) rows["key" + std::to_string(100 + i)] = std::string(100, 's');
    rows["key115"] = std::string(large, 'L');
    rows["last"] = std::string(large, 'Z');
    KvStore store = env_->open_store("large" + std::to_string(large)).value();
    ASSERT_TRUE(load(store, rows));
    expect_whole();
    ASSERT_TRUE(store.put("after", std::string(30'000, 'a')));
    rows["after"] = std::string(30'000, 'a');
    expect_rows(store, rows);
    expect_whole();
  }
}

TEST_F(BulkLoad, PacksItsPages) {
  Rows rows;
  char key[17];
  for (int i = 0; i < 50000; ++i) {
    std::snprintf(key, sizeof key, "%016d", i);
    rows[key] = std::string(100, 'v');
  }
  ASSERT_TRUE(load(store(), rows).has_value());
  const EnvStats stats = env_->stats();
  const double row_bytes = 16 + 100 + 8 + 10;
  EXPECT_LT(static_cast<double>(stats.stores[0].leaf_pages), 50000 * row_bytes / 4096 / 0.9);
  expect_whole();
}

// Goal:   a bad input changes nothing: the store is empty, its pages are free, and it can be loaded.
TEST_F(BulkLoad, ABadInputLeavesTheStoreEmpty) {
  int i = 0;
  const Result<uint64_t> unsorted = store().bulk_load([&](Bytes& key, Bytes& value) {
    static const std::string keys[] = {"a", "b", "d", "c"};
    if (i == 4) return false;
    key = keys[i++];
    value = "v";
    return true;
  });
  ASSERT_FALSE(unsorted.has_value());
  EXPECT_EQ(unsorted.error().code(), Code::invalid_argument);
  EXPECT_EQ(store().get("a").error().code(), Code::not_found);
  expect_whole();
  ASSERT_TRUE(load(store(), {{"a", "1"}, {"b", "2"}}).has_value());
  EXPECT_EQ(load(store(), {{"c", "3"}}).error().code(), Code::exists);
  expect_rows(store(), {{"a", "1"}, {"b", "2"}});
  expect_whole();
}

// A lock on a range holds for rows that are not there yet, also where it was taken while the load made its pages.
TEST_F(BulkLoad, ALockInTheStoreIsRespected) {
  const Rows rows{{"a", "1"}, {"b", "2"}};
  for (const bool meanwhile : {false, true}) {
    Transaction txn = env_->begin().value();
    const auto lock = [&] {
      ASSERT_TRUE(
          store().lock_range(txn, {.begin = "a", .end = "c"}, LockMode::shared).has_value());
    };
    if (!meanwhile) lock();
    int given = 0;
    const Result<uint64_t> loaded = store().bulk_load([&](Bytes& key, Bytes& value) {
      if (meanwhile && given == 0) lock();
      key = given == 0 ? "a" : "b";
      value = "v";
      return given++ < 2;
    });
    ASSERT_FALSE(loaded.has_value());
    EXPECT_EQ(loaded.error().code(), Code::busy);
    EXPECT_EQ(given == 0, !meanwhile);
    ASSERT_TRUE(txn.commit().has_value());
    expect_rows(store(), {});
    expect_whole();
  }
  ASSERT_TRUE(load(store(), rows).has_value());
  expect_rows(store(), rows);
}

}  // namespace
}  // namespace aether
