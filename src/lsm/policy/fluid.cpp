// Levels follow from sizes: level i begins at T^i nurseries, less a margin for what overwrites and removals take out of a merge's
// output. Flushes that are smaller than a nursery have levels below 0, so the arithmetic of deadlines holds for them too.
//
// Where flushes are gathered, F of them, level 0 is theirs: F - 1 of them wait. With one more all of them are merged, with the run
// of level 1 where there is one; so that is rewritten once for F flushes. Level 1 is F flushes and more, level i F T^(i-1).
//
// An old run that is smaller than a newer one counts to the level of that one: so levels never fall with age, and the runs
// of a level are neighbours.
#include <algorithm>
#include <cmath>

#include "base/assert.h"
#include "lsm/policy/fluid_private.h"

namespace aether::lsm {
namespace {

constexpr int kLowestLevel = -20;

/// Where flushes are gathered: what one of them writes, in nurseries. A nursery counts its memory, of which rows are two thirds
/// where they are small, and nearly all where they are large.
constexpr double kFlush = 0.72;
/// And where the first level begins, in what is gathered: below the smallest that so many flushes make, above the largest flush.
constexpr double kFirstLevel = 0.6;
/// A flush that is smaller than the first level by more is merged by size before it counts as one of those gathered.
constexpr double kSmallFlush = 16;

/// The next flushes may be smaller than those that were gathered.
constexpr double kSmallerFlush = 0.875;

/// A merge reads at most so many times T bytes for one that is accepted. By the arithmetic below none has to, unless a
/// former policy has left more runs in a level than belong there.
constexpr uint64_t kWorkPerRatio = 2;

/// Sizes and levels, in nurseries.
class Scale {
 public:
  Scale(const FluidParameters& given, uint64_t nursery_bytes) noexcept
      : ratio_(given.size_ratio),
        gathered_(given.flushes_gathered),
        unit_(static_cast<double>(std::max<uint64_t>(nursery_bytes, 1))),
        margin_(1 - 0.5 / ratio_) {}

  /// The bytes from which on a run is at `level`.
  double begin_of(int level) const noexcept {
    if (gathered_ == 0) return margin_ * unit_ * std::pow(ratio_, level);
    const double gathered = kFlush * unit_ * gathered_;
    if (level > 1) return margin_ * gathered * std::pow(ratio_, level - 1);
    return kFirstLevel * gathered * std::pow(kSmallFlush, level - 1);
  }
  int level_of(uint64_t bytes) const noexcept {
    int level = kLowestLevel;
    while (static_cast<double>(bytes) >= begin_of(level + 1)) ++level;
    return level;
  }

 private:
  double ratio_;
  double gathered_;
  double unit_;
  double margin_;
};

}  // namespace

/// Neighbours of one level, none busy: [begin, end).
struct FluidPolicy::Block {
  size_t begin = 0;
  size_t end = 0;

  size_t count() const noexcept { return end - begin; }
};

/// The levels of a shape.
class FluidPolicy::Levels {
 public:
  Levels(const Shape& shape, const Scale& sizes)
      : scale(sizes), shape_(shape), levels_(shape.sorted_runs.size()) {
    int highest = kLowestLevel;
    for (size_t i = levels_.size(); i-- > 0;) {
      highest = std::max(highest, sizes.level_of(shape.sorted_runs[i].bytes()));
      levels_[i] = highest;
    }
  }

  size_t size() const noexcept { return levels_.size(); }
  int operator[](size_t i) const noexcept { return levels_[i]; }
  bool is_busy(size_t i) const noexcept { return shape_.sorted_runs[i].busy; }
  bool is_bottom(size_t i) const noexcept { return levels_[i] == levels_[0]; }
  uint64_t bytes(Block block) const noexcept {
    uint64_t sum = 0;
    for (size_t i = block.begin; i < block.end; ++i) sum += shape_.sorted_runs[i].bytes();
    return sum;
  }
  uint64_t smallest(Block block) const noexcept {
    uint64_t least = ~uint64_t{0};
    for (size_t i = block.begin; i < block.end; ++i)
      least = std::min(least, shape_.sorted_runs[i].bytes());
    return least;
  }
  /// The block that ends before `end`. Empty where a busy run is before it.
  Block before(size_t end) const noexcept {
    Block block{end, end};
    while (block.begin > 0 && !is_busy(block.begin - 1) &&
           levels_[block.begin - 1] == levels_[end - 1]) {
      --block.begin;
    }
    return block;
  }

