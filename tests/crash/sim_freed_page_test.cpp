// A page that is merged away leaves memory unwritten, and what frees it may still be in memory when a checkpoint says from
// where on redo begins. A power cut then brings the page back: every change of it that was acknowledged must be there.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "aether/aether.hpp"
#include "sim/sim_os.h"

namespace aether {
namespace {

using Rows = std::map<std::string, std::string>;

constexpr int kRows = 120, kFirstRemoved = 40, kLastRemoved = 88, kChanged = 65;

EnvOptions options() {
  return {.pool_bytes = 1 * MiB,
          .page_bytes = 4 * KiB,
          .log_streams = 1,
          .log_segment_bytes = 256 * KiB,
          .log_bytes_max = 1 * MiB,
          .background_threads = false};
}

std::string key(int i) { return "key" + std::to_string(1000 + i); }

/// The rows of the environment as a power cut would leave it now.
::testing::AssertionResult cut_leaves(sim::SimOs& os, uint64_t seed, const Rows& without,
                                      const Rows& with) {
  const std::unique_ptr<sim::SimOs> cut = os.crash(
      {.policy = sim::CrashPolicy::lost, .seed = seed});
  Result<std::unique_ptr<DbEnv>> env = DbEnv::open("/env", options(), *cut);
  if (!env) return ::testing::AssertionFailure() << env.error().message();
  Result<KvStore> store = (*env)->open_store("rows");
  if (!store) return ::testing::AssertionFailure() << store.error().message();
  Rows rows;
  const Result<uint64_t> scanned = store->scan({}, [&](Bytes k, Bytes v) {
    rows.emplace(k, v);
    return true;
  });
  if (!scanned) return ::testing::AssertionFailure() << scanned.error().message();
  if (rows == without || rows == with) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << rows.size() << " rows, which are not those that were told";
}

/// `filler` operations before rows are removed one by one: so many blocks of log. A power cut follows each CONTROL.
int run(int filler) {
  sim::SimOs os(sim::SimOptions{.seed = 1});
  std::unique_ptr<DbEnv> env = *DbEnv::open("/env", options(), os);
  KvStore rows = *env->open_store("rows"), other = *env->open_store("other");
  Rows without, with;
  for (int i = 0; i < kRows; ++i) {
    with[key(i)] = std::string(300, 'a');
    EXPECT_TRUE(rows.put(key(i), with[key(i)]));
  }
  EXPECT_TRUE(env->checkpoint());
  // One page changes early, and is the oldest one that is dirty.
  with[key(kChanged)] = std::string(300, 'b');
  EXPECT_TRUE(rows.put(key(kChanged), with[key(kChanged)]));
  without = with;
  int cuts = 0;
  bool control_written = false;
  os.on_step([&](const sim::Step& step) {
    if (!step.changes_disk) return;
    const bool is_control = step.path.ends_with("/CONTROL");
    if (control_written && !is_control) {
      ++cuts;
      EXPECT_TRUE(cut_leaves(os, step.number, without, with)) << "after " << filler << " fillers";
    }
    control_written = is_control;
  });
  for (int i = 0; i < filler; ++i) EXPECT_TRUE(other.put("key", std::string(300, 'x')));
  // All pages of the range become empty together, so that neighbours fit into one.
  constexpr int kSteps = 6, kRange = kLastRemoved - kFirstRemoved;
  for (int n = 0; n < kRange && !::testing::Test::HasFailure(); ++n) {
    const int i = kFirstRemoved + n % (kRange / kSteps) * kSteps + n / (kRange / kSteps);
    if (i == kChanged) continue;
    with.erase(key(i));
    Transaction txn = *env->begin();  // Single removals leave no ghost, and merge nothing.
    EXPECT_TRUE(rows.remove(txn, key(i)));
    EXPECT_TRUE(txn.commit());
    without = with;
  }
  os.on_step({});
  return cuts;
}

TEST(SimFreedPage, ComesBackWithItsChangesIfACrashTakesBackThatItIsFree) {
  int cuts = 0;
  for (int filler = 60; filler <= 140 && !HasFailure(); ++filler) cuts += run(filler);
  EXPECT_GT(cuts, 50);
}

}  // namespace
}  // namespace aether
