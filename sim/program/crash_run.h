/// One seed: a machine that lives, meets faults and loses power several times, and many crashes beside that. Each crashed
/// machine is recovered and held against the oracle while the first one goes on.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "sim/oracle/checker.h"
#include "sim/oracle/workload.h"
#include "sim/program/faults.h"
#include "sim/program/places.h"
#include "sim/program/trace.h"

namespace aether::program {

struct RunPlan {
  uint64_t seed = 1;
  FaultSet faults = default_faults();
  bool bench = false;                      ///< The small workload that speed is measured with.
  std::optional<OperationSet> operations;  ///< These only.
  std::optional<CrashPoint> only;          ///< Nothing is checked but this crash.
  bool tell = false;                       ///< Prints what is done.
  uint64_t dense = 0;  ///< Not 0: every `dense`-th moment is crashed, not bursts of them.
};

struct Breach {
  std::string text;
  CrashPoint point;
  std::string step;  ///< Before which the power failed.
};

struct RunCounts {
  oracle::CrashCounts crashes;
  uint64_t runs = 0;
  uint64_t lives = 0;
  uint64_t transactions = 0;
  uint64_t moments = 0;       ///< Steps that change the disk.
  uint64_t failed = 0;        ///< Lives whose environment stopped accepting writes.
  uint64_t failed_opens = 0;  ///< Recoveries that a fault stopped.
};

class CrashRun {
 public:
  CrashRun(const RunPlan& plan, RunCounts& counts, Trace* trace);
  /// Nothing: no breach.
  std::optional<Breach> run();
  /// The operations that it did, and the lives it had.
  const OperationSet& done() const { return done_; }

 private:
  sim::Random dice(uint64_t salt, uint64_t number = 0) const;
  void live_once();
  void operate(oracle::Workload& workload);
  void plan_faults(oracle::Workload& workload);
  static void fail_allocation(oracle::Workload& workload, sim::Random& random);
  void watch(sim::SimOs& os);
  void at_moment(const sim::Step& step);
  void note_log_write(const sim::Step& step);
  std::string check_lying(sim::Random& random);
  bool is_crashed_now() const;
  void check_at(const sim::Step& step, uint64_t variant);
  std::unique_ptr<sim::SimOs> disturb_recovery(std::unique_ptr<sim::SimOs> os);
  void report(std::string problem, uint64_t moment, uint64_t variant, std::string step);
  bool runs(uint64_t operation) const;

  const RunPlan plan_;
  RunCounts& counts_;
  oracle::Profile profile_;
  oracle::Checker checker_;
  oracle::Model model_;
  oracle::Model before_last_block_;  ///< The model before the newest block of the log was written.
  const bool lying_;                 ///< The disk may lose, misdirect or damage what it was given.
  std::unique_ptr<sim::SimOs> disk_;
  OperationSet done_;
  const oracle::Workload* workload_ = nullptr;  ///< Of the life that is.
  uint64_t life_ = 0;
  bool over_ = false;  ///< The disk has lied: there is no next life.
  uint64_t moment_ = 0;
  std::optional<Breach> breach_;
};

}  // namespace aether::program
