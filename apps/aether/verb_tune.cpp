// tune: watches an environment that another process has open, and says what to change (advice.h judges).

#include <algorithm>
#include <memory>
#include <utility>

#include "apps/aether/advice.h"
#include "apps/aether/bench_device.h"
#include "apps/aether/report.h"
#include "apps/aether/signals.h"
#include "apps/aether/table.h"
#include "apps/aether/text.h"
#include "apps/aether/verbs.h"
#include "base/json_writer.h"
#include "db/documents.h"
#include "os/os.h"

namespace aether::cli {
namespace {

/// Returns how long it was: a signal ends it.
double watch(const Session& session, uint64_t seconds) {
  constexpr uint64_t kStepNs = 100'000'000;
  os::Os& os = os::production();
  Progress progress = session.progress("watch", "s");
  const uint64_t begin = os.monotonic_ns();
  const uint64_t length = seconds * 1'000'000'000;
  uint64_t passed = 0;
  while (passed < length && !stop_requested()) {
    os.sleep_ns(std::min(kStepNs, length - passed));
    passed = os.monotonic_ns() - begin;
    progress.update(std::min(passed, length), length, passed / 1'000'000'000);
  }
  progress.finish();
  return static_cast<double>(passed) / 1e9;
}

/// The process that has it open, twice asked. Errors: not_found (there is none).
Result<Observation> watch_live(const Session& session, uint64_t seconds) {
  AETHER_TRY_ASSIGN(const std::string before, session.ask_live("stat"));
  const double passed = watch(session, seconds);
  AETHER_TRY_ASSIGN(const std::string after, session.ask_live("stat"));
  return observe(before, after, passed);
}

/// How it stands, and nothing happens.
Result<Observation> look(const Session& session) {
  AETHER_TRY_ASSIGN(const std::unique_ptr<DbEnv> env, session.open_for_reading());
  const std::string document = db::stats_document(env->stats());
  AETHER_TRY(env->close());
  return observe(document, document, 0);
}

Result<Observation> observation_of(const Session& session, uint64_t seconds) {
  Result<Observation> seen = watch_live(session, seconds);
  if (seen || seen.error().code() != Code::not_found) return seen;
  session.note(
      "no process has " + session.global().home +
      " open for writing: only how it stands can be judged; call tune while your program works");
  return look(session);
}

/// What the other process does not count: its device, and what the kernel allows.
void ask_machine(const Session& session, Observation& seen) {
  constexpr double kReadSeconds = 0.5;
  constexpr uint64_t kReads = 500;
  const Result<Timed> reads = time_random_reads(session.global().home + "/data", kReadSeconds,
                                                kReads);
  if (reads) seen.read_us = reads->ns.percentile(50) / 1e3;
  seen.kernel_has_uring = os::production().make_io_queue(1, IoMode::uring).has_value();
}

Report report_of(const Observation& seen) {
  Report report;
  report.add_seconds("seconds", seen.seconds);
  report.group("pool")
      .add_bytes("bytes", static_cast<uint64_t>(seen.pool_bytes))
      .add_bytes("data_bytes", static_cast<uint64_t>(seen.data_bytes))
      .add_number("page_reads_per_second", seen.page_reads)
      .add_number("page_evictions_per_second", seen.page_evictions)
      .add_us("device_read_us", seen.read_us);
  report.group("log")
      .add_bytes("bytes_max", static_cast<uint64_t>(seen.log_bytes_max))
      .add_number("bytes_appended_per_second", seen.log_bytes_appended)
      .add_number("flushes_per_second", seen.log_flushes)
      .add_number("checkpoints_per_minute", seen.checkpoints * 60)
      .add_number("page_writes_per_second", seen.page_writes);
  report.group("txn")
      .add_number("begun_per_second", seen.begun)
      .add_number("commits_per_second", seen.commits)
      .add_us("commit_mean_us", seen.commit_us)
      .add_us("durability_wait_mean_us", seen.commit_wait_us)
      .add_number("conflicts_per_second", seen.conflicts);
  report.group("locks")
      .add_number("waits_per_second", seen.lock_waits)
      .add_us("wait_mean_us", seen.lock_wait_us)
      .add_number("deadlocks_per_minute", seen.deadlocks * 60);
  report.group("versions")
      .add_number("spills_per_minute", seen.version_spills * 60)
      .add_number("disk_searches_per_second", seen.version_disk_searches);
  return report;
}

void append_json(std::string& text, const Report& report, const std::vector<Advice>& advices) {
  base::JsonWriter json(text);
  json.begin_object();
  report.append_json(json);
  json.name("advice").begin_array();
  for (const Advice& advice : advices) {
    json.begin_object()
        .member("option", advice.option)
        .member("change", advice.change)
        .member("gain", advice.gain)
        .bytes("because", advice.because)
        .end_object();
  }
  json.end_array().end_object();
  text += '\n';
}

void append_table(std::string& text, const std::vector<Advice>& advices) {
  for (const Advice& advice : advices) {
    text.append("\n").append(advice.option).append(": ").append(advice.change);
    text.append("\n  gain     ").append(advice.gain);
    text.append("\n  because  ").append(one_line(advice.because)).append("\n");
  }
  if (advices.empty()) text += "\nnothing to change\n";
}

void append_plain(std::string& text, const std::vector<Advice>& advices) {
  text.append("advice ").append(std::to_string(advices.size())).append("\n");
  for (const Advice& advice : advices) {
    text.append("advice.").append(advice.option).append(" ").append(advice.change);
    text.append("; gain: ").append(advice.gain);
    text.append("; because: ").append(one_line(advice.because)).append("\n");
  }
  if (advices.empty()) text += "nothing to change\n";
}

}  // namespace

Result<ExitCode> run_tune(Session& session, const TuneOptions& options) {
  AETHER_TRY_ASSIGN(Observation seen, observation_of(session, options.seconds));
  ask_machine(session, seen);
  const std::vector<Advice> advices = judge(seen);
  const Report report = report_of(seen);
  std::string text;
  if (session.format() == Format::json) {
    append_json(text, report, advices);
  } else if (session.format() == Format::table) {
    report.append_table(text, output_width(), session.colored_output());
    append_table(text, advices);
  } else {
    report.append_plain(text);
    append_plain(text, advices);
  }
  AETHER_TRY(session.out().write(text));
  return ExitCode::ok;
}

}  // namespace aether::cli
