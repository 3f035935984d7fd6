/// The hash over all steps of all machines of a run: the same seed gives the same one, byte for byte.
#pragma once

#include <cstdint>

#include "sim/sim_os.h"

namespace aether::program {

class Trace final : public sim::StepObserver {
 public:
  /// `prints`: every step, as a line.
  explicit Trace(bool prints) : prints_(prints) {}
  void see(const sim::Step& step) override;
  uint64_t hash() const { return hash_; }
  uint64_t steps() const { return steps_; }

 private:
  const bool prints_;
  uint64_t hash_ = 0;
  uint64_t steps_ = 0;
};

}  // namespace aether::program
