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

TEST(Rax, KeysAreInOneNodeUntilThatIsFull) {
  Rax tree;
  const std::vector<std::string> keys = {"annibale", "annientare", "annibali", "ago",
                                         "ciao",     "anni",       "annib",    ""};
  for (const std::string& key : keys) ASSERT_TRUE(tree.insert(key, key).has_value());
  EXPECT_EQ(tree.stats().nodes, 1u);
  // Longer values: it becomes several, and none of them changes what the keys say.
  for (const std::string& key : keys) {
    ASSERT_TRUE(tree.put(key, key + std::string(120, 'v')).has_value());
    ASSERT_TRUE(tree.put(key + "/more", std::string(120, 'w')).has_value());
    ASSERT_TRUE(tree.validate().has_value());
  }
  EXPECT_GT(tree.stats().nodes, 2u);
  for (const std::string& key : keys) {
    std::string value;
    ASSERT_TRUE(tree.get(key, value).has_value());
    EXPECT_EQ(value, key + std::string(120, 'v'));
    ASSERT_TRUE(tree.remove(key + "/more").has_value());
  }
  // And one again, when they go.
  for (size_t i = 3; i < keys.size(); ++i) ASSERT_TRUE(tree.remove(keys[i]).has_value());
  ASSERT_TRUE(tree.validate().has_value());
  EXPECT_EQ(tree.stats().nodes, 1u);
  for (size_t i = 0; i < 3; ++i) ASSERT_TRUE(tree.remove(keys[i]).has_value());
  EXPECT_EQ(tree.stats().nodes, 0u);
  tree.collect();
  EXPECT_EQ(tree.stats().memory_bytes, 0u);
}

// Of keys that come in order all buckets but the last are nearly full.
TEST(Rax, KeysInOrderFillTheirBuckets) {
  Rax tree;
  constexpr uint64_t kCount = 20000;
  for (uint64_t i = 0; i < kCount; ++i) ASSERT_TRUE(tree.insert(key_of(i), "8 bytes.").has_value());
  ASSERT_TRUE(tree.validate().has_value());
  EXPECT_LT(tree.stats().nodes, kCount / 25);
}

/// Against a map: all operators, from keys that are there and others.
class RaxAgainstAMap {
 public:
  explicit RaxAgainstAMap(uint64_t seed) : random_(seed) {}

  void write() {
    std::string key = some_key();
    const auto near = map_.lower_bound(key);
    if (!is_growing_ && near != map_.end() && random_() % 2 == 0) key = near->first;
    const std::string value(sizes_[random_() % sizes_.size()], static_cast<char>(random_()));
    switch (random_() % (is_growing_ ? 3 : 5)) {
      case 0:
        ASSERT_EQ(tree_.insert(key, value).has_value(), map_.emplace(key, value).second);
        break;
      case 1:
        ASSERT_TRUE(tree_.put(key, value).has_value());
        map_[key] = value;
        break;
      case 2: {
        const auto at = map_.find(key);
        ASSERT_EQ(tree_.update(key, value).has_value(), at != map_.end());
        if (at != map_.end()) at->second = value;
        break;
      }
      default: ASSERT_EQ(tree_.remove(key).has_value(), map_.erase(key) == 1);
    }
  }
  void read() {
    const std::string key = some_key();
    const auto at = map_.find(key);
    std::string value;
    ASSERT_EQ(tree_.get(key, value).has_value(), at != map_.end());
    if (at != map_.end()) {
      ASSERT_EQ(value, at->second);
    }
    const auto above = map_.upper_bound(key);
    const auto from = map_.lower_bound(key);
    expect(SeekOp::greater, key, above);
    expect(SeekOp::at_least, key, from);
    expect(SeekOp::less, key, before(from));
    expect(SeekOp::at_most, key, before(above));
    expect(SeekOp::equal, key, at);
    expect(SeekOp::first, key, map_.begin());
    expect(SeekOp::last, key, before(map_.end()));
    auto longest = map_.end();
    for (size_t length = 0; length <= key.size(); ++length) {
      const auto found = map_.find(key.substr(0, length));
      if (found != map_.end()) longest = found;
    }
    expect(SeekOp::longest_prefix, key, longest);
  }
  void walk() {
    RaxCursor cursor = tree_.cursor();
    for (const auto& [key, value] : map_) {
      ASSERT_TRUE(*cursor.next());
      ASSERT_EQ(cursor.key(), key);
      ASSERT_EQ(*cursor.value(), value);
    }
    ASSERT_FALSE(*cursor.next());
    for (auto at = map_.rbegin(); at != map_.rend(); ++at) {
      ASSERT_TRUE(*cursor.prev());
      ASSERT_EQ(cursor.key(), at->first);
      ASSERT_EQ(*cursor.value(), at->second);
    }
    ASSERT_FALSE(*cursor.prev());
    const Result<void> valid = tree_.validate();
    ASSERT_TRUE(valid.has_value()) << valid.error().message();
  }
  void drain() {
    while (!map_.empty()) {
      auto at = map_.lower_bound(some_key());
      if (at == map_.end()) at = map_.begin();
      ASSERT_TRUE(tree_.remove(at->first).has_value());
      map_.erase(at);
      if (map_.size() % 16 != 0) continue;
      ASSERT_NO_FATAL_FAILURE(walk());
    }
    EXPECT_EQ(tree_.stats().nodes, 0u);
    tree_.collect();
    EXPECT_EQ(tree_.stats().memory_bytes, 0u);
  }
  void grow(bool is_growing) { is_growing_ = is_growing; }

