#include "workload.h"

#include <algorithm>
#include <memory>
#include <thread>
#include <utility>

#include "data.h"
#include "drive.h"
#include "inserted.h"
#include "kv_workers.h"
#include "txn_workers.h"
#include "ycsb_workers.h"

namespace aether::bench {
namespace {

constexpr size_t kBatchKeys = 64;
/// Larger than memory, the warm-up also fills the pool.
constexpr double kDiskWarmUpSeconds = 3;

using Workers = std::vector<std::unique_ptr<Worker>>;

/// Data that the workers of one run look at.
struct Shared {
  Shared(const Workload& workload, const RunOptions& options)
      : inserted(options.records, options.threads) {
    if (workload.task == Task::get_zipf || is_ycsb(workload.task)) {
      zipf = std::make_unique<Zipf>(options.records);
    }
    if (workload.task == Task::load_seq) sorted = sorted_hashes(options.records);
  }

  std::unique_ptr<Zipf> zipf;
  std::vector<uint64_t> sorted;
  Inserted inserted;
};

std::unique_ptr<Worker> make_worker(Task task, std::unique_ptr<Session> session,
                                    const RunOptions& options, uint64_t lane, Shared& shared) {
  if (is_ycsb(task)) {
    return make_ycsb_worker(task, std::move(session), options, lane, *shared.zipf, shared.inserted);
  }
  switch (task) {
    case Task::load_seq:
    case Task::load_rand: return make_load_worker(std::move(session), options, lane, shared.sorted);
    case Task::get_uniform:
    case Task::get_zipf:
      return make_get_worker(std::move(session), options, lane, shared.zipf.get());
    case Task::get_batch: return make_batch_worker(std::move(session), options, lane, kBatchKeys);
    case Task::get_miss: return make_miss_worker(std::move(session), options, lane);
    case Task::visit_uniform: return make_visit_worker(std::move(session), options, lane);
    case Task::scan_forward:
    case Task::scan_back:
      return make_scan_worker(std::move(session), options, lane, task == Task::scan_back);
    case Task::scan_empty: return make_empty_scan_worker(std::move(session), options, lane);
    case Task::update: return make_update_worker(std::move(session), options, lane);
    case Task::insert: return make_insert_worker(std::move(session), options, lane);
    case Task::transaction: return make_transaction_worker(std::move(session), options, lane);
    case Task::snapshot_alone:
    case Task::snapshot_mixed: return make_snapshot_worker(std::move(session), options, lane);
    default: return nullptr;  // Not driven by workers: see lone_runs.h and device.h.
  }
}

/// Who runs beside the workers that are measured: as many writers, or as many threads that only burn time.
Result<void> add_company(Task task, const RunOptions& options, Engine& engine, Workers& workers) {
  if (task != Task::snapshot_alone && task != Task::snapshot_mixed) return {};
  for (unsigned lane = options.threads; lane < 2 * options.threads; ++lane) {
    if (task == Task::snapshot_alone) {
      workers.push_back(make_burning_worker());
      continue;
    }
    AETHER_TRY_ASSIGN(std::unique_ptr<Session> session, engine.session());
    workers.push_back(make_background(make_transaction_worker(std::move(session), options, lane)));
  }
  return {};
}

Result<Measured> run_workers(const Workload& workload, const RunOptions& options,
                             const Timing& timing, Engine& engine) {
  Shared shared(workload, options);
  Workers workers;
  for (unsigned lane = 0; lane < options.threads; ++lane) {
    AETHER_TRY_ASSIGN(std::unique_ptr<Session> session, engine.session());
    workers.push_back(make_worker(workload.task, std::move(session), options, lane, shared));
  }
  AETHER_TRY(add_company(workload.task, options, engine, workers));
  return drive(workers, timing);
}

/// On all cores, whatever the run then uses: it is not measured.
Result<void> read_all(RunOptions options, Engine& engine) {
  options.threads = std::max(options.threads, std::thread::hardware_concurrency());
  Workers workers;
  for (unsigned lane = 0; lane < options.threads; ++lane) {
    AETHER_TRY_ASSIGN(std::unique_ptr<Session> session, engine.session());
    workers.push_back(make_warm_worker(std::move(session), options, lane));
  }
  AETHER_TRY(drive(workers, Timing{}));
  return {};
}

}  // namespace

const std::vector<Workload>& workloads() {
  using enum Task;
  const std::vector<unsigned> one = {1};
  const std::vector<unsigned> two = {2};
  const std::vector<unsigned> both = {1, 2};
  static const std::vector<Workload> all = {
      {"load-seq", load_seq, Base::none, true, false, one, "put all records in key order"},
      {"load-rand", load_rand, Base::none, true, false, one, "put all records in random order"},
      {"get-uniform", get_uniform, Base::memory, false, false, both,
       "get a random record into the caller's buffer"},
      {"visit-uniform", visit_uniform, Base::memory, false, false, one,
       "look at a random record where it lies"},
      {"get-zipf", get_zipf, Base::memory, false, false, both, "get, Zipf 0.99"},
      {"batch-get", get_batch, Base::memory, false, false, both,
       "get 64 random records in one call; a record is an operation"},
      {"get-miss", get_miss, Base::memory, false, false, both, "get a key that is not there"},
      {"scan-100", scan_forward, Base::memory, false, false, both,
       "100 records upwards from a random one"},
      {"scan-back", scan_back, Base::memory, false, false, one,
       "100 records downwards from a random one"},
      {"scan-empty", scan_empty, Base::memory, false, false, one,
       "a range between two keys that has none, a 65,536th of the room that a key has on average"},
      {"update-rand", update, Base::memory, true, false, both,
       "put a new value of a random record"},
      {"insert-rand", insert, Base::memory, true, false, one,
       "put new records into the loaded store"},
      {"ycsb-a", ycsb_a, Base::memory, true, false, two, "50 % gets, 50 % updates, Zipf 0.99"},
      {"ycsb-b", ycsb_b, Base::memory, true, false, two, "95 % gets, 5 % updates, Zipf 0.99"},
      {"ycsb-c", ycsb_c, Base::memory, false, false, two, "gets, Zipf 0.99"},
      {"ycsb-d", ycsb_d, Base::memory, true, false, two,
       "95 % gets of the latest records, 5 % inserts"},
      {"ycsb-e", ycsb_e, Base::memory, true, false, two,
       "95 % scans of 1 to 100 records from a Zipf 0.99 one, 5 % inserts"},
      {"ycsb-f", ycsb_f, Base::memory, true, false, two,
       "50 % gets, 50 % get and put of the same record, Zipf 0.99"},
      {"txn-4", transaction, Base::memory, true, false, two,
       "read and rewrite four random records in one transaction"},
      {"txn-read-alone", snapshot_alone, Base::memory, false, false, two,
       "100 random gets in one snapshot, beside as many threads that burn processor time"},
      {"txn-read-mixed", snapshot_mixed, Base::memory, true, false, two,
       "100 random gets in one snapshot, beside as many threads that run txn-4"},
      {"sync-put",
       update,
       Base::memory,
       true,
       true,
       {1, 8, 32},
       "put a new value of a random record, durable when it returns"},
      {"reopen", reopen, Base::memory, true, false, one,
       "open after --updates puts, SIGKILL, and a cold cache, until the first get has answered"},
      {"open", open_clean, Base::memory, true, false, one,
       "open what was closed cleanly, with a cold cache, until the first get has answered"},
      {"close", close_clean, Base::memory, true, false, one,
       "close after a put of every tenth record"},
      {"space", space, Base::none, true, false, one,
       "put all records in random order, then as many new values: what is written, and the disk "
       "it takes"},
      {"oom-get", get_uniform, Base::disk, false, false, both,
       "get-uniform, data 8 times the pool"},
      {"oom-batch-get", get_batch, Base::disk, false, false, both,
       "get 32 random records in one call, data 8 times the pool; a record is an operation"},
      {"oom-scan-empty", scan_empty, Base::disk, false, false, one,
       "scan-empty, data 8 times the pool"},
      {"oom-update", update, Base::disk, true, false, two, "update-rand, data 8 times the pool"},
      {"dev-append-sync", device_append, Base::none, true, true, one,
       "append 4 KiB and fdatasync, one thread, file preallocated and zeroed"},
      {"dev-randread", device_read, Base::none, false, false, both,
       "random O_DIRECT reads of 4 KiB in a file as large as the data"},
      {"dev-randread-32", device_read_deep, Base::none, false, false, both,
       "dev-randread, each thread with 32 reads in flight"},
  };
  return all;
}

const Workload* find_workload(const std::string& name) {
  for (const Workload& workload : workloads()) {
    if (name == workload.name) return &workload;
  }
  return nullptr;
}

Result<Measured> run_workload(const Workload& workload, const RunOptions& options, Engine& engine) {
  if (workload.base == Base::memory) AETHER_TRY(read_all(options, engine));
  Timing timing;
  if (!workload.is_load()) {
    timing.seconds = options.seconds;
    timing.warm_up_seconds = std::min(
        workload.base == Base::disk ? kDiskWarmUpSeconds : options.warm_up_seconds,
        options.seconds);
  }
  return run_workers(workload, options, timing, engine);
}

Result<void> update_randomly(const RunOptions& options, uint64_t count, Engine& engine) {
  AETHER_TRY_ASSIGN(std::unique_ptr<Session> session, engine.session());
  Rng rng(options.seed);
  std::string value(options.value_bytes, ' ');
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t record = rng.below(options.records);
    make_value(record, i + 1, value);
    const Answer answer = session->put(Key(record), value);
    if (answer != Answer::ok) return Error(Code::failed, "put: " + session->error());
  }
  return {};
}

Result<Measured> load_all(const RunOptions& options, Engine& engine) {
  return run_workers(*find_workload("load-rand"), options, Timing{}, engine);
}

Result<void> load_base(Base base, const RunOptions& options, Engine& engine) {
  RunOptions single = options;
  single.threads = 1;  // The order of the puts is part of what the reads then find.
  const Workload& load = *find_workload(base == Base::disk ? "load-seq" : "load-rand");
  AETHER_TRY(run_workers(load, single, Timing{}, engine));
  return engine.settle();
}

}  // namespace aether::bench
