/// Removals go down: a policy by sizes alone would leave them where they are, since they are small, and what they remove would
/// stay for good.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "lsm/policy/merge_policy.h"

namespace aether::lsm {

/// Another policy, and a merge of a run with the next older one where its tombstones are half as many as the entries there. So a
/// tombstone pays for three entries at most on each step down.
class TombstonePolicy final : public MergePolicy {
 public:
  explicit TombstonePolicy(std::unique_ptr<MergePolicy> inner) noexcept
      : inner_(std::move(inner)) {}

  PolicyKind kind() const noexcept override { return inner_->kind(); }
  std::vector<PlannedMerge> plan(const Shape& shape) const override;
  PolicyBounds bounds(uint64_t bytes, uint64_t nursery_bytes) const override {
    return inner_->bounds(bytes, nursery_bytes);
  }

 private:
  std::unique_ptr<MergePolicy> inner_;
};

}  // namespace aether::lsm
