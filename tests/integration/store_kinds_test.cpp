// Stores of all kinds through the public calls: what is the same for all of them, and what is not.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "aether/aether.hpp"
#include "aether/backup.h"
#include "sim/sim_os.h"

namespace aether {
namespace {

using Rows = std::map<std::string, std::string>;

constexpr IndexKind kKinds[] = {IndexKind::btree, IndexKind::skiplist, IndexKind::rax,
                                IndexKind::lsm, IndexKind::rax_paged};

const char* name_of(IndexKind kind) {
  constexpr const char* kNames[] = {"btree", "skiplist", "rax", "lsm", "rax_paged"};
  return kNames[static_cast<size_t>(kind) - 1];
}

class StoreKinds : public testing::Test {
 protected:
  StoreKinds() { open(); }

  void open(const std::string& home = "/env") {
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open(home,
                                                     {.pool_bytes = 4 * MiB,
                                                      .log_streams = 2,
                                                      .log_segment_bytes = 1 * MiB,
                                                      .log_bytes_max = 4 * MiB,
                                                      .background_threads = false,
                                                      .archive_directory = archive_},
                                                     *os_);
    ASSERT_TRUE(env.has_value()) << env.error().message();
    env_ = *std::move(env);
  }
  void close() {
    const Result<void> closed = env_->close();
    ASSERT_TRUE(closed.has_value()) << closed.error().message();
    env_.reset();
  }
  void reopen() {
    close();
    open();
  }
  /// `open`: a transaction that has not ended then.
  void crash(uint64_t seed = 1, std::optional<Transaction>* open_txn = nullptr) {
    std::unique_ptr<sim::SimOs> after = os_->crash({.seed = seed});
    if (open_txn != nullptr) open_txn->reset();
    env_.reset();
    os_ = std::move(after);
    open();
  }
  KvStore store(IndexKind kind, uint64_t memory_bytes_max = 0) {
    Result<KvStore> opened = env_->open_store(
        name_of(kind), {.index = kind,
                        .memory_bytes_max = memory_bytes_max,
                        .lsm = {.nursery_bytes = 16 * KiB, .block_bytes = 4 * KiB}});
    EXPECT_TRUE(opened.has_value()) << opened.error().message();
    return *opened;
  }
  static Rows rows(const KvStore& store) {
    Rows result;
    const Result<uint64_t> scanned = store.scan(
        {}, [&](Bytes key, Bytes value) { return result.emplace(key, value).second; });
    EXPECT_TRUE(scanned.has_value()) << scanned.error().message();
    for (const auto& [key, value] : result) EXPECT_EQ(store.get(key).value_or("(none)"), value);
    return result;
  }
  static void ok(const Result<void>& done) {
    ASSERT_TRUE(done.has_value()) << done.error().message();
  }
  void verify() {
    const Result<VerifyReport> report = env_->verify();
    ASSERT_TRUE(report.has_value()) << report.error().message();
    for (const VerifyProblem& problem : report->problems) ADD_FAILURE() << problem.message;
  }

