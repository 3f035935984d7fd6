// Transactions that are too many, too large, or used in the wrong place: each gives the answer that the headers state,
// and leaves the environment well.
#include <map>
#include <vector>

#include "db/env_impl.h"
#include "integration/contract_fixture.h"

namespace aether {
namespace {

using contract::answers;
using contract::fails;
using contract::key_of;
using contract::ok;
using contract::Place;

using Rows = std::map<std::string, std::string>;

Rows scan(const KvStore& store, Transaction& txn) {
  Rows rows;
  EXPECT_TRUE(ok(store.scan(txn, {}, [&](Bytes key, Bytes value) {
    rows.emplace(key, value);
    return true;
  })));
  return rows;
}

constexpr Isolation kLevels[] = {Isolation::read_committed, Isolation::snapshot,
                                 Isolation::serializable};

// Goal:   each of a thousand snapshots is exact, and together they keep no more than what they see.
TEST(Snapshots, AThousandAreExactAndKeepWhatTheySee) {
  constexpr int kRows = 40, kSnapshots = 1000;
  Place place;
  ASSERT_TRUE(ok(place.open()));
  KvStore store = place.store();
  Rows rows;
  const auto put = [&](int row, const std::string& value) {
    ASSERT_TRUE(ok(store.put(key_of(row), value)));
    rows[key_of(row)] = value;
  };
  for (int row = 0; row < kRows; ++row) put(row, "first");
  std::vector<std::pair<Transaction, Rows>> snapshots;
  for (int i = 0; i < kSnapshots; ++i) {
    snapshots.emplace_back(place.begin({.read_only = i % 2 == 0}), rows);
    // Three changes of one row: nobody sees the two in between.
    for (const char* change : {"a", "b", "c"}) put(i % kRows, change + std::to_string(i));
    if (i % 7 != 0) continue;
    ASSERT_TRUE(ok(store.remove(key_of((i + 1) % kRows))));
    rows.erase(key_of((i + 1) % kRows));
  }
  for (auto& [txn, seen] : snapshots) ASSERT_EQ(scan(store, txn), seen);
  const auto versions = [&] { return place.env->impl().services().versions.stats(); };
  EXPECT_LE(versions().versions, 4u * kSnapshots + 4096u) << "those in between stay";
  while (snapshots.size() > 1) {
    const size_t picked = snapshots.size() * 7 % 13 % snapshots.size();
    snapshots.erase(snapshots.begin() + static_cast<std::ptrdiff_t>(picked));
    if (snapshots.size() % 100 == 1) {
      ASSERT_EQ(scan(store, snapshots.back().first), snapshots.back().second);
    }
  }
  snapshots.clear();
  put(0, "last");
  EXPECT_EQ(versions().versions, 0u);
  EXPECT_TRUE(place.whole());
}

// Goal:   a transaction may write more than the pool holds, and commit or be taken back, at every level.
TEST(LargeTransactions, MayExceedThePool) {
  constexpr int kRows = 3000;  // Of 1 KiB; the pool has 1 MiB.
  const std::string value(1000, 'v');
  for (const Isolation level : kLevels) {
    Place place;
    ASSERT_TRUE(ok(place.open()));
    KvStore store = place.store();
    for (const bool commits : {false, true}) {
      Transaction txn = place.begin({.isolation = level});
      for (int i = 0; i < kRows; ++i) ASSERT_TRUE(ok(store.put(txn, key_of(i), value))) << i;
      ASSERT_EQ(scan(store, txn).size(), size_t{kRows});
      ASSERT_TRUE(ok(commits ? txn.commit() : txn.abort()));
      Transaction after = place.begin();
      EXPECT_EQ(scan(store, after).size(), commits ? size_t{kRows} : 0u);
    }
    EXPECT_TRUE(place.whole());
  }
}

// Goal:   one that keeps more log than log_bytes_max is refused its next write; others are not, and it can be taken back
//         to a savepoint, and aborted.
TEST(LargeTransactions, BeyondTheLogsBoundFailAlone) {
  Place place;
  ASSERT_TRUE(ok(place.open()));
  KvStore store = place.store(), other = place.store("other");
  Transaction txn = place.begin();
  const std::string value(800, 'v');
  Result<void> written;
  int rows = 0;
  // Other bytes each time: an update logs what it changes.
  for (; written && rows < 20'000; ++rows)
    written = store.put(txn, key_of(rows % 500),
                        std::string(800, static_cast<char>('a' + rows / 500 % 26)));
  ASSERT_TRUE(fails(written, Code::too_large, "log_bytes_max"));
  EXPECT_TRUE(txn.active());
  EXPECT_TRUE(fails(store.put(txn, "again", value), Code::too_large));
  EXPECT_TRUE(ok(store.get(txn, key_of(0)))) << "it still reads";
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(ok(other.put(key_of(i), value))) << "others go on";
  ASSERT_TRUE(ok(txn.abort()));
  {
    Transaction after = place.begin();
    EXPECT_TRUE(scan(store, after).empty());
    EXPECT_EQ(scan(other, after).size(), 100u);
  }
  EXPECT_TRUE(place.whole());
  ASSERT_TRUE(ok(place.open()));
  EXPECT_TRUE(place.whole());
}

// Goal:   a transaction may end inside its own scan; the scan then says so.
TEST(Misuse, ATransactionThatEndsInItsOwnScan) {
  for (const Isolation level : kLevels) {
    Place place;
    ASSERT_TRUE(ok(place.open()));
    KvStore store = place.store();
    for (int i = 0; i < 300; ++i) ASSERT_TRUE(ok(store.put(key_of(i), std::string(100, 'v'))));
    for (const bool commits : {false, true}) {
      Transaction txn = place.begin({.isolation = level});
      ASSERT_TRUE(ok(store.put(txn, "mine", "1")));
      const Result<uint64_t> count = store.scan(txn, {}, [&](Bytes, Bytes) {
        EXPECT_TRUE(ok(commits ? txn.commit() : txn.abort()));
        return true;
      });
      EXPECT_TRUE(fails(count, Code::closed));
      EXPECT_EQ(store.get("mine").has_value(), commits);
    }
    EXPECT_TRUE(place.whole());
  }
}

// Goal:   transactions nest in no way: each is its own, whoever began it inside whose scan.
TEST(Misuse, TransactionsInsideOneAnother) {
  Place place;
  ASSERT_TRUE(ok(place.open()));
  KvStore store = place.store();
  ASSERT_TRUE(ok(store.put("row", "0")));
  Transaction outer = place.begin();
  ASSERT_TRUE(ok(store.put(outer, "row", "outer")));
  EXPECT_TRUE(ok(store.scan(outer, {}, [&](Bytes, Bytes) {
    Transaction inner = place.begin();
    EXPECT_EQ(*store.get(inner, "row"), "0");
    EXPECT_TRUE(fails(store.put(inner, "row", "inner"), Code::conflict));
    EXPECT_TRUE(ok(store.put(inner, "another", "inner")));
    EXPECT_TRUE(ok(inner.commit()));
    return true;
  })));
  EXPECT_TRUE(fails(store.put("row", "alone"), Code::conflict));
  EXPECT_TRUE(fails(store.get(outer, "another"), Code::not_found));
  ASSERT_TRUE(ok(outer.commit()));
  EXPECT_EQ(*store.get("row"), "outer");
}

// Goal:   whatever an ended transaction is asked for, it is closed; so are cursors that outlive it.
TEST(Misuse, AfterItsEndEverythingIsClosed) {
  Place place;
  ASSERT_TRUE(ok(place.open()));
  KvStore store = place.store();
  ASSERT_TRUE(ok(store.put("row", "0")));
  for (const Isolation level : kLevels) {
    for (const bool commits : {false, true}) {
      Transaction txn = place.begin({.isolation = level});
      Cursor cursor = store.cursor(txn);
      ASSERT_TRUE(answers(cursor.first(), true));
      const Result<Savepoint> savepoint = txn.savepoint();
      ASSERT_TRUE(ok(savepoint));
      ASSERT_TRUE(ok(store.put(txn, "row", "1")));
      ASSERT_TRUE(ok(commits ? txn.commit() : txn.abort()));
      EXPECT_TRUE(fails(cursor.next(), Code::closed));
      EXPECT_TRUE(fails(cursor.prev(), Code::closed));
      EXPECT_TRUE(fails(cursor.seek("row"), Code::closed));
      EXPECT_TRUE(fails(txn.savepoint(), Code::closed));
      EXPECT_TRUE(fails(txn.rollback_to(*savepoint), Code::closed));
      EXPECT_TRUE(fails(txn.release(*savepoint), Code::closed));
      EXPECT_TRUE(fails(txn.prepare("gid"), Code::closed));
      EXPECT_TRUE(fails(txn.commit_async(), Code::closed));
      EXPECT_TRUE(fails(store.lock_for_update(txn, "row"), Code::closed));
      EXPECT_TRUE(fails(store.lock_store(txn, LockMode::exclusive), Code::closed));
      EXPECT_TRUE(fails(store.lock(txn, "row", LockMode::shared), Code::closed));
    }
  }
  EXPECT_TRUE(ok(store.put("row", "2"))) << "nothing is held";
}

// Goal:   an environment that was closed closes what was begun in it, at every level.
TEST(Misuse, TransactionsOfAClosedEnvironment) {
  Place place;
  ASSERT_TRUE(ok(place.open()));
  KvStore store = place.store();
  ASSERT_TRUE(ok(store.put("row", "0")));
  std::vector<Transaction> open;
  for (const Isolation level : kLevels) open.push_back(place.begin({.isolation = level}));
  ASSERT_TRUE(ok(store.put(open[0], "row", "1")));
  const Result<Savepoint> savepoint = open[0].savepoint();
  ASSERT_TRUE(ok(savepoint));
  EXPECT_TRUE(fails(place.env->close(), Code::busy));
  for (Transaction& txn : open) {
    EXPECT_TRUE(fails(store.get(txn, "row"), Code::closed));
    EXPECT_TRUE(fails(store.put(txn, "row", "2"), Code::closed));
    EXPECT_TRUE(fails(txn.savepoint(), Code::closed));
    EXPECT_TRUE(fails(txn.prepare("gid"), Code::closed));
    EXPECT_TRUE(fails(txn.commit(), Code::closed));
  }
  EXPECT_TRUE(fails(open[0].rollback_to(*savepoint), Code::closed));
  EXPECT_TRUE(fails(place.env->begin(), Code::closed));
  EXPECT_TRUE(fails(place.env->commit_prepared("gid"), Code::closed));
  open.clear();
  ASSERT_TRUE(ok(place.open()));
  EXPECT_EQ(*place.store().get("row"), "0");
}

}  // namespace
}  // namespace aether
