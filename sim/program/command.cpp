#include "sim/program/command.h"

#include <utility>

namespace aether::program {

namespace {

/// The value of `--name VALUE`. Nothing: there is none, or it is no number.
std::optional<uint64_t> number_of(const char* value) {
  return value == nullptr ? std::nullopt : parse_number(value);
}

bool take_number(const char* value, uint64_t& to) {
  const std::optional<uint64_t> number = number_of(value);
  if (number) to = *number;
  return number.has_value();
}

/// 1 or 2: so many words were taken. 0: it is wrong.
int take(Command& command, const std::string& name, const char* value, std::string& wrong) {
  wrong = name;
  if (name == "--help" || name == "-h") return (command.help = true, 1);
  if (name == "--trace-hash") return (command.trace_hash = true, 1);
  if (name == "--trace") return (command.trace = command.trace_hash = true, 1);
  if (name == "--tell") return (command.plan.tell = true, 1);
  if (name == "--bench") return (command.plan.bench = true, 1);
  if (name == "--in-recovery") return (command.in_recovery = true, 1);
  if (name == "--demand-reached") return (command.demand_reached = true, 1);
  if (value == nullptr) return 0;
  wrong = name + " " + value;
  if (name == "--seed") return take_number(value, command.seed) ? 2 : 0;
  if (name == "--cycles") return take_number(value, command.cycles) ? 2 : 0;
  if (name == "--len") return take_number(value, command.length) ? 2 : 0;
  if (name == "--seconds") return take_number(value, command.seconds) ? 2 : 0;
  if (name == "--reached") return (command.reached = value, 2);
  if (name == "--list") return (command.list = value, 2);
  if (name == "--shrink") return take_number(value, command.shrink_seconds) ? 2 : 0;
  if (name == "--mode") {
    command.mode = value;
    if (command.mode == "lying" || command.mode == "rot") {
      command.plan.faults = {FaultKind::crash, FaultKind::rot};
      if (command.mode == "lying") {
        command.plan.faults = lies();
        command.plan.faults.insert(FaultKind::crash);
        command.plan.faults.erase(FaultKind::rot);
        command.plan.faults.erase(FaultKind::lost_sync);  // Nobody can know of those.
      }
      command.mode = "crash";
    }
    const bool known = command.mode == "crash" || command.mode == "exhaustive" ||
                       command.mode == "options" || command.mode == "all";
    return known ? 2 : 0;
  }
  if (name == "--faults") {
    std::string word;
    std::optional<FaultSet> faults = parse_faults(value, word);
    if (!faults) return (wrong = "fault " + word, 0);
    command.plan.faults = *std::move(faults);
    return 2;
  }
  if (name == "--ops") {
    command.plan.operations = parse_operations(value);
    return command.plan.operations ? 2 : 0;
  }
  if (name == "--crash-at") {
    command.plan.only = parse_crash_point(value);
    return command.plan.only ? 2 : 0;
  }
  return 0;
}

}  // namespace

std::optional<Command> parse_command(int argc, char** argv, std::string& wrong) {
  Command command;
  command.text = "aether-sim";
  for (int i = 1; i < argc; ++i) command.text.append(" ").append(argv[i]);
  for (int i = 1; i < argc;) {
    const int taken = take(command, argv[i], i + 1 < argc ? argv[i + 1] : nullptr, wrong);
    if (taken == 0) return std::nullopt;
    i += taken;
  }
  wrong.clear();
  return command;
}

std::string usage() {
  return "usage: aether-sim [--seed S] [--cycles N] [--mode MODE] [--faults LIST] [--trace-hash]\n"
         "\n"
         "Runs the engine on a simulated machine that fails, and holds what is left against a "
         "model of\n"
         "what was acknowledged. Everything comes from the seed. A cycle is: crash, recover, "
         "verify.\n"
         "\n"
         "  --seed S         the first run's seed; the next ones follow (1)\n"
         "  --cycles N       runs until so many cycles are done (2000)\n"
         "  --mode MODE      crash: random workloads, crashed at any step (the default)\n"
         "                   lying: the disk loses and misdirects writes; rot: a bit changes at "
         "rest:\n"
         "                     every answer is right, or an error\n"
         "                   exhaustive: all lists of up to --len operations (1), every crash of "
         "each\n"
         "                     --in-recovery: and every crash of each recovery\n"
         "                   all: default faults, memory, a lying and a rotting disk, short lists\n"
         "                   options: N histories, each under 27 option sets: equal answers\n"
         "  --faults LIST    kinds of fault, with commas; or default, lies, all, none\n"
         "  --seconds N      no new run after so many\n"
         "  --reached FILE   prints the table of rare points, and writes it there (-: does not)\n"
         "  --demand-reached status 1 if a point was missed that a run can come by\n"
         "  --trace-hash     prints the hash over all steps: the same for the same seed\n"
         "  --trace          and every step\n"
         "  --bench          the small workload (1 MiB, 100 transactions) that speed is measured "
         "with\n"
         "  --shrink N       makes a failing run smaller for at most N seconds (20; 0: not)\n"
         "One run again, or a part of it, as a breach prints it:\n"
         "  --ops LIST       of the operations these: 3,17-20; those of the second life are 1000 "
         "and up\n"
         "  --crash-at L:M:V of the crashes this one: life, moment, variant\n"
         "  --tell           prints every operation\n"
         "\n"
         "Faults:\n" +
         describe_faults() + "\nExit status: 0 no breach, 1 a breach, 2 wrong call.\n";
}

std::string replay_command(const RunPlan& plan) {
  std::string text = "aether-sim --seed " + std::to_string(plan.seed) + " --cycles 1";
  if (plan.bench) text += " --bench";
  if (plan.faults != default_faults()) text += " --faults " + to_text(plan.faults);
  if (plan.operations) text += " --ops " + to_text(*plan.operations);
  if (plan.only) text += " --crash-at " + to_text(*plan.only);
  return text;
}

}  // namespace aether::program
