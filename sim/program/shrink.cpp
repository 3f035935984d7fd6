#include "sim/program/shrink.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "os/os.h"

namespace aether::program {

namespace {

constexpr uint64_t kCrashesOfAnAttempt = 300;

class Shrinker {
 public:
  Shrinker(const RunPlan& plan, const Breach& breach, uint64_t seconds)
      : best_{plan, breach, 0},
        until_ns_(os::production().monotonic_ns() + seconds * 1'000'000'000) {}

  Shrunk run() {
    fewer_lives();
    fewer_faults();
    fewer_operations();
    fewer_faults();
    one_crash();
    return best_;
  }

 private:
  bool is_over() const { return os::production().monotonic_ns() >= until_ns_; }

  std::optional<Breach> run_once(const RunPlan& plan, OperationSet& done) {
    ++best_.attempts;
    RunCounts counts;
    CrashRun run(plan, counts, nullptr);
    std::optional<Breach> breach = run.run();
    done = run.done();
    moments_ = counts.moments;
    return breach;
  }

  /// Keeps the plan if it still fails, in whatever way.
  bool attempt(RunPlan plan) {
    if (is_over()) return false;
    plan.only.reset();
    // As many crashes as an attempt may cost, over all of it.
    plan.dense = 1 + moments_ / kCrashesOfAnAttempt;
    OperationSet done;
    std::optional<Breach> breach = run_once(plan, done);
    if (!breach) return false;
    plan.operations = std::move(done);
    best_.plan = std::move(plan);
    best_.breach = *std::move(breach);
    return true;
  }

  /// What the breach needs of the run as it was: nothing behind it.
  void fewer_lives() {
    RunPlan plan = best_.plan;
    plan.only = best_.breach.point;
    OperationSet done;
    if (!run_once(plan, done)) return;
    plan.operations = std::move(done);
    best_.plan = std::move(plan);
  }

  void fewer_faults() {
    const FaultSet faults = best_.plan.faults;
    for (const FaultKind kind : faults) {
      RunPlan plan = best_.plan;
      plan.faults.erase(kind);
      attempt(std::move(plan));
    }
  }

  void fewer_operations() {
    if (!best_.plan.operations) return;
    for (size_t piece = std::max<size_t>(best_.plan.operations->size() / 2, 1); !is_over();) {
      bool smaller = false;
      const OperationSet& whole = *best_.plan.operations;
      std::vector<uint64_t> all(whole.begin(), whole.end());
      for (size_t at = 0; at < all.size() && !is_over(); at += piece) {
        RunPlan plan = best_.plan;
        size_t left_out = 0;
        for (size_t i = at; i < std::min(at + piece, all.size()); ++i)
          left_out += plan.operations->erase(all[i]);
        if (left_out > 0) smaller = attempt(std::move(plan)) || smaller;
      }
      if (smaller) continue;
      if (piece == 1) return;
      piece = (piece + 1) / 2;
    }
  }

  void one_crash() {
    RunPlan plan = best_.plan;
    plan.dense = 0;
    plan.only = best_.breach.point;
    OperationSet done;
    if (std::optional<Breach> breach = run_once(plan, done)) {
      best_.plan = std::move(plan);
      best_.breach = *std::move(breach);
    }
  }

  Shrunk best_;
  uint64_t moments_ = kCrashesOfAnAttempt * 4;
  const uint64_t until_ns_;
};

}  // namespace

Shrunk shrink(const RunPlan& plan, const Breach& breach, uint64_t seconds) {
  return Shrinker(plan, breach, seconds).run();
}

}  // namespace aether::program
