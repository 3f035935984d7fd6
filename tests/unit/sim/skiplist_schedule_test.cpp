// The skiplist and its epochs under the scheduler. What is freed is overwritten and kept for a while, so that whoever still reads it
// shows. Planted bugs skiplist.* and base.epochs_* must be found here (tools/planted).
#include "sim/scheduler.h"

#if defined(AETHER_SIM)

#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <map>
#include <new>
#include <string>

#include "base/checksum.h"
#include "index/skiplist/skiplist.h"
#include "os/sync.h"
#include "sim/random.h"
#include "unit/sim/schedule_fixture.h"

namespace {

/// The newest of what was freed, overwritten.
std::array<void*, 2048> freed_memory{};
size_t freed_next = 0;
bool keeps_freed = false;

void free_later(void* memory) noexcept {
  if (memory == nullptr) return;
  if (!keeps_freed) return std::free(memory);
  std::memset(memory, 0xdd, malloc_usable_size(memory));
  void*& place = freed_memory[freed_next++ % freed_memory.size()];
  std::free(place);
  place = memory;
}

}  // namespace

// This program's: one thread at a time calls them while freed memory is kept.
void* operator new(size_t size) {
  if (void* const memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { free_later(memory); }
void operator delete(void* memory, size_t) noexcept { free_later(memory); }

namespace aether::sim {
namespace {

using index::Skiplist;
using index::SkiplistOptions;

/// What is known of a key: the writers' own note, and whether one of them is at it.
struct Note {
  uint64_t changes = 0;  ///< Begun and ended.
  uint32_t writers = 0;
  bool is_there = false;  ///< If there are no writers.
};

class World {
 public:
  explicit World(uint64_t seed)
      : random_(seed),
        collects_(seed % 2 == 0),
        list_(SkiplistOptions{.memory_bytes_max = 1 * MiB, .seed = seed}) {
    // Towers decide which races there are: half of the keys have high ones.
    for (uint64_t i = 0; keys_.size() < kKeys; ++i) {
      std::string key = "key";
      key.push_back(static_cast<char>('a' + random_.below(26)));
      key.append(std::to_string(i));
      const uint64_t hash = base::checksum(key.data(), key.size(), seed);
      const bool is_high = std::countr_zero(hash) >= 4;
      if (is_high != (keys_.size() % 2 == 0)) continue;
      keys_[key];
      if (keys_.size() % 4 == 0) anchors_.push_back(key);
    }
    for (const std::string& key : anchors_) {
      keys_.erase(key);
      EXPECT_TRUE(list_.insert(key, value_of(key, 0)));
    }
  }

  void write(uint64_t seed, int operations) {
    Random random(seed);
    for (int i = 0; i < operations; ++i) {
      auto at = std::next(keys_.begin(), static_cast<std::ptrdiff_t>(random.below(keys_.size())));
      const std::string& key = at->first;
      Note& note = at->second;
      ++note.changes;
      ++note.writers;
      const std::string value = value_of(key, random.next());
      if (collects_ && random.below(3) == 0) list_.collect();
      const uint64_t kind = random.below(8);
      int balance = 0;
      if (kind < 3) {
        balance = list_.insert(key, value) ? 1 : 0;
      } else if (kind < 6) {
        balance = list_.remove(key) ? -1 : 0;
      } else {
        static_cast<void>(list_.update(key, value));
      }
      inserted_[key] += balance;
      --note.writers;
      ++note.changes;
      if (note.writers == 0) {
        const int there = inserted_[key];
        ASSERT_TRUE(there == 0 || there == 1) << key << ": inserts and removes do not alternate";
        note.is_there = there == 1;
      }
    }
  }

  void read(uint64_t seed, int operations) {
    Random random(seed);
    for (int i = 0; i < operations; ++i) {
      const uint64_t kind = random.below(8);
      if (kind == 0) {
        scan(random.below(2) == 0);
      } else if (kind < 3) {
        get_anchor(anchors_[random.below(anchors_.size())]);
      } else {
        get(std::next(keys_.begin(), static_cast<std::ptrdiff_t>(random.below(keys_.size())))
                ->first);
      }
    }
  }

  void check_the_end() {
    auto cursor = list_.cursor();
    std::vector<std::string> found;
    for (bool there = *cursor.first(); there; there = *cursor.next()) {
      found.emplace_back(cursor.key());
      check_value(cursor.key(), *cursor.value());
    }
    std::vector<std::string> expected = anchors_;
    for (const auto& [key, note] : keys_) {
      if (note.is_there) expected.push_back(key);
    }
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(found, expected);
    EXPECT_TRUE(cursor.rest());
    list_.collect();
    EXPECT_EQ(list_.stats().epochs.retired_objects, 0u);
    EXPECT_EQ(list_.stats().keys, expected.size());
  }

 private:
  static constexpr size_t kKeys = 12;

  static std::string value_of(Bytes key, uint64_t stamp) {
    std::string value(key);
    value.append("=").append(stamp % 40, 'v');
    return value;
  }
  static void check_value(Bytes key, Bytes value) {
    ASSERT_TRUE(value.starts_with(key)) << key << " has another's value, or what is left of one";
    ASSERT_EQ(value.substr(key.size() + 1).find_first_not_of('v'), Bytes::npos) << key;
  }

  void get_anchor(const std::string& key) {
    const Result<void> got = list_.visit(key, [&](Bytes value) { check_value(key, value); });
    ASSERT_TRUE(got) << key << " was there all the time";
  }
  void get(const std::string& key) {
    const Note before = keys_[key];
    const Result<void> got = list_.visit(key, [&](Bytes value) { check_value(key, value); });
    if (before.writers != 0 || keys_[key].changes != before.changes) return;
    ASSERT_EQ(got.has_value(), before.is_there) << key << ", which nobody changed meanwhile";
  }
  void scan(bool forward) {
    auto cursor = list_.cursor();
    std::string last;
    size_t anchors = 0;
    for (bool there = forward ? *cursor.first() : *cursor.last(); there;
         there = forward ? *cursor.next() : *cursor.prev()) {
      const std::string key(cursor.key());
      if (!last.empty()) {
        ASSERT_TRUE(forward ? last < key : key < last) << last << " " << key;
      }
      check_value(key, *cursor.value());
      anchors += std::count(anchors_.begin(), anchors_.end(), key) != 0 ? 1 : 0;
      last = key;
    }
    ASSERT_EQ(anchors, anchors_.size()) << "a scan passed what was there all the time";
  }

  Random random_;
  const bool
      collects_;  ///< Often: then what is freed too early is met by somebody. If not, what is removed is met longer.
  Skiplist list_;
  std::map<std::string, Note> keys_;
  std::map<std::string, int> inserted_;
  std::vector<std::string> anchors_;  ///< Never removed.
};

class SchedulerSkiplist : public testing::Test {
 protected:
  void SetUp() override { keeps_freed = true; }
  void TearDown() override { keeps_freed = false; }

  static uint64_t run(uint64_t seed) {
    World world(seed);
    std::vector<std::function<void()>> bodies;
    const uint64_t writers = 2 + seed % 2;
    bodies.reserve(writers + 2);
    for (uint64_t i = 0; i < writers; ++i) {
      bodies.emplace_back([&world, seed, i] { world.write(seed * 16 + i, 40); });
    }
    for (uint64_t i = 0; i < 2; ++i) {
      bodies.emplace_back([&world, seed, i] { world.read(seed * 16 + 8 + i, 25); });
    }
    return run_scheduled(seed, bodies, [&] { world.check_the_end(); });
  }
};

TEST_F(SchedulerSkiplist, WritersAndReadersInAFewKeys) {
  const uint64_t seeds = seeds_to_run(4000);
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const uint64_t hash = run(seed);
    if (HasFailure()) return;
    if (seed % 50 == 0) {
      ASSERT_EQ(run(seed), hash) << "the seed does not decide";
    }
  }
}

/// The first of `stem`0, `stem`1, ... whose node has more than one level, or only one.
std::string key_of_height(const std::string& stem, bool is_high, uint64_t seed) {
  for (uint64_t i = 0;; ++i) {
    std::string key = stem + std::to_string(i);
    if ((std::countr_zero(base::checksum(key.data(), key.size(), seed)) >= 2) == is_high)
      return key;
  }
}

// Goal:   what is there is found, also past a node that was removed below before its maker linked it above.
// Method: one thread inserts high nodes; the other removes each as soon as it can be found, puts a key right behind it, and
//         reads that.
TEST_F(SchedulerSkiplist, WhatStandsBehindANodeThatWasRemovedBelowIsFound) {
  constexpr size_t kRounds = 6;
  const uint64_t seeds = seeds_to_run(4000);
  for (uint64_t seed = 1; seed <= seeds && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Skiplist list(SkiplistOptions{.memory_bytes_max = 1 * MiB, .seed = seed});
    std::vector<std::string> high, behind;
    for (size_t round = 0; round < kRounds; ++round) {
      high.push_back(key_of_height(std::to_string(round) + "a", true, seed));
      behind.push_back(key_of_height(std::to_string(round) + "b", false, seed));
    }
    const std::function<void()> makes = [&] {
      for (const std::string& key : high) ASSERT_TRUE(list.insert(key, "value"));
    };
    const std::function<void()> removes = [&] {
      for (size_t round = 0; round < kRounds; ++round) {
        while (!list.remove(high[round])) os::yield();
        ASSERT_TRUE(list.insert(behind[round], "value"));
        for (int i = 0; i < 10; ++i)
          ASSERT_TRUE(list.visit(behind[round], [](Bytes) {})) << behind[round] << " is there";
      }
    };
    run_scheduled(seed, {makes, removes}, [&] { ASSERT_EQ(list.stats().keys, kRounds); });
  }
}

}  // namespace
}  // namespace aether::sim

#endif
