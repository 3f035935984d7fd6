/// A histogram of durations with a relative error below 2 %, in fixed memory.
///
/// Threads  One thread records; merge when it has ended.
/// Source   Log-linear buckets as in HdrHistogram (Tene): each power of two in 32 equal parts.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace aether::bench {

class Histogram {
 public:
  /// Any unit. A handful of instructions, no branch that depends on history.
  void record(uint64_t value) noexcept {
    ++counts_[bucket_of(value)];
    if (value > max_) max_ = value;
  }
  void merge(const Histogram& other) noexcept;
  void clear() noexcept { *this = Histogram(); }
  uint64_t count() const noexcept;
  uint64_t max() const noexcept { return max_; }
  /// The middle of the bucket that holds the value at `quantile` (0 to 1); 0 if empty.
  double quantile(double quantile) const noexcept;

 private:
  static constexpr unsigned kPartBits = 5;
  static constexpr size_t kParts = size_t{1} << kPartBits;
  static constexpr size_t kBuckets = (64 - kPartBits + 1) * kParts;

  static size_t bucket_of(uint64_t value) noexcept {
    // Below 32 the value is the bucket; above, its leading six bits and its magnitude are.
    const unsigned shift = static_cast<unsigned>(std::bit_width(value | (kParts - 1))) - kPartBits;
    return shift == 0 ? value : (size_t{shift} << kPartBits) + (value >> (shift - 1)) - kParts;
  }
  static double middle_of(size_t bucket) noexcept;

  std::array<uint64_t, kBuckets> counts_{};
  uint64_t max_ = 0;
};

}  // namespace aether::bench
