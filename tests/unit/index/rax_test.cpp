// What RAX promises beyond the conformance suite: its shape, memory, random walks, deep paths, cursors that hold back.
#include "index/rax/rax.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace aether::index {
namespace {

using testing::HasSubstr;

std::string key_of(uint64_t number) { return "key" + std::to_string(1000000 + number); }

#if defined(__SSE2__)
TEST(Rax, FindsAByteAmongAnyNumber) {
  // Every number of edges, dense and sparse, each byte asked for; in a block of exactly that size, so that the address
  // sanitizer sees a read beyond.
  for (uint32_t count = 16; count <= 256; ++count) {
    for (const uint32_t gap : {1U, 256U / count}) {
      const std::unique_ptr<uint8_t[]> bytes(new uint8_t[count]);
      std::map<uint8_t, uint32_t> places;
      for (uint32_t i = 0; i < count; ++i) {
        bytes[i] = static_cast<uint8_t>(i * gap);
        places[bytes[i]] = i;
      }
      for (uint32_t byte = 0; byte < 256; ++byte) {
        const auto place = places.find(static_cast<uint8_t>(byte));
        ASSERT_EQ(rax::find_byte_wide(bytes.get(), count, static_cast<uint8_t>(byte)),
                  place == places.end() ? rax::kNoChild : place->second)
            << count << " " << byte;
      }
    }
  }
}
#endif

// Children from one to 256, at any place among the bytes, behind prefixes of any length, which lie beside the edges: each is
// found, and no other.
TEST(Rax, FindsChildrenOfAnyNumber) {
  std::mt19937_64 random(5);
  std::vector<uint8_t> bytes(256);
  for (uint32_t i = 0; i < 256; ++i) bytes[i] = static_cast<uint8_t>(i);
  for (uint32_t count = 1; count <= 256; ++count) {
    std::shuffle(bytes.begin(), bytes.end(), random);
    std::string prefix(count % 9, '\0');
    for (char& byte : prefix) byte = static_cast<char>(random());
    const auto key_with = [&](uint32_t i) { return prefix + static_cast<char>(bytes[i]); };
    Rax tree;
    for (uint32_t i = 0; i < count; ++i) {
      ASSERT_TRUE(tree.insert(key_with(i), key_with(i)).has_value());
    }
    for (uint32_t i = 0; i < 256; ++i) {
      std::string value;
      ASSERT_EQ(tree.get(key_with(i), value).has_value(), i < count) << count << " " << i;
      ASSERT_EQ(value, i < count ? key_with(i) : std::string());
    }
  }
}

TEST(Rax, EveryByteOfAPrefixCounts) {
  for (size_t length = 1; length <= 40; ++length) {
    const std::string key(length, 'k');
    Rax tree;
    ASSERT_TRUE(tree.insert(key, "v").has_value());
    std::string value;
    EXPECT_TRUE(tree.get(key, value).has_value());
    EXPECT_FALSE(tree.get(key.substr(1), value).has_value());
    EXPECT_FALSE(tree.get(key + 'k', value).has_value());
    for (size_t at = 0; at < length; ++at) {
      std::string other = key;
      other[at] = 'K';
      EXPECT_FALSE(tree.get(other, value).has_value()) << length << " " << at;
    }
  }
}

// Against next and a comparison, from every key to every end.
TEST(Rax, StepsUpToAnEnd) {
  std::vector<std::string> keys{""};
  for (size_t i = 0; keys[i].size() < 3; ++i) {
    for (const char byte : {'\0', 'a', '\xff'}) keys.push_back(keys[i] + byte);
  }
  Rax tree;
  for (size_t i = 0; i < keys.size(); i += 2) ASSERT_TRUE(tree.insert(keys[i], "v").has_value());
  auto cursor = tree.cursor();
  auto model = tree.cursor();
  size_t steps = 0;
  for (const std::string& from : keys) {
    for (const std::string& end : keys) {
      if (!*model.seek(from)) continue;
      ASSERT_TRUE(*cursor.seek(from));
      const bool goes_on = *model.next() && model.key() < end;
      ASSERT_EQ(*cursor.next_before(end), goes_on) << from << " " << end;
      ASSERT_EQ(cursor.positioned(), goes_on);
      if (!goes_on) continue;
      ASSERT_EQ(cursor.key(), model.key());
      ++steps;
    }
  }
  EXPECT_GT(steps, 100u);
  // From nowhere to the first; beside a key that is gone.
  ASSERT_FALSE(*cursor.seek("\xff\xff\xff\xff"));
  ASSERT_TRUE(*cursor.next_before("a"));
  EXPECT_EQ(cursor.key(), "");
  ASSERT_TRUE(tree.remove("").has_value());
  ASSERT_TRUE(*model.first());
  EXPECT_FALSE(*cursor.next_before(model.key()));
}

// Long keys and paths outgrow what a cursor has in itself; it moves whole.
TEST(Rax, ACursorMovesWithItsPath) {
  for (const size_t length : {5u, 100u, 1000u}) {
    Rax tree;
    for (size_t i = 1; i <= length; ++i)
      ASSERT_TRUE(tree.insert(std::string(i, 'k'), "v").has_value());
    RaxCursor from = tree.cursor();
    ASSERT_TRUE(*from.seek(std::string(length - 2, 'k')));
    RaxCursor to = std::move(from);
    EXPECT_EQ(to.key(), std::string(length - 2, 'k'));
    ASSERT_TRUE(*to.next());
    from = std::move(to);
    ASSERT_TRUE(*from.next());
    EXPECT_EQ(from.key(), std::string(length, 'k'));
    ASSERT_TRUE(*from.prev());
    EXPECT_EQ(from.key(), std::string(length - 1, 'k'));
  }
}

// The shapes of a split, and joining again: the tree of the same keys has the same nodes, however it came to be.
TEST(Rax, NodesAreThoseThatTheKeysNeed) {
  Rax tree;
  const auto put = [&](Bytes key) { ASSERT_TRUE(tree.insert(key, "v").has_value()); };
  const auto remove = [&](Bytes key) { ASSERT_TRUE(tree.remove(key).has_value()); };
  put("annibale");
  EXPECT_EQ(tree.stats().nodes, 1u);
  put("annientare");  // In the middle of the prefix.
  EXPECT_EQ(tree.stats().nodes, 3u);
  put("annibali");  // At its last byte.
  EXPECT_EQ(tree.stats().nodes, 5u);
  put("ago");  // After its first byte.
  EXPECT_EQ(tree.stats().nodes, 7u);
  put("ciao");  // At its first byte.
  EXPECT_EQ(tree.stats().nodes, 9u);
  put("anni");  // Ends at a node that is there.
  EXPECT_EQ(tree.stats().nodes, 9u);
  put("annib");  // Ends inside a prefix.
  EXPECT_EQ(tree.stats().nodes, 10u);
  EXPECT_EQ(tree.stats().keys, 7u);
  remove("annib");
  EXPECT_EQ(tree.stats().nodes, 9u);
  remove("ciao");
  EXPECT_EQ(tree.stats().nodes, 7u);
  remove("annibali");  // Its parent is joined with the other child.
  EXPECT_EQ(tree.stats().nodes, 5u);
  remove("annibale");  // Its parent has one child left, and is a key.
  EXPECT_EQ(tree.stats().nodes, 4u);
  remove("anni");  // Leads on one way: joined with that.
  EXPECT_EQ(tree.stats().nodes, 3u);
  remove("ago");
  EXPECT_EQ(tree.stats().nodes, 1u);
  remove("annientare");
  EXPECT_EQ(tree.stats().nodes, 0u);
  tree.collect();
  EXPECT_EQ(tree.stats().memory_bytes, 0u);
}

TEST(Rax, RandomKeysComeAndGoAndTheTreeIsAsIfTheyHadNeverBeen) {
  std::mt19937_64 random(7);
  Rax tree;
  std::set<std::string> keys;
  const auto some_key = [&] {
    std::string key;
    for (uint64_t length = random() % 12; length > 0; --length)
      key += static_cast<char>('a' + random() % 3);
    return key;
  };
  for (int round = 0; round < 20000; ++round) {
    const std::string key = some_key();
    if (random() % 2 == 0) {
      ASSERT_EQ(tree.insert(key, key).has_value(), keys.insert(key).second);
    } else {
      ASSERT_EQ(tree.remove(key).has_value(), keys.erase(key) == 1);
    }
    if (round % 1000 != 0) continue;
    Rax fresh;
    for (const std::string& one : keys) ASSERT_TRUE(fresh.insert(one, one).has_value());
    ASSERT_EQ(tree.stats().nodes, fresh.stats().nodes) << "round " << round;
    tree.collect();
    fresh.collect();
    ASSERT_EQ(tree.stats().memory_bytes, fresh.stats().memory_bytes);
  }
}

TEST(Rax, PathsAsDeepAsTheLongestKey) {
  // Each key one byte longer than the last: a node for each byte.
  Rax tree;
  const std::string longest(Rax::kKeyBytesMax, 'a');
  constexpr size_t kStep = 16;
  for (size_t length = 0; length <= longest.size(); length += kStep) {
    ASSERT_TRUE(tree.insert(Bytes(longest).substr(0, length), "v").has_value());
  }
  EXPECT_EQ(tree.stats().nodes, longest.size() / kStep + 1);
  RaxCursor cursor = tree.cursor();
  size_t seen = 0;
  for (bool there = *cursor.last(); there; there = *cursor.prev()) {
    ASSERT_EQ(cursor.key().size(), longest.size() - seen * kStep);
    ++seen;
  }
  EXPECT_EQ(seen, longest.size() / kStep + 1);
  ASSERT_TRUE(*cursor.seek(SeekOp::longest_prefix, std::string(1000, 'a') + "b"));
  EXPECT_EQ(cursor.key().size(), 1000 / kStep * kStep);
}

TEST(Rax, AFanOfAllBytes) {
  Rax tree;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const char key[2] = {static_cast<char>(byte * 167), 'x'};
    ASSERT_TRUE(tree.insert({key, 2}, "v").has_value());
  }
  EXPECT_EQ(tree.stats().nodes, 257u);
  RaxCursor cursor = tree.cursor();
  uint32_t expected = 0;
  for (bool there = *cursor.first(); there; there = *cursor.next(), ++expected) {
    ASSERT_EQ(static_cast<uint8_t>(cursor.key()[0]), expected);
  }
  EXPECT_EQ(expected, 256u);
}

