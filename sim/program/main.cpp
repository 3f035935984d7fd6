// aether-sim: simulated machines that fail, from one seed (sim/README.md).
#include <malloc.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "os/os.h"
#include "sim/failing_allocator.h"
#include "sim/program/command.h"
#include "sim/program/exhaustive_mode.h"
#include "sim/program/options_mode.h"
#include "sim/program/reached.h"
#include "sim/program/shrink.h"

namespace aether::program {
namespace {

unsigned long long out(uint64_t number) { return number; }

void print_counts(const RunCounts& counts, uint64_t cycles, double seconds) {
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
  std::printf("rate: %.0f cycles/s (%.2f s)\n", static_cast<double>(cycles) / seconds, seconds);
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
int tell(const RunPlan& plan, const Breach& breach, uint64_t shrink_seconds) {
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

/// False: a point that is demanded was not reached, or the table could not be written.
bool tell_reached(const Command& command, oracle::Coverage& coverage) {
  if (command.reached.empty() && !command.demand_reached) return true;
  const ReachedReport report = report_reached(coverage);
  if (report.points == 0) {
    std::fprintf(stderr,
                 "aether-sim: the engine was compiled without its points: configure with "
                 "-DAETHER_REACHED=ON\n");
    return false;
  }
  if (!command.reached.empty()) std::fputs(report.table.c_str(), stdout);
  std::printf("reached: %llu of %llu points, %llu only others can\n", out(report.reached),
              out(report.points), out(report.elsewhere));
  if (!report.missed.empty()) std::printf("missed: %s\n", report.missed.c_str());
  bool ok = report.missed.empty() || !command.demand_reached;
  if (!command.reached.empty() && command.reached != "-") {
    std::ofstream file(command.reached);
    file << reached_page(report, command.text);
    file.close();
    if (!file) std::fprintf(stderr, "aether-sim: cannot write %s\n", command.reached.c_str());
    ok = ok && file.good();
  }
  return ok;
}

/// 0, or 1 after a breach; goes on with the seeds from `command.seed` on.
int crash_mode(const Command& command, RunCounts& counts) {
  Trace trace(command.trace);
  const uint64_t begin = os::production().monotonic_ns();
  RunPlan plan = command.plan;
  const uint64_t before = counts.crashes.crashes;
  const uint64_t end = before + command.cycles;
  std::optional<Breach> breach;
  for (plan.seed = command.seed;; ++plan.seed) {
    CrashRun run(plan, counts, command.trace_hash ? &trace : nullptr);
    breach = run.run();
    const bool late = command.seconds != 0 &&
                      os::production().monotonic_ns() - begin > command.seconds * 1'000'000'000;
    if (breach || plan.only || late || counts.crashes.crashes >= end) break;
  }
  const double seconds = static_cast<double>(os::production().monotonic_ns() - begin) / 1e9;
  std::printf("seeds %llu to %llu, faults %s\n", out(command.seed), out(plan.seed),
              to_text(plan.faults).c_str());
  print_counts(counts, counts.crashes.crashes - before, seconds);
  if (command.trace_hash) {
    std::printf("trace-hash %016llx\n", out(trace.hash()));
  }
  if (breach) return tell(plan, *breach, command.shrink_seconds);
  std::printf("ok: no breach\n");
  return 0;
}

/// Default faults, memory, a disk that lies, and one that rots, a share of the cycles each, then the short lists.
int all_modes(const Command& command, RunCounts& counts) {
  struct Part {
    const char* faults;
    uint64_t percent;
  };
  constexpr Part kParts[] = {
      {"default", 50}, {"crash,nested,alloc", 20}, {"crash,lies", 15}, {"crash,rot", 15}};
  for (const Part& part : kParts) {
    Command one = command;
    std::string wrong;
    one.plan.faults = *parse_faults(part.faults, wrong);
    if (std::string(part.faults) == "crash,lies") one.plan.faults.erase(FaultKind::rot);
    one.cycles = command.cycles * part.percent / 100;
    if (crash_mode(one, counts) != 0) return 1;
  }
  const oracle::Coverage::Under under(counts.crashes.coverage, "exhaustive");
  return exhaustive_mode(
      {.length = command.length, .list = {}, .in_recovery = true, .seconds = command.seconds});
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
  RunCounts counts;
  int status = 0;
  if (command->mode == "exhaustive") {
    const oracle::Coverage::Under under(counts.crashes.coverage, "exhaustive");
    status = exhaustive_mode({.length = command->length,
                              .list = command->list,
                              .in_recovery = command->in_recovery,
                              .seconds = command->seconds});
  } else {
    status = command->mode == "all" ? all_modes(*command, counts) : crash_mode(*command, counts);
  }
  if (!tell_reached(*command, counts.crashes.coverage) && status == 0) status = 1;
  return status;
}

}  // namespace
}  // namespace aether::program

int main(int argc, char** argv) {
  // Pools, rings and chunks of disks come and go with each machine: their memory stays with the process.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 64 << 20);
  return aether::program::run(argc, argv);
}
