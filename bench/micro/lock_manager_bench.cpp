// What a lock costs where nobody waits; and where everybody waits for one key.
//   aether-micro --benchmark_filter=Lock
#include <benchmark/benchmark.h>

#include <array>
#include <cstring>
#include <string_view>

#include "txn/lock_manager.h"

namespace aether::txn {
namespace {

LockManager& shared_manager() {
  static LockManager manager(LockOptions{});
  return manager;
}

/// 16 bytes that no other thread uses, a new one each time.
class Keys {
 public:
  explicit Keys(int thread) : number_(static_cast<uint64_t>(thread) << 48) {}
  std::string_view next() {
    const uint64_t words[2] = {++number_ * 0x9e3779b97f4a7c15, number_};
    std::memcpy(bytes_.data(), words, sizeof words);
    return {bytes_.data(), bytes_.size()};
  }

 private:
  uint64_t number_;
  std::array<char, 16> bytes_{};
};

// A transaction of that many keys in X, from its first lock to the release of all.
void uncontended_locks(benchmark::State& state) {
  LockManager& manager = shared_manager();
  Keys keys(state.thread_index());
  TxnId id = 1;
  for (auto step : state) {
    LockSet set(manager, id++);
    for (int64_t i = 0; i < state.range(0); ++i) {
      if (!manager.acquire(set, LockName::key(1, keys.next()), LockMode::x)) std::abort();
    }
  }
}
BENCHMARK(uncontended_locks)
    ->Name("LockKeysAndRelease")
    ->Arg(1)
    ->Arg(4)
    ->Arg(100)
    ->Threads(1)
    ->Threads(2);

void held_lock(benchmark::State& state) {
  LockSet set(shared_manager(), 1);
  const LockName name = LockName::key(1, "held");
  for (auto step : state) {
    if (!shared_manager().acquire(set, name, LockMode::s)) std::abort();
  }
}
BENCHMARK(held_lock)->Name("LockHeldAlready");

// Ranges are locked under all latches, and after the first one keys are kept in order.
void ranges(benchmark::State& state) {
  LockManager manager(LockOptions{});
  Keys keys(0);
  for (auto step : state) {
    LockSet set(manager, 1);
    for (int i = 0; i < 4; ++i) {
      const std::string begin(keys.next());
      const std::string end = begin + "\xff";
      if (!manager.acquire(set, LockName::range(1, begin, end), LockMode::s)) std::abort();
    }
  }
}
BENCHMARK(ranges)->Name("LockFourRangesAndRelease");

void keys_in_order(benchmark::State& state) {
  LockManager manager(LockOptions{});
  LockSet ranged(manager, 1);
  if (!manager.acquire(ranged, LockName::range(2, "a", "b"), LockMode::s)) std::abort();
  Keys keys(0);
  for (auto step : state) {
    LockSet set(manager, 2);
    for (int i = 0; i < 4; ++i) {
      if (!manager.acquire(set, LockName::key(1, keys.next()), LockMode::x)) std::abort();
    }
  }
}
BENCHMARK(keys_in_order)->Name("LockFourKeysWhereRangesAreUsed");

// All threads want one key: hand-overs between sleeping threads.
void one_key(benchmark::State& state) {
  LockManager& manager = shared_manager();
  TxnId id = 1 + (static_cast<uint64_t>(state.thread_index()) << 32);
  for (auto step : state) {
    LockSet set(manager, id++);
    if (!manager.acquire(set, LockName::key(1, "hot"), LockMode::x)) std::abort();
  }
}
BENCHMARK(one_key)->Name("LockHotKey")->Threads(2)->Threads(8)->UseRealTime();

}  // namespace
}  // namespace aether::txn
