/// The simulator's dice: everything that it decides comes from one of these and so from one seed.
///
/// Threads   None: whoever owns it guards it.
/// Source    Sebastiano Vigna: splitmix64, after Steele, Lea, Flood: "Fast Splittable Pseudorandom Number
///           Generators", OOPSLA 2014.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace aether::sim {

class Random {
 public:
  explicit Random(uint64_t seed) noexcept : state_(seed) {}

  uint64_t next() noexcept {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  /// 0 .. bound-1. `bound` must not be 0.
  uint64_t below(uint64_t bound) noexcept { return next() % bound; }
  bool percent(uint32_t chance) noexcept { return below(100) < chance; }

  template <typename Container>
  void shuffle(Container& items) noexcept {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  uint64_t state_;
};

}  // namespace aether::sim
