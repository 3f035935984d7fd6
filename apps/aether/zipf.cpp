#include "apps/aether/zipf.h"

#include <algorithm>
#include <cmath>

namespace aether::cli {

// The area under x^-s from 1 to x, and its inverse.
double Zipf::integral(double x) const noexcept {
  return std::expm1((1 - s_) * std::log(x)) / (1 - s_);
}
double Zipf::inverse(double area) const noexcept {
  return std::exp(std::log1p(std::max(area * (1 - s_), -1.0)) / (1 - s_));
}
double Zipf::height(double x) const noexcept { return std::exp(-s_ * std::log(x)); }

Zipf::Zipf(uint64_t n, double s) noexcept
    : n_(static_cast<double>(n)),
      s_(s),
      lowest_(integral(1.5) - 1),
      highest_(integral(n_ + 0.5)),
      sure_(2 - inverse(integral(2.5) - height(2))) {}

uint64_t Zipf::draw(Dice& dice) const noexcept {
  for (;;) {
    const double area = highest_ + dice.fraction() * (lowest_ - highest_);
    const double x = inverse(area);
    const double rank = std::clamp(std::floor(x + 0.5), 1.0, n_);
    if (rank - x <= sure_ || area >= integral(rank + 0.5) - height(rank))
      return static_cast<uint64_t>(rank);
  }
}

}  // namespace aether::cli
