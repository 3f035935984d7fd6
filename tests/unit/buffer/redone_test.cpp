// Pages that redo leaves in the pool: found by number, adopted by the first descent, written and evicted, forgotten.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "tests/unit/buffer/pool_fixture.h"

namespace aether::buffer {
namespace {

constexpr uint64_t kLeaves = 100;  // More than frames, and all of them in one root.

/// Puts a leaf into the pool as redo does, with a stamp that the file does not have.
Frame* redo_leaf(PoolFixture& t, uint64_t leaf, uint64_t stamp) {
  Frame* frame = t.pool->try_take_frame();
  EXPECT_NE(frame, nullptr);
  EXPECT_TRUE(t.data->read(t.leaf_id(leaf), t.pool->page(*frame)).has_value());
  const std::string bytes = word_bytes(stamp);
  std::copy(bytes.begin(), bytes.end(),
            reinterpret_cast<char*>(t.pool->node(*frame).mutable_payload(0)));
  EXPECT_TRUE(t.pool->keep_redone(*frame, t.leaf_id(leaf), 9000).has_value());
  return frame;
}

uint64_t stamp_in_file(PoolFixture& t, uint64_t leaf) {
  AlignedBuffer bytes(kPageBytes);
  EXPECT_TRUE(t.data->read(t.leaf_id(leaf), bytes.data()).has_value());
  uint64_t stamp = 0;
  const std::string_view payload = page::SlottedPage(bytes.data(), kPageBytes).payload(0);
  std::copy_n(payload.begin(), sizeof stamp, reinterpret_cast<char*>(&stamp));
  return stamp;
}

TEST(Redone, TheFirstDescentAdoptsTheFrame) {
  PoolFixture t(kLeaves);
  Frame* redone = redo_leaf(t, 5, 55);
  EXPECT_EQ(t.pool->redone_count(), 1u);
  const uint64_t reads = t.pool->page_reads();
  EXPECT_EQ(*t.fix(5), redone);
  EXPECT_EQ(t.stamp_of(*redone), 55u);
  EXPECT_EQ(t.pool->page_reads(), reads);
  EXPECT_EQ(t.pool->redone_count(), 0u);
  EXPECT_EQ(redone->dirty_position.load(), 9000u);
  EXPECT_EQ(redone->parent.load(), t.root);
  EXPECT_EQ(t.root->swizzled_children.load(), 1u);
}

TEST(Redone, APageThatIsNotTheParentsChildIsRefusedAndKept) {
  PoolFixture t(kLeaves);
  Frame* redone = redo_leaf(t, 5, 55);
  t.pool->node(*redone).header().page.store = kStore + 1;
  const Result<Frame*> fixed = t.fix(5);
  ASSERT_FALSE(fixed.has_value());
  EXPECT_EQ(fixed.error().code(), Code::corruption);
  EXPECT_EQ(t.pool->redone_count(), 1u);
}

TEST(Redone, AnInnerNodeWithAddressesIsNotKept) {
  PoolFixture t(kLeaves);
  Frame* frame = t.pool->try_take_frame();
  ASSERT_TRUE(t.data->read(kRoot, t.pool->page(*frame)).has_value());
  SwipWord::hot(frame).store(t.pool->node(*frame).child_word(3));
  EXPECT_FALSE(t.pool->keep_redone(*frame, kRoot, 9000).has_value());
  EXPECT_EQ(t.pool->redone_count(), 0u);
  t.pool->cancel_frame(*frame);
}

TEST(Redone, ACheckpointWritesThemAndTheyStay) {
  PoolFixture t(kLeaves);
  redo_leaf(t, 5, 55);
  std::vector<PageWriter::Target> targets;
  EXPECT_EQ(t.pool->collect_dirty(~LogPosition{0}, targets), 9000u);
  ASSERT_EQ(targets.size(), 1u);
  ASSERT_TRUE(t.writer->write(targets).has_value());
  EXPECT_EQ(stamp_in_file(t, 5), 55u);
  EXPECT_EQ(t.pool->dirty_count(), 0u);
  EXPECT_EQ(t.pool->redone_count(), 1u);
  EXPECT_EQ(t.stamp_of(**t.fix(5)), 55u);
}

// All frames are redone pages: who needs one has them written and evicted, and reads what was there.
TEST(Redone, TheyMakeRoomAndAreReadAgain) {
  PoolFixture t(kLeaves);
  uint64_t redone = 0;
  for (; t.pool->free_count() > 0; ++redone) redo_leaf(t, redone, 1000 + redone);
  EXPECT_EQ(t.pool->try_take_frame(), nullptr);
  for (uint64_t leaf = kLeaves; leaf-- > redone;) {
    const Result<Frame*> fixed = t.fix(leaf);
    ASSERT_TRUE(fixed.has_value()) << fixed.error().message();
  }
  EXPECT_LT(t.pool->redone_count(), redone);
  for (uint64_t leaf = 0; leaf < redone; ++leaf) {
    const Result<Frame*> fixed = t.fix(leaf);
    ASSERT_TRUE(fixed.has_value()) << fixed.error().message();
    EXPECT_EQ(t.stamp_of(**fixed), 1000 + leaf);
  }
}

TEST(Redone, FlushWritesAllAndFreesTheirFrames) {
  PoolFixture t(kLeaves);
  const uint64_t free = t.pool->free_count();
  for (uint64_t leaf = 0; leaf < 20; ++leaf) redo_leaf(t, leaf, 70 + leaf);
  ASSERT_TRUE(t.pool->flush_redone(*t.writer).has_value());
  EXPECT_EQ(t.pool->free_count(), free);
  for (uint64_t leaf = 0; leaf < 20; ++leaf) EXPECT_EQ(stamp_in_file(t, leaf), 70 + leaf);
}

// A page that was freed before the crash, redone, and begins a new life: the old one is not written over it.
TEST(Redone, ANumberThatIsGivenOutAnewIsForgotten) {
  PoolFixture t(kLeaves);
  redo_leaf(t, kLeaves - 1, 1);
  const auto space = *SpaceManager::open(*t.data, *t.log, t.pool.get());
  const PageId last = t.leaf_id(kLeaves - 1);
  LogContext system = t.context.system();
  const std::array ranges{PageRange{last, 1}};
  auto change = space->change(SpaceOp::free, ranges, system);
  std::vector<PageRef> pages;
  std::vector<wal::PartSpec> parts;
  change.append_to(pages, parts);
  ASSERT_TRUE(log_change(*t.log, system, {}, pages, parts).has_value());
  change.apply();
  ASSERT_TRUE(t.log->flush().has_value());
  for (int i = 0; i < 3 && t.pool->redone_count() > 0; ++i)
    ASSERT_TRUE(space->reserve(1, system).has_value());
  EXPECT_EQ(t.pool->redone_count(), 0u);
}

TEST(Redone, MapsGoToTheSpaceManager) {
  PoolFixture t(kLeaves);
  Frame* frame = t.pool->try_take_frame();
  ASSERT_TRUE(t.data->read(PageId{1}, t.pool->page(*frame)).has_value());
  page::SpaceMapPage map(t.pool->page(*frame), kPageBytes);
  ASSERT_TRUE(map.set(1000, 1).has_value());
  ASSERT_TRUE(t.pool->keep_redone(*frame, PageId{1}, 9000).has_value());
  const auto space = *SpaceManager::open(*t.data, *t.log, t.pool.get());
  EXPECT_TRUE(space->is_allocated(PageId{1000}));
  EXPECT_EQ(t.pool->redone_count(), 0u);
  EXPECT_EQ(space->map_pages().front().frame->dirty_position.load(), 9000u);
}

}  // namespace
}  // namespace aether::buffer
