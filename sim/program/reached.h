/// The table of rare points that a run has come by (base/reached.h), and what to say of those it has not.
#pragma once

#include <string>

#include "sim/oracle/coverage.h"

namespace aether::program {

struct ReachedReport {
  std::string table;    ///< Markdown.
  std::string missed;   ///< Points that a run should come by, and has not; with commas.
  uint64_t points = 0;  ///< In the engine.
  uint64_t reached = 0;
  uint64_t elsewhere = 0;  ///< Not reached, and only others can: threads, real files.
};

ReachedReport report_reached(oracle::Coverage& coverage);
/// The whole page, as sim/REACHED.md holds it; `command`: what was run.
std::string reached_page(const ReachedReport& report, const std::string& command);

}  // namespace aether::program
