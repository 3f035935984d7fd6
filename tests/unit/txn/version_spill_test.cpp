// A version store with a bound so tight that it spills all the time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "unit/txn/version_fixture.h"

namespace aether::txn {
namespace {

constexpr uint64_t kBytesMax = 64 * KiB;

size_t run_files(sim::SimOs& os) {
  const std::vector<std::string> files = os.files();
  return static_cast<size_t>(std::count_if(files.begin(), files.end(), [](const auto& path) {
    return path.find(".run") != std::string::npos;
  }));
}

struct SpillFixture : VersionFixture {
  Snapshot old;
  TxnId before = 0;  ///< Who wrote all rows at first.

  SpillFixture() : VersionFixture(kBytesMax) {
    before = table->draw_id();
    table->open_snapshot(old);
  }
  ~SpillFixture() { table->close_snapshot(old); }

  static std::string key(int i) { return "key" + std::to_string(i); }
  static std::string value(int i) { return std::string(100, 'v') + std::to_string(i); }
  /// Rows that `old` sees, each replaced once.
  void replace_rows(int first, int last) {
    for (int i = first; i < last; ++i) replace(key(i), value(i), before);
  }
  void expect_rows(int first, int last) {
    for (int i = first; i < last; ++i) ASSERT_EQ(find(old, key(i)), value(i));
  }
};

TEST(VersionSpill, MemoryStaysWithinItsBound) {
  SpillFixture t;
  constexpr int kRows = 30000;
  for (int i = 0; i < kRows; ++i) {
    t.replace(t.key(i), t.value(i), t.before);
    ASSERT_LE(t.store.stats().bytes, kBytesMax) << i;
  }
  t.expect_rows(0, kRows);
  EXPECT_EQ(t.find(t.old, t.key(kRows)), "(none)");
  const VersionStats stats = t.store.stats();
  EXPECT_EQ(stats.versions + stats.runs.versions, uint64_t{kRows});
  EXPECT_GT(stats.spills, 50u);
  EXPECT_EQ(stats.spill_failures, 0u);
  EXPECT_GT(stats.runs.merges, 10u);
  EXPECT_LE(stats.runs.runs, 20u) << "grows with the logarithm of what they hold";
  EXPECT_EQ(stats.runs.merge_failures, 0u);
  EXPECT_LT(stats.runs.memory_bytes, kBytesMax);
  EXPECT_GT(stats.runs.searches, uint64_t{kRows} / 2);

  t.table->close_snapshot(t.old);
  t.store.collect(*t.table);
  const VersionStats after = t.store.stats();
  EXPECT_EQ(after.versions, 0u);
  EXPECT_EQ(after.bytes, 0u);
  EXPECT_EQ(after.runs.runs, 0u);
  EXPECT_EQ(run_files(t.os), 0u);
}

// Goal:   a transaction that retires more than the bound at once pays for it, and memory is bounded when it is through.
TEST(VersionSpill, OneLargeTransaction) {
  SpillFixture t;
  const TxnId id = *t.table->open();
  VersionList versions;
  for (int i = 0; i < 5000; ++i) {
    Version* const version = Version::make(t.kStore, t.key(i), t.value(i));
    versions.push_back(version);
    t.store.link(*version, t.before, id);
  }
  EXPECT_EQ(t.store.stats().bytes, 0u) << "an open transaction's are its own";
  t.table->end(id, {});
  t.store.retire(std::move(versions), *t.table);
  EXPECT_LE(t.store.stats().bytes, kBytesMax);
  t.expect_rows(0, 5000);
}

TEST(VersionSpill, VersionsOfOpenTransactionsStayInMemory) {
  SpillFixture t;
  const TxnId id = *t.table->open();
  Version* const version = Version::make(t.kStore, "mine", "before");
  t.store.link(*version, t.before, id);
  t.replace_rows(0, 3000);
  EXPECT_EQ(t.find(t.old, "mine"), "before");
  t.store.unlink(*version);
  EXPECT_EQ(t.find(t.old, "mine"), "(none)");
  Version::destroy(version);
  t.expect_rows(0, 3000);
  t.table->forget(id);
}

// Goal:   what only snapshots that have closed since could read is swept from memory, and left out of merges.
// Method: an old snapshot, and before each round a new one in the place of the last, so that every version is
//         needed when it is made, and one a row soon after.
TEST(VersionSpill, WhatLiesBetweenSnapshotsGoes) {
  SpillFixture t;
  constexpr int kRows = 1000;
  t.replace_rows(0, kRows);
  Snapshot recent;
  TxnId writer = t.table->next_id() - 1;
  for (int round = 0; round < 40; ++round) {
    t.table->close_snapshot(recent);
    t.table->open_snapshot(recent);
    const TxnId last = writer;
    for (int i = 0; i < kRows; ++i) {
      writer = t.replace(t.key(i), "round" + std::to_string(round), last);
      ASSERT_LE(t.store.stats().bytes, kBytesMax);
    }
    ASSERT_EQ(t.find(recent, t.key(round)), "round" + std::to_string(round));
  }
  const VersionStats stats = t.store.stats();
  EXPECT_GT(stats.spills, 10u);
  EXPECT_GT(stats.runs.merges, 0u);
  EXPECT_LE(stats.runs.versions + stats.versions, 20u * kRows);
  t.expect_rows(0, kRows);
  t.table->close_snapshot(recent);
}

TEST(VersionSpill, ARunBehindTheHorizonGoesWhole) {
  SpillFixture t;
  t.replace_rows(0, 300);
  ASSERT_EQ(run_files(t.os), 1u);
  Snapshot newer;
  t.table->open_snapshot(newer);
  const TxnId before = t.table->next_id() - 1;
  for (int i = 0; i < 300; ++i) t.replace("new" + std::to_string(i), t.value(i), before);
  const size_t both = run_files(t.os);
  ASSERT_GT(both, 1u);
  ASSERT_EQ(t.store.stats().runs.merges, 0u);
  t.table->close_snapshot(t.old);
  t.store.collect(*t.table);
  EXPECT_EQ(run_files(t.os), both - 1);
  for (int i = 0; i < 300; ++i) ASSERT_EQ(t.find(newer, "new" + std::to_string(i)), t.value(i));
  t.table->close_snapshot(newer);
  t.store.collect(*t.table);
  EXPECT_EQ(run_files(t.os), 0u);
  EXPECT_EQ(t.store.stats().versions, 0u);
}

// Goal:   a full disk costs no version and no write; what could not be spilled is when there is room again.
TEST(VersionSpill, AFullDiskLeavesVersionsInMemory) {
  SpillFixture t;
  t.os.add_fault({.kind = sim::StepKind::write,
                  .path_contains = ".run",
                  .nth = 7,
                  .errnum = ENOSPC,
                  .sticky = true});
  t.replace_rows(0, 4000);
  VersionStats stats = t.store.stats();
  EXPECT_GT(stats.spill_failures, 1u) << "it is tried again";
  EXPECT_LT(stats.spill_failures, 100u) << "not all the time";
  EXPECT_GT(stats.bytes, kBytesMax);
  EXPECT_EQ(run_files(t.os), stats.runs.runs) << "nothing is left of failed ones";
  t.expect_rows(0, 4000);

  t.os.clear_faults();
  t.replace_rows(4000, 5000);
  stats = t.store.stats();
  EXPECT_LE(stats.bytes, kBytesMax);
  t.expect_rows(0, 5000);
}

TEST(VersionSpill, AFailedMergeLeavesTheRuns) {
  SpillFixture t;
  t.replace_rows(0, 1000);
  for (uint64_t nth = 1; nth < 200; nth += 11) {
    t.os.add_fault({.kind = sim::StepKind::write, .path_contains = ".run", .nth = nth});
    const int first = static_cast<int>(nth) * 1000;
    t.replace_rows(first, first + 1000);
    t.expect_rows(first, first + 1000);
  }
  t.expect_rows(0, 1000);
  EXPECT_GT(t.store.stats().runs.merge_failures, 0u);
  EXPECT_GT(t.store.stats().spill_failures, 0u);
}

// Goal:   damage is met where it is read; the rest goes on: other rows, writes, spills, merges.
TEST(VersionSpill, ADamagedRunIsReportedByItsReadersOnly) {
  SpillFixture t;
  t.replace_rows(0, 1500);
  for (const std::string& path : t.os.files()) {
    if (path.find(".run") == std::string::npos) continue;
    ASSERT_TRUE(t.os.flip_bit(path, 8000).has_value());
  }
  const auto count_refused = [&](int last) {
    int refused = 0;
    for (int i = 0; i < last; ++i) {
      std::string payload;
      const Result<bool> found = t.store.find(t.kStore, t.key(i), t.old, payload);
      if (found) {
        EXPECT_EQ(payload, t.value(i));
        continue;
      }
      EXPECT_EQ(found.error().code(), Code::corruption);
      ++refused;
    }
    return refused;
  };
  const int refused = count_refused(1500);
  EXPECT_GT(refused, 0);
  t.replace_rows(1500, 8000);
  EXPECT_EQ(count_refused(8000), refused) << "never more than was damaged";
  EXPECT_GT(t.store.stats().runs.merge_failures, 0u);
  EXPECT_GT(t.store.stats().runs.merges, 0u);
  EXPECT_LE(t.store.stats().bytes, kBytesMax);
}

TEST(VersionSpill, LeftoversOfAnEarlierLifeAreRemoved) {
  sim::SimOs os;
  ASSERT_TRUE(VersionRuns::remove_leftovers("/versions", os).has_value()) << "there are none";
  ASSERT_TRUE(os.create_directory("/versions").has_value());
  ASSERT_TRUE(os.write_file("/versions/00000001.run", "rubbish").has_value());
  ASSERT_TRUE(VersionRuns::remove_leftovers("/versions", os).has_value());
  EXPECT_FALSE(*os.exists("/versions"));
}

TEST(VersionSpill, TheBoundHasALeastValue) {
  const Result<void> checked = VersionStore::check({.directory = "/v", .bytes_max = kBytesMax - 1});
  ASSERT_FALSE(checked.has_value());
  EXPECT_EQ(checked.error().code(), Code::invalid_argument);
  EXPECT_THAT(std::string(checked.error().message()), testing::HasSubstr("version_bytes_max"));
  EXPECT_TRUE(VersionStore::check({.directory = "/v", .bytes_max = kBytesMax}).has_value());
}

/// Rows as pages hold them, written as the tree does, and snapshots with copies of their moment.
class SpillModel {
 public:
  explicit SpillModel(uint64_t seed) : random_(seed) {}

