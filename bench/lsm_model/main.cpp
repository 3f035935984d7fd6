/// aether-lsm-model: what merge policies cost, beside the theory. Writes nothing and takes seconds, but for --measure.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "lsm_model/measured.h"
#include "lsm_model/model.h"

namespace aether::bench {
namespace {

using lsm::PolicyKind;
using lsm::PolicyOptions;

struct Arguments {
  uint64_t nurseries = 100;
  bool is_paced = false;
  uint64_t from = 0;  ///< Averages over sizes from here on; 0: none.
  uint32_t flush_percent = 100;
  std::string measure;  ///< The home of an environment; empty: by the model.
  uint64_t nursery_kib = 256;
  uint32_t value_bytes = 100;
  bool is_compressed = false;
  std::vector<std::string> only;  ///< Parts of names of policies; none: all.
};

struct Row {
  std::string name;
  PolicyOptions policy;
  double theory = 0;  ///< Of the write amplification of inserts. 0: no short formula.
};

/// `nursery_bytes`: of keys and values.
std::vector<Row> rows_for(const Arguments& args, uint64_t nursery_bytes) {
  const auto size = static_cast<double>(args.nurseries);
  std::vector<Row> rows;
  rows.push_back({"hanoi", {.kind = PolicyKind::hanoi}, 2 + std::log2(size)});
  for (const uint32_t runs : {4u, 6u, 7u, 8u, 10u, 14u}) {
    const PolicyOptions unknown{.kind = PolicyKind::hanoi, .runs_max = runs};
    PolicyOptions known = unknown;
    known.expected_bytes = args.nurseries * nursery_bytes;
    rows.push_back({"hanoi, <= " + std::to_string(runs) + " runs, size known", known});
    rows.push_back({"hanoi, <= " + std::to_string(runs) + " runs", unknown});
  }
  for (const uint32_t ratio : {4u, 6u, 8u}) {
    rows.push_back({"tiered T = " + std::to_string(ratio),
                    {.kind = PolicyKind::tiered, .size_ratio = ratio},
                    2 + std::log(size) / std::log(ratio)});
  }
  for (const uint32_t ratio : {5u, 6u, 7u}) {
    rows.push_back({"lazy_leveled T = " + std::to_string(ratio),
                    {.kind = PolicyKind::lazy_leveled, .size_ratio = ratio}});
  }
  // Four flushes are gathered and written once; a level is rewritten T - 1 times, but for what goes on into the next one.
  for (const uint32_t ratio : {2u, 3u, 4u, 6u, 8u, 10u}) {
    rows.push_back({"leveled T = " + std::to_string(ratio),
                    {.kind = PolicyKind::leveled, .size_ratio = ratio},
                    3 + (ratio - 1.0) / 2 * std::log(size / 4) / std::log(ratio)});
  }
  return rows;
}

void print(const Arguments& args) {
  std::printf("%llu nurseries, %s; log and flush are in all write amplifications\n\n",
              static_cast<unsigned long long>(args.nurseries),
              args.is_paced ? "merges paced by deadlines" : "merges take no time");
  std::printf("| policy | WA inserts | theory | runs | work | WA overwrites | runs | space |\n");
  std::printf("|---|---|---|---|---|---|---|---|\n");
  for (const Row& row : rows_for(args, ModelOptions{}.nursery_bytes)) {
    ModelOptions options;
    options.policy = row.policy;
    options.flushes = args.nurseries;
    options.is_paced = args.is_paced;
    const ModelFigures inserts = run_model(options);
    options.overwritten_nurseries = args.nurseries;
    options.warm_up_flushes = 5 * args.nurseries;
    options.flushes = 10 * args.nurseries;
    const ModelFigures overwrites = run_model(options);
    char theory[32] = "";
    if (row.theory > 0) std::snprintf(theory, sizeof theory, "%.2f", row.theory);
    std::printf("| %s | %.2f | %s | %llu | %.1f | %.2f | %llu | %.2f |\n", row.name.c_str(),
                inserts.write_amplification, theory,
                static_cast<unsigned long long>(inserts.runs_under_way), inserts.rate_max,
                overwrites.write_amplification,
                static_cast<unsigned long long>(overwrites.runs_under_way),
                overwrites.space_amplification);
  }
}

/// What each policy writes, and how many runs are there, on average over stores of all sizes; steps of 5 %, so as many smaller ones as
/// larger ones by their logarithm.
void print_averages(const Arguments& args) {
  std::printf("%llu to %llu flushes, each %u %% of a nursery; without the log\n\n",
              static_cast<unsigned long long>(args.from),
              static_cast<unsigned long long>(args.nurseries), args.flush_percent);
  std::printf("| policy | flushes and merges | runs | at most |\n|---|---|---|---|\n");
  for (const Row& row : rows_for(args, ModelOptions{}.nursery_bytes)) {
    ModelOptions options;
    options.policy = row.policy;
    options.is_paced = args.is_paced;
    options.flush_bytes = options.nursery_bytes * args.flush_percent / 100;
    double written = 0, runs = 0, sizes = 0;
    uint64_t most_runs = 0;
    for (uint64_t size = args.from; size <= args.nurseries; size += 1 + size / 20) {
      options.flushes = size;
      const ModelFigures figures = run_model(options);
      written += figures.write_amplification - 1;
      runs += static_cast<double>(figures.runs_at_end);
      most_runs = std::max(most_runs, figures.runs_at_rest);
      ++sizes;
    }
    std::printf("| %s | %.2f | %.1f | %llu |\n", row.name.c_str(), written / sizes, runs / sizes,
                static_cast<unsigned long long>(most_runs));
  }
}

bool is_wanted(const Arguments& args, const std::string& name) {
  const auto is_part = [&](const std::string& part) {
    return name.find(part) != std::string::npos;
  };
  return args.only.empty() || std::any_of(args.only.begin(), args.only.end(), is_part);
}

/// The engine's own counters, beside the model of the same policy. The first measurement tells what a nursery of that much
/// memory holds.
Result<void> measure(const Arguments& args) {
  EnvOptions options;
  options.durability = Durability::none;
  options.background_threads = false;
  AETHER_TRY_ASSIGN(const std::unique_ptr<DbEnv> env, DbEnv::open(args.measure, options));
  MeasuredOptions measured;
  measured.nurseries = args.nurseries;
  measured.nursery_bytes = args.nursery_kib * 1024;
  measured.value_bytes = args.value_bytes;
  measured.is_compressed = args.is_compressed;
  AETHER_TRY_ASSIGN(const MeasuredFigures first, measure_writes(*env, measured));
  std::printf("16 + %u bytes, %llu nurseries of %llu KiB of memory (%.0f KiB of rows)\n\n",
              measured.value_bytes, static_cast<unsigned long long>(args.nurseries),
              static_cast<unsigned long long>(args.nursery_kib), first.flush_user_bytes / 1024);
  std::printf(
      "| policy | log | runs | WA | model: runs | paced model: runs | unpaid | sorted runs |\n");
  std::printf("|---|---|---|---|---|---|---|---|\n");
  for (const Row& row : rows_for(args, static_cast<uint64_t>(first.flush_user_bytes))) {
    if (!is_wanted(args, row.name)) continue;
    measured.policy = row.policy;
    AETHER_TRY_ASSIGN(const MeasuredFigures figures, measure_writes(*env, measured));
    ModelOptions modelled;
    modelled.policy = row.policy;
    modelled.flushes = args.nurseries;
    modelled.nursery_bytes = measured.nursery_bytes;
    modelled.flush_bytes = static_cast<uint64_t>(first.flush_user_bytes);
    const double model = run_model(modelled).write_amplification;
    modelled.is_paced = true;
    const double paced = run_model(modelled).write_amplification;
    std::printf("| %s | %.2f | %.2f | %.2f | %.2f | %.2f | %.2f | %llu |\n", row.name.c_str(),
                figures.log, figures.runs, figures.log + figures.runs, model - 1, paced - 1,
                figures.unpaid, static_cast<unsigned long long>(figures.sorted_runs));
    std::fflush(stdout);
  }
  return env->close();
}

}  // namespace
}  // namespace aether::bench

