/// Who decides in a simulation which thread runs next (sim/scheduler.h); nobody, in every other build.
///
/// With the build option AETHER_SIM the waiting and excluding of os/sync.h asks the scheduler of the calling thread, if
/// it has one: then exactly one thread runs at a time, and the seed says who. `sim_point()` marks places between two
/// steps that another thread may see: before a latch is taken or a version compared, around publishing a record, at
/// the hand-over of a flush; `sim_window()` those of them that are hard to meet. Without the option `scheduler()` is a constant null pointer and both are empty.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "aether/error.h"

namespace aether::os {

class Thread;

/// Threads   Called by the threads that it schedules, one at a time.
class Scheduler {
 public:
  static constexpr uint64_t kForever = UINT64_MAX;

  virtual ~Scheduler() = default;

  /// Another thread may come first.
  virtual void step() noexcept = 0;
  /// As step, where a moment is short: the caller may be held for long while the others go on.
  virtual void window() noexcept = 0;
  /// The caller waits for something that nobody announces: others come first.
  virtual void pause() noexcept = 0;
  /// Until somebody wakes whoever waits at `place`; false: the time has passed. `what`: for the report of a deadlock, a
  /// literal. May not return without cause: who has not been woken was forgotten.
  virtual bool wait(const void* place, uint64_t timeout_ns, const char* what) noexcept = 0;
  /// One of those who wait at `place`, as the seed says, or all.
  virtual void wake(const void* place, bool all) noexcept = 0;

  /// Of the calling thread, from 0 in the order in which they were started.
  virtual uint32_t thread_number() const noexcept = 0;
  virtual Result<std::unique_ptr<Thread>> spawn(const std::string& name,
                                                std::function<void()> body) = 0;

  /// Simulated time, which passes when somebody looks, sleeps, or nobody can run.
  virtual uint64_t now_ns() const noexcept = 0;
  virtual void advance_to(uint64_t now_ns) noexcept = 0;
};

#if defined(AETHER_SIM)

/// Of the calling thread; null: it runs as the system lets it.
Scheduler* scheduler() noexcept;
/// For schedulers: from here on the calling thread's.
void set_scheduler(Scheduler* scheduler) noexcept;

/// While it lives the calling thread runs alone: nobody else comes, it must not wait. Its number stays.
class Unscheduled {
 public:
  Unscheduled() noexcept;
  ~Unscheduled();
  Unscheduled(const Unscheduled&) = delete;
  Unscheduled& operator=(const Unscheduled&) = delete;

 private:
  Scheduler* const scheduler_;
};

void sim_point() noexcept;
void sim_window() noexcept;

#else

inline Scheduler* scheduler() noexcept { return nullptr; }
inline void set_scheduler(Scheduler*) noexcept {}
struct Unscheduled {
  Unscheduled() noexcept {}
};
inline void sim_point() noexcept {}
inline void sim_window() noexcept {}

#endif

}  // namespace aether::os
