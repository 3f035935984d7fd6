/// Tells whether this is still the process that something was made in, or a child of it, made by fork.
///
/// A child of fork has its parent's descriptors and its shared memory, the log's ring among it, but not its threads: what
/// it writes would get between its parent's bytes.
///
/// Threads   Any.
/// Limit     A child made by a bare clone(2), past the C library, is not noticed.
#pragma once

#include <atomic>
#include <cstdint>

namespace aether::os {

/// How many forks lie between the first process and this one. Grows in a child, before its fork returns.
extern std::atomic<uint32_t> g_fork_depth;

class ProcessMark {
 public:
  /// Of the calling process.
  ProcessMark() noexcept;
  /// Cost: two loads.
  bool is_here() const noexcept { return depth_ == g_fork_depth.load(std::memory_order_relaxed); }

 private:
  uint32_t depth_;
};

}  // namespace aether::os
