#include "recovery/page_reads.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "sim/sim_os.h"

namespace aether::recovery {
namespace {

constexpr uint32_t kPageBytes = 4096;

class PageReadsTest : public testing::Test {
 protected:
  PageReadsTest() {
    data_ = *buffer::DataFile::create("/data", kPageBytes, 7, os_);
    buffer::AlignedBuffer page(kPageBytes);
    for (uint64_t id = 1; id < data_->capacity_pages(); ++id) {
      std::memset(page.data(), static_cast<int>(id % 251), kPageBytes);
      EXPECT_TRUE(data_->write(PageId{id}, page.data(), 1).has_value());
    }
  }

  /// Reads `ids` and expects each whole page at its place, and none behind the file's end. How many transfers it took.
  uint64_t read(PageReads& reads, const std::vector<uint64_t>& ids) {
    buffer::AlignedBuffer places(ids.size() * kPageBytes);
    std::vector<PageReads::Page> pages;
    for (size_t i = 0; i < ids.size(); ++i)
      pages.push_back({.id = PageId{ids[i]}, .to = places.data() + i * kPageBytes});
    uint64_t transfers = 0;
    os_.on_step([&](const sim::Step& step) { transfers += step.kind == sim::StepKind::read; });
    EXPECT_TRUE(reads.start(pages).has_value());
    EXPECT_TRUE(reads.finish().has_value());
    os_.on_step({});
    for (size_t i = 0; i < ids.size(); ++i) {
      EXPECT_EQ(pages[i].is_whole, ids[i] < data_->capacity_pages()) << "page " << ids[i];
      const std::string expected(kPageBytes, static_cast<char>(ids[i] % 251));
      if (pages[i].is_whole) {
        EXPECT_EQ(std::memcmp(pages[i].to, expected.data(), kPageBytes), 0) << "page " << ids[i];
      }
    }
    return transfers;
  }

  std::unique_ptr<os::IoQueue> queue() { return *os_.make_io_queue(4, IoMode::automatic); }

  sim::SimOs os_;
  std::unique_ptr<buffer::DataFile> data_;
};

TEST_F(PageReadsTest, NeighboursComeWithOneTransfer) {
  PageReads reads(*data_, queue(), 16);
  EXPECT_EQ(read(reads, {5}), 1u);
  EXPECT_EQ(read(reads, {5, 6, 7, 8}), 1u);
  EXPECT_EQ(read(reads, {5, 9, 12}), 1u) << "small gaps are read with them";
  EXPECT_EQ(read(reads, {5, 10, 40, 41}), 3u) << "larger ones are not";
  EXPECT_EQ(read(reads, {}), 0u);
}

TEST_F(PageReadsTest, AllOfAFullBatchIsReadWhateverItsGaps) {
  constexpr size_t kMost = 16;
  PageReads reads(*data_, queue(), kMost);
  for (const uint64_t gap : {0u, 1u, 2u, 3u, 4u}) {
    std::vector<uint64_t> ids;
    for (uint64_t i = 0; i < kMost; ++i) ids.push_back(3 + i * (1 + gap));
    read(reads, ids);
  }
}

TEST_F(PageReadsTest, PagesBehindTheEndOfTheFileAreNotWhole) {
  PageReads reads(*data_, queue(), 8);
  const uint64_t end = data_->capacity_pages();
  read(reads, {end - 2, end - 1, end, end + 1});
  read(reads, {end + 100});
}

// Two batches: the second is started before the first is finished.
TEST_F(PageReadsTest, BatchesMayBeUnderWayTogether) {
  PageReads first(*data_, queue(), 4), second(*data_, queue(), 4);
  buffer::AlignedBuffer places(4 * kPageBytes);
  std::vector<PageReads::Page> a{{.id = PageId{1}, .to = places.data()},
                                 {.id = PageId{2}, .to = places.data() + kPageBytes}};
  std::vector<PageReads::Page> b{{.id = PageId{3}, .to = places.data() + 2 * kPageBytes},
                                 {.id = PageId{4}, .to = places.data() + 3 * kPageBytes}};
  ASSERT_TRUE(first.start(a).has_value());
  ASSERT_TRUE(second.start(b).has_value());
  ASSERT_TRUE(second.finish().has_value());
  ASSERT_TRUE(first.finish().has_value());
  for (unsigned i = 0; i < 4; ++i)
    EXPECT_EQ(places.data()[i * kPageBytes + 17], static_cast<std::byte>(i + 1));
}

TEST_F(PageReadsTest, AReadThatFailsIsAnError) {
  PageReads reads(*data_, queue(), 4);
  buffer::AlignedBuffer place(kPageBytes);
  std::vector<PageReads::Page> pages{{.id = PageId{9}, .to = place.data()}};
  os_.add_fault({.kind = sim::StepKind::read, .path_contains = "/data"});
  Result<void> done = reads.start(pages);
  if (done) done = reads.finish();
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code(), Code::io_error);
}

}  // namespace
}  // namespace aether::recovery
