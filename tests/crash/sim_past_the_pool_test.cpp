// What is written into the data file past the pool: values in pages of their own, bulk loads, images of stores in memory, runs.
// A process that is killed leaves it in the system's cache, where the next recovery finds it; a power cut after that may take it
// away, or any sector of it. What that recovery has found must be there all the same.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aether/aether.hpp"
#include "sim/sim_os.h"

namespace aether {
namespace {

struct Shape {
  bool archived;  ///< Then it is in the log as well.
  bool redo_on_demand;
};

EnvOptions options(const Shape& shape) {
  EnvOptions options{.pool_bytes = 512 * KiB,
                     .log_streams = 2,
                     .log_segment_bytes = 256 * KiB,
                     .log_bytes_max = 1 * MiB,
                     .redo_on_demand = shape.redo_on_demand,
                     .background_threads = false};
  if (shape.archived) options.archive_directory = "/archive";
  return options;
}

using Rows = std::map<std::string, std::string>;
const std::vector<std::pair<const char*, IndexKind>> kStores{{"tree", IndexKind::btree},
                                                             {"radix", IndexKind::rax_paged},
                                                             {"memory", IndexKind::skiplist},
                                                             {"runs", IndexKind::lsm}};

/// Opens the environment and reads all rows. Empty: it is well; else what is wrong.
std::string open(sim::SimOs& os, const Shape& shape, std::unique_ptr<DbEnv>& env, Rows& rows) {
  Result<std::unique_ptr<DbEnv>> opened = DbEnv::open("/env", options(shape), os);
  if (!opened) return std::string(opened.error().message());
  env = *std::move(opened);
  const std::vector<std::string> names = *env->list_stores();
  for (const std::string& name : names) {
    const KvStore store = *env->open_store(name);
    const Result<uint64_t> scanned = store.scan({}, [&](Bytes key, Bytes value) {
      rows.emplace(name + "/" + std::string(key), value);
      return true;
    });
    if (!scanned) return name + ": " + std::string(scanned.error().message());
  }
  return {};
}
std::string verify(DbEnv& env) {
  const Result<VerifyReport> report = env.verify();
  if (!report) return std::string(report.error().message());
  return report->ok() ? std::string() : report->problems.front().message;
}

void work(DbEnv& env, int round) {
  for (const auto& [name, kind] : kStores) {
    KvStore store = *env.open_store(name, {.index = kind});
    Transaction txn = *env.begin();
    for (int i = 0; i < 6; ++i) {
      const std::string key = "key" + std::to_string((round * 5 + i) * 7 % 23);
      const size_t bytes = i % 3 == 0 ? size_t{20} * KiB : 300;
      ASSERT_TRUE(store.put(txn, key, std::string(bytes, static_cast<char>('a' + round % 26))));
    }
    ASSERT_TRUE(round % 4 == 3 ? txn.abort() : txn.commit());
    static_cast<void>(store.remove("key" + std::to_string(round * 3 % 23)));
  }
  KvStore loaded = *env.open_store("loaded" + std::to_string(round % 3));
  int left = 40;
  std::string key, value(3000, 'l');
  ASSERT_TRUE(loaded.bulk_load([&](Bytes& k, Bytes& v) {
    if (left == 0) return false;
    key = "key" + std::to_string(200 - left);
    k = key;
    v = left-- % 10 == 0 ? Bytes(value) : Bytes(value).substr(0, 200);
    return true;
  }));
  if (round % 3 == 2) {
    ASSERT_TRUE(env.drop_store("loaded0"));
    ASSERT_TRUE(env.drop_store("loaded1"));
    ASSERT_TRUE(env.drop_store("loaded2"));
  }
  if (round % 5 == 4) {
    ASSERT_TRUE(env.checkpoint());
  }
}

class SimPastThePool : public testing::TestWithParam<Shape> {
 protected:
  void check_cut(sim::SimOs& os, const Rows& found, const std::string& when) {
    for (const sim::CrashPolicy policy : {sim::CrashPolicy::lost, sim::CrashPolicy::sectors}) {
      const std::unique_ptr<sim::SimOs> cut = os.crash(
          {.policy = policy, .seed = os.steps(), .garbage_percent = 50});
      std::unique_ptr<DbEnv> env;
      Rows kept;
      EXPECT_EQ(open(*cut, GetParam(), env, kept), "") << when;
      EXPECT_TRUE(kept == found) << found.size() << " rows found, " << kept.size() << " kept, "
                                 << when;
      EXPECT_EQ(verify(*env), "") << when;
      ++cuts_;
    }
  }
  void kill_and_cut(sim::SimOs& killed, const std::string& step) {
    std::unique_ptr<DbEnv> env;
    Rows found;
    ASSERT_EQ(open(killed, GetParam(), env, found), "") << step;
    check_cut(killed, found, "after the recovery of one killed before " + step);
    ASSERT_EQ(verify(*env), "") << step;
    ASSERT_TRUE(env->checkpoint());
    check_cut(killed, found, "after the checkpoint of one killed before " + step);
  }
  uint64_t cuts_ = 0;
};

// Goal:   what a recovery has found of a killed process's work is what every later one finds, and all of it is sound.
// Method: a process that writes in all these ways is killed before every fifth sync; the next one opens, and the power goes, at once
//         and after a checkpoint.
TEST_P(SimPastThePool, WhatARecoveryHasFoundSurvivesAPowerCut) {
  sim::SimOs os({.seed = 1});
  std::unique_ptr<DbEnv> env;
  Rows none;
  ASSERT_EQ(open(os, GetParam(), env, none), "");
  uint64_t syncs = 0, with_unsynced = 0;
  os.on_step([&](const sim::Step& step) {
    // Before a sync what it would save is in the cache only.
    if (step.kind != sim::StepKind::sync || HasFailure() || ++syncs % 5 != 0) return;
    const std::unique_ptr<sim::SimOs> killed = os.copy();
    if (killed->unsynced_operations() == 0) return;
    ++with_unsynced;
    kill_and_cut(*killed, std::string(sim::to_string(step.kind)) + " " + std::string(step.path) +
                              ", step " + std::to_string(step.number));
  });
  for (int round = 0; round < 15 && !HasFailure(); ++round) work(*env, round);
  os.on_step({});
  EXPECT_GT(with_unsynced, 50u);
}

INSTANTIATE_TEST_SUITE_P(Shapes, SimPastThePool,
                         testing::Values(Shape{false, false}, Shape{false, true},
                                         Shape{true, false}, Shape{true, true}),
                         [](const auto& each) {
                           return std::string(each.param.archived ? "Archived" : "Alone") +
                                  (each.param.redo_on_demand ? "RedoOnDemand" : "RedoAtOnce");
                         });

}  // namespace
}  // namespace aether
