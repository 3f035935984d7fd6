/// What a merge may leave out.
///
/// The versions of a key stand in a row, the newest first; range tombstones that cover it stand among them. A reader takes
/// the first that he sees. So a version is needed if somebody sees it who sees nothing newer:
///
///   snapshots, the oldest first       S0    S1    S2    later readers
///   version by txn 90 (seen from S2)   .     .    x        x           kept: S2 needs it
///   version by txn 70 (seen from S1)   .    x     x        x           kept: S1 needs it
///   version by txn 60 (seen from S1)   .    x     x        x           left out: whoever sees it sees 70
///   version by txn 10 (seen by all)    x    x     x        x           kept: S0 needs it
///
/// A later snapshot sees all that an earlier one sees, so for each writer one number is enough: the first snapshot that
/// sees it. What opens after the merge has begun sees all of its inputs, and is a later reader.
///
/// A tombstone hides what is older. It goes when nothing is left to hide: no older version of the key stays in the output, no run
/// that is older than the inputs can have one, and every snapshot sees it (who does not asks for the version it replaced, which
/// may be in memory alone). A range tombstone goes when every snapshot sees it, for then nothing that
/// it covers stays, and no older run has keys there.
///
/// An entry past its expiry is a tombstone, and goes as one and not before. (HanoiDB takes it for something that is not
/// there; then an older version that lives longer comes back.)
///
/// Threads   Values.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lsm/entry.h"
#include "txn/snapshot.h"

namespace aether::lsm {

/// The snapshots that are open when a merge begins.
class OpenSnapshots {
 public:
  OpenSnapshots() = default;
  /// In the order in which they were opened.
  explicit OpenSnapshots(std::vector<txn::SnapshotBounds> oldest_first)
      : oldest_first_(std::move(oldest_first)) {}

  size_t count() const noexcept { return oldest_first_.size(); }
  /// The first that sees `writer`; count(): only later readers do.
  size_t first_to_see(TxnId writer) const noexcept {
    if (oldest_first_.empty() || writer < oldest_first_.front().low) return 0;
    size_t low = 0;
    for (size_t high = count(); low < high;) {
      const size_t middle = (low + high) / 2;
      if (oldest_first_[middle].sees(writer)) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  }

 private:
  std::vector<txn::SnapshotBounds> oldest_first_;
};

/// Where runs older than the inputs of a merge have keys.
class OlderKeys {
 public:
  struct Range {
    std::string smallest;
    std::string largest;  ///< Included.
  };
  OlderKeys() = default;
  /// Of each older run that is not an input, in any order.
  explicit OlderKeys(std::vector<Range> ranges);

  bool may_have(Bytes key) const noexcept { return overlaps(key, key, true); }
  /// Any in [begin, end).
  bool may_have_between(Bytes begin, Bytes end) const noexcept {
    return overlaps(begin, end, false);
  }

 private:
  bool overlaps(Bytes begin, Bytes end, bool with_end) const noexcept;

  std::vector<Range> ranges_;  // Disjoint, in order.
};

struct MergeRules {
  OpenSnapshots snapshots;
  OlderKeys older;
  uint64_t now_ms = 0;  ///< What expires at it or before has expired. 0: nothing has.
};

}  // namespace aether::lsm
