#include "sim/threads/thread_run.h"

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "aether/aether.hpp"
#include "base/checksum.h"
#include "sim/random.h"
#include "sim/scheduler.h"
#include "sim/sim_os.h"
#include "sim/threads/history.h"
#include "sim/threads/load.h"

namespace aether::sim {
namespace {

constexpr const char* kHome = "/env";
constexpr const char* kBulk = "loaded";
constexpr int kDepthMax = 2;

Crash draw_crash(Random& random) {
  constexpr CrashPolicy kPolicies[] = {CrashPolicy::sectors, CrashPolicy::prefix, CrashPolicy::lost,
                                       CrashPolicy::kept, CrashPolicy::sectors};
  return {.policy = kPolicies[random.below(std::size(kPolicies))],
          .seed = random.next(),
          .garbage_percent = random.percent(50) ? 5u : 50u};
}

class ThreadRun {
 public:
  ThreadRun(uint64_t seed, ThreadCounts& counts)
      : seed_(seed), counts_(counts), random_(seed * 0x9e3779b97f4a7c15u + 7) {
    env_.pool_bytes = (random_.percent(60) ? 288 : 512) * KiB;
    env_.page_bytes = 4 * KiB;
    env_.log_streams = static_cast<uint32_t>(1 + random_.below(3));
    env_.log_segment_bytes = 256 * KiB;
    env_.log_bytes_max = 1 * MiB;
    env_.flush_interval_ms = static_cast<uint32_t>(1 + random_.below(20));
    env_.durability = random_.percent(60) ? Durability::group : Durability::none;
    env_.live = false;
    env_.redo_on_demand = seed % 4 != 0;
    load_.seed = seed;
    load_.workers = static_cast<uint32_t>(2 + random_.below(5));
    load_.transactions = static_cast<uint32_t>(8 + random_.below(25));
    load_.keys = 4 + random_.below(30);
    load_.durability = env_.durability;
    load_.isolation = random_.percent(60) ? Isolation::snapshot : Isolation::serializable;
    load_.locks = random_.percent(40);
    if (random_.percent(20))
      load_.checkpoint_percent = static_cast<uint32_t>(10 + 10 * random_.below(3));
    if (random_.percent(15)) load_.rows_at_start = load_.keys = 600;
    bulk_rows_ = random_.percent(15) ? 200 : 0;
    constexpr uint32_t kCrashEvery[] = {10, 40, 40, 100};
    crash_every_ = kCrashEvery[random_.below(std::size(kCrashEvery))];
    load_.prepares = random_.percent(30);
    history_.emplace(History::Rules{.one_stream = env_.log_streams == 1,
                                    .serializable = load_.isolation == Isolation::serializable,
                                    .accounts_sum = kAccountsSum});
    disk_ = std::make_unique<SimOs>(SimOptions{.seed = seed});
  }

  ThreadRunResult run() {
    const uint64_t lives = 1 + random_.below(2);
    for (uint64_t life = 0; life < lives && problem_.empty(); ++life) live_once(life);
    ++counts_.seeds;
    return {problem_, schedule_hash_, trace_hash_};
  }

 private:
  void fail(const std::string& problem) {
    if (problem_.empty()) problem_ = problem;
  }
  void note(uint64_t event) { trace_hash_ = base::checksum(&event, sizeof event, trace_hash_); }

  void live_once(uint64_t life) {
    ScheduleOptions schedule = schedule_of(seed_ * 16 + life);
    schedule.on_stuck = [this](const std::string& report) {
      std::fprintf(stderr, "seed %llu: %s\n", static_cast<unsigned long long>(seed_),
                   report.c_str());
      std::fflush(nullptr);
      std::_Exit(3);
    };
    std::unique_ptr<SimOs> next;
    {
      Scheduler scheduler(schedule);
      scheduler.run([&] { next = live(life); });
      note(scheduler.trace_hash());
      schedule_hash_ = schedule_hash_ * 31 + scheduler.trace_hash();
      counts_.switches += scheduler.switches();
      counts_.steps += scheduler.steps();
    }
    if (next != nullptr) disk_ = std::move(next);
  }

  /// As thread 0. Returns what the crash at its end has left.
  std::unique_ptr<SimOs> live(uint64_t life) {
    Result<std::unique_ptr<DbEnv>> opened = DbEnv::open(kHome, env_, *disk_);
    if (!opened) {
      fail("open: " + std::string(opened.error().message()));
      return nullptr;
    }
    DbEnv& env = **opened;
    if (life > 0) take_over(env);
    LoadOptions options = load_;
    options.seed += life * 7919;
    Load load(options, env, *history_);
    if (const Result<void> made = load.open(); !made)
      load.fail("the first rows: " + std::string(made.error().message()));
    watch(load);
    if (problem_.empty() && bulk_rows_ > 0 && life == 0) load_bulk(env);
    std::vector<std::unique_ptr<os::Thread>> workers;
    for (uint32_t i = 0; i < options.workers && problem_.empty(); ++i) {
      Result<std::unique_ptr<os::Thread>> worker = disk_->spawn("worker",
                                                                [&load, i] { load.run_worker(i); });
      if (worker) workers.push_back(*std::move(worker));
    }
    for (const std::unique_ptr<os::Thread>& worker : workers) worker->join();
    fail(load.problem());
    counts_.commits += load.commits();
    counts_.conflicts += load.conflicts();
    if (problem_.empty()) end_quietly(load, env);
    if (problem_.empty() && random_.percent(30)) end_in_order(env);
    disk_->on_step({});
    std::unique_ptr<SimOs> next;
    {
      const os::Unscheduled alone;  // Nothing is acknowledged between the crash and the look at it.
      next = crash_now();
      if (problem_.empty()) fail(check(*next->copy(), 0));
      history_->close();
    }
    opened->reset();
    return problem_.empty() ? std::move(next) : nullptr;
  }

