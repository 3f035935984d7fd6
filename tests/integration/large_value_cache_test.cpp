// Values outside their leaves, kept in memory: what is read is what the row has, whatever has become of the pages before.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <thread>
#include <vector>

#include "property/world.h"

namespace aether {
namespace {

using testing_support::World;

TEST(LargeValueCache, TheSecondReadNeedsNoDisk) {
  World world(4096, 4096, 3);
  world.open();
  KvStore store = world.store("s");
  const std::string value(100'000, 'v');
  ASSERT_TRUE(store.put("k", value).has_value());
  EXPECT_EQ(*store.get("k"), value);
  const EnvStats before = world.env->stats();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(*store.get("k"), value);
  const EnvStats after = world.env->stats();
  EXPECT_EQ(after.block_cache_hits, before.block_cache_hits + 5);
  EXPECT_EQ(after.block_cache_misses, before.block_cache_misses);
  EXPECT_GE(after.block_cache_bytes, value.size());
  EXPECT_EQ(after.block_cache_bytes_max, 4096u * 4096 / 8);
  world.close();
}

TEST(LargeValueCache, ConcurrentWritersReusePagesUnderReaders) {
  World world(4096, 512, std::nullopt);
  world.options.log_bytes_max = 512 * MiB;
  world.options.block_cache_bytes = 4 * MiB;
  world.open();
  constexpr uint64_t kKeys = 8;
  // All of one length, so that one's pages become another's.
  const auto value_of = [](uint64_t key, uint64_t version) {
    std::string value = std::to_string(key);
    value.append("/").append(std::to_string(version)).append(" ");
    const char fill = static_cast<char>('a' + (key * 7 + version) % 26);
    value.resize(40'000, fill);
    return value;
  };
  KvStore store = world.store("s");
  for (uint64_t key = 0; key < kKeys; ++key)
    ASSERT_TRUE(store.put(std::to_string(key), value_of(key, 0)).has_value());
  std::vector<std::thread> threads;
  for (uint64_t thread = 0; thread < 2; ++thread) {
    threads.emplace_back([&, thread] {
      KvStore own = world.store("s");
      for (uint64_t version = 1; version < 150; ++version) {
        for (uint64_t key = thread; key < kKeys; key += 2)
          ASSERT_TRUE(own.put(std::to_string(key), value_of(key, version)).has_value());
      }
    });
  }
  for (uint64_t thread = 0; thread < 2; ++thread) {
    threads.emplace_back([&, thread] {
      KvStore own = world.store("s");
      std::mt19937_64 random(thread);
      std::map<uint64_t, uint64_t> seen;
      for (int i = 0; i < 4000; ++i) {
        const uint64_t key = random() % kKeys;
        const Result<std::string> value = own.get(std::to_string(key));
        ASSERT_TRUE(value.has_value()) << value.error().message();
        const uint64_t version = std::stoull(value->substr(value->find('/') + 1));
        ASSERT_EQ(*value, value_of(key, version));
        ASSERT_GE(version, seen[key]);
        seen[key] = version;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(world.env->stats().block_cache_hits, 100u);
  world.verify();
  world.close();
}

}  // namespace
}  // namespace aether
