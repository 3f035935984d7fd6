// bench: what the engine does with a user's mix on a user's disk, beside what the disk itself gives.

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "aether/env.h"
#include "apps/aether/bench_device.h"
#include "apps/aether/bench_work.h"
#include "apps/aether/report.h"
#include "apps/aether/signals.h"
#include "apps/aether/text.h"
#include "apps/aether/verbs.h"
#include "os/os.h"

namespace aether::cli {
namespace {

/// How long the disk alone is timed, for each of both.
double device_seconds(const BenchOptions& options) {
  constexpr double kLongest = 1, kShare = 0.2;
  return std::min(kLongest, kShare * static_cast<double>(options.seconds));
}

/// A new directory in `parent`, which is made if only its last name is missing; what was made is removed.
class BenchDirectory {
 public:
  static Result<BenchDirectory> make(const std::string& parent) {
    os::Os& os = os::production();
    BenchDirectory directory;
    AETHER_TRY_ASSIGN(const bool is_there, os.exists(parent));
    if (!is_there) {
      AETHER_TRY(os.create_directory(parent));
      directory.parent_ = parent;
    }
    std::string path = parent;
    path.append("/bench-").append(std::to_string(os.process_id()));
    path.append("-").append(std::to_string(os.random() % 1'000'000));
    AETHER_TRY(os.create_directory(path));
    directory.path_ = std::move(path);
    return directory;
  }
  BenchDirectory(BenchDirectory&& other) noexcept
      : parent_(std::exchange(other.parent_, {})), path_(std::exchange(other.path_, {})) {}
  BenchDirectory& operator=(BenchDirectory&&) = delete;
  ~BenchDirectory() {
    std::error_code ignored;  // What is left costs only space.
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
    if (!parent_.empty()) std::filesystem::remove(parent_, ignored);
  }
  std::string path(const char* name) const { return path_ + "/" + name; }

 private:
  BenchDirectory() = default;
  std::string parent_;  ///< Empty: it was there.
  std::string path_;
};

const char* word_of(Durability durability) {
  switch (durability) {
    case Durability::group: return "group";
    case Durability::sync: return "sync";
    case Durability::none: return "none";
  }
  return "";
}

void add_timed(Report& report, const char* group, const Timed& timed) {
  constexpr double kNsPerUs = 1e3;
  report.group(group)
      .add("count", timed.ns.count())
      .add_number("per_second", timed.per_second())
      .add_us("p50_us", timed.ns.percentile(50) / kNsPerUs)
      .add_us("p90_us", timed.ns.percentile(90) / kNsPerUs)
      .add_us("p99_us", timed.ns.percentile(99) / kNsPerUs)
      .add_us("p99_9_us", timed.ns.percentile(99.9) / kNsPerUs)
      .add_us("max_us", static_cast<double>(timed.ns.max()) / kNsPerUs);
}

double ratio(double a, double b) { return b > 0 ? a / b : 0; }

/// What the environment did between two looks.
void add_engine(Report& report, const EnvStats& before, const EnvStats& after) {
  report.group("engine")
      .add("page_reads", after.page_reads - before.page_reads)
      .add("page_writes", after.page_writes - before.page_writes)
      .add("page_evictions", after.page_evictions - before.page_evictions)
      .add("log_flushes", after.log_flushes - before.log_flushes)
      .add_bytes("log_bytes_written", after.log_bytes_written - before.log_bytes_written)
      .add("checkpoints", after.checkpoints - before.checkpoints)
      .add_bytes("data_bytes", (after.data_pages - after.data_pages_free) * after.page_bytes)
      .add_bytes("pool_bytes", after.pool_frames * after.page_bytes);
}

void add_settings(Report& report, const BenchOptions& options) {
  report.add("records", options.records)
      .add("value_bytes", options.value_bytes)
      .add("threads", uint64_t{options.threads})
      .add("read_percent", uint64_t{options.read_percent})
      .add("distribution",
           std::string(options.distribution == Distribution::zipf ? "zipf" : "uniform"))
      .add("durability", std::string(word_of(options.durability)))
      .add("seconds", options.seconds);
}

Error stopped() { return Error(Code::closed, "the bench was ended; nothing of it is left"); }

Result<void> run_in(const BenchDirectory& directory, Session& session, const BenchOptions& options,
                    Report& report) {
  AETHER_TRY_ASSIGN(const Timed append,
                    time_synced_writes(directory.path("append"), device_seconds(options)));
  EnvOptions env_options;
  env_options.pool_bytes = session.global().pool_bytes;
  env_options.io_mode = session.global().io_mode;
  env_options.durability = options.durability;
  AETHER_TRY_ASSIGN(const std::unique_ptr<DbEnv> env,
                    DbEnv::open(directory.path("env"), env_options));
  AETHER_TRY_ASSIGN(KvStore store, env->open_store("bench"));
  Progress loading = session.progress("load", "rows");
  const uint64_t begin = os::production().monotonic_ns();
  AETHER_TRY(load_rows(store, options, loading));
  AETHER_TRY(env->checkpoint());
  const double load_seconds = static_cast<double>(os::production().monotonic_ns() - begin) / 1e9;
  if (stop_requested()) return stopped();
  AETHER_TRY_ASSIGN(const Timed reads,
                    time_random_reads(directory.path("env/data"), device_seconds(options)));

  const EnvStats before = env->stats();
  Progress running = session.progress("run", "operations");
  AETHER_TRY_ASSIGN(const MixResult mix, run_mix(store, options, running));
  const EnvStats after = env->stats();
  if (stop_requested()) return stopped();
  AETHER_TRY(env->close());

  report.group("load")
      .add_seconds("seconds", load_seconds)
      .add_number("rows_per_second", ratio(static_cast<double>(options.records), load_seconds));
  if (options.read_percent > 0) add_timed(report, "read", mix.reads);
  if (options.read_percent < 100) add_timed(report, "write", mix.writes);
  report.group("total")
      .add_number("per_second", mix.reads.per_second() + mix.writes.per_second())
      .add("retries", mix.retries);
  add_timed(report, "device_write", append);
  add_timed(report, "device_read", reads);
  if (options.durability != Durability::none && options.read_percent < 100)
    report.group("ratio").add_number("write_to_device",
                                     ratio(mix.writes.per_second(), append.per_second()));
  add_engine(report, before, after);
  return {};
}

}  // namespace

Result<ExitCode> run_bench(Session& session, const BenchOptions& options) {
  if (session.global().read_only)
    return Error(Code::invalid_argument, "this verb writes; leave out --read-only");
  if (options.value_bytes > kMaxValueBytes) {
    return Error(Code::too_large, "--value-bytes is at most " + std::to_string(kMaxValueBytes));
  }
  const std::string& parent = options.directory.empty() ? session.global().home : options.directory;
  AETHER_TRY_ASSIGN(const BenchDirectory directory, BenchDirectory::make(parent));
  Report report;
  add_settings(report, options);
  AETHER_TRY(run_in(directory, session, options, report));
  AETHER_TRY(report.print(session));
  return ExitCode::ok;
}

}  // namespace aether::cli
