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
#include "workload.h"

namespace aether::bench {

class Worker {
 public:
  Worker() = default;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  virtual ~Worker() = default;

  /// One operation. False: no more work, or it failed and `error` says why.
  virtual bool step() = 0;

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

}  // namespace aether::bench
