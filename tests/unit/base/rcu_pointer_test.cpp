#include "base/rcu_pointer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace aether::base {
namespace {

struct Version {
  Version(uint64_t of, std::atomic<int64_t>& counter) : number(of), copy(of), live(counter) {
    ++live;
  }
  ~Version() {
    copy = ~number;
    --live;
  }
  Version(const Version&) = delete;
  Version& operator=(const Version&) = delete;
  uint64_t number;
  uint64_t copy;
  std::atomic<int64_t>& live;
};

TEST(RcuPointer, WhatIsReplacedGoesWhenNobodyHasIt) {
  std::atomic<int64_t> live{0};
  {
    RcuPointer<Version> current(std::make_unique<const Version>(1, live));
    EXPECT_EQ(current.read(0)->number, 1u);
    auto kept = current.acquire(0);
    current.publish(std::make_unique<const Version>(2, live), 0);
    EXPECT_EQ(kept->number, 1u);
    EXPECT_EQ(current.read(0)->number, 2u);
    EXPECT_EQ(live, 2) << "one reader has the first";
    current.publish(std::make_unique<const Version>(3, live), 0);
    EXPECT_EQ(live, 2) << "nobody had the second";
    kept = current.acquire(0);
    EXPECT_EQ(live, 1);
    EXPECT_EQ(kept->number, 3u);
  }
  EXPECT_EQ(live, 0);
}

TEST(RcuPointer, AReferenceOutlivesThePointer) {
  std::atomic<int64_t> live{0};
  RcuPointer<Version>::Ref kept;
  EXPECT_FALSE(kept);
  {
    RcuPointer<Version> current(std::make_unique<const Version>(1, live));
    kept = current.acquire(0);
  }
  EXPECT_EQ(kept->copy, 1u);
  kept = {};
  EXPECT_EQ(live, 0);
}

TEST(RcuPointer, AGuardHoldsBackAndTheWriterDoesNotWait) {
  std::atomic<int64_t> live{0};
  RcuPointer<Version> current(std::make_unique<const Version>(0, live));
  {
    const auto guard = current.read(0);
    for (uint64_t i = 1; i <= 10; ++i) {
      current.publish(std::make_unique<const Version>(i, live), 1);
      EXPECT_EQ(current.read(1)->number, i);
    }
    EXPECT_EQ(guard->copy, 0u);
    EXPECT_EQ(live, 11);
  }
  current.collect();
  EXPECT_EQ(live, 1);
}

TEST(ConcurrentRcuPointer, NobodyReadsWhatIsFreedOrGoesBack) {
  constexpr uint64_t kVersions = 20000;
  std::atomic<int64_t> live{0};
  std::atomic<uint64_t> wrong{0};
  {
    RcuPointer<Version> current(std::make_unique<const Version>(0, live));
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    for (uint32_t i = 1; i <= 3; ++i) {
      threads.emplace_back([&, i] {
        uint64_t newest = 0;
        RcuPointer<Version>::Ref kept;
        while (!stop.load(std::memory_order_relaxed)) {
          const auto guard = current.read(i);
          if (guard->number != guard->copy || guard->number < newest) wrong.fetch_add(1);
          newest = guard->number;
          if (kept && kept->number != kept->copy) wrong.fetch_add(1);
          if (newest % 3 == 0) kept = current.acquire(i);
        }
      });
    }
    for (uint64_t i = 1; i <= kVersions; ++i) {
      current.publish(std::make_unique<const Version>(i, live), 0);
    }
    stop = true;
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(current.read(0)->number, kVersions);
  }
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(live, 0);
}

}  // namespace
}  // namespace aether::base
