/// Makes a run that has failed smaller, so that a person can read it: fewer faults, fewer operations, one crash.
///
/// Source    Zeller, Hildebrandt: "Simplifying and Isolating Failure-Inducing Input", TSE 2002.
#pragma once

#include <cstdint>

#include "sim/program/crash_run.h"

namespace aether::program {

struct Shrunk {
  RunPlan plan;  ///< With `operations` and `only` set.
  Breach breach;
  uint64_t attempts = 0;
};

/// `plan` must fail with `breach`. Tries for about `seconds`.
Shrunk shrink(const RunPlan& plan, const Breach& breach, uint64_t seconds);

}  // namespace aether::program
