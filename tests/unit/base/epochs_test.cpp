#include "base/epochs.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace aether::base {
namespace {

/// Counts what lives. Its link leads back to it.
struct Object {
  explicit Object(std::atomic<int64_t>& counter) : live(counter) { live.fetch_add(1); }
  ~Object() { live.fetch_sub(1); }
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  Epochs::Link link{0};  // First: a link's address is its object's.
  std::atomic<int64_t>& live;
  std::atomic<uint64_t> content{42};
};

uint64_t free_object(void* freed_kinds, Epochs::Link& link, uint32_t kind) {
  static_cast<std::atomic<uint64_t>*>(freed_kinds)[kind].fetch_add(1);
  Object* const object = reinterpret_cast<Object*>(&link);
  object->content = 0;
  delete object;
  return 100;
}

struct World {
  std::atomic<int64_t> live{0};
  std::array<std::atomic<uint64_t>, Epochs::kKinds> freed{};
  Epochs epochs{freed.data(), free_object};
  void retire(uint32_t kind = 0, uint32_t hint = 0) {
    epochs.retire((new Object(live))->link, kind, 100, hint);
  }
};

TEST(Epochs, WhatIsRetiredIsFreedTwoEpochsLater) {
  World t;
  t.retire(1);
  t.retire(3, 7);
  EXPECT_EQ(t.epochs.stats().retired_objects, 2u);
  EXPECT_EQ(t.epochs.stats().retired_bytes, 200u);
  const uint64_t stamped = t.epochs.stats().epoch + 1;
  for (uint64_t epoch = stamped; epoch < stamped + 2; ++epoch) {
    EXPECT_TRUE(t.epochs.collect());
    EXPECT_EQ(t.epochs.stats().epoch, epoch);
    EXPECT_EQ(t.live, 2) << "freed before epoch " << stamped + 2;
  }
  EXPECT_TRUE(t.epochs.collect());
  EXPECT_EQ(t.live, 0);
  EXPECT_EQ(t.freed[1], 1u);
  EXPECT_EQ(t.freed[3], 1u);
  EXPECT_EQ(t.epochs.stats().retired_objects, 0u);
  EXPECT_EQ(t.epochs.stats().retired_bytes, 0u);
}

TEST(Epochs, APinHoldsBackWhatIsRetiredAfterIt) {
  World t;
  Epochs::Pin pin = t.epochs.pin(0);
  EXPECT_FALSE(pin.is_behind());
  t.retire();
  for (int i = 0; i < 10; ++i) t.epochs.collect();
  EXPECT_EQ(t.live, 1);
  EXPECT_TRUE(pin.is_behind()) << "the epoch moves on once, and then waits";
  const EpochStats stats = t.epochs.stats();
  EXPECT_EQ(stats.pinned, 1u);
  EXPECT_EQ(stats.epoch, stats.oldest_epoch + 1);
  EXPECT_EQ(stats.held_back, 9u);
  Epochs::Pin moved = std::move(pin);
  EXPECT_FALSE(pin.holds());  // NOLINT(bugprone-use-after-move): that is the question
  t.epochs.collect_all();
  EXPECT_EQ(t.live, 1);
  moved.release();
  t.epochs.collect_all();
  EXPECT_EQ(t.live, 0);
}

TEST(Epochs, RetiringCollectsNowAndThenAndFreesInSlices) {
  World t;
  for (uint32_t i = 0; i < 100 * Epochs::kCollectEvery; ++i) t.retire();
  EXPECT_LT(t.live, 4 * Epochs::kCollectEvery + 1) << "three epochs' worth, and what is pending";
  Epochs::Pin pin = t.epochs.pin(1);
  for (uint32_t i = 0; i < 10 * Epochs::kSlice; ++i) t.retire();
  EXPECT_GE(t.live, 10 * Epochs::kSlice);
  pin.release();
  int64_t before = t.live;
  while (t.epochs.stats().retired_objects != 0) {
    t.epochs.collect();
    EXPECT_LE(before - t.live, Epochs::kSlice) << "one call freed them all";
    before = t.live;
  }
  EXPECT_EQ(t.live, 0);
}

TEST(Epochs, MorePinsThanSlots) {
  World t;
  std::vector<Epochs::Pin> pins;
  for (uint32_t i = 0; i < 3 * Epochs::kSlots; ++i) pins.push_back(t.epochs.pin(5));
  EXPECT_EQ(t.epochs.stats().pinned, 3 * Epochs::kSlots);
  t.retire();
  // The first ones to go are those with a slot of their own, then those that share one: it holds back till the last.
  while (!pins.empty()) {
    t.epochs.collect_all();
    ASSERT_EQ(t.live, 1) << pins.size() << " pins left";
    pins.erase(pins.begin());
  }
  t.epochs.collect_all();
  EXPECT_EQ(t.live, 0);
  EXPECT_EQ(t.epochs.stats().pinned, 0u);
}

TEST(Epochs, TheEndFreesEverything) {
  std::atomic<int64_t> live{0};
  {
    World t;
    for (uint32_t i = 0; i < 1000; ++i) {
      t.epochs.retire((new Object(live))->link, 0, 100, i);
    }
  }
  EXPECT_EQ(live, 0);
}

// Readers load the current object again and again while writers replace it: none is freed under them.
TEST(ConcurrentEpochs, NobodyReadsWhatIsFreed) {
  World t;
  std::atomic<Object*> current{new Object(t.live)};
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (uint32_t i = 0; i < 2; ++i) {
    threads.emplace_back([&, i] {
      while (!done.load()) {
        const Epochs::Pin pin = t.epochs.pin(i);
        const Object* const object = current.load(std::memory_order_acquire);
        for (int look = 0; look < 10; ++look) {
          ASSERT_EQ(object->content.load(std::memory_order_relaxed), 42u);
        }
      }
    });
  }
  std::vector<std::thread> writers;
  writers.reserve(4);
  for (uint32_t i = 2; i < 4; ++i) {
    writers.emplace_back([&, i] {
      for (int round = 0; round < 20000; ++round) {
        const Epochs::Pin pin = t.epochs.pin(i);
        Object* const fresh = new Object(t.live);
        Object* const old = current.exchange(fresh);
        t.epochs.retire(old->link, 0, 100, i);
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  done = true;
  for (std::thread& thread : threads) thread.join();
  t.epochs.collect_all();
  EXPECT_EQ(t.live, 1);
  EXPECT_EQ(t.freed[0], 40000u);
  delete current.load();
}

}  // namespace
}  // namespace aether::base
