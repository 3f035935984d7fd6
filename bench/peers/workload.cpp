#include "workload.h"

#include <algorithm>
#include <memory>
#include <span>
#include <thread>

#include "data.h"
#include "drive.h"
#include "engine_worker.h"
#include "process.h"
#include "txn_workers.h"

namespace aether::bench {
namespace {

constexpr uint32_t kScanLength = 100;
/// Larger than memory, the warm-up also fills the pool.
constexpr double kDiskWarmUpSeconds = 3;

/// Puts its share of the records: by number (random key order) or along the sorted hashes.
class LoadWorker final : public EngineWorker {
 public:
  LoadWorker(std::unique_ptr<Session> session, const RunOptions& options, uint64_t lane,
             std::span<const uint64_t> sorted)
      : EngineWorker(std::move(session), options, lane),
        sorted_(sorted),
        next_(options.records * lane / options.threads),
        end_(options.records * (lane + 1) / options.threads) {}

  bool step() override {
    if (next_ == end_) return false;
    const uint64_t record = sorted_.empty() ? next_ : record_of_hash(sorted_[next_]);
    ++next_;
    return put(record, 0);
  }

 private:
  std::span<const uint64_t> sorted_;
  uint64_t next_;
  const uint64_t end_;
};

/// Gets its share of the records once each, so that a run begins with all of them in memory.
class WarmWorker final : public EngineWorker {
 public:
  WarmWorker(std::unique_ptr<Session> session, const RunOptions& options, uint64_t lane)
      : EngineWorker(std::move(session), options, lane),
        next_(options.records * lane / options.threads),
        end_(options.records * (lane + 1) / options.threads) {}

  bool step() override {
    if (next_ == end_) return false;
    const uint64_t record = next_++;
    const Answer answer = session().get(Key(record), value());
    if (answer != Answer::ok) return wrong_answer("get", answer);
    return check_value(record, value());
  }

 private:
  uint64_t next_;
  const uint64_t end_;
};

class GetWorker final : public EngineWorker {
 public:
  /// `zipf` null: uniform.
  GetWorker(std::unique_ptr<Session> session, const RunOptions& options, uint64_t lane,
            const Zipf* zipf)
      : EngineWorker(std::move(session), options, lane), zipf_(zipf) {}

  bool step() override {
    const uint64_t record = zipf_ == nullptr ? any_record() : zipf_->draw(rng());
    const Answer answer = session().get(Key(record), value());
    if (answer != Answer::ok) return wrong_answer("get", answer);
    return check_value(record, value());
  }

 private:
  const Zipf* zipf_;
};

class MissWorker final : public EngineWorker {
 public:
  using EngineWorker::EngineWorker;
  bool step() override {
    const uint64_t record = kMissingRecords + rng().below(kMissingRecords);
    const Answer answer = session().get(Key(record), value());
    return answer == Answer::not_found || wrong_answer("get of an absent key", answer);
  }
};

class VisitWorker final : public EngineWorker {
 public:
  using EngineWorker::EngineWorker;
  bool step() override {
    const uint64_t record = any_record();
    bool right = false;
    const Answer answer = session().visit(Key(record), [&](Bytes found) {
      right = value_is_right(record, found, options().value_bytes);
    });
    if (answer != Answer::ok) return wrong_answer("visit", answer);
    return right || wrong_value(record);
  }
};

class ScanWorker final : public EngineWorker {
 public:
  ScanWorker(std::unique_ptr<Session> session, const RunOptions& options, uint64_t lane,
             bool reverse)
      : EngineWorker(std::move(session), options, lane), reverse_(reverse) {}

  bool step() override {
    const Key from(any_record());
    uint32_t visited = 0;
    uint32_t right = 0;
    const Answer answer = session().scan(from, reverse_, kScanLength, [&](Bytes key, Bytes value) {
      // Every pair is looked at: an engine that fetches values lazily must fetch them.
      ++visited;
      right += key.size() == kKeyBytes &&
               value_is_right(record_of(key), value, options().value_bytes);
    });
    if (answer != Answer::ok) return wrong_answer("scan", answer);
    if (visited == 0) return fail("a scan from a key that is there visited nothing");
    return right == visited || fail("a scan visited a wrong key or value");
  }

 private:
  const bool reverse_;
};

class UpdateWorker final : public EngineWorker {
 public:
  using EngineWorker::EngineWorker;
  bool step() override { return put(any_record(), next_version()); }
};

/// New records, in the gaps between the keys that are there.
class InsertWorker final : public EngineWorker {
 public:
  InsertWorker(std::unique_ptr<Session> session, const RunOptions& options, uint64_t lane)
      : EngineWorker(std::move(session), options, lane), next_(options.records + lane) {}

  bool step() override {
    const uint64_t record = next_;
    next_ += options().threads;
    return put(record, 0);
  }

