/// Threads of a simulated machine: one runs at a time, and the seed decides who comes next.
///
///   sim::Scheduler scheduler(sim::schedule_of(seed));
///   scheduler.run([&] { ... open an environment on a SimOs, spawn threads, join them ... });
///   scheduler.trace_hash();  // The same seed, the same hash.
///
/// Every thread is a fiber with a stack of its own on the thread that calls `run`. It goes on until it waits, or until a
/// decision point (os::sim_point, a mutex, an I/O step) hands the machine to another one. Two policies:
///
///   walk         at each point, with a chance of one in `switch_every`, any thread that can run
///   priorities   the thread of the highest priority that can run; at `change_points` steps, chosen beforehand among
///                the first `steps_expected`, the running one falls below all others
///
/// With both, a thread in a window (os::sim_window) is now and again held for many steps of the others.
///
/// Time is simulated: a timed wait ends when nobody can run, or now and again while others still do. Nobody can run
/// and nobody waits for time: a deadlock. No end after `steps_max`: a livelock. Both are reported with what each thread
/// waits for.
///
/// Threads   `run` and all that it runs are on one thread of the system.
/// Limits    Only sequentially consistent interleavings, at decision points only. thread_local variables are shared
///           by all fibers. Needs the build option AETHER_SIM: else nobody asks the scheduler.
/// Source    Burckhardt, Kothari, Musuvathi, Nagarakatte: "A Randomized Scheduler with Probabilistic Guarantees of
///           Finding Bugs" (PCT), ASPLOS 2010.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "os/os.h"
#include "os/scheduler.h"
#include "sim/random.h"

namespace aether::sim {

enum class SchedulePolicy : uint8_t { walk, priorities };

struct ScheduleOptions {
  uint64_t seed = 1;
  SchedulePolicy policy = SchedulePolicy::walk;
  uint32_t switch_every = 8;        ///< walk
  uint32_t change_points = 3;       ///< priorities
  uint64_t steps_expected = 20000;  ///< priorities
  uint64_t steps_max = 50'000'000;
  /// Called instead of ending the process with a message when the threads cannot go on. Must not return.
  std::function<void(const std::string& report)> on_stuck = {};
};

/// A policy with its figures, all from the seed.
ScheduleOptions schedule_of(uint64_t seed);

class Scheduler final : public os::Scheduler {
 public:
  explicit Scheduler(const ScheduleOptions& options);
  ~Scheduler() override;
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// Runs `main` as thread 0, and all that it spawns; returns when the last has ended. Once.
  void run(std::function<void()> main);

  uint64_t steps() const noexcept { return steps_; }        ///< Decision points passed.
  uint64_t switches() const noexcept { return switches_; }  ///< Where another thread came.
  uint32_t threads() const noexcept { return static_cast<uint32_t>(fibers_.size()); }
  /// Of who ran when, and of all that `note` was told.
  uint64_t trace_hash() const noexcept { return trace_hash_; }
  void note(uint64_t event) noexcept;

  void step() noexcept override;
  void window() noexcept override;
  void pause() noexcept override;
  bool wait(const void* place, uint64_t timeout_ns, const char* what) noexcept override;
  void wake(const void* place, bool all) noexcept override;
  uint32_t thread_number() const noexcept override { return current_; }
  Result<std::unique_ptr<os::Thread>> spawn(const std::string& name,
                                            std::function<void()> body) override;
  uint64_t now_ns() const noexcept override { return now_ns_; }
  void advance_to(uint64_t now_ns) noexcept override {
    if (now_ns > now_ns_) now_ns_ = now_ns;
  }

 private:
  struct Fiber;
  class Handle;
  static constexpr uint32_t kNobody = UINT32_MAX;

  static void enter();
  uint32_t start(const std::string& name, std::function<void()> body);
  void join(uint32_t number) noexcept;
  /// Hands over to `next`; returns when the caller's turn comes again.
  void switch_to(uint32_t next) noexcept;
  void reschedule() noexcept;
  uint32_t pick(uint32_t except) noexcept;
  uint32_t pick_any(uint32_t except, bool held_too) noexcept;
  uint32_t pick_highest(bool held_too) const noexcept;
  bool may_run(const Fiber& fiber, bool held_too) const noexcept;
  bool let_time_pass(bool any_sleeper) noexcept;
  void draw_switch() noexcept;
  [[noreturn]] void stuck(const char* what);

  const ScheduleOptions options_;
  Random random_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::unique_ptr<Fiber> outside_;  ///< Who called `run`.
  uint32_t current_ = kNobody;
  uint64_t now_ns_ = 0;
  uint64_t steps_ = 0;
  uint64_t switches_ = 0;
  uint64_t until_switch_ = 0;  ///< walk: steps left.
  uint64_t trace_hash_ = 0;
  uint64_t pauses_ = 0;              ///< Since time has passed.
  int64_t lowest_priority_ = 0;      ///< Of those given so far.
  std::vector<uint64_t> change_at_;  ///< Descending.
};

}  // namespace aether::sim
