#include "lsm/policy/shape.h"

#include <algorithm>

#include "base/assert.h"

namespace aether::lsm {
namespace {

struct Part {
  const RunDescription* run;
  bool is_rewritten;
};

/// From the smallest to the largest key of what is rewritten.
struct Hull {
  const std::string* smallest = nullptr;
  const std::string* largest = nullptr;

  bool meets(const RunDescription& run) const noexcept {
    return smallest != nullptr && run.smallest_key <= *largest && *smallest <= run.largest_key;
  }
  void take_in(const RunDescription& run) noexcept {
    if (smallest == nullptr || run.smallest_key < *smallest) smallest = &run.smallest_key;
    if (largest == nullptr || *largest < run.largest_key) largest = &run.largest_key;
  }
};

/// Marks the runs that have keys in common with another, as far as their bounds tell.
void mark_overlaps(std::vector<Part>& parts) {
  std::vector<Part*> by_key;
  by_key.reserve(parts.size());
  for (Part& part : parts) by_key.push_back(&part);
  std::sort(by_key.begin(), by_key.end(), [](const Part* a, const Part* b) {
    return a->run->smallest_key < b->run->smallest_key;
  });
  Part* reaches_farthest = nullptr;
  for (Part* part : by_key) {
    if (reaches_farthest != nullptr &&
        part->run->smallest_key <= reaches_farthest->run->largest_key) {
      part->is_rewritten = true;
      reaches_farthest->is_rewritten = true;
    }
    if (reaches_farthest == nullptr ||
        reaches_farthest->run->largest_key < part->run->largest_key) {
      reaches_farthest = part;
    }
  }
}

/// Of one sorted run: the first that are worth it, and no further than to one that is not.
void mark_expired(std::vector<Part>& parts, uint64_t now_ms) {
  const auto is_due = [now_ms](const Part& part) { return is_rewrite_due(*part.run, now_ms); };
  const auto first = std::find_if(parts.begin(), parts.end(), is_due);
  const auto end = std::find_if_not(first, parts.end(), is_due);
  for (auto part = first; part != end; ++part) part->is_rewritten = true;
}

}  // namespace

uint64_t SortedRun::bytes() const noexcept {
  uint64_t sum = 0;
  for (const RunDescription& part : parts) sum += part.bytes;
  return sum;
}

uint64_t SortedRun::entries() const noexcept {
  uint64_t sum = 0;
  for (const RunDescription& part : parts) sum += part.entries;
  return sum;
}

uint64_t SortedRun::tombstones() const noexcept {
  uint64_t sum = 0;
  for (const RunDescription& part : parts) sum += part.tombstones;
  return sum;
}

uint64_t Shape::bytes() const noexcept {
  uint64_t sum = 0;
  for (const SortedRun& run : sorted_runs) sum += run.bytes();
  return sum;
}

MergeParts split_for_merge(const Shape& shape, const PlannedMerge& merge) {
  AETHER_ASSERT(uint64_t{merge.first} + merge.count <= shape.sorted_runs.size());
  std::vector<Part> parts;
  for (uint32_t i = 0; i < merge.count; ++i) {
    for (const RunDescription& run : shape.sorted_runs[merge.first + i].parts) {
      parts.push_back({&run, false});
    }
  }
  if (merge.count == 1) {
    mark_expired(parts, shape.now_ms);
  } else {
    mark_overlaps(parts);
  }

  // The output is one run, from its first key to its last: what lies between two parts of it goes in as well.
  Hull hull;
  for (const Part& part : parts) {
    if (part.is_rewritten) hull.take_in(*part.run);
  }
  for (bool has_grown = true; has_grown;) {
    has_grown = false;
    for (Part& part : parts) {
      if (part.is_rewritten || !hull.meets(*part.run)) continue;
      part.is_rewritten = has_grown = true;
      hull.take_in(*part.run);
    }
  }

  MergeParts split;
  for (const Part& part : parts) {
    (part.is_rewritten ? split.rewritten : split.moved).push_back(part.run->id);
  }
  return split;
}

}  // namespace aether::lsm
