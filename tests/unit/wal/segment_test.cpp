#include "wal/segment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/wal/wal_fixture.h"

namespace aether::wal {
namespace {

using testing::ElementsAre;

const SegmentOptions kOptions{
    .directory = kDirectory, .environment_id = kEnvironment, .segment_bytes = 64 * KiB, .epoch = 3};

std::unique_ptr<SegmentFiles> open_files(sim::SimOs& disk, uint64_t first, bool fill = true) {
  SegmentOptions options = kOptions;
  options.fill = fill;
  Result<std::unique_ptr<SegmentFiles>> files = SegmentFiles::open(options, first, disk);
  EXPECT_TRUE(files) << error_of(files);
  return *std::move(files);
}

std::vector<uint64_t> numbers(sim::SimOs& disk) { return *list_segments(kDirectory, disk); }

// A power cut now leaves the segment with its name, its header and all its bytes.
void expect_durable(sim::SimOs& disk, uint64_t segment) {
  const auto after = disk.crash({.policy = sim::CrashPolicy::lost});
  const Result<std::string> bytes = after->read_file(segment_path(segment));
  ASSERT_TRUE(bytes) << error_of(bytes);
  EXPECT_EQ(bytes->size(), kOptions.segment_bytes);
  SegmentHeader header;
  ASSERT_TRUE(read_segment_header(*bytes, header));
  EXPECT_EQ(header.segment, segment);
  EXPECT_EQ(header.epoch, kOptions.epoch);
  EXPECT_EQ(header.environment_id, kEnvironment);
  EXPECT_EQ(header.segment_bytes, kOptions.segment_bytes);
}

TEST(Segment, NamesSortAsNumbersDo) {
  EXPECT_EQ(segment_name(42), "000000000000002a.log");
  EXPECT_EQ(segment_name(0), "0000000000000000.log");
  EXPECT_EQ(segment_name(UINT64_MAX), "ffffffffffffffff.log");
  EXPECT_LT(segment_name(9), segment_name(10));
}

TEST(Segment, ListIgnoresOtherNames) {
  const auto disk = make_disk();
  for (const char* name :
       {"000000000000002a.log", "0000000000000007.log", "000000000000002A.log", "7.log",
        "0000000000000007.log.old", "00000000000000zz.log", "CONTROL"}) {
    ASSERT_TRUE(disk->write_file(kDirectory + "/" + name, "x"));
  }
  EXPECT_THAT(numbers(*disk), ElementsAre(7, 42));
}

// Taken means: everything is durable, the name too; and no byte is left for a later sync to allocate.
TEST(Segment, ATakenSegmentSurvivesACrash) {
  const auto disk = make_disk();
  const auto files = open_files(*disk, 5);
  const Result<std::unique_ptr<os::File>> file = files->take(5);
  ASSERT_TRUE(file) << error_of(file);
  expect_durable(*disk, 5);
  EXPECT_EQ(disk->read_file(segment_path(5))->find_first_not_of('\0', kSegmentHeaderBytes),
            std::string::npos);
}

TEST(Segment, ATakenSegmentThatIsNotFilledSurvivesACrashToo) {
  uint64_t steps[2];
  for (const bool fill : {false, true}) {
    const auto disk = make_disk();
    const auto files = open_files(*disk, 5, fill);
    const uint64_t before = disk->steps();
    const Result<std::unique_ptr<os::File>> file = files->take(5);
    ASSERT_TRUE(file) << error_of(file);
    steps[fill] = disk->steps() - before;
    expect_durable(*disk, 5);
  }
  EXPECT_EQ(steps[false] + 1, steps[true]);  // The write of 64 KiB of zeros.
}

TEST(Segment, PreparingAheadIsDoneInSteps) {
  const auto disk = make_disk();
  const auto files = open_files(*disk, 1);
  ASSERT_TRUE(files->take(1));
  int steps = 1;
  for (Result<bool> more = files->prepare_step(2); *more; more = files->prepare_step(2)) ++steps;
  EXPECT_GT(steps, 1);
  EXPECT_EQ(files->created(), 2u);
  const uint64_t before = disk->steps();
  ASSERT_TRUE(files->take(2));
  EXPECT_EQ(disk->steps(), before);  // Nothing was left to do.
  const Result<bool> late = files->prepare_step(2);
  ASSERT_TRUE(late);
  EXPECT_FALSE(*late);
}

TEST(Segment, TakesOverAHalfDonePreparation) {
  const auto disk = make_disk();
  const auto files = open_files(*disk, 1);
  ASSERT_TRUE(files->take(1));
  ASSERT_TRUE(*files->prepare_step(2));
  ASSERT_TRUE(files->take(2));
  EXPECT_EQ(files->created(), 2u);
}

// Whichever step of preparing fails: an error, nothing half done is left, and the next try succeeds.
TEST(Segment, AFailedPreparationLeavesNothingBehind) {
  for (const bool recycled : {false, true}) {
    for (uint64_t nth = 1;; ++nth) {
      const auto disk = make_disk();
      const auto files = open_files(*disk, 1);
      ASSERT_TRUE(files->take(1) && files->take(2));
      ASSERT_TRUE(files->release_before(recycled ? 2 : 1));
      disk->add_fault({.kind = sim::StepKind::any, .nth = nth});

      const bool failed = !files->take(3);

      if (disk->faults_fired() == 0) break;  // It has fewer steps.
      disk->clear_faults();
      const uint64_t number = failed ? 3 : 4;
      const Result<std::unique_ptr<os::File>> again = files->take(number);
      ASSERT_TRUE(again) << "step " << nth << ": " << error_of(again);
      expect_durable(*disk, number);
    }
  }
}

TEST(Segment, WhatAFailedPreparationCouldNotRemoveIsReplaced) {
  const auto disk = make_disk();
  const auto files = open_files(*disk, 1);
  ASSERT_TRUE(files->take(1));
  ASSERT_TRUE(disk->write_file(segment_path(2), "half of a header"));
  const Result<std::unique_ptr<os::File>> file = files->take(2);
  ASSERT_TRUE(file) << error_of(file);
  expect_durable(*disk, 2);
}

// A crash at any step of taking a segment leaves names and files that the next life copes with.
TEST(Segment, ACrashWhileRecyclingIsHarmless) {
  const auto disk = make_disk();
  const auto files = open_files(*disk, 1);
  ASSERT_TRUE(files->take(1) && files->take(2));
  ASSERT_TRUE(files->release_before(2));
  std::vector<std::unique_ptr<sim::SimOs>> crashed;
  disk->on_step([&](const sim::Step& step) {
    for (const auto policy :
         {sim::CrashPolicy::lost, sim::CrashPolicy::kept, sim::CrashPolicy::sectors}) {
      crashed.push_back(disk->crash({.policy = policy, .seed = step.number}));
    }
  });
  ASSERT_TRUE(files->take(3) && files->take(4));
  disk->on_step({});
  EXPECT_GT(crashed.size(), 15u);
  for (const auto& after : crashed) {
    const auto next_life = open_files(*after, 3);
    const Result<std::unique_ptr<os::File>> file = next_life->take(3);
    ASSERT_TRUE(file) << error_of(file);
    ASSERT_EQ(*(*file)->size(), kOptions.segment_bytes);
    ASSERT_TRUE(next_life->take(4));
    ASSERT_TRUE(next_life->release_before(4));
  }
}

TEST(Segment, LeftoversOfAnEarlierLifeAreSparesOrGone) {
  const auto disk = make_disk();
  {
    const auto files = open_files(*disk, 1);
    for (uint64_t number = 1; number <= 8; ++number) ASSERT_TRUE(files->take(number));
  }
  const auto files = open_files(*disk, 4);
  EXPECT_THAT(numbers(*disk), ElementsAre(1, 2, 3, 4, 5));
  ASSERT_TRUE(files->take(4) && files->take(5));
  EXPECT_EQ(files->recycled(), 2u);
  ASSERT_TRUE(files->release_before(4));  // Files of the earlier life too.
  EXPECT_THAT(numbers(*disk), ElementsAre(1, 2, 4, 5));
}

TEST(Segment, ASpareOfAnotherSizeIsNotRecycled) {
  const auto disk = make_disk();
  ASSERT_TRUE(disk->write_file(segment_path(9), std::string(4096, 'x')));
  const auto files = open_files(*disk, 9);
  const Result<std::unique_ptr<os::File>> file = files->take(9);
  ASSERT_TRUE(file) << error_of(file);
  EXPECT_EQ(*(*file)->size(), kOptions.segment_bytes);
  EXPECT_EQ(files->created(), 1u);
}

}  // namespace
}  // namespace aether::wal
