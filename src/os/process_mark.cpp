#include "os/process_mark.h"

#include <pthread.h>

#include "base/assert.h"

namespace aether::os {

std::atomic<uint32_t> g_fork_depth{0};

ProcessMark::ProcessMark() noexcept : depth_(g_fork_depth.load(std::memory_order_relaxed)) {
  static const int registered = ::pthread_atfork(
      nullptr, nullptr, [] { g_fork_depth.fetch_add(1, std::memory_order_relaxed); });
  AETHER_ASSERT(registered == 0);  // Else: out of memory, a few bytes at the first open.
}

}  // namespace aether::os
