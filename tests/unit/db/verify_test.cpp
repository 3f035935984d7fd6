#include "db/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/db/file_fixture.h"

namespace aether::db {
namespace {

struct VerifyFixture : FileFixture {
  VerifyReport verify() {
    Result<VerifyReport> report = verify_file(
        *data, {.roots = {{"", 1, PageId{2}}, {"cities", kStore, PageId{kRoot}}}, .values = {}},
        [this](uint64_t done, uint64_t) {
          last_done = done;
          return true;
        });
    EXPECT_TRUE(report.has_value());
    return *std::move(report);
  }
  uint64_t last_done = 0;
};

testing::AssertionResult names(const VerifyReport& report, uint64_t page,
                               const std::string& words) {
  std::string all;
  for (const VerifyProblem& problem : report.problems) {
    if (problem.page_id == page && problem.message.find(words) != std::string::npos) {
      return testing::AssertionSuccess();
    }
    all += "\n  page " + std::to_string(problem.page_id) + ": " + problem.message;
  }
  return testing::AssertionFailure()
         << "no problem of page " << page << " says '" << words << "':" << all;
}

TEST(Verify, AWholeFileHasNoProblem) {
  VerifyFixture t;
  const VerifyReport report = t.verify();
  EXPECT_TRUE(report.ok()) << report.problems.front().message;
  EXPECT_EQ(report.keys, 4u);  // The ghost is none.
  EXPECT_EQ(report.pages_checked, kPages);
  EXPECT_EQ(report.pages_free, t.data->capacity_pages() - kPages);
  EXPECT_EQ(t.last_done, kPages);
}

// Goal: a flipped bit in any kind of page is found, and its page named.
TEST(Verify, AFlippedBitInEveryKindOfPageIsFound) {
  for (uint64_t page = 0; page < kPages; ++page) {
    for (uint64_t bit = page; bit < kPageBytes * 8; bit += 797) {
      VerifyFixture t;
      t.flip_bit(page, bit);
      EXPECT_TRUE(names(t.verify(), page, "page " + std::to_string(page)))
          << "page " << page << " bit " << bit;
    }
  }
}

TEST(Verify, AllocatedMustBeReachableAndReachableAllocated) {
  VerifyFixture t;
  t.change_map([](page::SpaceMapPage map) {
    EXPECT_TRUE(map.set(20, 1).has_value());
    EXPECT_TRUE(map.clear(kRight, 1).has_value());
  });
  const VerifyReport report = t.verify();
  EXPECT_EQ(report.problems.size(), 2u);
  EXPECT_TRUE(names(report, 20, "leaked: allocated, but nothing leads to it; and"));
  EXPECT_TRUE(names(report, 20, "never written"));
  EXPECT_TRUE(names(report, kRight, "free in the space map"));
}

TEST(Verify, LongListsOfPagesEndInACount) {
  VerifyFixture t;
  for (uint64_t id = 20; id < 150; ++id)
    t.format(id, kStore, 0, std::nullopt, std::nullopt, [](page::SlottedPage) {});
  t.change_map([](page::SpaceMapPage map) { EXPECT_TRUE(map.set(20, 130).has_value()); });
  const VerifyReport report = t.verify();
  EXPECT_EQ(report.problems.size(), 101u);
  EXPECT_TRUE(names(report, 0, "and 30 more leaked pages"));
  EXPECT_EQ(report.pages_checked, kPages + 130);
}

TEST(Verify, NodesMustBeWhatTheirParentsSay) {
  {
    VerifyFixture t;
    t.change_node(kLeft, [](page::SlottedPage node) { node.header().page.store = 9; });
    EXPECT_TRUE(names(t.verify(), kLeft, "belongs to store 9"));
  }
  {
    VerifyFixture t;
    t.format(kLeft, kStore, 1, std::nullopt, "m",
             [](page::SlottedPage node) { node.header().leftmost = 30; });
    EXPECT_TRUE(names(t.verify(), kLeft, "its level is 1"));
  }
  {
    VerifyFixture t;
    t.format(kLeft, kStore, 0, std::nullopt, "l\n", [](page::SlottedPage) {});
    EXPECT_TRUE(names(t.verify(), kLeft, "'l\\x0a', but its parent, page 3, says none and 'm'"));
  }
  {
    VerifyFixture t;
    t.change_node(kRoot, [](page::SlottedPage node) { node.header().leftmost = kExtent; });
    EXPECT_TRUE(names(t.verify(), kExtent, "not a B+ tree node"));
  }
}

TEST(Verify, ChildrenMustLieInTheFileAndBeVisitedOnce) {
  for (const uint64_t child : {uint64_t{0}, uint64_t{kRoot}, uint64_t{1}, uint64_t{kRight},
                               uint64_t{1} << 63, ~uint64_t{0}, uint64_t{256}}) {
    VerifyFixture t;
    t.change_node(kRoot, [&](page::SlottedPage node) { node.header().leftmost = child; });
    const VerifyReport report = t.verify();
    const bool in_file = child != 0 && child < 256;
    EXPECT_TRUE(in_file ? names(report, child == kRight ? kRight : child, "in use in another place")
                        : names(report, kRoot, "which is not a page of the file"))
        << "child " << child;
    EXPECT_TRUE(names(report, kLeft, "leaked"));
  }
}

TEST(Verify, RowsAreChecked) {
  VerifyFixture t;
  t.format(kLeft, kStore, 0, std::nullopt, "m", [](page::SlottedPage node) {
    FileFixture::put(node, "a", "short");
    FileFixture::put(node, "b", FileFixture::row(6, 0, "x"));
    FileFixture::put(node, "c", FileFixture::row(1, 0x80, "x"));
    FileFixture::put(node, "d", FileFixture::row(1, page::RecordMeta::kOverflow, "x"));
  });
  const VerifyReport report = t.verify();
  EXPECT_TRUE(names(report, kLeft, "slot 0: its payload of 5 bytes is too short"));
  EXPECT_TRUE(names(report, kLeft, "slot 1: transaction 6 wrote it, but the page's newest is 5"));
  EXPECT_TRUE(names(report, kLeft, "slot 2: it has flags 128"));
  EXPECT_TRUE(names(report, kLeft, "slot 3: the reference to its value has 1 bytes"));
  EXPECT_EQ(report.problems.size(), 4u);
  EXPECT_EQ(report.problems.front().store, "cities");
}

TEST(Verify, OverflowChainsAreChecked) {
  const auto change_head = [](VerifyFixture& t, uint64_t page, auto edit) {
    t.change(page, [&](std::byte* bytes) {
      auto header = base::load<page::OverflowHeader>(bytes);
      edit(header);
      base::store(bytes, header);
    });
  };
  {
    VerifyFixture t;
    change_head(t, kLastExtent, [](page::OverflowHeader& head) { head.used_bytes = 9; });
    EXPECT_TRUE(names(t.verify(), kExtent, "but its row in page 5 says"));
  }
  {
    VerifyFixture t;  // A chain that bites its tail.
    change_head(t, kLastExtent, [](page::OverflowHeader& head) { head.next_extent = kExtent; });
    EXPECT_TRUE(
        names(t.verify(), kExtent, "page 8 leads to it, but it is in use in another place"));
  }
  {
    VerifyFixture t;  // An extent that reaches over its neighbour, and over the end of the file.
    change_head(t, kLastExtent, [](page::OverflowHeader& head) { head.extent_pages = 1000; });
    EXPECT_TRUE(names(t.verify(), kLastExtent, "which is not a page of the file"));
  }
  {
    VerifyFixture t;
    change_head(t, kExtent + 1, [](page::OverflowHeader& head) { head.index = 5; });
    const VerifyReport report = t.verify();
    EXPECT_TRUE(names(report, kExtent + 1, "not page 1 of the overflow extent at page 6"));
    EXPECT_EQ(report.problems.size(), 1u);  // The rest is reached all the same.
  }
  {
    VerifyFixture t;
    change_head(t, kExtent, [](page::OverflowHeader& head) { head.extent_pages = 0; });
    EXPECT_TRUE(names(t.verify(), kExtent, "not the head of an overflow extent"));
  }
}

TEST(Verify, ADamagedMapLeavesTheTreesToBeChecked) {
  VerifyFixture t;
  t.flip_bit(1, 5000);
  t.flip_bit(kLeft, 5000);
  const VerifyReport report = t.verify();
  EXPECT_TRUE(names(report, 1, "are allocated is unknown"));
  EXPECT_TRUE(names(report, kLeft, "checksum"));
  EXPECT_EQ(report.problems.size(), 2u);
  EXPECT_EQ(report.keys, 2u);
}

TEST(Verify, AReadErrorIsAProblemNotTheEnd) {
  VerifyFixture t;
  t.os.add_fault({.kind = sim::StepKind::read, .path_contains = "data", .nth = 3, .sticky = true});
  const VerifyReport report = t.verify();
  EXPECT_FALSE(report.ok());
  EXPECT_GE(t.os.faults_fired(), 1u);
}

TEST(Verify, ACutOffFileIsReported) {
  VerifyFixture t;
  ASSERT_TRUE(t.data->file().truncate(kRight * kPageBytes + 100).has_value());
  EXPECT_TRUE(names(t.verify(), kRight, "page 5"));
}

// Goal:   nothing that a page may say crashes the check or sends it in circles.
// Method: bytes of random pages are changed at random and sealed, so that the checksum does not help.
TEST(Verify, SurvivesAnyBytesUnderAGoodChecksum) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  uint64_t found = 0;
  for (int round = 0; round < 1000; ++round) {
    VerifyFixture t;
    const uint64_t page = 1 + random() % (kPages - 1);
    t.change(page, [&](std::byte* bytes) {
      for (uint64_t i = 1 + random() % 4; i > 0; --i) {
        const uint64_t at = random() % 4 != 0 ? 28 + random() % 140 : random() % kPageBytes;
        bytes[at] = static_cast<std::byte>(random());
      }
      base::store(bytes + 8, page);
    });
    found += t.verify().ok() ? 0 : 1;
  }
  EXPECT_GT(found, 300u);
}

}  // namespace
}  // namespace aether::db
