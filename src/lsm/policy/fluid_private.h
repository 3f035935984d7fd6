/// Tiering, leveling and what lies between them: levels of a fixed ratio, with a limit on the runs of each.
#pragma once

#include <vector>

#include "lsm/policy/merge_policy.h"

namespace aether::lsm {

struct FluidParameters {
  PolicyKind kind = PolicyKind::tiered;
  uint32_t size_ratio = 4;      ///< T
  uint32_t runs_per_level = 3;  ///< K: one more, and they are merged.
  uint32_t runs_at_bottom = 3;  ///< Z: the same for the level of the oldest run.
  /// F, 2 at least: so many flushes are gathered before they are merged into the first level, and T counts from there on. 0: a flush
  /// is a run of the first level, or soon one.
  uint32_t flushes_gathered = 0;
  /// Which levels a merge goes on into where its output would be one run too many there.
  enum class GoesOn : uint8_t { never, into_bottom, always } goes_on = GoesOn::never;
};

class FluidPolicy final : public MergePolicy {
 public:
  explicit FluidPolicy(const FluidParameters& parameters) noexcept : given_(parameters) {}

  PolicyKind kind() const noexcept override { return given_.kind; }
  std::vector<PlannedMerge> plan(const Shape& shape) const override;
  PolicyBounds bounds(uint64_t bytes, uint64_t nursery_bytes) const override;
  /// 0: of a flush, or smaller.
  uint32_t level_of(uint64_t bytes, uint64_t nursery_bytes) const noexcept;

 private:
  struct Block;
  class Levels;

  PlannedMerge merge_of(const Levels& levels, Block block) const;
  bool is_gathered(int level) const noexcept { return level == 0 && given_.flushes_gathered > 0; }
  uint32_t limit(int level, bool is_bottom) const noexcept;

  FluidParameters given_;
};

}  // namespace aether::lsm
