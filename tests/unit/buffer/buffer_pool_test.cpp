#include "buffer/buffer_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <thread>

#include "tests/unit/buffer/pool_fixture.h"

namespace aether::buffer {
namespace {

constexpr uint64_t kLeaves = 150;  // Far more than there are frames.

TEST(BufferPool, ServesEveryPageOfAFileLargerThanItself) {
  PoolFixture t(kLeaves);
  for (int round = 0; round < 3; ++round) {
    for (uint64_t leaf = 0; leaf < kLeaves; ++leaf) {
      const Result<Frame*> frame = t.fix(leaf);
      ASSERT_TRUE(frame.has_value()) << frame.error().message();
      EXPECT_EQ((*frame)->page_id.load(), t.leaf_id(leaf));
      EXPECT_EQ(t.pool->node(**frame).payload(0).substr(8), "leaf " + std::to_string(leaf));
    }
  }
  EXPECT_GT(t.pool->evictions(), kLeaves);
  EXPECT_EQ(t.pool->frame_count(), kFrames) << "memory stays within the pool";
}

TEST(BufferPool, APinnedRootStays) {
  PoolFixture t(kLeaves);
  for (uint64_t leaf = 0; leaf < kLeaves; ++leaf) ASSERT_TRUE(t.fix(leaf).has_value());
  EXPECT_EQ(t.root->state.load(), FrameState::hot);
  EXPECT_EQ(t.root->page_id.load(), kRoot);
}

TEST(BufferPool, NoFrameIsLostWhenPagesComeAndGo) {
  PoolFixture t(kLeaves);
  for (uint64_t leaf = 0; leaf < kLeaves; ++leaf) ASSERT_TRUE(t.fix(leaf).has_value());
  uint64_t held = 1;  // The root.
  for (uint64_t leaf = 0; leaf < kLeaves; ++leaf) held += t.in_memory(leaf) ? 1 : 0;
  EXPECT_EQ(held + t.pool->free_count(), kFrames);
  EXPECT_EQ(t.root->swizzled_children.load(), held - 1);
}

TEST(BufferPool, ADirtyPageComesBackWithItsChange) {
  PoolFixture t(kLeaves);
  for (uint64_t leaf = 0; leaf < kLeaves; ++leaf) {
    Result<Frame*> frame = t.fix(leaf);
    ASSERT_TRUE(frame.has_value()) << frame.error().message();
    t.change(**frame, 100 + leaf);
  }
  for (uint64_t leaf = 0; leaf < kLeaves; ++leaf) {
    const Result<Frame*> frame = t.fix(leaf);
    ASSERT_TRUE(frame.has_value()) << frame.error().message();
    ASSERT_EQ(t.stamp_of(**frame), 100 + leaf);
  }
  EXPECT_GT(t.writer->pages_written(), kLeaves - kFrames);
}

// Goal:   the write-ahead rule (DESIGN.md 4.2): no page reaches a disk before the log that explains it.
// Method: every write of pages is stopped at the hook, and each page in it is looked up: the log must be durable
//         up to that page's newest change.
TEST(BufferPool, NoPageIsWrittenBeforeItsLog) {
  PoolFixture t(kLeaves);
  std::map<Gsn, wal::LsnVector> needed;
  uint64_t pages_seen = 0;
  t.os.on_step([&](const sim::Step& step) {
    if (step.kind != sim::StepKind::write || step.path.find("/log/") != std::string_view::npos)
      return;
    const uint64_t skip = step.path.ends_with("doublewrite") ? kPageBytes : 0;
    for (uint64_t at = skip; at < step.size; at += kPageBytes) {
      page::PageHeader header;
      std::memcpy(static_cast<void*>(&header), static_cast<const char*>(step.data) + at,
                  sizeof header);
      const auto need = needed.find(header.gsn);
      ASSERT_TRUE(need != needed.end()) << "page " << raw(header.page_id);
      EXPECT_TRUE(need->second.covered_by(t.log->durable())) << "page " << raw(header.page_id);
      ++pages_seen;
    }
  });
  for (uint64_t leaf = 0; leaf < kLeaves; ++leaf) {
    Result<Frame*> frame = t.fix(leaf);
    ASSERT_TRUE(frame.has_value()) << frame.error().message();
    t.context.stream = static_cast<uint32_t>(leaf % 2);
    t.change(**frame, leaf);
    needed[t.context.gsn] = (*frame)->lsn_vector;
  }
  t.os.on_step({});
  EXPECT_GT(pages_seen, 2 * (kLeaves - kFrames));
}

// Goal:   a failed write of a dirty page is told to whoever needs the frame, and the page is not thrown away.
TEST(BufferPool, ADirtyPageThatCannotBeWrittenStays) {
  PoolFixture t(kLeaves);
  Result<Frame*> changed = t.fix(0);
  ASSERT_TRUE(changed.has_value());
  t.change(**changed, 55);
  t.os.add_fault({.kind = sim::StepKind::write, .path_contains = "doublewrite", .sticky = true});
  Code seen = Code::not_found;
  for (int round = 0; round < 4 && seen == Code::not_found; ++round) {
    for (uint64_t leaf = 1; leaf < kLeaves; ++leaf) {
      const Result<Frame*> frame = t.fix(leaf);
      if (!frame) seen = frame.error().code();
    }
  }
  EXPECT_THAT(seen, testing::AnyOf(Code::io_error, Code::failed));
  EXPECT_TRUE(t.writer->failed());
  EXPECT_TRUE(t.in_memory(0));
  EXPECT_EQ(t.stamp_of(**changed), 55u);
}

// Goal:   a scan through everything leaves the working set where it is.
// Method: twenty hot pages; all others read through a ring.
TEST(BufferPool, AScanDoesNotThrowTheWorkingSetOut) {
  constexpr uint64_t kHot = 20;
  PoolFixture t(kLeaves);
  for (uint64_t leaf = 0; leaf < kHot; ++leaf) ASSERT_TRUE(t.fix(leaf).has_value());
  const uint64_t reads = t.pool->page_reads();
  ScanRing ring;
  for (int round = 0; round < 3; ++round) {
    for (uint64_t leaf = kHot; leaf < kLeaves; ++leaf) ASSERT_TRUE(t.fix(leaf, &ring).has_value());
  }
  EXPECT_GT(t.pool->page_reads(), reads + kLeaves) << "the scan does not fit in its ring";
  for (uint64_t leaf = 0; leaf < kHot; ++leaf) EXPECT_TRUE(t.in_memory(leaf)) << leaf;
  EXPECT_GT(t.pool->free_count(), 0u) << "a ring's worth of frames was enough";
}

TEST(BufferPool, ADamagedPageIsReportedAndItsFrameGivenBack) {
  PoolFixture t(3);
  ASSERT_TRUE(t.os.flip_bit("/env/data", (raw(t.leaf_id(1)) * kPageBytes + 1000) * 8).has_value());
  const uint64_t free = t.pool->free_count();
  const Result<Frame*> frame = t.fix(1);
  ASSERT_FALSE(frame.has_value());
  EXPECT_EQ(frame.error().code(), Code::corruption);
  EXPECT_THAT(std::string(frame.error().message()), testing::HasSubstr("page 4"));
  EXPECT_EQ(t.pool->free_count(), free);
  EXPECT_TRUE(t.fix(0).has_value()) << "other pages are served";
}

// A lost write: the page is whole, but it is another tree's, or of another level.
TEST(BufferPool, AWholePageOfTheWrongKindIsRefused) {
  PoolFixture t(3);
  AlignedBuffer bytes(kPageBytes);
  page::SlottedPage node(bytes.data(), kPageBytes);
  node.format(t.leaf_id(0), kStore + 1, 0, std::nullopt, std::nullopt);
  t.write(t.leaf_id(0), bytes.data());
  node.format(t.leaf_id(1), kStore, 1, std::nullopt, std::nullopt);
  node.header().leftmost = 3;
  t.write(t.leaf_id(1), bytes.data());
  for (const uint64_t leaf : {uint64_t{0}, uint64_t{1}}) {
    const Result<Frame*> frame = t.fix(leaf);
    ASSERT_FALSE(frame.has_value());
    EXPECT_EQ(frame.error().code(), Code::corruption) << leaf;
  }
}

TEST(BufferPool, TooSmallAPoolIsRefused) {
  DiskFixture t;
  const auto pool = BufferPool::open(
      {.pool_bytes = pool_bytes(kFrames) - 1, .page_bytes = kPageBytes}, *t.data, *t.writer, t.os);
  ASSERT_FALSE(pool.has_value());
  EXPECT_EQ(pool.error().code(), Code::invalid_argument);
}

TEST(BufferPool, CollectDirtyFindsWhatIsOlderThanAPosition) {
  PoolFixture t(4);
  const LogPosition first = t.log->append_position();
  t.change(**t.fix(0), 1);
  ASSERT_TRUE(t.log->flush().has_value());
  const LogPosition second = t.log->append_position();
  ASSERT_GT(second, first);
  t.change(**t.fix(1), 2);
  std::vector<PageWriter::Target> targets;
  EXPECT_EQ(t.pool->collect_dirty(second, targets), first);
  EXPECT_EQ(targets.size(), 1u);
  ASSERT_TRUE(t.writer->write(targets).has_value());
  targets.clear();
  EXPECT_EQ(t.pool->collect_dirty(~LogPosition{0}, targets), second);
  EXPECT_EQ(targets.size(), 1u);
  EXPECT_EQ(t.pool->dirty_count(), 1u);
}

// Goal:   readers and writers of more pages than there are frames, with a provider thread, lose nothing.
// `batch`: pages that a thread brings in with the one that it needs, of the others' as well.
void changes_survive_eviction(uint64_t frames, uint64_t batch) {
  constexpr uint64_t kThreads = 3;
  constexpr uint64_t kRounds = 40;
  PoolFixture t(kLeaves);
  t.pool.reset();
  t.pool = *BufferPool::open(
      {.pool_bytes = pool_bytes(frames), .page_bytes = kPageBytes, .background_thread = true},
      *t.data, *t.writer, t.os);
  t.root = *t.pool->load_pinned(kRoot);
  std::atomic<uint64_t> problems{0}, batches{0};
  // Each thread owns every third leaf; a leaf may go between `fix` and the latch: then look again.
  const auto work = [&](uint64_t thread) {
    LogContext context;
    context.stream = static_cast<uint32_t>(thread % 2);
    context.txn = 10 + thread;
    const auto bring = [&](uint64_t leaf) {
      std::vector<uint64_t> leaves;
      for (uint64_t i = 0; i < batch; ++i) leaves.push_back((leaf + i) % kLeaves);
      batches += t.pool->load_batch(t.misses(leaves)) > 1 ? 1 : 0;
    };
    for (uint64_t round = 1; round <= kRounds; ++round) {
      for (uint64_t leaf = thread; leaf < kLeaves; leaf += kThreads) {
        if (batch != 0 && !t.in_memory(leaf)) bring(leaf);
        for (bool done = false; !done;) {
          OptimisticGuard parent = OptimisticGuard::enter(*t.root);
          uint64_t* place = t.pool->node(*t.root).child_word(static_cast<uint32_t>(leaf));
          const SwipWord word = SwipWord::load(place);
          if (!word.is_hot()) {
            if (!t.pool->resolve(parent, place)) problems.fetch_add(1);
            continue;
          }
          Frame& frame = *word.frame();
          if (!parent.validate()) continue;
          parent.leave();
          const ExclusiveGuard guard = ExclusiveGuard::lock(frame);
          if (frame.page_id.load() != t.leaf_id(leaf) ||
              frame.state.load() == FrameState::loading || frame.state.load() == FrameState::free)
            continue;
          if (round > 1 && t.stamp_of(frame) != round - 1) problems.fetch_add(1);
          const PageRef page = t.pool->ref(frame);
          wal::PartSpec part;
          part.header.manager = wal::ResourceManager::btree;
          if (!log_change(*t.log, context, {}, {&page, 1}, {&part, 1})) problems.fetch_add(1);
          const std::string bytes = word_bytes(round);
          std::copy(bytes.begin(), bytes.end(),
                    reinterpret_cast<char*>(t.pool->node(frame).mutable_payload(0)));
          done = true;
        }
      }
    }
  };
  std::vector<std::thread> threads;
  for (uint64_t thread = 0; thread < kThreads; ++thread) threads.emplace_back(work, thread);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(problems.load(), 0u);
  for (uint64_t leaf = 0; leaf < kLeaves; ++leaf) {
    const Result<Frame*> frame = t.fix(leaf);
    ASSERT_TRUE(frame.has_value()) << frame.error().message();
    const SharedGuard guard = SharedGuard::lock(**frame);
    ASSERT_EQ(t.stamp_of(**frame), kRounds) << leaf;
  }
  EXPECT_EQ(batch != 0, batches.load() > 0);
  t.pool.reset();
}

TEST(BufferPoolConcurrent, ChangesSurviveEviction) { changes_survive_eviction(kFrames, 0); }
TEST(BufferPoolConcurrent, ChangesSurviveBatches) { changes_survive_eviction(2 * kFrames, 4); }

}  // namespace
}  // namespace aether::buffer