  /// After a crash: what is there is the beginning. Those in doubt are decided.
  void take_over(DbEnv& env) {
    const Result<std::vector<PreparedTransaction>> doubts = env.prepared();
    if (!doubts) return fail("prepared: " + std::string(doubts.error().message()));
    for (const PreparedTransaction& each : *doubts) {
      const Result<void> done = env.rollback_prepared(each.gid);
      if (!done) fail("rollback_prepared: " + std::string(done.error().message()));
    }
    const Result<FoundState> found = read_found(env);
    if (!found) return fail("reading after the recovery: " + std::string(found.error().message()));
    history_->adopt(*found);
  }

  /// A sorted run into a store of its own: all of it is there afterwards, or nothing.
  void load_bulk(DbEnv& env) {
    Result<KvStore> store = env.open_store(kBulk);
    if (!store) return fail("making a store: " + std::string(store.error().message()));
    uint64_t made = 0;
    std::string key, value;
    const Result<uint64_t> rows = store->bulk_load([&](Bytes& next_key, Bytes& next_value) {
      if (made == bulk_rows_) return false;
      key = bulk_key(made++);
      value = encode_row(key, {}, made % 40 == 0 ? 9000 : 120);
      next_key = key;
      next_value = value;
      return true;
    });
    if (!rows) return fail("bulk_load: " + std::string(rows.error().message()));
    bulk_done_ = true;
  }

  static std::string bulk_key(uint64_t number) { return "b" + std::to_string(1000 + number); }

  std::string check_bulk(DbEnv& env) const {
    Result<KvStore> store = env.open_store(kBulk, {.create = false});
    if (!store && store.error().code() == Code::not_found && !bulk_done_) return {};
    if (!store) return "the loaded store: " + std::string(store.error().message());
    uint64_t rows = 0;
    bool well = true;
    const Result<uint64_t> read = store->scan({}, [&](Bytes key, Bytes value) {
      well = well && key == bulk_key(rows++) && decode_row(key, value).has_value();
      return true;
    });
    if (!read) return "the loaded store: " + std::string(read.error().message());
    if (!well || (rows != bulk_rows_ && (rows != 0 || bulk_done_)))
      return "the loaded store has " + std::to_string(rows) + " rows, or others";
    return {};
  }

  /// Nobody works any more: nothing is locked, and a store can go.
  void end_quietly(Load& load, DbEnv& env) {
    if (const Result<void> free = load.check_unlocked(); !free)
      fail("a row is still locked: " + std::string(free.error().message()));
    if (!problem_.empty() || random_.percent(70)) return;
    burst_ = 1000;  // Each step of it.
    if (const Result<void> dropped = env.drop_store(kDroppedStore); !dropped)
      fail("drop_store: " + std::string(dropped.error().message()));
    burst_ = 0;
  }

  void end_in_order(DbEnv& env) {
    if (const std::string found = verify(env); !found.empty()) fail("while running: " + found);
    if (const Result<void> closed = env.close(); !closed)
      fail("close: " + std::string(closed.error().message()));
  }

  // --- crashes --------------------------------------------------------------------------------------

  void watch(Load& load) {
    disk_->on_step([this, &load](const Step& step) {
      const os::Unscheduled alone;
      const uint64_t event[] = {static_cast<uint64_t>(step.kind), step.offset, step.size,
                                base::checksum(step.path.data(), step.path.size())};
      trace_hash_ = base::checksum(event, sizeof event, trace_hash_);
      if (!step.changes_disk || !problem_.empty()) return;
      if (burst_ == 0 && random_.below(crash_every_) == 0) burst_ = 1 + random_.below(4);
      if (burst_ == 0) return;
      --burst_;
      const std::unique_ptr<SimOs> crashed = crash_now();
      std::string problem = check(*crashed, 0);
      if (problem.empty()) return;
      problem += "\nat step " + std::to_string(step.number) + " (" + to_string(step.kind) + " " +
                 std::string(step.path) + ")";
      fail(problem);
      load.fail(problem);
    });
  }

  std::unique_ptr<SimOs> crash_now() {
    history_->poll();
    // A killed process loses nothing that the system has; the power may fail afterwards.
    if (random_.percent(12)) return disk_->copy();
    return disk_->crash(draw_crash(random_));
  }

