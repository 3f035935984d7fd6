// The turn to flush under the scheduler. The planted bug wal.lost_wake_up must be found here (tools/planted): who sleeps for ever
// is a deadlock.
#include "wal/turn.h"

#include "sim/scheduler.h"

#if defined(AETHER_SIM)

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "os/sync.h"
#include "unit/sim/schedule_fixture.h"

namespace aether::sim {
namespace {

// Goal:   in every interleaving: one has the turn at a time, and whoever sleeps is woken when it is given back.
// Method: each takes it once, as Log::flush does. Few, so that nobody comes later and wakes who was forgotten.
TEST(SchedulerTurn, IsOnesAtATimeAndNobodyIsForgotten) {
  const uint64_t seeds = seeds_to_run(1000);
  uint64_t slept = 0;
  for (uint64_t seed = 1; seed <= seeds && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    wal::Turn turn;
    uint64_t holders = 0, taken = 0;
    const uint64_t threads = 2 + seed % 2;
    const auto take_once = [&]() AETHER_NO_THREAD_SAFETY {
      while (!turn.try_take()) {
        turn.wait_while_taken();
        ++slept;
      }
      ASSERT_EQ(++holders, 1u);
      os::sim_point();
      --holders;
      ++taken;
      turn.give_back();
    };
    run_scheduled(seed, std::vector<std::function<void()>>(threads, take_once), [&] {
      ASSERT_EQ(taken, threads);
      ASSERT_EQ(turn.waiters(), 0u);
    });
  }
  EXPECT_GT(slept, seeds / 10) << "hardly anybody had to wait";
}

}  // namespace
}  // namespace aether::sim

#endif
