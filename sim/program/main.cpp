// aether-sim: simulated machines that fail, from one seed (sim/README.md).
#include <cstdio>
#include <string>

#include "os/os.h"
#include "sim/program/command.h"
#include "sim/program/exhaustive_mode.h"
#include "sim/program/options_mode.h"
#include "sim/program/shrink.h"

namespace aether::program {
namespace {

unsigned long long out(uint64_t number) { return number; }

void print_counts(const RunCounts& counts, double seconds) {
  const oracle::CrashCounts& crashes = counts.crashes;
  std::printf("%llu runs of %llu lives, %llu transactions, %llu steps that change the disk\n",
              out(counts.runs), out(counts.lives), out(counts.transactions), out(counts.moments));
  std::printf(
      "%llu cycles: %llu crashed in recovery, %llu crashed again later; %llu with undo, %llu with "
      "transactions in doubt; %llu torn pages restored\n",
      out(crashes.crashes), out(crashes.in_recovery), out(crashes.second),
      out(crashes.recoveries_with_undo), out(crashes.recoveries_in_doubt),
      out(crashes.torn_pages_restored));
  std::printf("%llu lives went on read-only after a failure, %llu recoveries were stopped by one\n",
              out(counts.failed), out(counts.failed_opens));
  if (crashes.damaged != 0) {
    std::printf(
        "%llu of them damaged: %llu refused, %llu reported when read, %llu without the last "
        "block\n",
        out(crashes.damaged), out(crashes.refused), out(crashes.reported), out(crashes.last_block));
  }
  std::printf("rate: %.0f cycles/s (%.2f s)\n", static_cast<double>(crashes.crashes) / seconds,
              seconds);
  std::printf("struck:\n");
  for (const auto& [what, times] : crashes.struck) {
    std::printf("  %-18s %-26s %llu\n", what.first.c_str(), what.second.c_str(), out(times));
  }
}

void print_breach(const RunPlan& plan, const Breach& breach) {
  std::printf("BREACH at seed %llu, life %llu, moment %s: %s\n%s\n", out(plan.seed),
              out(breach.point.life), to_text(breach.point).c_str(), breach.step.c_str(),
              breach.text.c_str());
}

/// 1, after it has told how to see it again.
int tell(RunPlan plan, const Breach& breach, uint64_t shrink_seconds) {
  print_breach(plan, breach);
  std::printf("replay: %s\n", replay_command(plan).c_str());
  std::fflush(stdout);
  if (shrink_seconds == 0 || plan.only) return 1;
  const Shrunk shrunk = shrink(plan, breach, shrink_seconds);
  std::printf("after %llu attempts, smaller:\n", out(shrunk.attempts));
  print_breach(shrunk.plan, shrunk.breach);
  std::printf("replay: %s\n", replay_command(shrunk.plan).c_str());
  return 1;
}

int crash_mode(const Command& command) {
  RunCounts counts;
  Trace trace(command.trace);
  const uint64_t begin = os::production().monotonic_ns();
  RunPlan plan = command.plan;
  std::optional<Breach> breach;
  for (plan.seed = command.seed;; ++plan.seed) {
    CrashRun run(plan, counts, command.trace_hash ? &trace : nullptr);
    breach = run.run();
    if (breach || plan.only || counts.crashes.crashes >= command.cycles) break;
  }
  const double seconds = static_cast<double>(os::production().monotonic_ns() - begin) / 1e9;
  std::printf("seeds %llu to %llu, faults %s\n", out(command.seed), out(plan.seed),
              to_text(plan.faults).c_str());
  print_counts(counts, seconds);
  if (command.trace_hash) {
    std::printf("trace-hash %016llx\n", out(trace.hash()));
  }
  if (breach) return tell(plan, *breach, command.shrink_seconds);
  std::printf("ok: no breach\n");
  return 0;
}

int run(int argc, char** argv) {
  std::string wrong;
  const std::optional<Command> command = parse_command(argc, argv, wrong);
  if (!command) {
    std::fprintf(stderr, "aether-sim: wrong: %s\n%s", wrong.c_str(), usage().c_str());
    return 2;
  }
  if (command->help) {
    std::fputs(usage().c_str(), stdout);
    return 0;
  }
  if (command->mode == "options") return options_mode(command->seed, command->cycles);
  if (command->mode == "exhaustive") {
    return exhaustive_mode({.length = command->length, .list = command->list});
  }
  return crash_mode(*command);
}

}  // namespace
}  // namespace aether::program

int main(int argc, char** argv) { return aether::program::run(argc, argv); }
