#include "lsm/policy/expired.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace aether::lsm {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

RunDescription run_of(uint64_t id, uint64_t rewrite_at) {
  const std::string key(1, static_cast<char>('a' + id));
  return {.id = id,
          .bytes = 100,
          .entries = 10,
          .smallest_key = key + "a",
          .largest_key = key + "z",
          .rewrite_at_ms = rewrite_at};
}

// Goal:   the moment is the end of the step with which a quarter has expired: never one at which fewer have.
TEST(Expired, ItIsWorthItFromTheMomentOnAtWhichAQuarterHas) {
  ExpiryTimes none;
  EXPECT_EQ(rewrite_at_ms(none, 100), kNeverMs);
  ExpiryTimes times;
  times.add(1000, 20);
  times.add(2000, 4);
  EXPECT_EQ(rewrite_at_ms(times, 100), kNeverMs) << "24 of 100";
  times.add(3000, 1);
  EXPECT_EQ(rewrite_at_ms(times, 100), 3000u);
  EXPECT_EQ(rewrite_at_ms(times, 80), 1000u);
  EXPECT_EQ(rewrite_at_ms(times, 81), 2000u);

  ExpiryTimes many;
  for (uint64_t i = 1; i <= 1000; ++i) many.add(i * 1000, 1);
  for (uint64_t bytes = 4; bytes <= 4000; bytes += 4) {
    const uint64_t at = rewrite_at_ms(many, bytes);
    EXPECT_GE(at, bytes / 4 * 1000);
    EXPECT_LE(at, bytes / 4 * 1000 + 32'000) << "a step of 64 or fewer that 1,000 seconds have";
  }
  // What no clock reaches is no reason to look.
  ExpiryTimes late;
  late.add(~uint64_t{0}, 100);
  EXPECT_EQ(rewrite_at_ms(late, 100), kNeverMs);
}

TEST(Expired, TheOldestRunThatIsDueAndNotBusyIsRewrittenAlone) {
  Shape shape;
  shape.nursery_bytes = 100;
  shape.now_ms = 50;
  shape.sorted_runs = {
      {.parts = {run_of(1, kNeverMs), run_of(2, 51)}, .busy = false},
      {.parts = {run_of(3, 10)}, .busy = true},
      {.parts = {run_of(4, kNeverMs), run_of(5, 50), run_of(6, 10), run_of(7, 60), run_of(8, 10)},
       .busy = false},
      {.parts = {run_of(9, 10)}, .busy = false}};
  const std::optional<PlannedMerge> planned = plan_expired(shape);
  ASSERT_TRUE(planned.has_value());
  EXPECT_EQ(*planned, (PlannedMerge{2, 1, 300}));
  const MergeParts parts = split_for_merge(shape, *planned);
  EXPECT_THAT(parts.rewritten, ElementsAre(5, 6)) << "8 has a turn of its own: 7 is not worth it";
  EXPECT_THAT(parts.moved, ElementsAre(4, 7, 8));

  // A key in common, as far as bounds tell: no part of the output may reach over what only moves.
  shape.sorted_runs[2].parts[3].smallest_key = shape.sorted_runs[2].parts[2].largest_key;
  EXPECT_THAT(split_for_merge(shape, *planned).rewritten, ElementsAre(5, 6, 7));

  shape.now_ms = 9;
  EXPECT_FALSE(plan_expired(shape).has_value());
  shape.now_ms = kNeverMs;
  shape.sorted_runs = {{.parts = {run_of(1, kNeverMs)}, .busy = false}};
  EXPECT_FALSE(plan_expired(shape).has_value());
}

// Goal:   a merge of sorted runs moves what shares no keys, expired or not: that is rewritten alone when the merge has ended.
TEST(Expired, OtherMergesMoveAsBefore) {
  Shape shape;
  shape.nursery_bytes = 100;
  shape.now_ms = 50;
  shape.sorted_runs = {{.parts = {run_of(1, 10)}, .busy = false},
                       {.parts = {run_of(2, 10)}, .busy = false}};
  const MergeParts parts = split_for_merge(shape, {0, 2, 100});
  EXPECT_THAT(parts.rewritten, IsEmpty());
  EXPECT_THAT(parts.moved, ElementsAre(1, 2));
}

}  // namespace
}  // namespace aether::lsm