int main(int argc, char** argv) {
  CLI::App app("What merge policies cost, by a model or measured.", "aether-lsm-model");
  aether::bench::Arguments args;
  app.add_option("--nurseries", args.nurseries, "Size of the store in flushes")
      ->check(CLI::Range(2, 100000))
      ->capture_default_str();
  app.add_flag(
      "--paced", args.is_paced,
      "Merges go on while bytes come in, as lsm/pacing.h says; work is bytes merged for a byte");
  app.add_option("--from", args.from, "Averages over stores of so many flushes to --nurseries")
      ->check(CLI::Range(2, 100000));
  app.add_option("--flush-percent", args.flush_percent,
                 "With --from: what a flush writes of its nursery's memory")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  app.add_option("--measure", args.measure,
                 "Writes: new random keys, into stores of an environment in this directory");
  app.add_option("--nursery-kib", args.nursery_kib, "With --measure: memory of a nursery")
      ->check(CLI::Range(16, 1 << 20))
      ->capture_default_str();
  app.add_option("--value-bytes", args.value_bytes, "With --measure: of a value; keys have 16")
      ->check(CLI::Range(2, 4096))
      ->capture_default_str();
  app.add_flag("--lz4", args.is_compressed,
               "With --measure: compressed, and the second half of a value repeats the first");
  app.add_option("--only", args.only, "With --measure: policies whose names have this in them");
  CLI11_PARSE(app, argc, argv);
  if (args.measure.empty()) {
    args.from == 0 ? aether::bench::print(args) : aether::bench::print_averages(args);
    return 0;
  }
  if (const aether::Result<void> done = aether::bench::measure(args); !done) {
    const std::string message(done.error().message());
    std::fprintf(stderr, "aether-lsm-model: %s\n", message.c_str());
    return 1;
  }
  return 0;
}
