/// A Bloom filter in lines of 512 bits: all probes of a hash are in one line, so that a question costs one cache miss.
///
/// Threads   Pure functions over the caller's words; `line` is 8 words.
/// Source    Putze, Sanders, Singler: "Cache-, Hash- and Space-Efficient Bloom Filters", WEA 2007.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/bytes.h"

namespace aether::base {

inline constexpr uint32_t kBloomLineBits = 512;
inline constexpr uint32_t kBloomLineBytes = kBloomLineBits / 8;
inline constexpr uint32_t kBloomProbesMax = 16;
inline constexpr uint32_t kBloomProbesOfAWord = 7;  ///< A mixed hash gives so many.

/// The upper half of a product: `hash` scaled to 0 .. range-1 without a division.
inline uint64_t scale(uint64_t hash, uint64_t range) noexcept {
  __extension__ using Wide = unsigned __int128;
  return static_cast<uint64_t>((static_cast<Wide>(hash) * range) >> 64);
}

/// Every bit of the answer depends on every bit of `value`; a bijection (the finalizer of MurmurHash3, Appleby).
inline uint64_t mix(uint64_t value) noexcept {
  value = (value ^ value >> 33) * 0xff51'afd7'ed55'8ccd;
  value = (value ^ value >> 33) * 0xc4ce'b9fe'1a85'ec53;
  return value ^ value >> 33;
}

/// Calls `visit(bit)` for each probe of `hash` in its line, until it answers false. 9 bits of a mixed hash each: seven
/// to a word.
template <typename Visit>
inline bool bloom_probe(uint64_t hash, uint32_t probes, Visit&& visit) noexcept {
  for (uint32_t i = 0; i < probes;) {
    uint64_t rest = mix(hash + i);
    for (const uint32_t end = std::min(i + kBloomProbesOfAWord, probes); i < end; ++i, rest >>= 9) {
      if (!visit(static_cast<uint32_t>(rest % kBloomLineBits))) return false;
    }
  }
  return true;
}

inline void bloom_add(char* line, uint64_t hash, uint32_t probes) noexcept {
  bloom_probe(hash, probes, [&](uint32_t bit) {
    char* const word = line + bit / 64 * 8;
    store(word, load<uint64_t>(word) | uint64_t{1} << bit % 64);
    return true;
  });
}

inline bool bloom_may_contain(const char* line, uint64_t hash, uint32_t probes) noexcept {
  return bloom_probe(hash, probes, [&](uint32_t bit) {
    return (load<uint64_t>(line + bit / 64 * 8) >> bit % 64 & 1) != 0;
  });
}

/// The bits of a hash's probes, for lines of several filters. To tell that one is not in a line takes no branch for each probe, of which no
/// processor could guess at which it ends.
class BloomMask {
 public:
  BloomMask() = default;
  BloomMask(uint64_t hash, uint32_t probes) noexcept : probes_(probes) {
    bloom_probe(hash, probes, [this](uint32_t bit) {
      words_[bit / 64] |= uint64_t{1} << bit % 64;
      return true;
    });
  }
  uint32_t probes() const noexcept { return probes_; }
  bool is_in(const char* line) const noexcept {
    uint64_t missing = 0;
    for (uint32_t i = 0; i < kWords; ++i)
      missing |= words_[i] & ~load<uint64_t>(line + i * sizeof(uint64_t));
    return missing == 0;
  }

 private:
  static constexpr uint32_t kWords = kBloomLineBits / 64;
  uint64_t words_[kWords] = {};
  uint32_t probes_ = 0;
};

/// The share of foreign hashes that are found, with `keys_per_line` on average: lines are fuller and emptier by chance.
double bloom_false_positives(double keys_per_line, uint32_t probes) noexcept;
/// The number of probes that makes it smallest.
uint32_t bloom_best_probes(double keys_per_line) noexcept;
/// No more than a word of a mixed hash gives, unless that makes it larger by more than 15 %: so filters of 10 to 15 bits a key have the
/// same bits to ask for.
uint32_t bloom_cheap_probes(double keys_per_line) noexcept;

}  // namespace aether::base
