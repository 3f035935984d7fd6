#include "txn/read_set.h"

#include <algorithm>
#include <utility>

#include "base/no_memory.h"

namespace aether::txn {

uint64_t ReadSet::memory_bytes() const noexcept {
  return keys_.size() + points_.size() * sizeof(PointRead) +
         ranges_.size() * (sizeof(RangeRead) + sizeof(void*)) + range_bytes_;
}

void ReadSet::add_key(StoreId store, std::string_view key, const PageWitness& witness) {
  make_room();
  const uint64_t offset = keys_.size();
  keys_.append(key);  // First: bytes that nothing refers to do no harm.
  points_.push_back({store, static_cast<uint32_t>(key.size()), offset, witness});
}

RangeRead& ReadSet::begin_range(StoreId store, std::string_view key) {
  make_room();
  auto range = std::make_unique<RangeRead>();
  range->store = store;
  range->in_use = true;
  range->first.assign(key);
  range->last.assign(key);
  RangeRead& made = *ranges_.emplace_back(std::move(range));
  range_bytes_ += 2 * key.size();
  return made;
}

void ReadSet::end_range(RangeRead& range) noexcept { range.in_use = false; }

void ReadSet::make_room() {
  while (memory_bytes() >= bytes_max_) {
    const size_t before = points_.size() + ranges_.size();
    coarsen();
    if (ranges_.size() > before / 4 * 3) return;  // What is left is in use.
  }
}

/// Every two neighbours become one range. What has been read is there before and after, whatever fails.
void ReadSet::coarsen() {
  std::vector<std::unique_ptr<RangeRead>> all;
  all.reserve(points_.size() + ranges_.size());
  for (const PointRead& point : points_) {
    auto range = std::make_unique<RangeRead>();
    range->store = point.store;
    range->first.assign(key(point));
    range->last = range->first;
    all.push_back(std::move(range));
  }
  std::vector<std::unique_ptr<RangeRead>> kept;
  kept.reserve(all.capacity());
  const base::NoAllocationScope no_allocation;
  points_.clear();
  keys_.clear();
  for (std::unique_ptr<RangeRead>& range : ranges_) {
    (range->in_use ? kept : all).push_back(std::move(range));
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return a->store != b->store ? a->store < b->store : a->first < b->first;
  });
  for (size_t i = 0; i < all.size(); i += 2) {
    const bool pair = i + 1 < all.size() && all[i]->store == all[i + 1]->store;
    if (pair) {
      all[i]->unbounded |= all[i + 1]->unbounded;
      all[i]->take_in(*all[i + 1]);
    }
    kept.push_back(std::move(all[i]));
    if (!pair && i + 1 < all.size()) kept.push_back(std::move(all[i + 1]));
  }
  ranges_ = std::move(kept);
  range_bytes_ = 0;
  for (const std::unique_ptr<RangeRead>& range : ranges_)
    range_bytes_ += range->first.size() + range->last.size();
}

}  // namespace aether::txn
