// The history checker against random histories: serial ones and those of a correct store are never flagged; changed ones
// and those of a faulty store always are.
//
// Replay: AETHER_SEED=<seed from the failure> checker_random_test --gtest_filter=<name of the test>
// ctest: timeout=900
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "isolation/checker.h"
#include "isolation/history.h"
#include "isolation/model_load.h"
#include "isolation/model_store.h"

namespace aether::isolation {
namespace {

#if defined(AETHER_TSAN) || defined(AETHER_ASAN)
constexpr uint64_t kSlowdown = 20;
#else
constexpr uint64_t kSlowdown = 1;
#endif

constexpr Level kLevels[] = {Level::read_committed, Level::snapshot, Level::serializable};

uint64_t base_seed() {
  const char* text = std::getenv("AETHER_SEED");
  return text == nullptr ? 1 : std::strtoull(text, nullptr, 0);
}

// --- Serial histories, as scripts that can be changed before they are recorded -------------------------

struct ScriptOp {
  OpKind kind;
  Key key;
  std::vector<uint32_t> data;
};
struct ScriptTxn {
  uint32_t session;
  std::vector<ScriptOp> ops;
  Outcome outcome = Outcome::committed;
};
using Script = std::vector<ScriptTxn>;

class SerialScript {
 public:
  explicit SerialScript(uint64_t seed) : random_(seed) {}

  Script make(size_t transactions) {
    Script script;
    for (size_t i = 0; i < transactions; ++i) {
      ScriptTxn txn{below(3), {}};
      const auto before = state_;
      for (uint32_t left = 1 + below(5); left > 0; --left) txn.ops.push_back(make_op());
      if (below(10) == 0) {
        txn.outcome = Outcome::aborted;
        state_ = before;
      }
      script.push_back(std::move(txn));
    }
    return script;
  }

  /// Changes one thing that a committed transaction saw. False: this script has nothing to change.
  bool change(Script& script) {
    std::vector<std::pair<ScriptOp*, size_t>> reads;
    for (size_t i = 0; i < script.size(); ++i) {
      if (script[i].outcome != Outcome::committed) continue;
      for (ScriptOp& op : script[i].ops) {
        const bool is_read = op.kind == OpKind::read || op.kind == OpKind::read_list;
        if (is_read && !written_[op.key].empty()) reads.emplace_back(&op, i);
      }
    }
    if (reads.empty()) return false;
    ScriptOp& op = *reads[below(static_cast<uint32_t>(reads.size()))].first;
    const std::vector<uint32_t> before = op.data;
    while (op.data == before) op.kind == OpKind::read ? change_value(op) : change_list(op);
    return true;
  }

 private:
  static constexpr Key kKeys = 6;

  uint32_t below(uint32_t bound) { return static_cast<uint32_t>(random_() % bound); }

  ScriptOp make_op() {
    const Key key = below(kKeys);
    std::vector<Value>& values = state_[key];
    const bool list = is_list_key(key);
    switch (below(5)) {
      case 0:
      case 1:
        values.push_back(++last_value_);
        written_[key].push_back(last_value_);
        return {list ? OpKind::append : OpKind::write, key, {last_value_}};
      case 2: {
        ScriptOp scan{OpKind::scan, 0, {}};
        for (const auto& [at, seen] : state_) {
          if (!seen.empty()) scan.data.insert(scan.data.end(), {at, seen.back()});
        }
        return scan;
      }
      default:
        if (list) return {OpKind::read_list, key, values};
        return {OpKind::read, key, {values.empty() ? kNoValue : values.back()}};
    }
  }

  void change_value(ScriptOp& op) {
    const std::vector<Value>& others = written_[op.key];
    const uint32_t pick = below(static_cast<uint32_t>(others.size()) + 1);
    op.data[0] = pick == others.size() ? kNoValue : others[pick];
  }

  void change_list(ScriptOp& op) {
    const std::vector<Value>& others = written_[op.key];
    const size_t size = op.data.size();
    switch (below(4)) {
      case 0:
        if (size > 0) op.data.pop_back();
        break;
      case 1:
        if (size > 1) std::swap(op.data[below(static_cast<uint32_t>(size))], op.data[size - 1]);
        break;
      case 2:
        if (size > 0) op.data.erase(op.data.begin());
        break;
      default: op.data.push_back(others[below(static_cast<uint32_t>(others.size()))]);
    }
  }

