// What the skiplist promises beyond the conformance suite: memory, cursors that hold back, removal while others link.
#include "index/skiplist/skiplist.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "base/checksum.h"
#include "support/slowdown.h"

namespace aether::index {
namespace {

using testing::HasSubstr;

using testing_support::kSlowdown;

std::string key_of(uint64_t number) { return "key" + std::to_string(1000000 + number); }

void fill(Skiplist& list, uint64_t count, const std::string& value) {
  for (uint64_t i = 0; i < count; ++i) ASSERT_TRUE(list.put(key_of(i), value).has_value());
}

TEST(Skiplist, MemoryIsBoundedAndComesBack) {
  Skiplist list({.memory_bytes_max = 1 * MiB});
  const std::string value(1000, 'v');
  uint64_t held = 0;
  Result<void> put;
  for (; (put = list.put(key_of(held), value)); ++held) {
  }
  ASSERT_EQ(put.error().code(), Code::no_memory);
  EXPECT_THAT(std::string(put.error().message()), HasSubstr("raise memory_bytes_max"));
  EXPECT_GT(held, 900u);
  EXPECT_LE(list.stats().memory_bytes, 1 * MiB);
  EXPECT_EQ(list.stats().keys, held);
  // Every key is there, reads and removes go on, and what is removed makes room at once.
  std::string found;
  for (uint64_t i = 0; i < held; ++i) ASSERT_TRUE(list.get(key_of(i), found).has_value());
  for (uint64_t round = 0; round < 3 * held; ++round) {
    ASSERT_TRUE(list.remove(key_of(round % held)).has_value());
    ASSERT_TRUE(list.put(key_of(round % held), value).has_value()) << round;
  }
  for (uint64_t i = 0; i < held; ++i) ASSERT_TRUE(list.remove(key_of(i)).has_value());
  list.collect();
  EXPECT_EQ(list.stats().memory_bytes, 0u);
  EXPECT_EQ(list.stats().keys, 0u);
}

TEST(Skiplist, ACursorThatStandsHoldsBackMemoryUntilItRests) {
  Skiplist list({.memory_bytes_max = 1 * MiB});
  fill(list, 10, std::string(100, 'v'));
  SkiplistCursor cursor = list.cursor();
  ASSERT_TRUE(*cursor.seek(key_of(5)));
  // Updates replace values that the cursor may be looking at.
  Result<void> put;
  for (int i = 0; i < 100000 && put; ++i) put = list.put(key_of(5), std::string(1000, 'w'));
  ASSERT_FALSE(put.has_value());
  EXPECT_EQ(put.error().code(), Code::no_memory);
  EXPECT_THAT(std::string(put.error().message()), HasSubstr("held back by a reader"));
  EXPECT_GT(list.stats().epochs.held_back, 0u);
  EXPECT_EQ(*cursor.value(), std::string(100, 'v')) << "as it was when the cursor came here";

  ASSERT_TRUE(cursor.rest().has_value());
  EXPECT_EQ(cursor.key(), key_of(5));
  EXPECT_EQ(*cursor.value(), std::string(100, 'v'));
  EXPECT_TRUE(list.put(key_of(5), std::string(1000, 'w')).has_value());
  list.collect();
  EXPECT_LT(list.stats().memory_bytes, 10000u);
  ASSERT_TRUE(*cursor.next());
  EXPECT_EQ(cursor.key(), key_of(6));
  ASSERT_TRUE(cursor.rest().has_value());
  ASSERT_TRUE(*cursor.prev());
  EXPECT_EQ(cursor.key(), key_of(5));
  EXPECT_EQ(*cursor.value(), std::string(1000, 'w'));
}

TEST(Skiplist, AWalkDoesNotHoldBackWhileItMoves) {
  Skiplist list;
  fill(list, 5000, "v");
  SkiplistCursor cursor = list.cursor();
  uint64_t seen = 0;
  for (bool there = *cursor.first(); there; there = *cursor.next(), ++seen) {
    ASSERT_EQ(cursor.key(), key_of(seen));
    ASSERT_TRUE(
        list.put(key_of(4999 - seen), "another value, which takes memory of its own").has_value());
    ASSERT_LT(list.stats().epochs.retired_objects, 600u);
  }
  EXPECT_EQ(seen, 5000u);
}

TEST(Skiplist, SeeksAcceptTheCursorsOwnKey) {
  Skiplist list;
  fill(list, 300, "v");
  SkiplistCursor cursor = list.cursor();
  ASSERT_TRUE(*cursor.first());
  for (uint64_t i = 1; i < 300; ++i) {
    // Its node goes, and the epoch moves on: only the pin keeps the key that is passed in.
    ASSERT_TRUE(list.remove(cursor.key()).has_value());
    list.collect();
    ASSERT_TRUE(*cursor.seek(SeekOp::greater, cursor.key()));
    ASSERT_EQ(cursor.key(), key_of(i));
  }
}

TEST(Skiplist, HeightsOfKeysChangeWithTheSeedAndOrderDoesNot) {
  for (const uint64_t seed : {0U, 1U, 77U}) {
    Skiplist list({.seed = seed});
    fill(list, 2000, "v");
    SkiplistCursor cursor = list.cursor();
    uint64_t seen = 0;
    for (bool there = *cursor.first(); there; there = *cursor.next())
      EXPECT_EQ(cursor.key(), key_of(seen++));
    EXPECT_EQ(seen, 2000u);
  }
}

/// Keys whose towers are at least seven levels high: linking and unlinking them takes long, so threads meet in it.
std::vector<std::string> tall_keys(size_t count) {
  std::vector<std::string> keys;
  for (uint64_t i = 0; keys.size() < count; ++i) {
    std::string key = key_of(i);
    if (base::checksum(key.data(), key.size(), 0) % (1 << 12) == 0) keys.push_back(std::move(key));
  }
  return keys;
}

// Nodes are removed while their inserters still link them: the later of the two retires each, once. Some stay, and are
// there for every reader all the time.
TEST(ConcurrentSkiplist, NodesThatAreRemovedWhileTheyAreLinkedAreFreedOnce) {
  Skiplist list;
  const std::vector<std::string> tall = tall_keys(6);
  for (size_t i = 0; i < tall.size(); i += 3) ASSERT_TRUE(list.put(tall[i], "stays").has_value());
  std::atomic<int> writing{3};
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (uint32_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (uint64_t round = 0; thread == 3 ? writing.load() != 0 : round < 60000 / kSlowdown;
           ++round) {
        const std::string& key = tall[round % tall.size()];
        if (thread == 3) {
          const bool is_there = list.visit(key, [](Bytes) {}).has_value();
          EXPECT_TRUE(is_there || round % tall.size() % 3 != 0) << "one that stays was not found";
        } else if (round % tall.size() % 3 != 0) {
          static_cast<void>(thread != 0 ? list.put(key, "v") : list.remove(key));
        }
      }
      writing.fetch_sub(thread == 3 ? 0 : 1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& key : tall) static_cast<void>(list.remove(key));
  list.collect();
  EXPECT_EQ(list.stats().keys, 0u);
  EXPECT_EQ(list.stats().memory_bytes, 0u);
  EXPECT_EQ(list.stats().epochs.retired_objects, 0u);
}

}  // namespace
}  // namespace aether::index