  static std::string verify(DbEnv& env) {
    const Result<VerifyReport> report = env.verify();
    if (!report) return "verify: " + std::string(report.error().message());
    if (report->ok()) return {};
    const VerifyProblem& first = report->problems.front();
    return "verify: " + std::to_string(report->problems.size()) + " problems, the first: page " +
           std::to_string(first.page_id) + " store '" + first.store + "': " + first.message;
  }

  /// Recovers `os`, alone, and holds it against the history.
  std::string check(SimOs& os, int depth) {
    const os::Unscheduled alone;
    ++counts_.cycles;
    std::unique_ptr<SimOs> again;
    if (depth < kDepthMax && random_.percent(25)) {
      uint64_t left = 1 + random_.below(40);
      os.on_step([this, &os, &again, left](const Step& step) mutable {
        if (step.changes_disk && left > 0 && --left == 0) again = os.crash(draw_crash(random_));
      });
    }
    std::string problem = check_open(os);
    os.on_step({});
    if (problem.empty() && again != nullptr) {
      problem = check(*again, depth + 1);
      if (!problem.empty()) problem = "(crash in recovery) " + problem;
    }
    return problem;
  }

  std::string check_open(SimOs& os) {
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open(kHome, alone(), os);
    os.on_step({});
    if (!env) return "recovery: " + std::string(env.error().message());
    Result<FoundState> found = read_all(**env);
    if (!found) return "reading: " + std::string(found.error().message());
    // A value that one in doubt has replaced is in no row, and not free.
    if (found->in_doubt.empty()) {
      if (std::string problem = verify(**env); !problem.empty()) return problem;
    }
    note(found->rows.size() << 32 | found->marks.size());
    if (std::string breach = history_->check(*found); !breach.empty()) return breach;
    if (std::string breach = bulk_rows_ > 0 ? check_bulk(**env) : ""; !breach.empty())
      return breach;
    return go_on(os, *std::move(env), *std::move(found));
  }

  static Result<FoundState> read_all(DbEnv& env) {
    AETHER_TRY_ASSIGN(FoundState found, read_found(env));
    AETHER_TRY_ASSIGN(const std::vector<PreparedTransaction> doubts, env.prepared());
    for (const PreparedTransaction& each : doubts)
      found.in_doubt.insert(std::strtoull(each.gid.c_str() + 1, nullptr, 10));
    return found;
  }

  /// Those in doubt are decided, new transactions work, and all that is there survives one more crash.
  std::string go_on(SimOs& os, std::unique_ptr<DbEnv> env, FoundState found) {
    History after({.accounts_sum = kAccountsSum});
    std::string problem = write_on(*env, std::move(found), after);
    after.poll();
    const std::unique_ptr<SimOs> next = os.crash(draw_crash(random_));
    after.close();
    env.reset();
    if (!problem.empty() || random_.percent(50)) return problem;
    Result<std::unique_ptr<DbEnv>> reopened = DbEnv::open(kHome, alone(), *next);
    if (!reopened) return "second recovery: " + std::string(reopened.error().message());
    const Result<FoundState> second = read_all(**reopened);
    if (!second)
      return "reading after the second recovery: " + std::string(second.error().message());
    if (std::string breach = after.check(*second); !breach.empty())
      return "after the second recovery: " + breach;
    return second->in_doubt.empty() ? verify(**reopened) : std::string();
  }

  std::string write_on(DbEnv& env, FoundState found, History& after) {
    for (const uint64_t id : found.in_doubt) {
      const std::string gid = "g" + std::to_string(id);
      const Result<void> decided = random_.percent(50) ? env.commit_prepared(gid)
                                                       : env.rollback_prepared(gid);
      if (!decided) return "deciding " + gid + ": " + std::string(decided.error().message());
    }
    if (!found.in_doubt.empty()) {
      Result<FoundState> decided = read_all(env);
      if (!decided) return "reading what was decided: " + std::string(decided.error().message());
      found = *std::move(decided);
      if (std::string problem = verify(env); !problem.empty()) return "decided: " + problem;
    }
    after.adopt(found);
    Load load({.seed = random_.next(),
               .workers = 1,
               .transactions = 5,
               .keys = load_.keys,
               .durability = env_.durability},
              env, after);
    if (const Result<void> opened = load.open(); !opened)
      return "opening the stores: " + std::string(opened.error().message());
    load.run_worker(100);
    return load.problem().empty() ? std::string() : "going on after recovery: " + load.problem();
  }

  EnvOptions alone() const {
    EnvOptions options = env_;
    options.background_threads = false;
    return options;
  }

  const uint64_t seed_;
  ThreadCounts& counts_;
  Random random_;
  EnvOptions env_;
  LoadOptions load_;
  std::optional<History> history_;
  std::unique_ptr<SimOs> disk_;
  uint64_t bulk_rows_ = 0;
  bool bulk_done_ = false;
  uint64_t crash_every_ = 40;
  uint64_t burst_ = 0;
  uint64_t schedule_hash_ = 0;
  uint64_t trace_hash_ = 0;
  std::string problem_;
};

}  // namespace

ThreadRunResult run_threads(uint64_t seed, ThreadCounts& counts) {
  return ThreadRun(seed, counts).run();
}

}  // namespace aether::sim
