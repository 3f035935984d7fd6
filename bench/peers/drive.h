/// Drives workers, one thread each, from a common start, and times every step they take.
///
/// Threads  `drive` starts and joins the threads. Meanwhile only its own thread touches a
///          Worker.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aether/error.h"
#include "histogram.h"
#include "json.h"
#include "pauses.h"

namespace aether::bench {

struct Measured {
  Histogram latency;  ///< In ticks.
  LongestPause pause;
  double us_per_tick = 0;
  uint64_t operations = 0;  ///< Steps, times what a step counts.
  uint64_t warm_up_operations = 0;
  uint64_t retries = 0;                ///< Conflicts that were tried again.
  uint64_t background_operations = 0;  ///< Of workers in the background, which count nowhere else.
  double seconds = 0;
  double cpu_seconds = 0;  ///< All threads of the process, the engine's own included.
};

class Worker {
 public:
  Worker() = default;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  virtual ~Worker() = default;

  /// One operation. False: no more work, or it failed and `error` says why.
  virtual bool step() = 0;
  /// What one step counts in the rate; its latency is that of the step.
  virtual uint64_t operations_per_step() const noexcept { return 1; }
  /// True: it runs beside what is measured; of its steps only the number is kept.
  virtual bool background() const noexcept { return false; }
  /// The warm-up is over: what the worker counts itself begins now.
  virtual void start_measuring() {}

  const std::string& error() const noexcept { return error_; }
  uint64_t retries() const noexcept { return retries_; }

 protected:
  bool fail(std::string why) {
    error_ = std::move(why);
    return false;
  }
  void count_retry() noexcept { ++retries_; }

 private:
  std::string error_;
  uint64_t retries_ = 0;
};

struct Timing {
  double warm_up_seconds = 0;  ///< Work that is not counted.
  double seconds = 0;          ///< 0: until every worker has no more work; then no warm-up either.
};

/// Errors: failed, with the first worker's error.
Result<Measured> drive(std::vector<std::unique_ptr<Worker>>& workers, const Timing& timing);

/// Sets operations, rates and latencies in `result`.
void describe_measured(const Measured& measured, JsonObject& result);

}  // namespace aether::bench
