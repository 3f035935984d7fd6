// Scrubbing and verification beside threads that split, merge, replace large values, make and drop stores, checkpoint and
// evict: neither finds anything wrong, and both find what is.
//
// Replay: AETHER_SEED=<seed> care_concurrent_test --gtest_filter=<name of the test>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <functional>
#include <random>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "db/env_impl.h"
#include "property/world.h"
#include "support/stamped_value.h"

namespace aether {
namespace {

using testing_support::base_seed;
using testing_support::kSlowdown;
using testing_support::scramble;
using testing_support::stamped_value;
using testing_support::World;

constexpr uint64_t kWriters = 3;
constexpr uint64_t kRows = 3000;

class CareConcurrent : public testing::Test {
 protected:
  CareConcurrent() : world_(4096, 120, std::nullopt) { world_.options.live = false; }

  static std::string key_of(uint64_t number) {
    return std::to_string(scramble(number) % 100000) + "/" + std::to_string(number);
  }

  /// Rows come and go in waves, so that leaves split and merge; one value in 24 lies outside its leaf; a transaction in 8 is
  /// taken back.
  void write(uint64_t thread, uint64_t steps) {
    KvStore store = world_.store("main");
    std::mt19937_64 random(scramble(base_seed() * 64 + thread));
    for (uint64_t i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
      const std::shared_lock<std::shared_mutex> no_drop(dropping_);
      Result<Transaction> txn = world_.env->begin();
      ASSERT_TRUE(txn.has_value()) << txn.error().message();
      const bool grows = i / 150 % 2 == 0;
      bool conflicts = false;
      for (int j = 0; j < 6 && !conflicts; ++j) {
        const std::string key = key_of(random() % kRows);
        const size_t bytes = random() % 24 == 0 ? 5000 + random() % 30000 : 20 + random() % 300;
        const Result<void> done = grows || random() % 5 == 0
                                      ? store.put(*txn, key, stamped_value(key, i, bytes))
                                      : store.remove(*txn, key);
        if (done || done.error().code() == Code::not_found) continue;
        ASSERT_EQ(done.error().code(), Code::conflict) << done.error().message();
        conflicts = true;
      }
      const Result<void> ended = conflicts || random() % 8 == 0 ? txn->abort() : txn->commit();
      ASSERT_TRUE(ended.has_value()) << ended.error().message();
    }
  }

  /// Makes a store, fills it, drops it.
  void pass_by() {
    const std::string name = "passing" + std::to_string(++stores_made_ % 3);
    {
      Result<KvStore> store = world_.env->open_store(name);
      ASSERT_TRUE(store.has_value()) << store.error().message();
      for (int i = 0; i < 60; ++i) {
        const std::string key = key_of(static_cast<uint64_t>(i));
        const Result<void> put = store->put(key, stamped_value(key, 1, i % 10 == 0 ? 9000 : 200));
        ASSERT_TRUE(put.has_value()) << put.error().message();
      }
    }
    const std::unique_lock<std::shared_mutex> alone(dropping_);
    const Result<void> dropped = world_.env->drop_store(name);
    ASSERT_TRUE(dropped.has_value() || dropped.error().code() == Code::busy)
        << dropped.error().message();
    stores_dropped_ += dropped ? 1 : 0;
  }

  void expect_well(const VerifyReport& report) {
    for (const VerifyProblem& problem : report.problems) {
      ADD_FAILURE() << "seed " << base_seed() << ": page " << problem.page_id << " of '"
                    << problem.store << "': " << problem.message;
    }
  }

  /// Writers to their end, `helpers` round and round beside them.
  void run(uint64_t steps, const std::vector<std::function<void()>>& helpers) {
    std::atomic<bool> stop{false};
    std::vector<std::thread> beside;
    for (const std::function<void()>& helper : helpers) {
      beside.emplace_back([&stop, helper] {
        do {
          helper();
        } while (!stop.load() && !testing::Test::HasFailure());
      });
    }
    std::vector<std::thread> writers;
    for (uint64_t i = 0; i < kWriters; ++i)
      writers.emplace_back([this, i, steps] { write(i, steps); });
    for (std::thread& writer : writers) writer.join();
    stop = true;
    for (std::thread& helper : beside) helper.join();
  }

