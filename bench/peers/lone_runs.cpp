#include "lone_runs.h"

#include <algorithm>
#include <memory>
#include <string>

#include "data.h"
#include "drive.h"
#include "process.h"

namespace aether::bench {
namespace {

/// Of the engine's own timers, before it is killed: what it says it has flushed is then flushed.
constexpr double kTimersSeconds = 0.5;
constexpr uint64_t kRecordsPerPutBeforeClose = 10;

/// From its making to the end of the one thing that is timed.
class Stopwatch {
 public:
  void stop(JsonObject& result) const {
    Measured measured;
    const uint64_t took_ns = clock_ns() - begin_ns_;
    measured.operations = 1;
    measured.seconds = static_cast<double>(took_ns) * 1e-9;
    measured.cpu_seconds = usage_now().cpu_seconds - usage_.cpu_seconds;
    measured.latency.record(took_ns);
    measured.us_per_tick = 1e-3;
    describe_measured(measured, result);
  }

 private:
  const Usage usage_ = usage_now();
  const uint64_t begin_ns_ = clock_ns();
};

void describe_engine(const Engine& engine, JsonObject& result) {
  result.set("version", engine.version());
  result.set("config", engine.describe());
}

void describe_usage(const Usage& before, const EngineConfig& config, JsonObject& result) {
  const Usage after = usage_now();
  result.set("bytes_read", static_cast<double>(after.bytes_read - before.bytes_read));
  result.set("bytes_written", static_cast<double>(after.bytes_written - before.bytes_written));
  result.set("disk_bytes", static_cast<double>(disk_bytes(config.dir)));
  result.set("peak_rss_mb", peak_rss_mb());
}

/// Opening counts until a get has been answered: an engine may put its work off until then.
Result<JsonObject> time_opening(const EngineKind& kind, const EngineConfig& config) {
  JsonObject result;
  const Usage before = usage_now();
  const Stopwatch watch;
  const std::unique_ptr<Engine> engine = kind.make();
  AETHER_TRY(engine->open(config));
  AETHER_TRY_ASSIGN(std::unique_ptr<Session> session, engine->session());
  std::string value;
  if (session->get(Key(0), value) != Answer::ok) {
    return Error(Code::failed, "the first get after the opening: " + session->error());
  }
  watch.stop(result);
  describe_engine(*engine, result);
  describe_usage(before, config, result);
  session.reset();
  AETHER_TRY(engine->close());
  return result;
}

Result<JsonObject> time_closing(const EngineKind& kind, const EngineConfig& config,
                                const RunOptions& options) {
  JsonObject result;
  const Usage before = usage_now();
  const std::unique_ptr<Engine> engine = kind.make();
  AETHER_TRY(engine->open(config));
  AETHER_TRY(update_randomly(options, options.records / kRecordsPerPutBeforeClose, *engine));
  describe_engine(*engine, result);
  const Stopwatch watch;
  AETHER_TRY(engine->close());
  watch.stop(result);
  describe_usage(before, config, result);
  return result;
}

/// One process updates and is killed in the middle of life; another one opens what it left.
Result<JsonObject> reopen_after_kill(const EngineKind& kind, const EngineConfig& config,
                                     const RunOptions& options, double limit_seconds) {
  const Result<JsonObject> killed = run_in_child(limit_seconds, [&]() -> Result<JsonObject> {
    const std::unique_ptr<Engine> engine = kind.make();
    AETHER_TRY(engine->open(config));
    AETHER_TRY(update_randomly(options, options.updates, *engine));
    sleep_seconds(kTimersSeconds);
    kill_self();
    return JsonObject();
  });
  if (killed) return Error(Code::failed, "the process was not killed");
  if (!was_killed(killed.error())) return killed.error().clone();
  const auto left = static_cast<double>(disk_bytes(config.dir));
  AETHER_TRY(drop_page_cache(config.dir));
  AETHER_TRY_ASSIGN(JsonObject result,
                    run_in_child(limit_seconds, [&] { return time_opening(kind, config); }));
  result.set("updates", static_cast<double>(options.updates));
  result.set("disk_bytes", left);  // As the kill left it.
  return result;
}

/// Loads, updates as often, closes; bytes by phase, the close counted with the updates.
Result<JsonObject> measure_space(const EngineKind& kind, const EngineConfig& config,
                                 const RunOptions& options) {
  JsonObject result;
  const std::unique_ptr<Engine> engine = kind.make();
  const Usage before = usage_now();
  AETHER_TRY(engine->open(config));
  AETHER_TRY_ASSIGN(const Measured loaded, load_all(options, *engine));
  const Usage middle = usage_now();
  const uint64_t begin_ns = clock_ns();
  AETHER_TRY(update_randomly(options, options.records, *engine));
  const double update_seconds = static_cast<double>(clock_ns() - begin_ns) * 1e-9;
  describe_engine(*engine, result);
  AETHER_TRY(engine->close());
  const Usage after = usage_now();

  describe_measured(loaded, result);  // Latencies are those of the load.
  const auto user = static_cast<double>(options.records * (kKeyBytes + options.value_bytes));
  const double ops = static_cast<double>(loaded.operations + options.records);
  result.set("ops", ops);
  result.set("seconds", loaded.seconds + update_seconds);
  result.set("ops_per_s", ops / (loaded.seconds + update_seconds));
  result.set("cpu_seconds", after.cpu_seconds - before.cpu_seconds);
  describe_usage(before, config, result);
  result.set("user_bytes", 2 * user);
  result.set("load_write_amplification",
             static_cast<double>(middle.bytes_written - before.bytes_written) / user);
  result.set("update_write_amplification",
             static_cast<double>(after.bytes_written - middle.bytes_written) / user);
  result.set("space_amplification", result.number("disk_bytes") / user);
  return result;
}

}  // namespace

Result<JsonObject> run_lone(const Workload& workload, const EngineKind& kind,
                            const EngineConfig& config, const RunOptions& options,
                            double limit_seconds) {
  if (workload.task == Task::reopen) {
    return reopen_after_kill(kind, config, options, limit_seconds);
  }
  if (workload.task == Task::open_clean) AETHER_TRY(drop_page_cache(config.dir));
  return run_in_child(limit_seconds, [&]() -> Result<JsonObject> {
    switch (workload.task) {
      case Task::open_clean: return time_opening(kind, config);
      case Task::close_clean: return time_closing(kind, config, options);
      default: return measure_space(kind, config, options);
    }
  });
}

}  // namespace aether::bench