 private:
  using Map = std::map<std::string, std::string>;
  Map::const_iterator before(Map::const_iterator at) const {
    return at == map_.begin() ? map_.end() : std::prev(at);
  }
  void expect(SeekOp op, const std::string& key, Map::const_iterator at) {
    RaxCursor cursor = tree_.cursor();
    ASSERT_EQ(*cursor.seek(op, key), at != map_.end()) << static_cast<int>(op) << " " << key;
    if (at == map_.end()) return;
    ASSERT_EQ(cursor.key(), at->first) << static_cast<int>(op) << " " << key;
    ASSERT_EQ(*cursor.value(), at->second);
    const auto next = std::next(at);
    ASSERT_EQ(*cursor.next(), next != map_.end());
    if (next != map_.end()) {
      ASSERT_EQ(cursor.key(), next->first);
    }
  }
  // Of few letters; some go on with what many have in common, some are very long.
  std::string some_key() {
    std::string key;
    switch (random_() % 8) {
      case 0: key = std::string(300, 'p'); break;
      case 1: key = "shared by many/"; break;
      case 2: key = std::string(random_() % 60, 'a'); break;
      case 3: key = std::string(random_() % 3 * 1500, 'l'); break;
      default: break;
    }
    for (uint64_t length = random_() % length_max_; length > 0; --length) {
      key += letters_[random_() % letters_.size()];
    }
    return key;
  }
  // Zeros and ones of 0xFF among them.
  static std::string some_letters(std::mt19937_64& random) {
    std::string letters{'\0', 'a', 'b', '\x7f', '\xff'};
    for (uint64_t more = random() % 10; more > 0; --more) letters += static_cast<char>(random());
    return letters;
  }

  std::mt19937_64 random_;
  const std::string letters_ = some_letters(random_);
  const uint64_t length_max_ = 3 + random_() % 12;
  const std::vector<size_t> sizes_{0, 1, 8, 8, 8, 60, 128, 129, 400};
  bool is_growing_ = true;
  Rax tree_;
  Map map_;
};

// Found by the property tests: the keys of a bucket's edge have gone, the others begin alike, and more of those come. What it splits
// into has an edge of its own.
TEST(Rax, ABucketWhoseEdgeHasGoneSplits) {
  for (const std::string& begin : {std::string("c"), std::string("common")}) {
    Rax rax;
    const std::string value(40, 'v');
    std::set<std::string> keys;
    const auto put = [&](const std::string& key) {
      ASSERT_TRUE(rax.put(key, value).has_value());
      keys.insert(key);
    };
    const auto remove = [&](const std::string& key) {
      ASSERT_TRUE(rax.remove(key).has_value()) << key;
      keys.erase(key);
    };
    for (uint64_t i = 0; i < 30; ++i)
      put("xa" + key_of(i));  // With its neighbours more than a bucket.
    for (uint64_t i = 0; i < 30; ++i) put("xm" + key_of(i));
    for (uint64_t i = 0; i < 5; ++i) put("xb" + key_of(i));
    for (uint64_t i = 0; i < 5; ++i) put("x" + begin + key_of(i));
    for (uint64_t i = 0; i < 5; ++i) remove("xb" + key_of(i));
    for (uint64_t i = 5; i < 100; ++i) put("x" + begin + key_of(i));
    Result<void> valid = rax.validate();
    ASSERT_TRUE(valid.has_value()) << valid.error().message();
    while (!keys.empty()) remove(*keys.begin());
    EXPECT_EQ(rax.stats().nodes, 0u);
  }
}

TEST(Rax, RandomKeysComeAndGoAsInAMap) {
  for (uint64_t seed = 1; seed <= 24; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RaxAgainstAMap both(seed);
    for (int round = 0; round < 3000; ++round) {
      both.grow(round / 300 % 2 == 0);
      ASSERT_NO_FATAL_FAILURE(both.write());
      if (round % 8 == 0) {
        ASSERT_NO_FATAL_FAILURE(both.read());
      }
      if (round % 250 == 0) {
        ASSERT_NO_FATAL_FAILURE(both.walk());
      }
    }
    ASSERT_NO_FATAL_FAILURE(both.drain());
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
  ASSERT_TRUE(tree.validate().has_value());
  EXPECT_GT(tree.stats().nodes, 100u);
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
  ASSERT_TRUE(tree.validate().has_value());
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
  const std::string here(120, 'v');   // A bucket takes some of these,
  const std::string apart(200, 'v');  // and of these more.
  std::vector<std::atomic<int64_t>> there(keys.size());
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (uint64_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      std::mt19937_64 random(thread);
      for (int round = 0; round < 20000; ++round) {
        const size_t which = random() % keys.size();
        if (random() % 2 == 0) {
          if (tree.insert(keys[which], random() % 4 == 0 ? apart : here)) {
            there[which].fetch_add(1);
          }
        } else if (tree.remove(keys[which])) {
          there[which].fetch_sub(1);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Result<void> valid = tree.validate();
  ASSERT_TRUE(valid.has_value()) << valid.error().message();
  for (size_t i = 0; i < keys.size(); ++i) {
    ASSERT_EQ(tree.visit(keys[i], [](Bytes) {}).has_value(), there[i] == 1) << keys[i];
    static_cast<void>(tree.remove(keys[i]));
  }
  EXPECT_EQ(tree.stats().nodes, 0u);
  tree.collect();
  EXPECT_EQ(tree.stats().memory_bytes, 0u);
}

}  // namespace
}  // namespace aether::index
