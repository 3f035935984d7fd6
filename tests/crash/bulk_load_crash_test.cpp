// Bulk loads that are cut off: by a power cut at every step, by a call that fails, by a full disk, by a bad input. What
// is there afterwards opens, verifies, holds all of the load or nothing of it, and can be used.
#include <gtest/gtest.h>

#include <cerrno>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>

#include "aether/aether.hpp"
#include "sim/sim_os.h"

namespace aether {
namespace {

using Rows = std::map<std::string, std::string>;

EnvOptions options() {
  return {.pool_bytes = 512 * KiB,
          .log_streams = 2,
          .log_segment_bytes = 256 * KiB,
          .log_bytes_max = 1 * MiB,
          .background_threads = false};
}

std::string text_of(const Result<void>& result) {
  return result ? std::string() : std::string(result.error().message());
}

/// Rows of all sizes. Every 50th and the last one have values outside their pages.
Rows make_rows(uint64_t seed, int count) {
  std::mt19937_64 random(seed);
  Rows rows;
  char name[16];
  for (int i = 0; i < count; ++i) {
    std::snprintf(name, sizeof name, "%06d", i);
    std::string key = name;
    if (i % 40 == 3) key.append(random() % 600, 'k');
    const bool is_large = i % 50 == 7 || i + 1 == count;
    rows[key] = std::string(is_large ? 2000 + random() % 20'000 : random() % 400,
                            static_cast<char>('a' + i % 26));
  }
  return rows;
}

/// Loads `rows` into the store "bulk". `fails_at`: there the input goes backwards.
Result<uint64_t> load(DbEnv& env, const Rows& rows, size_t fails_at = SIZE_MAX) {
  AETHER_TRY_ASSIGN(KvStore store, env.open_store("bulk"));
  auto at = rows.begin();
  size_t given = 0;
  return store.bulk_load([&](Bytes& key, Bytes& value) {
    if (at == rows.end()) return false;
    key = given++ == fails_at ? Bytes() : Bytes(at->first);
    value = at->second;
    ++at;
    return true;
  });
}

Result<Rows> rows_of(DbEnv& env, const std::string& name) {
  AETHER_TRY_ASSIGN(KvStore store, env.open_store(name));
  Rows rows;
  AETHER_TRY_ASSIGN(const uint64_t count, store.scan({}, [&](Bytes key, Bytes value) {
    rows.emplace(key, value);
    return true;
  }));
  if (count != rows.size()) return Error(Code::corruption, "a key came twice");
  return rows;
}

/// Empty: the store holds exactly these.
std::string compare(DbEnv& env, const std::string& name, const Rows& expected) {
  const Result<Rows> rows = rows_of(env, name);
  if (!rows) return "store " + name + ": " + std::string(rows.error().message());
  if (*rows == expected) return {};
  return "store " + name + ": " + std::to_string(rows->size()) + " rows, should be " +
         std::to_string(expected.size());
}

std::string verify(DbEnv& env) {
  const Result<VerifyReport> report = env.verify();
  if (!report) return "verify: " + std::string(report.error().message());
  if (report->ok()) return {};
  const VerifyProblem& first = report->problems.front();
  return "verify: " + std::to_string(report->problems.size()) + " problems, page " +
         std::to_string(first.page_id) + " of '" + first.store + "': " + first.message;
}

/// Writes that need new pages, so that those of a load that came to nothing begin another life.
std::string use_pages(DbEnv& env, const std::string& name, Rows& rows) {
  Result<KvStore> store = env.open_store(name);
  if (!store) return "open_store: " + std::string(store.error().message());
  for (int i = 0; i < 500; ++i) {
    const std::string key = std::to_string(i * 7919 % 1000);
    const std::string value(static_cast<size_t>(300 + i % 200), static_cast<char>('A' + i % 26));
    if (std::string problem = text_of(store->put(key, value)); !problem.empty()) return problem;
    rows[key] = value;
  }
  return {};
}

/// What the load must have left.
enum class Outcome : uint8_t { all, nothing, either };

struct Machine {
  std::unique_ptr<sim::SimOs> os;
  std::unique_ptr<DbEnv> env;
  Rows old;  ///< Of the store "old".