  void run(int steps) {
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
      switch (random_() % 40) {
        case 0:
          if (held_.size() < 30) hold();
          break;
        case 1:
          if (!held_.empty()) let_go();
          break;
        case 2: read_some(); break;
        case 3: transaction(); break;
        default: write_alone(); break;
      }
      ASSERT_LE(t_.store.stats().bytes, kBytesMax);
    }
    for (const auto& held : held_) expect_all(*held);
    spills_ = t_.store.stats().spills;
    while (!held_.empty()) let_go();
    EXPECT_EQ(t_.store.stats().versions, 0u);
    EXPECT_EQ(t_.store.stats().runs.runs, 0u);
    EXPECT_EQ(run_files(t_.os), 0u);
  }
  uint64_t spills() const { return spills_; }

 private:
  struct Row {
    TxnId writer = 0;
    std::string payload;
  };
  using Rows = std::map<std::string, Row>;
  struct Held {
    Snapshot snapshot;
    Rows rows;
  };

  // Few rows are written often, many seldom.
  std::string pick_key() {
    const uint64_t keys = random_() % 2 == 0 ? 20 : 1500;
    return "key" + std::to_string(random_() % keys);
  }
  std::string make_value() {
    return std::string(random_() % 50 == 0 ? 4000 : random_() % 200, 'v') +
           std::to_string(random_());
  }

