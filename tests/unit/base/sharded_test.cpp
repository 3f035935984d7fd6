#include "base/sharded.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>
#include <vector>

namespace aether::base {
namespace {

TEST(MemoryBudget, AllOfTheBoundCanBeTakenAndNotMore) {
  for (const uint64_t max : {uint64_t{0}, uint64_t{1}, uint64_t{100}, uint64_t{1} << 20}) {
    MemoryBudget budget(max);
    EXPECT_FALSE(budget.take(max + 1, 0));
    uint64_t taken = 0;
    const uint64_t piece = max / 100 + 1;
    for (uint32_t hint = 0; budget.take(piece, hint); ++hint) taken += piece;
    EXPECT_GT(taken + piece, max) << "credits of other threads are used too";
    EXPECT_LE(taken, max);
    EXPECT_EQ(budget.used(), taken);
    for (uint32_t hint = 0; taken != 0; ++hint, taken -= piece) budget.give(piece, hint * 3);
    EXPECT_EQ(budget.used(), 0u);
    EXPECT_TRUE(budget.take(max, 5)) << "what was given back can be taken anew";
  }
}

TEST(MemoryBudget, APartIsKeptForThoseWhoShrink) {
  constexpr uint64_t kMax = 1 << 20;
  MemoryBudget budget(kMax, kMax / 4);
  uint64_t taken = 0;
  while (budget.take(1000, 0)) taken += 1000;
  EXPECT_GT(taken + 1000, kMax / 4 * 3);
  EXPECT_LE(taken, kMax / 4 * 3);
  // Takes and gives of one, again and again, leave nothing for the other.
  for (int round = 0; round < 10000; ++round) {
    ASSERT_TRUE(budget.take(3000, 0, MemoryBudget::For::shrinking));
    ASSERT_FALSE(budget.take(1000, 0));
    budget.give(3000, 0);
  }
  while (budget.take(1000, 0, MemoryBudget::For::shrinking)) taken += 1000;
  EXPECT_GT(taken + 1000, kMax);
  EXPECT_EQ(budget.used(), taken);
}

TEST(ConcurrentMemoryBudget, NeverBeyondItsBound) {
  constexpr uint64_t kMax = 1 << 20;
  MemoryBudget budget(kMax);
  std::atomic<uint64_t> taken{0};
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (uint32_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      std::mt19937_64 random(thread);
      std::vector<uint64_t> mine;
      for (int round = 0; round < 20000; ++round) {
        if (const uint64_t bytes = random() % 5000;
            random() % 3 != 0 && budget.take(bytes, thread)) {
          EXPECT_LE(taken.fetch_add(bytes) + bytes, kMax);
          mine.push_back(bytes);
        } else if (!mine.empty()) {
          taken.fetch_sub(mine.back());  // Before another can have it.
          budget.give(mine.back(), thread);
          mine.pop_back();
        }
      }
      for (const uint64_t bytes : mine) {
        taken.fetch_sub(bytes);
        budget.give(bytes, thread);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(budget.used(), 0u);
}

TEST(ShardedCounter, SumsAllShards) {
  ShardedCounter counter;
  for (uint32_t hint = 0; hint < 100; ++hint) counter.add(hint % 2 == 0 ? 3 : -1, hint);
  EXPECT_EQ(counter.sum(), 100);
}

}  // namespace
}  // namespace aether::base
