#include "txn/transaction_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "sim/sim_os.h"
#include "txn/undo_log.h"

namespace aether::txn {
namespace {

struct TableFixture {
  sim::SimOs os;
  std::unique_ptr<wal::Log> log;
  std::unique_ptr<TransactionTable> table;

  TableFixture() {
    EXPECT_TRUE(os.create_directory("/log").has_value());
    wal::LogOptions options;
    options.directory = "/log";
    options.streams = 2;
    options.segment_bytes = 64 * KiB;
    options.ring_bytes = 64 * KiB;
    options.block_bytes_max = 16 * KiB;
    options.background_thread = false;
    wal::LogStart start;
    for (Lsn& lsn : start.lsn.at) lsn = kFirstLsn;
    log = *wal::Log::create(options, start, os);
    table = std::make_unique<TransactionTable>(*log, 1);
  }
  /// Appends a record; the vector that makes it durable.
  wal::LsnVector append(TxnId txn, uint32_t stream = 0) {
    const Result<wal::Reservation> record = log->append(
        stream, {.type = wal::RecordType::commit, .txn = txn, .home_stream = stream});
    EXPECT_TRUE(record.has_value());
    wal::LsnVector vector;
    vector.raise(stream, record->end());
    return vector;
  }
};

TEST(TransactionTable, IdsGrowAndNoneIsUsedTwice) {
  TableFixture t;
  TxnId last = 0;
  for (int i = 0; i < 100; ++i) {
    const TxnId id = i % 2 == 0 ? *t.table->open() : t.table->draw_id();
    EXPECT_GT(id, last);
    last = id;
  }
  EXPECT_EQ(t.table->open_count(), 50u);
  EXPECT_EQ(t.table->next_id(), last + 1);
}

TEST(TransactionTable, OneIsOpenUntilItEndsOrIsForgotten) {
  TableFixture t;
  const TxnId first = *t.table->open(), second = *t.table->open();
  EXPECT_TRUE(t.table->is_open(first));
  EXPECT_FALSE(t.table->is_open(first + TransactionTable::kSlots)) << "the same slot, another id";
  t.table->forget(first);
  t.table->end(second, t.append(second));
  EXPECT_FALSE(t.table->is_open(first));
  EXPECT_FALSE(t.table->is_open(second));
  EXPECT_EQ(t.table->open_count(), 0u);
}

// Goal:   who overwrites a commit that is not durable yet depends on it; on old history nobody does.
TEST(TransactionTable, ACommitPassesItsVectorOnUntilItIsOldHistory) {
  TableFixture t;
  const TxnId id = *t.table->open();
  wal::LsnVector mine;
  t.table->add_dependency(id, mine);
  EXPECT_EQ(mine, wal::LsnVector{}) << "still open: a conflict, not a dependency";
  const wal::LsnVector end = t.append(id, 1);
  t.table->end(id, end);
  t.table->add_dependency(id, mine);
  EXPECT_EQ(mine, end);
  wal::LsnVector other;
  t.table->add_dependency(id + TransactionTable::kSlots, other);
  t.table->add_dependency(9999999, other);
  EXPECT_EQ(other, wal::LsnVector{});
}

TxnId settled(TransactionTable& table) {
  Snapshot now;
  table.open_snapshot(now);
  table.settle(now.bounds().next);
  table.close_snapshot(now);
  return table.settled_below();
}

TEST(TransactionTable, IdsAreSettledUpToTheFirstThatSomethingMayDependOn) {
  TableFixture t;
  for (int i = 0; i < 10; ++i) t.table->draw_id();
  EXPECT_EQ(settled(*t.table), t.table->next_id());
  const TxnId writer = *t.table->open();
  t.table->draw_id();
  EXPECT_EQ(settled(*t.table), writer) << "it is open";
  const wal::LsnVector end = t.append(writer);
  t.table->end(writer, end);
  EXPECT_EQ(settled(*t.table), writer) << "its end is not durable";
  wal::LsnVector met;
  t.table->add_dependency(writer, met);
  EXPECT_EQ(met.at[0], end.at[0]);
  ASSERT_TRUE(t.log->flush());
  EXPECT_EQ(settled(*t.table), t.table->next_id());
}

TEST(TransactionTable, ALongOpenOneHoldsSettledBackHoweverManyIdsFollow) {
  TableFixture t;
  t.table->draw_id();
  const TxnId held = *t.table->open();
  for (uint32_t i = 0; i < 3 * TransactionTable::kSlots; ++i) t.table->draw_id();
  EXPECT_EQ(settled(*t.table), held);
  for (uint32_t i = 0; i < 2 * TransactionTable::kSlots; ++i) t.table->draw_id();
  EXPECT_EQ(settled(*t.table), held);
  t.table->forget(held);
  for (uint32_t i = 0; i < TransactionTable::kSlots; ++i) t.table->draw_id();
  EXPECT_EQ(settled(*t.table), t.table->next_id());
}

// Goal:   who only writes settles ids without a look at each, and no id of an end that somebody may depend on.
// Method: the second call settles what had ended at the first one.
TEST(TransactionTable, WhatHadEndedAtTheCallBeforeIsSettledOnceItIsDurable) {
  TableFixture t;
  const auto settled_now = [&] {
    t.table->settle_ended();
    return t.table->settled_below();
  };
  const TxnId writer = *t.table->open();
  t.table->draw_id();
  settled_now();
  EXPECT_EQ(settled_now(), writer) << "it is open";
  t.table->end(writer, t.append(writer));
  const TxnId open = *t.table->open();
  settled_now();  // Everything below `open` has ended.
  t.table->draw_id();
  EXPECT_EQ(settled_now(), writer) << "its end is not durable";
  ASSERT_TRUE(t.log->flush());
  EXPECT_EQ(settled_now(), open);
  t.table->forget(open);
  settled_now();
  const TxnId next = t.table->next_id();
  t.table->end(*t.table->open(), t.append(next));
  EXPECT_EQ(settled_now(), next) << "what was open, or not drawn, at the call before has to wait";
}

TEST(TransactionTable, WhoWroteInALifeBeforeIsSettledAtOnce) {
  TableFixture t;
  t.table = std::make_unique<TransactionTable>(*t.log, 5000);
  EXPECT_EQ(t.table->settled_below(), 5000u) << "reads of such rows look no second time";
  t.table->reopen(4321, 1);
  EXPECT_EQ(t.table->settled_below(), 4321u);
}

TEST(TransactionTable, OneThatRecoveryReopensIsSettledNoMore) {
  TableFixture t;
  for (int i = 0; i < 10; ++i) t.table->draw_id();
  ASSERT_EQ(settled(*t.table), t.table->next_id()) << "recovery reads before it knows the losers";
  const TxnId in_doubt = 5;
  t.table->reopen(in_doubt, 1);
  EXPECT_EQ(settled(*t.table), in_doubt);
  const wal::LsnVector end = t.append(in_doubt);
  t.table->end(in_doubt, end);
  wal::LsnVector met;
  t.table->add_dependency(in_doubt, met);
  EXPECT_EQ(met.at[0], end.at[0]) << "who reads its row depends on its end";
}

TEST(TransactionTable, ThePinHoldsTheLogUntilTheEndIsDurable) {
  TableFixture t;
  const TxnId id = *t.table->open();
  EXPECT_EQ(t.table->oldest_pin(1000000), 1000000u);
  const LogPosition position = t.log->append_position();
  t.table->pin(id);
  EXPECT_EQ(t.table->oldest_pin(1000000), position);
  t.table->end(id, t.append(id));
  EXPECT_EQ(t.table->oldest_pin(1000000), position) << "a crash now would have to undo it";
  ASSERT_TRUE(t.log->flush().has_value());
  EXPECT_EQ(t.table->oldest_pin(1000000), 1000000u);
}

TEST(TransactionTable, RecoveryReopensALoserUnderItsId) {
  TableFixture t;
  t.table = std::make_unique<TransactionTable>(*t.log, 5000);
  t.table->reopen(4321, 1);
  EXPECT_TRUE(t.table->is_open(4321));
  EXPECT_EQ(t.table->oldest_pin(1000000), 1u) << "the log stays whole";
  t.table->end(4321, {});
  EXPECT_FALSE(t.table->is_open(4321));
}

TEST(TransactionTable, BusyOnlyWhenEverySlotIsReallyOpen) {
  TableFixture t;
  std::vector<TxnId> open;
  for (uint32_t i = 0; i < TransactionTable::kSlots; ++i) open.push_back(*t.table->open());
  const Result<TxnId> refused = t.table->open();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), Code::busy);
  // Ends that wait for the log are no reason to refuse: a flush makes room.
  const wal::LsnVector last = t.append(open.back());  // One record: the log's ring has room.
  for (const TxnId id : open) t.table->end(id, last);
  EXPECT_EQ(t.log->room_wait().count(), 0u);
  const Result<TxnId> taken = t.table->open();
  ASSERT_TRUE(taken.has_value()) << taken.error().message();
  EXPECT_EQ(t.log->room_wait().count(), 1u) << "and is told apart";
}

