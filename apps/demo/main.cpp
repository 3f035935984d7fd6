/// The demo: the main job on real data, from an empty directory to a crash and back. `make demo` runs it.
///
///   aether-demo DATA HOME     DATA: cities.tsv; HOME: a directory that does not exist or is empty
///
/// Exit status: 0 all comparisons held, 1 one failed or something could not be done, 2 wrong call.

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "aether/aether.hpp"
#include "apps/aether/progress.h"
#include "apps/aether/text.h"
#include "apps/demo/cities.h"
#include "apps/demo/second_load.h"
#include "os/os.h"

namespace aether::demo {
namespace {

using cli::human_bytes;
using cli::human_rate;
using cli::human_seconds;
using cli::with_commas;

constexpr const char* kStore = "cities";
constexpr uint64_t kRowsPerTransaction = 500;
constexpr uint64_t kPointReads = 200'000;

double seconds_since(uint64_t begun_ns) {
  return static_cast<double>(os::production().monotonic_ns() - begun_ns) / 1e9;
}

/// What the demo says, and what it found wrong.
class Teller {
 public:
  Teller() : bold_(cli::wants_color(cli::When::automatic, cli::output_is_terminal())) {}

  void heading(const std::string& text) {
    ++step_;
    const std::string line = std::to_string(step_) + ". " + text;
    std::printf(bold_ ? "\n\x1b[1m%s\x1b[0m\n" : "\n%s\n", line.c_str());
    std::fflush(stdout);
  }
  void say(const std::string& text) {
    std::printf("   %s\n", text.c_str());
    std::fflush(stdout);
  }
  void check(bool holds, const std::string& what) {
    if (!holds) ++failures_;
    const char* mark = holds ? "ok    " : "FAILED";
    const char* color = !bold_ ? "" : holds ? "\x1b[32m" : "\x1b[31m";
    std::printf("   %s%s%s %s\n", color, mark, bold_ ? "\x1b[0m" : "", what.c_str());
    std::fflush(stdout);
  }
  /// Both streams go to one terminal: a progress line stands between the lines of standard output.
  static cli::Progress progress(const std::string& label, const std::string& unit) {
    return cli::Progress("   " + label, unit, cli::When::automatic, false);
  }
  uint64_t failures() const noexcept { return failures_; }

