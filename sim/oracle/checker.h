/// What must hold after a crash: recovery succeeds, verify finds nothing, the rows and those in doubt are the model's, and
/// the environment goes on. Recovery itself is crashed, too, up to three deep.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aether/env.h"
#include "sim/oracle/model.h"
#include "sim/oracle/profile.h"
#include "sim/random.h"
#include "sim/sim_os.h"

namespace aether::oracle {

struct CrashCounts {
  uint64_t crashes = 0;  ///< Crashed machines that were opened, and what they held was compared.
  uint64_t in_recovery = 0;  ///< Of these.
  uint64_t second = 0;       ///< Of these: crashed again after they had been written to.
  uint64_t recoveries_with_undo = 0;
  uint64_t recoveries_in_doubt = 0;
  uint64_t torn_pages_restored = 0;
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
