#include "base/reached.h"

#if defined(AETHER_REACHED_POINTS)
extern "C" {
// Where the linker has put the entries. Weak: a program may have none.
[[gnu::weak]] extern aether::base::ReachedPoint* __start_aether_reached[];
[[gnu::weak]] extern aether::base::ReachedPoint* __stop_aether_reached[];
}
#endif

namespace aether::base {

std::vector<const ReachedPoint*> reached_points() {
  std::vector<const ReachedPoint*> points;
#if defined(AETHER_REACHED_POINTS)
  for (ReachedPoint** at = __start_aether_reached; at != __stop_aether_reached; ++at) {
    if (*at != nullptr) points.push_back(*at);
  }
#endif
  return points;
}

}  // namespace aether::base
