#include "lsm/pacing.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace aether::lsm {
namespace {

TEST(MergePacer, NothingIsDueWithoutMergesOrWrites) {
  MergePacer pacer;
  pacer.accept(1000);
  EXPECT_FALSE(pacer.due().has_value());
  EXPECT_EQ(pacer.rate(), 0);
  pacer.start(1, 500, 1000);
  EXPECT_FALSE(pacer.due().has_value());
  EXPECT_EQ(pacer.debt(), 500u);
  EXPECT_EQ(pacer.rate(), 0.5);
}

TEST(MergePacer, PaysTheNearestDeadlineFirst) {
  MergePacer pacer;
  pacer.start(1, 1000, 1000);
  pacer.start(2, 100, 100);
  pacer.accept(10);
  const auto due = pacer.due();
  ASSERT_TRUE(due.has_value());
  EXPECT_EQ(due->merge, 2u);
  EXPECT_EQ(due->bytes, 20u);
  pacer.worked(2, 20);
  EXPECT_FALSE(pacer.due().has_value());
}

// Work that was done ahead is not asked for again; but a merge that comes later gets all of its own.
TEST(MergePacer, WorkAheadIsCreditedToWhatIsThere) {
  MergePacer pacer;
  pacer.start(1, 1000, 1000);
  pacer.worked(1, 600);
  pacer.accept(500);
  EXPECT_FALSE(pacer.due().has_value());
  pacer.start(2, 100, 100);
  pacer.accept(100);
  ASSERT_TRUE(pacer.due().has_value());
  EXPECT_EQ(pacer.due()->merge, 2u);
  EXPECT_EQ(pacer.due()->bytes, 100u);
}

TEST(MergePacer, AMergeOfNothingEndsWithTheNextStep) {
  MergePacer pacer;
  pacer.start(7, 0, 10);
  ASSERT_TRUE(pacer.next().has_value());
  EXPECT_EQ(pacer.next()->merge, 7u);
  pacer.finish(7);
  EXPECT_EQ(pacer.under_way(), 0u);
  EXPECT_FALSE(pacer.next().has_value());
}

// Random merges at random times, steps that go a little too far, inputs that end early, a thread that now and then works
// ahead: none is late, and no write pays more than the sum of the reservations and what one step may go too far.
TEST(MergePacer, EveryMergeEndsInTimeAndNoWritePaysMoreThanIsReserved) {
  constexpr uint64_t kTooFarMax = 300;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    MergePacer pacer;
    struct Known {
      uint64_t left;
      uint64_t deadline;
    };
    std::map<uint64_t, Known> known;
    uint64_t last = 0;
    const auto step = [&](const MergePacer::Due& due) {
      Known& merge = known.at(due.merge);
      const uint64_t bytes = std::min(merge.left, due.bytes + random() % kTooFarMax);
      merge.left -= bytes;
      pacer.worked(due.merge, bytes);
      if (merge.left == 0 || random() % 100 == 0) {
        pacer.finish(due.merge);
        known.erase(due.merge);
      }
      return bytes;
    };
    for (int i = 0; i < 5000; ++i) {
      if (random() % 20 == 0 && known.size() < 12) {
        const uint64_t until_due = 1 + random() % (uint64_t{1} << (1 + random() % 20));
        const uint64_t size = random() % (until_due * 4);
        pacer.start(++last, size, until_due);
        known[last] = {size, pacer.accepted() + until_due};
      }
      if (random() % 50 == 0) {
        if (const auto next = pacer.next()) step({next->merge, next->bytes / 3 + 1});
      }
      const double rate = pacer.rate();
      const uint64_t merges = last;
      const uint64_t accepted = 1 + random() % 2000;
      pacer.accept(accepted);
      uint64_t paid = 0;
      while (const auto due = pacer.due()) paid += step(*due);
      ASSERT_LE(static_cast<double>(paid),
                rate * static_cast<double>(accepted) + static_cast<double>(merges + kTooFarMax));
      ASSERT_FALSE(pacer.is_late());
      for (const auto& [id, merge] : known) {
        ASSERT_TRUE(merge.deadline > pacer.accepted() || merge.left == 0) << "merge " << id;
      }
    }
  }
}

// Work that is not done is still owed.
TEST(MergePacer, SaysWhenSomethingIsLate) {
  MergePacer pacer;
  pacer.start(1, 100, 10);
  pacer.accept(11);
  EXPECT_TRUE(pacer.is_late());
  ASSERT_TRUE(pacer.due().has_value());
  EXPECT_EQ(pacer.due()->bytes, 100u);
}

}  // namespace
}  // namespace aether::lsm
