/// Decision points for the simulator's scheduler below os/, which has those for all others (os/scheduler.h). Empty in every build
/// without AETHER_SIM.
#pragma once

namespace aether::base {

#if defined(AETHER_SIM)

/// Asks whoever schedules the calling thread. Set by os/ with the first scheduler.
using SimStep = void (*)(bool is_window) noexcept;
void set_sim_step(SimStep step) noexcept;

void sim_point() noexcept;
void sim_window() noexcept;

#else

inline void sim_point() noexcept {}
inline void sim_window() noexcept {}

#endif

}  // namespace aether::base
