// Stores of kind lsm: rows that become runs at once. Bulk loads, and ranges whose rows lie in runs, beside all else.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "aether/aether.hpp"
#include "property/world.h"
#include "sim/sim_os.h"

namespace aether {
namespace {

using Rows = std::map<std::string, std::string>;

constexpr MergePolicyKind kPolicies[] = {MergePolicyKind::hanoi, MergePolicyKind::tiered,
                                         MergePolicyKind::leveled, MergePolicyKind::lazy_leveled,
                                         MergePolicyKind::adaptive};

std::string text_of(const Result<void>& result) {
  return result ? std::string() : std::string(result.error().message());
}
void ok(const Result<void>& done) { ASSERT_TRUE(done.has_value()) << done.error().message(); }

std::string key_of(uint64_t number) {
  const std::string digits = std::to_string(number);
  return "key" + std::string(8 - digits.size(), '0') + digits;
}

/// Every 50th value lies outside.
Rows rows_from(uint64_t from, uint64_t to, char family) {
  Rows rows;
  for (uint64_t i = from; i < to; ++i)
    rows[key_of(i)] = std::string(i % 50 == 7 ? 9000 : 40 + i % 30, family) + std::to_string(i);
  return rows;
}

Result<uint64_t> load(KvStore& store, const Rows& rows) {
  auto at = rows.begin();
  return store.bulk_load([&](Bytes& key, Bytes& value) {
    if (at == rows.end()) return false;
    key = at->first;
    value = at->second;
    ++at;
    return true;
  });
}

Rows scan(KvStore& store) {
  Rows found;
  const Result<uint64_t> scanned = store.scan(
      {}, [&](Bytes key, Bytes value) { return found.emplace(key, value).second; });
  EXPECT_TRUE(scanned.has_value()) << scanned.error().message();
  return found;
}

Rows scan_back(KvStore& store) {
  Rows found;
  const Result<uint64_t> scanned = store.scan(
      {.begin = {}, .end = {}, .reverse = true},
      [&](Bytes key, Bytes value) { return found.emplace(key, value).second; });
  EXPECT_TRUE(scanned.has_value()) << scanned.error().message();
  return found;
}

Rows scan(KvStore& store, Transaction& txn) {
  Rows found;
  const Result<uint64_t> scanned = store.scan(
      txn, {}, [&](Bytes key, Bytes value) { return found.emplace(key, value).second; });
  EXPECT_TRUE(scanned.has_value()) << scanned.error().message();
  return found;
}

std::string verify(DbEnv& env) {
  const Result<VerifyReport> report = env.verify();
  if (!report) return "verify: " + std::string(report.error().message());
  return report->ok() ? std::string() : report->problems.front().message;
}

class LsmIngest : public testing::Test {
 protected:
  LsmIngest() { open(); }

  void open() {
    env_ = nullptr;
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open("/env", options(), *os_);
    ASSERT_TRUE(env.has_value()) << env.error().message();
    env_ = *std::move(env);
    const Result<KvStore> opened = env_->open_store("rows", creation());
    ASSERT_TRUE(opened.has_value()) << opened.error().message();
    store_ = *opened;
  }
  static EnvOptions options() {
    return {.pool_bytes = 4 * MiB,
            .block_cache_bytes = 4 * MiB,
            .log_streams = 2,
            .log_segment_bytes = 1 * MiB,
            .log_bytes_max = 4 * MiB,
            .durability = Durability::none,
            .background_threads = false};
  }
  StoreOptions creation() const {
    return {.index = IndexKind::lsm,
            .lsm = {.nursery_bytes = 64 * KiB, .policy = policy_, .block_bytes = 4 * KiB}};
  }
  void crash(uint64_t seed) {
    std::unique_ptr<sim::SimOs> after = os_->crash({.seed = seed});
    store_.reset();
    env_.reset();
    os_ = std::move(after);
    open();
  }
  LsmStats lsm() { return env_->stats().stores.at(0).lsm; }
  void put_all(const Rows& rows) {
    for (const auto& [key, value] : rows) ok(store_->put(key, value));
  }