 private:
  bool bold_;
  int step_ = 0;
  uint64_t failures_ = 0;
};

/// For the summary.
struct Figures {
  double load_seconds = 0;
  double point_seconds = 0;
  double scan_seconds = 0;
  double recovery_seconds = 0;
  double verify_seconds = 0;
  RecoveryReport recovery;
};

Result<void> load(DbEnv& env, const Cities& cities, Teller& teller, Figures& figures) {
  AETHER_TRY_ASSIGN(KvStore store, env.open_store(kStore));
  cli::Progress progress = Teller::progress("load", "rows");
  const uint64_t total = cities.rows().size();
  for (uint64_t i = 0; i < total;) {
    AETHER_TRY_ASSIGN(Transaction txn, env.begin());
    for (const uint64_t end = std::min(total, i + kRowsPerTransaction); i < end; ++i) {
      AETHER_TRY(store.put(txn, cities.rows()[i].key, cities.rows()[i].value));
    }
    AETHER_TRY(txn.commit());
    progress.update(i, total, i);
  }
  progress.finish();
  figures.load_seconds = progress.seconds();
  const uint64_t transactions = (total + kRowsPerTransaction - 1) / kRowsPerTransaction;
  teller.say(with_commas(total) + " rows in " + with_commas(transactions) +
             " durable transactions: " + human_seconds(figures.load_seconds) + ", " +
             human_rate(total, figures.load_seconds) + " rows/s");
  return {};
}

void say_city(Teller& teller, Bytes key, Bytes value) {
  std::string line = cli::fitted(key, 34);
  line.append(36 - cli::display_width(line), ' ');
  teller.say(line + "population " + std::string(column(value, 6)) + ", at " +
             std::string(column(value, 4)) + " " + std::string(column(value, 5)));
}

Result<void> query_points(const KvStore& store, const Cities& cities, Teller& teller,
                          Figures& figures) {
  constexpr std::array kSome = {"KE:Nairobi:184745", "IS:Reykjavík:3413829", "JP:Tokyo:1850147"};
  for (const char* key : kSome) {
    AETHER_TRY_ASSIGN(const std::string value, store.get(key));
    say_city(teller, key, value);
  }
  std::string value;
  uint64_t wrong = 0;
  const uint64_t begun = os::production().monotonic_ns();
  uint64_t at = 0;
  for (uint64_t i = 0; i < kPointReads; ++i) {
    at = (at * 6364136223846793005U +
          1442695040888963407U);  // Knuth's MMIX; the high bits are used.
    const City& city = cities.rows()[(at >> 20) % cities.rows().size()];
    AETHER_TRY(store.get(city.key, value));
    if (value != city.value) ++wrong;
  }
  figures.point_seconds = seconds_since(begun);
  teller.check(wrong == 0, with_commas(kPointReads) + " random point reads, each compared: " +
                               human_rate(kPointReads, figures.point_seconds) + " reads/s");
  return {};
}

/// Scans, shows the first rows, and compares the count with the source.
Result<void> query_range(const KvStore& store, const Cities& cities, Teller& teller,
                         const std::string& what, const Range& range, uint64_t shown) {
  const uint64_t begun = os::production().monotonic_ns();
  uint64_t seen = 0;
  std::vector<std::pair<std::string, std::string>> first;
  AETHER_TRY_ASSIGN(seen, store.scan(range, [&](Bytes key, Bytes value) {
    if (first.size() < shown) first.emplace_back(key, value);
    return true;
  }));
  const double seconds = seconds_since(begun);
  for (const auto& [key, value] : first) say_city(teller, key, value);
  teller.check(seen == cities.count(range.begin, range.end),
               what + ": " + with_commas(seen) + " rows in " + human_seconds(seconds) + ", " +
                   human_rate(seen, seconds) + " rows/s");
  return {};
}

Result<void> query(DbEnv& env, const Cities& cities, Teller& teller, Figures& figures) {
  AETHER_TRY_ASSIGN(const KvStore store, env.open_store(kStore));
  AETHER_TRY(query_points(store, cities, teller, figures));
  AETHER_TRY(query_range(store, cities, teller, "range NZ:A to NZ:C", {"NZ:A", "NZ:C", false}, 3));
  std::string storage;
  AETHER_TRY(
      query_range(store, cities, teller, "prefix BR:São ", Range::prefix("BR:São ", storage), 3));
  const uint64_t begun = os::production().monotonic_ns();
  AETHER_TRY(query_range(store, cities, teller, "all", {}, 0));
  figures.scan_seconds = seconds_since(begun);
  return {};
}

/// Every key and every value, in order, against the source.
Result<void> compare(DbEnv& env, const char* name, const Cities& cities, Teller& teller) {
  AETHER_TRY_ASSIGN(const KvStore store, env.open_store(name));
  uint64_t differing = 0;
  uint64_t at = 0;
  AETHER_TRY(store.scan({}, [&](Bytes key, Bytes value) {
    const bool same = at < cities.rows().size() && cities.rows()[at].key == key &&
                      cities.rows()[at].value == value;
    if (!same) ++differing;
    ++at;
    return true;
  }));
  teller.check(differing == 0 && at == cities.rows().size(),
               "store " + std::string(name) + ": " + with_commas(at) + " rows, " +
                   with_commas(differing) + " differ from the source's " +
                   with_commas(cities.rows().size()));
  return {};
}

Result<std::unique_ptr<DbEnv>> recover(const std::string& home, Teller& teller, Figures& figures) {
  const uint64_t begun = os::production().monotonic_ns();
  Result<std::unique_ptr<DbEnv>> env = DbEnv::open(home, demo_options());
  if (!env) return env;
  figures.recovery_seconds = seconds_since(begun);
  figures.recovery = (*env)->recovery_report();
  const RecoveryReport& report = figures.recovery;
  teller.say("read " + human_bytes(report.log_bytes_read) + " of log, " +
             with_commas(report.records_read) + " records; redid " +
             with_commas(report.records_redone) + " on " + with_commas(report.pages_redone) +
             " pages");
  teller.say(with_commas(report.transactions_committed) + " transactions kept, " +
             with_commas(report.transactions_undone) + " unfinished ones rolled back (" +
             with_commas(report.records_undone) + " records)");
  teller.check(report.ran, "opened again, recovered in " + human_seconds(figures.recovery_seconds));
  return env;
}

Result<void> verify(DbEnv& env, Teller& teller, Figures& figures) {
  cli::Progress progress = Teller::progress("verify", "pages");
  AETHER_TRY_ASSIGN(const VerifyReport report, env.verify([&](uint64_t done, uint64_t total) {
    progress.update(done, total, done);
  }));
  progress.update(report.pages_checked, report.pages_checked, report.pages_checked);
  progress.finish();
  figures.verify_seconds = progress.seconds();
  for (const VerifyProblem& problem : report.problems) {
    teller.say("page " + std::to_string(problem.page_id) + ": " + problem.message);
  }
  teller.check(report.ok(), with_commas(report.pages_checked) + " pages and " +
                                with_commas(report.keys) + " keys verified in " +
                                human_seconds(figures.verify_seconds));
  return {};
}

void say_aftermath(Teller& teller, const Aftermath& found, const KilledLoad& killed) {
  teller.say(with_commas(found.rows) + " rows of " + with_commas(found.batches_whole) +
             " transactions are there; " + with_commas(killed.acknowledged_count) +
             " were acknowledged before the kill");
  teller.check(found.acknowledged_missing == 0,
               with_commas(found.acknowledged_missing) + " acknowledged transactions lost");
  teller.check(found.batches_partial == 0,
               with_commas(found.batches_partial) + " transactions visible in part");
  teller.check(found.wrong_rows == 0,
               with_commas(found.wrong_rows) + " rows differ from the source");
}

/// Goes on with the load that was killed, and leaves the second store complete.
Result<void> finish_second_load(DbEnv& env, const Cities& cities, const Aftermath& found,
                                Teller& teller) {
  const uint64_t begun = os::production().monotonic_ns();
  AETHER_TRY(load_batches(env, cities, found.missing, [](uint32_t) {}));
  teller.say("the missing " + with_commas(batch_count(cities) - found.batches_whole) +
             " transactions were loaded in " + human_seconds(seconds_since(begun)));
  return {};
}

uint64_t bytes_below(const std::string& directory) {
  uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory, error)) {
    if (entry.is_regular_file(error)) bytes += entry.file_size(error);
  }
  return bytes;
}

