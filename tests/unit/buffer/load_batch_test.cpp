// Many pages read side by side.
#include <gtest/gtest.h>

#include <vector>

#include "buffer/buffer_pool.h"
#include "tests/unit/buffer/pool_fixture.h"

namespace aether::buffer {
namespace {

constexpr uint64_t kLeaves = 150;
constexpr uint64_t kManyFrames = 1024;  // Batches of 16.

// One parent, so that each page which comes in changes what the others were met at.
TEST(LoadBatch, BringsChildrenOfOneParent) {
  PoolFixture t(kLeaves, kManyFrames);
  const std::vector<uint64_t> leaves{7, 3, 99, 140, 0, 149};
  EXPECT_EQ(t.pool->load_batch(t.misses(leaves)), leaves.size());
  EXPECT_EQ(t.root->swizzled_children.load(), leaves.size());
  EXPECT_EQ(t.pool->page_reads(), leaves.size() + 1);  // And the root.
  for (const uint64_t leaf : leaves) {
    const SwipWord word = SwipWord::load(
        t.pool->node(*t.root).child_word(static_cast<uint32_t>(leaf)));
    ASSERT_TRUE(word.is_hot()) << leaf;
    EXPECT_EQ(word.frame()->page_id.load(), t.leaf_id(leaf));
    EXPECT_EQ(word.frame()->parent.load(), t.root);
    EXPECT_EQ(t.pool->node(*word.frame()).payload(0).substr(8), "leaf " + std::to_string(leaf));
  }
  EXPECT_EQ(t.pool->free_count() + leaves.size() + 1, kManyFrames);
}

TEST(LoadBatch, APageThatIsAskedForTwiceIsReadOnce) {
  PoolFixture t(kLeaves, kManyFrames);
  EXPECT_EQ(t.pool->load_batch(t.misses({5, 5, 6, 5})), 2u);
  EXPECT_EQ(t.pool->page_reads(), 3u);
  EXPECT_EQ(t.pool->free_count(), kManyFrames - 3);
}

TEST(LoadBatch, OfNothing) {
  PoolFixture t(kLeaves, kManyFrames);
  EXPECT_EQ(t.pool->load_batch({}), 0u);
}

TEST(LoadBatch, TakesASmallPartOfThePoolOnly) {
  PoolFixture t(kLeaves, kManyFrames);
  std::vector<uint64_t> leaves;
  for (uint64_t leaf = 0; leaf < 100; ++leaf) leaves.push_back(leaf);
  EXPECT_EQ(t.pool->load_batch(t.misses(leaves)), kManyFrames / 64);
  PoolFixture smallest(kLeaves);
  EXPECT_EQ(smallest.pool->load_batch(smallest.misses(leaves)), 1u);
}

TEST(LoadBatch, WhatChangedMeanwhileStaysWhereItIs) {
  PoolFixture t(kLeaves, kManyFrames);
  const std::vector<Miss> stale = t.misses({1, 2});
  ASSERT_TRUE(t.fix(3).has_value());  // The parent has a new version.
  EXPECT_EQ(t.pool->load_batch(stale), 0u);
  EXPECT_FALSE(t.in_memory(1));
  EXPECT_EQ(t.pool->free_count(), kManyFrames - 2) << "their frames are free again";
  EXPECT_EQ(t.pool->load_batch(t.misses({1, 2})), 2u);
}

// The others come; who asks for it alone hears what is wrong.
TEST(LoadBatch, ADamagedPageIsLeftToWhoReportsIt) {
  PoolFixture t(kLeaves, kManyFrames);
  const auto overwrite = [&](uint64_t leaf, const AlignedBuffer& bytes) {
    const uint64_t offset = raw(t.leaf_id(leaf)) * kPageBytes;
    ASSERT_TRUE(t.data->file().write_at(offset, bytes.data(), kPageBytes).has_value());
  };
  AlignedBuffer page(kPageBytes);
  ASSERT_TRUE(t.data->read(t.leaf_id(8), page.data()).has_value());
  page.data()[3000] ^= std::byte{1};
  overwrite(8, page);
  ASSERT_TRUE(t.data->read(t.leaf_id(20), page.data()).has_value());
  overwrite(9, page);  // Whole, but another's.
  EXPECT_EQ(t.pool->load_batch(t.misses({7, 8, 9, 10})), 2u);
  EXPECT_TRUE(t.in_memory(7));
  EXPECT_TRUE(t.in_memory(10));
  for (const uint64_t leaf : {uint64_t{8}, uint64_t{9}}) {
    ASSERT_FALSE(t.in_memory(leaf));
    const Result<Frame*> alone = t.fix(leaf);
    ASSERT_FALSE(alone.has_value());
    EXPECT_EQ(alone.error().code(), Code::corruption);
  }
  EXPECT_EQ(t.pool->free_count(), kManyFrames - 3);
}

TEST(LoadBatch, BehindTheEndOfTheFile) {
  PoolFixture t(kLeaves, kManyFrames);
  Miss beyond = t.misses({4})[0];
  beyond.id = PageId{1 << 20};
  EXPECT_EQ(t.pool->load_batch({&beyond, 1}), 0u);
  EXPECT_EQ(t.pool->free_count(), kManyFrames - 1);
}

TEST(LoadBatch, AFailedReadIsLeftToWhoReportsIt) {
  PoolFixture t(kLeaves, kManyFrames);
  t.os.add_fault({.kind = sim::StepKind::read, .path_contains = "/env/data", .nth = 2});
  EXPECT_EQ(t.pool->load_batch(t.misses({1, 2, 3})), 2u);
  EXPECT_EQ(t.pool->load_batch(t.misses({1, 2, 3})), 1u);
  EXPECT_EQ(t.root->swizzled_children.load(), 3u);
}

}  // namespace
}  // namespace aether::buffer
