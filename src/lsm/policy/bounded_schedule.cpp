#include <algorithm>
#include <limits>

#include "base/assert.h"
#include "lsm/policy/bounded_schedule_private.h"

namespace aether::lsm {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

/// After how many flushes the newest run, or one below it, is merged. `first_uses`: the newest run's first.
uint32_t first_use_of_newest(const std::vector<std::vector<uint32_t>>& first_uses,
                             uint32_t flushes) {
  uint32_t before = flushes;  // Until then what lies further down stays as it is.
  for (size_t i = first_uses.size(); i-- > 0;) {
    const uint32_t use = first_uses[i][before];
    if (use <= before) before = use - 1;
  }
  return before + 1;
}

}  // namespace

BoundedSchedule::BoundedSchedule(uint32_t runs_max, uint32_t grains)
    : grains_(grains), from_empty_(size_t{runs_max + 1} * (grains + 1), kNever) {
  from_empty_[0] = 0;  // No slots: nothing can come.
  std::vector<double> ends_in_one_run(grains + 1);
  for (uint32_t slots = 1; slots <= runs_max; ++slots) {
    ends_in_one_run[0] = 0;
    for (uint32_t end = 1; end <= grains; ++end) {
      double best = kNever;
      for (uint32_t before = 0; before < end; ++before) {
        const double between = from_empty(slots - 1, end - before - 1);
        best = std::min(best, ends_in_one_run[before] + between);
      }
      ends_in_one_run[end] = best + (end == 1 ? 0 : end);  // The first flush is a run already.
    }
    double* const row = &from_empty_[size_t{slots} * (grains + 1)];
    for (uint32_t flushes = 0; flushes <= grains; ++flushes) {
      for (uint32_t end = 0; end <= flushes; ++end) {
        row[flushes] = std::min(row[flushes],
                                ends_in_one_run[end] + from_empty(slots - 1, flushes - end));
      }
    }
  }
}

/// The future of a stack from that of what lies above its oldest run. `bytes`: of the whole stack.
BoundedSchedule::Future BoundedSchedule::with_run_below(const Future& above, double bytes,
                                                        uint32_t slots, uint32_t flushes) const {
  Future future{above.cost, std::vector<uint32_t>(flushes + 1, flushes + 1)};
  struct End {
    double cost;
    uint32_t first_use;
  };
  std::vector<End> ends(flushes + 1,
                        {kNever, 0});  // The oldest run was merged last after [i] flushes.
  for (uint32_t end = 1; end <= flushes; ++end) {
    End best{above.cost[end - 1], end};
    for (uint32_t before = 1; before < end; ++before) {
      const double cost = ends[before].cost + from_empty(slots - 1, end - before - 1);
      if (cost < best.cost) best = {cost, ends[before].first_use};
    }
    ends[end] = {best.cost + bytes + end, best.first_use};
    for (uint32_t all = end; all <= flushes; ++all) {
      const double cost = ends[end].cost + from_empty(slots - 1, all - end);
      if (cost < future.cost[all]) {
        future.cost[all] = cost;
        future.first_use[all] = ends[end].first_use;
      }
    }
  }
  return future;
}

BoundedSchedule::Choice BoundedSchedule::choose(std::span<const double> sizes, uint32_t slots,
                                                uint32_t flushes_to_come) const {
  AETHER_ASSERT(!sizes.empty() && slots >= 1);
  const uint32_t flushes = std::min(flushes_to_come, grains_);
  Choice best{.merged = 0, .flushes_until_use = 0, .cost = kNever};
  double merged_bytes = 0;
  for (uint32_t merged = 1; merged <= sizes.size(); ++merged) {
    merged_bytes += sizes[sizes.size() - merged];
    const size_t remaining = sizes.size() - merged + 1;
    if (remaining > slots) continue;
    // Down from the newest: the future of the output, of it and the run below, and so on.
    Future future{std::vector<double>(flushes + 1), {}};
    const auto above_all = static_cast<uint32_t>(slots - remaining);
    for (uint32_t i = 0; i <= flushes; ++i) future.cost[i] = from_empty(above_all, i);
    double bytes = merged_bytes;
    std::vector<std::vector<uint32_t>> first_uses;
    for (size_t below = 0; below < remaining; ++below) {
      if (below > 0) bytes += sizes[remaining - 1 - below];
      future = with_run_below(future, bytes, above_all + 1 + static_cast<uint32_t>(below), flushes);
      first_uses.push_back(std::move(future.first_use));
    }
    const double cost = future.cost[flushes] + (merged > 1 ? merged_bytes : 0);
    if (cost < best.cost) best = {merged, first_use_of_newest(first_uses, flushes), cost};
  }
  return best;
}

}  // namespace aether::lsm
