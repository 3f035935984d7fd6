// Recovery of whole environments where one thing is looked at closely; tests/crash looks at everything at random.
#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "aether/aether.hpp"
#include "sim/sim_os.h"

namespace aether::db {
namespace {

constexpr const char* kHome = "/env";

EnvOptions small_options() {
  EnvOptions options;
  options.pool_bytes = 512 * KiB;
  options.log_streams = 2;
  options.log_segment_bytes = 256 * KiB;
  options.log_bytes_max = 1 * MiB;
  options.background_threads = false;
  return options;
}

std::string key_of(int i) { return "key" + std::to_string(1000 + i); }

using Rows = std::map<std::string, std::string>;

Rows rows_of(DbEnv& env) {
  Rows rows;
  Result<KvStore> store = env.open_store("main", {.create = false});
  EXPECT_TRUE(store.has_value());
  const Result<uint64_t> count = store->scan({}, [&](Bytes key, Bytes value) {
    rows[std::string(key)] = std::string(value);
    return true;
  });
  EXPECT_TRUE(count.has_value());
  return rows;
}

/// Rows of committed transactions, and one open transaction that changes, adds and removes, with all of its log
/// durable: there is much to undo.
struct LoserFixture {
  sim::SimOs os;
  Rows committed;
  std::unique_ptr<sim::SimOs> crashed;

