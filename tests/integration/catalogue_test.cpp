// Stores by name, the environment's figures, durability and tickets.
#include <algorithm>
#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "integration/contract_fixture.h"
#include "sim/sim_os.h"

namespace aether::contract {
namespace {

using Names = std::vector<std::string>;

// --- stores by name --------------------------------------------------------------------------------------

TEST(Stores, OpeningAgainGivesTheSame) {
  Place t;
  ASSERT_TRUE(ok(t.open()));
  EXPECT_EQ(t.env->list_stores().value(), Names());
  KvStore first = t.store("a");
  KvStore second = t.store("a");
  EXPECT_EQ(first.id(), second.id());
  EXPECT_EQ(first.name(), "a");
  ASSERT_TRUE(ok(first.put("k", "v")));
  EXPECT_EQ(second.get("k").value(), "v");
  EXPECT_NE(t.store("b").id(), first.id());
  EXPECT_TRUE(fails(t.store("b").get("k"), Code::not_found));
  const uint32_t id = first.id();
  ASSERT_TRUE(ok(t.env->close()));
  ASSERT_TRUE(ok(t.open()));
  EXPECT_EQ(t.store("a").id(), id);
  EXPECT_EQ(t.store("a").get("k").value(), "v");
}

TEST(Stores, WithoutCreateItMustBeThere) {
  Place t;
  ASSERT_TRUE(ok(t.open()));
  EXPECT_TRUE(fails(t.env->open_store("absent", {.create = false}), Code::not_found, "'absent'"));
  EXPECT_TRUE(fails(t.env->drop_store("absent"), Code::not_found, "'absent'"));
  EXPECT_EQ(t.env->list_stores().value(), Names());
}

TEST(Stores, NamesHave1To255BytesTheFirstNotZero) {
  Place t;
  ASSERT_TRUE(ok(t.open()));
  const std::string bad[] = {"", std::string(256, 'n'), std::string(1, '\0'),
                             std::string("\0a", 2)};
  for (const std::string& name : bad) {
    EXPECT_TRUE(fails(t.env->open_store(name), Code::invalid_argument, "1 to 255 bytes"));
    EXPECT_TRUE(fails(t.env->open_store(name, {.create = false}), Code::invalid_argument));
    EXPECT_TRUE(fails(t.env->drop_store(name), Code::invalid_argument));
  }
  const Names good = {std::string("\x01"),   " ",           "/../", std::string("a\0b", 3),
                      std::string(255, 'n'), "\xff\xfe\x80"};
  for (const std::string& name : good) {
    ASSERT_TRUE(ok(t.store(name).put("name", name)));
    EXPECT_EQ(t.store(name).name(), name);
  }
  Names sorted = good;
  std::sort(sorted.begin(), sorted.end());  // As unsigned bytes, which std::string compares.
  EXPECT_EQ(t.env->list_stores().value(), sorted);
  ASSERT_TRUE(ok(t.env->close()));
  ASSERT_TRUE(ok(t.open()));
  for (const std::string& name : good) EXPECT_EQ(t.store(name).get("name").value(), name);
  EXPECT_TRUE(t.whole());
}

TEST(Stores, ADroppedOneIsGoneAndItsPagesAreFree) {
  Place t;
  ASSERT_TRUE(ok(t.open()));
  KvStore kept = t.store("kept");
  ASSERT_TRUE(ok(kept.put("k", "v")));
  ASSERT_TRUE(ok(t.env->checkpoint()));
  const uint64_t used_before = t.env->stats().data_pages - t.env->stats().data_pages_free;
  KvStore store = t.store("doomed");
  for (int i = 0; i < 5000; ++i) ASSERT_TRUE(ok(store.put(key_of(i), std::string(200, 'v'))));
  ASSERT_TRUE(ok(store.put("large", std::string(3 * MiB, 'L'))));
  ASSERT_TRUE(ok(t.env->drop_store("doomed")));
  EXPECT_EQ(t.env->list_stores().value(), Names{"kept"});
  EXPECT_TRUE(t.whole());
  EXPECT_EQ(t.env->stats().data_pages - t.env->stats().data_pages_free, used_before);
  EXPECT_TRUE(fails(t.env->drop_store("doomed"), Code::not_found));
  EXPECT_EQ(kept.get("k").value(), "v");
}

// Goal:   a handle or cursor that outlived its store says so; it does not reach the store that has the name now.
TEST(Stores, HandlesAndCursorsOfADroppedOneAnswerNotFound) {
  Place t;
  ASSERT_TRUE(ok(t.open()));
  KvStore old = t.store("s");
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(ok(old.put(key_of(i), "old")));
  Cursor cursor = old.cursor();
  ASSERT_TRUE(answers(cursor.first(), true));
  ASSERT_TRUE(ok(t.env->drop_store("s")));
  KvStore fresh = t.store("s");
  EXPECT_NE(fresh.id(), old.id());
  ASSERT_TRUE(ok(fresh.put(key_of(1), "new")));
  for (const KvStore& store : {old, KvStore(old)}) {
    EXPECT_TRUE(fails(store.get(key_of(1)), Code::not_found, "has been dropped"));
    EXPECT_TRUE(fails(store.visit(key_of(1), [](Bytes) {}), Code::not_found, "dropped"));
    EXPECT_TRUE(fails(store.scan({}, [](Bytes, Bytes) { return true; }), Code::not_found));
    EXPECT_TRUE(fails(store.cursor().first(), Code::not_found, "dropped"));
  }
  EXPECT_TRUE(fails(old.put(key_of(1), "w"), Code::not_found, "dropped"));
  EXPECT_TRUE(fails(old.remove(key_of(1)), Code::not_found, "dropped"));
  EXPECT_TRUE(fails(old.bulk_load([](Bytes&, Bytes&) { return false; }), Code::not_found));
  EXPECT_TRUE(fails(cursor.next(), Code::not_found, "dropped"));
  EXPECT_TRUE(fails(cursor.value(), Code::not_found, "dropped"));
  Transaction txn = t.begin();
  EXPECT_TRUE(fails(old.put(txn, key_of(1), "w"), Code::not_found, "dropped"));
  EXPECT_TRUE(fails(old.get(txn, key_of(1)), Code::not_found, "dropped"));
  EXPECT_TRUE(ok(txn.commit()));
  EXPECT_EQ(old.name(), "s");
  EXPECT_EQ(fresh.get(key_of(1)).value(), "new");
  EXPECT_TRUE(t.whole());
}

TEST(Stores, ADropWithOpenTransactionsIsBusyAndChangesNothing) {
  Place t;
  ASSERT_TRUE(ok(t.open()));
  KvStore store = t.store("s");
  ASSERT_TRUE(ok(store.put("k", "v")));
  Transaction txn = t.begin();
  ASSERT_TRUE(ok(store.put(txn, "k", "w")));
  EXPECT_TRUE(fails(t.env->drop_store("s"), Code::busy, "1 transactions are open"));
  EXPECT_EQ(store.get("k").value(), "v");
  EXPECT_EQ(store.get(txn, "k").value(), "w");
  EXPECT_TRUE(ok(store.put("other", "v")));
  ASSERT_TRUE(ok(txn.abort()));
  EXPECT_EQ(store.get("k").value(), "v");
  EXPECT_TRUE(ok(t.env->drop_store("s")));
}

// Goal:   of many that drop the same store at the same time one does it; the others hear that it is gone.
TEST(StoresConcurrent, ADropHappensOnce) {
  Place t;
  ASSERT_TRUE(ok(t.open()));
  for (int round = 0; round < 10; ++round) {
    ASSERT_TRUE(ok(t.store("s").put("k", "v")));
    std::atomic<int> dropped{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        const Result<void> answer = t.env->drop_store("s");
        if (answer) ++dropped;
        EXPECT_TRUE(answer.has_value() || fails(answer, Code::not_found, "'s'"));
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(dropped.load(), 1);
  }
  EXPECT_TRUE(t.whole());
}

// Goal:   hundreds of stores, made, listed, used and dropped; each has its own rows.
TEST(Stores, ThereMayBeHundreds) {
  constexpr int kStores = 400;
  Place t;
  t.options.pool_bytes = 1000 * 4096;  // Each open store keeps one page there.
  ASSERT_TRUE(ok(t.open()));
  std::set<uint32_t> ids;
  for (int i = 0; i < kStores; ++i) {
    KvStore store = t.store(key_of(i));
    ids.insert(store.id());
    ASSERT_TRUE(ok(store.put("who", key_of(i))));
  }
  EXPECT_EQ(ids.size(), size_t{kStores});
  ASSERT_TRUE(ok(t.env->close()));
  ASSERT_TRUE(ok(t.open()));
  EXPECT_EQ(t.env->list_stores().value().size(), size_t{kStores});
  EXPECT_EQ(t.env->stats().stores.size(), size_t{kStores});
  for (int i = 0; i < kStores; ++i) EXPECT_EQ(t.store(key_of(i)).get("who").value(), key_of(i));
  for (int i = 0; i < kStores; i += 2) ASSERT_TRUE(ok(t.env->drop_store(key_of(i))));
  EXPECT_EQ(t.env->list_stores().value().size(), size_t{kStores} / 2);
  EXPECT_TRUE(t.whole());
  EXPECT_EQ(t.store(key_of(1)).get("who").value(), key_of(1));
}

// Goal:   more open stores than the pool has frames: an error that names the option, and the environment goes on.
TEST(Stores, MoreThanThePoolHoldsAreRefused) {
  Place t;
  t.options.pool_bytes = 70 * 4096;
  ASSERT_TRUE(ok(t.open()));
  ASSERT_TRUE(ok(t.store("first").put("k", "v")));
  Result<KvStore> opened = t.env->open_store("first");
  int stores = 0;
  while (stores < 200 && (opened = t.env->open_store(key_of(stores)))) ++stores;
  EXPECT_TRUE(fails(opened, Code::busy, "pool_bytes"));
  EXPECT_GT(stores, 20);
  EXPECT_EQ(t.store("first").get("k").value(), "v");
  ASSERT_TRUE(ok(t.env->close()));
  t.options.pool_bytes = 300 * 4096;
  ASSERT_TRUE(ok(t.open()));
  EXPECT_EQ(t.env->list_stores().value().size(), static_cast<size_t>(stores) + 1);
  EXPECT_TRUE(t.whole());
}

// --- figures ---------------------------------------------------------------------------------------------

TEST(Stats, TellWhatHasHappened) {
  Place t;
  ASSERT_TRUE(ok(t.open()));
  KvStore store = t.store();
  const EnvStats before = t.env->stats();
  EXPECT_EQ(before.uuid.size(), 16u);
  EXPECT_EQ(before.format_version, kFormatVersion);
  EXPECT_EQ(before.page_bytes, 4096u);
  EXPECT_EQ(before.state, "open");
  EXPECT_EQ(before.log_streams, 2u);
  EXPECT_LT(before.pool_frames, 256u);  // Headers are a part of pool_bytes.
  EXPECT_GT(before.pool_frames, 240u);

  Transaction committed = t.begin();
  Transaction aborted = t.begin();
  for (int i = 0; i < 2000; ++i)
    ASSERT_TRUE(ok(store.put(committed, key_of(i), std::string(500, 'v'))));
  EXPECT_TRUE(fails(store.put(aborted, key_of(1), "w"), Code::conflict));
  EXPECT_TRUE(fails(store.put(key_of(1), "w"), Code::conflict));
  EXPECT_EQ(t.env->stats().txn_active, 2u);
  ASSERT_TRUE(ok(committed.commit()));
  ASSERT_TRUE(ok(aborted.abort()));

  EnvStats after = t.env->stats();
  EXPECT_EQ(after.txn_begun - before.txn_begun, 2u);
  EXPECT_EQ(after.txn_committed - before.txn_committed, 1u);
  EXPECT_EQ(after.txn_aborted - before.txn_aborted, 1u);
  EXPECT_EQ(after.txn_conflicts - before.txn_conflicts, 2u);
  EXPECT_EQ(after.txn_active, 0u);
  EXPECT_GT(after.log_bytes_appended, before.log_bytes_appended + 2000 * 500);
  EXPECT_GT(after.page_evictions, 0u);  // 1 MB of rows and as much pool.
  EXPECT_GT(after.page_writes, 0u);
  EXPECT_GT(after.data_pages, 250u);
  EXPECT_LT(after.data_pages_free, after.data_pages);
  ASSERT_EQ(after.stores.size(), 1u);
  EXPECT_EQ(after.stores[0].name, "main");
  EXPECT_EQ(after.stores[0].id, store.id());
  EXPECT_EQ(after.stores[0].index, "btree");
  EXPECT_GE(after.stores[0].height, 2u);
  EXPECT_GT(after.stores[0].leaf_pages, 2000u * 500 / 4096);
  EXPECT_GE(after.stores[0].inner_pages, 1u);

  ASSERT_TRUE(ok(t.env->checkpoint()));
  after = t.env->stats();
  EXPECT_EQ(after.checkpoints, before.checkpoints + 1);
  EXPECT_EQ(after.pool_frames_dirty, 0u);
  EXPECT_EQ(after.checkpoint_position + after.log_bytes_on_disk, after.log_position);
  EXPECT_GT(after.checkpoint_position, before.checkpoint_position);
}

TEST(Stats, AnEmptyStoreIsOneLeaf) {
  Place t;
  ASSERT_TRUE(ok(t.open()));
  t.store();
  const EnvStats stats = t.env->stats();
  ASSERT_EQ(stats.stores.size(), 1u);
  EXPECT_EQ(stats.stores[0].height, 1u);
  EXPECT_EQ(stats.stores[0].leaf_pages, 1u);
  EXPECT_EQ(stats.stores[0].inner_pages, 0u);
}

TEST(Verify, CountsKeysAndSaysHowFarItIs) {
  Place t;
  ASSERT_TRUE(ok(t.open()));
  for (int i = 0; i < 3000; ++i) ASSERT_TRUE(ok(t.store().put(key_of(i), std::string(100, 'v'))));
  uint64_t last = 0;
  uint64_t total = 0;
  const Result<VerifyReport> report = t.env->verify([&](uint64_t done, uint64_t all) {
    EXPECT_GE(done, last);
    EXPECT_LE(done, all);
    last = done;
    total = all;
  });
  ASSERT_TRUE(ok(report));
  EXPECT_TRUE(report->ok());
  EXPECT_GE(report->keys, 3000u);
  EXPECT_EQ(last, total);
  EXPECT_GT(total, 0u);
}

// --- durability ------------------------------------------------------------------------------------------

struct SimPlace {
  sim::SimOs os;
  EnvOptions options = small_options();
  std::unique_ptr<DbEnv> env;

  explicit SimPlace(Durability durability) {
    options.durability = durability;
    options.background_threads = false;  // Nobody flushes but those who wait.
    env = *DbEnv::open("/env", options, os);
  }
  KvStore store() { return *env->open_store("main"); }
  /// What a power cut now would leave under `key`; empty: nothing.
  std::string after_crash(Bytes key) {
    const std::unique_ptr<sim::SimOs> crashed = os.crash({.policy = sim::CrashPolicy::lost});
    auto opened = DbEnv::open("/env", options, *crashed);
    if (!opened) ADD_FAILURE() << opened.error().message();
    return (*opened)->open_store("main")->get(key).value_or("");
  }
};

// Goal:   each level keeps its promise, when it is the environment's and when it is the transaction's.
TEST(DurabilityLevels, GroupAndSyncAreDurableNoneIsLater) {
  for (const Durability level : {Durability::group, Durability::sync, Durability::none}) {
    const bool waits = level != Durability::none;
    SimPlace t(level);
    KvStore store = t.store();
    ASSERT_TRUE(ok(store.put("alone", "v")));
    EXPECT_EQ(t.after_crash("alone"), waits ? "v" : "");
    Transaction txn = *t.env->begin();
    ASSERT_TRUE(ok(store.put(txn, "inside", "v")));
    ASSERT_TRUE(ok(txn.commit()));
    EXPECT_EQ(t.after_crash("inside"), waits ? "v" : "");
  }
  for (const Durability level : {Durability::group, Durability::sync, Durability::none}) {
    const bool waits = level != Durability::none;
    SimPlace t(waits ? Durability::none : Durability::group);
    KvStore store = t.store();
    Transaction txn = *t.env->begin({.durability = level, .env_durability = false});
    ASSERT_TRUE(ok(store.put(txn, "k", "v")));
    ASSERT_TRUE(ok(txn.commit()));
    EXPECT_EQ(t.after_crash("k"), waits ? "v" : "");
  }
}

// Goal:   a durable commit makes what it read and overwrote durable with it, though that did not wait.
TEST(DurabilityLevels, ADurableCommitBringsWhatItDependsOn) {
  SimPlace t(Durability::none);
  KvStore store = t.store();
  ASSERT_TRUE(ok(store.put("base", "v")));
  Transaction txn = *t.env->begin({.durability = Durability::group, .env_durability = false});
  ASSERT_EQ(store.get(txn, "base").value(), "v");
  ASSERT_TRUE(ok(store.put(txn, "derived", "v")));
  ASSERT_TRUE(ok(txn.commit()));
  EXPECT_EQ(t.after_crash("base"), "v");
  EXPECT_EQ(t.after_crash("derived"), "v");
}

TEST(CommitTickets, TellWhenTheCommitIsDurable) {
  SimPlace t(Durability::group);
  KvStore store = t.store();
  Transaction txn = *t.env->begin();
  ASSERT_TRUE(ok(store.put(txn, "k", "v")));
  Result<CommitTicket> ticket = txn.commit_async();
  ASSERT_TRUE(ok(ticket));
  EXPECT_FALSE(txn.active());
  EXPECT_TRUE(fails(txn.commit(), Code::closed));
  EXPECT_EQ(store.get("k").value(), "v");  // Visible, not durable.
  EXPECT_FALSE(ticket->durable());
  EXPECT_EQ(t.after_crash("k"), "");
  const CommitTicket copy = *ticket;
  EXPECT_TRUE(ok(ticket->wait()));
  EXPECT_TRUE(ticket->durable());
  EXPECT_TRUE(copy.durable());
  EXPECT_EQ(t.after_crash("k"), "v");
}

TEST(CommitTickets, OfNothingAreDurableAtOnce) {
  SimPlace t(Durability::group);
  EXPECT_TRUE(CommitTicket().durable());
  EXPECT_TRUE(ok(CommitTicket().wait()));
  Transaction empty = *t.env->begin({.read_only = true});
  Result<CommitTicket> ticket = empty.commit_async();
  ASSERT_TRUE(ok(ticket));
  EXPECT_TRUE(ticket->durable());
}

// Goal:   a ticket may be asked after its transaction, its environment and all have gone.
TEST(CommitTickets, OutliveTheirEnvironment) {
  SimPlace t(Durability::group);
  KvStore store = t.store();
  std::vector<CommitTicket> tickets;
  for (int i = 0; i < 2; ++i) {
    Transaction txn = *t.env->begin();
    ASSERT_TRUE(ok(store.put(txn, key_of(i), "v")));
    tickets.push_back(*txn.commit_async());
    ASSERT_TRUE(i != 0 || ok(tickets[0].wait()));
  }
  ASSERT_TRUE(ok(t.env->close()));
  t.env.reset();
  EXPECT_TRUE(tickets[0].durable());
  EXPECT_TRUE(ok(tickets[0].wait()));
  EXPECT_TRUE(fails(tickets[1].wait(), Code::closed, "if close was ok, it is"));
}

TEST(CommitTickets, OfAFailedLogSayThatTheOutcomeIsUnknown) {
  SimPlace t(Durability::group);
  KvStore store = t.store();
  Transaction txn = *t.env->begin();
  ASSERT_TRUE(ok(store.put(txn, "k", "v")));
  Result<CommitTicket> ticket = txn.commit_async();
  ASSERT_TRUE(ok(ticket));
  t.os.add_fault({.kind = sim::StepKind::sync, .path_contains = "/log/", .sticky = true});
  EXPECT_TRUE(fails(ticket->wait(), Code::failed, "unknown"));
  EXPECT_FALSE(ticket->durable());
}

}  // namespace
}  // namespace aether::contract
