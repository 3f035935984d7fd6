/// Asking memory for a line of the processor's caches before it is needed.
#pragma once

namespace aether::base {

/// The line at `at`, which may be any address, also one that is not mapped: it will be read soon, or written (`to_write`).
template <bool to_write = false>
[[gnu::always_inline]] inline void prefetch(const void* at) noexcept {
  __builtin_prefetch(at, to_write ? 1 : 0);
  // g++ 12 takes a function that does nothing but this for one without effects, and leaves out its calls.
  asm volatile("");
}

}  // namespace aether::base