void say_summary(const std::string& home, const Cities& cities, const Figures& figures,
                 double seconds, Teller& teller) {
  const uint64_t rows = cities.rows().size();
  const std::filesystem::path base(home);
  teller.say("load        " + human_rate(rows, figures.load_seconds) +
             " rows/s, durable in batches of " + std::to_string(kRowsPerTransaction));
  teller.say("point read  " + human_rate(kPointReads, figures.point_seconds) +
             " rows/s, one thread");
  teller.say("scan        " + human_rate(rows, figures.scan_seconds) + " rows/s, one thread");
  teller.say("recovery    " + human_seconds(figures.recovery_seconds) + " for " +
             human_bytes(figures.recovery.log_bytes_read) + " of log");
  teller.say("verify      " + human_seconds(figures.verify_seconds));
  std::error_code error;
  const uint64_t data = std::filesystem::file_size(base / "data", error);
  teller.say("size        source text " + human_bytes(cities.text_bytes()) +
             ", held twice: data file " + (error ? "?" : human_bytes(data)) + ", directory " +
             human_bytes(bytes_below(home)) + " with the log");
  teller.say("in all      " + human_seconds(seconds));
}

Result<void> run(const std::string& data_path, const std::string& home, Teller& teller) {
  const uint64_t begun = os::production().monotonic_ns();
  Figures figures;
  AETHER_TRY_ASSIGN(const Cities cities, Cities::read(data_path));
  std::printf("Aether %s: the world's cities, %s rows (GeoNames, CC BY 4.0)\n", kVersion,
              with_commas(cities.rows().size()).c_str());

  teller.heading("Load through transactions");
  AETHER_TRY_ASSIGN(std::unique_ptr<DbEnv> env, DbEnv::open(home, demo_options()));
  AETHER_TRY(load(*env, cities, teller, figures));

  teller.heading("Point, range and prefix queries");
  AETHER_TRY(query(*env, cities, teller, figures));
  AETHER_TRY(env->close());
  env.reset();

  teller.heading("A second load in a child process, killed with SIGKILL in the middle");
  const uint32_t batches = batch_count(cities);
  const auto kill_after = static_cast<uint32_t>(batches * (30 + os::production().random() % 40) /
                                                100);
  cli::Progress progress = Teller::progress("child", "rows acknowledged");
  AETHER_TRY_ASSIGN(const KilledLoad killed,
                    kill_second_load(home, data_path, batches, kill_after, progress));
  progress.finish();
  teller.say("killed after " + human_seconds(killed.seconds) + ": " +
             with_commas(killed.acknowledged_count) + " of " + with_commas(batches) +
             " transactions of " + std::to_string(kBatchRows) + " rows acknowledged, two threads");

  teller.heading("Recover");
  AETHER_TRY_ASSIGN(env, recover(home, teller, figures));

  teller.heading("Verify every page");
  AETHER_TRY(verify(*env, teller, figures));

  teller.heading("Compare with the source, row by row");
  AETHER_TRY(compare(*env, kStore, cities, teller));
  AETHER_TRY_ASSIGN(const KvStore second, env->open_store(kSecondStore));
  AETHER_TRY_ASSIGN(const Aftermath found, examine(second, cities, killed));
  say_aftermath(teller, found, killed);
  AETHER_TRY(finish_second_load(*env, cities, found, teller));
  AETHER_TRY(compare(*env, kSecondStore, cities, teller));
  AETHER_TRY(env->close());

  teller.heading("What it did");
  say_summary(home, cities, figures, seconds_since(begun), teller);
  return {};
}

}  // namespace
}  // namespace aether::demo

int main(int argument_count, char** arguments) {
  using namespace aether::demo;
  const std::vector<std::string> words(arguments, arguments + argument_count);
  if (words.size() == 4 && words[1] == "--second-load") return run_child(words[2], words[3]);
  if (words.size() != 3) {
    std::fprintf(stderr,
                 "Usage: aether-demo DATA HOME\n"
                 "  DATA  cities.tsv (unpack data/cities.tsv.xz)\n"
                 "  HOME  a directory that does not exist or is empty\n");
    return 2;
  }
  Teller teller;
  const aether::Result<void> outcome = run(words[1], words[2], teller);
  if (!outcome) {
    std::fprintf(stderr, "\naether-demo: %s\n", std::string(outcome.error().message()).c_str());
    return 1;
  }
  if (teller.failures() != 0) {
    std::printf("\nFAILED: %d comparisons did not hold.\n", static_cast<int>(teller.failures()));
    return 1;
  }
  std::printf("\nAll comparisons held.\n");
  return 0;
}
