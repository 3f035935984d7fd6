/// The schedule that rewrites least while there are never more than k runs: a dynamic programme over what is to come.
///
/// A flush adds a run of 1 grain. Then the newest runs, any number of them, may be merged; that costs the size of the output. All
/// optimal schedules of m flushes with k slots are built from one fact: between two merges that rewrite the oldest run, what comes in
/// is served by k - 1 slots. So costs over (k, m) follow from those over (k - 1, m), in O(k m^2) steps.
///
/// Source    Mathieu, Staelin, Young, Yousefi: "Bigtable Merge Compaction", 2014, has the problem and its optimum for an
///           unknown length, the binomial transform; for a known length the optimum below is lower.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace aether::lsm {

class BoundedSchedule {
 public:
  /// For up to `runs_max` runs and `grains` further flushes.
  BoundedSchedule(uint32_t runs_max, uint32_t grains);

  struct Choice {
    uint32_t merged = 0;  ///< This many of the newest runs. 1: none.
    uint32_t
        flushes_until_use = 0;  ///< So many flushes later the output or what is older is merged.
    double cost = 0;            ///< Of this merge and all later ones.
  };
  /// What to do now. `sizes`: in grains, the oldest first, the newest flush among them; not empty. `slots`: how many
  /// of them may remain, 1 to runs_max.
  Choice choose(std::span<const double> sizes, uint32_t slots, uint32_t flushes_to_come) const;

 private:
  struct Future {
    std::vector<double> cost;  ///< By number of flushes to come.
    std::vector<uint32_t>
        first_use;  ///< After how many the oldest run is merged. Above the index: never.
  };
  /// With nothing there and `slots` free: the cost of `flushes`.
  double from_empty(uint32_t slots, uint32_t flushes) const noexcept {
    return from_empty_[slots * (grains_ + 1) + flushes];
  }
  Future with_run_below(const Future& above, double bytes, uint32_t slots, uint32_t flushes) const;

  uint32_t grains_;
  std::vector<double> from_empty_;
};

}  // namespace aether::lsm
