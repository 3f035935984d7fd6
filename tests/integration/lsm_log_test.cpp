// The log of stores of runs: what a flush has made needless is let go of long before the log is at its bound, if few pages hold it back.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "aether/aether.hpp"
#include "unit/os/temp_directory.h"

namespace aether {
namespace {

class LsmLog : public testing::Test {
 protected:
  void SetUp() override {
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open(home_ / "env",
                                                     {.pool_bytes = 32 * MiB,
                                                      .block_cache_bytes = 8 * MiB,
                                                      .log_segment_bytes = 1 * MiB,
                                                      .log_bytes_max = 1 * GiB,
                                                      .durability = Durability::none});
    ASSERT_TRUE(env) << env.error().message();
    env_ = *std::move(env);
    Result<KvStore> runs = env_->open_store(
        "runs", {.index = IndexKind::lsm, .lsm = {.nursery_bytes = 256 * KiB}});
    ASSERT_TRUE(runs) << runs.error().message();
    runs_ = *runs;
  }
  void put(KvStore& store, uint64_t number) {
    const Result<void> done = store.put("key" + std::to_string(number * 7919 % 1'000'003),
                                        std::string(100, 'v'));
    ASSERT_TRUE(done) << done.error().message();
  }
  uint64_t log_bytes() { return env_->stats().log_bytes_on_disk; }

  testing_support::TempDirectory home_;
  std::unique_ptr<DbEnv> env_;
  std::optional<KvStore> runs_;
};

// Goal:   the log stays at a few segments although its bound is a thousand.
// Method: rows until checkpoints have come by themselves; nothing else asks for one before 512 MiB of log.
TEST_F(LsmLog, WhatAFlushHasMadeNeedlessIsLetGoOf) {
  const uint64_t before = env_->stats().checkpoints;
  uint64_t rows = 0;
  while (env_->stats().checkpoints < before + 3 && rows < 2'000'000) {
    for (int i = 0; i < 1000; ++i) put(*runs_, rows++);
  }
  EXPECT_GE(env_->stats().checkpoints, before + 3) << rows << " rows";
  EXPECT_LT(log_bytes(), 64 * MiB) << rows << " rows";
  EXPECT_TRUE(env_->verify()->ok());
}

// Goal:   who has many dirty pages is not made to write them sooner than the log's bound does.
TEST_F(LsmLog, ManyDirtyPagesKeepIt) {
  Result<KvStore> tree = env_->open_store("tree");
  ASSERT_TRUE(tree);
  for (uint64_t i = 0; i < 60'000; ++i)
    put(*tree, i);  // Some 10 MiB of pages: more than a sixteenth of the log to come.
  const uint64_t before = env_->stats().checkpoints;
  for (uint64_t i = 0; i < 100'000; ++i) put(*runs_, i);
  EXPECT_EQ(env_->stats().checkpoints, before);
  EXPECT_GT(log_bytes(), 16 * MiB);
}

}  // namespace
}  // namespace aether
