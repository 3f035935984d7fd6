// Filters of a store of runs: how many bits a run is given.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aether/aether.hpp"
#include "sim/sim_os.h"

namespace aether {
namespace {

constexpr uint64_t kRows = 160'000;
constexpr int64_t kHourNs = 3'600'000'000'000;

double bits_per_key(const std::vector<RunStats>& parts) {
  uint64_t bytes = 0;
  uint64_t entries = 0;
  for (const RunStats& part : parts) {
    bytes += part.filter_bytes;
    entries += part.entries;
  }
  return 8.0 * static_cast<double>(bytes) / static_cast<double>(entries);
}

/// Keys in random order, as many as make several parts of the last run.
class LsmFilters : public testing::Test {
 protected:
  void fill(MergePolicyKind policy) {
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open(
        "/env",
        {.pool_bytes = 8 * MiB, .durability = Durability::none, .background_threads = false}, os_);
    ASSERT_TRUE(env.has_value()) << env.error().message();
    env_ = *std::move(env);
    const Result<KvStore> store = env_->open_store(
        "rows", {.index = IndexKind::lsm, .lsm = {.nursery_bytes = 256 * KiB, .policy = policy}});
    ASSERT_TRUE(store.has_value()) << store.error().message();
    store_ = *store;
    put(0, kRows, kRows);
  }
  void expect_bits_by_share() const;
  void TearDown() override { ASSERT_TRUE(env_->close().has_value()); }
  /// Of the `of` keys from `first` on. Of the first quarter of all, half expire in an hour.
  void put(uint64_t first, uint64_t of, uint64_t times) {
    for (uint64_t i = 0; i < times; ++i) {
      const std::string key = std::to_string(1'000'000 + first + i * 7919 % of);
      const bool expires = first == 0 && i * 7919 % of < kRows / 4 && i % 2 == 0;
      const PutOptions options{.expires_at_ms = expires ? now_ms_ + 3'600'000 : 0};
      ASSERT_TRUE(store_->put(key, std::string(100, 'v'), options).has_value());
    }
  }
  LsmStats lsm() const { return env_->stats().stores.at(0).lsm; }
  static uint64_t bytes_of(const LsmStats& stats) {
    uint64_t bytes = 0;
    for (const SortedRunStats& sorted : stats.sorted_runs) bytes += sorted.bytes;
    return bytes;
  }

  sim::SimOs os_{sim::SimOptions{.seed = 1}};
  uint64_t now_ms_ = os_.wall_ns() / 1'000'000;
  std::unique_ptr<DbEnv> env_;
  std::optional<KvStore> store_;
};

// Goal:   the run that has most of a store has few bits a key more than were asked for; one that has little has more.
void LsmFilters::expect_bits_by_share() const {
  const LsmStats stats = lsm();
  const uint64_t bytes = bytes_of(stats);
  ASSERT_GT(stats.sorted_runs.size(), 1u);
  const SortedRunStats& most = stats.sorted_runs.back();
  ASSERT_GT(most.bytes, bytes / 4);
  // By its share now; when it was written there was less beside it.
  const double halvings = std::log2(static_cast<double>(bytes) / static_cast<double>(most.bytes));
  EXPECT_GE(bits_per_key(most.parts), 10);
  EXPECT_LT(bits_per_key(most.parts), 10.5 + halvings / std::log(2.0));
  const SortedRunStats& little = stats.sorted_runs.front();
  ASSERT_LT(little.bytes, bytes / 8);
  EXPECT_GT(bits_per_key(little.parts), 13);
  EXPECT_LT(bits_per_key(little.parts), 17);  // A line is whole.
}

TEST_F(LsmFilters, ARunThatHasLittleHasMoreBits) {
  fill(MergePolicyKind::tiered);
  expect_bits_by_share();
}
TEST_F(LsmFilters, ARunThatHasLittleHasMoreBitsLeveled) {
  fill(MergePolicyKind::leveled);
  expect_bits_by_share();
}

// Goal:   a part of the run that has most of a store, rewritten alone while the others only move, has no more bits than they.
// Method: half of the rows of its first part expire, and the part is rewritten for that.
TEST_F(LsmFilters, APartOfALargeRunHasTheBitsOfTheRun) {
  fill(MergePolicyKind::leveled);
  const auto first_part = [&] { return lsm().sorted_runs.back().parts.front(); };
  for (uint64_t i = 0; lsm().merges_under_way > 0; ++i) {
    ASSERT_LT(i, kRows / 100);
    put(kRows, kRows, 100);
  }
  ASSERT_GT(first_part().expiring, first_part().entries / 3);
  os_.jump_wall_clock(2 * kHourNs);
  for (uint64_t i = 0; first_part().expiring > 0; ++i) {
    ASSERT_LT(i, kRows / 100);
    put(kRows, kRows, 100);
  }
  const SortedRunStats most = lsm().sorted_runs.back();
  ASSERT_GT(most.runs, 4u);
  EXPECT_LT(bits_per_key({most.parts.front()}), bits_per_key(most.parts) + 1);
}

}  // namespace
}  // namespace aether
