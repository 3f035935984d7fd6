#include "pauses.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace aether::bench {

void LongestPause::merge(const LongestPause& other) noexcept {
  work = std::max(work, other.work);
  processor = std::max(processor, other.processor);
  sleep = std::max(sleep, other.sleep);
}

Pauses::Pauses() noexcept
    : file_(open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)),
      sampled_ticks_(ticks()),
      last_(sample()) {}

Pauses::~Pauses() {
  if (file_ >= 0) close(file_);
}

uint64_t Pauses::look(bool was_long) noexcept {
  const Sample now = sample();
  if (was_long && file_ >= 0) {
    const uint64_t all = now.at - last_.at;
    const uint64_t work = std::min(all, now.work - last_.work);
    const uint64_t processor = std::min(all - work, now.processor - last_.processor);
    longest_.merge({work, processor, all - work - processor});
  }
  last_ = now;
  sampled_ticks_ = ticks();
  return sampled_ticks_;
}

/// The file says, in nanoseconds: on a processor, as of the last tick of the scheduler; waiting for one; and how often.
Pauses::Sample Pauses::sample() const noexcept {
  constexpr uint64_t kNsPerSecond = 1'000'000'000;
  Sample sample{.at = clock_ns()};
  timespec work{};
  if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &work) == 0) {
    sample.work = static_cast<uint64_t>(work.tv_sec) * kNsPerSecond +
                  static_cast<uint64_t>(work.tv_nsec);
  }
  std::array<char, 96> text{};
  const ssize_t length = file_ < 0 ? 0 : pread(file_, text.data(), text.size(), 0);
  if (length <= 0) return sample;
  const char* const end = text.data() + length;
  uint64_t at_last_tick = 0;
  const auto [rest, error] = std::from_chars(text.data(), end, at_last_tick);
  if (error == std::errc() && rest < end) std::from_chars(rest + 1, end, sample.processor);
  return sample;
}

}  // namespace aether::bench
