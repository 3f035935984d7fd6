/// What a merge policy looks at: which runs there are, how large, how old, over which keys; and what it answers.
///
/// Age and levels  Sorted runs stand in the order of age, the oldest first. A level is not kept: it follows from a size, so
///                 that a policy takes whatever another one left. Merged is always what is neighbours in age: so the newer
///                 of two versions of a key is always in the newer run.
/// Sorted runs     Runs whose key ranges are disjoint can stand as one: a key is in at most one of them. Keys that come in order
///                 give such runs, and no merge ever rewrites them: `split_for_merge`.
/// Threads         Values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"

namespace aether::lsm {

/// Later than all times.
inline constexpr uint64_t kNeverMs = ~uint64_t{0};

struct RunDescription {
  uint64_t id = 0;
  uint64_t bytes = 0;  ///< What a merge has to read: keys and values, before compression.
  uint64_t entries = 0;
  uint64_t tombstones = 0;   ///< Of those.
  TxnId newest_writer = 0;   ///< Who sees it sees all entries.
  std::string smallest_key;  ///< Of entries, and where range tombstones begin.
  std::string largest_key;   ///< Of entries, and where range tombstones end.
  /// From this time on so much of it has expired that it is worth rewriting (expired.h). Known of open runs, stored nowhere.
  uint64_t rewrite_at_ms = kNeverMs;
};

inline bool is_rewrite_due(const RunDescription& run, uint64_t now_ms) noexcept {
  return run.rewrite_at_ms <= now_ms && run.rewrite_at_ms != kNeverMs;
}

/// Runs that a read passes as one, in the order of their keys; no two have a key in common.
struct SortedRun {
  std::vector<RunDescription> parts;
  bool busy = false;  ///< It is read by a merge under way.

  uint64_t bytes() const noexcept;
  uint64_t entries() const noexcept;
  uint64_t tombstones() const noexcept;
};

struct Shape {
  std::vector<SortedRun> sorted_runs;  ///< The oldest first.
  uint64_t nursery_bytes = 0;          ///< What one flush writes, about. Above 0.
  uint64_t now_ms = 0;                 ///< What expires by then has, for every snapshot.

  uint64_t bytes() const noexcept;
};

/// A merge to begin: of sorted runs that are neighbours, none of them busy.
struct PlannedMerge {
  uint32_t first = 0;  ///< In Shape::sorted_runs.
  uint32_t count = 0;  ///< Two at least; or one, in which a rewrite is due.
  /// It must have ended when this many more bytes have been accepted: then its output is wanted. Above 0.
  uint64_t bytes_until_due = 0;

  bool operator==(const PlannedMerge&) const = default;
};

/// A merge of sorted runs, by runs: what is rewritten, and what needs an edit of the manifest alone.
struct MergeParts {
  std::vector<uint64_t>
      rewritten;                ///< Their ids, the oldest first. Empty: all the merge is an edit.
  std::vector<uint64_t> moved;  ///< Disjoint from each other and from all that is rewritten.
};

/// Of one sorted run alone: the first runs in the order of keys that are due, as many as are neighbours; the others are due when that has ended.
/// Precondition: `merge` lies in `shape`.
MergeParts split_for_merge(const Shape& shape, const PlannedMerge& merge);

}  // namespace aether::lsm
