// A checkpoint by the log's own growth leaves pages alone that have been dirty for a short time only: redo begins at the oldest
// of them, and the maps of free space are pages like others.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "aether/aether.hpp"
#include "sim/sim_os.h"

namespace aether {
namespace {

EnvOptions options() {
  return {.pool_bytes = 4 * MiB,
          .log_streams = 1,
          .log_segment_bytes = 256 * KiB,
          .log_bytes_max = 1 * MiB,
          .background_threads = false};
}

/// Rewrites one row until the log has grown by so many bytes, or a checkpoint has come.
void grow_log(DbEnv& env, KvStore& store, uint64_t bytes) {
  const EnvStats before = env.stats();
  const auto goes_on = [&] {
    const EnvStats now = env.stats();
    return now.checkpoints == before.checkpoints && now.log_position < before.log_position + bytes;
  };
  while (goes_on()) ASSERT_TRUE(store.put("row", std::string(500, 'v')));
}

// Goal:   pages that a commit has freed are free after a crash, whatever a checkpoint has written and left.
// Method: the row of a large value is removed, and the log grows; the commit, which frees the value's pages, comes so late that
//         the next checkpoint leaves the map, and nothing else, dirty. Then the power goes.
TEST(SimYoungPages, AMapThatACheckpointLeavesIsRedone) {
  sim::SimOs os({.seed = 1});
  std::unique_ptr<DbEnv> env = *DbEnv::open("/env", options(), os);
  KvStore values = *env->open_store("values"), other = *env->open_store("other");
  ASSERT_TRUE(values.put("large", std::string(200 * KiB, 'v')));
  ASSERT_TRUE(other.put("row", std::string(500, 'v')));
  ASSERT_TRUE(env->checkpoint());

  const uint64_t half = options().log_bytes_max / 2;
  Transaction txn = *env->begin();
  ASSERT_TRUE(values.remove(txn, "large"));
  grow_log(*env, other, half * 3 / 5);  // It leaves what is younger than half of what it comes by.
  ASSERT_TRUE(txn.commit());
  const uint64_t checkpoints = env->stats().checkpoints;
  grow_log(*env, other, half);
  ASSERT_EQ(env->stats().checkpoints, checkpoints + 1);

  const std::unique_ptr<sim::SimOs> cut = os.crash({.policy = sim::CrashPolicy::lost});
  const std::unique_ptr<DbEnv> after = *DbEnv::open("/env", options(), *cut);
  EXPECT_FALSE(after->open_store("values")->get("large"));
  const VerifyReport report = *after->verify();
  EXPECT_TRUE(report.problems.empty()) << report.problems.front().message;
}

}  // namespace
}  // namespace aether
