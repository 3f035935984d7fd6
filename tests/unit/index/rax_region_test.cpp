// Where inner nodes of a RAX lie: places do not overlap, what is held counts against the bound, and all of it comes back.
#include "index/rax/region.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <initializer_list>
#include <random>
#include <thread>
#include <vector>

#include "index/rax/rax.h"

namespace aether::index::rax {
namespace {

/// A place that was taken, filled with a byte of its own.
struct Taken {
  char* place;
  uint64_t bytes;
  char fill;

  bool is_intact() const noexcept {
    for (uint64_t i = 0; i < bytes; ++i) {
      if (place[i] != fill) return false;
    }
    return true;
  }
};

Taken take(Region& region, std::mt19937_64& random) {
  const uint64_t bytes = 40 + random() % (Region::kPlaceMax - 39);
  const Taken taken{static_cast<char*>(region.allocate(bytes, 0)), bytes,
                    static_cast<char>(random())};
  if (taken.place != nullptr) std::memset(taken.place, taken.fill, bytes);
  return taken;
}

// Goal:   places never overlap, and the chunks that they lie in come and go with them.
// Method: thousands of sizes of chance taken and freed in an order of chance, up to some large chunks and down to nothing, twice.
TEST(RaxRegion, PlacesComeAndGoInAnyOrder) {
  base::MemoryBudget budget(1 * GiB);
  Region region(budget);
  std::mt19937_64 random(7);
  std::vector<Taken> taken;
  for (const size_t target : std::initializer_list<size_t>{30000, 0, 30000, 500, 20000, 0}) {
    while (taken.size() != target) {
      // Two steps towards it, one away.
      if ((taken.size() < target) == (random() % 3 != 0) || taken.empty()) {
        taken.push_back(take(region, random));
        ASSERT_NE(taken.back().place, nullptr);
        ASSERT_EQ(reinterpret_cast<uint64_t>(taken.back().place) % 16, 0u);
      } else {
        std::swap(taken[random() % taken.size()], taken.back());
        ASSERT_TRUE(taken.back().is_intact());
        region.free(taken.back().place, 0);
        taken.pop_back();
      }
    }
    ASSERT_EQ(region.stats().places, target);
    ASSERT_EQ(budget.used(), region.stats().chunk_bytes);
    ASSERT_TRUE(target < 30000 || region.stats().large_chunks > 2);
  }
  EXPECT_EQ(region.stats().chunks, 0u);
  EXPECT_EQ(budget.used(), 0u);
}

// Goal:   the bound holds: no chunk beyond it, none of what is kept for removals, and none where it is small.
TEST(RaxRegion, TakesNoMoreThanTheBoundAllows) {
  base::MemoryBudget small(Region::kSmallChunk * Region::kChunksInBound - 1);
  EXPECT_EQ(Region(small).allocate(48, 0), nullptr);
  EXPECT_EQ(small.used(), 0u);

  constexpr uint64_t kBound = Region::kSmallChunk * Region::kChunksInBound;
  base::MemoryBudget budget(kBound, kBound / 16);
  Region region(budget);
  EXPECT_EQ(region.allocate(Region::kPlaceMax + 1, 0), nullptr);
  std::vector<void*> places;
  while (void* const place = region.allocate(48, 0)) places.push_back(place);
  EXPECT_LE(budget.used(), kBound - kBound / 16);
  EXPECT_GT(budget.used(), kBound - kBound / 8);
  EXPECT_GT(places.size() * 48, kBound * 3 / 4);
  for (void* const place : places) region.free(place, 0);
  EXPECT_EQ(budget.used(), 0u);
}

TEST(ConcurrentRaxRegion, ThreadsTakeAndFreePlacesOfEachOther) {
  base::MemoryBudget budget(1 * GiB);
  Region region(budget);
  os::Mutex mutex;
  std::vector<Taken> shared;
  std::atomic<bool> intact{true};
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (uint64_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      std::mt19937_64 random(thread);
      for (int round = 0; round < 20000; ++round) {
        Taken other{};
        {
          const Taken mine = take(region, random);
          const os::LockGuard guard(mutex);
          shared.push_back(mine);
          if (shared.size() < 2000) continue;
          std::swap(shared[random() % shared.size()], shared.back());
          other = shared.back();
          shared.pop_back();
        }
        if (!other.is_intact()) intact = false;
        region.free(other.place, 0);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(intact);
  for (const Taken& left : shared) region.free(left.place, 0);
  EXPECT_EQ(budget.used(), 0u);
}

// Goal:   a tree's inner nodes lie in its region, where builds have it, and leave it with the last key.
TEST(RaxRegion, HoldsTheInnerNodesOfATree) {
  Rax tree;
  std::mt19937_64 random(9);
  std::vector<std::string> keys;
  for (int i = 0; i < 20000; ++i) keys.push_back("key/" + std::to_string(random()));
  for (const std::string& key : keys) ASSERT_TRUE(tree.put(key, key).has_value());
  ASSERT_TRUE(tree.validate().has_value());
#if defined(AETHER_RAX_HAS_REGION)
  EXPECT_GT(tree.stats().region.places, 100u);
#else
  EXPECT_EQ(tree.stats().region.places, 0u);
#endif
  for (const std::string& key : keys) ASSERT_TRUE(tree.remove(key).has_value());
  tree.collect();
  EXPECT_EQ(tree.stats().region.chunk_bytes, 0u);
  EXPECT_EQ(tree.stats().memory_bytes, 0u);
}

}  // namespace
}  // namespace aether::index::rax
