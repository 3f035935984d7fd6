/// The workloads: what each one does, and how it is driven and timed.
///
/// Closed loop: each thread sends its next operation when the last one has ended, and an
/// operation's latency runs from the end of the one before it, so that nothing hides between two
/// operations.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "aether/error.h"
#include "engine.h"
#include "histogram.h"
#include "json.h"

namespace aether::bench {

/// What lies in the store when a workload begins.
enum class Base : uint8_t {
  none,    ///< An empty directory, or no store at all.
  memory,  ///< All records, put in random order; the data fits the pool.
  disk,    ///< All records, put in key order; the data is eight times the pool.
};

enum class Task : uint8_t {
  load_seq,
  load_rand,
  get_uniform,
  get_zipf,
  get_miss,
  visit_uniform,
  scan_forward,
  scan_back,
  update,
  insert,
  transaction,
  device_append,
  device_read,
};

struct Workload {
  const char* name;
  Task task;
  Base base;
  bool writes;  ///< Runs on a copy of the base.
  bool sync_commits;
  const char* what;  ///< For --list and the report.

  bool is_load() const noexcept { return task == Task::load_seq || task == Task::load_rand; }
  bool is_device() const noexcept {
    return task == Task::device_append || task == Task::device_read;
  }
};

const std::vector<Workload>& workloads();
/// Null if there is none of that name.
const Workload* find_workload(const std::string& name);

struct RunOptions {
  uint64_t records = 2000000;
  size_t value_bytes = 100;
  unsigned threads = 1;
  double seconds = 5;
  double warm_up_seconds = 0.4;
  uint64_t seed = 1;
};

struct Measured {
  Histogram latency;  ///< In ticks.
  double us_per_tick = 0;
  uint64_t operations = 0;
  uint64_t warm_up_operations = 0;
  uint64_t retries = 0;  ///< Conflicts that were tried again.
  double seconds = 0;
  double cpu_seconds = 0;  ///< All threads of the process, the engine's own included.
};

/// Runs `workload` on an open engine. Errors: failed (a call failed, or an answer was wrong: the
/// run is worthless), and those of Engine::session.
Result<Measured> run_workload(const Workload& workload, const RunOptions& options, Engine& engine);

/// Puts all records in the order that `base` asks for, then settles.
Result<void> load_base(Base base, const RunOptions& options, Engine& engine);

/// Sets operations, rates and latencies in `result`.
void describe_measured(const Measured& measured, JsonObject& result);

}  // namespace aether::bench
