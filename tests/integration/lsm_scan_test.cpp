// Scans of stores of kind lsm over all ranges between short keys, with every filter: what a filter leaves out is not there.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "aether/aether.hpp"
#include "property/world.h"
#include "sim/sim_os.h"

namespace aether {
namespace {

using Rows = std::map<std::string, std::string>;

/// All strings of up to `length` of four bytes, ascending.
std::vector<std::string> all_strings(size_t length) {
  std::vector<std::string> all = {""};
  size_t begin = 0;
  for (size_t i = 0; i < length; ++i) {
    const size_t end = all.size();
    for (size_t at = begin; at < end; ++at) {
      for (const char byte : {'\0', 'a', 'b', '\xff'}) all.push_back(all[at] + byte);
    }
    begin = end;
  }
  std::sort(all.begin(), all.end());
  return all;
}

class LsmScan : public testing::TestWithParam<RunFilter> {
 protected:
  void open() {
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open("/env",
                                                     {.pool_bytes = 4 * MiB,
                                                      .block_cache_bytes = 4 * MiB,
                                                      .log_streams = 2,
                                                      .log_segment_bytes = 1 * MiB,
                                                      .log_bytes_max = 4 * MiB,
                                                      .durability = Durability::none,
                                                      .background_threads = false},
                                                     os_);
    ASSERT_TRUE(env.has_value()) << env.error().message();
    env_ = *std::move(env);
    const LsmOptions lsm{.nursery_bytes = 64 * KiB,
                         .policy = MergePolicyKind::hanoi,
                         .block_bytes = 4 * KiB,
                         .filter = GetParam()};
    const Result<KvStore> opened = env_->open_store("rows", {.index = IndexKind::lsm, .lsm = lsm});
    ASSERT_TRUE(opened.has_value()) << opened.error().message();
    store_ = *opened;
  }
  static void ok(const Result<void>& done) {
    ASSERT_TRUE(done.has_value()) << done.error().message();
  }
  void put(const std::string& key, const std::string& value) {
    ok(store_->put(key, value));
    rows_[key] = value;
  }
  void remove(const std::string& key) {
    if (rows_.erase(key) != 0) ok(store_->remove(key));
  }
  /// What is in memory becomes a run: it is filled with rows behind all others that are asked for.
  void flush() {
    const uint64_t flushes = env_->stats().stores.at(0).lsm.flushes;
    for (int i = 0; env_->stats().stores.at(0).lsm.flushes == flushes; ++i) {
      ASSERT_LT(i, 10000);
      put("\xff\xff\xff\xff" + std::to_string(i % 100), std::string(200, 'f'));
    }
  }
  static Rows within(const Rows& rows, Bytes begin, Bytes end) {
    const auto first = rows.lower_bound(std::string(begin));
    const auto last = end.empty() ? rows.end() : rows.lower_bound(std::string(end));
    return {first, last};
  }
  /// `scan` runs one over a range.
  template <typename Scan>
  void expect_ranges(const std::vector<std::string>& bounds, const Rows& rows, Scan scan) {
    for (size_t i = 0; i < bounds.size(); ++i) {
      for (size_t j = i + 1; j < bounds.size(); ++j) {
        for (const bool reverse : {false, true}) {
          Rows found;
          const Result<uint64_t> visited = scan(
              Range{.begin = bounds[i], .end = bounds[j], .reverse = reverse},
              [&](Bytes key, Bytes value) { return found.emplace(key, value).second; });
          ASSERT_TRUE(visited.has_value()) << visited.error().message();
          ASSERT_TRUE(found == within(rows, bounds[i], bounds[j]))
              << testing::PrintToString(bounds[i]) << " to " << testing::PrintToString(bounds[j])
              << (reverse ? " backwards: " : ": ") << found.size() << " rows";
        }
      }
    }
  }
  /// A cursor, which knows no end: from every key on some steps, to and fro.
  void expect_steps(const std::vector<std::string>& keys, const Rows& rows, Cursor cursor,
                    std::mt19937_64& random) {
    for (const std::string& key : keys) {
      auto at = rows.lower_bound(key);
      Result<bool> is_there = cursor.seek(key);
      for (int step = 0; step < 6; ++step) {
        ASSERT_TRUE(is_there.has_value()) << is_there.error().message();
        ASSERT_EQ(*is_there, at != rows.end()) << testing::PrintToString(key);
        if (!*is_there) break;
        ASSERT_EQ(cursor.key(), at->first);
        if (random() % 3 != 0 || at == rows.begin()) {
          is_there = cursor.next();
          ++at;
        } else {
          is_there = cursor.prev();
          --at;
        }
      }
    }
  }

