/// Ranks with a Zipf distribution, without a table: rank k of n comes in proportion to 1 / k^s.
///
/// Threads   A value: any thread may draw with randomness of its own.
/// Source    Hörmann, Derflinger: "Rejection-inversion to generate variates from monotone discrete distributions",
///           ACM TOMACS 6(3), 1996.
#pragma once

#include <cstdint>

namespace aether::cli {

/// A step of splitmix64 (Steele, Lea, Flood, OOPSLA 2014); one to one.
constexpr uint64_t scrambled(uint64_t x) noexcept {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

/// Random numbers of one thread.
class Dice {
 public:
  explicit Dice(uint64_t seed) noexcept : state_(seed) {}
  uint64_t next() noexcept { return scrambled(state_ += 0x9e3779b97f4a7c15); }
  /// 0 to n - 1; the bias is below n / 2^64.
  uint64_t below(uint64_t n) noexcept {
    __extension__ using Wide = unsigned __int128;
    return static_cast<uint64_t>((Wide{next()} * n) >> 64);
  }
  /// From 0, less than 1.
  double fraction() noexcept { return static_cast<double>(next() >> 11) * 0x1p-53; }

 private:
  uint64_t state_;
};

class Zipf {
 public:
  /// `n` at least 1; `s` above 0 and not 1.
  Zipf(uint64_t n, double s) noexcept;
  /// 1 to n.
  uint64_t draw(Dice& dice) const noexcept;

 private:
  double integral(double x) const noexcept;
  double inverse(double area) const noexcept;
  double height(double x) const noexcept;

  double n_;
  double s_;
  double lowest_;  ///< Areas that are drawn lie between these two.
  double highest_;
  double sure_;  ///< So near to a rank nothing is rejected.
};

}  // namespace aether::cli
