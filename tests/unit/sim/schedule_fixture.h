// Structures without locks under the scheduler of simulated threads: several fibers in a few keys, for many seeds.
//
//   AETHER_SEEDS=100000 unit_sim --gtest_filter='SchedulerSkiplist.*'
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <vector>

#include "os/os.h"
#include "sim/scheduler.h"

namespace aether::sim {

inline uint64_t seeds_to_run(uint64_t otherwise) {
  const char* const text = std::getenv("AETHER_SEEDS");
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// Runs every body on a thread of its own, and `afterwards`, when they have ended, on the first. Returns the hash.
inline uint64_t run_scheduled(uint64_t seed, const std::vector<std::function<void()>>& bodies,
                              const std::function<void()>& afterwards) {
  ScheduleOptions options = schedule_of(seed);
  options.steps_expected = 3000;  // Shorter than the runs that schedule_of has in mind.
  Scheduler scheduler(options);
  scheduler.run([&] {
    std::vector<std::unique_ptr<os::Thread>> threads;
    for (const std::function<void()>& body : bodies) {
      Result<std::unique_ptr<os::Thread>> thread = scheduler.spawn("worker", body);
      ASSERT_TRUE(thread.has_value());
      threads.push_back(*std::move(thread));
    }
    for (const std::unique_ptr<os::Thread>& thread : threads) thread->join();
    afterwards();
  });
  return scheduler.trace_hash();
}

}  // namespace aether::sim
