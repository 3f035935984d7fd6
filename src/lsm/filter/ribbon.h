/// A Ribbon filter, for points: a system of linear equations over bits, one for each key, whose solution is stored.
///
/// A key chooses a place, 128 coefficients from there on and some bits of an answer; it may be contained if the stored bits
/// at the coefficients add up to its answer. Keys are cut into shards of some 32,768 by their hash, each with a seed of
/// its own: a shard's equations fit the cache, and one that has no solution is built again alone. A number of bits that is
/// not whole gets another column from some block of each shard on.
///
/// Source   Dillinger, Walzer: "Ribbon filter: practically smaller than Bloom and Xor", 2021: on-the-fly elimination,
///          columns stored block by block. We differ: shards; no overhead by size, since all shards have the same.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "aether/error.h"

namespace aether::lsm {

struct FilterHeader;

class RibbonView {
 public:
  static Result<RibbonView> open(const FilterHeader& header, std::string_view bytes);
  bool may_contain(uint64_t hash) const noexcept;

 private:
  const char* shard_table_ = nullptr;
  const char* columns_ = nullptr;
  uint64_t shards_ = 0;
  uint64_t column_count_ = 0;
};

/// Sorts the hashes.
std::string build_ribbon(std::vector<uint64_t>& hashes, double bits_per_key);

}  // namespace aether::lsm
