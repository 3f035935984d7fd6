/// Assertions: for our own mistakes. The world's mistakes (disk, network, user) are `Error`s.
///
/// AETHER_ASSERT(x)   on in every build: a compare on data at hand.
/// AETHER_CHECK(x)    walks whole structures: debug, sanitizer, simulation and fuzz builds only.
/// AETHER_MAYBE(x)    tells the reader that x and !x are both legal here.
///
/// Where the simulator must have come by: base/reached.h. Where a bug is planted: base/planted.h.
#pragma once

namespace aether::base {
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line) noexcept;
}

#define AETHER_ASSERT(x)                             \
  (__builtin_expect(!!(x), 1) ? static_cast<void>(0) \
                              : ::aether::base::assertion_failed(#x, __FILE__, __LINE__))

#if defined(AETHER_CHECKED)
#define AETHER_CHECK(x) AETHER_ASSERT(x)
#else
#define AETHER_CHECK(x) static_cast<void>(sizeof(!(x)))
#endif

#define AETHER_MAYBE(x) static_cast<void>(sizeof(!(x)))
