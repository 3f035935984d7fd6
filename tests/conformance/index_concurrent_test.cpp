// What src/index/concept promises when several threads use an index at once.
//
// Replay: AETHER_SEED=<seed from the failure>; threads meet as the machine lets them.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "conformance/forms.h"

namespace aether::index {
namespace {

using testing_support::base_seed;
using testing_support::kSlowdown;

constexpr int kThreads = 4;

template <typename Form>
class ConcurrentIndex : public testing::Test {};
TYPED_TEST_SUITE(ConcurrentIndex, Forms<false>, FormName);

/// What a store answers where an index in memory goes on by itself: somebody else was there first.
template <typename Call>
Result<void> until_decided(Call call) {
  for (;;) {
    Result<void> result = call();
    if (result || result.error().code() != Code::conflict) return result;
    std::this_thread::yield();
  }
}

template <typename Body>
void run_threads(int count, Body body) {
  std::vector<std::thread> threads;
  threads.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) threads.emplace_back([&body, i] { body(i); });
  for (std::thread& thread : threads) thread.join();
}

std::string numbered(const char* prefix, uint64_t number) {
  std::string text = std::to_string(number);
  std::string key = prefix;
  key.append(6 - std::min<size_t>(text.size(), 6), '0');
  key += text;
  return key;
}

// Each of many keys is inserted by all threads: one wins, and its value is there.
TYPED_TEST(ConcurrentIndex, EachInsertIsWonOnce) {
  TypeParam form;
  auto& index = form.index();
  const uint64_t keys = 4000 / kSlowdown;
  std::vector<std::atomic<int>> winner(keys);
  for (auto& one : winner) one = -1;
  run_threads(kThreads, [&](int thread) {
    for (uint64_t i = 0; i < keys; ++i) {
      const std::string key = numbered("k", i);
      const Result<void> inserted = until_decided(
          [&] { return index.insert(key, std::to_string(thread)); });
      if (!inserted) {
        EXPECT_EQ(inserted.error().code(), Code::exists) << inserted.error().message();
        continue;
      }
      EXPECT_EQ(winner[i].exchange(thread), -1) << key << " was inserted twice";
    }
  });
  uint64_t seen = 0;
  ASSERT_TRUE(scan(index, {}, [&](Bytes key, Bytes value) {
                EXPECT_EQ(key, numbered("k", seen));
                EXPECT_EQ(value, std::to_string(winner[seen]));
                ++seen;
                return true;
              }).has_value());
  EXPECT_EQ(seen, keys);
}

// Few keys, which all threads insert and remove: what succeeds alternates, so that the difference says who is there.
TYPED_TEST(ConcurrentIndex, InsertsAndRemovesOfAKeyAlternate) {
  TypeParam form;
  auto& index = form.index();
  const uint64_t rounds = 20000 / kSlowdown;
  constexpr uint64_t kKeys = 5;
  std::array<std::atomic<int64_t>, kKeys> there{};
  run_threads(kThreads, [&](int thread) {
    std::mt19937_64 random(base_seed() * 100 + static_cast<uint64_t>(thread));
    for (uint64_t round = 0; round < rounds; ++round) {
      const uint64_t key = random() % kKeys;
      const std::string name = numbered("k", key);
      if (random() % 2 == 0) {
        if (until_decided([&] { return index.insert(name, "v"); })) there[key].fetch_add(1);
      } else {
        if (until_decided([&] { return index.remove(name); })) there[key].fetch_sub(1);
      }
    }
  });
  std::string value;
  for (uint64_t key = 0; key < kKeys; ++key) {
    const int64_t balance = there[key];
    ASSERT_TRUE(balance == 0 || balance == 1) << balance;
    EXPECT_EQ(index.get(numbered("k", key), value).has_value(), balance == 1);
  }
}

// Writers own a part of the keys each and know what must be there; scanners both ways see every key that stays, in order.
TYPED_TEST(ConcurrentIndex, ScansSeeWhatStaysAndWritersFindTheirOwn) {
  TypeParam form;
  auto& index = form.index();
  constexpr uint64_t kKeys = 600;
  const uint64_t rounds = 12000 / kSlowdown;
  for (uint64_t i = 0; i < kKeys; i += 3) {  // Every third stays for good.
    ASSERT_TRUE(index.put(numbered("k", i), numbered("k", i)).has_value());
  }
  std::atomic<int> writing{2};
  run_threads(kThreads, [&](int thread) {
    if (thread >= 2) {
      const bool reverse = thread == 3;
      for (int again = 0; again == 0 || writing.load() != 0; ++again) {
        std::string last;
        uint64_t stayed = 0;
        const Result<uint64_t> count = scan(
            index, {.begin = {}, .end = "l", .reverse = reverse}, [&](Bytes key, Bytes value) {
              EXPECT_TRUE(last.empty() || (reverse ? key < last : key > last))
                  << last << " " << key;
              EXPECT_EQ(value.substr(0, key.size()), key) << "a value of another key";
              last = key;
              if (std::stoull(last.substr(1)) % 3 == 0) ++stayed;
              return true;
            });
        ASSERT_TRUE(count.has_value()) << count.error().message();
        EXPECT_EQ(stayed, kKeys / 3);
      }
      return;
    }
    std::mt19937_64 random(base_seed() * 100 + static_cast<uint64_t>(thread));
    std::map<std::string, std::string> mine;
    for (uint64_t round = 0; round < rounds; ++round) {
      const uint64_t number = random() % (kKeys / 3) * 3 + 1 + static_cast<uint64_t>(thread);
      const std::string key = numbered("k", number);
      std::string value = key + " " + std::to_string(round);
      if (random() % 8 == 0) value.append(500, '.');
      switch (random() % 4) {
        case 0: {
          const Result<void> removed = until_decided([&] { return index.remove(key); });
          EXPECT_EQ(removed.has_value(), mine.erase(key) == 1) << key;
          break;
        }
        case 1: {
          std::string found;
          const bool is_there = index.get(key, found).has_value();
          EXPECT_EQ(is_there, mine.count(key) == 1) << key;
          if (is_there) {
            EXPECT_EQ(found, mine[key]);
          }
          break;
        }
        default:
          ASSERT_TRUE(until_decided([&] { return index.put(key, value); }).has_value());
          mine[key] = value;
      }
    }
    for (const auto& [key, value] : mine) {
      std::string found;
      EXPECT_TRUE(index.get(key, found).has_value()) << key;
      EXPECT_EQ(found, value);
    }
    writing.fetch_sub(1);
  });
}

// One writer counts up under a key, and takes it away and brings it back; no reader sees an older number than before.
TYPED_TEST(ConcurrentIndex, NoReaderGoesBackInTime) {
  TypeParam form;
  auto& index = form.index();
  const uint64_t rounds = 20000 / kSlowdown;
  ASSERT_TRUE(index.put("counter", "0").has_value());
  std::atomic<bool> done{false};
  std::atomic<uint64_t> told{0};  // The writer has been answered for this one.
  run_threads(kThreads, [&](int thread) {
    if (thread == 0) {
      for (uint64_t i = 1; i <= rounds; ++i) {
        if (i % 7 == 0) {
          ASSERT_TRUE(until_decided([&] { return index.remove("counter"); }).has_value());
        }
        ASSERT_TRUE(
            until_decided([&] { return index.put("counter", std::to_string(i)); }).has_value());
        told.store(i);
        if (i % 5 == 0) {  // Neighbours come and go.
          ASSERT_TRUE(until_decided([&] { return index.put(numbered("c", i), "x"); }).has_value());
          ASSERT_TRUE(until_decided([&] { return index.remove(numbered("c", i)); }).has_value());
        }
      }
      done = true;
      return;
    }
    uint64_t last = 0;
    std::string value;
    while (!done.load()) {
      const uint64_t least = told.load();
      if (!index.get("counter", value)) continue;
      const uint64_t now = std::stoull(value);
      EXPECT_GE(now, last);
      EXPECT_GE(now, least);
      last = now;
    }
  });
}

}  // namespace
}  // namespace aether::index