TEST(TransactionTableConcurrent, EveryIdIsHandedOutOnce) {
  TableFixture t;
  constexpr size_t kThreads = 3, kEach = 3000;
  std::vector<std::vector<TxnId>> ids(kThreads);
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (size_t i = 0; i < kEach; ++i) {
        const Result<TxnId> id = t.table->open();
        if (!id) continue;
        ids[thread].push_back(*id);
        if (!t.table->is_open(*id)) ids[thread].push_back(*id);  // Shows as a duplicate.
        t.table->forget(*id);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<TxnId> all;
  for (const std::vector<TxnId>& some : ids) all.insert(all.end(), some.begin(), some.end());
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all.size(), kThreads * kEach);
  EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());
  EXPECT_EQ(t.table->open_count(), 0u);
}

TEST(UndoLog, GivesEntriesBackInReverse) {
  UndoLog log;
  std::vector<std::string> keys;
  for (int i = 0; i < 50; ++i) {
    keys.push_back("key" + std::to_string(i));
    const std::string before(static_cast<size_t>(i), 'b');
    log.make_room();
    UndoEntry entry;
    entry.lsn = static_cast<Lsn>(i);
    entry.version = Version::make(3, keys.back(), before);
    log.push(entry);
  }
  EXPECT_EQ(log.size(), 50u);
  EXPECT_GT(log.memory_bytes(), 50u * 25);
  for (int i = 50; i-- > 0;) {
    const UndoEntry entry = log.back();
    EXPECT_EQ(entry.key, keys[static_cast<size_t>(i)]);
    EXPECT_EQ(entry.before, std::string(static_cast<size_t>(i), 'b'));
    EXPECT_EQ(entry.lsn, static_cast<Lsn>(i));
    log.pop();
  }
  EXPECT_TRUE(log.empty());
  EXPECT_EQ(log.memory_bytes(), 0u);
}

}  // namespace
}  // namespace aether::txn
