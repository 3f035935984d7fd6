/// The command line of aether-sim.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sim/program/crash_run.h"

namespace aether::program {

struct Command {
  std::string mode = "crash";
  uint64_t seed = 1;
  uint64_t cycles = 2000;
  uint64_t shrink_seconds = 20;
  uint64_t length = 1;       ///< Of the lists of mode exhaustive.
  std::string list;          ///< Of mode exhaustive: this one only.
  uint64_t seconds = 0;      ///< No new run or list after so many; 0: no bound.
  bool in_recovery = false;  ///< Mode exhaustive: crashes in each recovery too.
  std::string
      reached;  ///< Where the table of rare points goes; "-": to the output only; empty: not wanted.
  bool demand_reached = false;
  std::string text;  ///< The command itself.
  bool trace_hash = false;
  bool trace = false;
  bool help = false;
  RunPlan plan;  ///< What all runs have in common, but for the seed.
};

/// Nothing: a wrong call, and `wrong` says why.
std::optional<Command> parse_command(int argc, char** argv, std::string& wrong);
std::string usage();
/// The command that does this run again, and nothing else.
std::string replay_command(const RunPlan& plan);

}  // namespace aether::program
