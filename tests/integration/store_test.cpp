// The store end to end: write, read, close, open, and open again without closing.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <random>

#include "aether/aether.hpp"

namespace aether {
namespace {

class StoreEndToEnd : public testing::Test {
 protected:
  void SetUp() override {
    home_ = testing::TempDir() + "aether_e2e_" + std::to_string(::getpid()) + "_" +
            testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(home_);
  }
  void TearDown() override { std::filesystem::remove_all(home_); }

  static EnvOptions small_options() {
    EnvOptions options;
    options.pool_bytes = 1 * MiB;
    options.log_segment_bytes = 1 * MiB;
    options.log_bytes_max = 8 * MiB;
    options.durability = Durability::none;
    return options;
  }

  std::string home_;
};

std::string key_of(uint64_t i) { return "key" + std::to_string(i * 0x9e3779b97f4a7c15ull); }

// Goal:   what was put is got, before and after closing, with data many times the pool.
// Method: random puts, overwrites and removes against a std::map; then scans both ways.
TEST_F(StoreEndToEnd, MatchesAMapAcrossReopen) {
  std::map<std::string, std::string> model;
  std::mt19937_64 random(7);
  {
    auto env = DbEnv::open(home_, small_options());
    ASSERT_TRUE(env.has_value()) << env.error().message();
    auto store = (*env)->open_store("main");
    ASSERT_TRUE(store.has_value()) << store.error().message();
    for (int i = 0; i < 60000; ++i) {
      const std::string key = key_of(random() % 20000);
      if (random() % 4 == 0) {
        const Result<void> removed = store->remove(key);
        ASSERT_EQ(removed.has_value(), model.erase(key) == 1) << i;
      } else {
        const std::string value(random() % 300, static_cast<char>('a' + i % 26));
        const Result<void> put = store->put(key, value);
        ASSERT_TRUE(put.has_value()) << put.error().message();
        model[key] = value;
      }
    }
    const Result<void> closed = (*env)->close();
    ASSERT_TRUE(closed.has_value()) << closed.error().message();
  }
  auto env = DbEnv::open(home_, small_options());
  ASSERT_TRUE(env.has_value()) << env.error().message();
  EXPECT_FALSE((*env)->recovery_report().ran);
  auto store = (*env)->open_store("main", {.create = false});
  ASSERT_TRUE(store.has_value()) << store.error().message();
  for (const auto& [key, value] : model) {
    const Result<std::string> got = store->get(key);
    ASSERT_TRUE(got.has_value()) << got.error().message();
    ASSERT_EQ(*got, value);
  }
  auto expected = model.begin();
  Result<uint64_t> count = store->scan({}, [&](Bytes key, Bytes value) {
    EXPECT_EQ(key, expected->first);
    EXPECT_EQ(value, expected->second);
    ++expected;
    return true;
  });
  ASSERT_TRUE(count.has_value());
  EXPECT_EQ(*count, model.size());
  auto backwards = model.rbegin();
  count = store->scan({.begin = {}, .end = {}, .reverse = true}, [&](Bytes key, Bytes) {
    EXPECT_EQ(key, backwards->first);
    ++backwards;
    return true;
  });
  EXPECT_EQ(*count, model.size());
}

// Goal:   a commit is whole and an abort leaves nothing, also for rows removed and values outside the page.
TEST_F(StoreEndToEnd, AbortTakesEverythingBack) {
  auto env = DbEnv::open(home_, small_options());
  ASSERT_TRUE(env.has_value()) << env.error().message();
  auto store = (*env)->open_store("main");
  ASSERT_TRUE(store.has_value());
  const std::string large(100000, 'L');
  for (int i = 0; i < 500; ++i)
    ASSERT_TRUE(store->put(key_of(i), "v" + std::to_string(i)).has_value());
  ASSERT_TRUE(store->put("large", large).has_value());
  {
    auto txn = (*env)->begin();
    ASSERT_TRUE(txn.has_value());
    for (int i = 0; i < 500; i += 2) ASSERT_TRUE(store->remove(*txn, key_of(i)).has_value());
    for (int i = 1; i < 500; i += 2)
      ASSERT_TRUE(store->put(*txn, key_of(i), std::string(200, 'x')).has_value());
    for (int i = 1000; i < 2000; ++i)
      ASSERT_TRUE(store->insert(*txn, key_of(i), "new").has_value());
    ASSERT_TRUE(store->put(*txn, "large", "small").has_value());
    ASSERT_TRUE(store->put(*txn, "large2", large).has_value());
    EXPECT_EQ(store->put(key_of(1), "other").error().code(), Code::conflict);
    const Result<void> aborted = txn->abort();
    ASSERT_TRUE(aborted.has_value()) << aborted.error().message();
    EXPECT_EQ(txn->commit().error().code(), Code::closed);
  }
  for (int i = 0; i < 500; ++i) EXPECT_EQ(store->get(key_of(i)).value(), "v" + std::to_string(i));
  for (int i = 1000; i < 2000; ++i)
    EXPECT_EQ(store->get(key_of(i)).error().code(), Code::not_found);
  EXPECT_EQ(store->get("large").value(), large);
  EXPECT_EQ(store->get("large2").error().code(), Code::not_found);
}

// Goal:   an update that keeps a row's size logs what it changes, not the row, alone and in a transaction.
// Method: rows of 600 bytes, 8 of them changed by each update; the log's growth for one.
TEST_F(StoreEndToEnd, AnUpdateLogsOnlyTheBytesThatChange) {
  auto env = *DbEnv::open(home_, small_options());
  KvStore store = *env->open_store("main");
  std::string row(600, 'r');
  for (uint64_t i = 0; i < 100; ++i) ASSERT_TRUE(store.put(key_of(i), row).has_value());
  const auto logged_by = [&](auto update) {
    const uint64_t before = env->stats().log_bytes_appended;
    for (uint64_t i = 0; i < 100; ++i) {
      row.replace(300, 8, std::to_string(10'000'000 + i));
      update(key_of(i));
    }
    return (env->stats().log_bytes_appended - before) / 100;
  };
  EXPECT_LT(
      logged_by([&](const std::string& key) { ASSERT_TRUE(store.put(key, row).has_value()); }),
      150u);
  Transaction txn = *env->begin();
  EXPECT_LT(
      logged_by([&](const std::string& key) { ASSERT_TRUE(store.put(txn, key, row).has_value()); }),
      180u);
  const uint64_t before = env->stats().log_bytes_appended;
  ASSERT_TRUE(txn.abort().has_value());
  EXPECT_LT((env->stats().log_bytes_appended - before) / 100, 150u);
  row.replace(300, 8, "10000042");
  EXPECT_EQ(*store.get(key_of(42)), row);
}

}  // namespace
}  // namespace aether
