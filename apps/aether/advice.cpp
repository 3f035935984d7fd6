#include "apps/aether/advice.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "aether/options.h"
#include "apps/aether/json_fields.h"
#include "apps/aether/text.h"

namespace aether::cli {
namespace {

// Below these a cost is not worth a word.
constexpr double kReadsASecond = 20;
constexpr double kShareOfAThread = 0.01;
constexpr double kCheckpointsAMinute = 2;
constexpr double kCommitsASecond = 10;
constexpr double kAbortedShare = 0.05;
constexpr double kOldSeconds = 60;

/// Text in pieces: sizes, rates and times as people read them.
class Text {
 public:
  Text& operator<<(const char* text) {
    text_ += text;
    return *this;
  }
  Text& operator<<(const std::string& text) {
    text_ += text;
    return *this;
  }
  Text& number(double value) { return *this << human_number(value); }
  Text& bytes(double value) {
    return *this << human_bytes(value > 0 ? static_cast<uint64_t>(value) : 0);
  }
  Text& us(double value) { return *this << human_seconds(value / 1e6); }
  Text& seconds(double value) { return *this << human_seconds(value); }
  Text& percent(double share) { return number(share * 100) << " %"; }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

using Advices = std::vector<Advice>;

std::string raise(double from, double to) {
  Text text;
  text << "raise from ";
  text.bytes(from) << " to ";
  text.bytes(to);
  return text.take();
}

double up_to_mib(double bytes) {
  return std::ceil(bytes / static_cast<double>(MiB)) * static_cast<double>(MiB);
}

void judge_pool(const Observation& seen, Advices& to) {
  const double waiting = seen.page_reads * seen.read_us / 1e6;
  if (seen.page_reads < kReadsASecond || seen.page_evictions < 1 || waiting < kShareOfAThread)
    return;
  constexpr double kHeadersToo = 1.05;
  const bool may_hold_all = seen.data_bytes * kHeadersToo <= 4 * seen.pool_bytes;
  const double wanted = up_to_mib(
      may_hold_all ? std::max(seen.data_bytes * kHeadersToo, seen.pool_bytes * 1.25)
                   : 2 * seen.pool_bytes);
  Text gain;
  gain << (may_hold_all ? "all of " : "part of ");
  gain.number(seen.page_reads) << " reads a second of ";
  gain.us(seen.read_us) << ": ";
  gain.seconds(waiting) << " of waiting in each second, of all threads together";
  Text because;
  because << "the pool holds ";
  because.percent(std::min(1.0, seen.pool_bytes / std::max(seen.data_bytes, 1.0))) << " of ";
  because.bytes(seen.data_bytes) << " of pages; ";
  because.number(seen.page_evictions) << " a second go to make room for others";
  to.push_back({"pool_bytes", raise(seen.pool_bytes, wanted), gain.take(), because.take()});
}

void judge_log_bound(const Observation& seen, Advices& to) {
  const double a_minute = seen.checkpoints * 60;
  const double pages_written = seen.page_writes * seen.page_bytes;
  if (a_minute < kCheckpointsAMinute || seen.log_bytes_max <= 0 ||
      pages_written < seen.log_bytes_appended)
    return;
  const double factor = std::clamp(std::exp2(std::ceil(std::log2(a_minute))), 2.0, 8.0);
  const double wanted = seen.log_bytes_max * factor;
  Text gain;
  gain << "checkpoints fall from ";
  gain.number(a_minute) << " to some ";
  gain.number(a_minute / factor) << " a minute; of ";
  gain.bytes(2 * pages_written)
      << " that pages are written with in a second, what was written more than once between "
      << "two of them";
  Text because;
  because << "a byte of log costs ";
  because.number(2 * pages_written / std::max(seen.log_bytes_appended, 1.0))
      << " of pages (each is written twice). The price: reopening after a crash may take ";
  because.number(factor) << " times what it takes now";
  to.push_back({"log_bytes_max", raise(seen.log_bytes_max, wanted), gain.take(), because.take()});
}

void judge_commits(const Observation& seen, Advices& to) {
  if (seen.waiting_commits < kCommitsASecond || seen.commit_us <= 0) return;
  const double share = seen.commit_wait_us / seen.commit_us;
  const double together = seen.waiting_commits / std::max(seen.log_flushes, 1e-9);
  if (share < 0.5 || together >= 2) return;
  Text gain;
  gain << "of ";
  gain.us(seen.commit_us) << " a commit takes, ";
  gain.us(seen.commit_wait_us)
      << " are waiting for the disk; twice as many rows a commit make half of that a row";
  Text because;
  because.number(seen.waiting_commits) << " commits a second wait, ";
  because.number(together) << " for each flush";
  std::string
      change = "more rows a transaction (WriteBatch), more threads that commit, or commit_async";
  if (seen.durability == "sync") change = "group instead of sync, or " + change;
  Text loses;
  loses << change << "; none, where the last ";
  loses.number(seen.flush_interval_ms) << " ms may be lost";
  to.push_back({"durability", loses.take(), gain.take(), because.take()});
}

void judge_versions(const Observation& seen, Advices& to) {
  if (seen.version_spills <= 0 && seen.version_disk_searches <= 0) return;
  Text gain;
  gain.number(seen.version_disk_searches)
      << " reads a second need not look for older versions on the disk";
  Text because;
  because << "an open snapshot is ";
  because.seconds(seen.snapshot_oldest_seconds) << " old; versions were written out ";
  because.number(seen.version_spills * 60) << " times a minute";
  to.push_back(
      {"version_bytes_max",
       raise(seen.version_bytes_max, 4 * seen.version_bytes_max) + ", or end snapshots sooner",
       gain.take(), because.take()});
}

void judge_locks(const Observation& seen, Advices& to) {
  const double waiting = seen.lock_waits * seen.lock_wait_us / 1e6;
  if (waiting >= kShareOfAThread || seen.deadlocks > 0) {
    Text gain;
    gain.seconds(waiting) << " of waiting for locks in each second, of all threads together; ";
    gain.number(seen.deadlocks * 60) << " deadlocks a minute";
    Text because;
    because.number(seen.lock_waits) << " locks a second are waited for, ";
    because.us(seen.lock_wait_us) << " each on the mean";
    to.push_back({"locks",
                  "take them in the same order everywhere, and as late as can be; aether deadlock "
                  "shows who waits for whom",
                  gain.take(), because.take()});
  }
  if (seen.begun < kCommitsASecond || seen.conflicts < kAbortedShare * seen.begun) return;
  Text gain;
  gain << "at most the work of ";
  gain.number(seen.conflicts) << " transactions a second that is done again";
  Text because;
  because.percent(seen.conflicts / seen.begun) << " of those begun end in conflict";
  to.push_back(
      {"transactions",
       "make them shorter, or lock_for_update the rows that many want before they are read",
       gain.take(), because.take()});
}

void judge_io(const Observation& seen, Advices& to) {
  if (seen.page_reads < kReadsASecond && seen.page_writes < kReadsASecond) return;
  Text because;
  because.number(seen.page_reads) << " pages a second are read, ";
  because.number(seen.page_writes) << " written";
  const char* gain =
      "reading ahead and batches of pages go to the disk in one call instead of over a few threads";
  if (seen.io_mode == "threads") {
    to.push_back({"io_mode", "automatic instead of threads", gain, because.take()});
  } else if (!seen.kernel_has_uring) {
    to.push_back({"io_mode",
                  "let the process use io_uring (a container's seccomp profile often forbids it)",
                  gain, because.take()});
  }
}

void judge_state(const Observation& seen, Advices& to) {
  if (seen.scrub_damaged > 0) {
    to.push_back({"damage", "verify --repair --from BACKUP", "rows that cannot be read",
                  human_number(seen.scrub_damaged) + " damaged places are known"});
  }
  if (seen.archive_failures > 0 && !seen.archive_error.empty()) {
    to.push_back({"archive_directory", "make it writable, with room",
                  "the log can be let go again, and is safe elsewhere", seen.archive_error});
  }
  const bool keeps_log = seen.log_bytes_max > 0 && seen.log_bytes_on_disk > seen.log_bytes_max;
  if (!keeps_log || (seen.txn_oldest_seconds < kOldSeconds && seen.prepared <= 0)) return;
  Text because;
  because << "the log has ";
  because.bytes(seen.log_bytes_on_disk) << ", its bound is ";
  because.bytes(seen.log_bytes_max) << "; the oldest open transaction is ";
  because.seconds(seen.txn_oldest_seconds) << " old, ";
  because.number(seen.prepared) << " are prepared";
  to.push_back({"transactions", "end the one that is oldest; decide those that are prepared",
                "the log before it can be let go", because.take()});
}

/// A figure of the document by its path, "pool.page_reads"; 0: an older release does not have it.
class Document {
 public:
  static Result<Document> read(std::string_view text) {
    AETHER_TRY_ASSIGN(JsonFields fields, JsonFields::read(text));
    return Document(std::move(fields));
  }
  double number(std::string_view path) const {
    const size_t dot = path.find('.');
    if (dot == std::string_view::npos) return fields_.has(path) ? fields_.number(path) : 0;
    const Result<JsonFields> inner = fields_.object(path.substr(0, dot));
    return inner ? Document(*inner).number(path.substr(dot + 1)) : 0;
  }
  std::string text(std::string_view group, std::string_view name) const {
    const Result<JsonFields> inner = fields_.object(group);
    return inner ? inner->text(name) : std::string();
  }

