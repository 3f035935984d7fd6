/// A Bloom filter over the hashes of a run: what is not in the run is mostly told without reading it (base/bloom_line.h).
///
/// Threads   Filled by one; then read by any.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/bloom_line.h"

namespace aether::txn {

class VersionFilter {
 public:
  /// About 8 bits for each of `versions`, but at most `bytes_max`: a fuller one is asked in vain more often.
  VersionFilter(uint64_t versions, uint64_t bytes_max)
      : lines_(std::clamp<uint64_t>(versions * 8 / base::kBloomLineBits, 1,
                                    std::max<uint64_t>(bytes_max / base::kBloomLineBytes, 1))),
        probes_(base::bloom_best_probes(static_cast<double>(versions) /
                                        static_cast<double>(lines_.size()))) {}

  void add(uint64_t hash) noexcept { base::bloom_add(line_of(hash), hash, probes_); }
  /// False: no such hash was added.
  bool may_contain(uint64_t hash) const noexcept {
    return base::bloom_may_contain(line_of(hash), hash, probes_);
  }
  uint64_t memory_bytes() const noexcept { return lines_.size() * sizeof(Line); }

 private:
  struct alignas(base::kBloomLineBytes) Line {
    char bytes[base::kBloomLineBytes] = {};
  };

  char* line_of(uint64_t hash) noexcept { return lines_[base::scale(hash, lines_.size())].bytes; }
  const char* line_of(uint64_t hash) const noexcept {
    return lines_[base::scale(hash, lines_.size())].bytes;
  }

  std::vector<Line> lines_;
  uint32_t probes_;
};

}  // namespace aether::txn