  MergePolicyKind policy_ = MergePolicyKind::hanoi;
  std::unique_ptr<sim::SimOs> os_ = std::make_unique<sim::SimOs>(sim::SimOptions{.seed = 1});
  std::unique_ptr<DbEnv> env_;
  std::optional<KvStore> store_;
};

// Goal:   a bulk load writes each byte once, into runs, and leaves nearly nothing in the log; its rows are as all others afterwards.
TEST_F(LsmIngest, ABulkLoadIsOneSortedRun) {
  Rows rows = rows_from(0, 30'000, 'a');  // More than a part may have.
  const Result<uint64_t> loaded = load(*store_, rows);
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message();
  EXPECT_EQ(*loaded, rows.size());
  const LsmStats stats = lsm();
  ASSERT_EQ(stats.sorted_runs.size(), 1u);
  EXPECT_GT(stats.sorted_runs[0].runs, 1u);
  EXPECT_EQ(stats.sorted_runs[0].entries, rows.size());
  EXPECT_LT(stats.log_bytes, 1000u);
  EXPECT_LT(stats.write_amplification, 1.1);
  EXPECT_TRUE(scan(*store_) == rows);
  EXPECT_EQ(load(*store_, rows).error().code(), Code::exists);
  crash(1);
  EXPECT_TRUE(scan(*store_) == rows);
  // Over it, and below: what it has brought is replaced, removed and merged.
  for (uint64_t i = 0; i < 30'000; i += 3) {
    const std::string value = "b" + std::to_string(i);
    ok(store_->put(key_of(i), value));
    rows[key_of(i)] = value;
  }
  for (uint64_t i = 1; i < 30'000; i += 3) {
    ok(store_->remove(key_of(i)));
    rows.erase(key_of(i));
  }
  EXPECT_TRUE(scan(*store_) == rows);
  EXPECT_EQ(verify(*env_), "");
  crash(2);
  EXPECT_TRUE(scan(*store_) == rows);
  EXPECT_EQ(verify(*env_), "");
}

// Goal:   a load into a store whose rows have been removed lies above the removals; one that meets somebody else's rows among its own, or locks,
//         is refused and leaves nothing.
TEST_F(LsmIngest, ABulkLoadMeetsOthers) {
  const Rows rows = rows_from(0, 3000, 'a');
  put_all(rows_from(0, 2000, 'o'));
  EXPECT_EQ(store_->remove_range({}).value_or(0), 2000u);
  Transaction before = env_->begin({.read_only = true}).value();
  ASSERT_TRUE(load(*store_, rows).has_value());
  EXPECT_TRUE(scan(*store_) == rows);
  EXPECT_TRUE(scan(*store_, before).empty());
  ok(before.commit());
  EXPECT_EQ(store_->remove_range({}).value_or(0), rows.size());
  const auto load_beside = [&](FunctionRef<void()> others) {
    auto at = rows.begin();
    return store_->bulk_load([&](Bytes& key, Bytes& value) {
      if (at == std::next(rows.begin(), 1000)) others();
      if (at == rows.end()) return false;
      key = at->first;
      value = at->second;
      ++at;
      return true;
    });
  };
  // A row among the load's: open, committed, written out.
  std::optional<Transaction> open = env_->begin().value();
  EXPECT_EQ(load_beside([&] { ok(store_->put(*open, key_of(5), "other")); }).error().code(),
            Code::busy);
  ok(open->abort());
  open.reset();
  EXPECT_EQ(load_beside([&] { ok(store_->put(key_of(5), "other")); }).error().code(), Code::busy);
  ok(store_->remove(key_of(5)));
  const auto write_much = [&] {
    for (const auto& [key, value] : rows_from(0, 3000, 'x')) {
      ok(store_->put(key, value));
      ok(store_->remove(key));
    }
  };
  EXPECT_EQ(load_beside(write_much).error().code(), Code::busy);
  Transaction locker = env_->begin().value();
  EXPECT_EQ(load_beside([&] { ok(store_->lock(locker, "q", LockMode::shared)); }).error().code(),
            Code::busy);
  ok(locker.commit());
  EXPECT_TRUE(scan(*store_).empty());
  // Beside them, and behind.
  ASSERT_TRUE(load_beside([&] { ok(store_->put("zzz", "other")); }).has_value());
  Rows expected = rows;
  expected["zzz"] = "other";
  EXPECT_TRUE(scan(*store_) == expected);
  EXPECT_EQ(verify(*env_), "");
  crash(3);
  EXPECT_TRUE(scan(*store_) == expected);
  EXPECT_EQ(verify(*env_), "");
}

// Goal:   a load or a removal that is cut off leaves all or nothing, and no page without an owner.
TEST_F(LsmIngest, APowerCutAtAnyStepLeavesAllOrNothing) {
  constexpr sim::CrashPolicy kHow[] = {sim::CrashPolicy::sectors, sim::CrashPolicy::lost,
                                       sim::CrashPolicy::kept};
  uint64_t crashes = 0;
  std::string problem;
  Rows from;
  Rows to;
  const auto check = [&](sim::SimOs& crashed, bool is_done) -> std::string {
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open("/env", options(), crashed);
    if (!env) return "open: " + std::string(env.error().message());
    Result<KvStore> store = (*env)->open_store("rows", creation());
    if (!store) return "open_store: " + std::string(store.error().message());
    if (std::string damage = verify(**env); !damage.empty()) return damage;
    const Rows found = scan(*store);
    if (found != to && (is_done || found != from))
      return std::to_string(found.size()) + " rows of " + std::to_string(to.size());
    // Its pages are others' now, or its own.
    Rows more = found;
    for (uint64_t i = 0; i < 900; ++i) {
      const std::string key = key_of(i * 7 % 3000);
      if (std::string failed = text_of(store->put(key, "more")); !failed.empty()) return failed;
      more[key] = "more";
    }
    if (scan(*store) != more) return "after more puts there are others";
    return verify(**env);
  };
  const auto cut = [&](FunctionRef<Result<uint64_t>()> work) {
    os_->on_step([&](const sim::Step& step) {
      if (!step.changes_disk || !problem.empty()) return;
      ++crashes;
      const sim::CrashPolicy policy = kHow[step.number % std::size(kHow)];
      problem = check(*os_->crash({.policy = policy, .seed = step.number}), false);
      if (!problem.empty()) problem += ", at step " + std::to_string(step.number);
    });
    const Result<uint64_t> done = work();
    os_->on_step({});
    ASSERT_TRUE(done.has_value()) << done.error().message();
    EXPECT_EQ(*done, std::max(from.size(), to.size()) - std::min(from.size(), to.size()));
    ASSERT_EQ(problem, "");
    for (const sim::CrashPolicy policy : kHow)
      ASSERT_EQ(check(*os_->crash({.policy = policy, .seed = 9}), true), "");
  };
  to = rows_from(0, 2000, 'a');
  cut([&] { return load(*store_, to); });
  from = to;
  to.erase(to.lower_bound(key_of(300)), to.lower_bound(key_of(1700)));
  cut([&] { return store_->remove_range({.begin = key_of(300), .end = key_of(1700)}); });
  EXPECT_GT(crashes, 20u);
  EXPECT_TRUE(scan(*store_) == to);
}

// Goal:   a call that fails in a load or a removal is an error, and then nothing has happened, or it has not mattered.
TEST_F(LsmIngest, AFailingCallLeavesAllOrNothing) {
  const Rows rows = rows_from(0, 1500, 'a');
  uint64_t failures = 0;
  for (const bool removes : {false, true}) {
    bool fired = true;
    for (uint64_t nth = 1; fired; ++nth) {
      SCOPED_TRACE((removes ? "removal, call " : "load, call ") + std::to_string(nth));
      store_.reset();
      env_.reset();
      os_ = std::make_unique<sim::SimOs>(sim::SimOptions{.seed = nth});
      open();
      if (removes) {
        ASSERT_TRUE(load(*store_, rows).has_value());
      }
      os_->add_fault(
          {.kind = sim::StepKind::any, .nth = nth, .errnum = nth % 2 == 0 ? EIO : ENOSPC});
      const Result<uint64_t> done = removes ? store_->remove_range({}) : load(*store_, rows);
      fired = os_->faults_fired() != 0;
      os_->clear_faults();
      failures += done ? 0 : 1;
      const bool has_failed = env_->stats().state == "failed";
      const Rows after = removes ? Rows() : rows;
      const Rows before = removes ? rows : Rows();
      if (!has_failed) {
        ASSERT_TRUE(scan(*store_) == (done ? after : before));
        ASSERT_EQ(verify(*env_), "");
      }
      crash(nth);
      const Rows found = scan(*store_);
      ASSERT_TRUE(found == after || (!done && found == before)) << found.size();
      ASSERT_EQ(verify(*env_), "");
    }
  }
  EXPECT_GT(failures, 5u);
}

// Goal:   whatever lies where, a range goes as one row after another would: for those who come, for snapshots from before, after a crash.
// Oracle: std::map, random steps under each policy. Ranges of 1 to 3,000 rows that lie in runs, in memory, under open transactions.
TEST_F(LsmIngest, RangesGoAsInAMap) {
  uint64_t seed = 17;
  for (const MergePolicyKind policy : kPolicies) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed++);
    policy_ = policy;
    store_.reset();
    env_.reset();
    os_ = std::make_unique<sim::SimOs>(sim::SimOptions{.seed = seed});
    open();
    Rows model = rows_from(0, 4000, 'a');
    ASSERT_TRUE(load(*store_, model).has_value());
    std::vector<std::pair<Transaction, Rows>> readers;
    for (uint64_t step = 0; step < 25; ++step) {
      const uint64_t at = random() % 4000;
      const uint64_t count = random() % 3 == 0 ? random() % 900 : random() % 20;
      for (const auto& [key, value] : rows_from(at, at + count, static_cast<char>('b' + step))) {
        ok(store_->put(key, value));
        model[key] = value;
      }
      if (random() % 2 == 0) readers.emplace_back(env_->begin({.read_only = true}).value(), model);
      std::optional<Transaction> other;
      const std::string others = key_of(random() % 4000);
      if (random() % 3 == 0) {
        other = env_->begin().value();
        ok(store_->put(*other, others, "other"));
      }
      const std::string begin = random() % 4 == 0 ? std::string() : key_of(random() % 4000);
      const std::string end = random() % 4 == 0 ? std::string() : key_of(random() % 4000);
      const auto first = model.lower_bound(begin);
      const auto last = end.empty() ? model.end() : begin < end ? model.lower_bound(end) : first;
      const auto there = static_cast<uint64_t>(std::distance(first, last));
      const Result<uint64_t> removed = store_->remove_range({.begin = begin, .end = end});
      // A row that is open and new is seen by nobody; one that was there is a conflict.
      const bool meets = other && model.contains(others) && begin <= others &&
                         (end.empty() || others < end);
      ASSERT_EQ(removed.has_value(), !meets) << "step " << step;
      if (removed) {
        EXPECT_EQ(*removed, there);
        model.erase(first, last);
      }
      if (other && random() % 2 == 0) {
        ok(other->commit());
        model[others] = "other";
      } else if (other) {
        ok(other->abort());
      }
      ASSERT_TRUE(scan(*store_) == model) << "step " << step;
      ASSERT_TRUE(scan_back(*store_) == model) << "step " << step;
      for (auto& [reader, seen] : readers) ASSERT_TRUE(scan(*store_, reader) == seen);
      if (readers.size() > 3) readers.erase(readers.begin());
      if (step % 8 == 7) {
        readers.clear();
        other.reset();
        Transaction durable = env_->begin(
                                      {.durability = Durability::group, .env_durability = false})
                                  .value();
        ok(store_->put(durable, "durable", "so is what was before"));
        ok(durable.commit());
        model["durable"] = "so is what was before";
        crash(step);
        ASSERT_TRUE(scan(*store_) == model) << "after the crash in step " << step;
      } else if (step % 8 == 3) {
        ok(env_->checkpoint());
      }
    }
    readers.clear();
    EXPECT_EQ(verify(*env_), "");
  }
}

// Goal:   first updater wins, and serializable transactions notice, as with a removal for each row.
TEST_F(LsmIngest, OthersMeetARangeThatWent) {
  const Rows rows = rows_from(0, 3000, 'a');
  ASSERT_TRUE(load(*store_, rows).has_value());
  Transaction writer = env_->begin().value();
  Transaction reader = env_->begin({.isolation = Isolation::serializable}).value();
  Transaction scanner = env_->begin({.isolation = Isolation::serializable}).value();
  Transaction elsewhere = env_->begin({.isolation = Isolation::serializable}).value();
  EXPECT_TRUE(store_->get(writer, key_of(9)).has_value());
  EXPECT_TRUE(store_->get(reader, key_of(10)).has_value());
  EXPECT_EQ(store_
                ->scan(scanner, {.begin = key_of(20), .end = key_of(30)},
                       [](Bytes, Bytes) { return true; })
                .value_or(0),
            10u);
  EXPECT_TRUE(store_->get(elsewhere, key_of(2900)).has_value());
  EXPECT_EQ(store_->remove_range({.begin = {}, .end = key_of(2000)}).value_or(0), 2000u);
  EXPECT_EQ(store_->put(writer, key_of(9), "b").error().code(), Code::conflict);
  ok(store_->put(writer, "zz", "b"));
  ok(writer.commit());
  for (Transaction* const each : {&reader, &scanner, &elsewhere}) {
    EXPECT_TRUE(store_->get(*each, key_of(10)).has_value());  // Their snapshot has it.
    ok(store_->put(*each, "zz" + std::to_string(each->id()), "c"));
  }
  EXPECT_EQ(reader.commit().error().code(), Code::conflict);
  EXPECT_EQ(scanner.commit().error().code(), Code::conflict);
  EXPECT_EQ(elsewhere.commit().error().code(),
            Code::conflict);  // It has read one of them just now.
  // A lock on a key holds the removal back, which then goes one by one.
  Transaction locker = env_->begin().value();
  ok(store_->lock(locker, key_of(2500), LockMode::shared));
  EXPECT_EQ(store_->remove_range({.begin = key_of(0), .end = key_of(2400)}).value_or(0), 400u);
  ok(locker.commit());
  EXPECT_EQ(verify(*env_), "");
}

// Goal:   beside writers and a thread that flushes and merges, a removal of a region is seen whole or not at all, and takes nothing
//         that was written after it.
// Method: batches of rows with one number in one of four regions, each in a transaction; a snapshot has all of a batch or nothing, and of two
//         batches in a region the later one if anything of the earlier.
TEST(LsmIngestConcurrent, RegionsGoBesideWriters) {
  constexpr uint64_t kRegions = 4;
  constexpr uint64_t kRows = 1200;
  testing_support::World world(4096, 1024, std::nullopt);
  world.open();
  DbEnv* const env = world.env.get();
  KvStore store = env->open_store("rows",
                                  {.index = IndexKind::lsm, .lsm = {.nursery_bytes = 64 * KiB}})
                      .value();
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> removed{0};
  std::thread writer([&] {
    std::mt19937_64 random(1);
    for (uint64_t number = 1; number <= 40; ++number) {
      const uint64_t region = random() % kRegions;
      Transaction txn = env->begin().value();
      bool is_whole = true;
      for (uint64_t i = 0; i < kRows && is_whole; ++i) {
        const std::string key = std::to_string(region) + key_of(i);
        is_whole = store.put(txn, key, std::to_string(number)).has_value();
      }
      if (is_whole) static_cast<void>(txn.commit().has_value());
    }
    stop = true;
  });
  std::thread remover([&] {
    std::mt19937_64 random(2);
    while (!stop) {
      const uint64_t region = random() % kRegions;
      const Result<uint64_t> gone = store.remove_range(
          {.begin = std::to_string(region), .end = std::to_string(region + 1)});
      if (gone) {
        EXPECT_TRUE(*gone == 0 || *gone == kRows) << *gone;
        removed += *gone;
      } else {
        EXPECT_EQ(gone.error().code(), Code::conflict) << gone.error().message();
      }
    }
  });
  while (!stop) {
    std::map<char, std::map<std::string, uint64_t>> seen;  // Rows of each number, by region.
    ASSERT_TRUE(store
                    .scan({},
                          [&](Bytes key, Bytes value) {
                            ++seen[key[0]][std::string(value)];
                            return true;
                          })
                    .has_value());
    for (const auto& [region, numbers] : seen) {
      EXPECT_EQ(numbers.size(), 1u) << "region " << region;
      for (const auto& [number, rows] : numbers) EXPECT_EQ(rows, kRows) << number;
    }
  }
  writer.join();
  remover.join();
  EXPECT_EQ(verify(*env), "");
  world.close();
}

// Goal:   many rows come and go without log and nursery, and a cursor passes over those that went. Prints what it took beside the way of a row after
//         another.
// Load:   AETHER_ROWS asks for another number: 1000000 takes a minute.
TEST(LsmIngestFigures, ManyRowsComeAndGo) {
  const char* const text = std::getenv("AETHER_ROWS");
  const uint64_t count = text == nullptr ? 20'000 : std::strtoull(text, nullptr, 0);
  testing_support::World world(4096, 65'536, std::nullopt);
  world.options.log_bytes_max = 1 * GiB;
  world.options.log_segment_bytes = 64 * MiB;
  world.options.transaction_bytes_max = 1 * GiB;
  world.options.reopen_seconds_max = 60;
  world.open();
  DbEnv& env = *world.env;
  struct Taken {
    double seconds = 0;
    uint64_t log_bytes = 0;
  };
  const auto measure = [&](const char* what, FunctionRef<void()> work) {
    const uint64_t log_before = env.stats().log_bytes_appended;
    const auto from = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - from;
    const Taken taken{seconds.count(), env.stats().log_bytes_appended - log_before};
    std::printf("%-32s %8.3f s  %11llu bytes of log\n", what, taken.seconds,
                static_cast<unsigned long long>(taken.log_bytes));
    return taken;
  };
  std::mt19937_64 random(3);
  std::string noise(1 * MiB, '\0');  // Values that no codec makes smaller.
  for (char& byte : noise) byte = static_cast<char>(random());
  const auto value_of = [&](uint64_t i) { return Bytes(noise).substr(i * 101 % (MiB - 100), 100); };
  const auto first_hit = [&](KvStore& store, bool up) {
    Cursor cursor = store.cursor();
    EXPECT_TRUE((up ? cursor.seek("k") : cursor.seek_for_prev("l")).value_or(false));
    EXPECT_EQ(cursor.key(), up ? "z" : "a");
  };
  for (const bool at_once : {false, true}) {
    KvStore store = env.open_store(at_once ? "at once" : "one by one", {.index = IndexKind::lsm})
                        .value();
    const auto load_rows = [&] {
      std::string key;
      uint64_t i = 0;
      if (at_once) {
        Result<uint64_t> loaded = store.bulk_load([&](Bytes& next_key, Bytes& next_value) {
          key = key_of(i);
          next_key = key;
          next_value = value_of(i);
          return i++ < count;
        });
        EXPECT_EQ(std::move(loaded).value_or(0), count);
        return;
      }
      while (i < count) {
        Transaction txn = env.begin().value();
        for (uint64_t in_batch = 0; in_batch < 1000 && i < count; ++in_batch, ++i)
          ok(store.put(txn, key_of(i), value_of(i)));
        ok(txn.commit());
      }
    };
    const Taken load = measure(at_once ? "bulk_load" : "puts, 1000 a transaction", load_rows);
    ok(env.checkpoint());
    ok(store.put("a", "the last below"));
    ok(store.put("z", "the first above"));
    const Taken removal = measure(at_once ? "remove_range alone" : "remove_range in a transaction",
                                  [&] {
                                    const Range range{.begin = "k", .end = "l"};
                                    if (at_once) {
                                      EXPECT_EQ(store.remove_range(range).value_or(0), count);
                                      return;
                                    }
                                    Transaction txn = env.begin().value();
                                    EXPECT_EQ(store.remove_range(txn, range).value_or(0), count);
                                    ok(txn.commit());
                                  });
    measure("first hit", [&] { first_hit(store, true); });
    measure("first hit downwards", [&] { first_hit(store, false); });
    for (const StoreStats& each : env.stats().stores) {
      if (each.name != store.name()) continue;
      std::printf("%-32s %8.2f bytes written a byte of the user, log included\n", "",
                  each.lsm.write_amplification);
    }
    if (at_once) {
      EXPECT_LT(load.log_bytes, 64 * KiB);
      EXPECT_LT(removal.log_bytes, 64 * KiB);
    }
  }
  world.close();
}

}  // namespace
}  // namespace aether
