/// Reads all that is on disk again and again, so that damage is found while it can still be mended.
///
/// A round goes over the tags, CONTROL, the full segments of the log, and every allocated page (page_look.h). The background
/// thread, aether-scrub, begins its first one at a random group of pages: an environment that is never open for a whole
/// round is read all the same, in the course of many openings. `round` makes one on the caller's thread.
///
/// Damage that cannot be mended is kept in a list until a look finds it gone.
///
/// Threads   Any; start and stop: the one that opens and closes.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "aether/error.h"
#include "aether/function_ref.h"
#include "aether/stats.h"
#include "os/os.h"
#include "os/sync.h"

namespace aether::db {

class EnvImpl;

class Scrubber {
 public:
  Scrubber(EnvImpl& env, uint64_t bytes_per_second, os::Os& os)
      : env_(env), bytes_per_second_(bytes_per_second), os_(os) {}
  ~Scrubber() { stop(); }
  Scrubber(const Scrubber&) = delete;
  Scrubber& operator=(const Scrubber&) = delete;

  /// Begins to go round in the background. Errors: no_memory.
  Result<void> start();
  /// Breaks off what goes on in the background, and waits for it.
  void stop() noexcept;

  /// One round. Errors: closed (`progress` said so); of writing.
  Result<ScrubReport> round(uint64_t bytes_per_second,
                            FunctionRef<bool(uint64_t done, uint64_t total)> progress);
  void fill(EnvStats& stats);

  /// How long to wait so that no second sees more than a rate. What was not used is not saved up.
  class Pace {
   public:
    /// `bytes_per_second` 0: as it goes.
    explicit Pace(uint64_t bytes_per_second) noexcept : rate_(bytes_per_second) {}
    /// `bytes` have been read, from `begun_ns` on. Until when nothing may be read.
    uint64_t until(uint64_t bytes, uint64_t begun_ns) noexcept;

   private:
    const uint64_t rate_;
    uint64_t due_ns_ = 0;
  };

 private:
  class Round;
  void run();
  void run_once(uint64_t first_group);
  bool wait_until(uint64_t due_ns);

  // Figures; `page` 0: of a file.
  void add(uint64_t pages, uint64_t bytes);
  void add_repaired();
  void add_damage(uint64_t page, std::string message);
  void remove_damage(uint64_t page);
  void end_round(const ScrubReport& report);

  EnvImpl& env_;
  const uint64_t bytes_per_second_;
  os::Os& os_;
  std::unique_ptr<os::Thread> thread_;
  os::Mutex mutex_;  ///< Guards what follows.
  os::CondVar wake_;
  bool stop_ AETHER_GUARDED_BY(mutex_) = false;
  ScrubReport sum_ AETHER_GUARDED_BY(mutex_);  ///< Its problems: those that are known now.
  uint64_t rounds_ AETHER_GUARDED_BY(mutex_) = 0;
  uint64_t last_end_ns_ AETHER_GUARDED_BY(mutex_) = 0;
  double last_seconds_ AETHER_GUARDED_BY(mutex_) = 0;
  std::string last_error_ AETHER_GUARDED_BY(mutex_);
  std::atomic<bool> any_damage_{false};
};

}  // namespace aether::db
