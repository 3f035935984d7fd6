/// What the longest steps of a thread were made of: its own work, waiting for a processor that others had, and sleep, for a device or for
/// another thread. One figure for the longest step says nothing on a machine that is shared.
///
/// The kernel keeps the first two for each thread (its processor clock, and /proc/thread-self/schedstat). They are read once in about a
/// millisecond, between two steps, and after each step that is longer than that; so what is said of a step may hold a millisecond of
/// those before it.
///
/// Threads  The one that made it.
#pragma once

#include <cstdint>

#include "process.h"

namespace aether::bench {

/// Nanoseconds: the most that one step had of each.
struct LongestPause {
  uint64_t work = 0;
  uint64_t processor = 0;
  uint64_t sleep = 0;
  void merge(const LongestPause& other) noexcept;
};

class Pauses {
 public:
  Pauses() noexcept;
  Pauses(const Pauses&) = delete;
  Pauses& operator=(const Pauses&) = delete;
  ~Pauses();

  /// A step took from `before` to `after`, in ticks. Returns when the next one begins.
  uint64_t step(uint64_t before, uint64_t after) noexcept {
    return after - sampled_ticks_ < kTicks ? after : look(after - before >= kTicks);
  }
  void clear() noexcept { longest_ = {}; }
  const LongestPause& longest() const noexcept { return longest_; }

 private:
  static constexpr uint64_t kTicks = uint64_t{1} << 21;
  struct Sample {
    uint64_t at = 0;
    uint64_t work = 0;
    uint64_t processor = 0;
  };
  uint64_t look(bool was_long) noexcept;
  Sample sample() const noexcept;

  int file_ = -1;
  uint64_t sampled_ticks_ = 0;
  Sample last_;
  LongestPause longest_;
};

}  // namespace aether::bench
