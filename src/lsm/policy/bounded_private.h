/// `hanoi` with a bound on runs: the schedule of bounded_schedule_private.h on a live store.
#pragma once

#include <vector>

#include "lsm/policy/bounded_schedule_private.h"
#include "lsm/policy/merge_policy.h"

namespace aether::lsm {

class BoundedPolicy final : public MergePolicy {
 public:
  BoundedPolicy(uint32_t runs_max, uint64_t expected_bytes);

  PolicyKind kind() const noexcept override { return PolicyKind::hanoi; }
  std::vector<PlannedMerge> plan(const Shape& shape) const override;
  PolicyBounds bounds(uint64_t bytes, uint64_t nursery_bytes) const override;

 private:
  struct Future;
  struct Stack;
  Future future_of(const Shape& shape) const;
  static Stack stack_of(const Shape& shape, double grain);
  static PlannedMerge merge_from(const Shape& shape, size_t begin, double until_use);

  uint32_t runs_max_;
  uint64_t expected_bytes_;
  BoundedSchedule schedule_;
};

}  // namespace aether::lsm
