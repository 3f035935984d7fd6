#include "histogram.h"

#include <algorithm>
#include <cmath>

namespace aether::bench {

void Histogram::merge(const Histogram& other) noexcept {
  for (size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
  max_ = std::max(max_, other.max_);
}

uint64_t Histogram::count() const noexcept {
  uint64_t total = 0;
  for (const uint64_t n : counts_) total += n;
  return total;
}

double Histogram::quantile(double quantile) const noexcept {
  const uint64_t total = count();
  if (total == 0) return 0;
  const auto wanted = static_cast<uint64_t>(std::clamp(
      std::ceil(quantile * static_cast<double>(total)), 1.0, static_cast<double>(total)));
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < kBuckets; ++bucket) {
    seen += counts_[bucket];
    if (seen >= wanted) return std::min(middle_of(bucket), static_cast<double>(max_));
  }
  return static_cast<double>(max_);
}

double Histogram::middle_of(size_t bucket) noexcept {
  const size_t shift = bucket >> kPartBits;
  const size_t part = bucket & (kParts - 1);
  if (shift == 0) return static_cast<double>(part);
  const double width = std::ldexp(1.0, static_cast<int>(shift) - 1);
  return (static_cast<double>(kParts + part) + 0.5) * width;
}

}  // namespace aether::bench
