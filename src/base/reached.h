/// Rare points: places that a fault or an unlikely order of events leads to. A simulation that has not come by a point says
/// nothing of it, so aether-sim counts them and can demand them (sim/REACHED.md).
///
///   if (found.torn) AETHER_REACHED("wal.torn_tail_cut");
///
/// Compiled in with the build option AETHER_REACHED, which is on where the tests are built, else nothing: then it is one
/// addition where few come by. Points of one name count as one.
///
/// Rule      Not in a template or an inline function: a point stands in one object file. Not on a hot path.
/// Threads   Any.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

namespace aether::base {

struct ReachedPoint {
  const char* name;
  const char* file;
  std::atomic<uint64_t> times;
};

/// All points of this program, those too that nobody has come by. Empty: compiled without them.
std::vector<const ReachedPoint*> reached_points();

}  // namespace aether::base

#if defined(AETHER_REACHED_POINTS)
// The linker makes one array of the entries: a point is known before anybody has come by.
#define AETHER_REACHED(point_name)                                                         \
  do {                                                                                     \
    static constinit ::aether::base::ReachedPoint aether_point{point_name, __FILE__, {0}}; \
    [[gnu::section("aether_reached"),                                                      \
      gnu::used]] static ::aether::base::ReachedPoint* aether_entry = &aether_point;       \
    aether_point.times.fetch_add(1, std::memory_order_relaxed);                            \
  } while (false)
#else
#define AETHER_REACHED(point_name) static_cast<void>(0)
#endif
