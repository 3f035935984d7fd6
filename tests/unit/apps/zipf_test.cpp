#include "apps/aether/zipf.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace aether::cli {
namespace {

TEST(Zipf, RanksComeInProportion) {
  constexpr uint64_t kRanks = 1000, kDraws = 400'000;
  const Zipf zipf(kRanks, 0.99);
  Dice dice(7);
  std::vector<uint64_t> counts(kRanks + 1);
  for (uint64_t i = 0; i < kDraws; ++i) {
    const uint64_t rank = zipf.draw(dice);
    ASSERT_GE(rank, 1u);
    ASSERT_LE(rank, kRanks);
    ++counts[rank];
  }
  double sum = 0;
  for (uint64_t rank = 1; rank <= kRanks; ++rank) sum += std::pow(rank, -0.99);
  for (const uint64_t rank : {1u, 2u, 3u, 10u, 50u}) {
    const double expected = kDraws * std::pow(rank, -0.99) / sum;
    EXPECT_NEAR(static_cast<double>(counts[rank]), expected, 6 * std::sqrt(expected)) << rank;
  }
  uint64_t last = 0;
  double expected_last = 0;
  for (uint64_t rank = 501; rank <= kRanks; ++rank) {
    last += counts[rank];
    expected_last += kDraws * std::pow(rank, -0.99) / sum;
  }
  EXPECT_NEAR(static_cast<double>(last), expected_last, 6 * std::sqrt(expected_last));
}

TEST(Zipf, OneRankIsAlwaysDrawn) {
  Dice dice(1);
  const Zipf zipf(1, 0.99);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(zipf.draw(dice), 1u);
}

TEST(Dice, BelowReachesEveryNumberAndNoMore) {
  Dice dice(3);
  std::vector<int> counts(10);
  for (int i = 0; i < 10'000; ++i) {
    const uint64_t number = dice.below(10);
    ASSERT_LT(number, 10u);
    ++counts[number];
    const double fraction = dice.fraction();
    ASSERT_TRUE(fraction >= 0 && fraction < 1);
  }
  for (const int count : counts) EXPECT_NEAR(count, 1000, 200);
}

}  // namespace
}  // namespace aether::cli