  explicit Machine(uint64_t seed)
      : os(std::make_unique<sim::SimOs>(sim::SimOptions{.seed = seed})) {
    EXPECT_EQ(open(), "");
    prepare(seed);
  }

  std::string open() {
    Result<std::unique_ptr<DbEnv>> opened = DbEnv::open("/env", options(), *os);
    if (!opened) return "open: " + std::string(opened.error().message());
    env = *std::move(opened);
    return {};
  }

  /// Pages that are free and had a life before, which is in the log still.
  void prepare(uint64_t seed) {
    KvStore kept = *env->open_store("old"), gone = *env->open_store("gone");
    for (const auto& [key, value] : make_rows(seed + 100, 200)) {
      EXPECT_EQ(text_of(kept.put(key, value)), "");
      EXPECT_EQ(text_of(gone.put(key, value)), "");
      old[key] = value;
    }
    EXPECT_EQ(text_of(env->drop_store("gone")), "");
    EXPECT_EQ(text_of(env->open_store("bulk").has_value() ? Result<void>() : Code::failed), "");
  }

  std::string crash(const sim::Crash& how) {
    std::unique_ptr<sim::SimOs> next = os->crash(how);
    env.reset();
    os = std::move(next);
    return open();
  }
};

/// Empty: what a crash has left is right, works on, and survives the next crash.
std::string check(sim::SimOs& crashed, const Rows& old, const Rows& loaded, Outcome outcome) {
  std::unique_ptr<sim::SimOs> next;
  Rows more, bulk;
  {
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open("/env", options(), crashed);
    if (!env) return "open: " + std::string(env.error().message());
    if (std::string problem = verify(**env); !problem.empty()) return problem;
    if (std::string problem = compare(**env, "old", old); !problem.empty()) return problem;
    const Result<Rows> rows = rows_of(**env, "bulk");
    if (!rows) return "store bulk: " + std::string(rows.error().message());
    const bool is_all = *rows == loaded && outcome != Outcome::nothing;
    const bool is_nothing = rows->empty() && outcome != Outcome::all;
    if (!is_all && !is_nothing) return "store bulk: " + std::to_string(rows->size()) + " rows";
    if (is_nothing) {
      const Result<uint64_t> again = load(**env, loaded);
      if (!again) return "the second load: " + std::string(again.error().message());
    }
    if (std::string problem = use_pages(**env, "more", more); !problem.empty()) return problem;
    bulk = loaded;
    if (std::string problem = use_pages(**env, "bulk", bulk); !problem.empty()) return problem;
    next = crashed.crash({.policy = sim::CrashPolicy::lost});
  }
  Result<std::unique_ptr<DbEnv>> env = DbEnv::open("/env", options(), *next);
  if (!env) return "second open: " + std::string(env.error().message());
  for (const auto& [name, rows] : {std::pair("old", &old), {"bulk", &bulk}, {"more", &more}}) {
    if (std::string problem = compare(**env, name, *rows); !problem.empty())
      return "after the second open: " + problem;
  }
  return verify(**env);
}

// Goal:   whenever the power goes, the load is there whole or not at all; once acknowledged, whole.
TEST(BulkLoadCrash, EveryStepLeavesAllOrNothing) {
  constexpr sim::CrashPolicy kPolicies[] = {sim::CrashPolicy::sectors, sim::CrashPolicy::lost,
                                            sim::CrashPolicy::kept};
  uint64_t crashes = 0;
  for (const uint64_t seed : {1u, 2u}) {
    Machine machine(seed);
    const Rows rows = make_rows(seed, seed == 1 ? 700 : 5);
    std::string problem;
    machine.os->on_step([&](const sim::Step& step) {
      if (!step.changes_disk || !problem.empty()) return;
      const sim::CrashPolicy policy = kPolicies[step.number % std::size(kPolicies)];
      ++crashes;
      problem = check(*machine.os->crash({.policy = policy, .seed = step.number}), machine.old,
                      rows, Outcome::either);
      if (!problem.empty()) {
        problem += ", at step " + std::to_string(step.number) + " (" + to_string(step.kind) + " " +
                   std::string(step.path) + ")";
      }
    });
    const Result<uint64_t> loaded = load(*machine.env, rows);
    machine.os->on_step({});
    ASSERT_TRUE(loaded.has_value()) << loaded.error().message();
    EXPECT_EQ(*loaded, rows.size());
    ASSERT_EQ(problem, "") << "seed " << seed;
    for (const sim::CrashPolicy policy : kPolicies) {
      ASSERT_EQ(check(*machine.os->crash({.policy = policy, .seed = seed}), machine.old, rows,
                      Outcome::all),
                "")
          << "seed " << seed;
    }
  }
  EXPECT_GT(crashes, 20u);
}

struct FaultCounts {
  uint64_t failures = 0;  ///< Loads that were answered with an error.
  uint64_t went_on = 0;   ///< Environments that took writes after it.
};

/// Empty: all is well. `fired` stays false if the load made fewer calls.
std::string load_under(const sim::Fault& fault, const Rows& rows, bool& fired,
                       FaultCounts& counts) {
  Machine machine(fault.nth);
  machine.os->add_fault(fault);
  const Result<uint64_t> loaded = load(*machine.env, rows);
  fired = machine.os->faults_fired() != 0;
  if (!fired) return {};
  machine.os->clear_faults();
  const bool failed = machine.env->stats().state == "failed";
  Outcome outcome = Outcome::all;
  if (!loaded) {
    ++counts.failures;
    const Code code = loaded.error().code();
    if (code != Code::io_error && code != Code::no_space && code != Code::failed)
      return std::string(loaded.error().message());
    // If the log could not be written, nobody knows.
    outcome = failed ? Outcome::either : Outcome::nothing;
  }
  if (!failed) {
    ++counts.went_on;
    std::string problem = compare(*machine.env, "bulk", loaded ? rows : Rows());
    if (problem.empty()) problem = verify(*machine.env);
    // In this life, with the numbers that this life gives.
    if (problem.empty()) problem = use_pages(*machine.env, "old", machine.old);
    if (!problem.empty()) return problem;
  }
  return check(*machine.os->crash({.seed = fault.nth}), machine.old, rows, outcome);
}

// Goal:   a load that a call fails under is an error, or the fault has not mattered; nothing of it is left, nothing else
//         is lost.
// Method: every call in turn, with two errors, once and for good; then on with what is left, and a crash. Loads that make
//         the file grow, too, with that call only.
TEST(BulkLoadCrash, EveryFailingCallLeavesAllOrNothing) {
  FaultCounts counts;
  const Rows small = make_rows(3, 150), large = make_rows(3, 3000);
  for (const sim::StepKind kind : {sim::StepKind::any, sim::StepKind::allocate}) {
    for (const int errnum : {EIO, ENOSPC}) {
      for (const bool sticky : {false, true}) {
        bool fired = true;
        for (uint64_t nth = 1; fired; ++nth) {
          const sim::Fault fault{.kind = kind, .nth = nth, .errnum = errnum, .sticky = sticky};
          ASSERT_EQ(load_under(fault, kind == sim::StepKind::any ? small : large, fired, counts),
                    "")
              << to_string(kind) << " " << nth << " fails with " << errnum
              << (sticky ? " for good" : "");
        }
      }
    }
  }
  EXPECT_GT(counts.failures, 30u);
  EXPECT_GT(counts.went_on, 2u);
}

// Goal:   pages of a load that came to nothing begin another life, which a crash does not take for the former one.
TEST(BulkLoadCrash, AbandonedPagesBeginANewLife) {
  const Rows rows = make_rows(4, 400);
  for (const bool has_values : {false, true}) {
    Rows small = rows;
    if (!has_values) {
      for (auto& [key, value] : small) value.resize(std::min<size_t>(value.size(), 300));
    }
    Machine machine(4);
    for (const size_t fails_at : {399u, 200u, 399u}) {
      const Result<uint64_t> loaded = load(*machine.env, small, fails_at);
      ASSERT_FALSE(loaded.has_value());
      EXPECT_EQ(loaded.error().code(), Code::invalid_argument);
      EXPECT_EQ(verify(*machine.env), "");
      ASSERT_EQ(use_pages(*machine.env, "old", machine.old), "");
      ASSERT_EQ(machine.crash({.policy = sim::CrashPolicy::kept}), "");
      EXPECT_EQ(verify(*machine.env), "");
      ASSERT_EQ(compare(*machine.env, "old", machine.old), "");
    }
    ASSERT_EQ(check(*machine.os->crash({}), machine.old, small, Outcome::nothing), "");
  }
}

/// Puts rows until a node is split.
void split(DbEnv& env, const std::string& name, Rows& rows) {
  KvStore store = *env.open_store(name);
  const uint64_t before = env.stats().data_pages_free;
  while (env.stats().data_pages_free == before && !testing::Test::HasFailure()) {
    const std::string key = std::to_string(rows.size());
    EXPECT_EQ(text_of(store.put(key, std::string(300, 'f'))), "");
    rows[key] = std::string(300, 'f');
  }
}

// The same where the page is not written again before the crash, so that redo meets the bytes of the load; and where no
// page that takes part is ahead of the space map in the order of changes.
TEST(BulkLoadCrash, RedoTellsANewLifeFromAnAbandonedPage) {
  const Rows rows = make_rows(6, 100);
  Machine machine(6);
  Rows fast, slow;
  for (int round = 0; round < 4; ++round) {
    SCOPED_TRACE(round);
    ASSERT_TRUE(machine.env->open_store("slow").has_value());
    KvStore store = *machine.env->open_store("fast");
    for (int i = 0; i < 200; ++i) ASSERT_EQ(text_of(store.put("hot", std::to_string(i))), "");
    fast["hot"] = "199";
    split(*machine.env, "fast", fast);
    ASSERT_EQ(load(*machine.env, rows, 99).error().code(), Code::invalid_argument);
    split(*machine.env, "slow", slow);
    ASSERT_EQ(machine.crash({.policy = sim::CrashPolicy::kept}), "");
    ASSERT_EQ(compare(*machine.env, "fast", fast), "");
    ASSERT_EQ(compare(*machine.env, "slow", slow), "");
    ASSERT_EQ(verify(*machine.env), "");
  }
  ASSERT_EQ(check(*machine.os->crash({}), machine.old, rows, Outcome::nothing), "");
}

// Goal:   a disk that is full in the middle of a load leaves the environment as it was, in use; with room, it loads.
TEST(BulkLoadCrash, AFullDiskIsNoDamage) {
  const Rows rows = make_rows(5, 3000);
  for (uint64_t room = 0; room < 800 * KiB; room += 250 * KiB) {
    SCOPED_TRACE(room);
    Machine machine(5);
    machine.os->set_capacity(machine.os->total_bytes() + room);
    const Result<uint64_t> loaded = load(*machine.env, rows);
    ASSERT_FALSE(loaded.has_value());
    EXPECT_EQ(loaded.error().code(), Code::no_space) << loaded.error().message();
    EXPECT_EQ(machine.env->stats().state, "open");
    EXPECT_EQ(verify(*machine.env), "");
    EXPECT_EQ(compare(*machine.env, "bulk", {}), "");
    machine.os->set_capacity(UINT64_MAX);
    ASSERT_EQ(use_pages(*machine.env, "old", machine.old), "");
    ASSERT_EQ(check(*machine.os->crash({}), machine.old, rows, Outcome::nothing), "");
  }
}

}  // namespace
}  // namespace aether
