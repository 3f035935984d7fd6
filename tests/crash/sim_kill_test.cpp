// A process is killed, its environment is opened again, and then the power goes: what that recovery has found in the
// system's cache is what every later one has to find. Asked for by spec/ParallelLog (SyncsWhatItFound).
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "aether/aether.hpp"
#include "crash/opened_rows.h"
#include "sim/sim_os.h"

namespace aether {
namespace {

using crash::open;
using crash::Rows;

TEST(SimKill, WhatARecoveryHasFoundSurvivesAPowerCut) {
  sim::SimOs os({.seed = 1});
  std::unique_ptr<DbEnv> env;
  Rows none;
  ASSERT_EQ(open(os, env, none), "");
  KvStore store = *env->open_store("s");
  uint64_t kills = 0, with_unsynced = 0;
  os.on_step([&](const sim::Step& step) {
    // Before a sync what it would save is in the cache only.
    if (step.kind != sim::StepKind::sync || testing::Test::HasFailure()) return;
    ++kills;
    const std::unique_ptr<sim::SimOs> killed = os.copy();
    with_unsynced += killed->unsynced_operations() != 0 ? 1 : 0;
    // A power cut inside that recovery: what it has fenced, the next one must find.
    killed->on_step([&](const sim::Step& inside) {
      if (inside.kind != sim::StepKind::sync) return;
      const std::unique_ptr<sim::SimOs> cut_inside = killed->crash(
          {.policy = sim::CrashPolicy::lost});
      std::unique_ptr<DbEnv> again;
      Rows rows;
      EXPECT_EQ(open(*cut_inside, again, rows), "")
          << "step " << step.number << ", " << inside.path;
    });
    std::unique_ptr<sim::SimOs> cut;
    Rows found, kept;
    {
      std::unique_ptr<DbEnv> first;
      ASSERT_EQ(open(*killed, first, found), "") << "step " << step.number;
      cut = killed->crash({.policy = sim::CrashPolicy::lost});
      killed->on_step({});
    }
    std::unique_ptr<DbEnv> second;
    ASSERT_EQ(open(*cut, second, kept), "") << "step " << step.number << ", " << step.path;
    EXPECT_TRUE(kept == found) << found.size() << " rows found, " << kept.size() << " kept,"
                               << "step " << step.number << ", " << step.path;
  });
  for (int i = 0; i < 400 && !HasFailure(); ++i) {
    const std::string key = "key" + std::to_string(i * 7919 % 97);
    ASSERT_TRUE(store.put(key, std::string(600, static_cast<char>('a' + i % 26))).has_value());
    if (i % 40 == 39) {
      ASSERT_TRUE(env->checkpoint().has_value());
    }
  }
  os.on_step({});
  EXPECT_GT(kills, 100u);
  EXPECT_GT(with_unsynced, 100u);
}

// Goal:   the name of the environment's own directory is durable before anything is acknowledged in it.
// Method: the process that makes it is killed at every step; the next one finds what is there, goes on, acknowledges; then
//         the power goes, and every name that was not synced with it. Also with a directory that the user has made.
TEST(SimKill, TheDirectorysOwnNameIsDurableBeforeTheFirstCommit) {
  for (const bool made_by_user : {false, true}) {
    sim::SimOs os({.seed = 1});
    uint64_t kills = 0;
    if (made_by_user) {
      ASSERT_TRUE(os.create_directory("/env").has_value());
    }
    os.on_step([&](const sim::Step& step) {
      if (testing::Test::HasFailure()) return;
      ++kills;
      const std::unique_ptr<sim::SimOs> killed = os.copy();
      std::unique_ptr<sim::SimOs> cut;
      {
        std::unique_ptr<DbEnv> env;
        Rows none;
        ASSERT_EQ(open(*killed, env, none), "") << "step " << step.number;
        KvStore store = *env->open_store("s");
        ASSERT_TRUE(store.put("acknowledged", "yes").has_value());
        cut = killed->crash({.policy = sim::CrashPolicy::lost});
      }
      std::unique_ptr<DbEnv> env;
      Rows rows;
      EXPECT_EQ(open(*cut, env, rows), "") << "step " << step.number;
      EXPECT_EQ(rows["acknowledged"], "yes")
          << "killed at step " << step.number << ", " << to_string(step.kind) << " " << step.path;
    });
    {
      std::unique_ptr<DbEnv> env;
      Rows none;
      ASSERT_EQ(open(os, env, none), "");
      os.on_step({});
    }
    EXPECT_GT(kills, 20u);
  }
}

}  // namespace
}  // namespace aether