  std::mt19937_64 random_;
  std::map<Key, std::vector<Value>> state_;    // What is there,
  std::map<Key, std::vector<Value>> written_;  // and all that ever was, aborted or not.
  Value last_value_ = 0;
};

void record(const Script& script, History& history) {
  std::vector<Session*> sessions;
  for (int i = 0; i < 3; ++i) sessions.push_back(&history.session());
  for (const ScriptTxn& txn : script) {
    Session& session = *sessions[txn.session];
    session.begin(Level::serializable);
    session.begun();
    for (const ScriptOp& op : txn.ops) {
      std::vector<std::pair<Key, Value>> rows;
      switch (op.kind) {
        case OpKind::append: session.append(op.key, op.data[0]); break;
        case OpKind::write: session.write(op.key, op.data[0]); break;
        case OpKind::read: session.read(op.key, op.data[0]); break;
        case OpKind::read_list: session.read_list(op.key, op.data); break;
        case OpKind::scan:
          for (size_t i = 0; i < op.data.size(); i += 2)
            rows.emplace_back(op.data[i], op.data[i + 1]);
          session.scan(0, UINT32_MAX, rows);
          break;
      }
    }
    session.committing();
    txn.outcome == Outcome::committed ? session.committed() : session.aborted();
  }
}

TEST(CheckerRandom, SerialHistoriesAreLegalInEveryOrder) {
  for (uint64_t i = 0; i < 10000 / kSlowdown; ++i) {
    const uint64_t seed = base_seed() * 1'000'000 + i;
    SerialScript serial(seed);
    History history;
    record(serial.make(2 + i % 40), history);
    for (const Level level : kLevels) {
      const Order order = static_cast<Order>(i % 3);
      const Report report = check(history, {.level = level, .order = order, .find_allowed = true});
      ASSERT_TRUE(report.ok() && report.allowed.empty())
          << "AETHER_SEED=" << base_seed() << " history " << i << "\n"
          << report.text();
    }
  }
}

// In a serial history whose order in time is known there is one right answer to every read.
TEST(CheckerRandom, EveryChangedReadIsFound) {
  uint64_t changed = 0;
  for (uint64_t i = 0; i < 10000 / kSlowdown; ++i) {
    const uint64_t seed = base_seed() * 1'000'000 + i;
    SerialScript serial(seed);
    Script script = serial.make(2 + i % 20);
    if (!serial.change(script)) continue;
    ++changed;
    for (const Level level : {Level::snapshot, Level::serializable}) {
      History history;
      record(script, history);
      const Report report = check(history, {.level = level, .order = Order::real_time});
      ASSERT_FALSE(report.ok()) << "AETHER_SEED=" << base_seed() << " history " << i << " at "
                                << name_of(level) << "\n"
                                << report.text();
    }
  }
  EXPECT_GT(changed, 5000 / kSlowdown);
}

TEST(CheckerRandom, AnAbortInPlaceOfACommitIsFoundWhereItsWorkWasRead) {
  uint64_t found = 0;
  for (uint64_t i = 0; i < 2000 / kSlowdown; ++i) {
    const uint64_t seed = base_seed() * 1'000'000 + i;
    Script script = SerialScript(seed).make(20);
    std::map<Value, size_t> writer_of;
    size_t victim = SIZE_MAX;
    for (size_t t = 0; t < script.size(); ++t) {
      if (script[t].outcome != Outcome::committed) continue;
      for (const ScriptOp& op : script[t].ops) {
        if (op.kind == OpKind::append || op.kind == OpKind::write) writer_of[op.data[0]] = t;
        if (op.kind != OpKind::read && op.kind != OpKind::read_list) continue;
        for (const Value value : op.data) {
          if (value != kNoValue && writer_of.at(value) != t) victim = writer_of.at(value);
        }
      }
    }
    if (victim == SIZE_MAX) continue;
    ++found;
    script[victim].outcome = Outcome::aborted;
    History history;
    record(script, history);
    for (const Level level : kLevels) {
      const Report report = check(history, {.level = level});
      ASSERT_GT(report.count(Anomaly::g1a), 0u)
          << "AETHER_SEED=" << base_seed() << " history " << i << "\n"
          << report.text();
    }
  }
  EXPECT_GT(found, 1000 / kSlowdown);
}

// --- A store that keeps its level, and one that does not ---------------------------------------------------

class CheckerStore : public testing::TestWithParam<uint64_t> {
 protected:
  void run(Level level, Fault fault, uint64_t transactions) {
    ModelStore store(fault);
    const uint64_t seed = base_seed() * 1000 + GetParam();
    ModelLoad(store, level, {.seed = seed, .transactions = transactions / kSlowdown + 1000},
              history_)
        .run();
  }
  Report at(Level level, std::optional<Order> order = std::nullopt) {
    return check(history_, {.level = level, .order = order, .find_allowed = true});
  }
  static std::string seed_text() { return "AETHER_SEED=" + std::to_string(base_seed()) + "\n"; }

