// Redo on demand: what an environment answers while pages wait to be redone, and what a crash finds then.
#include <gtest/gtest.h>

#include <map>

#include "aether/aether.hpp"
#include "sim/sim_os.h"

namespace aether::db {
namespace {

constexpr const char* kHome = "/env";
constexpr int kRows = 2000;

EnvOptions options_with(bool on_demand) {
  EnvOptions options;
  options.pool_bytes = 4 * MiB;
  options.log_streams = 2;
  options.log_segment_bytes = 1 * MiB;
  options.log_bytes_max = 64 * MiB;
  options.background_threads = false;
  options.redo_on_demand = on_demand;
  return options;
}

std::string key_of(int i) { return "key" + std::to_string(10000 + i); }

/// Many pages in the file, each changed since in the log only.
struct ChangedPages {
  sim::SimOs os;
  std::map<std::string, std::string> rows;
  std::unique_ptr<sim::SimOs> crashed;

  ChangedPages() {
    const std::unique_ptr<DbEnv> env = *DbEnv::open(kHome, options_with(true), os);
    KvStore store = *env->open_store("main");
    for (int i = 0; i < kRows; ++i) put(store, i, std::string(300, 'a'));
    EXPECT_TRUE(env->checkpoint().has_value());
    for (int i = 0; i < kRows; ++i) put(store, i, std::string(300, 'b') + std::to_string(i));
    crashed = os.crash({.policy = sim::CrashPolicy::lost});
  }
  void put(KvStore& store, int i, const std::string& value) {
    EXPECT_TRUE(store.put(key_of(i), value).has_value());
    rows[key_of(i)] = value;
  }
  void expect_rows(DbEnv& env) {
    const Result<KvStore> store = env.open_store("main", {.create = false});
    ASSERT_TRUE(store.has_value());
    std::map<std::string, std::string> found;
    const Result<uint64_t> count = store->scan({}, [&](Bytes key, Bytes value) {
      found[std::string(key)] = std::string(value);
      return true;
    });
    ASSERT_TRUE(count.has_value()) << count.error().message();
    EXPECT_EQ(found, rows);
  }
};

TEST(EnvRedo, ReadsMeetTheirPagesAndNoOthers) {
  ChangedPages t;
  const std::unique_ptr<DbEnv> env = *DbEnv::open(kHome, options_with(true), *t.crashed);
  const uint64_t waiting = env->recovery_report().pages_waiting;
  EXPECT_GT(waiting, 100u);
  EXPECT_LT(env->recovery_report().pages_redone, 10u);
  EXPECT_LE(env->stats().pages_to_redo, waiting);
  const uint64_t before = env->stats().pages_to_redo;
  EXPECT_EQ(*env->open_store("main")->get(key_of(kRows / 2)), t.rows[key_of(kRows / 2)]);
  EXPECT_GT(env->stats().pages_to_redo, before - 5);
  t.expect_rows(*env);
  ASSERT_TRUE(env->checkpoint().has_value());
  EXPECT_EQ(env->stats().pages_to_redo, 0u);
  t.expect_rows(*env);
  EXPECT_TRUE(env->verify()->ok());
}

TEST(EnvRedo, OffAllIsDoneBeforeTheEnvironmentIsOpen) {
  ChangedPages t;
  const std::unique_ptr<DbEnv> env = *DbEnv::open(kHome, options_with(false), *t.crashed);
  EXPECT_EQ(env->recovery_report().pages_waiting, 0u);
  EXPECT_GT(env->recovery_report().pages_redone, 100u);
  EXPECT_EQ(env->stats().pages_to_redo, 0u);
  t.expect_rows(*env);
}

// Goal:   a crash while pages wait loses nothing, however often, and whatever was written meanwhile.
TEST(EnvRedo, CrashesWhilePagesWaitLoseNothing) {
  ChangedPages t;
  for (int life = 0; life < 12; ++life) {
    std::unique_ptr<DbEnv> env = *DbEnv::open(kHome, options_with(life % 4 != 3), *t.crashed);
    KvStore store = *env->open_store("main");
    for (int i = life; i < kRows; i += 500)
      t.put(store, i, "of life " + std::to_string(life) + std::string(250, 'c'));
    if (life % 3 == 2) {
      ASSERT_TRUE(env->checkpoint().has_value());
      EXPECT_EQ(env->stats().pages_to_redo, 0u);
    } else if (life < 2) {
      EXPECT_GT(env->stats().pages_to_redo, 50u);
    }
    std::unique_ptr<sim::SimOs> next = t.crashed->crash(
        {.policy = sim::CrashPolicy::sectors, .seed = 7u + static_cast<uint64_t>(life)});
    env.reset();  // Its files belong to the machine that goes now.
    t.crashed = std::move(next);
  }
  const std::unique_ptr<DbEnv> env = *DbEnv::open(kHome, options_with(true), *t.crashed);
  t.expect_rows(*env);
  EXPECT_TRUE(env->verify()->ok());
}

TEST(EnvRedo, ClosingInOrderRedoesAllThatWaits) {
  ChangedPages t;
  {
    const std::unique_ptr<DbEnv> env = *DbEnv::open(kHome, options_with(true), *t.crashed);
    EXPECT_GT(env->stats().pages_to_redo, 100u);
    ASSERT_TRUE(env->close().has_value());
  }
  const std::unique_ptr<DbEnv> env = *DbEnv::open(kHome, options_with(true), *t.crashed);
  EXPECT_FALSE(env->recovery_report().ran);
  t.expect_rows(*env);
}

// A page of which only the log knows that it is not what it should be: others are read on, nothing is written any more.
TEST(EnvRedo, ADamagedPageFailsTheEnvironmentWhenItIsDrained) {
  ChangedPages t;
  const uint64_t page = 60;
  ASSERT_TRUE(t.crashed->flip_bit("/env/data", (page * 4096 + 2000) * 8).has_value());
  const std::unique_ptr<DbEnv> env = *DbEnv::open(kHome, options_with(true), *t.crashed);
  const Result<void> drained = env->checkpoint();
  ASSERT_FALSE(drained.has_value());
  EXPECT_EQ(drained.error().code(), Code::corruption);
  EXPECT_NE(drained.error().message().find("page 60"), std::string_view::npos);
  EXPECT_EQ(env->stats().pages_to_redo, 1u);
  KvStore store = *env->open_store("main");
  EXPECT_EQ(store.put("key", "value").error().code(), Code::failed);
  uint64_t whole = 0, damaged = 0;
  for (const auto& [key, value] : t.rows) {
    const Result<std::string> read = store.get(key);
    whole += read && *read == value ? 1 : 0;
    damaged += !read && read.error().code() == Code::corruption ? 1 : 0;
  }
  EXPECT_EQ(whole + damaged, t.rows.size());
  EXPECT_GT(damaged, 0u);
  EXPECT_GT(whole, t.rows.size() - 50);
  const Result<std::unique_ptr<DbEnv>> eager = DbEnv::open(
      kHome, options_with(false), *t.crashed->crash({.policy = sim::CrashPolicy::kept}));
  ASSERT_FALSE(eager.has_value());
  EXPECT_EQ(eager.error().code(), Code::corruption);
}

}  // namespace
}  // namespace aether::db