TEST(Rax, RandomWalksReachEveryKey) {
  Rax tree;
  std::mt19937_64 random(1);
  const auto below = [&](uint64_t n) { return random() % n; };
  RaxCursor cursor = tree.cursor();
  EXPECT_FALSE(*cursor.random(below));
  std::map<std::string, int> times;
  for (const char* key : {"", "a", "ab", "abc", "b", "bcdef", "bcx", "c", "ca"}) {
    ASSERT_TRUE(tree.insert(key, key).has_value());
    times[key] = 0;
  }
  for (int i = 0; i < 2000; ++i) {
    ASSERT_TRUE(*cursor.random(below));
    ASSERT_EQ(std::string(*cursor.value()), std::string(cursor.key()));
    ++times.at(std::string(cursor.key()));
  }
  for (const auto& [key, count] : times) {
    EXPECT_GT(count, 20) << key;
  }
  // From there it walks on.
  ASSERT_TRUE(*cursor.seek("b"));
  ASSERT_TRUE(*cursor.next());
  EXPECT_EQ(cursor.key(), "bcdef");
}

TEST(Rax, MemoryIsBoundedAndComesBack) {
  Rax tree({.memory_bytes_max = 1 * MiB});
  const std::string value(1000, 'v');
  uint64_t held = 0;
  Result<void> put;
  for (; (put = tree.put(key_of(held), value)); ++held) {
  }
  ASSERT_EQ(put.error().code(), Code::no_memory);
  EXPECT_THAT(std::string(put.error().message()), HasSubstr("raise memory_bytes_max"));
  EXPECT_GT(held, 900u);
  EXPECT_LE(tree.stats().memory_bytes, 1 * MiB);
  for (uint64_t i = 0; i < held; ++i) ASSERT_TRUE(tree.visit(key_of(i), [](Bytes) {}).has_value());
  // Taking away needs a node too: there is room for that at the bound, and what goes makes room at once.
  for (uint64_t round = 0; round < 3 * held; ++round) {
    ASSERT_TRUE(tree.remove(key_of(round % held)).has_value()) << round;
    ASSERT_TRUE(tree.put(key_of(round % held), value).has_value()) << round;
  }
  for (uint64_t i = 0; i < held; ++i) ASSERT_TRUE(tree.remove(key_of(i)).has_value()) << i;
  tree.collect();
  EXPECT_EQ(tree.stats().memory_bytes, 0u);
}

