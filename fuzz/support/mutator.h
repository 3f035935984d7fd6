/// Changes inputs at random, from a seed: what replay runs where there is no libFuzzer. Knows nothing of coverage.
///
/// Threads   One.
#pragma once

#include <string>
#include <vector>

#include "sim/random.h"

namespace aether::fuzz {

class Mutator {
 public:
  Mutator(const std::vector<std::string>& corpus, uint64_t seed) : corpus_(corpus), random_(seed) {}
  /// An input of the corpus with one to eight changes.
  std::string next();

 private:
  void change(std::string& input);
  size_t place_in(const std::string& input) { return random_.below(input.size() + 1); }

  const std::vector<std::string>& corpus_;
  sim::Random random_;
};

}  // namespace aether::fuzz
