// The workloads, run on a map that counts what it is asked.
#include "peers/workload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "map_engine.h"
#include "peers/data.h"
#include "peers/inserted.h"

namespace aether::bench {
namespace {

constexpr uint64_t kRecords = 2000;

RunOptions small_run(unsigned threads) {
  RunOptions options;
  options.records = kRecords;
  options.threads = threads;
  options.seconds = 0.2;
  options.warm_up_seconds = 0.01;
  return options;
}

/// What a run asked of the engine, without its loading and its reading of everything.
struct Asked {
  double gets = 0;
  double puts = 0;
  double scans = 0;
  double scanned = 0;
  double batches = 0;
  Measured measured;
};

Result<Asked> ask(const std::string& name, unsigned threads, bool lies = false) {
  const Workload* workload = find_workload(name);
  MapEngine engine;
  const RunOptions options = small_run(threads);
  AETHER_TRY(load_base(workload->base, options, engine));
  const auto loaded = static_cast<double>(engine.store.puts);
  engine.store.lies = lies;
  AETHER_TRY_ASSIGN(const Measured measured, run_workload(*workload, options, engine));
  Asked asked;
  asked.gets = static_cast<double>(engine.store.gets) -
               (workload->base == Base::memory ? static_cast<double>(kRecords) : 0);
  asked.puts = static_cast<double>(engine.store.puts) - loaded;
  asked.scans = static_cast<double>(engine.store.scans);
  asked.scanned = static_cast<double>(engine.store.scanned);
  asked.batches = static_cast<double>(engine.store.batches);
  asked.measured = measured;
  return asked;
}

struct MixCase {
  const char* name;
  double puts_per_get;  ///< Of gets and puts together, the part that are puts.
};

class YcsbMix : public testing::TestWithParam<MixCase> {};

// Goal:   the mixes are those of the paper (Cooper et al. 2010, table 2).
// Method: count what a map is asked; the share of puts is within 4 of its standard deviations.
TEST_P(YcsbMix, HasItsShareOfPuts) {
  const Result<Asked> asked = ask(GetParam().name, 2);
  ASSERT_TRUE(asked.has_value()) << asked.error().message();
  const double all = asked->gets + asked->puts;
  ASSERT_GT(all, 1000);
  const double wanted = GetParam().puts_per_get;
  EXPECT_NEAR(asked->puts / all, wanted, 4 * std::sqrt(wanted * (1 - wanted) / all) + 1e-9);
  EXPECT_EQ(asked->scans, 0);
}

// F gets what it then puts: of three calls, two are gets.
INSTANTIATE_TEST_SUITE_P(Mixes, YcsbMix,
                         testing::Values(MixCase{"ycsb-a", 0.5}, MixCase{"ycsb-b", 0.05},
                                         MixCase{"ycsb-c", 0}, MixCase{"ycsb-d", 0.05},
                                         MixCase{"ycsb-f", 1.0 / 3}),
                         [](const auto& mix) { return std::string(mix.param.name + 5); });

TEST(Ycsb, EScansOneToAHundredRecordsAndInserts) {
  const Result<Asked> asked = ask("ycsb-e", 2);
  ASSERT_TRUE(asked.has_value()) << asked.error().message();
  ASSERT_GT(asked->scans, 500);
  EXPECT_NEAR(asked->puts / (asked->puts + asked->scans), 0.05, 0.04);
  // The mean of 1 to 100, less what the end of the store cuts off.
  EXPECT_NEAR(asked->scanned / asked->scans, 50.5, 6);
  EXPECT_EQ(asked->gets, 0);
}

TEST(Batch, EveryKeyIsAnOperation) {
  const Result<Asked> asked = ask("batch-get", 1);
  ASSERT_TRUE(asked.has_value()) << asked.error().message();
  const uint64_t all = asked->measured.operations + asked->measured.warm_up_operations;
  EXPECT_EQ(static_cast<double>(all), asked->batches * 64);
}

TEST(Batch, LargerThanMemoryItHas64Keys) {
  const Result<Asked> asked = ask("oom-batch-get", 1);
  ASSERT_TRUE(asked.has_value()) << asked.error().message();
  const uint64_t all = asked->measured.operations + asked->measured.warm_up_operations;
  EXPECT_EQ(static_cast<double>(all), asked->batches * 64);
}

TEST(Batch, AWrongValueVoidsTheRun) {
  const Result<Asked> asked = ask("batch-get", 1, true);
  ASSERT_FALSE(asked.has_value());
  EXPECT_THAT(std::string(asked.error().message()), testing::HasSubstr("multi_get"));
}

TEST(Zipf, HotRanksHaveTheirShare) {
  const Zipf zipf(kRecords);
  double zeta = 0;
  for (uint64_t rank = 1; rank <= kRecords; ++rank) zeta += std::pow(rank, -0.99);
  Rng rng(7);
  constexpr int kDraws = 200000;
  int first = 0;
  int second = 0;
  for (int i = 0; i < kDraws; ++i) {
    const uint64_t rank = zipf.draw_rank(rng);
    ASSERT_LT(rank, kRecords);
    first += rank == 0;
    second += rank == 1;
  }
  EXPECT_NEAR(first, kDraws / zeta, 4 * std::sqrt(kDraws / zeta));
  EXPECT_NEAR(second, kDraws * std::pow(2, -0.99) / zeta, 4 * std::sqrt(kDraws / zeta));
}

// Goal:   readers of the newest records never ask for one whose put has not returned.
// Method: every rank after every step of three lanes that go on unevenly.
TEST(InsertedRecords, TheNewestAreThere) {
  constexpr uint64_t kLoaded = 10;
  Inserted inserted(kLoaded, 3);
  std::vector<bool> there(200, false);
  for (uint64_t record = 0; record < kLoaded; ++record) there[record] = true;
  for (const unsigned lane : {0U, 0U, 2U, 1U, 0U, 2U, 2U, 2U, 1U}) {
    const uint64_t record = inserted.next(lane);
    ASSERT_LT(record, there.size());
    ASSERT_FALSE(there[record]) << "added twice";
    for (uint64_t rank = 0; rank < kLoaded; ++rank) {
      ASSERT_LT(inserted.newest(rank), there.size());
      EXPECT_TRUE(there[inserted.newest(rank)]) << "rank " << rank;
    }
    inserted.acknowledge(lane);
    there[record] = true;
    EXPECT_EQ(inserted.newest(lane), record) << "the newest of its lane";
  }
}

// A load of a few records is over before the thread that started it looks at its clock again: it used to be given
// the rate of no time at all.
TEST(Workloads, AShortLoadTakesAtLeastTheTimeOfItsPuts) {
  RunOptions options = small_run(1);
  options.records = 50;
  for (int i = 0; i < 200; ++i) {
    MapEngine engine;
    const Result<Measured> loaded = load_all(options, engine);
    ASSERT_TRUE(loaded.has_value());
    const double median_us = loaded->latency.quantile(0.5) * loaded->us_per_tick;
    ASSERT_GE(loaded->seconds * 1e6, median_us * 50 / 2 * 0.95) << "run " << i;
  }
}

TEST(Workloads, HaveNamesOfTheirOwnAndThreads) {
  std::vector<std::string> names;
  for (const Workload& workload : workloads()) {
    names.emplace_back(workload.name);
    EXPECT_FALSE(workload.threads.empty()) << workload.name;
    EXPECT_EQ(find_workload(workload.name), &workload);
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

}  // namespace
}  // namespace aether::bench