  World world_;
  std::shared_mutex dropping_;
  uint64_t stores_made_ = 0;
  std::atomic<uint64_t> stores_dropped_{0};
};

TEST_F(CareConcurrent, NeitherFindsAnythingWrongBesideWriters) {
  world_.options.scrub_bytes_per_second = 100 * MiB;
  ASSERT_NO_FATAL_FAILURE(world_.open());
  std::atomic<uint64_t> verified{0}, scrubbed{0}, keys{0};
  const auto verify = [&] {
    const Result<VerifyReport> report = world_.env->verify();
    ASSERT_TRUE(report.has_value()) << report.error().message();
    expect_well(*report);
    ++verified;
    keys = keys + report->keys;
  };
  const auto scrub = [&] {
    const Result<ScrubReport> report = world_.env->scrub();
    ASSERT_TRUE(report.has_value()) << report.error().message();
    for (const VerifyProblem& problem : report->problems)
      ADD_FAILURE() << "seed " << base_seed() << ": " << problem.message;
    EXPECT_EQ(report->repaired, 0u);
    ++scrubbed;
  };
  run(1500 / kSlowdown, {verify, scrub, [this] { pass_by(); },
                         [this] { ASSERT_TRUE(world_.env->checkpoint().has_value()); }});
  std::printf("%llu verified with %llu keys, %llu scrubbed, %llu stores dropped\n",
              static_cast<unsigned long long>(verified), static_cast<unsigned long long>(keys),
              static_cast<unsigned long long>(scrubbed),
              static_cast<unsigned long long>(stores_dropped_));
  EXPECT_GT(stores_dropped_.load(), 0u);
  EXPECT_GT(keys.load(), 0u);
  const EnvStats stats = world_.env->stats();
  EXPECT_GE(stats.scrub_rounds, scrubbed.load());
  EXPECT_EQ(stats.scrub_damaged + stats.scrub_repaired, 0u);
  EXPECT_EQ(stats.scrub_error, "");
  const Result<VerifyReport> report = world_.env->verify();
  ASSERT_TRUE(report.has_value()) << report.error().message();
  EXPECT_TRUE(report->complete) << "nobody writes any more";
  expect_well(*report);
}

TEST_F(CareConcurrent, DamageIsFoundBesideWriters) {
  ASSERT_NO_FATAL_FAILURE(world_.open());
  {
    KvStore quiet = world_.store("quiet");
    for (uint64_t i = 0; i < 2000; ++i) {
      const std::string key = key_of(i);
      const size_t bytes = i == 77 ? 20000 : 100;
      ASSERT_TRUE(quiet.put(key, stamped_value(key, i, bytes)).has_value());
    }
  }
  ASSERT_NO_FATAL_FAILURE(world_.close());
  ASSERT_NO_FATAL_FAILURE(world_.open());
  // A leaf and a page of a value, neither of them in memory.
  std::vector<uint64_t> damaged;
  {
    std::fstream file(world_.home + "/data", std::ios::in | std::ios::out | std::ios::binary);
    bool has_leaf = false, has_value = false;
    for (uint64_t page = 3; page < world_.env->stats().data_pages; ++page) {
      if (!world_.env->impl().services().space.is_allocated(PageId{page}) ||
          world_.env->impl().services().pool.find_page(PageId{page}))
        continue;
      page::PageHeader header;
      file.seekg(static_cast<std::streamoff>(page * 4096));
      file.read(reinterpret_cast<char*>(&header), sizeof header);
      bool& has = header.kind == page::PageKind::overflow ? has_value : has_leaf;
      const bool wanted = header.kind == page::PageKind::overflow ||
                          header.kind == page::PageKind::btree_leaf;
      if (!wanted || std::exchange(has, true)) continue;
      file.seekp(static_cast<std::streamoff>(page * 4096 + 2000));
      file.write("damage", 6);
      damaged.push_back(page);
    }
    file.flush();
    ASSERT_EQ(damaged.size(), 2u);
  }
  const auto has = [&](const VerifyReport& report, uint64_t page, const std::string& store) {
    return std::any_of(report.problems.begin(), report.problems.end(), [&](const auto& problem) {
      return problem.page_id == page && problem.store == store;
    });
  };
  uint64_t incomplete = 0;
  const auto verify = [&] {
    const Result<VerifyReport> report = world_.env->verify();
    ASSERT_TRUE(report.has_value()) << report.error().message();
    for (const uint64_t page : damaged) {
      EXPECT_TRUE(has(*report, page, "") || has(*report, page, "quiet")) << page;
    }
    for (const VerifyProblem& problem : report->problems)
      EXPECT_TRUE(problem.store.empty() || problem.store == "quiet") << problem.message;
    if (report->complete) return;
    ++incomplete;
    EXPECT_TRUE(has(*report, damaged[0], "")) << "by its bytes";
    EXPECT_TRUE(has(*report, damaged[0], "quiet") || has(*report, damaged[1], "quiet"))
        << "on the way through its tree";
  };
  run(600 / kSlowdown, {verify});
  EXPECT_GT(incomplete, 0u);
  EXPECT_EQ(world_.env->scrub()->damaged, 2u);
}

TEST_F(CareConcurrent, ClosingStopsAScrubberThatHasHoursToGo) {
  world_.options.scrub_bytes_per_second = 1;
  ASSERT_NO_FATAL_FAILURE(world_.open());
  KvStore store = world_.store("main");
  ASSERT_TRUE(store.put("key", "value").has_value());
  while (world_.env->stats().scrub_bytes == 0) std::this_thread::yield();
  EXPECT_EQ(world_.env->stats().scrub_rounds, 0u);
  EXPECT_EQ(world_.env->stats().scrub_bytes_per_second, 1u);
  world_.close();
}

}  // namespace
}  // namespace aether
