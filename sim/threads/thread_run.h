/// One seed: an environment with its background threads and 2 to 6 workers under the scheduler, on a simulated disk, with
/// crashes at any step; what each leaves is recovered and held against the history (history.h).
///
/// The machine lives once or twice. A crash is a clone of the disk, so the threads go on; only what the last crash of a
/// life leaves is the next one's disk. Recovery of a clone runs alone, that at the beginning of a life under the scheduler.
///
/// Threads   One at a time in a process thread.
/// Needs     The build option AETHER_SIM.
#pragma once

#include <cstdint>
#include <string>

namespace aether::sim {

struct ThreadCounts {
  uint64_t seeds = 0;
  uint64_t cycles = 0;  ///< Crash, recover, verify.
  uint64_t commits = 0;
  uint64_t conflicts = 0;
  uint64_t switches = 0;
  uint64_t steps = 0;
};

struct ThreadRunResult {
  std::string problem;         ///< Empty: no breach.
  uint64_t schedule_hash = 0;  ///< Of who ran when.
  uint64_t trace_hash = 0;     ///< Of that, of every I/O step, and of what was found.
};

ThreadRunResult run_threads(uint64_t seed, ThreadCounts& counts);

}  // namespace aether::sim