  History history_;
};

TEST_P(CheckerStore, SerializableIsAcceptedAtEveryLevel) {
  run(Level::serializable, Fault::none, 5000);
  for (const Level level : kLevels) {
    const Report report = at(level, Order::real_time);
    EXPECT_TRUE(report.ok() && report.allowed.empty()) << seed_text() << report.text();
  }
}

TEST_P(CheckerStore, SnapshotIsAcceptedAndItsWriteSkewIsSeen) {
  run(Level::snapshot, Fault::none, 5000);
  const Report report = at(Level::snapshot);
  EXPECT_TRUE(report.ok()) << seed_text() << report.text();
  EXPECT_GT(report.count(Anomaly::g2_item) + report.count(Anomaly::g2), 0u) << report.text();
  EXPECT_TRUE(at(Level::read_committed).ok());
}

TEST_P(CheckerStore, SnapshotIsRejectedAtSerializable) {
  run(Level::snapshot, Fault::none, 5000);
  const Report report = at(Level::serializable);
  EXPECT_FALSE(report.ok()) << seed_text();
  EXPECT_GT(report.count(Anomaly::g2_item) + report.count(Anomaly::g2), 0u) << report.text();
  EXPECT_EQ(report.count(Anomaly::g_single), 0u) << report.text();
  EXPECT_TRUE(check(history_, {.level = Level::serializable, .own_levels = true}).ok());
}

TEST_P(CheckerStore, ReadCommittedIsAcceptedAndItsReadSkewIsSeen) {
  run(Level::read_committed, Fault::none, 5000);
  const Report report = at(Level::read_committed);
  EXPECT_TRUE(report.ok()) << seed_text() << report.text();
  EXPECT_GT(report.count(Anomaly::g_single), 0u) << report.text();
  EXPECT_GT(report.count(Anomaly::non_repeatable), 0u) << report.text();
  EXPECT_GT(report.count(Anomaly::lost_update), 0u) << report.text();
}

TEST_P(CheckerStore, ReadCommittedIsRejectedAtSnapshot) {
  run(Level::read_committed, Fault::none, 1000);
  const Report report = at(Level::snapshot);
  EXPECT_GT(report.count(Anomaly::g_single), 0u) << seed_text() << report.text();
  EXPECT_FALSE(report.ok());
  EXPECT_TRUE(check(history_, {.level = Level::snapshot, .own_levels = true}).ok());
}

TEST_P(CheckerStore, FaultsAreFound) {
  const std::pair<Fault, Level> faults[] = {
      {Fault::no_validation, Level::serializable}, {Fault::no_write_check, Level::snapshot},
      {Fault::dirty_reads, Level::read_committed}, {Fault::dirty_reads, Level::snapshot},
      {Fault::stale_snapshot, Level::snapshot},    {Fault::torn_commit, Level::snapshot},
      {Fault::kept_abort, Level::read_committed},  {Fault::lost_append, Level::read_committed},
  };
  for (const auto& [fault, level] : faults) {
    History history;
    ModelStore store(fault);
    ModelLoad(store, level, {.seed = base_seed() * 1000 + GetParam()}, history).run();
    const Report report = check(history, {.level = level});
    EXPECT_FALSE(report.ok()) << seed_text() << "fault " << static_cast<int>(fault) << " at "
                              << name_of(level) << "\n"
                              << report.text();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, CheckerStore, testing::Range<uint64_t>(1, 11));

// --- Threads, and size ----------------------------------------------------------------------------------------

// The loads of several threads on one store, recorded into one history: what a test of the engine does.
TEST(CheckerConcurrent, ThreadsRecordSideBySide) {
  constexpr uint32_t kThreads = 4;
  History history;
  ModelStore store;
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&history, &store, t] {
      Session& session = history.session();
      std::mt19937_64 random(base_seed() * kThreads + t);
      for (Value i = 1; i <= 2000 / kSlowdown; ++i) {
        session.begin(Level::serializable);
        ModelStore::Txn txn = store.begin(Level::serializable);
        session.begun();
        const Key list = static_cast<Key>(random() % 4 * 2 + i / 100 * 8);
        session.read_list(list, store.read_list(txn, list));
        session.read(list + 1, store.read(txn, list + 1));
        const Key key = list + static_cast<Key>(random() % 2);
        const Value value = i * kThreads + t;
        if (!store.write(txn, key, value)) {
          store.abort(txn);
          session.aborted();
          continue;
        }
        is_list_key(key) ? session.append(key, value) : session.write(key, value);
        session.committing();
        store.commit(txn) ? session.committed() : session.aborted();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Level level : kLevels) {
    const Report report = check(history, {.level = level, .order = Order::real_time});
    EXPECT_TRUE(report.ok()) << "AETHER_SEED=" << base_seed() << "\n" << report.text();
    EXPECT_EQ(report.transactions, kThreads * (2000 / kSlowdown));
  }
}

class CheckerScale : public testing::TestWithParam<Level> {};

TEST_P(CheckerScale, AMillionTransactions) {
  const uint64_t transactions = 1'000'000 / kSlowdown;
  History history;
  {
    ModelStore store;
    // A wider window: most commit.
    ModelLoad(store, GetParam(), {.seed = base_seed(), .transactions = transactions, .window = 200},
              history)
        .run();
  }
  const Report report = check(history, {.level = GetParam()});
  EXPECT_TRUE(report.ok()) << "AETHER_SEED=" << base_seed() << "\n" << report.text();
  EXPECT_GE(report.transactions, transactions);
  EXPECT_GT(report.dependencies, 3 * transactions);
  RecordProperty("report", report.text().substr(0, report.text().find('\n')));
}

INSTANTIATE_TEST_SUITE_P(Levels, CheckerScale, testing::ValuesIn(kLevels),
                         [](const auto& level) { return std::string(name_of(level.param)); });

}  // namespace
}  // namespace aether::isolation
