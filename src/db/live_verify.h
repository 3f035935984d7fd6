/// Verification that another process has asked for (`aether verify --online`): in a thread of its own, so that the channel
/// goes on answering.
///
/// One at a time; who asks while one runs, gets that one. Nobody asks any more: it breaks off.
///
/// Threads   `start` and `look`: the channel's. The destructor breaks off what runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "aether/error.h"
#include "aether/stats.h"
#include "os/os.h"
#include "os/sync.h"

namespace aether::db {

class EnvImpl;

class LiveVerify {
 public:
  LiveVerify(EnvImpl& env, os::Os& os) : env_(env), os_(os) {}
  ~LiveVerify();
  LiveVerify(const LiveVerify&) = delete;
  LiveVerify& operator=(const LiveVerify&) = delete;

  /// Begins one, unless one runs. Its document, as `look`. Errors: no_memory.
  Result<std::string> start();
  /// How far the last one is, or what has come of it (docs/formats/live.md).
  std::string look();

 private:
  void run();
  Result<void> step(uint64_t done, uint64_t total);

  EnvImpl& env_;
  os::Os& os_;
  std::unique_ptr<os::Thread> thread_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> asked_ns_{0};
  std::atomic<uint64_t> done_{0};
  std::atomic<uint64_t> total_{0};
  os::Mutex mutex_;
  uint64_t number_ AETHER_GUARDED_BY(mutex_) = 0;
  bool is_running_ AETHER_GUARDED_BY(mutex_) = false;
  double seconds_ AETHER_GUARDED_BY(mutex_) = 0;
  Result<VerifyReport> report_ AETHER_GUARDED_BY(mutex_) = VerifyReport();
};

}  // namespace aether::db
