/// Merge policies: which runs are merged, and until when. One interface, plain data in and out.
///
///   hanoi         Two runs of a size become one of twice the size. With `runs_max`: the schedule that rewrites least
///                 with at most so many runs.
///   tiered        T runs of a size become one: few rewrites, many runs.
///   leveled       One run a level, each T times the one above, where flushes are gathered four at a time: few runs.
///   lazy_leveled  Up to K runs a level, up to Z at the bottom: tiered above, leveled where most of the data lies.
///   adaptive      One of these, by the work that was seen.
///
/// All of them merge a run with the next older one where it has many tombstones for that one's entries.
///
/// What is never broken: a plan depends on the shape and the options alone; merges of one plan do not overlap; none has a
/// busy run in it. A policy takes any shape and leads it to its own with the merges that it would do anyway: nothing is
/// rewritten because the policy has changed.
///
/// Threads   Immutable: any.
/// Source    Dayan, Idreos: "Dostoevsky", SIGMOD 2018 (K, Z, T); Bentley, Saxe: "Decomposable Searching Problems", 1980
///           (the binomial transform, which `runs_max` improves on where it knows the size). HanoiDB counts entries and waits
///           where a level is full; here bytes count, and the deadlines are such that nobody waits (lsm/pacing.h).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "aether/error.h"
#include "aether/options.h"
#include "lsm/policy/shape.h"

namespace aether::lsm {

/// Numbers of the manifest, too.
using PolicyKind = MergePolicyKind;

const char* to_string(PolicyKind kind) noexcept;

struct PolicyOptions {
  PolicyKind kind = PolicyKind::hanoi;
  /// How much larger a level is than the one above it, 2-64. 0: 4, and for `leveled` 2; `hanoi` has 2 whatever stands here.
  uint32_t size_ratio = 0;
  /// lazy_leveled: K, up to T - 1; 0: T - 1. The others know theirs.
  uint32_t runs_per_level = 0;
  /// lazy_leveled: Z, up to T - 1; 0: 1.
  uint32_t runs_at_bottom = 0;
  /// hanoi: at rest there are never more runs than this, 2-32. 0: as many as there are bits in size / nursery.
  uint32_t runs_max = 0;
  /// hanoi with runs_max: what the store will hold, where somebody knows; the schedule is best for that size. 0: unknown, then it
  /// is the next power of two nurseries.
  uint64_t expected_bytes = 0;
};

/// What `options.size_ratio` stands for.
uint32_t size_ratio_of(const PolicyOptions& options) noexcept;

/// For who looks at a store: the level of a run of so many bytes, counted from the youngest, 0.
uint32_t level_of(const PolicyOptions& options, uint64_t bytes, uint64_t nursery_bytes) noexcept;

/// Errors: invalid_argument (names the option and its bounds).
Result<void> check(const PolicyOptions& options);

/// What was asked of a store since somebody last looked.
struct ObservedWork {
  uint64_t writes = 0;
  uint64_t point_reads = 0;  ///< That found something.
  uint64_t point_misses = 0;
  uint64_t scans = 0;
};

/// What holds for a store that one policy has merged from its beginning, if merges keep their deadlines.
struct PolicyBounds {
  uint64_t runs_at_rest = 0;    ///< Sorted runs when no merge is under way and none is planned.
  uint64_t runs_under_way = 0;  ///< At any time: the inputs of a merge are there until it ends.
  uint64_t work_per_byte = 0;   ///< Bytes that merges read for a byte accepted.
};

class MergePolicy {
 public:
  virtual ~MergePolicy() = default;

  virtual PolicyKind kind() const noexcept = 0;

  /// The merges that should begin now. To be asked again when a flush or a merge has ended.
  virtual std::vector<PlannedMerge> plan(const Shape& shape) const = 0;

  /// For `bytes` in runs that came in flushes of `nursery_bytes` and more.
  virtual PolicyBounds bounds(uint64_t bytes, uint64_t nursery_bytes) const = 0;
};

/// Errors: those of `check`. For `adaptive`: what `choose` answers for no work seen.
Result<std::unique_ptr<MergePolicy>> make_policy(const PolicyOptions& options);

/// What `adaptive` chooses for this work on a store of this size: the policy whose cost is least, where `current` stays
/// unless another is at least a fifth cheaper. `options.kind` of the answer is never `adaptive`.
PolicyOptions choose(const ObservedWork& work, const Shape& shape, const PolicyOptions& current);

}  // namespace aether::lsm
