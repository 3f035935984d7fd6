#include "buffer/block_cache.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace aether::buffer {
namespace {

BlockHandle block_of(std::string_view bytes) {
  BlockHandle block = BlockHandle::make(bytes.size());
  std::memcpy(block.memory(), bytes.data(), bytes.size());
  return block;
}

/// What stands in a block says which one it is.
std::string content(const BlockKey& key, size_t bytes) {
  std::string text = std::to_string(key.owner);
  text.append("/").append(std::to_string(key.place)).append(" ");
  text.resize(std::max(bytes, text.size()), 'x');
  return text;
}

TEST(BlockCache, KeepsWhatIsInserted) {
  BlockCache cache(1 << 20);
  EXPECT_FALSE(cache.find({1, 2}));
  cache.insert({1, 2}, block_of("one"));
  EXPECT_EQ(cache.find({1, 2}).bytes(), "one");
  EXPECT_FALSE(cache.find({2, 2}));
  EXPECT_FALSE(cache.find({1, 3}));
  cache.insert({1, 2}, block_of("two"));
  EXPECT_EQ(cache.find({1, 2}).bytes(), "one") << "who comes second finds the first one's";
  const BlockCacheStats stats = cache.stats();
  EXPECT_EQ(stats.blocks, 1u);
  EXPECT_EQ(stats.hits, 2u);
  EXPECT_EQ(stats.misses, 3u);
}

TEST(BlockCache, IsBoundedAndAHandleOutlivesItsBlock) {
  constexpr uint64_t kBytesMax = 1 << 20;
  BlockCache cache(kBytesMax);
  cache.insert({7, 0}, block_of("held"));
  const BlockHandle held = cache.find({7, 0});
  for (uint64_t i = 1; i < 5000; ++i) {
    const BlockKey key{7, i};
    cache.insert(key, block_of(content(key, 4000)));
    ASSERT_LE(cache.stats().bytes, kBytesMax);
  }
  EXPECT_GT(cache.stats().bytes, kBytesMax / 10 * 9);
  EXPECT_GT(cache.stats().evictions, 4000u);
  EXPECT_EQ(held.bytes(), "held");
}

// Goal:   a large cache, whose blocks lie in chunks, keeps to its bound and to what blocks hold; a handle outlives even the cache.
// Method: blocks of all sizes, several times what it keeps.
TEST(BlockCache, IsBoundedWhereBlocksLieInChunks) {
  constexpr uint64_t kBytesMax = 64 << 20;
  std::mt19937_64 random(5);
  BlockHandle held;
  {
    BlockCache cache(kBytesMax);
    for (uint64_t i = 0; i < 6000; ++i) {
      const BlockKey key{7, i};
      const std::string text = content(key, random() % 60'000);
      BlockHandle block = cache.make(text.size());
      std::memcpy(block.memory(), text.data(), text.size());
      cache.insert(key, block);
      ASSERT_LE(cache.stats().bytes, kBytesMax);
      const BlockKey other{7, random() % (i + 1)};
      held = cache.find(other);
      ASSERT_TRUE(!held || held.bytes().starts_with(content(other, 0))) << other.place;
    }
    EXPECT_GT(cache.stats().evictions, 1000u);
    held = cache.find({7, 5999});
    ASSERT_TRUE(held);
  }
  EXPECT_EQ(held.bytes().substr(0, 6), "7/5999");
}

TEST(BlockCache, WhatIsFoundAgainOutlivesAScan) {
  BlockCache cache(4 << 20);
  const uint64_t owner = cache.new_owner();
  for (uint64_t i = 0; i < 100; ++i) {
    const BlockKey key{owner, i};
    cache.insert(key, block_of(content(key, 4000)));
  }
  for (int round = 0; round < 2; ++round) {
    for (uint64_t i = 0; i < 100; ++i) EXPECT_TRUE(cache.find({owner, i}));
  }
  for (uint64_t i = 1000; i < 20'000; ++i) {
    const BlockKey key{owner, i};
    cache.insert(key, block_of(content(key, 4000)));
  }
  uint64_t left = 0;
  for (uint64_t i = 0; i < 100; ++i) left += cache.find({owner, i}) ? 1 : 0;
  EXPECT_GT(left, 90u);
}

TEST(BlockCache, WhatWasReadBeforeAnErasureIsNotKept) {
  BlockCache cache(1 << 20);
  const BlockKey key{BlockCache::kValues, 5};
  const uint64_t before = cache.erasures(key);
  cache.erase(key);
  cache.insert(key, block_of("old"), before);
  EXPECT_FALSE(cache.find(key));
  cache.insert(key, block_of("new"), cache.erasures(key));
  EXPECT_EQ(cache.find(key).bytes(), "new");
  cache.erase(key);
  EXPECT_FALSE(cache.find(key));
  EXPECT_EQ(cache.stats().bytes, 0u);
}

TEST(BlockCache, KeepsNothingThatIsTooLarge) {
  BlockCache none(1);
  none.insert({1, 1}, block_of("x"));
  EXPECT_FALSE(none.find({1, 1}));
  BlockCache cache(1 << 20);
  cache.insert({1, 1}, block_of(std::string(cache.largest_block(), 'x')));
  EXPECT_FALSE(cache.find({1, 1}));
}

TEST(BlockCache, ConcurrentUseMixesNothingUp) {
  BlockCache cache(512 << 10);
  std::vector<std::thread> threads;
  for (uint64_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&cache, thread] {
      std::mt19937_64 random(thread);
      for (int i = 0; i < 20'000; ++i) {
        const BlockKey key{1 + random() % 2, random() % 400};
        if (random() % 50 == 0) cache.erase(key);
        const uint64_t before = cache.erasures(key);
        const BlockHandle found = cache.find(key);
        const std::string expected = content(key, 1000 + key.place * 7);
        if (found) {
          ASSERT_EQ(found.bytes(), expected);
        } else {
          cache.insert(key, block_of(expected), before);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(cache.stats().bytes, 512u << 10);
}

}  // namespace
}  // namespace aether::buffer
