#include "buffer/page_tags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/bytes.h"
#include "buffer/data_file.h"
#include "sim/sim_os.h"

namespace aether::buffer {
namespace {

using testing::HasSubstr;

constexpr uint64_t kEnvironment = 77;
constexpr const char* kPath = "/env/tags";
constexpr uint64_t kBlock = 4096;

/// A page is known by its first eight bytes.
struct Page {
  explicit Page(uint64_t version) { base::store(bytes, version); }
  std::byte bytes[16] = {};
};

struct TagsFixture {
  sim::SimOs os;
  std::unique_ptr<PageTags> tags;

  TagsFixture() {
    EXPECT_TRUE(os.create_directory("/env"));
    EXPECT_TRUE(PageTags::create(kPath, kEnvironment, os));
    os.sync_everything();
    open(os, 1);
  }
  void open(sim::SimOs& from, uint64_t sequence) {
    tags = std::move(PageTags::open(kPath, kEnvironment, true, sequence, from)).value();
  }
  Result<void> write() {
    return tags->write([] { return Result<void>(); });
  }
  bool matches(uint64_t id, uint64_t version) {
    return tags->matches(PageId{id}, Page(version).bytes).value();
  }
  void set(uint64_t id, uint64_t version) {
    ASSERT_TRUE(tags->set(PageId{id}, Page(version).bytes));
  }
};

TEST(PageTags, TellAnOlderVersionFromTheLast) {
  TagsFixture t;
  for (const uint64_t id : {uint64_t{1}, uint64_t{1007}, uint64_t{1008}, uint64_t{5'000'000}}) {
    t.set(id, 10);
    EXPECT_TRUE(t.matches(id, 10)) << id;
    t.set(id, 11);
    EXPECT_TRUE(t.matches(id, 11)) << id;
    EXPECT_FALSE(t.matches(id, 10)) << id;
    EXPECT_FALSE(t.matches(id, uint64_t{11} + 5)) << id;
  }
}

TEST(PageTags, NoTagOfAVersionMeansSomethingElse) {
  for (const uint64_t version :
       {uint64_t{0}, uint64_t{1}, uint64_t{2}, ~uint64_t{0}, uint64_t{1} << 32})
    EXPECT_GT(PageTags::of(Page(version).bytes), PageTags::kUnwritten);
}

TEST(PageTags, WhatIsReadFirstCountsFromThen) {
  TagsFixture t;
  EXPECT_TRUE(t.matches(5, 10));
  EXPECT_FALSE(t.matches(5, 9));
}

TEST(PageTags, APageThatIsTakenAnewMeansNothingUntilItIsWritten) {
  TagsFixture t;
  t.set(5, 10);
  ASSERT_TRUE(t.tags->reserve(PageId{4}, 3));
  EXPECT_TRUE(t.matches(5, 10));
  EXPECT_TRUE(t.matches(5, 9)) << "what was read of the old life counts";
  t.set(5, 20);
  EXPECT_FALSE(t.matches(5, 10));
  EXPECT_TRUE(t.matches(4, 1));
}

TEST(PageTags, SurviveWithTheLastWrite) {
  TagsFixture t;
  for (uint64_t id = 1; id < 40'000; id += 7) t.set(id, id);
  ASSERT_TRUE(t.write());
  t.set(8, 999);  // After it.
  const std::unique_ptr<sim::SimOs> after = t.os.crash({.policy = sim::CrashPolicy::lost});
  t.open(*after, t.tags->sequence());
  for (uint64_t id = 1; id < 40'000; id += 7) {
    ASSERT_TRUE(t.matches(id, id)) << id;
    ASSERT_FALSE(t.matches(id, id + 1)) << id;
  }
  t.tags.reset();
}

TEST(PageTags, OnlyWhatHasChangedIsWritten) {
  TagsFixture t;
  for (uint64_t id = 1; id < 100'000; id += 500) t.set(id, id);
  ASSERT_TRUE(t.write());
  const uint64_t sequence = t.tags->sequence();
  uint64_t bytes = 0;
  t.os.on_step(
      [&](const sim::Step& step) { bytes += step.kind == sim::StepKind::write ? step.size : 0; });
  ASSERT_TRUE(t.write());
  EXPECT_EQ(bytes, 0u);
  EXPECT_EQ(t.tags->sequence(), sequence);
  t.set(7, 8);
  t.set(70'000, 8);
  ASSERT_TRUE(t.write());
  EXPECT_EQ(bytes, 2 * 3 * kBlock) << "two copies of two blocks and the header";
  t.os.on_step({});
}

// Goal:   a power cut at any step of a write leaves every tag as it was, or as it is.
// Method: 40 blocks change together; at every step of that, several crashes with torn blocks.
TEST(PageTags, ATornWriteLeavesTheOldOrTheNew) {
  TagsFixture t;
  for (uint64_t id = 0; id < 40 * 1008; id += 101) t.set(id, 1);
  ASSERT_TRUE(t.write());
  const uint64_t known = t.tags->sequence();
  for (uint64_t id = 0; id < 40 * 1008; id += 101) t.set(id, 2);
  std::vector<std::unique_ptr<sim::SimOs>> crashed;
  t.os.on_step([&](const sim::Step& step) {
    for (uint64_t seed = 0; step.changes_disk && seed < 4; ++seed)
      crashed.push_back(t.os.crash({.seed = step.number * 8 + seed, .garbage_percent = 30}));
  });
  ASSERT_TRUE(t.write());
  t.os.on_step({});
  ASSERT_GT(crashed.size(), 20u);
  for (const std::unique_ptr<sim::SimOs>& os : crashed) {
    t.open(*os, known);
    for (uint64_t id = 0; id < 40 * 1008; id += 101) {
      const Result<PageTag> tag = t.tags->get(PageId{id});
      ASSERT_TRUE(tag) << tag.error().message();
      ASSERT_TRUE(*tag == PageTags::of(Page(1).bytes) || *tag == PageTags::of(Page(2).bytes)) << id;
    }
    t.tags.reset();
  }
}

// One rotten copy costs nothing and is made good; two are damage.
TEST(PageTags, OneDamagedCopyIsNoLoss) {
  TagsFixture t;
  t.set(5, 10);
  ASSERT_TRUE(t.write());
  const uint64_t sequence = t.tags->sequence();
  const std::string file = *t.os.read_file(kPath);
  std::vector<uint64_t> blocks;
  for (uint64_t at = 0; at < file.size(); at += kBlock)
    if (file.find_first_not_of('\0', at) < at + kBlock) blocks.push_back(at);
  ASSERT_EQ(blocks.size(), 4u) << "two copies of the header and of a block";
  for (const uint64_t first : blocks) {
    const std::unique_ptr<sim::SimOs> os = t.os.copy();
    ASSERT_TRUE(os->flip_bit(kPath, (first + 70) * 8));
    t.open(*os, sequence);
    EXPECT_FALSE(t.matches(5, 11));
    std::vector<PageTags::BadCopy> bad;
    ASSERT_TRUE(t.tags->check_blocks(0, t.tags->file_blocks(), bad));
    ASSERT_EQ(bad.size(), 1u);
    ASSERT_TRUE(t.tags->write_anew(bad.front()));
    ASSERT_TRUE(t.write());
    bad.clear();
    ASSERT_TRUE(t.tags->check_blocks(0, t.tags->file_blocks(), bad));
    EXPECT_TRUE(bad.empty()) << bad.front().message;
    t.tags.reset();
  }
  for (const uint64_t pair : {uint64_t{0}, uint64_t{2}}) {
    const std::unique_ptr<sim::SimOs> os = t.os.copy();
    ASSERT_TRUE(os->flip_bit(kPath, (blocks[pair] + 70) * 8));
    ASSERT_TRUE(os->flip_bit(kPath, (blocks[pair + 1] + 70) * 8));
    const Result<std::unique_ptr<PageTags>> opened = PageTags::open(kPath, kEnvironment, true,
                                                                    sequence, *os);
    Code code = Code::corruption;
    if (pair == 0) {
      ASSERT_FALSE(opened);
      code = opened.error().code();
    } else {
      const Result<bool> matches = (*opened)->matches(PageId{5}, Page(10).bytes);
      ASSERT_FALSE(matches);
      code = matches.error().code();
      EXPECT_THAT(std::string(matches.error().message()), HasSubstr(kPath));
    }
    EXPECT_EQ(code, Code::corruption);
  }
}

TEST(PageTags, AnOldCopyOrACutFileIsRefused) {
  TagsFixture t;
  const std::string old = *t.os.read_file(kPath);
  t.set(5, 10);
  t.set(90'000, 10);
  ASSERT_TRUE(t.write());
  const uint64_t sequence = t.tags->sequence();
  const std::string file = *t.os.read_file(kPath);
  const auto refused = [&](const std::string& bytes, const char* why) {
    const std::unique_ptr<sim::SimOs> os = t.os.copy();
    EXPECT_TRUE(os->write_file(kPath, bytes));
    const auto opened = PageTags::open(kPath, kEnvironment, true, sequence, *os);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), Code::corruption);
    EXPECT_THAT(std::string(opened.error().message()), HasSubstr(why));
  };
  refused(old, "old copy");
  refused(file.substr(0, file.size() / 2), "cut off");
  refused(file.substr(0, 20), "neither copy");
  refused("", "neither copy");
  EXPECT_EQ(PageTags::open("/env/none", kEnvironment, true, 1, t.os).error().code(),
            Code::not_found);
  EXPECT_FALSE(PageTags::open(kPath, kEnvironment + 1, true, 1, t.os).has_value());
}

// The log is believed only as far as it goes: a page number from it makes no room for tags of pages that are not there.
TEST(PageTags, ForgettingTakesNoMemory) {
  TagsFixture t;
  t.set(5, 10);
  for (uint64_t id = 1'000'000; id < (uint64_t{1} << 50); id *= 2)
    ASSERT_TRUE(t.tags->forget(PageId{id}, 1));
  ASSERT_TRUE(t.tags->forget(PageId{5}, 1));
  EXPECT_EQ(*t.tags->get(PageId{5}), PageTags::kUnknown);
  EXPECT_TRUE(t.matches(uint64_t{1} << 50, 3)) << "too far out to be kept";
  ASSERT_TRUE(t.write());
  EXPECT_LT(t.os.read_file(kPath)->size(), uint64_t{1} << 20);
}

}  // namespace
}  // namespace aether::buffer
