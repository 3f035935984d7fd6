#include "compare.h"

#include <algorithm>
#include <map>

#include "data.h"
#include "device.h"
#include "process.h"
#include "work_dir.h"

namespace aether::bench {
namespace {

constexpr uint64_t kDataPerPool = 8;
constexpr uint64_t kPoolBytesMin = 4 * MiB;

class Comparison {
 public:
  Comparison(const Settings& settings, WorkDir work,
             FunctionRef<void(const JsonObject& result)> on_result)
      : settings_(settings), work_(std::move(work)), on_result_(on_result) {}

  void run() {
    for (const Workload* workload : settings_.workloads) {
      for (const unsigned threads : settings_.threads) {
        for (unsigned repeat = 0; repeat < settings_.repeat; ++repeat) {
          run_round(*workload, threads, repeat);
        }
      }
    }
  }

 private:
  void run_round(const Workload& workload, unsigned threads, unsigned repeat) {
    if (workload.task == Task::device_append) {
      // A device has one end of a file: more threads would measure something else.
      if (threads != settings_.threads.front()) return;
      report(workload, "buffered", 1, repeat, run_device(workload, AppendForm::buffered, 1));
      report(workload, "direct", 1, repeat, run_device(workload, AppendForm::direct, 1));
      return;
    }
    if (workload.task == Task::device_read) {
      report(workload, "direct", threads, repeat,
             run_device(workload, AppendForm::direct, threads));
      return;
    }
    const size_t count = settings_.engines.size();
    for (size_t i = 0; i < count; ++i) {
      const EngineKind& kind = *settings_.engines[(i + repeat) % count];
      const std::string reason = kind.leaves_out(config_of(workload, ""));
      if (reason.empty()) {
        report(workload, kind.name, threads, repeat, run_engine(workload, kind, threads, repeat));
      } else if (repeat == 0) {
        JsonObject skipped;
        skipped.set("left_out", reason);
        report(workload, kind.name, threads, repeat, std::move(skipped));
      }
    }
  }

  EngineConfig config_of(const Workload& workload, const std::string& dir) const {
    EngineConfig config;
    config.dir = dir;
    config.pool_bytes = pool_bytes(settings_, workload);
    config.writes = workload.writes;
    config.sync_commits = workload.sync_commits;
    config.transactions = workload.is_transactional();
    config.snapshots = workload.is_snapshot();
    config.larger_than_memory = workload.base == Base::disk;
    return config;
  }

  RunOptions options_of(unsigned threads, unsigned repeat) const {
    RunOptions options = settings_.run;
    options.threads = threads;
    options.seed = repeat + 1;  // The same for every engine.
    return options;
  }

  Result<JsonObject> run_device(const Workload& workload, AppendForm form, unsigned threads) {
    const std::string dir = work_.path("device");
    AETHER_TRY(make_dir(dir));
    const RunOptions options = options_of(threads, 0);
    return run_in_child(settings_.limit_seconds, [&]() -> Result<JsonObject> {
      AETHER_TRY_ASSIGN(const Measured measured, workload.task == Task::device_append
                                                     ? run_device_append(form, options, dir)
                                                     : run_device_read(options, dir));
      JsonObject result;
      describe_measured(measured, result);
      return result;
    });
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
    if (workload.task == Task::reopen) return run_reopen(kind, config_of(workload, dir), options);
    return run_in_child(settings_.limit_seconds, [&] {
      return child_run(workload, kind, config_of(workload, dir), options);
    });
  }

  /// One process updates and is killed in the middle of life; another one opens what it left.
  Result<JsonObject> run_reopen(const EngineKind& kind, const EngineConfig& config,
                                const RunOptions& options) {
    const Result<JsonObject> killed = run_in_child(
        settings_.limit_seconds, [&]() -> Result<JsonObject> {
          const std::unique_ptr<Engine> engine = kind.make();
          AETHER_TRY(engine->open(config));
          AETHER_TRY(update_for_reopen(options, *engine));
          kill_self();
          return JsonObject();
        });
    if (killed || !was_killed(killed.error())) {
      return killed ? Error(Code::failed, "the process was not killed") : killed.error().clone();
    }
    AETHER_TRY(drop_page_cache(config.dir));
    return run_in_child(settings_.limit_seconds, [&]() -> Result<JsonObject> {
      const Usage before = usage_now();
      const uint64_t begin_ns = clock_ns();
      const std::unique_ptr<Engine> engine = kind.make();
      AETHER_TRY(engine->open(config));
      AETHER_TRY_ASSIGN(std::unique_ptr<Session> session, engine->session());
      std::string value;
      if (session->get(Key(0), value) != Answer::ok)
        return Error(Code::failed, "the first get after the opening: " + session->error());
      Measured measured;
      const uint64_t took_ns = clock_ns() - begin_ns;
      measured.operations = 1;
      measured.seconds = static_cast<double>(took_ns) * 1e-9;
      measured.cpu_seconds = usage_now().cpu_seconds - before.cpu_seconds;
      measured.latency.record(took_ns);
      measured.us_per_tick = 1e-3;
      JsonObject result;
      result.set("version", engine->version());
      result.set("config", engine->describe());
      describe_measured(measured, result);
      result.set("bytes_read", static_cast<double>(usage_now().bytes_read - before.bytes_read));
      result.set("peak_rss_mb", peak_rss_mb());
      session.reset();
      AETHER_TRY(engine->close());
      return result;
    });
  }

  static Result<JsonObject> child_run(const Workload& workload, const EngineKind& kind,
                                      const EngineConfig& config, const RunOptions& options) {
    const Usage before = usage_now();
    const std::unique_ptr<Engine> engine = kind.make();
    AETHER_TRY(engine->open(config));
    JsonObject result;
    result.set("version", engine->version());
    result.set("config", engine->describe());
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

  void report(const Workload& workload, const std::string& engine, unsigned threads,
              unsigned repeat, const Result<JsonObject>& outcome) {
    JsonObject result;
    result.set("engine", workload.is_device() ? "device-" + engine : engine);
    result.set("workload", std::string(workload.name));
    result.set("threads", static_cast<double>(threads));
    result.set("repeat", static_cast<double>(repeat));
    result.set("records", static_cast<double>(settings_.run.records));
    result.set("value_bytes", static_cast<double>(settings_.run.value_bytes));
    result.set("pool_mib",
               static_cast<double>(pool_bytes(settings_, workload)) / static_cast<double>(MiB));
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
  std::map<std::string, std::string>
      bases_;  ///< Directory of a loaded store to the error, or empty.
};

}  // namespace

uint64_t pool_bytes(const Settings& settings, const Workload& workload) {
  if (workload.base != Base::disk) return settings.pool_mib * MiB;
  const uint64_t data = settings.run.records * (kKeyBytes + settings.run.value_bytes);
  return std::max(data / kDataPerPool, kPoolBytesMin);
}

Result<void> compare(const Settings& settings,
                     FunctionRef<void(const JsonObject& result)> on_result) {
  AETHER_TRY_ASSIGN(WorkDir work, WorkDir::make(settings.dir, "aether-peers"));
  Comparison(settings, std::move(work), on_result).run();
  return {};
}

}  // namespace aether::bench
