#include "lsm/policy/merge_policy.h"

#include <array>
#include <cmath>
#include <utility>

#include "lsm/policy/bounded_private.h"
#include "lsm/policy/fluid_private.h"
#include "lsm/policy/tombstone_private.h"

namespace aether::lsm {

uint32_t size_ratio_of(const PolicyOptions& options) noexcept {
  if (options.kind == PolicyKind::hanoi) return 2;
  if (options.size_ratio != 0) return options.size_ratio;
  return options.kind == PolicyKind::leveled ? 2 : 4;
}

namespace {

constexpr uint32_t kRatioMin = 2;
constexpr uint32_t kRatioMax = 64;
constexpr uint32_t kRunsMaxLeast = 2;
constexpr uint32_t kRunsMaxMost = 32;
constexpr uint32_t kFlushesGathered = 4;  // Of `leveled`: as many as RocksDB has in its level 0.

FluidParameters parameters_of(const PolicyOptions& options) noexcept {
  using GoesOn = FluidParameters::GoesOn;
  const uint32_t ratio = size_ratio_of(options);
  const uint32_t tier = ratio - 1;
  switch (options.kind) {
    case PolicyKind::leveled: return {options.kind, ratio, 1, 1, kFlushesGathered, GoesOn::always};
    case PolicyKind::lazy_leveled:
      return {options.kind,
              ratio,
              options.runs_per_level == 0 ? tier : options.runs_per_level,
              options.runs_at_bottom == 0 ? 1 : options.runs_at_bottom,
              0,
              GoesOn::into_bottom};
    case PolicyKind::hanoi:
    case PolicyKind::tiered:
    case PolicyKind::adaptive: break;
  }
  return {options.kind, ratio, tier, tier, 0, GoesOn::never};
}

Error bad_option(const char* what, uint64_t given, uint32_t least, uint32_t most) {
  std::string message = "lsm policy: ";
  message += what;
  message += " is ";
  message += std::to_string(given);
  message += ", but must be 0 (the policy's own) or ";
  message += std::to_string(least);
  message += " to ";
  message += std::to_string(most);
  return {Code::invalid_argument, std::move(message)};
}

bool is_outside(uint32_t given, uint32_t least, uint32_t most) noexcept {
  return given != 0 && (given < least || given > most);
}

/// What operations cost, in microseconds, roughly: of the kind that blocks in memory, filters and merges give. Choices
/// differ by factors, so a share more or less changes little.
constexpr double kRewriteUs = 0.5;     // An entry is read, merged and written once more.
constexpr double kPointRunUs = 0.1;    // A point read asks one more filter.
constexpr double kMissBottomUs = 0.6;  // A filter errs: at the bottom, where its bits are fewest.
constexpr double kScanRunUs = 1.5;     // A scan seeks in one more run.
constexpr double
    kScanBottomUs = 3.0;  // Its rows come from one more run: from the bottom, where most rows are.
constexpr double
    kToChange = 0.8;  // Another policy must cost this part of the present one, or less.

struct Traits {
  double rewrites;     ///< Of an entry on its way to the bottom.
  double runs;         ///< On average.
  double bottom_runs;  ///< Of those.
};

Traits traits_of(const FluidParameters& given, double nurseries) noexcept {
  const double ratio = given.size_ratio;
  const bool gathers = given.flushes_gathered > 0;
  if (gathers) nurseries = std::max(1.0, nurseries / given.flushes_gathered);
  const double levels_above = std::max(1.0, std::log(nurseries) / std::log(ratio)) - 1;
  // With K runs a level an entry is rewritten T / (K + 1) times there; on average half of the runs are there.
  const double per_level = given.runs_per_level + 1.0;
  const double at_bottom = given.runs_at_bottom + 1.0;
  // What is gathered is rewritten once, as a run of the first level.
  return {levels_above * ratio / per_level + ratio / at_bottom + (gathers ? 1 : 0),
          levels_above * per_level / 2 + at_bottom / 2 +
              (gathers ? (given.flushes_gathered - 1) / 2.0 : 0),
          at_bottom / 2};
}

double cost_of(const PolicyOptions& options, const ObservedWork& work, double nurseries) noexcept {
  const Traits traits = traits_of(parameters_of(options), nurseries);
  const auto misses = static_cast<double>(work.point_misses);
  const auto scans = static_cast<double>(work.scans);
  return static_cast<double>(work.writes) * traits.rewrites * kRewriteUs +
         (static_cast<double>(work.point_reads) + misses) * traits.runs * kPointRunUs +
         misses * traits.bottom_runs * kMissBottomUs +
         scans * (traits.runs * kScanRunUs + traits.bottom_runs * kScanBottomUs);
}

}  // namespace

const char* to_string(PolicyKind kind) noexcept {
  switch (kind) {
    case PolicyKind::hanoi: return "hanoi";
    case PolicyKind::leveled: return "leveled";
    case PolicyKind::tiered: return "tiered";
    case PolicyKind::lazy_leveled: return "lazy_leveled";
    case PolicyKind::adaptive: return "adaptive";
  }
  return "unknown";
}

Result<void> check(const PolicyOptions& options) {
  if (options.kind < PolicyKind::hanoi || options.kind > PolicyKind::adaptive) {
    return Error(Code::invalid_argument, "lsm policy: there is no policy of this number");
  }
  if (is_outside(options.size_ratio, kRatioMin, kRatioMax)) {
    return bad_option("size_ratio", options.size_ratio, kRatioMin, kRatioMax);
  }
  const uint32_t tier = size_ratio_of(options) - 1;
  if (is_outside(options.runs_per_level, 1, tier)) {
    return bad_option("runs_per_level", options.runs_per_level, 1, tier);
  }
  if (is_outside(options.runs_at_bottom, 1, tier)) {
    return bad_option("runs_at_bottom", options.runs_at_bottom, 1, tier);
  }
  if (is_outside(options.runs_max, kRunsMaxLeast, kRunsMaxMost)) {
    return bad_option("runs_max", options.runs_max, kRunsMaxLeast, kRunsMaxMost);
  }
  return {};
}

Result<std::unique_ptr<MergePolicy>> make_policy(const PolicyOptions& options) {
  AETHER_TRY(check(options));
  if (options.kind == PolicyKind::adaptive) return make_policy(choose({}, {}, options));
  std::unique_ptr<MergePolicy> by_size;
  if (options.kind == PolicyKind::hanoi && options.runs_max != 0) {
    by_size = std::make_unique<BoundedPolicy>(options.runs_max, options.expected_bytes);
  } else {
    by_size = std::make_unique<FluidPolicy>(parameters_of(options));
  }
  return std::unique_ptr<MergePolicy>(std::make_unique<TombstonePolicy>(std::move(by_size)));
}

uint32_t level_of(const PolicyOptions& options, uint64_t bytes, uint64_t nursery_bytes) noexcept {
  return FluidPolicy(parameters_of(options)).level_of(bytes, nursery_bytes);
}

PolicyOptions choose(const ObservedWork& work, const Shape& shape, const PolicyOptions& current) {
  constexpr std::array<PolicyOptions, 7> kCandidates = {{
      {.kind = PolicyKind::lazy_leveled, .size_ratio = 4},
      {.kind = PolicyKind::lazy_leveled, .size_ratio = 8},
      {.kind = PolicyKind::tiered, .size_ratio = 4},
      {.kind = PolicyKind::tiered, .size_ratio = 8},
      {.kind = PolicyKind::leveled, .size_ratio = 2},
      {.kind = PolicyKind::leveled, .size_ratio = 4},
      {.kind = PolicyKind::hanoi},
  }};
  const bool has_work = work.writes + work.point_reads + work.point_misses + work.scans != 0;
  if (!has_work) return current.kind == PolicyKind::adaptive ? kCandidates[0] : current;
  const double nurseries = shape.nursery_bytes == 0
                               ? 1
                               : std::max(1.0, static_cast<double>(shape.bytes()) /
                                                   static_cast<double>(shape.nursery_bytes));
  const PolicyOptions* best = &kCandidates[0];
  for (const PolicyOptions& candidate : kCandidates) {
    if (cost_of(candidate, work, nurseries) < cost_of(*best, work, nurseries)) best = &candidate;
  }
  if (current.kind == PolicyKind::adaptive) return *best;
  const bool is_worth_it = cost_of(*best, work, nurseries) <=
                           kToChange * cost_of(current, work, nurseries);
  return is_worth_it ? *best : current;
}

}  // namespace aether::lsm
