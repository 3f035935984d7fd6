/// A Bloom filter blocked by cache lines, for points (base/bloom_line.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "aether/error.h"
#include "base/bloom_line.h"
#include "base/prefetch.h"

namespace aether::lsm {

struct FilterHeader;

class BloomView {
 public:
  static Result<BloomView> open(const FilterHeader& header, std::string_view bytes);
  uint32_t probes() const noexcept { return probes_; }
  /// `mask`: of `hash`, with so many probes.
  bool may_contain(uint64_t hash, const base::BloomMask& mask) const noexcept {
    return lines_ != 0 && mask.is_in(first_ + base::scale(hash, lines_) * base::kBloomLineBytes);
  }
  /// Asks memory for what `may_contain` reads.
  void prefetch(uint64_t hash) const noexcept {
    if (lines_ != 0) base::prefetch(first_ + base::scale(hash, lines_) * base::kBloomLineBytes);
  }

 private:
  const char* first_ = nullptr;
  uint64_t lines_ = 0;
  uint32_t probes_ = 1;
};

std::string build_bloom(const std::vector<uint64_t>& hashes, double bits_per_key);

}  // namespace aether::lsm
