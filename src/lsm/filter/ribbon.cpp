#include "lsm/filter/ribbon.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <span>

#include "base/assert.h"
#include "base/bloom_line.h"
#include "base/bytes.h"
#include "lsm/filter/filter.h"
#include "lsm/filter/header.h"

namespace aether::lsm {
namespace {

__extension__ using Row = unsigned __int128;

constexpr uint64_t kWidth = 128;  // Coefficients of a key, and slots of a block.
constexpr uint64_t kColumnBytes = kWidth / 8;
constexpr uint64_t kColumnsMax = 32;
constexpr uint64_t kShardKeys = 32768;
constexpr double
    kSlotsPerKey = 1.025;  // A tenth of the shards is built twice; with 1.02 a quarter.

/// Where a shard's columns are. 24 bytes of the table.
struct Shard {
  uint64_t first_column;
  uint32_t blocks;
  uint32_t wide_from;  ///< Blocks from here on have one column more.
  uint32_t columns;
  uint32_t seed;
};
static_assert(sizeof(Shard) == 24);

uint64_t columns_before(const Shard& shard, uint64_t block) noexcept {
  return block * shard.columns + (block > shard.wide_from ? block - shard.wide_from : 0);
}

struct Equation {
  uint64_t slot;
  Row row;          ///< Bit 0 is set.
  uint32_t answer;  ///< A bit for each column.
};

Equation equation_of(uint64_t hash, uint64_t seed, uint64_t blocks) noexcept {
  const uint64_t first = base::mix(hash + seed * 0x9e37'79b9'7f4a'7c15);
  const uint64_t second = base::mix(first + 1);
  const uint64_t third = base::mix(first + 2);
  return {base::scale(first, blocks * kWidth - (kWidth - 1)),
          (static_cast<Row>(second) << 64) | third | 1,
          static_cast<uint32_t>(base::mix(first + 3))};
}

bool odd(Row bits) noexcept {
  uint64_t folded = static_cast<uint64_t>(bits) ^ static_cast<uint64_t>(bits >> 64);
  folded ^= folded >> 32;
  folded ^= folded >> 16;
  folded ^= folded >> 8;
  folded ^= folded >> 4;
  return (0x6996 >> (folded & 15) & 1) != 0;
}

uint32_t trailing_zeros(Row bits) noexcept {
  const auto low = static_cast<uint64_t>(bits);
  return static_cast<uint32_t>(low != 0 ? std::countr_zero(low)
                                        : 64 + std::countr_zero(static_cast<uint64_t>(bits >> 64)));
}

/// The equations of one shard in echelon form: that of a slot has its first coefficient there.
class Banding {
 public:
  /// False: they contradict each other.
  bool solve(std::span<const uint64_t> hashes, uint64_t seed, uint64_t blocks, uint32_t mask) {
    rows_.assign(blocks * kWidth, 0);
    answers_.assign(blocks * kWidth, 0);
    for (const uint64_t hash : hashes) {
      if (!add(equation_of(hash, seed, blocks), mask)) return false;
    }
    return true;
  }

  /// From the last slot up: each one's bits are what makes its equation true. Appends the shard's columns.
  void write(const Shard& shard, std::string& out) const {
    const size_t begin = out.size();
    out.resize(begin + columns_before(shard, shard.blocks) * kColumnBytes);
    std::vector<Row> behind(shard.columns + 1,
                            0);  // Of each column, the bits of the slots from here on.
    for (uint64_t block = shard.blocks; block-- > 0;) {
      // The wide column of the last block without one is solved too, and not stored: it decides nothing there.
      for (uint64_t slot = (block + 1) * kWidth; slot-- > block * kWidth;) {
        for (uint32_t i = 0; i <= shard.columns; ++i) {
          const Row shifted = behind[i] << 1;
          const bool bit = odd(shifted & rows_[slot]) != ((answers_[slot] >> i & 1) != 0);
          behind[i] = shifted | static_cast<Row>(bit ? 1 : 0);
        }
      }
      const uint64_t columns = shard.columns + (block >= shard.wide_from ? 1 : 0);
      char* const to = out.data() + begin + columns_before(shard, block) * kColumnBytes;
      for (uint64_t i = 0; i < columns; ++i) base::store(to + i * kColumnBytes, behind[i]);
    }
  }

 private:
  bool add(Equation equation, uint32_t mask) noexcept {
    equation.answer &= mask;
    for (;;) {
      Row& row = rows_[equation.slot];
      if (row == 0) {
        row = equation.row;
        answers_[equation.slot] = equation.answer;
        return true;
      }
      equation.row ^= row;
      equation.answer ^= answers_[equation.slot];
      if (equation.row == 0)
        return equation.answer == 0;  // The same key twice, as far as anybody can tell.
      const uint32_t shift = trailing_zeros(equation.row);
      equation.row >>= shift;
      equation.slot += shift;
    }
  }

  std::vector<Row> rows_;
  std::vector<uint32_t> answers_;
};

Shard build_shard(std::span<const uint64_t> hashes, double bits_per_key, Banding& banding) {
  const double keys = static_cast<double>(hashes.size());
  Shard shard{};
  if (hashes.empty()) return shard;
  auto blocks = static_cast<uint64_t>(std::ceil(keys * kSlotsPerKey / kWidth));
  for (;; ++shard.seed) {
    // A shard that fails again and again gets more room: so it ends.
    if (shard.seed % 4 == 3) blocks += 1 + blocks / 64;
    // Of few keys, what rounding up to blocks costs is not worth a thought.
    const auto budget = static_cast<uint64_t>(
        blocks < 8 ? static_cast<double>(blocks) * bits_per_key : keys * bits_per_key / kWidth);
    const uint64_t columns = std::clamp<uint64_t>(budget / blocks, 1, kColumnsMax - 1);
    const uint64_t wide = std::min(budget - std::min(budget, columns * blocks), blocks);
    shard.blocks = static_cast<uint32_t>(blocks);
    shard.columns = static_cast<uint32_t>(columns);
    shard.wide_from = static_cast<uint32_t>(blocks - wide);
    if (banding.solve(hashes, shard.seed, blocks, (uint32_t{2} << columns) - 1)) return shard;
  }
}

}  // namespace

// Of its own fields: shards, columns.
Result<RibbonView> RibbonView::open(const FilterHeader& header, std::string_view bytes) {
  RibbonView view;
  view.shards_ = header.own[0];
  view.column_count_ = header.own[1];
  const uint64_t rest = bytes.size() - FilterHeader::kBytes;
  if (view.shards_ > rest / sizeof(Shard) || view.column_count_ > rest / kColumnBytes ||
      view.shards_ * sizeof(Shard) + view.column_count_ * kColumnBytes != rest) {
    return damaged_filter("its shards and columns are not as many as its size says");
  }
  view.shard_table_ = bytes.data() + FilterHeader::kBytes;
  view.columns_ = view.shard_table_ + view.shards_ * sizeof(Shard);
  return view;
}

bool RibbonView::may_contain(uint64_t hash) const noexcept {
  if (shards_ == 0) return false;
  const auto shard = base::load<Shard>(shard_table_ + base::scale(hash, shards_) * sizeof(Shard));
  if (shard.blocks == 0) return false;
  const Equation equation = equation_of(hash, shard.seed, shard.blocks);
  const uint64_t block = equation.slot / kWidth;
  const auto offset = static_cast<uint32_t>(equation.slot % kWidth);
  const uint64_t columns = shard.columns + (block >= shard.wide_from ? uint64_t{1} : 0);
  const uint64_t here = shard.first_column + columns_before(shard, block);
  const uint64_t next = shard.first_column + columns_before(shard, block + 1);
  // Whatever the table says, nothing is read outside; 2^32 blocks of 2^32 columns are fewer than 2^64.
  if (columns > kColumnsMax || shard.first_column > column_count_ || here > column_count_ ||
      next + (offset == 0 ? 0 : columns) > column_count_ || next < here) {
    return true;
  }
  for (uint64_t i = 0; i < columns; ++i) {
    Row sum = base::load<Row>(columns_ + (here + i) * kColumnBytes) & (equation.row << offset);
    if (offset != 0) {
      sum ^= base::load<Row>(columns_ + (next + i) * kColumnBytes) &
             (equation.row >> (kWidth - offset));
    }
    if (odd(sum) != ((equation.answer >> i & 1) != 0)) return false;
  }
  return true;
}

std::string build_ribbon(std::vector<uint64_t>& hashes, double bits_per_key) {
  std::sort(hashes.begin(), hashes.end());
  const uint64_t shards = (hashes.size() + kShardKeys - 1) / kShardKeys;
  std::string bytes(FilterHeader::kBytes + shards * sizeof(Shard), '\0');
  const size_t columns_begin = bytes.size();
  Banding banding;
  size_t at = 0;
  for (uint64_t number = 0; number < shards; ++number) {
    const size_t begin = at;
    while (at < hashes.size() && base::scale(hashes[at], shards) == number) ++at;
    Shard shard = build_shard(std::span(hashes).subspan(begin, at - begin), bits_per_key, banding);
    shard.first_column = (bytes.size() - columns_begin) / kColumnBytes;
    base::store(bytes.data() + FilterHeader::kBytes + number * sizeof(Shard), shard);
    if (shard.blocks != 0) banding.write(shard, bytes);
  }
  AETHER_ASSERT(at == hashes.size());
  FilterHeader header{};
  header.kind = static_cast<uint8_t>(FilterKind::ribbon);
  header.keys = hashes.size();
  header.own[0] = shards;
  header.own[1] = (bytes.size() - columns_begin) / kColumnBytes;
  base::store(bytes.data(), header);
  seal_filter(bytes);
  return bytes;
}

}  // namespace aether::lsm
