// Filters of a store of runs: how many bits a run is given.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>

#include "aether/aether.hpp"
#include "sim/sim_os.h"

namespace aether {
namespace {

double bits_per_key(const SortedRunStats& sorted) {
  uint64_t bytes = 0;
  for (const RunStats& part : sorted.parts) bytes += part.filter_bytes;
  return 8.0 * static_cast<double>(bytes) / static_cast<double>(sorted.entries);
}

class LsmFilters : public testing::TestWithParam<MergePolicyKind> {};

INSTANTIATE_TEST_SUITE_P(Of, LsmFilters,
                         testing::Values(MergePolicyKind::tiered, MergePolicyKind::leveled),
                         [](const auto& policy) {
                           return std::string(policy.param == MergePolicyKind::tiered ? "tiered"
                                                                                      : "leveled");
                         });

// Goal:   the run that has most of a store has few bits a key more than were asked for, also where it comes of merges of a part of it at
//         a time; one that has little has more.
// Method: keys in random order, as many as make several parts of the last run.
TEST_P(LsmFilters, ARunThatHasLittleHasMoreBits) {
  sim::SimOs os{sim::SimOptions{.seed = 1}};
  Result<std::unique_ptr<DbEnv>> env = DbEnv::open(
      "/env", {.pool_bytes = 8 * MiB, .durability = Durability::none, .background_threads = false},
      os);
  ASSERT_TRUE(env.has_value()) << env.error().message();
  Result<KvStore> store = (*env)->open_store(
      "rows", {.index = IndexKind::lsm, .lsm = {.nursery_bytes = 256 * KiB, .policy = GetParam()}});
  ASSERT_TRUE(store.has_value()) << store.error().message();
  constexpr uint64_t kRows = 160'000;
  for (uint64_t i = 0; i < kRows; ++i) {
    const std::string key = std::to_string(1'000'000 + i * 7919 % kRows);
    ASSERT_TRUE(store->put(key, std::string(100, 'v')).has_value());
  }
  const LsmStats stats = (*env)->stats().stores.at(0).lsm;
  uint64_t bytes = 0;
  for (const SortedRunStats& sorted : stats.sorted_runs) bytes += sorted.bytes;
  ASSERT_GT(stats.sorted_runs.size(), 1u);
  const SortedRunStats& most = stats.sorted_runs.back();
  ASSERT_GT(most.runs, 1u);
  ASSERT_GT(most.bytes, bytes / 4);
  // By its share now; when it was written there was less beside it.
  const double halvings = std::log2(static_cast<double>(bytes) / static_cast<double>(most.bytes));
  EXPECT_GE(bits_per_key(most), 10);
  EXPECT_LT(bits_per_key(most), 10.5 + halvings / std::log(2.0));
  const SortedRunStats& little = stats.sorted_runs.front();
  ASSERT_LT(little.bytes, bytes / 8);
  EXPECT_GT(bits_per_key(little), 13);
  EXPECT_LT(bits_per_key(little), 17);  // A line is whole.
  ASSERT_TRUE((*env)->close().has_value());
}

}  // namespace
}  // namespace aether
