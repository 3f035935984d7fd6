// Histories of random concurrent transactions on the engine, checked for every anomaly that their level forbids.
//
//   AETHER_HISTORY_TRANSACTIONS=1000000 history_test    per level, over all loads
//   AETHER_SEED=7 history_test                          the same choices (how threads meet is the machine's)
// ctest: timeout=900
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "isolation/checker.h"
#include "isolation/engine_load.h"
#include "sim/sim_os.h"

namespace aether::isolation {
namespace {

#if defined(AETHER_TSAN) || defined(AETHER_ASAN)
constexpr uint64_t kDefaultTransactions = 10'000;
#else
constexpr uint64_t kDefaultTransactions = 300'000;
#endif
constexpr uint64_t
    kBatch = 20'000;  ///< Transactions of one history: what memory it takes is bounded.

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}

/// A kind of load, and the environment it runs on.
struct Load {
  const char* name;
  uint64_t share = 1;  ///< Of a level's transactions, in tenths.
  int stores = 1;
  uint64_t pool_bytes = 4 * MiB;
  EngineLoadOptions options;
};

const Load kLoads[] = {
    {.name = "contended", .share = 3, .options = {.window = 12, .moves_after = 10}},
    {.name = "three_stores",
     .share = 2,
     .stores = 3,
     .options = {.threads = 8, .read_only_percent = 20}},
    {.name = "evicting",
     .share = 2,
     .pool_bytes = 320 * KiB,
     .options = {.threads = 4, .cold_percent = 30, .value_bytes = 700}},
    {.name = "large_values",
     .share = 1,
     .stores = 2,
     .pool_bytes = 320 * KiB,
     .options = {.threads = 4, .cold_percent = 20, .value_bytes = 400, .large_percent = 3}},
    {.name = "savepoints", .share = 2, .stores = 2, .options = {.savepoint_percent = 15}},
};

struct Tally {
  uint64_t transactions = 0;
  uint64_t committed = 0;
  uint64_t operations = 0;
  uint64_t undone = 0;
  uint64_t evictions = 0;
  std::array<uint64_t, kAnomalyCount> allowed{};
};

class Histories {
 public:
  Histories(const Load& load, Level level) : load_(load), level_(level) {}

  void run(uint64_t transactions) {
    const uint64_t seed = from_environment("AETHER_SEED", 1);
    for (uint64_t batch = 0; transactions > 0 && !testing::Test::HasFailure(); ++batch) {
      const uint64_t size = std::min(transactions, kBatch);
      run_batch(seed * 1'000'000 + batch, size, batch == 0);
      transactions -= size;
    }
  }

  const Tally& tally() const { return tally_; }
  std::string allowed_in_words() const {
    std::string words;
    for (size_t i = 0; i < kAnomalyCount; ++i) {
      if (tally_.allowed[i] == 0) continue;
      words += " " + std::to_string(tally_.allowed[i]) + " " +
               std::string(name_of(static_cast<Anomaly>(i)));
    }
    return words.empty() ? " nothing" : words;
  }
  uint64_t allowed(Anomaly anomaly) const { return tally_.allowed[static_cast<size_t>(anomaly)]; }

 private:
  void run_batch(uint64_t seed, uint64_t transactions, bool find_allowed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    sim::SimOs os({.seed = seed, .real_clock = true});
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open("/env",
                                                     {.pool_bytes = load_.pool_bytes,
                                                      .log_streams = 3,
                                                      .log_segment_bytes = 1 * MiB,
                                                      .log_bytes_max = 256 * MiB,
                                                      .reopen_seconds_max = 0.001,
                                                      .durability = Durability::none},
                                                     os);
    ASSERT_TRUE(env.has_value()) << env.error().message();
    std::vector<KvStore> stores;
    for (int i = 0; i < load_.stores; ++i)
      stores.push_back(*(*env)->open_store("store" + std::to_string(i)));
    EngineLoadOptions options = load_.options;
    options.level = level_;
    options.seed = seed;
    options.transactions = transactions;
    History history;
    tally_.undone += run_engine_load(**env, stores, options, history);
    ASSERT_FALSE(testing::Test::HasFailure());
    tally_.evictions += (*env)->stats().page_evictions;
    const Report report = check(history, {.level = level_, .find_allowed = find_allowed});
    EXPECT_TRUE(report.ok()) << report.text();
    add(history, report);
  }

  void add(const History& history, const Report& report) {
    for (const Session& session : history.sessions()) {
      for (const TxnRecord& txn : session.transactions())
        tally_.committed += txn.outcome == Outcome::committed ? 1 : 0;
    }
    tally_.transactions += report.transactions;
    tally_.operations += report.operations;
    for (size_t i = 0; i < kAnomalyCount; ++i) tally_.allowed[i] += report.counts[i];
  }

  const Load& load_;
  const Level level_;
  Tally tally_;
};

class HistoryConcurrent : public testing::TestWithParam<std::tuple<Level, size_t>> {};

// Goal:   no transaction sees or does what its level forbids, whatever the others do meanwhile.
// Method: histories of real threads, checked; and what the level allows must have happened, else the load was tame.
TEST_P(HistoryConcurrent, HasNothingThatItsLevelForbids) {
  const auto [level, number] = GetParam();
  const uint64_t total = from_environment("AETHER_HISTORY_TRANSACTIONS", kDefaultTransactions);
  Histories histories(kLoads[number], level);
  const auto begin = std::chrono::steady_clock::now();
  histories.run(total * kLoads[number].share / 10);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
                             .count();
  const Tally& tally = histories.tally();
  std::printf(
      "%llu transactions (%llu committed), %llu operations, %llu ways back, %llu evictions: %.1f "
      "s\n",
      static_cast<unsigned long long>(tally.transactions),
      static_cast<unsigned long long>(tally.committed),
      static_cast<unsigned long long>(tally.operations),
      static_cast<unsigned long long>(tally.undone),
      static_cast<unsigned long long>(tally.evictions), seconds);
  std::printf("seen, as the level allows:%s\n", histories.allowed_in_words().c_str());
  EXPECT_GT(tally.committed, tally.transactions / 4);
  // A short run, as under a sanitizer, does not fill the pool.
  if (kLoads[number].pool_bytes < 1 * MiB && tally.transactions >= kBatch) {
    EXPECT_GT(tally.evictions, 0u) << "the pool holds everything";
  }
  if (kLoads[number].options.savepoint_percent > 0) {
    EXPECT_GT(tally.undone, 0u) << "nothing was rolled back";
  }
  // Provoked: what the next level would forbid.
  const Anomaly provoked = level == Level::read_committed ? Anomaly::g_single : Anomaly::g2_item;
  if (level != Level::serializable) {
    EXPECT_GT(histories.allowed(provoked), 0u) << "the load was tame";
  }
}

INSTANTIATE_TEST_SUITE_P(Loads, HistoryConcurrent,
                         testing::Combine(testing::Values(Level::read_committed, Level::snapshot,
                                                          Level::serializable),
                                          testing::Range<size_t>(0, std::size(kLoads))),
                         [](const auto& tested) {
                           return std::string(name_of(std::get<0>(tested.param))) + "_" +
                                  kLoads[std::get<1>(tested.param)].name;
                         });

}  // namespace
}  // namespace aether::isolation