  void hold() {
    held_.push_back(std::make_unique<Held>());
    t_.table->open_snapshot(held_.back()->snapshot);
    held_.back()->rows = rows_;
  }
  void let_go() {
    const auto at = held_.begin() + static_cast<std::ptrdiff_t>(random_() % held_.size());
    t_.table->close_snapshot((*at)->snapshot);
    held_.erase(at);
    t_.store.collect(*t_.table);
  }
  void write_alone() {
    const std::string key = pick_key();
    Row& row = pages_[key];
    const TxnId id = t_.table->draw_id();
    VersionList versions;
    if (row.writer != 0 && t_.table->may_need_version(row.writer)) {
      Version* const version = Version::make(t_.kStore, key, row.payload);
      versions.push_back(version);
      t_.store.link(*version, row.writer, id);
    }
    row = {id, make_value()};
    rows_[key] = row;
    t_.store.retire(std::move(versions), *t_.table);
    t_.store.collect(*t_.table);
  }
  void transaction() {
    const TxnId id = *t_.table->open();
    VersionList versions;
    std::map<std::string, Row> before;
    for (uint64_t i = random_() % 40; i > 0; --i) {
      const std::string key = pick_key();
      Row& row = pages_[key];
      if (row.writer == id) continue;
      before[key] = row;
      if (row.writer != 0) {
        Version* const version = Version::make(t_.kStore, key, row.payload);
        versions.push_back(version);
        t_.store.link(*version, row.writer, id);
      }
      row = {id, make_value()};
    }
    if (random_() % 4 == 0) hold();
    read_some();
    if (random_() % 3 == 0) {
      for (const auto& [key, row] : before) pages_[key] = row;
      while (!versions.empty()) {
        Version* const version = versions.pop_front();
        t_.store.unlink(*version);
        Version::destroy(version);
      }
      t_.table->forget(id);
      return;
    }
    for (const auto& [key, row] : before) rows_[key] = pages_[key];
    t_.table->end(id, {});
    t_.store.retire(std::move(versions), *t_.table);
    t_.store.collect(*t_.table);
  }
  void read_some() {
    if (held_.empty()) return;
    const Held& held = *held_[random_() % held_.size()];
    for (int i = 0; i < 20; ++i) expect_row(held, pick_key());
  }
  void expect_all(const Held& held) {
    for (const auto& [key, row] : pages_) expect_row(held, key);
  }
  void expect_row(const Held& held, const std::string& key) {
    const auto model = held.rows.find(key);
    const std::string expected = model == held.rows.end() ? "(none)" : model->second.payload;
    const auto page = pages_.find(key);
    if (page != pages_.end() && page->second.writer != 0 &&
        held.snapshot.sees(page->second.writer)) {
      ASSERT_EQ(page->second.payload, expected);
      return;
    }
    ASSERT_EQ(t_.find(held.snapshot, key), expected) << key;
  }