  const Scale scale;

 private:
  const Shape& shape_;
  std::vector<int> levels_;
};

uint32_t FluidPolicy::limit(int level, bool is_bottom) const noexcept {
  if (is_gathered(level)) return given_.flushes_gathered - 1;
  return is_bottom ? given_.runs_at_bottom : given_.runs_per_level;
}

std::vector<PlannedMerge> FluidPolicy::plan(const Shape& shape) const {
  const Levels levels(shape, Scale(given_, shape.nursery_bytes));
  std::vector<PlannedMerge> merges;
  // From the newest on: a merge that goes on into older levels takes what they would merge themselves.
  for (size_t end = levels.size(); end > 0;) {
    const Block block = levels.before(end);
    if (block.count() == 0) {
      --end;
      continue;
    }
    end = block.begin;
    if (block.count() <= limit(levels[block.begin], levels.is_bottom(block.begin))) continue;
    const PlannedMerge merge = merge_of(levels, block);
    merges.push_back(merge);
    end = std::min<size_t>(end, merge.first);
  }
  return merges;
}

/// The merge of a level that has a run too many.
PlannedMerge FluidPolicy::merge_of(const Levels& levels, Block block) const {
  const int from_level = levels[block.begin];
  const uint32_t allowed = limit(from_level, levels.is_bottom(block.begin));
  // Tiers are merged T at a time, the oldest first; where a level should have fewer runs, all of it.
  if (allowed + 1 == given_.size_ratio) block.end = block.begin + allowed + 1;
  uint64_t bytes = levels.bytes(block);
  const auto smallest = static_cast<double>(levels.smallest(block));
  bool has_gone_on = false;
  while (given_.goes_on != FluidParameters::GoesOn::never && block.begin > 0) {
    const size_t next = block.begin - 1;
    const bool is_bottom = levels.is_bottom(next);
    if (given_.goes_on == FluidParameters::GoesOn::into_bottom && !is_bottom) break;
    const Block older = levels.before(block.begin);
    if (older.count() < limit(levels[next], is_bottom) || older.count() == 0) break;
    if (levels[next] > levels.scale.level_of(bytes)) break;
    block.begin = older.begin;
    bytes = levels.bytes(block);
    has_gone_on = true;
  }

  // Nobody asks for the output before as much has come in as makes another merge of these levels.
  const int to_level = levels.scale.level_of(bytes);
  double due = levels.scale.begin_of(to_level);
  if (is_gathered(from_level) && to_level <= 1) {
    due = kSmallerFlush * smallest * given_.flushes_gathered;
  } else if (!has_gone_on) {
    due = levels.scale.begin_of(from_level) * (to_level > from_level ? allowed + 1 : allowed);
  }
  return {static_cast<uint32_t>(block.begin), static_cast<uint32_t>(block.count()),
          std::max({uint64_t{1}, static_cast<uint64_t>(due),
                    bytes / (kWorkPerRatio * given_.size_ratio)})};
}

PolicyBounds FluidPolicy::bounds(uint64_t bytes, uint64_t nursery_bytes) const {
  const Scale scale(given_, nursery_bytes);
  // A store's unit need not be its smallest flush: one level more.
  const auto levels = static_cast<uint64_t>(
      std::max(0, scale.level_of(bytes) - scale.level_of(nursery_bytes)) + 2);
  const uint64_t at_most = std::max(given_.runs_per_level, given_.runs_at_bottom);
  // Level 0 has so many more where flushes are gathered.
  const uint64_t gathered = given_.flushes_gathered > 0 ? given_.flushes_gathered - 2 : 0;
  // In a level: those that wait; those of merges that began within the last deadline and of those before; and what may
  // have come later than it should because merges above it took their time (docs/LSM.md).
  const double ratio = given_.size_ratio;
  const double late = ratio / (ratio - 1) + ratio / (1 - 0.5 / ratio);
  const uint64_t busy = 2 * (at_most + 1) + static_cast<uint64_t>(std::ceil(late));
  return {levels * at_most + gathered, levels * (at_most + busy) + 3 * gathered,
          levels * kWorkPerRatio * given_.size_ratio};
}

uint32_t FluidPolicy::level_of(uint64_t bytes, uint64_t nursery_bytes) const noexcept {
  return static_cast<uint32_t>(std::max(0, Scale(given_, nursery_bytes).level_of(bytes)));
}

}  // namespace aether::lsm
