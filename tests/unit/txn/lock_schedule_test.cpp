// Many threads, random requests, and an oracle that knows no lock table.
#include <array>
#include <mutex>
#include <random>

#include "support/slowdown.h"
#include "tests/unit/txn/lock_fixture.h"

namespace aether::txn {
namespace {

using namespace testing_support;

constexpr StoreId kStores = 2;
constexpr size_t kKeys = 6;

std::string key_name(size_t i) { return std::string(1, static_cast<char>('b' + i)); }

/// What a lock lets its owner do to each key: nothing, read it, write it.
enum class Use : uint8_t { none, read, write };
using Uses = std::array<Use, kStores * kKeys>;

Uses uses_of(const LockName& name, LockMode mode) {
  Uses uses{};
  const Use use = mode == LockMode::x                            ? Use::write
                  : mode == LockMode::s || mode == LockMode::six ? Use::read
                                                                 : Use::none;
  for (StoreId store = 1; store <= kStores; ++store) {
    for (size_t i = 0; i < kKeys; ++i) {
      const std::string key = key_name(i);
      bool within = name.level == LockLevel::environment || name.store == store;
      if (name.level == LockLevel::key) within = within && name.begin == key;
      if (name.level == LockLevel::range) {
        within = within && name.begin <= key && (name.end.empty() || key < name.end);
      }
      if (within) uses[(store - 1) * kKeys + i] = use;
    }
  }
  return uses;
}

/// Counts the readers and writers of each key. Not one of them may write while another reads or writes.
class Oracle {
 public:
  /// `mine`: what the owner could do before; grows by `more`. Empty, or what is wrong.
  std::string enter(Uses& mine, const Uses& more) {
    const std::lock_guard guard(mutex_);
    for (size_t i = 0; i < mine.size(); ++i) {
      if (more[i] <= mine[i]) continue;
      change(i, mine[i], -1);
      mine[i] = more[i];
      change(i, mine[i], +1);
      if (writers_[i] > 1 || (writers_[i] == 1 && readers_[i] != 0)) {
        return "key " + std::to_string(i) + " has " + std::to_string(writers_[i]) +
               " writers and " + std::to_string(readers_[i]) + " readers";
      }
    }
    return {};
  }
  void set(Uses& mine, const Uses& now) {
    const std::lock_guard guard(mutex_);
    for (size_t i = 0; i < mine.size(); ++i) {
      change(i, mine[i], -1);
      change(i, now[i], +1);
    }
    mine = now;
  }

