#include "sim/program/crash_run.h"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <utility>
#include <vector>

namespace aether::program {

namespace {

oracle::Profile profile_of(const RunPlan& plan) {
  return plan.bench ? oracle::make_bench_profile(plan.seed) : oracle::make_swarm_profile(plan.seed);
}

std::string describe(const sim::Step& step) {
  std::string text = std::string(sim::to_string(step.kind)) + " " + std::string(step.path);
  if (!step.to.empty()) text += " to " + std::string(step.to);
  if (step.size != 0)
    text += ", offset " + std::to_string(step.offset) + ", " + std::to_string(step.size) + " bytes";
  return text;
}

enum Salt : uint64_t {
  kLives = 1,
  kBurst,
  kCrash,
  kEndOfLife,
  kFaults,
  kRecoveryFault,
  kOperations
};

bool can_lie(const FaultSet& faults) {
  const FaultSet kinds = lies();
  return std::any_of(faults.begin(), faults.end(),
                     [&](FaultKind kind) { return kinds.count(kind) != 0; });
}

/// Calls that fail make no machine crash; those kinds are planned in a life.
bool is_planned(FaultKind kind) {
  return kind != FaultKind::crash && kind != FaultKind::nested && kind != FaultKind::rot;
}

}  // namespace

CrashRun::CrashRun(const RunPlan& plan, RunCounts& counts, Trace* trace)
    : plan_(plan),
      counts_(counts),
      profile_(profile_of(plan)),
      checker_(profile_, counts.crashes, plan.faults.count(FaultKind::nested) != 0 ? 3 : 0),
      lying_(can_lie(plan.faults)),
      disk_(std::make_unique<sim::SimOs>(sim::SimOptions{.seed = plan.seed, .observer = trace})) {}

sim::Random CrashRun::dice(uint64_t salt, uint64_t number) const {
  const uint64_t mixed = sim::Random(plan_.seed * 0x9e3779b97f4a7c15u + salt).next() ^
                         sim::Random(life_ << 40 ^ number).next();
  return sim::Random(mixed);
}

std::optional<Breach> CrashRun::run() {
  ++counts_.runs;
  uint64_t lives = 1 + dice(kLives).below(4);
  if (plan_.only) lives = plan_.only->life + 1;
  for (life_ = 0; life_ < lives && !breach_ && !over_; ++life_) live_once();
  return breach_;
}

bool CrashRun::runs(uint64_t operation) const {
  return !plan_.operations || plan_.operations->count(operation) != 0;
}

void CrashRun::live_once() {
  const uint64_t first = life_ * kOperationsOfALife;
  if (plan_.operations) {
    // A life of which nothing is left is none.
    const auto next = plan_.operations->lower_bound(first);
    const bool any = next != plan_.operations->end() && *next < first + kOperationsOfALife;
    if (!any && !(plan_.only && plan_.only->life == life_)) return;
  }
  ++counts_.lives;
  moment_ = 0;
  sim::Random end_dice = dice(kEndOfLife);
  std::unique_ptr<sim::SimOs> next;
  const oracle::Coverage::Under under(counts_.crashes.coverage, "none");
  {
    oracle::Profile profile = profile_;
    profile.seed = plan_.seed * 1000 + life_;
    oracle::Workload workload(profile, model_, *disk_);
    workload_ = &workload;
    if (plan_.tell) {
      std::printf("life %llu: durability %s, %u log streams, %s\n",
                  static_cast<unsigned long long>(life_),
                  profile_.env.durability == Durability::none ? "none" : "group",
                  profile_.env.log_streams, profile_.same_stream ? "one used" : "all used");
      workload.tell([](const std::string& line) { std::printf("%s\n", line.c_str()); });
    }
    watch(*disk_);
    if (workload.open()) operate(workload);
    disk_->on_step({});
    disk_->on_strike({});
    counts_.transactions += workload.transactions();
    counts_.failed += workload.failed() ? 1 : 0;
    if (!workload.problem().empty()) report(workload.problem(), CrashPoint::kEnd, 0, "no crash");
    if (lying_) {
      const std::string wrong = check_lying(end_dice);
      if (!wrong.empty()) report(wrong, CrashPoint::kEnd, 0, "end of the life; all kept");
      // What was lost is lost: the machine has no other life.
      over_ = true;
    }
    const sim::Crash how = oracle::pick_crash(end_dice);
    ++counts_.crashes.struck[{oracle::to_string(how.policy), "end of a life"}];
    next = disk_->crash(how);
    model_.forget_tickets();
    workload_ = nullptr;
  }
  if (breach_ || over_) return;
  next->set_capacity(UINT64_MAX);
  next = disturb_recovery(std::move(next));
  oracle::Found found;
  const std::string problem = checker_.check(*next->copy(), model_, end_dice, &found);
  if (!problem.empty()) return report(problem, CrashPoint::kEnd, 0, "end of the life");
  model_.adopt(found);
  disk_ = std::move(next);
}

void CrashRun::operate(oracle::Workload& workload) {
  sim::Random random = dice(kOperations);
  const uint64_t count = std::min(kOperationsOfALife,
                                  profile_.operations / 2 + random.below(profile_.operations));
  const bool planned = std::any_of(plan_.faults.begin(), plan_.faults.end(), is_planned);
  const bool meets_faults = planned && random.percent(lying_ ? 90 : 40);
  const uint64_t faults_at = random.below(count);
  for (uint64_t i = 0; i < count && workload.problem().empty() && !breach_; ++i) {
    if (meets_faults && i == faults_at) plan_faults(workload);
    const uint64_t number = life_ * kOperationsOfALife + i;
    if (!runs(number)) continue;
    done_.insert(number);
    workload.run_one(i);
    if (!workload.allocation_failed()) continue;
    ++counts_.crashes.struck[{"alloc", oracle::to_string(workload.last())}];
    if (random.percent(70)) fail_allocation(workload, random);
  }
}

void CrashRun::fail_allocation(oracle::Workload& workload, sim::Random& random) {
  std::optional<oracle::Operation> in;
  if (random.percent(60)) in = static_cast<oracle::Operation>(random.below(oracle::kOperations));
  const uint64_t within = in ? 40 : random.percent(50) ? 60 : 1500;
  workload.fail_allocation(1 + random.below(within), random.percent(40), in);
}

/// One fault, sometimes two.
void CrashRun::plan_faults(oracle::Workload& workload) {
  sim::Random random = dice(kFaults);
  std::vector<FaultKind> kinds;
  std::copy_if(plan_.faults.begin(), plan_.faults.end(), std::back_inserter(kinds), is_planned);
  if (kinds.empty()) return;
  workload.expect_faults();
  if (lying_) workload.expect_damage();
  disk_->on_strike([this](const sim::Fault& fault, const sim::Step& step) {
    ++counts_.crashes.struck[{to_string(kind_of(fault)), sim::to_string(step.kind)}];
    counts_.crashes.coverage.enter(to_string(kind_of(fault)));
  });
  for (uint64_t i = random.percent(25) ? 2 : 1; i > 0; --i) {
    const FaultKind kind = kinds[random.below(kinds.size())];
    if (kind == FaultKind::full) counts_.crashes.coverage.enter(to_string(kind));
    if (kind == FaultKind::clock || kind == FaultKind::full)
      ++counts_.crashes.struck[{to_string(kind), "set"}];
    if (kind == FaultKind::alloc) {
      counts_.crashes.coverage.enter(to_string(kind));
      fail_allocation(workload, random);
    } else {
      plan_fault(*disk_, kind, random);
    }
  }
}

// --- Crashes beside the run

void CrashRun::watch(sim::SimOs& os) {
  os.on_step([this](const sim::Step& step) {
    if (!step.changes_disk || breach_) return;
    if (plan_.tell)
      std::printf("    moment %llu: %s\n", static_cast<unsigned long long>(moment_),
                  describe(step).c_str());
    at_moment(step);
    if (lying_) note_log_write(step);
    ++moment_;
  });
}

/// A block of the log: not a segment's header, nor what it is filled with.
void CrashRun::note_log_write(const sim::Step& step) {
  constexpr uint64_t kHeaderBytes = 4096;
  const bool is_block = step.kind == sim::StepKind::write && step.offset >= kHeaderBytes &&
                        step.path.find("/log/") != std::string_view::npos;
  if (is_block) before_last_block_ = model_;
}

/// The disk has kept all that it was given, or said so; perhaps one bit has changed since.
std::string CrashRun::check_lying(sim::Random& random) {
  const std::unique_ptr<sim::SimOs> crashed = disk_->crash({.policy = sim::CrashPolicy::kept});
  crashed->set_capacity(UINT64_MAX);
  std::string place;
  if (plan_.faults.count(FaultKind::rot) != 0) {
    const std::vector<std::string> files = crashed->files();
    if (files.empty()) return {};  // Nothing was made yet.
    const std::string& path = files[random.below(files.size())];
    const Result<std::string> bytes = crashed->read_file(path);
    if (bytes && !bytes->empty()) {
      // Where there is something, three times out of four.
      uint64_t at = random.below(bytes->size());
      if (random.percent(75)) at = std::min(bytes->find_first_not_of('\0', at), bytes->size() - 1);
      static_cast<void>(crashed->flip_bit(path, at * 8 + random.below(8)));
      ++counts_.crashes
            .struck[{"rot", path.substr(0, path.find_last_of("0123456789") == std::string::npos
                                               ? std::string::npos
                                               : path.find_first_of("0123456789"))}];
      place = "\nwith a bit of byte " + std::to_string(at) + " of " + path + " flipped";
    }
  }
  const bool rots = plan_.faults.count(FaultKind::rot) != 0;
  const oracle::Coverage::Under under(
      counts_.crashes.coverage,
      rots ? std::string("rot") : std::string("after ") + counts_.crashes.coverage.now());
  std::string problem = checker_.check_damaged(*crashed, model_, before_last_block_);
  return problem.empty() ? problem : problem + place;
}

bool CrashRun::is_crashed_now() const {
  if (plan_.faults.count(FaultKind::crash) == 0) return false;
  if (plan_.only) return plan_.only->life == life_ && plan_.only->moment == moment_;
  if (plan_.dense != 0) return moment_ % plan_.dense == 0;
  // In bursts: step after step for a while, to meet each moment of one operation.
  return dice(kBurst, moment_ / 5).percent(plan_.bench ? 10 : 4);
}

void CrashRun::at_moment(const sim::Step& step) {
  ++counts_.moments;
  if (!is_crashed_now()) return;
  model_.poll();
  if (plan_.only) return check_at(step, plan_.only->variant);
  check_at(step, 0);
  if (plan_.dense == 1 && !breach_) check_at(step, 1);
}

void CrashRun::check_at(const sim::Step& step, uint64_t variant) {
  sim::Random random = dice(kCrash, moment_ * 16 + variant);
  if (lying_) {
    std::string wrong = check_lying(random);
    if (!wrong.empty()) report(std::move(wrong), moment_, variant, describe(step) + "; all kept");
    return;
  }
  const sim::Crash how = oracle::pick_crash(random);
  ++counts_.crashes.struck[{oracle::to_string(how.policy), sim::to_string(step.kind)}];
  const std::unique_ptr<sim::SimOs> crashed = disk_->crash(how);
  crashed->set_capacity(UINT64_MAX);
  std::string problem = checker_.check(*crashed, model_, random);
  if (problem.empty()) return;
  report(std::move(problem), moment_, variant,
         describe(step) + "; " + oracle::to_string(how.policy));
}

/// Recovery, too, may meet a failing call; it says so, and the next one does it all.
std::unique_ptr<sim::SimOs> CrashRun::disturb_recovery(std::unique_ptr<sim::SimOs> os) {
  sim::Random random = dice(kRecoveryFault);
  std::vector<FaultKind> kinds;
  std::copy_if(plan_.faults.begin(), plan_.faults.end(), std::back_inserter(kinds), is_planned);
  if (kinds.empty() || !random.percent(20)) return os;
  const FaultKind kind = kinds[random.below(kinds.size())];
  const oracle::Coverage::Under under(counts_.crashes.coverage,
                                      std::string(to_string(kind)) + " in recovery");
  if (kind == FaultKind::alloc) {
    sim::alloc_faults::arm({.number = 1 + random.below(3000),
                            .sticky = random.percent(40),
                            .every_thread = true,
                            .in_calls = true});
  } else {
    plan_fault(*os, kind, random);
  }
  {
    std::optional<sim::alloc_faults::Call> call(std::in_place);
    const Result<std::unique_ptr<DbEnv>> env = DbEnv::open(oracle::kHome, profile_.env, *os);
    call.reset();
    sim::alloc_faults::disarm();
    if (!env) {
      ++counts_.failed_opens;
      ++counts_.crashes.struck[{to_string(kind), "recovery"}];
    }
  }
  std::unique_ptr<sim::SimOs> again = os->crash(oracle::pick_crash(random));
  again->set_capacity(UINT64_MAX);
  return again;
}

void CrashRun::report(std::string problem, uint64_t moment, uint64_t variant, std::string step) {
  if (breach_) return;
  if (workload_ != nullptr) {
    step += "; in operation " + std::to_string(workload_->last_number()) + ", " +
            oracle::to_string(workload_->last());
  }
  breach_ = Breach{std::move(problem), {life_, moment, variant}, std::move(step)};
}

}  // namespace aether::program
