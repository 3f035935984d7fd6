#include "sim/program/exhaustive_mode.h"

#include <cstdio>
#include <optional>
#include <sstream>
#include <vector>

#include "os/os.h"
#include "sim/program/list_run.h"

namespace aether::program {

namespace {

std::optional<ListPlan> parse_list(const std::string& text) {
  ListPlan plan;
  std::istringstream words(text);
  std::string word;
  if (!std::getline(words, word, ',') || (word != "alone" && word != "together")) return {};
  plan.alone = word == "alone";
  while (std::getline(words, word, ',')) {
    std::optional<ListOperation> found;
    for (size_t i = 0; i < kListOperations; ++i) {
      if (word == to_string(static_cast<ListOperation>(i))) found = static_cast<ListOperation>(i);
    }
    if (!found) return {};
    plan.operations.push_back(*found);
  }
  return plan;
}

/// The `number`-th list of `length` operations.
ListPlan list_of(uint64_t number, uint64_t length, bool alone) {
  ListPlan plan{.operations = {}, .alone = alone};
  for (uint64_t i = 0; i < length; ++i, number /= kListOperations) {
    plan.operations.push_back(static_cast<ListOperation>(number % kListOperations));
  }
  return plan;
}

class Exhaustive {
 public:
  explicit Exhaustive(const ExhaustiveOptions& options)
      : options_(options),
        begin_ns_(os::production().monotonic_ns()),
        base_(ListRun::make_base(1, rows_)) {}

  /// False: a breach.
  bool run(const ListPlan& plan) {
    const std::string problem = ListRun(plan, *base_, rows_, counts_, options_.in_recovery).run();
    if (problem.empty()) return true;
    std::printf("BREACH in list %s\n%s\nreplay: aether-sim --mode exhaustive%s --list %s\n",
                to_text(plan).c_str(), problem.c_str(),
                options_.in_recovery ? " --in-recovery" : "", to_text(plan).c_str());
    return false;
  }
  const ListCounts& counts() const { return counts_; }
  bool late() const {
    return options_.seconds != 0 &&
           os::production().monotonic_ns() - begin_ns_ > options_.seconds * 1'000'000'000;
  }

 private:
  const ExhaustiveOptions options_;
  const uint64_t begin_ns_;
  oracle::State rows_;
  std::unique_ptr<sim::SimOs> base_;
  ListCounts counts_;
};

bool run_all(Exhaustive& exhaustive, uint64_t length_max) {
  uint64_t lists = 1;
  for (uint64_t length = 1; length <= length_max; ++length) {
    lists *= kListOperations;
    for (uint64_t number = 0; number < lists; ++number) {
      for (const bool alone : {false, true}) {
        if (exhaustive.late()) {
          std::printf("time is up at list %llu of %llu of length %llu\n",
                      static_cast<unsigned long long>(number),
                      static_cast<unsigned long long>(lists),
                      static_cast<unsigned long long>(length));
          return true;
        }
        if (!exhaustive.run(list_of(number, length, alone))) return false;
      }
    }
  }
  return true;
}

}  // namespace

int exhaustive_mode(const ExhaustiveOptions& options) {
  const uint64_t begin = os::production().monotonic_ns();
  Exhaustive exhaustive(options);
  bool ok = false;
  if (options.list.empty()) {
    ok = run_all(exhaustive, options.length);
  } else {
    const std::optional<ListPlan> plan = parse_list(options.list);
    if (!plan) {
      std::fprintf(stderr, "aether-sim: no list: %s\n", options.list.c_str());
      return 2;
    }
    ok = exhaustive.run(*plan);
  }
  const ListCounts& counts = exhaustive.counts();
  const double seconds = static_cast<double>(os::production().monotonic_ns() - begin) / 1e9;
  std::printf(
      "%llu lists, %llu moments, %llu states, %llu different ones recovered, %llu of "
      "them crashed in recovery\n",
      static_cast<unsigned long long>(counts.lists),
      static_cast<unsigned long long>(counts.moments),
      static_cast<unsigned long long>(counts.states),
      static_cast<unsigned long long>(counts.recoveries),
      static_cast<unsigned long long>(counts.in_recovery));
  std::printf("rate: %.0f cycles/s (%.2f s)\n%s\n",
              static_cast<double>(counts.recoveries) / seconds, seconds,
              ok ? "ok: no breach" : "failed");
  return ok ? 0 : 1;
}

}  // namespace aether::program
