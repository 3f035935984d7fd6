#include "lsm/policy/bounded_private.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <span>

namespace aether::lsm {
namespace {

/// So many flushes ahead the schedule looks; where more are to come, it looks at groups of them.
constexpr uint32_t kGrains = 128;
/// What comes in while older runs are being merged has this many slots at least.
constexpr uint32_t kSlotsMin = 2;
/// A doubling is thought of when at least so many flushes are left until then.
constexpr uint64_t kLookAheadMin = 8;
/// A merge reads at most so many bytes for one that is accepted, whatever the schedule would like.
constexpr uint64_t kBytesPerByteMax = 4;
/// And it ends before this part of its size has come in, whether its output is wanted or not.
constexpr uint64_t kNewerPart = 2;

}  // namespace

BoundedPolicy::BoundedPolicy(uint32_t runs_max, uint64_t expected_bytes)
    : runs_max_(runs_max),
      expected_bytes_(expected_bytes),
      schedule_(std::max(runs_max, kSlotsMin), kGrains) {}

struct BoundedPolicy::Future {
  double grain = 0;  ///< In bytes.
  uint32_t grains_to_come = 0;
};

/// The shape as it will be when the merges under way have ended, in grains: a merge leaves one run.
struct BoundedPolicy::Stack {
  struct Place {
    size_t begin = 0;  ///< In Shape::sorted_runs.
    bool is_busy = false;
  };
  std::vector<double> sizes;
  std::vector<Place> places;
};

BoundedPolicy::Future BoundedPolicy::future_of(const Shape& shape) const {
  const auto nursery = static_cast<double>(shape.nursery_bytes);
  const auto bytes = static_cast<double>(shape.bytes());
  auto horizon = static_cast<double>(expected_bytes_);
  if (bytes > horizon) {
    const auto nurseries = static_cast<uint64_t>(std::ceil(bytes / nursery));
    horizon = nursery * static_cast<double>(std::bit_ceil(nurseries + kLookAheadMin));
  }
  const double grain = std::max(nursery, (horizon - bytes) / kGrains);
  return {grain, static_cast<uint32_t>(std::lround((horizon - bytes) / grain))};
}

BoundedPolicy::Stack BoundedPolicy::stack_of(const Shape& shape, double grain) {
  Stack stack;
  const std::vector<SortedRun>& runs = shape.sorted_runs;
  for (size_t i = 0; i < runs.size(); ++i) {
    const double size = static_cast<double>(runs[i].bytes()) / grain;
    // Two merges that are neighbours count as one here: then there is a slot more for a while.
    if (i > 0 && runs[i].busy && runs[i - 1].busy) {
      stack.sizes.back() += size;
      continue;
    }
    stack.sizes.push_back(size);
    stack.places.push_back({i, runs[i].busy});
  }
  return stack;
}

std::vector<PlannedMerge> BoundedPolicy::plan(const Shape& shape) const {
  const Future future = future_of(shape);
  const Stack stack = stack_of(shape, future.grain);
  const std::vector<Stack::Place>& places = stack.places;
  for (size_t bottom = 0; bottom + 1 < places.size();) {
    const auto taken = static_cast<uint32_t>(bottom);
    const uint32_t slots = std::max(kSlotsMin, runs_max_ > taken ? runs_max_ - taken : 0);
    const std::span<const double> sizes = std::span(stack.sizes).subspan(bottom);
    const BoundedSchedule::Choice choice = schedule_.choose(sizes, slots, future.grains_to_come);
    if (choice.merged < 2) return {};
    const size_t oldest = places.size() - choice.merged;
    // It may want the output of a merge under way. A large one is left alone: what is newer is a stack of its own meanwhile.
    // A small one is waited for; that is short, since by its deadline half of its size has come in above it.
    size_t busy = places.size();
    double newer = 0;
    while (busy > oldest && !places[busy - 1].is_busy) newer += stack.sizes[--busy];
    if (busy > oldest) {
      if (newer * kNewerPart >= stack.sizes[busy - 1] && oldest + 1 < busy) return {};
      bottom = busy;
      continue;
    }
    return {merge_from(shape, places[oldest].begin, future.grain * choice.flushes_until_use)};
  }
  return {};
}

PlannedMerge BoundedPolicy::merge_from(const Shape& shape, size_t begin, double until_use) {
  uint64_t bytes = 0;
  for (size_t i = begin; i < shape.sorted_runs.size(); ++i) bytes += shape.sorted_runs[i].bytes();
  const uint64_t soonest = std::max<uint64_t>(1, bytes / kBytesPerByteMax);
  return {
      static_cast<uint32_t>(begin), static_cast<uint32_t>(shape.sorted_runs.size() - begin),
      std::clamp(static_cast<uint64_t>(until_use), soonest, std::max(soonest, bytes / kNewerPart))};
}

PolicyBounds BoundedPolicy::bounds(uint64_t bytes, uint64_t nursery_bytes) const {
  // A merge under way holds its inputs. What comes in above it is a stack of its own, smaller by the factor at which merges
  // run; and so on.
  const double nurseries = static_cast<double>(bytes) / static_cast<double>(nursery_bytes);
  const auto stacks = static_cast<uint64_t>(
      std::ceil(1 + std::log(1 + nurseries) / std::log(double{kBytesPerByteMax})));
  const uint64_t slots = std::max(runs_max_, kSlotsMin);
  // In each a merge and the next one: the reservation of what has ended early goes on.
  return {slots, stacks * (slots + 1), 2 * stacks * kBytesPerByteMax};
}

}  // namespace aether::lsm
