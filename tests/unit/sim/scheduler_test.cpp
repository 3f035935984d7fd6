// The scheduler of simulated threads. Only a build with AETHER_SIM has anything to schedule.
#include "sim/scheduler.h"

#if defined(AETHER_SIM)

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "os/sync.h"
#include "sim/sim_os.h"

namespace aether::sim {
namespace {

constexpr uint64_t kSeeds = 200;

/// Runs `body` on threads 1 to `count`; returns when they have ended.
void run_threads(Scheduler& scheduler, uint32_t count, const std::function<void()>& body) {
  scheduler.run([&] {
    std::vector<std::unique_ptr<os::Thread>> threads;
    for (uint32_t i = 0; i < count; ++i) {
      Result<std::unique_ptr<os::Thread>> thread = scheduler.spawn("worker", body);
      ASSERT_TRUE(thread.has_value());
      threads.push_back(*std::move(thread));
    }
    for (const std::unique_ptr<os::Thread>& thread : threads) thread->join();
  });
}

/// What is left of 2 x 3 increments that are not one step; the run's hash.
uint64_t lose_updates(uint64_t seed, uint64_t& hash) {
  Scheduler scheduler(schedule_of(seed));
  uint64_t count = 0;
  run_threads(scheduler, 2, [&] {
    for (int i = 0; i < 3; ++i) {
      const uint64_t seen = count;
      os::sim_point();
      count = seen + 1;
      os::sim_point();
    }
  });
  hash = scheduler.trace_hash();
  return count;
}

// Goal:   the same seed gives the same interleaving, another seed another one.
TEST(Scheduler, TheSeedDecidesTheInterleaving) {
  std::set<uint64_t> hashes, counts;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    uint64_t first = 0, second = 0;
    const uint64_t count = lose_updates(seed, first);
    ASSERT_EQ(lose_updates(seed, second), count) << "seed " << seed;
    ASSERT_EQ(first, second) << "seed " << seed;
    hashes.insert(first);
    counts.insert(count);
  }
  EXPECT_GT(hashes.size(), kSeeds / 8);  // Most have no chance to differ.
  EXPECT_TRUE(counts.contains(6)) << "never undisturbed";
  EXPECT_GT(counts.size(), 2u) << "updates are lost in some runs, more in others";
}

// Goal:   both policies find a race of depth two.
TEST(Scheduler, EachPolicyFindsARace) {
  for (const SchedulePolicy policy : {SchedulePolicy::walk, SchedulePolicy::priorities}) {
    uint64_t found = 0;
    for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
      Scheduler scheduler({.seed = seed,
                           .policy = policy,
                           .switch_every = 4,
                           .change_points = 2,
                           .steps_expected = 20});
      int shared = 0;
      run_threads(scheduler, 2, [&] {
        const int seen = shared;
        os::sim_point();
        shared = seen + 1;
      });
      found += shared == 1 ? 1 : 0;
    }
    EXPECT_GT(found, 0u) << static_cast<int>(policy);
    EXPECT_LT(found, kSeeds) << static_cast<int>(policy);
  }
}

// Goal:   a mutex excludes, a condition wakes, whatever the interleaving.
TEST(Scheduler, MutexesAndConditionsHold) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Scheduler scheduler(schedule_of(seed));
    os::Mutex mutex;
    os::CondVar changed;
    int inside = 0, turns = 0;
    run_threads(scheduler, 4, [&] {
      for (int i = 0; i < 3; ++i) {
        os::LockGuard lock(mutex);
        ASSERT_EQ(++inside, 1) << "seed " << seed;
        os::sim_point();
        --inside;
        ++turns;
        changed.notify_all();
        while (turns < 4) changed.wait(mutex);
      }
    });
    ASSERT_EQ(turns, 12) << "seed " << seed;
  }
}

// Goal:   a wake-up between the look at a word and the sleep is not lost.
TEST(Scheduler, AFutexMissesNoWakeUp) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Scheduler scheduler(schedule_of(seed));
    std::atomic<uint32_t> word{0};
    run_threads(scheduler, 3, [&] {
      if (os::worker_id() == 3) {
        word.store(1);
        os::futex_wake_all(word);
      }
      while (word.load() == 0) os::futex_wait(word, 0);
    });
  }
}

// Goal:   waiting takes simulated time, and no other.
TEST(Scheduler, TimePassesWhenNobodyCanRun) {
  constexpr uint64_t kHourNs = uint64_t{3600} * 1'000'000'000;
  Scheduler scheduler({.seed = 3});
  SimOs os({.seed = 3});
  uint64_t begin = 0, end = 0;
  bool woken = true;
  scheduler.run([&] {
    begin = os.monotonic_ns();
    os::Mutex mutex;
    os::CondVar never;
    os::LockGuard lock(mutex);
    woken = never.wait_for(mutex, kHourNs);
    os.sleep_ns(kHourNs);
    end = os.monotonic_ns();
  });
  EXPECT_FALSE(woken);
  EXPECT_GE(end - begin, 2 * kHourNs);
  EXPECT_LT(end - begin, 3 * kHourNs);
}

// Goal:   worker ids are those of the run, not of the process.
TEST(Scheduler, ThreadsAreNumberedAnewInEachRun) {
  for (int run = 0; run < 2; ++run) {
    Scheduler scheduler({.seed = 1});
    std::set<uint32_t> ids;
    run_threads(scheduler, 3, [&] { ids.insert(os::worker_id()); });
    EXPECT_EQ(ids, (std::set<uint32_t>{1, 2, 3}));
  }
}

void lock_crosswise() {
  os::Mutex first, second;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Scheduler run(schedule_of(seed));
    uint32_t number = 0;
    run_threads(run, 2, [&] {
      const bool turned = number++ == 0;
      os::LockGuard outer(turned ? first : second);
      os::LockGuard inner(turned ? second : first);
    });
  }
}

// Goal:   a deadlock is reported with what each thread waits for.
TEST(SchedulerDeathTest, ADeadlockIsReported) {
  EXPECT_EXIT(lock_crosswise(), testing::ExitedWithCode(3),
              "deadlock.*main.*waits for the end of a thread.*worker.*waits for a mutex");
}

void spin_for_ever() {
  Scheduler scheduler({.seed = 1, .steps_max = 100'000});
  const std::atomic<bool> never{false};
  run_threads(scheduler, 2, [&] {
    for (os::Backoff backoff; !never.load();) backoff.wait();
  });
}

TEST(SchedulerDeathTest, ALivelockIsReported) {
  EXPECT_EXIT(spin_for_ever(), testing::ExitedWithCode(3), "livelock.*worker.*can run");
}

}  // namespace
}  // namespace aether::sim

#endif
