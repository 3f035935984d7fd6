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
#include "drive.h"
#include "engine.h"

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
  get_batch,
  get_miss,
  visit_uniform,
  scan_forward,
  scan_back,
  scan_empty,
  update,
  insert,
  ycsb_a,
  ycsb_b,
  ycsb_c,
  ycsb_d,
  ycsb_e,
  ycsb_f,
  transaction,
  snapshot_alone,
  snapshot_mixed,
  reopen,
  open_clean,
  close_clean,
  space,
  device_append,
  device_read,
  device_read_deep,
};

constexpr bool is_ycsb(Task task) noexcept { return task >= Task::ycsb_a && task <= Task::ycsb_f; }

struct Workload {
  const char* name;
  Task task;
  Base base;
  bool writes;  ///< Runs on a copy of the base.
  bool sync_commits;
  std::vector<unsigned> threads;  ///< Unless --threads says otherwise.
  const char* what;               ///< For --list and the report.

  bool is_load() const noexcept { return task == Task::load_seq || task == Task::load_rand; }
  bool is_transactional() const noexcept { return task == Task::transaction || is_snapshot(); }
  bool is_snapshot() const noexcept {
    return task == Task::snapshot_alone || task == Task::snapshot_mixed;
  }
  bool is_batch() const noexcept { return task == Task::get_batch; }
  bool is_device() const noexcept {
    return task == Task::device_append || task == Task::device_read ||
           task == Task::device_read_deep;
  }
  /// It does one thing, once (lone_runs.h).
  bool is_lone() const noexcept {
    return task == Task::reopen || task == Task::open_clean || task == Task::close_clean ||
           task == Task::space;
  }
  /// One thread, whatever --threads says: a device has one end of a file.
  bool is_single() const noexcept { return is_lone() || task == Task::device_append; }
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
  uint64_t updates = 1000000;  ///< Before the kill in `reopen`.
};

/// Runs `workload` on an open engine. Errors: failed (a call failed, or an answer was wrong: the
/// run is worthless), and those of Engine::session.
Result<Measured> run_workload(const Workload& workload, const RunOptions& options, Engine& engine);

/// Puts new values of `count` random records, one thread.
Result<void> update_randomly(const RunOptions& options, uint64_t count, Engine& engine);

/// Puts all records in random order, with `options.threads` threads.
Result<Measured> load_all(const RunOptions& options, Engine& engine);

/// Puts all records in the order that `base` asks for, then settles.
Result<void> load_base(Base base, const RunOptions& options, Engine& engine);

}  // namespace aether::bench
