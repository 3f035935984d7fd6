/// What `aether tune` judges: figures of an environment, watched for a while, and what they speak for.
///
/// A piece of advice is given where the figures show a cost, never as a precaution; it says what it would gain at most, and
/// the figures it was judged from.
///
/// Threads   Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "aether/error.h"

namespace aether::cli {

/// What happened in a second, on the mean of the time watched; and how things stood at its end.
struct Observation {
  double seconds = 0;  ///< Watched; 0: nobody has it open for writing, and all that happens is 0.
  // How it is open.
  double page_bytes = 0;
  double pool_bytes = 0;
  double log_bytes_max = 0;  ///< 0: the other process is of an older release and does not say.
  double version_bytes_max = 0;
  double flush_interval_ms = 0;
  std::string durability;
  std::string io_mode;
  bool kernel_has_uring = true;
  double read_us = 0;  ///< A page from its device, the median of a few; 0: not known.
  // How things stand.
  double pool_bytes_used = 0;
  double data_bytes = 0;  ///< Pages in use.
  double log_bytes_on_disk = 0;
  double reopen_seconds = 0;
  double snapshot_oldest_seconds = 0;
  double txn_oldest_seconds = 0;
  double prepared = 0;
  double scrub_damaged = 0;
  double archive_failures = 0;
  std::string archive_error;
  // A second.
  double page_reads = 0;
  double page_writes = 0;
  double page_evictions = 0;
  double log_bytes_appended = 0;
  double log_bytes_written = 0;
  double log_flushes = 0;
  double checkpoints = 0;
  double begun = 0;
  double commits = 0;    ///< Of transactions that had written.
  double commit_us = 0;  ///< Of one, on the mean.
  double waiting_commits = 0;
  double commit_wait_us = 0;
  double conflicts = 0;
  double deadlocks = 0;
  double lock_waits = 0;
  double lock_wait_us = 0;
  double version_spills = 0;
  double version_disk_searches = 0;
};

/// From two documents of `aether stat --format json`, `seconds` apart. Errors: unsupported (they are none).
Result<Observation> observe(std::string_view before, std::string_view after, double seconds);

struct Advice {
  std::string option;  ///< A field of EnvOptions, or what else.
  std::string change;
  std::string gain;
  std::string because;
};

/// Empty: there is nothing to change.
std::vector<Advice> judge(const Observation& seen);

}  // namespace aether::cli
