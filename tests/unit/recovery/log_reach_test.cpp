#include "recovery/log_reach.h"

#include <gtest/gtest.h>

#include "buffer/change.h"
#include "buffer/space_manager.h"
#include "page/space_map_page.h"
#include "sim/sim_os.h"

namespace aether::recovery {
namespace {

constexpr uint32_t kPageBytes = 4096;
constexpr uint32_t kEpoch = 3;

page::PageHeader leaf(uint64_t id, Gsn gsn) {
  page::PageHeader header{};
  header.page_id = PageId{id};
  header.gsn = gsn;
  header.kind = page::PageKind::btree_leaf;
  return header;
}

/// Redo begins with the first block of an epoch: every later change of a page is in the log, or was.
class LogReachTest : public testing::Test {
 protected:
  LogReachTest() : data_(*buffer::DataFile::create("/data", kPageBytes, 7, os_)) {
    wal::Block first{};
    first.epoch = kEpoch;
    reach_.begin(first);
  }
  bool is_beyond(const page::PageHeader& page, Gsn known) {
    const Result<bool> beyond = reach_.is_beyond(page, known, *data_);
    EXPECT_TRUE(beyond.has_value());
    return beyond.has_value() && *beyond;
  }

  sim::SimOs os_;
  std::unique_ptr<buffer::DataFile> data_;
  LogReach reach_;
  const Gsn known_ = buffer::first_gsn(kEpoch) + 100;
};

TEST_F(LogReachTest, ANodeAboveItsLogShowsThatABlockIsLost) {
  EXPECT_TRUE(is_beyond(leaf(9, known_ + 1), known_));
  EXPECT_FALSE(is_beyond(leaf(9, known_), known_));
  EXPECT_FALSE(is_beyond(leaf(9, known_ - 1), known_)) << "redo brings it there";
}

TEST_F(LogReachTest, OtherPagesMayBeAboveTheirLog) {
  page::PageHeader map = leaf(1, known_ + 1);
  map.kind = page::PageKind::space_map;
  EXPECT_FALSE(is_beyond(map, known_));
}

// What is written past the log takes its GSN from the map page that has the log's record.
TEST_F(LogReachTest, APageWrittenPastTheLogHasItsMapsRecord) {
  wal::PartView part{};
  part.header.manager = wal::ResourceManager::space;
  part.header.op = static_cast<uint8_t>(buffer::SpaceOp::allocate);
  part.header.page_id = 1;
  reach_.add(part, known_ + 5);
  reach_.sort();
  EXPECT_FALSE(is_beyond(leaf(9, known_ + 5), known_));
  EXPECT_TRUE(is_beyond(leaf(9, known_ + 6), known_));
}

}  // namespace
}  // namespace aether::recovery