  LoserFixture() {
    std::unique_ptr<DbEnv> env = *DbEnv::open(kHome, small_options(), os);
    KvStore store = *env->open_store("main");
    for (int i = 0; i < 60; ++i) put(store, key_of(i), std::string(100, 'a'));
    put(store, key_of(70), std::string(20000, 'L'));
    EXPECT_TRUE(env->checkpoint().has_value());
    Transaction loser = *env->begin();
    for (int i = 0; i < 60; i += 3) EXPECT_TRUE(store.put(loser, key_of(i), "changed").has_value());
    for (int i = 1; i < 60; i += 3) EXPECT_TRUE(store.remove(loser, key_of(i)).has_value());
    for (int i = 100; i < 130; ++i)
      EXPECT_TRUE(store.insert(loser, key_of(i), std::string(200, 'n')).has_value());
    EXPECT_TRUE(store.put(loser, key_of(70), std::string(9000, 'M')).has_value());
    EXPECT_TRUE(store.put(loser, key_of(131), std::string(9000, 'N')).has_value());
    EXPECT_TRUE(env->checkpoint().has_value());  // Its changes are in the pages, too.
    crashed = os.crash({.policy = sim::CrashPolicy::lost});
  }
  void put(KvStore& store, const std::string& key, const std::string& value) {
    EXPECT_TRUE(store.put(key, value).has_value());
    committed[key] = value;
  }
};

TEST(EnvRecovery, AnOpenTransactionIsTakenBack) {
  LoserFixture t;
  const Result<std::unique_ptr<DbEnv>> env = DbEnv::open(kHome, small_options(), *t.crashed);
  ASSERT_TRUE(env.has_value()) << env.error().message();
  EXPECT_TRUE((*env)->recovery_report().ran);
  EXPECT_EQ((*env)->recovery_report().transactions_undone, 1u);
  EXPECT_GE((*env)->recovery_report().records_undone, 72u);
  EXPECT_EQ(rows_of(**env), t.committed);
  EXPECT_TRUE((*env)->verify()->ok());
}

// Goal:   an undo that was interrupted goes on where it stopped (DESIGN.md 4.5).
// Method: crash before every step of the recovery that changes the disk, with the log's unsynced bytes kept and
//         lost; recover again, and again from a step of that.
TEST(EnvRecovery, UndoMayBeInterruptedAnywhere) {
  LoserFixture t;
  std::vector<std::unique_ptr<sim::SimOs>> again;
  t.crashed->on_step([&](const sim::Step& step) {
    if (!step.changes_disk) return;
    again.push_back(t.crashed->crash({.policy = sim::CrashPolicy::lost}));
    again.push_back(t.crashed->crash({.policy = sim::CrashPolicy::kept}));
    again.push_back(t.crashed->crash({.seed = step.number}));
  });
  ASSERT_TRUE(DbEnv::open(kHome, small_options(), *t.crashed).has_value());
  t.crashed->on_step({});
  ASSERT_GT(again.size(), 30u);
  uint64_t less_to_undo = 0;
  uint64_t most = 0;
  for (const std::unique_ptr<sim::SimOs>& os : again) {
    const Result<std::unique_ptr<DbEnv>> env = DbEnv::open(kHome, small_options(), *os);
    ASSERT_TRUE(env.has_value()) << env.error().message();
    const uint64_t undone = (*env)->recovery_report().records_undone;
    most = std::max(most, undone);
    less_to_undo += undone < most ? 1 : 0;
    ASSERT_EQ(rows_of(**env), t.committed);
    const Result<VerifyReport> report = (*env)->verify();
    ASSERT_TRUE(report.has_value() && report->ok());
  }
  EXPECT_GT(less_to_undo, 0u) << "some found the work partly or wholly done";
}

// Goal:   interrupted recoveries do not pile up: neither log nor data file grow with their number.
TEST(EnvRecovery, TwentyInterruptedRecoveriesLeaveNoTrace) {
  LoserFixture t;
  uint64_t bytes_first = 0;
  for (uint64_t i = 0; i < 20; ++i) {
    std::unique_ptr<sim::SimOs> next;
    uint64_t left = 5 + i;
    t.crashed->on_step([&](const sim::Step& step) {
      if (!next && step.changes_disk && --left == 0)
        next = t.crashed->crash({.policy = sim::CrashPolicy::kept});
    });
    ASSERT_TRUE(DbEnv::open(kHome, small_options(), *t.crashed).has_value());
    if (!next) break;
    t.crashed->on_step({});
    t.crashed = std::move(next);
    if (i == 0) bytes_first = t.crashed->total_bytes();
  }
  t.crashed->on_step({});
  const Result<std::unique_ptr<DbEnv>> env = DbEnv::open(kHome, small_options(), *t.crashed);
  ASSERT_TRUE(env.has_value()) << env.error().message();
  EXPECT_EQ(rows_of(**env), t.committed);
  ASSERT_TRUE((*env)->checkpoint().has_value());
  EXPECT_LE(t.crashed->total_bytes(), bytes_first * 3 / 2);
}

TEST(EnvRecovery, ACleanCloseLeavesNothingToRecover) {
  sim::SimOs os;
  {
    std::unique_ptr<DbEnv> env = *DbEnv::open(kHome, small_options(), os);
    ASSERT_TRUE(env->open_store("main")->put("a", "1").has_value());
    ASSERT_TRUE(env->close().has_value());
  }
  const std::unique_ptr<sim::SimOs> lost = os.crash({.policy = sim::CrashPolicy::lost});
  const std::unique_ptr<DbEnv> env = *DbEnv::open(kHome, small_options(), *lost);
  EXPECT_FALSE(env->recovery_report().ran);
  EXPECT_EQ(rows_of(*env), (Rows{{"a", "1"}}));
}

// Goal:   the log on disk stays near its bound, and what a crash leaves to replay with it (DESIGN.md 3, recovery).
TEST(EnvRecovery, TheLogStaysNearItsBound) {
  sim::SimOs os;
  std::unique_ptr<DbEnv> env = *DbEnv::open(kHome, small_options(), os);
  KvStore store = *env->open_store("main");
  for (int i = 0; i < 6000; ++i)
    ASSERT_TRUE(store.put(key_of(i % 300), std::string(500, static_cast<char>('a' + i % 26))));
  const EnvStats stats = env->stats();
  EXPECT_GT(stats.log_bytes_written, 3 * MiB);
  EXPECT_LE(stats.log_bytes_on_disk, 1 * MiB);
  const std::unique_ptr<sim::SimOs> crashed = os.crash({.policy = sim::CrashPolicy::lost});
  const std::unique_ptr<DbEnv> again = *DbEnv::open(kHome, small_options(), *crashed);
  EXPECT_LE(again->recovery_report().log_bytes_read, 1 * MiB);
  EXPECT_EQ(rows_of(*again).size(), 300u);
}

}  // namespace
}  // namespace aether::db
