#include "buffer/latch.h"

#include <gtest/gtest.h>

#include <array>
#include <thread>
#include <vector>

#include "buffer/guard.h"

namespace aether::buffer {
namespace {

TEST(HybridLatch, ExclusiveKeepsEverybodyElseOut) {
  HybridLatch latch;
  latch.lock();
  EXPECT_TRUE(latch.is_locked());
  EXPECT_FALSE(latch.try_lock());
  EXPECT_FALSE(latch.try_lock_shared());
  latch.unlock();
  EXPECT_FALSE(latch.is_locked());
  EXPECT_TRUE(latch.try_lock_shared());
  latch.unlock_shared();
}

TEST(HybridLatch, SharedAdmitsReadersOnly) {
  HybridLatch latch;
  const uint64_t version = latch.enter_optimistic();
  latch.lock_shared();
  EXPECT_TRUE(latch.try_lock_shared());
  EXPECT_FALSE(latch.try_lock());
  EXPECT_FALSE(latch.try_lock_at(version));
  EXPECT_TRUE(latch.validate(version)) << "readers are no change";
  latch.unlock_shared();
  EXPECT_TRUE(latch.try_upgrade_shared(version)) << "the only reader may become the writer";
  latch.unlock();
  EXPECT_FALSE(latch.validate(version));
}

TEST(HybridLatch, EveryExclusiveReleaseIsANewVersion) {
  HybridLatch latch;
  const uint64_t before = latch.enter_optimistic();
  EXPECT_TRUE(latch.validate(before));
  EXPECT_TRUE(latch.try_lock_at(before));
  EXPECT_FALSE(latch.validate(before)) << "held exclusively: what is read is not whole";
  latch.unlock();
  EXPECT_FALSE(latch.validate(before));
  EXPECT_FALSE(latch.try_lock_at(before));
  EXPECT_TRUE(latch.validate(latch.enter_optimistic()));
}

TEST(HybridLatch, AnUpgradeFailsBesideAnotherReader) {
  HybridLatch latch;
  const uint64_t version = latch.enter_optimistic();
  latch.lock_shared();
  latch.lock_shared();
  EXPECT_FALSE(latch.try_upgrade_shared(version));
  latch.unlock_shared();
  latch.unlock_shared();
}

// Goal:   in every mode a reader sees all words of a frame from one write.
// Method: writers set four words to one number; optimistic and shared readers compare them.
TEST(HybridLatchConcurrent, NoModeShowsHalfAChange) {
  constexpr uint64_t kWrites = 20000;
  Frame frame;
  std::array<std::atomic<uint64_t>, 4> words{};
  std::atomic<bool> done{false};
  std::atomic<uint64_t> torn{0};
  std::atomic<uint64_t> looks{0};
  const auto is_whole = [&] {
    const uint64_t first = words[0].load(std::memory_order_relaxed);
    for (const std::atomic<uint64_t>& word : words) {
      if (word.load(std::memory_order_relaxed) != first) return false;
    }
    return true;
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      for (uint64_t n = 0; n < kWrites; ++n) {
        const ExclusiveGuard guard = ExclusiveGuard::lock(frame);
        const uint64_t next = words[0].load(std::memory_order_relaxed) + 1;
        for (std::atomic<uint64_t>& word : words) word.store(next, std::memory_order_relaxed);
      }
    });
  }
  threads.emplace_back([&] {
    while (!done.load()) {
      const OptimisticGuard guard = OptimisticGuard::enter(frame);
      const bool whole = is_whole();
      if (guard.validate() && !whole) torn.fetch_add(1);
      looks.fetch_add(1);
    }
  });
  threads.emplace_back([&] {
    while (!done.load()) {
      const SharedGuard guard = SharedGuard::lock(frame);
      if (!is_whole()) torn.fetch_add(1);
    }
  });
  threads[0].join();
  threads[1].join();
  while (looks.load() == 0) std::this_thread::yield();
  done = true;
  threads[2].join();
  threads[3].join();
  EXPECT_EQ(words[0].load(), 2 * kWrites) << "no write was lost";
  EXPECT_EQ(torn.load(), 0u);
}

}  // namespace
}  // namespace aether::buffer
