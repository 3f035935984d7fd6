#include "compare.h"

#include <algorithm>
#include <map>
#include <optional>

#include "data.h"
#include "device.h"
#include "lone_runs.h"
#include "memory_group.h"
#include "process.h"
#include "work_dir.h"

namespace aether::bench {
namespace {

constexpr uint64_t kDataPerPool = 8;
constexpr uint64_t kPoolBytesMin = 4 * MiB;
/// What a memory group leaves to the program beside the engine's pool.
constexpr uint64_t kProgramBytes = 32 * MiB;

std::string said_of(const Result<MemoryGroup>& group) {
  return group ? std::string() : std::string(group.error().message());
}

class Comparison {
 public:
  Comparison(const Settings& settings, WorkDir work,
             FunctionRef<void(const JsonObject& result)> on_result)
      : settings_(settings),
        work_(std::move(work)),
        on_result_(on_result),
        machine_(machine_line()),
        no_group_(said_of(MemoryGroup::make(kProgramBytes))) {}

  Result<void> run() {
    for (const uint64_t records : settings_.records) {
      for (const uint64_t value_bytes : settings_.value_bytes) {
        run_ = settings_.run;
        run_.records = records;
        run_.value_bytes = value_bytes;
        for (const Workload* workload : settings_.workloads) run_workload_rounds(*workload);
        for (const auto& base : bases_) AETHER_TRY(remove_tree(base.first));
        bases_.clear();
      }
    }
    return {};
  }

 private:
  void run_workload_rounds(const Workload& workload) {
    const std::vector<unsigned> one = {1};
    const std::vector<unsigned>& wanted = settings_.threads.empty() ? workload.threads
                                                                    : settings_.threads;
    for (const unsigned threads : workload.is_single() ? one : wanted) {
      for (unsigned repeat = 0; repeat < settings_.repeat; ++repeat) {
        run_round(workload, threads, repeat);
      }
    }
  }

  void run_round(const Workload& workload, unsigned threads, unsigned repeat) {
    if (workload.task == Task::device_append) {
      report(workload, "buffered", 1, repeat, run_device(workload, AppendForm::buffered, 1));
      report(workload, "direct", 1, repeat, run_device(workload, AppendForm::direct, 1));
      return;
    }
    if (workload.is_device()) {
      report(workload, "direct", threads, repeat,
             run_device(workload, AppendForm::direct, threads));
      return;
    }
    const size_t count = settings_.engines.size();
    for (size_t i = 0; i < count; ++i) {
      const EngineKind& kind = *settings_.engines[(i + repeat) % count];
      const std::string reason = left_out(workload, kind);
      if (reason.empty()) {
        report(workload, kind.name, threads, repeat, run_engine(workload, kind, threads, repeat));
      } else if (repeat == 0) {
        JsonObject skipped;
        skipped.set("left_out", reason);
        report(workload, kind.name, threads, repeat, std::move(skipped));
      }
    }
  }

  std::string left_out(const Workload& workload, const EngineKind& kind) const {
    if (kind.through_page_cache && workload.base == Base::disk && !no_group_.empty()) {
      return "it reads through the page cache, which nothing holds to the pool's size here: " +
             no_group_;
    }
    if (run_.value_bytes > kind.value_bytes_max) {
      return "its values have at most " + std::to_string(kind.value_bytes_max) + " bytes";
    }
    return kind.leaves_out(config_of(workload, ""));
  }

  uint64_t pool_bytes(const Workload& workload) const {
    if (workload.base != Base::disk) return settings_.pool_mib * MiB;
    const uint64_t data = run_.records * (kKeyBytes + run_.value_bytes);
    return std::max(data / kDataPerPool, kPoolBytesMin);
  }

  EngineConfig config_of(const Workload& workload, const std::string& dir) const {
    EngineConfig config;
    config.dir = dir;
    config.pool_bytes = pool_bytes(workload);
    config.writes = workload.writes;
    config.sync_commits = workload.sync_commits;
    config.transactions = workload.is_transactional();
    config.snapshots = workload.is_snapshot();
    config.larger_than_memory = workload.base == Base::disk;
    config.keep_log = workload.task == Task::reopen;
    return config;
  }

  RunOptions options_of(unsigned threads, unsigned repeat) const {
    RunOptions options = run_;
    options.threads = threads;
    options.seed = repeat + 1;  // The same for every engine.
    return options;
  }

  Result<JsonObject> run_device(const Workload& workload, AppendForm form, unsigned threads) {
    const std::string dir = work_.path("device");
    AETHER_TRY(make_dir(dir));
    const RunOptions options = options_of(threads, 0);
    return run_in_child(settings_.limit_seconds, [&]() -> Result<JsonObject> {
      AETHER_TRY_ASSIGN(const Measured measured,
                        run_device_task(workload.task, form, options, dir));
      JsonObject result;
      describe_measured(measured, result);
      return result;
    });
  }

  static Result<Measured> run_device_task(Task task, AppendForm form, const RunOptions& options,
                                          const std::string& dir) {
    if (task == Task::device_append) return run_device_append(form, options, dir);
    return run_device_read(options, task == Task::device_read_deep ? kDeviceDepth : 1, dir);
  }

