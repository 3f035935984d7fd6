// Left-right and RCU pointers under the scheduler. Planted bugs base.left_right_* must be found here (tools/planted).
#include "sim/scheduler.h"

#if defined(AETHER_SIM)

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/left_right.h"
#include "base/rcu_pointer.h"
#include "base/sim_point.h"
#include "os/sync.h"
#include "unit/sim/schedule_fixture.h"

namespace aether::sim {
namespace {

/// Two words that are equal but while an edit is half done.
struct Pair {
  uint64_t first = 0;
  uint64_t second = 0;
};
struct Count {
  void operator()(Pair& pair) const {
    ++pair.first;
    base::sim_window();
    ++pair.second;
  }
};

// Goal:   in every interleaving: nobody sees half an edit or goes back, the writer publishes all, both copies end equal.
TEST(SchedulerLeftRight, NobodySeesHalfAnEditOrGoesBack) {
  constexpr uint64_t kEdits = 12;
  const uint64_t seeds = seeds_to_run(1000);
  uint64_t gave_up = 0;
  for (uint64_t seed = 1; seed <= seeds && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    base::LeftRight<Pair, Count> pairs(Pair{});
    uint64_t published = 0;
    std::vector<std::function<void()>> bodies;
    bodies.reserve(4);
    for (int reader = 0; reader < 3; ++reader) {
      bodies.emplace_back([&] {
        auto handle = pairs.add_reader();
        ASSERT_TRUE(handle);
        uint64_t newest = 0;
        for (int i = 0; i < 15; ++i) {
          const uint64_t at_least = published;
          const auto guard = handle->read();
          const uint64_t first = guard->first;
          os::sim_window();
          ASSERT_EQ(guard->first, first) << "it changed while it was read";
          ASSERT_EQ(guard->second, first) << "half an edit";
          ASSERT_GE(first, newest) << "it went back";
          ASSERT_GE(first, at_least) << "published, and not seen";
          newest = first;
        }
      });
    }
    bodies.emplace_back([&] {
      for (uint64_t i = 1; i <= kEdits; ++i) {
        pairs.append(Count());
        if (!pairs.try_publish(i % 3, [] { os::yield(); })) {
          ++gave_up;
          if (i % 2 == 0) continue;
          pairs.publish([] { os::yield(); });
        }
        published = i;
      }
      pairs.publish([] { os::yield(); });
    });
    run_scheduled(seed, bodies, [&] {
      ASSERT_TRUE(pairs.try_settle());
      pairs.look_at_both([&](const Pair& a, const Pair& b) {
        ASSERT_EQ(a.first, kEdits);
        ASSERT_EQ(b.first, kEdits);
        ASSERT_EQ(b.second, kEdits);
      });
    });
  }
  EXPECT_GT(gave_up, 0u) << "no reader ever stayed";
}

struct Version {
  explicit Version(uint64_t of) : number(of), copy(of) {}
  ~Version() { copy = ~number; }
  Version(const Version&) = delete;
  Version& operator=(const Version&) = delete;
  uint64_t number;
  volatile uint64_t copy;
};

TEST(SchedulerRcuPointer, NobodyReadsWhatIsFreedOrGoesBack) {
  const uint64_t seeds = seeds_to_run(1000);
  for (uint64_t seed = 1; seed <= seeds && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    base::RcuPointer<Version> current(std::make_unique<const Version>(0));
    std::vector<std::function<void()>> bodies;
    bodies.reserve(4);
    for (int reader = 0; reader < 3; ++reader) {
      bodies.emplace_back([&] {
        uint64_t newest = 0;
        base::RcuPointer<Version>::Ref kept;
        for (int i = 0; i < 15; ++i) {
          {
            const auto guard = current.read(os::worker_id());
            os::sim_window();
            ASSERT_EQ(guard->copy, guard->number);
            ASSERT_GE(guard->number, newest);
            newest = guard->number;
          }
          if (i % 4 == 0) kept = current.acquire(os::worker_id());
          os::sim_window();
          ASSERT_EQ(kept->copy, kept->number);
        }
      });
    }
    bodies.emplace_back([&] {
      for (uint64_t i = 1; i <= 12; ++i) {
        current.publish(std::make_unique<const Version>(i), os::worker_id());
        os::sim_point();
      }
    });
    run_scheduled(seed, bodies, [&] {
      current.collect();
      ASSERT_EQ(current.stats().retired_objects, 0u);
    });
  }
}

}  // namespace
}  // namespace aether::sim

#endif
