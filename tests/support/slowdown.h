// How much less a test is to do where a sanitizer makes everything several times slower.
#pragma once

#include <cstdint>

namespace aether::testing_support {

#if defined(AETHER_TSAN) || defined(AETHER_ASAN)
inline constexpr uint64_t kSlowdown = 5;
#else
inline constexpr uint64_t kSlowdown = 1;
#endif

}  // namespace aether::testing_support