 private:
  void change(size_t i, Use use, int by) {
    if (use == Use::read) readers_[i] += by;
    if (use == Use::write) writers_[i] += by;
  }
  std::mutex mutex_;
  std::array<int, kStores * kKeys> readers_{}, writers_{};
};

struct Request {
  OwnedLockName name;
  LockMode mode;
};

Request random_request(std::mt19937_64& random) {
  const auto store = static_cast<StoreId>(1 + random() % kStores);
  const LockMode leaf_mode = random() % 2 == 0 ? LockMode::s : LockMode::x;
  const auto coarse_mode = static_cast<LockMode>(1 + random() % 5);
  const uint64_t kind = random() % 40;
  if (kind == 0) return {OwnedLockName(LockName::environment()), coarse_mode};
  if (kind < 4) return {OwnedLockName(LockName::of_store(store)), coarse_mode};
  if (kind < 12) {
    const size_t begin = random() % kKeys, length = 1 + random() % 3;
    const std::string end = begin + length >= kKeys ? "" : key_name(begin + length);
    return {OwnedLockName(LockName::range(store, key_name(begin), end)), leaf_mode};
  }
  return {OwnedLockName(LockName::key(store, key_name(random() % kKeys))), leaf_mode};
}

struct Tally {
  uint64_t granted = 0, busy = 0, deadlocks = 0, timed_out = 0;
};

// One transaction: some locks, sometimes a savepoint and back, then the end. Any error ends it.
void run_transaction(LockManager& manager, Oracle& oracle, TxnId id, std::mt19937_64& random,
                     Tally& tally) {
  LockSet set(manager, id);
  Uses mine{};
  LockMark mark = set.mark();
  Uses at_mark = mine;
  const uint64_t steps = 1 + random() % 6;
  for (uint64_t step = 0; step < steps; ++step) {
    if (random() % 8 == 0) {
      mark = set.mark();
      at_mark = mine;
    } else if (random() % 8 == 0) {
      oracle.set(mine, at_mark);
      manager.release_to(set, mark);
    }
    const Request request = random_request(random);
    const uint64_t kind = random() % 16;
    const uint64_t timeout_ns = kind == 0 ? 0 : kind == 1 ? 50'000 : kLong;
    const Result<void> got = manager.acquire(set, request.name.view(), request.mode, timeout_ns);
    if (!got.has_value()) {
      const Code code = got.error().code();
      ASSERT_TRUE(code == Code::busy || code == Code::deadlock || code == Code::timed_out ||
                  code == Code::too_large)
          << got.error().message();
      ASSERT_FALSE(code == Code::timed_out && timeout_ns == kLong) << "waited for ever";
      if (code == Code::busy) ++tally.busy;
      if (code == Code::deadlock) ++tally.deadlocks;
      if (code == Code::timed_out) ++tally.timed_out;
      break;
    }
    ++tally.granted;
    const std::string wrong = oracle.enter(mine, uses_of(request.name.view(), request.mode));
    ASSERT_EQ(wrong, "") << to_string(request.name.view()) << " in " << to_string(request.mode);
    if (random() % 4 == 0) os::yield();
  }
  oracle.set(mine, Uses{});  // Before the locks go: the oracle must never see too much.
}

/// Of each of six threads. Each waits for others some times, which on a busy machine is a time slice.
constexpr uint64_t kTransactions = 1'000 / aether::testing_support::kSlowdown;

void run_schedule(const LockOptions& options, uint64_t seed, uint64_t transactions) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  constexpr uint64_t kThreads = 6;
  LockManager manager(options);
  Oracle oracle;
  std::array<Tally, kThreads> tallies;
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(seed * 1000 + t);
      for (uint64_t i = 0; i < transactions && !testing::Test::HasFailure(); ++i) {
        run_transaction(manager, oracle, 1 + t + i * kThreads, random, tallies[t]);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  Tally sum;
  for (const Tally& tally : tallies) {
    sum.granted += tally.granted;
    sum.deadlocks += tally.deadlocks;
    sum.timed_out += tally.timed_out;
  }
  const LockSnapshot end = manager.snapshot();
  EXPECT_EQ(end.holders_total, 0u);
  EXPECT_TRUE(end.waiters.empty());
  EXPECT_EQ(end.counters.deadlocks, sum.deadlocks);
  EXPECT_EQ(end.counters.timeouts, sum.timed_out);
  EXPECT_GT(sum.granted, transactions);
  EXPECT_GT(end.counters.waits, 0u);  // Else this proves little.
}

// Goal:   no two transactions ever may do to one key what excludes each other, and nobody waits for ever.
// Method: six threads over twelve keys; the oracle expands every lock to the keys it lets its owner use.
TEST(ConcurrentLockSchedule, NothingIncompatibleIsHeldAtOnce) {
  for (const uint64_t seed : {1u, 2u, 3u, 4u}) run_schedule({}, seed, kTransactions);
}

TEST(ConcurrentLockSchedule, NorWithOnePartitionOrWithEscalation) {
  run_schedule({.partitions = 1}, 11, kTransactions);
  LockOptions tight;
  tight.locks_per_transaction_max = 8;
  run_schedule(tight, 12, kTransactions);
}

// Stores are forgotten while others come for their first lock there.
TEST(ConcurrentLockSchedule, StoresAreForgottenWhileOthersLock) {
  LockManager manager(LockOptions{});
  std::array<int, 2> inside{};
  std::vector<std::thread> threads;
  std::atomic<bool> stop{false};
  for (TxnId t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (TxnId i = 0; i < 5'000; ++i) {
        const auto store = static_cast<StoreId>(1 + i % 2);
        LockSet set(manager, 1 + t + 3 * i);
        ASSERT_TRUE(manager.acquire(set, LockName::key(store, "k"), LockMode::x, kLong));
        ASSERT_EQ(++inside[store - 1], 1);
        --inside[store - 1];
      }
    });
  }
  std::thread forgetful([&] {
    while (!stop.load()) {
      manager.forget_store(1);
      manager.forget_store(2);
    }
  });
  for (std::thread& thread : threads) thread.join();
  stop.store(true);
  forgetful.join();
  EXPECT_EQ(manager.snapshot().holders_total, 0u);
}

}  // namespace
}  // namespace aether::txn
