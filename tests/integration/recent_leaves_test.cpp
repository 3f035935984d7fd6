// A write finds its leaf without a descent where its transaction has read the row before (txn/recent_leaves.h). What
// happens to the leaf in between must not mislead it.
#include <gtest/gtest.h>

#include <string>

#include "aether/aether.hpp"
#include "sim/sim_os.h"

namespace aether {
namespace {

class RecentLeaves : public testing::Test {
 protected:
  void open(uint64_t pool_bytes = 2 * MiB) {
    EnvOptions options;
    options.pool_bytes = pool_bytes;
    options.durability = Durability::none;
    options.background_threads = false;
    Result<std::unique_ptr<DbEnv>> opened = DbEnv::open("/env", options, os_);
    ASSERT_TRUE(opened.has_value()) << opened.error().message();
    env_ = *std::move(opened);
  }
  KvStore store(const std::string& name) { return env_->open_store(name).value(); }
  static std::string key(int number) {
    std::string digits = std::to_string(number);
    return "key " + std::string(8 - digits.size(), '0') + digits;
  }
  void fill(KvStore& store, int from, int to, int step) {
    for (int i = from; i < to; i += step)
      ASSERT_TRUE(store.put(key(i), std::string(100, 'v')).has_value());
  }
  void expect_sound() {
    const Result<VerifyReport> report = env_->verify();
    ASSERT_TRUE(report.has_value()) << report.error().message();
    EXPECT_TRUE(report->ok());
  }

  sim::SimOs os_;
  std::unique_ptr<DbEnv> env_;
};

// Goal:   a row is written to the leaf that covers it now.
// Method: read rows of one leaf; others fill the gaps until it has been split many times; write them.
TEST_F(RecentLeaves, AWriteAfterASplitGoesWhereTheRowIs) {
  open();
  KvStore rows = store("rows");
  fill(rows, 0, 1000, 100);
  Transaction txn = env_->begin({.isolation = Isolation::read_committed}).value();
  for (int i = 0; i < 1000; i += 100) ASSERT_TRUE(rows.get(txn, key(i)).has_value());
  fill(rows, 50, 1000, 100);
  for (int i = 0; i < 1000; ++i) {
    if (i % 50 != 0) fill(rows, i, i + 1, 1);
  }
  for (int i = 0; i < 1000; i += 100) ASSERT_TRUE(rows.put(txn, key(i), "changed").has_value());
  ASSERT_TRUE(txn.commit().has_value());
  for (int i = 0; i < 1000; ++i)
    EXPECT_EQ(rows.get(key(i)).value(), i % 100 == 0 ? "changed" : std::string(100, 'v')) << i;
  expect_sound();
}

// Goal:   a frame that holds another page now is not taken for the leaf.
// Method: a pool of few frames; read a row, read far more than fits, write the row.
TEST_F(RecentLeaves, AWriteAfterTheLeafWasEvictedGoesWhereTheRowIs) {
  open(288 * KiB);
  KvStore rows = store("rows");
  fill(rows, 0, 20'000, 1);
  for (int round = 0; round < 20; ++round) {
    Transaction txn = env_->begin().value();
    const std::string mine = key(round * 1000);
    ASSERT_TRUE(rows.get(txn, mine).has_value());
    for (int i = 0; i < 20'000; i += 25) ASSERT_TRUE(rows.get(key(i)).has_value());
    ASSERT_TRUE(rows.put(txn, mine, "changed").has_value());
    ASSERT_TRUE(txn.commit().has_value());
    EXPECT_EQ(rows.get(mine).value(), "changed");
  }
  expect_sound();
}

// Goal:   the leaf of one store is not taken for that of another with the same keys, nor is the leaf of a store that
//         was dropped.
TEST_F(RecentLeaves, StoresWithTheSameKeysStayApart) {
  open();
  KvStore left = store("left"), right = store("right");
  fill(left, 0, 100, 1);
  fill(right, 0, 100, 1);
  Transaction txn = env_->begin().value();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(left.get(txn, key(i)).has_value());
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(right.put(txn, key(i), "right").has_value());
  ASSERT_TRUE(txn.commit().has_value());
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(left.get(key(i)).value(), std::string(100, 'v'));
    EXPECT_EQ(right.get(key(i)).value(), "right");
  }
  expect_sound();
}

// Goal:   a rollback finds the rows, also those that moved since they were written.
TEST_F(RecentLeaves, ARollbackAfterASplitTakesBackTheRightRows) {
  open();
  KvStore rows = store("rows");
  fill(rows, 0, 1000, 100);
  Transaction txn = env_->begin().value();
  for (int i = 0; i < 1000; i += 100) {
    ASSERT_TRUE(rows.get(txn, key(i)).has_value());
    ASSERT_TRUE(rows.put(txn, key(i), "changed").has_value());
  }
  for (int i = 0; i < 1000; ++i) {
    if (i % 100 != 0) fill(rows, i, i + 1, 1);
  }
  ASSERT_TRUE(txn.abort().has_value());
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(rows.get(key(i)).value(), std::string(100, 'v')) << i;
  expect_sound();
}

}  // namespace
}  // namespace aether
