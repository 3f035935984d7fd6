#include "base/sim_point.h"

#if defined(AETHER_SIM)

#include <atomic>

namespace aether::base {
namespace {

std::atomic<SimStep> current_step{nullptr};

}  // namespace

void set_sim_step(SimStep step) noexcept { current_step = step; }

void sim_point() noexcept {
  if (const SimStep step = current_step.load(std::memory_order_relaxed)) step(false);
}

void sim_window() noexcept {
  if (const SimStep step = current_step.load(std::memory_order_relaxed)) step(true);
}

}  // namespace aether::base

#endif