TEST(Rax, ACursorThatStandsHoldsBackMemoryUntilItRests) {
  Rax tree({.memory_bytes_max = 1 * MiB});
  for (uint64_t i = 0; i < 10; ++i)
    ASSERT_TRUE(tree.put(key_of(i), std::string(100, 'v')).has_value());
  RaxCursor cursor = tree.cursor();
  ASSERT_TRUE(*cursor.seek(key_of(5)));
  Result<void> put;
  for (int i = 0; i < 100000 && put; ++i) put = tree.put(key_of(5), std::string(1000, 'w'));
  ASSERT_FALSE(put.has_value());
  EXPECT_THAT(std::string(put.error().message()), HasSubstr("held back by a reader"));
  EXPECT_EQ(*cursor.value(), std::string(100, 'v'));
  ASSERT_TRUE(cursor.rest().has_value());
  EXPECT_EQ(cursor.key(), key_of(5));
  EXPECT_EQ(*cursor.value(), std::string(100, 'v'));
  EXPECT_TRUE(tree.put(key_of(5), std::string(1000, 'w')).has_value());
  tree.collect();
  EXPECT_LT(tree.stats().memory_bytes, 10000u);
  ASSERT_TRUE(*cursor.next());
  EXPECT_EQ(cursor.key(), key_of(6));
}

