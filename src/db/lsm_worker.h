/// The thread that writes generations out, merges runs and gives pages back, for all stores of kind `lsm` of an environment.
///
/// It sleeps until somebody wakes it, or until so much of a run has expired that a merge is begun for it (lsm::Upkeep::rest_ns).
/// What cannot be done for want of room or memory is tried again then, and now and then. Any other error of a step fails the
/// environment.
///
/// Threads   Any.
#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "aether/error.h"
#include "aether/function_ref.h"
#include "os/os.h"
#include "os/sync.h"

namespace aether::db {

class EnvImpl;

class LsmWorker {
 public:
  explicit LsmWorker(EnvImpl& env) noexcept : env_(env) {}
  LsmWorker(const LsmWorker&) = delete;
  LsmWorker& operator=(const LsmWorker&) = delete;
  ~LsmWorker() { stop(); }

  /// Nothing if it runs. Errors: no_memory.
  Result<void> start();
  void stop() noexcept;
  bool is_running() const noexcept { return running_.load(std::memory_order_acquire); }
  void wake() noexcept;
  /// Waits for what a step brings about. Errors: what keeps it from being done.
  Result<void> wait_until(FunctionRef<bool()> is_so);

 private:
  void run();

  EnvImpl& env_;
  std::atomic<bool> running_{false};
  os::Mutex mutex_;
  os::CondVar wake_;
  os::CondVar stepped_;
  bool is_wanted_ AETHER_GUARDED_BY(mutex_) = false;
  bool stop_ AETHER_GUARDED_BY(mutex_) = false;
  std::optional<Error> trouble_ AETHER_GUARDED_BY(mutex_);  ///< Of the last round.
  std::unique_ptr<os::Thread> thread_;
};

}  // namespace aether::db
