#include "lsm/block_directory.h"

#include <algorithm>
#include <utility>

#include "index/concept/key_order.h"

namespace aether::lsm {
namespace {

/// How many of `sorted` are below `wanted`.
size_t count_below(const std::vector<uint64_t>& sorted, uint64_t wanted) noexcept {
  const uint64_t* at = sorted.data();
  size_t left = sorted.size();
  while (left > 1) {
    const size_t half = left / 2;
    at += at[half - 1] < wanted ? half : 0;
    left -= half;
  }
  const auto before = static_cast<size_t>(at - sorted.data());
  return before + (left == 1 && *at < wanted ? 1 : 0);
}

}  // namespace

std::optional<uint64_t> BlockDirectory::find(Bytes key) const noexcept {
  if (heads_.empty()) return 0;
  const int order = key.substr(0, common_.size()).compare(common_);
  if (order != 0) return order < 0 ? 0 : heads_.size();
  const uint64_t head = index::key_begin(key.substr(common_.size()));
  const size_t below = count_below(heads_, head);
  if (below < heads_.size() && heads_[below] == head) return std::nullopt;
  return below;
}

std::optional<uint64_t> BlockDirectory::at_offset(uint64_t offset) const noexcept {
  const auto found = std::lower_bound(
      places_.begin(), places_.end(), offset,
      [](const BlockPlace& place, uint64_t wanted) { return place.offset < wanted; });
  if (found == places_.end() || found->offset != offset) return std::nullopt;
  return static_cast<uint64_t>(found - places_.begin());
}

Bytes BlockDirectoryBuilder::separator(size_t block) const noexcept {
  const uint64_t begin = block == 0 ? 0 : ends_[block - 1];
  return Bytes(separators_).substr(begin, ends_[block] - begin);
}

bool BlockDirectoryBuilder::add(Bytes separator, const BlockPlace& place) {
  if (!places_.empty() &&
      (place.offset <= places_.back().offset || separator < this->separator(places_.size() - 1))) {
    return false;
  }
  separators_.append(separator);
  ends_.push_back(separators_.size());
  places_.push_back(place);
  return true;
}

BlockDirectory BlockDirectoryBuilder::take() {
  BlockDirectory directory;
  const size_t blocks = places_.size();
  directory.places_ = std::move(places_);
  if (blocks < 2) return directory;
  // They are sorted: what the first and the last have in common, all have.
  const Bytes first = separator(1);
  const Bytes last = separator(blocks - 1);
  const auto parts = std::mismatch(first.begin(), first.end(), last.begin(), last.end());
  // One block alone behind the first has all of its separator in common with itself.
  const size_t common = static_cast<size_t>(parts.first - first.begin());
  directory.common_ = first.substr(0, common);
  directory.heads_.reserve(blocks - 1);
  for (size_t i = 1; i < blocks; ++i)
    directory.heads_.push_back(index::key_begin(separator(i).substr(common)));
  return directory;
}

}  // namespace aether::lsm