 private:
  explicit Document(JsonFields fields) : fields_(std::move(fields)) {}
  JsonFields fields_;
};

}  // namespace

Result<Observation> observe(std::string_view before_text, std::string_view after_text,
                            double seconds) {
  AETHER_TRY_ASSIGN(const Document before, Document::read(before_text));
  AETHER_TRY_ASSIGN(const Document after, Document::read(after_text));
  const auto grown = [&](std::string_view path) {
    return std::max(0.0, after.number(path) - before.number(path));
  };
  const auto rate = [&](std::string_view path) { return seconds > 0 ? grown(path) / seconds : 0; };
  // The mean of what was counted meanwhile.
  const auto mean_us = [&](const std::string& group) {
    const std::string count = group + ".count", mean = group + ".mean_us";
    const double sum = after.number(count) * after.number(mean) -
                       before.number(count) * before.number(mean);
    return grown(count) > 0 ? std::max(0.0, sum) / grown(count) : 0;
  };
  Observation seen;
  seen.seconds = seconds;
  seen.page_bytes = after.number("page_bytes");
  seen.pool_bytes = after.number("options.pool_bytes");
  if (seen.pool_bytes <= 0) seen.pool_bytes = after.number("pool.frames") * seen.page_bytes;
  seen.log_bytes_max = after.number("options.log_bytes_max");
  seen.version_bytes_max = after.number("options.version_bytes_max");
  seen.flush_interval_ms = after.number("options.flush_interval_ms");
  seen.durability = after.text("options", "durability");
  seen.io_mode = after.text("options", "io_mode");
  seen.pool_bytes_used = (after.number("pool.frames") - after.number("pool.frames_free")) *
                         seen.page_bytes;
  seen.data_bytes = (after.number("data.pages") - after.number("data.pages_free")) *
                    seen.page_bytes;
  seen.log_bytes_on_disk = after.number("log.bytes_on_disk");
  seen.reopen_seconds = after.number("log.reopen_seconds");
  seen.snapshot_oldest_seconds = after.number("snapshots.oldest_seconds");
  seen.txn_oldest_seconds = after.number("txn.oldest_seconds");
  seen.prepared = after.number("txn.prepared");
  seen.scrub_damaged = after.number("scrub.damaged");
  seen.archive_failures = after.number("archive.failures");
  seen.archive_error = after.text("archive", "error");
  seen.page_reads = rate("pool.page_reads");
  seen.page_writes = rate("pool.page_writes");
  seen.page_evictions = rate("pool.page_evictions");
  seen.log_bytes_appended = rate("log.bytes_appended");
  seen.log_bytes_written = rate("log.bytes_written");
  seen.log_flushes = rate("log.flushes");
  seen.checkpoints = rate("log.checkpoints");
  seen.begun = rate("txn.begun");
  seen.commits = rate("txn.commit.count");
  seen.commit_us = mean_us("txn.commit");
  seen.waiting_commits = rate("txn.durability_wait.count");
  seen.commit_wait_us = mean_us("txn.durability_wait");
  seen.conflicts = rate("txn.aborted_by.conflict") + rate("txn.aborted_by.serialization");
  seen.deadlocks = rate("locks.deadlocks");
  seen.lock_waits = rate("locks.wait.count");
  seen.lock_wait_us = mean_us("locks.wait");
  seen.version_spills = rate("snapshots.version_spills");
  seen.version_disk_searches = rate("snapshots.version_disk_searches");
  return seen;
}

std::vector<Advice> judge(const Observation& seen) {
  Advices advices;
  judge_pool(seen, advices);
  judge_log_bound(seen, advices);
  judge_commits(seen, advices);
  judge_versions(seen, advices);
  judge_locks(seen, advices);
  judge_io(seen, advices);
  judge_state(seen, advices);
  return advices;
}

}  // namespace aether::cli
