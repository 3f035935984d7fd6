// aether-sim-threads: environments under the scheduler of simulated threads, seed after seed (sim/README.md).
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/planted.h"
#include "os/os.h"
#include "sim/threads/thread_run.h"

namespace aether::sim {
namespace {

constexpr const char* kUsage =
    "usage: aether-sim-threads [--seed S] [--seeds N] [--cycles N] [--seconds N] [--plant NAME] "
    "[--twice]\n"
    "  Runs seeds from S on (1) until one bound is reached (100 seeds); each bound may be left "
    "out.\n"
    "  --plant NAME  with that planted bug (sim/PLANTED.md)\n"
    "  --twice       each seed twice: both must come to the same trace hash\n"
    "Exit status: 0 no breach, 1 a breach, 2 a wrong call, 3 threads that cannot go on, 4 not the "
    "same twice.\n";

struct Command {
  uint64_t seed = 1;
  uint64_t seeds = 0;
  uint64_t cycles = 0;
  uint64_t seconds = 0;
  bool twice = false;
};

std::optional<Command> parse(int argc, char** argv) {
  Command command;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--twice") {
      command.twice = true;
      continue;
    }
    if (i + 1 == argc) return std::nullopt;
    const char* const given = argv[++i];
    if (word == "--plant") {
      base::plant(given);
      continue;
    }
    uint64_t* const place = word == "--seed"      ? &command.seed
                            : word == "--seeds"   ? &command.seeds
                            : word == "--cycles"  ? &command.cycles
                            : word == "--seconds" ? &command.seconds
                                                  : nullptr;
    char* end = nullptr;
    if (place == nullptr) return std::nullopt;
    *place = std::strtoull(given, &end, 10);
    if (*given == '\0' || *end != '\0') return std::nullopt;
  }
  if (command.seeds + command.cycles + command.seconds == 0) command.seeds = 100;
  return command;
}

unsigned long long out(uint64_t number) { return number; }

int run(const Command& command) {
  ThreadCounts counts;
  std::set<uint64_t> interleavings;
  uint64_t trace_hash = 0;
  int status = 0;
  const uint64_t begin = os::production().monotonic_ns();
  const auto seconds = [&] {
    return static_cast<double>(os::production().monotonic_ns() - begin) / 1e9;
  };
  uint64_t seed = command.seed;
  for (; status == 0; ++seed) {
    const ThreadRunResult result = run_threads(seed, counts);
    interleavings.insert(result.schedule_hash);
    trace_hash = trace_hash * 0x9e3779b97f4a7c15u + result.trace_hash;
    if (!result.problem.empty()) {
      std::printf("BREACH at seed %llu: %s\nreplay: aether-sim-threads --seed %llu --seeds 1\n",
                  out(seed), result.problem.c_str(), out(seed));
      status = 1;
    } else if (command.twice && run_threads(seed, counts).trace_hash != result.trace_hash) {
      std::printf("seed %llu comes to two trace hashes\n", out(seed));
      status = 4;
    }
    const bool over = (command.seeds > 0 && seed - command.seed + 1 >= command.seeds) ||
                      (command.cycles > 0 && counts.cycles >= command.cycles) ||
                      (command.seconds > 0 && seconds() >= static_cast<double>(command.seconds));
    if (over) break;
  }
  std::printf("seeds %llu to %llu: %llu cycles, %llu commits, %llu conflicts\n", out(command.seed),
              out(seed), out(counts.cycles), out(counts.commits), out(counts.conflicts));
  std::printf("%llu decision points, %llu switches, %zu interleavings\n", out(counts.steps),
              out(counts.switches), interleavings.size());
  std::printf("rate: %.0f cycles/s (%.2f s)\ntrace-hash %016llx\n%s\n",
              static_cast<double>(counts.cycles) / seconds(), seconds(), out(trace_hash),
              status == 0 ? "ok: no breach" : "failed");
  return status;
}

}  // namespace
}  // namespace aether::sim

int main(int argc, char** argv) {
  const auto command = aether::sim::parse(argc, argv);
  if (!command) {
    std::fputs(aether::sim::kUsage, stderr);
    return 2;
  }
  return aether::sim::run(*command);
}
