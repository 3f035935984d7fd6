/// aether-peers: the same work on Aether and on the engines that a user would pick instead.
///
/// See bench/README.md for what is measured, how, and how to read it.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "check.h"
#include "compare.h"
#include "goals.h"
#include "process.h"
#include "report.h"

namespace aether::bench {
namespace {

struct Arguments {
  std::vector<std::string> engines;
  std::vector<std::string> workloads;
  std::string format = "table";
  std::string json_file;
  std::string goals_file;
  std::vector<std::string> from;
  bool list = false;
  bool check = false;
  Settings settings;
};

int complain(const std::string& message) {
  std::fprintf(stderr, "aether-peers: %s\n", message.c_str());
  return 1;
}

/// What runs, and on what.
void declare_runs(CLI::App& app, Arguments& args) {
  Settings& settings = args.settings;
  settings.dir = "/tmp";
  app.add_option("--engines", args.engines, "Engines, the first one compared to the others")
      ->delimiter(',')
      ->default_str("all");
  app.add_option("--workloads", args.workloads, "Workloads, run in this order")
      ->delimiter(',')
      ->default_str("all");
  app.add_option("--records", settings.records, "Records in the store; a list runs each number")
      ->delimiter(',')
      ->check(CLI::Range(1000.0, 1e10))
      ->capture_default_str();
  app.add_option("--value-bytes", settings.value_bytes, "Size of a value; a list runs each size")
      ->delimiter(',')
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  app.add_option("--threads", settings.threads, "Client threads; a list runs each number in turn")
      ->delimiter(',')
      ->check(CLI::Range(1, 256))
      ->default_str("as each workload says (--list)");
  app.add_option("--repeat", settings.repeat, "Runs of each kind; the table shows medians")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--seconds", settings.run.seconds, "Length of a run; loads run to their end")
      ->check(CLI::Range(0.1, 86400.0))
      ->capture_default_str();
  app.add_option("--updates", settings.run.updates, "Puts before the kill in reopen")
      ->check(CLI::Range(1.0, 1e9))
      ->capture_default_str();
  app.add_option("--dir", settings.dir, "Where the files go: on the disk to be measured")
      ->capture_default_str();
  app.add_option("--pool-mib", settings.pool_mib, "Cache of each engine; oom-* take data / 8")
      ->check(CLI::Range(1.0, 1e7))
      ->capture_default_str();
  app.add_option("--limit", settings.limit_seconds, "Seconds after which a run is killed")
      ->check(CLI::Range(1.0, 864000.0))
      ->capture_default_str();
}

/// What becomes of the results, and what else the program does.
void declare_outcome(CLI::App& app, Arguments& args) {
  app.add_option("--format", args.format, "Standard output: a Markdown table, or one object a run")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  app.add_option("--json", args.json_file, "Also writes one object a run to this file");
  app.add_option("--goals", args.goals_file,
                 "Sets what was measured beside the goals in this file");
  app.add_option("--from", args.from,
                 "Reports the results in these files (of --json), runs nothing")
      ->delimiter(',');
  app.add_flag("--list", args.list, "Lists engines and workloads");
  app.add_flag("--check", args.check, "Checks the answers of each engine instead of measuring");
}

Result<void> choose(Arguments& args) {
  Settings& settings = args.settings;
  for (const std::string& name : args.engines) {
    const EngineKind* kind = find_engine(name);
    if (kind == nullptr) {
      return Error(Code::invalid_argument,
                   "no engine '" + name + "' in this build; --list shows those there are");
    }
    settings.engines.push_back(kind);
  }
  if (args.engines.empty()) {
    for (const EngineKind& kind : engine_kinds()) settings.engines.push_back(&kind);
  }
  if (settings.engines.empty()) {
    return Error(
        Code::unsupported,
        "this build has no engine; install the packages of group bench (tools/packages.txt) "
        "and build again");
  }
  for (const std::string& name : args.workloads) {
    const Workload* workload = find_workload(name);
    if (workload == nullptr) {
      return Error(Code::invalid_argument,
                   "no workload '" + name + "'; --list shows those there are");
    }
    settings.workloads.push_back(workload);
  }
  if (args.workloads.empty()) {
    for (const Workload& workload : workloads()) settings.workloads.push_back(&workload);
  }
  return {};
}

int list() {
  std::printf("Engines:\n");
  for (const EngineKind& kind : engine_kinds()) std::printf("  %s\n", kind.name.c_str());
  std::printf("Workloads, with their numbers of threads:\n");
  for (const Workload& workload : workloads()) {
    std::string threads;
    for (const unsigned count : workload.threads) {
      threads.append(threads.empty() ? "" : ",").append(std::to_string(count));
    }
    std::printf("  %-16s %-7s %s\n", workload.name, threads.c_str(), workload.what);
  }
  return 0;
}

int check(const Settings& settings) {
  int failures = 0;
  for (const EngineKind* kind : settings.engines) {
    const std::string dir = settings.dir + "/aether-peers-check-" + kind->name;
    const Result<JsonObject> outcome = run_in_child(settings.limit_seconds,
                                                    [&]() -> Result<JsonObject> {
                                                      AETHER_TRY(remove_tree(dir));
                                                      AETHER_TRY(make_dir(dir));
                                                      AETHER_TRY(check_engine(*kind, dir));
                                                      return JsonObject();
                                                    });
    const std::string word = outcome ? "right answers"
                                     : "WRONG: " + std::string(outcome.error().message());
    std::printf("%s: %s\n", kind->name.c_str(), word.c_str());
    failures += outcome ? 0 : 1;
    if (const Result<void> removed = remove_tree(dir); !removed) {
      complain(std::string(removed.error().message()));
    }
  }
  return failures == 0 ? 0 : 1;
}

Result<std::string> read_file(const std::string& name) {
  std::ifstream file(name);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return Error(Code::io_error, "cannot read " + name);
  return text.str();
}

Result<std::vector<Goal>> read_goals(const Arguments& args) {
  if (args.goals_file.empty()) return std::vector<Goal>();
  AETHER_TRY_ASSIGN(const std::string text, read_file(args.goals_file));
  return parse_goals(text);
}

Result<std::vector<JsonObject>> read_results(const std::vector<std::string>& files) {
  std::vector<JsonObject> results;
  for (const std::string& name : files) {
    AETHER_TRY_ASSIGN(const std::string text, read_file(name));
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      AETHER_TRY_ASSIGN(JsonObject result, JsonObject::parse(line));
      results.push_back(std::move(result));
    }
  }
  return results;
}

/// 1 if a run failed.
int conclude(const Arguments& args, const std::vector<JsonObject>& results,
             const std::vector<Goal>& goals) {
  if (args.format == "table") std::printf("%s", make_report(results, goals).c_str());
  const bool failed = std::any_of(results.begin(), results.end(),
                                  [](const JsonObject& result) { return result.has("error"); });
  return failed ? 1 : 0;
}

int measure(const Arguments& args, const std::vector<Goal>& goals) {
  std::ofstream json_file;
  if (!args.json_file.empty()) {
    json_file.open(args.json_file);
    if (!json_file) return complain("cannot write " + args.json_file);
  }
  std::vector<JsonObject> results;
  const Result<void> done = compare(args.settings, [&](const JsonObject& result) {
    std::fprintf(stderr, "%s\n", progress_line(result).c_str());
    if (json_file.is_open()) json_file << result.to_string() << std::endl;
    if (args.format == "json") {
      std::printf("%s\n", result.to_string().c_str());
      std::fflush(stdout);
    }
    results.push_back(result);
  });
  if (!done) return complain(std::string(done.error().message()));
  return conclude(args, results, goals);
}

int report_files(const Arguments& args, const std::vector<Goal>& goals) {
  const Result<std::vector<JsonObject>> results = read_results(args.from);
  if (!results) return complain(std::string(results.error().message()));
  if (args.format == "json") {
    for (const JsonObject& result : *results) std::printf("%s\n", result.to_string().c_str());
  }
  return conclude(args, *results, goals);
}

int run(int argc, char** argv) {
  CLI::App app{
      "Compares Aether with other embeddable engines: the same work, in one run, on this machine."};
  Arguments args;
  declare_runs(app, args);
  declare_outcome(app, args);
  CLI11_PARSE(app, argc, argv);
  if (args.list) return list();
  if (const Result<void> chosen = choose(args); !chosen) {
    return complain(std::string(chosen.error().message()));
  }
  if (args.check) return check(args.settings);
  const Result<std::vector<Goal>> goals = read_goals(args);
  if (!goals) return complain(std::string(goals.error().message()));
  return args.from.empty() ? measure(args, *goals) : report_files(args, *goals);
}

}  // namespace
}  // namespace aether::bench

int main(int argc, char** argv) { return aether::bench::run(argc, argv); }
