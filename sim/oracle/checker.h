/// What must hold after a crash: recovery succeeds, verify finds nothing, the rows and those in doubt are the model's, and
/// the environment goes on. Recovery itself is crashed, too, up to three deep.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aether/env.h"
#include "sim/oracle/coverage.h"
#include "sim/oracle/model.h"
#include "sim/oracle/profile.h"
#include "sim/random.h"
#include "sim/sim_os.h"

namespace aether::oracle {

struct CrashCounts {
  uint64_t crashes = 0;  ///< Crashed machines that were opened, and what they held was compared.
  uint64_t in_recovery = 0;  ///< Of these.
  uint64_t second = 0;       ///< Of these: crashed again after they had been written to.
  uint64_t damaged = 0;      ///< Of these: their disk had lied, or rotted.
  uint64_t refused = 0;      ///< Of those: did not open, and said `corruption`.
  uint64_t reported = 0;     ///< Opened, and a part could not be read.
  uint64_t last_block = 0;   ///< Lost what was in the last block of the log (docs/formats/log.md).
  uint64_t recoveries_with_undo = 0;
  uint64_t recoveries_in_doubt = 0;
  uint64_t torn_pages_restored = 0;
  Coverage coverage;
  /// What struck at which kind of step.
  std::map<std::pair<std::string, std::string>, uint64_t> struck;
};

/// Reads everything. Errors: what could not be read, or a value that nobody wrote.
Result<State> read_state(DbEnv& env);
Result<Found> read_found(DbEnv& env);
/// Empty: every page is well.
std::string verify(DbEnv& env);

const char* to_string(sim::CrashPolicy policy) noexcept;
sim::Crash pick_crash(sim::Random& random);

using Machines = std::vector<std::unique_ptr<sim::SimOs>>;
/// Takes up to two crashes of the recovery that is about to run, at random steps.
void arm_recovery(sim::SimOs& os, sim::Random& random, Machines& again, CrashCounts& counts);

class Checker {
 public:
  /// `deepest`: how deep recoveries are crashed; 0: not.
  Checker(const Profile& profile, CrashCounts& counts, int deepest = 3)
      : profile_(profile), counts_(counts), deepest_(deepest) {}

  /// Checks a machine that has crashed. Empty: all is well. `found`: what it held.
  std::string check(sim::SimOs& os, const Model& model, sim::Random& random,
                    Found* found = nullptr) {
    return check(os, model, random, 0, found);
  }

  /// The same where the disk has lied or rotted: each answer is right, or `corruption`. `before`: the model as it was before
  /// the last block of the log was written, which cannot be told from one that never was.
  std::string check_damaged(sim::SimOs& os, const Model& model, const Model& before);

 private:
  std::string check(sim::SimOs& os, const Model& model, sim::Random& random, int depth,
                    Found* found);
  std::string check_open(sim::SimOs& os, const Model& model, sim::Random& random, Found* found);
  std::string go_on(sim::SimOs& os, std::unique_ptr<DbEnv> env, Found found, const Model& model,
                    sim::Random& random);

  const Profile profile_;
  CrashCounts& counts_;
  const int deepest_;
};

}  // namespace aether::oracle