  VersionFixture t_{kBytesMax};
  Rows pages_;  ///< With what open transactions have written.
  Rows rows_;   ///< Committed.
  std::vector<std::unique_ptr<Held>> held_;
  std::mt19937_64 random_;
  uint64_t spills_ = 0;
};

TEST(VersionSpill, MatchesTheModel) {
  uint64_t spills = 0;
  for (uint64_t seed = 1; seed <= 12 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SpillModel model(seed);
    model.run(4000);
    spills += model.spills();
  }
  EXPECT_GT(spills, 20u);
}

/// Pairs of rows that always change together, by threads.
class Pairs {
 public:
  static constexpr uint64_t kPairs = 900;

  explicit Pairs(VersionFixture& fixture) : t_(fixture), rows_(2 * kPairs) {
    const TxnId id = t_.table->draw_id();
    for (Row& row : rows_) row.writer = id;
  }
  void write(uint64_t pair) {
    const TxnId id = *t_.table->open();
    VersionList versions;
    std::array<std::unique_lock<std::mutex>, 2> both;
    for (uint64_t i = 0; i < 2; ++i) {
      Row& row = rows_[2 * pair + i];
      both[i] = std::unique_lock(row.latch);
      Version* const version = Version::make(t_.kStore, key(2 * pair + i),
                                             std::to_string(row.value));
      versions.push_back(version);
      t_.store.link(*version, row.writer, id);
      row.writer = id;
      ++row.value;
    }
    t_.table->end(id, {});
    for (auto& lock : both) lock.unlock();
    t_.store.retire(std::move(versions), *t_.table);
    t_.store.collect(*t_.table);
  }
  std::string read(const Snapshot& snapshot, uint64_t row) {
    const std::lock_guard lock(rows_[row].latch);
    if (snapshot.sees(rows_[row].writer)) return std::to_string(rows_[row].value);
    return t_.find(snapshot, key(row));
  }

 private:
  struct Row {
    std::mutex latch;
    TxnId writer = 0;
    uint64_t value = 0;
  };
  static std::string key(uint64_t row) { return "row" + std::to_string(row); }

  VersionFixture& t_;
  std::vector<Row> rows_;
};

// Goal:   readers find their moment while versions leave memory, are merged and go.
// Method: snapshots held for a while; both rows of a pair have one value, and the same one whenever they are read.
TEST(VersionSpillConcurrent, ReadersFindTheirMoment) {
  VersionFixture t(kBytesMax);
  Pairs pairs(t);
  constexpr int kWrites = 3000;
  constexpr int kRounds = 3;
  Snapshot held;
  t.table->open_snapshot(held);
  std::atomic<int> readers{2};
  std::vector<std::thread> threads;
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    threads.emplace_back([&, seed] {
      std::mt19937_64 random(seed);
      for (int i = 0; i < kWrites || readers.load() > 0; ++i) pairs.write(random() % Pairs::kPairs);
    });
  }
  for (uint64_t seed = 3; seed <= 4; ++seed) {
    threads.emplace_back([&, seed] {
      std::mt19937_64 random(seed);
      for (int round = 0; round < kRounds && !testing::Test::HasFailure(); ++round) {
        Snapshot snapshot;
        t.table->open_snapshot(snapshot);
        std::map<uint64_t, std::string> seen;
        for (int i = 0; i < 700; ++i) {
          const uint64_t pair = random() % Pairs::kPairs;
          const std::string first = pairs.read(snapshot, 2 * pair);
          EXPECT_EQ(first, pairs.read(snapshot, 2 * pair + 1));
          EXPECT_EQ(first, seen.emplace(pair, first).first->second);
          EXPECT_EQ(pairs.read(held, 2 * pair), "0");
        }
        t.table->close_snapshot(snapshot);
        t.store.collect(*t.table);
      }
      readers.fetch_sub(1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(t.store.stats().bytes, kBytesMax);
  EXPECT_GT(t.store.stats().spills, 0u);
  t.table->close_snapshot(held);
  t.store.collect(*t.table);
  EXPECT_EQ(t.store.stats().spill_failures, 0u);
  EXPECT_EQ(t.store.stats().versions, 0u);
  EXPECT_EQ(t.store.stats().runs.runs, 0u);
}

}  // namespace
}  // namespace aether::txn