  /// Makes the loaded store of `kind` once. A load that failed is not tried again.
  Result<std::string> base_of(const Workload& workload, const EngineKind& kind) {
    const std::string dir = work_.path((workload.base == Base::disk ? "disk-" : "memory-") +
                                       kind.loads_as);
    const auto known = bases_.find(dir);
    if (known != bases_.end()) {
      if (known->second.empty()) return dir;
      return Error(Code::failed, known->second);
    }
    const Result<JsonObject> loaded = load(workload.base, *find_engine(kind.loads_as), dir);
    bases_[dir] = loaded ? "" : "loading the store: " + std::string(loaded.error().message());
    if (!loaded) return Error(Code::failed, bases_[dir]);
    return dir;
  }

  Result<JsonObject> load(Base base, const EngineKind& kind, const std::string& dir) {
    AETHER_TRY(make_dir(dir));
    return run_in_child(settings_.limit_seconds, [&]() -> Result<JsonObject> {
      EngineConfig config;
      config.dir = dir;
      config.pool_bytes = settings_.pool_mib * MiB;
      config.writes = true;
      const std::unique_ptr<Engine> engine = kind.make();
      AETHER_TRY(engine->open(config));
      AETHER_TRY(load_base(base, options_of(1, 0), *engine));
      AETHER_TRY(engine->close());
      return JsonObject();
    });
  }

  Result<JsonObject> run_engine(const Workload& workload, const EngineKind& kind, unsigned threads,
                                unsigned repeat) {
    std::string dir = work_.path("run");
    AETHER_TRY(remove_tree(dir));
    if (workload.base == Base::none) {
      AETHER_TRY(make_dir(dir));
    } else {
      AETHER_TRY_ASSIGN(const std::string base, base_of(workload, kind));
      if (workload.writes) {
        AETHER_TRY(copy_dir(base, dir));
      } else {
        dir = base;
      }
      if (workload.base == Base::disk) AETHER_TRY(drop_page_cache(dir));
    }
    const RunOptions options = options_of(threads, repeat);
    const EngineConfig config = config_of(workload, dir);
    if (workload.is_lone())
      return run_lone(workload, kind, config, options, settings_.limit_seconds);
    std::optional<MemoryGroup> group;
    if (config.larger_than_memory && kind.through_page_cache) {
      AETHER_TRY_ASSIGN(MemoryGroup made, MemoryGroup::make(config.pool_bytes + kProgramBytes));
      group.emplace(std::move(made));
    }
    return run_in_child(settings_.limit_seconds, [&]() -> Result<JsonObject> {
      if (group) AETHER_TRY(group->enter());
      return child_run(workload, kind, config, options);
    });
  }

  static Result<JsonObject> child_run(const Workload& workload, const EngineKind& kind,
                                      const EngineConfig& config, const RunOptions& options) {
    const Usage before = usage_now();
    const std::unique_ptr<Engine> engine = kind.make();
    AETHER_TRY(engine->open(config));
    JsonObject result;
    result.set("version", engine->version());
    result.set("config", engine->describe() + how_it_runs(workload, kind, config));
    AETHER_TRY_ASSIGN(const Measured measured, run_workload(workload, options, *engine));
    describe_measured(measured, result);
    // Closing is part of the price: it writes what the engine still owed.
    AETHER_TRY(engine->close());
    const Usage after = usage_now();
    result.set("bytes_read", static_cast<double>(after.bytes_read - before.bytes_read));
    result.set("bytes_written", static_cast<double>(after.bytes_written - before.bytes_written));
    result.set("disk_bytes", static_cast<double>(disk_bytes(config.dir)));
    result.set("peak_rss_mb", peak_rss_mb());
    return result;
  }

  /// What the harness adds to an engine's own account of its configuration.
  static std::string how_it_runs(const Workload& workload, const EngineKind& kind,
                                 const EngineConfig& config) {
    std::string text;
    if (workload.is_batch()) text.append("; batch get: ").append(kind.batch_get);
    if (!config.larger_than_memory) return text;
    if (!kind.through_page_cache) return text + "; larger than memory: its own direct reads";
    return text + "; larger than memory: a memory control group of the pool and " +
           std::to_string(kProgramBytes / MiB) + " MiB";
  }

  void report(const Workload& workload, const std::string& engine, unsigned threads,
              unsigned repeat, const Result<JsonObject>& outcome) {
    JsonObject result;
    result.set("engine", workload.is_device() ? "device-" + engine : engine);
    result.set("workload", std::string(workload.name));
    result.set("threads", static_cast<double>(threads));
    result.set("repeat", static_cast<double>(repeat));
    result.set("records", static_cast<double>(run_.records));
    result.set("value_bytes", static_cast<double>(run_.value_bytes));
    result.set("pool_mib", static_cast<double>(pool_bytes(workload)) / static_cast<double>(MiB));
    result.set("run_seconds", run_.seconds);
    result.set("machine", machine_);
    if (outcome) {
      result.append(*outcome);
    } else {
      result.set("error", std::string(outcome.error().message()));
    }
    on_result_(result);
  }

  const Settings& settings_;
  const WorkDir work_;
  FunctionRef<void(const JsonObject& result)> on_result_;
  const std::string machine_;
  const std::string no_group_;  ///< Why there are no memory groups here; empty if there are.
  RunOptions run_;              ///< Of the size of data that is run now.
  std::map<std::string, std::string>
      bases_;  ///< Directory of a loaded store to the error, or empty.
};

}  // namespace

Result<void> compare(const Settings& settings,
                     FunctionRef<void(const JsonObject& result)> on_result) {
  AETHER_TRY_ASSIGN(WorkDir work, WorkDir::make(settings.dir, "aether-peers"));
  return Comparison(settings, std::move(work), on_result).run();
}

}  // namespace aether::bench
