// Mutex and CondVar, which are ours (os/sync.h): exclusion, no lost wake-up, and the time limit of a wait.
#include "os/sync.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <deque>
#include <thread>
#include <vector>

namespace aether::os {
namespace {

using Clock = std::chrono::steady_clock;

TEST(Mutex, OneAtATimeAlsoWhereTheyQueue) {
  constexpr int kThreads = 8, kRounds = 5'000;
  Mutex mutex;
  uint64_t sum = 0;  // Not atomic: the mutex is all that keeps it whole.
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kRounds; ++i) {
        const LockGuard guard(mutex);
        const uint64_t before = sum;
        if (i % 512 == 0) yield();  // Held for long: the others fall asleep.
        sum = before + 1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sum, uint64_t{kThreads} * kRounds);
}

bool try_and_leave(Mutex& mutex) {
  if (!mutex.try_lock()) return false;
  mutex.unlock();
  return true;
}

TEST(Mutex, TryLockTakesOnlyWhatIsFree) {
  Mutex mutex;
  EXPECT_TRUE(try_and_leave(mutex));
  {
    const LockGuard held(mutex);
    bool was_free = true;
    std::thread([&] { was_free = try_and_leave(mutex); }).join();
    EXPECT_FALSE(was_free);
  }
  EXPECT_TRUE(try_and_leave(mutex));
}

TEST(Mutex, ASleeperIsWoken) {
  Mutex mutex;
  mutex.lock();
  bool has_come = false;
  std::thread sleeper([&] {
    const LockGuard guard(mutex);
    has_come = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // Long enough to be asleep, mostly.
  EXPECT_FALSE(has_come);
  mutex.unlock();
  sleeper.join();
  EXPECT_TRUE(has_come);
}

/// Two that hand numbers on, one at a time: a wake-up that is lost stops it for good.
TEST(CondVar, NoWakeUpIsLost) {
  constexpr int kNumbers = 5'000;
  Mutex mutex;
  CondVar changed;
  std::deque<int> queue;
  std::vector<int> received;
  std::thread receiver([&] {
    while (received.size() < kNumbers) {
      const LockGuard guard(mutex);
      while (queue.empty()) changed.wait(mutex);
      received.push_back(queue.front());
      queue.pop_front();
      changed.notify_one();
    }
  });
  for (int i = 0; i < kNumbers; ++i) {
    const LockGuard guard(mutex);
    while (!queue.empty()) changed.wait(mutex);
    queue.push_back(i);
    changed.notify_one();
  }
  receiver.join();
  ASSERT_EQ(received.size(), size_t{kNumbers});
  for (int i = 0; i < kNumbers; ++i) ASSERT_EQ(received[static_cast<size_t>(i)], i);
}

TEST(CondVar, NotifyAllWakesAll) {
  constexpr int kThreads = 6, kRounds = 200;
  Mutex mutex;
  CondVar round_begins, all_are_done;
  int round = 0, done = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int next = 1; next <= kRounds; ++next) {
        const LockGuard guard(mutex);
        while (round < next) round_begins.wait(mutex);
        if (++done == kThreads) all_are_done.notify_one();
      }
    });
  }
  for (int i = 0; i < kRounds; ++i) {
    const LockGuard guard(mutex);
    done = 0;
    ++round;
    round_begins.notify_all();
    while (done < kThreads) all_are_done.wait(mutex);
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(round, kRounds);
}

TEST(CondVar, AWaitEndsWithItsTime) {
  constexpr uint64_t kNs = 20'000'000;
  Mutex mutex;
  CondVar never;
  const LockGuard guard(mutex);
  const Clock::time_point begin = Clock::now();
  while (never.wait_for(mutex, kNs)) {  // Woken without cause.
  }
  EXPECT_GE(Clock::now() - begin, std::chrono::nanoseconds(kNs));
}

}  // namespace
}  // namespace aether::os