  sim::SimOs os_{sim::SimOptions{.seed = 1}};
  std::unique_ptr<DbEnv> env_;
  std::optional<KvStore> store_;
  Rows rows_;
};

TEST_P(LsmScan, EveryRangeHasWhatIsInIt) {
  const std::vector<std::string> strings = all_strings(3);
  constexpr uint64_t kSeed = 5;
  SCOPED_TRACE(kSeed);
  std::mt19937_64 random(kSeed);
  open();
  if (HasFatalFailure()) return;
  // Runs of few keys, so that most ranges are empty in most of them; older versions and removals lie in others than what they hide.
  std::optional<Transaction> snapshot;
  Rows seen;
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 6; ++i) put(strings[random() % strings.size()], std::to_string(round));
    for (int i = 0; i < 4; ++i) remove(strings[random() % strings.size()]);
    flush();
    if (HasFatalFailure()) return;
    if (round != 2) continue;
    Result<Transaction> begun = env_->begin({.isolation = Isolation::snapshot, .read_only = true});
    ASSERT_TRUE(begun.has_value());
    snapshot.emplace(*std::move(begun));
    seen = rows_;
    ASSERT_TRUE(store_
                    ->get(*snapshot,
                          "\xff\xff\xff\xff"
                          "0")
                    .has_value());
  }
  put(strings[random() % strings.size()], "in memory");
  const auto bounds = all_strings(2);
  expect_ranges(bounds, rows_,
                [&](const Range& range, auto visit) { return store_->scan(range, visit); });
  expect_ranges(bounds, seen, [&](const Range& range, auto visit) {
    return store_->scan(*snapshot, range, visit);
  });
  Result<Transaction> own = env_->begin({.isolation = Isolation::serializable});
  ASSERT_TRUE(own.has_value());
  const Rows committed = rows_;
  for (int i = 0; i < 5; ++i) {
    const std::string& key = strings[random() % strings.size()];
    ok(store_->put(*own, key, "own"));
    rows_[key] = "own";
  }
  expect_ranges(bounds, rows_,
                [&](const Range& range, auto visit) { return store_->scan(*own, range, visit); });
  expect_steps(strings, rows_, store_->cursor(*own), random);
  expect_steps(strings, committed, store_->cursor(), random);
  expect_steps(strings, seen, store_->cursor(*snapshot), random);
}

// Goal:   a range that is never empty is never found empty, though filters and layers in memory answer for all of it while rows move from
//         nurseries to runs, and from run to run.
// Method: a transaction moves the one row of a range to another of its keys; others fill nurseries, which threads in the background write out.
TEST(LsmScanConcurrent, ARangeThatHasARowIsNeverEmpty) {
  testing_support::World world(4096, 1024, std::nullopt);
  world.open();
  KvStore store = world.env
                      ->open_store("rows", {.index = IndexKind::lsm,
                                            .lsm = {.nursery_bytes = 32 * KiB,
                                                    .policy = MergePolicyKind::hanoi,
                                                    .filter = RunFilter::surf}})
                      .value();
  constexpr int kMoves = 3000;
  const auto key_of = [](int place) { return "range" + std::to_string(place % 5); };
  ASSERT_TRUE(store.put(key_of(0), "here").has_value());
  std::atomic<bool> stop{false};
  std::thread mover([&] {
    for (int i = 1; i <= kMoves; ++i) {
      Transaction txn = world.env->begin().value();
      EXPECT_TRUE(store.remove(txn, key_of(i - 1)).has_value());
      EXPECT_TRUE(store.put(txn, key_of(i), "here").has_value());
      EXPECT_TRUE(txn.commit().has_value());
    }
    stop = true;
  });
  std::thread filler([&] {
    for (uint64_t i = 0; !stop; ++i)
      EXPECT_TRUE(
          store.put("filler" + std::to_string(i % 5000), std::string(100, 'f')).has_value());
  });
  while (!stop) {
    const auto count = [&](Bytes begin, Bytes end) {
      return store.scan({.begin = begin, .end = end}, [](Bytes, Bytes) { return true; })
          .value_or(9);
    };
    EXPECT_EQ(count("range", "rangf"), 1u);
    EXPECT_EQ(count("rangf", "rangg"), 0u);
  }
  mover.join();
  filler.join();
  world.close();
}

INSTANTIATE_TEST_SUITE_P(Filters, LsmScan,
                         testing::Values(RunFilter::none, RunFilter::bloom, RunFilter::surf),
                         [](const auto& filter) {
                           return std::string(filter.param == RunFilter::none    ? "None"
                                              : filter.param == RunFilter::bloom ? "Bloom"
                                                                                 : "Surf");
                         });

}  // namespace
}  // namespace aether
