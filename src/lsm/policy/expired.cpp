#include "lsm/policy/expired.h"

namespace aether::lsm {
namespace {

constexpr uint64_t kBytesPerExpired = 4;

}  // namespace

uint64_t rewrite_at_ms(const ExpiryTimes& times, uint64_t run_bytes) noexcept {
  return times.time_of((run_bytes + kBytesPerExpired - 1) / kBytesPerExpired);
}

std::optional<PlannedMerge> plan_expired(const Shape& shape) {
  // The oldest first: the further down, the less stays of what has expired.
  for (uint32_t i = 0; i < shape.sorted_runs.size(); ++i) {
    const SortedRun& sorted = shape.sorted_runs[i];
    if (sorted.busy) continue;
    uint64_t bytes = 0;
    for (const RunDescription& part : sorted.parts)
      bytes += is_rewrite_due(part, shape.now_ms) ? part.bytes : 0;
    // Nobody waits for its output: as much work as is done for others.
    if (bytes > 0) return PlannedMerge{i, 1, bytes};
  }
  return std::nullopt;
}

}  // namespace aether::lsm
