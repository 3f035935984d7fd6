#include "base/bloom_line.h"

#include <cmath>

namespace aether::base {

double bloom_false_positives(double keys_per_line, uint32_t probes) noexcept {
  // Over the numbers of keys that a line may have, as Poisson distributes them.
  const double zero_after_one = std::pow(1.0 - 1.0 / kBloomLineBits, probes);
  double chance = std::exp(-keys_per_line);
  double zero_bits = 1.0;
  double sum = 0;
  const double last = keys_per_line + 12 * std::sqrt(keys_per_line) + 12;
  for (double keys = 0; keys < last; ++keys) {
    sum += chance * std::pow(1.0 - zero_bits, probes);
    chance *= keys_per_line / (keys + 1);
    zero_bits *= zero_after_one;
  }
  return sum;
}

uint32_t bloom_best_probes(double keys_per_line) noexcept {
  uint32_t best = 1;
  double least = bloom_false_positives(keys_per_line, 1);
  for (uint32_t probes = 2; probes <= kBloomProbesMax; ++probes) {
    const double share = bloom_false_positives(keys_per_line, probes);
    if (share >= least) break;
    least = share;
    best = probes;
  }
  return best;
}

uint32_t bloom_cheap_probes(double keys_per_line) noexcept {
  constexpr double kWorseMax = 1.15;
  const uint32_t best = bloom_best_probes(keys_per_line);
  if (best <= kBloomProbesOfAWord) return best;
  const double share = bloom_false_positives(keys_per_line, kBloomProbesOfAWord);
  return share <= kWorseMax * bloom_false_positives(keys_per_line, best) ? kBloomProbesOfAWord
                                                                         : best;
}

}  // namespace aether::base
