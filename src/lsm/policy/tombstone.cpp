#include <algorithm>

#include "lsm/policy/tombstone_private.h"

namespace aether::lsm {
namespace {

constexpr uint64_t kEntriesPerTombstone = 2;
/// Such a merge reads at most so many bytes for one that is accepted.
constexpr uint64_t kBytesPerByteMax = 2;

}  // namespace

std::vector<PlannedMerge> TombstonePolicy::plan(const Shape& shape) const {
  std::vector<PlannedMerge> merges = inner_->plan(shape);
  const std::vector<SortedRun>& runs = shape.sorted_runs;
  std::vector<bool> is_taken(runs.size());
  for (size_t i = 0; i < runs.size(); ++i) is_taken[i] = runs[i].busy;
  for (const PlannedMerge& merge : merges) {
    std::fill_n(is_taken.begin() + merge.first, merge.count, true);
  }
  for (size_t older = 0; older + 1 < runs.size(); ++older) {
    const size_t newer = older + 1;
    const uint64_t tombstones = runs[newer].tombstones();
    if (is_taken[older] || is_taken[newer] || tombstones == 0) continue;
    if (tombstones * kEntriesPerTombstone < runs[older].entries()) continue;
    const uint64_t bytes = runs[older].bytes() + runs[newer].bytes();
    merges.push_back(
        {static_cast<uint32_t>(older), 2, std::max<uint64_t>(1, bytes / kBytesPerByteMax)});
    is_taken[newer] = true;
  }
  return merges;
}

}  // namespace aether::lsm
