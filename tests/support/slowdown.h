// The sanitizers make everything 5 to 15 times slower; the same paths run with fewer rounds.
#pragma once

#include <cstdint>

namespace aether::testing_support {

#if defined(AETHER_TSAN) || defined(AETHER_ASAN)
inline constexpr uint64_t kSlowdown = 5;
#else
inline constexpr uint64_t kSlowdown = 1;
#endif

}  // namespace aether::testing_support
