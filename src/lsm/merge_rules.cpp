#include "lsm/merge_rules.h"

#include <algorithm>

namespace aether::lsm {

OlderKeys::OlderKeys(std::vector<Range> ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const Range& a, const Range& b) { return a.smallest < b.smallest; });
  for (Range& range : ranges) {
    if (ranges_.empty() || ranges_.back().largest < range.smallest) {
      ranges_.push_back(std::move(range));
    } else if (ranges_.back().largest < range.largest) {
      ranges_.back().largest = std::move(range.largest);
    }
  }
}

bool OlderKeys::overlaps(Bytes begin, Bytes end, bool with_end) const noexcept {
  // The first range that does not end before `begin`.
  const auto range = std::lower_bound(
      ranges_.begin(), ranges_.end(), begin,
      [](const Range& each, Bytes key) { return Bytes(each.largest) < key; });
  if (range == ranges_.end()) return false;
  return with_end ? Bytes(range->smallest) <= end : Bytes(range->smallest) < end;
}

}  // namespace aether::lsm