 private:
  uint64_t next_;
};

using Workers = std::vector<std::unique_ptr<Worker>>;

/// Data that the workers of one run look at.
struct Shared {
  std::unique_ptr<Zipf> zipf;
  std::vector<uint64_t> sorted;
};

std::unique_ptr<Worker> make_worker(Task task, std::unique_ptr<Session> session,
                                    const RunOptions& options, uint64_t lane,
                                    const Shared& shared) {
  switch (task) {
    case Task::load_seq:
    case Task::load_rand:
      return std::make_unique<LoadWorker>(std::move(session), options, lane, shared.sorted);
    case Task::get_uniform:
    case Task::get_zipf:
      return std::make_unique<GetWorker>(std::move(session), options, lane, shared.zipf.get());
    case Task::get_miss: return std::make_unique<MissWorker>(std::move(session), options, lane);
    case Task::visit_uniform:
      return std::make_unique<VisitWorker>(std::move(session), options, lane);
    case Task::scan_forward:
    case Task::scan_back:
      return std::make_unique<ScanWorker>(std::move(session), options, lane,
                                          task == Task::scan_back);
    case Task::update: return std::make_unique<UpdateWorker>(std::move(session), options, lane);
    case Task::insert: return std::make_unique<InsertWorker>(std::move(session), options, lane);
    case Task::transaction: return make_transaction_worker(std::move(session), options, lane);
    case Task::snapshot_alone:
    case Task::snapshot_mixed: return make_snapshot_worker(std::move(session), options, lane);
    case Task::reopen: break;  // See update_for_reopen.
    case Task::device_append:
    case Task::device_read: break;  // Not an engine's work: see device.h.
  }
  return nullptr;
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

Result<Measured> run_task(Task task, const RunOptions& options, const Timing& timing,
                          Engine& engine) {
  Shared shared;
  if (task == Task::get_zipf) shared.zipf = std::make_unique<Zipf>(options.records);
  if (task == Task::load_seq) shared.sorted = sorted_hashes(options.records);
  Workers workers;
  for (unsigned lane = 0; lane < options.threads; ++lane) {
    AETHER_TRY_ASSIGN(std::unique_ptr<Session> session, engine.session());
    workers.push_back(make_worker(task, std::move(session), options, lane, shared));
  }
  AETHER_TRY(add_company(task, options, engine, workers));
  return drive(workers, timing);
}

/// On all cores, whatever the run then uses: it is not measured.
Result<void> read_all(RunOptions options, Engine& engine) {
  options.threads = std::max(options.threads, std::thread::hardware_concurrency());
  Workers workers;
  for (unsigned lane = 0; lane < options.threads; ++lane) {
    AETHER_TRY_ASSIGN(std::unique_ptr<Session> session, engine.session());
    workers.push_back(std::make_unique<WarmWorker>(std::move(session), options, lane));
  }
  AETHER_TRY(drive(workers, Timing{}));
  return {};
}

}  // namespace

const std::vector<Workload>& workloads() {
  using enum Task;
  static const std::vector<Workload> all = {
      {"load-seq", load_seq, Base::none, true, false, "put all records in key order"},
      {"load-rand", load_rand, Base::none, true, false, "put all records in random order"},
      {"get-uniform", get_uniform, Base::memory, false, false,
       "get a random record into the caller's buffer"},
      {"visit-uniform", visit_uniform, Base::memory, false, false,
       "look at a random record where it lies"},
      {"get-zipf", get_zipf, Base::memory, false, false, "get, Zipf 0.99"},
      {"get-miss", get_miss, Base::memory, false, false, "get a key that is not there"},
      {"scan-100", scan_forward, Base::memory, false, false,
       "100 records upwards from a random one"},
      {"scan-back", scan_back, Base::memory, false, false,
       "100 records downwards from a random one"},
      {"update-rand", update, Base::memory, true, false, "put a new value of a random record"},
      {"insert-rand", insert, Base::memory, true, false, "put new records into the loaded store"},
      {"txn-4", transaction, Base::memory, true, false,
       "read and rewrite four random records in one transaction"},
      {"txn-read-alone", snapshot_alone, Base::memory, false, false,
       "100 random gets in one snapshot, beside as many threads that burn processor time"},
      {"txn-read-mixed", snapshot_mixed, Base::memory, true, false,
       "100 random gets in one snapshot, beside as many threads that run txn-4"},
      {"sync-put", update, Base::memory, true, true,
       "put a new value of a random record, durable when it returns"},
      {"reopen", reopen, Base::memory, true, false,
       "open after half as many updates as records, SIGKILL, and a cold cache, until the first get "
       "has answered"},
      {"oom-get", get_uniform, Base::disk, false, false, "get-uniform, data 8 times the pool"},
      {"oom-update", update, Base::disk, true, false, "update-rand, data 8 times the pool"},
      {"dev-append-sync", device_append, Base::none, true, true,
       "append 4 KiB and fdatasync, one thread, file preallocated and zeroed"},
      {"dev-randread", device_read, Base::none, false, false,
       "random O_DIRECT reads of 4 KiB in a file as large as the data"},
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
    timing.warm_up_seconds = workload.base == Base::disk
                                 ? std::min(kDiskWarmUpSeconds, options.seconds)
                                 : options.warm_up_seconds;
  }
  return run_task(workload.task, options, timing, engine);
}

Result<void> update_for_reopen(const RunOptions& options, Engine& engine) {
  AETHER_TRY_ASSIGN(std::unique_ptr<Session> session, engine.session());
  Rng rng(options.seed);
  std::string value(options.value_bytes, ' ');
  for (uint64_t i = 0; i < options.records / 2; ++i) {
    const uint64_t record = rng.below(options.records);
    make_value(record, i + 1, value);
    const Answer answer = session->put(Key(record), value);
    if (answer != Answer::ok) return Error(Code::failed, "put: " + session->error());
  }
  constexpr double kTimersSeconds = 0.5;
  sleep_seconds(kTimersSeconds);
  return {};
}

Result<void> load_base(Base base, const RunOptions& options, Engine& engine) {
  RunOptions single = options;
  single.threads = 1;  // The order of the puts is part of what the reads then find.
  const Task task = base == Base::disk ? Task::load_seq : Task::load_rand;
  AETHER_TRY(run_task(task, single, Timing{}, engine));
  return engine.settle();
}

}  // namespace aether::bench