// Nodes are joined and split around each other by all threads, and nothing is lost or freed twice.
TEST(ConcurrentRax, SplitsAndJoinsOfNeighbours) {
  Rax tree;
  const std::vector<std::string> keys = {"",     "a",    "ab",   "abc",  "abcd", "abce", "abx", "b",
                                         "bcde", "bcdf", "bcxx", "bcxy", "c",    "cc",   "ccc"};
  std::vector<std::atomic<int64_t>> there(keys.size());
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (uint64_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      std::mt19937_64 random(thread);
      for (int round = 0; round < 20000; ++round) {
        const size_t which = random() % keys.size();
        if (random() % 2 == 0) {
          if (tree.insert(keys[which], keys[which])) there[which].fetch_add(1);
        } else if (tree.remove(keys[which])) {
          there[which].fetch_sub(1);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Rax fresh;
  for (size_t i = 0; i < keys.size(); ++i) {
    ASSERT_EQ(tree.visit(keys[i], [](Bytes) {}).has_value(), there[i] == 1) << keys[i];
    if (there[i] == 1) {
      ASSERT_TRUE(fresh.insert(keys[i], keys[i]).has_value());
    }
  }
  EXPECT_EQ(tree.stats().nodes, fresh.stats().nodes);
  tree.collect();
  fresh.collect();
  EXPECT_EQ(tree.stats().memory_bytes, fresh.stats().memory_bytes);
}

}  // namespace
}  // namespace aether::index