  std::string archive_;
  std::unique_ptr<sim::SimOs> os_ = std::make_unique<sim::SimOs>(sim::SimOptions{.seed = 1});
  std::unique_ptr<DbEnv> env_;
};

TEST_F(StoreKinds, OneTransactionOverAllOfThemIsAtomicAcrossACrash) {
  for (const IndexKind kind : kKinds) ok(store(kind).put("kept", "before"));
  {
    Transaction txn = *env_->begin();
    for (const IndexKind kind : kKinds) {
      ok(store(kind).put(txn, "kept", "after"));
      ok(store(kind).insert(txn, "new", "row"));
      ok(store(kind).insert(txn, "fleeting", "row"));
      ok(store(kind).remove(txn, "fleeting"));
    }
    ok(txn.commit());
  }
  std::optional<Transaction> open_txn = *env_->begin();
  for (const IndexKind kind : kKinds) {
    ok(store(kind).put(*open_txn, "kept", "never"));
    ok(store(kind).remove(*open_txn, "new"));
    ok(store(kind).insert(*open_txn, "lost", "row"));
  }
  // Its records are in the log, its commit is not.
  ok(store(IndexKind::btree).put("other", "row"));
  crash(1, &open_txn);
  for (const IndexKind kind : kKinds) {
    SCOPED_TRACE(name_of(kind));
    Rows expected{{"kept", "after"}, {"new", "row"}};
    if (kind == IndexKind::btree) expected["other"] = "row";
    EXPECT_EQ(rows(store(kind)), expected);
  }
  verify();
}

/// Keys that make a radix tree grow in each of its ways.
std::vector<std::string> crowded_keys(int pattern) {
  const auto number = [](uint32_t n) {  // Big-endian: in order.
    std::string key;
    for (int shift = 24; shift >= 0; shift -= 8) key.push_back(static_cast<char>(n >> shift));
    return key;
  };
  std::vector<std::string> keys;
  for (uint32_t i = 0; i < 3000; ++i) {
    switch (pattern) {
      case 0: keys.push_back(number(i)); break;
      case 1: keys.push_back(number(3000 - i)); break;
      case 2: keys.push_back(number(i * 2654435761u)); break;  // As if at random.
      case 3:  // In order into a gap that stays in the middle.
        keys.push_back(i % 2 == 0 ? number(i) : number(1'000'000 - i));
        break;
      case 4:  // Each begins as the one before, and goes on.
        if (i < 300) keys.push_back(std::string(i, 'a'));
        if (i < 300) keys.push_back(std::string(i, 'a') + "b");
        break;
      case 5:  // Long, and different at the end only, some at the beginning; not in order.
        if (i < 600)
          keys.push_back(std::string(880, i % 50 == 0 ? 'y' : 'x') + number(i * 2654435761u));
        break;
      default:
        keys.push_back("https://host" + std::to_string(i % 7) + ".example/" + number(i));
        break;
    }
  }
  return keys;
}

TEST_F(StoreKinds, ARadixTreeInPagesGrowsAndShrinksWhereKeysCrowd) {
  constexpr int kPatterns = 7;
  const auto open_store = [&](int pattern) {
    return *env_->open_store("crowd" + std::to_string(pattern), {.index = IndexKind::rax_paged});
  };
  std::vector<Rows> expected(kPatterns);
  for (int pattern = 0; pattern < kPatterns; ++pattern) {
    KvStore one = open_store(pattern);
    for (const std::string& key : crowded_keys(pattern)) {
      const std::string value(key.size() % 60 + 340, static_cast<char>('a' + pattern));
      ok(one.put(key, value));
      expected[static_cast<size_t>(pattern)][key] = value;
    }
  }
  verify();
  crash();
  for (int pattern = 0; pattern < kPatterns; ++pattern) {
    SCOPED_TRACE("pattern " + std::to_string(pattern));
    EXPECT_EQ(rows(open_store(pattern)), expected[static_cast<size_t>(pattern)]);
  }
  verify();
  for (const StoreStats& store : env_->stats().stores) {
    SCOPED_TRACE(store.name);
    EXPECT_EQ(store.index, "rax_paged");
    EXPECT_GE(store.inner_pages, 1u);
    // A page has few separators of a quarter of its size.
    const bool is_flat = store.name != "crowd4" && store.name != "crowd5";
    EXPECT_LE(store.height, is_flat ? 4u : 40u);
    EXPECT_LT(store.inner_pages, store.leaf_pages);
  }
  for (int pattern = 0; pattern < kPatterns; ++pattern) {
    KvStore one = open_store(pattern);
    for (const auto& [key, value] : expected[static_cast<size_t>(pattern)]) ok(one.remove(key));
    EXPECT_TRUE(rows(one).empty());
  }
  verify();
  for (const StoreStats& store : env_->stats().stores) {
    SCOPED_TRACE(store.name);
    EXPECT_LE(store.leaf_pages + store.inner_pages, 8u);
  }
  ok(env_->drop_store("crowd2"));
  verify();
}

TEST_F(StoreKinds, RowsSurviveClosingCheckpointsAndCrashes) {
  Rows expected;
  for (int round = 0; round < 6; ++round) {
    for (const IndexKind kind : kKinds) {
      const KvStore one = store(kind);
      for (int i = 0; i < 200; ++i) {
        const std::string key = "key" + std::to_string((i * 7 + round * 31) % 300);
        const std::string value(static_cast<size_t>(i * 5 % 400), static_cast<char>('a' + round));
        if (i % 5 == 4) {
          const Result<void> removed = KvStore(one).remove(key);
          ASSERT_TRUE(removed || removed.error().code() == Code::not_found);
          if (kind == IndexKind::rax) expected.erase(key);
        } else {
          ok(KvStore(one).put(key, value));
          if (kind == IndexKind::rax) expected[key] = value;
        }
      }
    }
    if (round == 1) ok(env_->checkpoint());
    if (round == 2) reopen();
    if (round == 3 || round == 4) crash(static_cast<uint64_t>(round));
    for (const IndexKind kind : kKinds) {
      SCOPED_TRACE(std::string(name_of(kind)) + " in round " + std::to_string(round));
      EXPECT_EQ(rows(store(kind)), expected);
    }
    verify();
  }
  reopen();
  for (const IndexKind kind : kKinds) EXPECT_EQ(rows(store(kind)), expected) << name_of(kind);
}

// Undo gives GSNs in the new life; what comes after it has to get higher ones.
TEST_F(StoreKinds, ARowThatRecoveryTookBackCanBeWrittenAgain) {
  for (const IndexKind kind : kKinds) {
    SCOPED_TRACE(name_of(kind));
    std::optional<Transaction> loser = *env_->begin();
    KvStore one = store(kind);
    for (int i = 0; i < 50; ++i) ok(one.insert(*loser, "key" + std::to_string(i), "lost"));
    ok(one.put("other", "row"));  // Its commit takes the loser's records to the disk.
    crash(11, &loser);
    one = store(kind);
    EXPECT_EQ(rows(one), (Rows{{"other", "row"}}));
    ok(one.insert("key0", "kept"));
    crash(12);
    one = store(kind);
    EXPECT_EQ(rows(one), (Rows{{"key0", "kept"}, {"other", "row"}}));
    ok(one.remove("key0"));
    ok(one.remove("other"));
    ok(env_->checkpoint());
    crash(13);
    EXPECT_TRUE(rows(store(kind)).empty());
  }
}

// Goal:   remove_range takes what a scan of the range visits, and all of it is as any other write: taken back by savepoints and
//         aborts, not seen by snapshots from before, there after a crash iff it was committed.
// Oracle: std::map, over 40 random steps for each kind, with ranges of more rows than one step of it takes.
TEST_F(StoreKinds, RangesAreRemovedAsInAMap) {
  std::mt19937_64 random(11);
  const auto key_of = [](uint64_t number) {
    const std::string digits = std::to_string(number);
    return std::string(4 - digits.size(), '0') + digits;
  };
  const auto remove_from = [](Rows& model, const std::string& begin, const std::string& end) {
    const auto first = model.lower_bound(begin);
    const auto last = end.empty()                     ? model.end()
                      : std::max(begin, end) == begin ? first
                                                      : model.lower_bound(end);
    const auto count = static_cast<uint64_t>(std::distance(first, last));
    model.erase(first, last);
    return count;
  };
  for (const IndexKind kind : kKinds) {
    SCOPED_TRACE(name_of(kind));
    Rows model;
    const auto fill = [&](KvStore& to, Transaction& txn, uint64_t count) {
      for (uint64_t i = 0; i < count; ++i) {
        const std::string key = key_of(random() % 1500);
        const std::string value = std::to_string(random()) + std::string(random() % 60, 'v');
        ok(to.put(txn, key, value));
        model[key] = value;
      }
    };
    for (uint64_t step = 0; step < 40; ++step) {
      KvStore rows_of = store(kind);
      Transaction txn = env_->begin().value();
      fill(rows_of, txn, step == 0 ? 1500 : random() % 200);
      ok(txn.commit());
      Transaction reader = env_->begin({.read_only = true}).value();
      const Rows before = model;
      const std::string begin = random() % 4 == 0 ? std::string() : key_of(random() % 1500);
      const std::string end = random() % 4 == 0 ? std::string() : key_of(random() % 1500);
      Transaction writer = env_->begin().value();
      Rows changed = model;
      fill(rows_of, writer, random() % 30);  // Rows of its own in the range.
      std::swap(changed, model);             // `changed`: with its writes.
      const Savepoint savepoint = writer.savepoint().value();
      Rows removed = changed;
      EXPECT_EQ(rows_of.remove_range(writer, {.begin = begin, .end = end}).value_or(~0u),
                remove_from(removed, begin, end));
      Rows seen;
      EXPECT_TRUE(rows_of
                      .scan(writer, {},
                            [&](Bytes key, Bytes value) { return seen.emplace(key, value).second; })
                      .has_value());
      EXPECT_TRUE(seen == removed) << seen.size() << " of " << removed.size();
      if (random() % 3 == 0) {
        ok(writer.rollback_to(savepoint));
        removed = changed;
      }
      seen.clear();
      EXPECT_TRUE(rows_of
                      .scan(reader, {},
                            [&](Bytes key, Bytes value) { return seen.emplace(key, value).second; })
                      .has_value());
      EXPECT_TRUE(seen == before) << seen.size() << " of " << before.size();
      ok(reader.commit());
      if (random() % 3 == 0) {
        ok(writer.abort());
      } else {
        ok(writer.commit());
        model = removed;
      }
      if (step % 8 == 7) {
        crash(step);
      } else if (step % 8 == 3) {
        ok(env_->checkpoint());
      }
      EXPECT_TRUE(rows(store(kind)) == model);
    }
    KvStore rows_of = store(kind);
    EXPECT_EQ(rows_of.remove_range({.begin = "2", .end = "1"}).value_or(~0u), 0u);
    EXPECT_EQ(rows_of.remove_range({}).value_or(~0u), model.size());
    EXPECT_TRUE(rows(rows_of).empty());
  }
  verify();
}

// Goal:   what somebody else does in the range meanwhile is a conflict, and then nothing of it has been removed.
TEST_F(StoreKinds, ARangeThatMeetsAConflictIsNotRemoved) {
  for (const IndexKind kind : kKinds) {
    SCOPED_TRACE(name_of(kind));
    KvStore rows_of = store(kind);
    for (const char* key : {"a", "b", "c"}) ok(rows_of.put(key, "1"));
    Transaction first = env_->begin().value();
    Transaction second = env_->begin().value();
    ok(second.active() ? rows_of.put(second, "c", "2") : Result<void>(Code::closed));
    EXPECT_EQ(rows_of.remove_range(first, {}).error().code(), Code::conflict);
    EXPECT_EQ(rows_of.get(first, "a").value_or("(none)"), "1");
    ok(rows_of.put(first, "d", "3"));
    ok(first.commit());
    EXPECT_EQ(rows_of.remove_range({}).error().code(), Code::conflict);
    ok(second.commit());
    EXPECT_EQ(rows(rows_of), (Rows{{"a", "1"}, {"b", "1"}, {"c", "2"}, {"d", "3"}}));
    // A row that is added in the range of a serializable one.
    Transaction serial = env_->begin({.isolation = Isolation::serializable}).value();
    EXPECT_EQ(rows_of.remove_range(serial, {.begin = "a", .end = "c"}).value_or(~0u), 2u);
    Transaction other = env_->begin({.isolation = Isolation::serializable}).value();
    ok(rows_of.put(other, "bb", rows_of.get(other, "a").value_or("")));
    ok(other.commit());
    EXPECT_EQ(serial.commit().error().code(), Code::conflict);
    Transaction read_only = env_->begin({.read_only = true}).value();
    EXPECT_EQ(rows_of.remove_range(read_only, {}).error().code(), Code::invalid_argument);
  }
}

TEST_F(StoreKinds, AStoreKeepsItsKind) {
  ok(store(IndexKind::rax).put("a", "1"));
  reopen();
  KvStore again = *env_->open_store("rax");
  EXPECT_EQ(again.get("a").value(), "1");
  const EnvStats stats = env_->stats();
  ASSERT_EQ(stats.stores.size(), 1u);
  EXPECT_EQ(stats.stores[0].index, "rax");
  EXPECT_EQ(stats.stores[0].rows, 1u);
  EXPECT_GT(stats.stores[0].memory_bytes, 0u);
  EXPECT_EQ(stats.stores[0].memory_bytes_max, 1 * GiB);
}

TEST_F(StoreKinds, ADroppedStoreDoesNotComeBackInAnotherOfItsNumber) {
  for (const IndexKind kind : {IndexKind::skiplist, IndexKind::rax}) {
    SCOPED_TRACE(name_of(kind));
    ok(store(kind).put("old", "row"));
    ok(env_->drop_store(name_of(kind)));
    crash();
    EXPECT_TRUE(rows(store(kind)).empty());
    ok(store(kind).put("new", "row"));
    crash();
    EXPECT_EQ(rows(store(kind)), (Rows{{"new", "row"}}));
    ok(env_->drop_store(name_of(kind)));
    verify();
  }
}

TEST_F(StoreKinds, TheBoundOnMemoryIsAnErrorThatSaysSo) {
  for (const IndexKind kind : {IndexKind::skiplist, IndexKind::rax}) {
    SCOPED_TRACE(name_of(kind));
    KvStore one = store(kind, 256 * KiB);
    const std::string value(1000, 'v');
    int added = 0;
    Result<void> done;
    for (; added < 10000; ++added) {
      done = one.put("key" + std::to_string(added), value);
      if (!done) break;
    }
    ASSERT_FALSE(done.has_value());
    EXPECT_EQ(done.error().code(), Code::no_memory);
    EXPECT_NE(done.error().message().find("memory_bytes_max"), std::string::npos)
        << done.error().message();
    EXPECT_GT(added, 100);
    // What gives memory back goes on, and then there is room again.
    for (int i = 0; i < 50; ++i) ok(one.remove("key" + std::to_string(i)));
    ok(one.put("another", value));
    store(kind, 1 * MiB);
    for (int i = 0; i < 300; ++i) ok(one.put("more" + std::to_string(i), value));
  }
}

TEST_F(StoreKinds, ARowThatIsTooLargeForALogRecordIsRefused) {
  for (const IndexKind kind : {IndexKind::skiplist, IndexKind::rax}) {
    KvStore one = store(kind);
    const Result<void> refused = one.put("k", std::string(100'000, 'v'));
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code(), Code::too_large) << refused.error().message();
    ok(one.put("k", std::string(60'000, 'v')));
    ok(one.put("k", std::string(60'000, 'w')));
    crash();
    EXPECT_EQ(store(kind).get("k").value(), std::string(60'000, 'w'));
  }
}

TEST_F(StoreKinds, ImagesOfManyChunksFollowEachOther) {
  for (const IndexKind kind : {IndexKind::skiplist, IndexKind::rax}) {
    SCOPED_TRACE(name_of(kind));
    KvStore one = store(kind);
    const auto key_of = [](int i) { return "key" + std::to_string(i); };
    for (int i = 0; i < 300; ++i) ok(one.put(key_of(i), std::string(10'000, 'v')));
    ok(env_->checkpoint());
    for (int i = 10; i < 300; ++i) ok(one.remove(key_of(i)));
    ok(env_->checkpoint());  // Fewer chunks than before.
    verify();
    crash();
    one = store(kind);
    EXPECT_EQ(rows(one).size(), 10u);
    for (int i = 0; i < 10; ++i) ok(one.remove(key_of(i)));
    reopen();
    EXPECT_TRUE(rows(store(kind)).empty());
    verify();
  }
}

TEST_F(StoreKinds, TransactionsInDoubtHaveTheirRowsAfterARestart) {
  for (const bool commits : {true, false}) {
    for (const IndexKind kind : kKinds) {
      KvStore one = store(kind);
      ok(one.put("changed", "before"));
      ok(one.put("removed", "before"));
    }
    Transaction txn = *env_->begin();
    for (const IndexKind kind : kKinds) {
      KvStore one = store(kind);
      ok(one.put(txn, "changed", "in doubt"));
      ok(one.put(txn, "changed", "after"));
      ok(one.remove(txn, "removed"));
      ok(one.put(txn, "added", "after"));
    }
    ASSERT_TRUE(txn.prepare("gid").has_value());
    crash(commits ? 5 : 6);
    ok(env_->checkpoint());
    crash(7);  // From an image with rows of a transaction that is still open.
    for (const IndexKind kind : kKinds) {
      SCOPED_TRACE(name_of(kind));
      KvStore one = store(kind);
      EXPECT_EQ(rows(one), (Rows{{"changed", "before"}, {"removed", "before"}}));
      const Result<void> conflict = one.put("changed", "other");
      ASSERT_FALSE(conflict.has_value());
      EXPECT_EQ(conflict.error().code(), Code::conflict);
    }
    ok(commits ? env_->commit_prepared("gid") : env_->rollback_prepared("gid"));
    const Rows expected = commits ? Rows{{"added", "after"}, {"changed", "after"}}
                                  : Rows{{"changed", "before"}, {"removed", "before"}};
    for (const IndexKind kind : kKinds) EXPECT_EQ(rows(store(kind)), expected) << name_of(kind);
    crash(8);
    for (const IndexKind kind : kKinds) {
      EXPECT_EQ(rows(store(kind)), expected) << name_of(kind);
      KvStore one = store(kind);
      for (const auto& [key, value] : expected) ok(one.remove(key));
    }
  }
}

TEST_F(StoreKinds, BulkLoadIsAllOrNothing) {
  for (const IndexKind kind : kKinds) {
    SCOPED_TRACE(name_of(kind));
    KvStore one = store(kind);
    int i = 0;
    std::string key, value;
    const auto wrong = [&](Bytes& next_key, Bytes& next_value) {
      key = i == 5 ? "a" : "key" + std::to_string(i);
      next_key = key;
      next_value = value;
      return ++i < 8;
    };
    EXPECT_EQ(one.bulk_load(wrong).error().code(), Code::invalid_argument);
    EXPECT_TRUE(rows(one).empty());
    i = 0;
    const auto right = [&](Bytes& next_key, Bytes& next_value) {
      key = "key" + std::to_string(1000 + i);
      next_key = key;
      next_value = value;
      return ++i <= 500;
    };
    EXPECT_EQ(one.bulk_load(right).value(), 500u);
    EXPECT_EQ(one.bulk_load(right).error().code(), Code::exists);
  }
  crash();
  for (const IndexKind kind : kKinds) EXPECT_EQ(rows(store(kind)).size(), 500u) << name_of(kind);
}

// Images, and the log behind them, are in backups and in the archive as all else is.
TEST_F(StoreKinds, BackupsAndTheArchiveHaveThem) {
  close();
  archive_ = "/archive";
  open();
  const auto write = [&](int from, int to, const std::string& value) {
    for (const IndexKind kind : kKinds) {
      KvStore one = store(kind);
      for (int i = from; i < to; ++i) ok(one.put("key" + std::to_string(1000 + i), value));
      ok(one.remove("key" + std::to_string(1000 + from)));
    }
  };
  const auto all = [&] {
    std::map<std::string, Rows> result;
    for (const IndexKind kind : kKinds) result[name_of(kind)] = rows(store(kind));
    return result;
  };
  const auto restored = [&](const std::string& home, std::vector<std::string> backups,
                            std::vector<std::string> archives, RestorePoint until) {
    const Result<RestoreReport> report = restore({.backups = std::move(backups),
                                                  .archives = std::move(archives),
                                                  .home = home,
                                                  .until = until,
                                                  .pool_bytes = 4 * MiB,
                                                  .background_threads = false},
                                                 *os_);
    EXPECT_TRUE(report.has_value()) << report.error().message();
    if (!report) return std::map<std::string, Rows>();
    archive_.clear();
    open(home);
    verify();
    std::map<std::string, Rows> found = all();
    close();
    return found;
  };

  write(0, 300, std::string(200, 'a'));
  ok(env_->checkpoint());
  write(100, 200, "since the image");
  Result<BackupReport> full = env_->backup({.directory = "/full"});
  ASSERT_TRUE(full.has_value()) << full.error().message();
  const std::map<std::string, Rows> at_full = all();
  write(250, 400, "after the backup");
  ok(env_->checkpoint());
  ASSERT_TRUE(env_->backup({.directory = "/more", .parent = "/full"}).has_value());
  const std::map<std::string, Rows> at_more = all();
  write(0, 50, "archived only");
  ASSERT_TRUE(env_->archive_log().has_value());
  const std::map<std::string, Rows> at_end = all();
  close();

  EXPECT_EQ(restored("/a", {"/full"}, {}, {}), at_full);
  EXPECT_EQ(restored("/b", {"/full", "/more"}, {}, {}), at_more);
  EXPECT_EQ(restored("/c", {"/full", "/more"}, {"/archive"}, {}), at_end);
  RestorePoint then;
  then.position = full->position;
  EXPECT_EQ(restored("/d", {"/full"}, {"/archive"}, then), at_full);
  EXPECT_EQ(restored("/e", {"/full"}, {"/archive"}, {}), at_end);
  archive_ = "/archive";
  open();
}

}  // namespace
}  // namespace aether
