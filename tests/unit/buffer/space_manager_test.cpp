#include "buffer/space_manager.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/unit/buffer/pool_fixture.h"

namespace aether::buffer {
namespace {

struct SpaceFixture : DiskFixture {
  std::unique_ptr<SpaceManager> space;
  LogContext context;

  SpaceFixture() : DiskFixture(2) {
    space = *SpaceManager::open(*data, *log);
    context.txn = 7;
  }
  PageRange reserve(uint32_t count) {
    Result<PageRange> range = space->reserve(count, context);
    EXPECT_TRUE(range.has_value());
    return range ? *range : PageRange{};
  }
  void record(SpaceOp op, const PageRange& range) { record_all(op, {&range, 1}); }
  void record_all(SpaceOp op, std::span<const PageRange> ranges) {
    SpaceManager::MapChange change = space->change(op, ranges, context);
    std::vector<PageRef> pages;
    std::vector<wal::PartSpec> parts;
    change.append_to(pages, parts);
    ASSERT_TRUE(log_change(*log, context, {}, pages, parts).has_value());
    change.apply();
  }
};

TEST(SpaceManager, ReservedPagesAreNobodyElses) {
  SpaceFixture t;
  const PageRange first = t.reserve(1);
  const PageRange second = t.reserve(5);
  EXPECT_GE(raw(first.first), 5u) << "behind the root and its leaves";
  EXPECT_TRUE(raw(second.first) > raw(first.first) ||
              raw(second.first) + second.count <= raw(first.first));
  EXPECT_FALSE(t.space->is_allocated(first.first)) << "not before a record says so";
  t.record(SpaceOp::allocate, first);
  EXPECT_TRUE(t.space->is_allocated(first.first));
  t.space->unreserve(second);
  EXPECT_EQ(t.reserve(5).first, second.first);
}

// Goal:   a freed page may begin its next life only when nothing can bring its old one back.
TEST(SpaceManager, AFreedPageIsReusedOnlyWhenItsFreeIsDurable) {
  SpaceFixture t;
  const PageRange range = t.reserve(3);
  t.record(SpaceOp::allocate, range);
  ASSERT_TRUE(t.log->flush().has_value());
  t.record(SpaceOp::free, range);
  EXPECT_FALSE(t.space->is_allocated(range.first));
  const PageRange before = t.reserve(3);
  EXPECT_NE(before.first, range.first);
  ASSERT_TRUE(t.log->flush().has_value());
  EXPECT_EQ(t.reserve(3).first, range.first);
}

TEST(SpaceManager, AChangeThatWasNotAppliedHasNotHappened) {
  SpaceFixture t;
  const PageRange range = t.reserve(2);
  t.record(SpaceOp::allocate, range);
  const uint64_t free = t.space->free_count();
  for (int i = 0; i < 2; ++i) {
    const SpaceManager::MapChange change = t.space->change(SpaceOp::free, {&range, 1}, t.context);
  }
  EXPECT_TRUE(t.space->is_allocated(range.first));
  EXPECT_EQ(t.space->free_count(), free);
  t.record(SpaceOp::free, range);  // And it can still be done.
  EXPECT_FALSE(t.space->is_allocated(range.first));
}

TEST(SpaceManager, GoesOnInANewGroupWhenOneIsFull) {
  SpaceFixture t;
  const uint64_t per_group = page::pages_per_group(kPageBytes);
  std::vector<PageRange> ranges{t.reserve(static_cast<uint32_t>(per_group - 10)), t.reserve(20)};
  EXPECT_EQ(raw(ranges[1].first) / per_group, 1u);
  EXPECT_EQ(t.space->map_pages().size(), 2u);
  t.record_all(SpaceOp::allocate, ranges);  // One record with a part for each map.
  EXPECT_TRUE(t.space->is_allocated(ranges[0].first));
  EXPECT_TRUE(t.space->is_allocated(PageId{raw(ranges[1].first) + 19}));
  EXPECT_FALSE(t.space->is_allocated(PageId{raw(ranges[1].first) + 20}));
  ASSERT_TRUE(t.writer->write(t.space->map_pages()).has_value());

  const Result<std::unique_ptr<SpaceManager>> again = SpaceManager::open(*t.data, *t.log);
  ASSERT_TRUE(again.has_value()) << again.error().message();
  EXPECT_EQ((*again)->map_pages().size(), 2u);
  EXPECT_EQ((*again)->free_count(), t.space->free_count());
  EXPECT_TRUE((*again)->is_allocated(ranges[1].first));
}

TEST(SpaceManager, AFullDiskGivesTheReservationBack) {
  SpaceFixture t;
  t.os.set_capacity(t.os.total_bytes());
  const Result<PageRange> range = t.space->reserve(1000, t.context);
  ASSERT_FALSE(range.has_value());
  EXPECT_EQ(range.error().code(), Code::no_space);
  t.os.set_capacity(UINT64_MAX);
  const uint64_t first = raw(t.reserve(1000).first);
  EXPECT_LT(first, 20u) << "nothing stayed taken";
}

TEST(SpaceManager, RedoSetsAndClearsBits) {
  AlignedBuffer bytes(kPageBytes);
  ASSERT_TRUE(redo_space(bytes.data(), kPageBytes, PageId{1}, 1, {}).has_value());
  const uint32_t words[] = {10, 3, 100, 1};
  const std::string_view data(reinterpret_cast<const char*>(words), sizeof words);
  ASSERT_TRUE(redo_space(bytes.data(), kPageBytes, PageId{1}, 2, data).has_value());
  const page::SpaceMapPage map(bytes.data(), kPageBytes);
  EXPECT_TRUE(map.test(12) && map.test(100));
  EXPECT_FALSE(map.test(13));
  EXPECT_EQ(redo_space(bytes.data(), kPageBytes, PageId{1}, 2, data).error().code(),
            Code::corruption)
      << "already allocated";
  EXPECT_EQ(redo_space(bytes.data(), kPageBytes, PageId{1}, 3, data.substr(0, 7)).error().code(),
            Code::corruption)
      << "cut short";
  ASSERT_TRUE(redo_space(bytes.data(), kPageBytes, PageId{1}, 3, data).has_value());
  EXPECT_FALSE(map.test(12));
}

// Goal:   no page is ever given to two, while pages are taken, given back and freed all the time.
TEST(SpaceManagerConcurrent, NoPageIsGivenTwice) {
  SpaceFixture t;
  constexpr uint64_t kPages = 4000;
  std::vector<std::atomic<uint32_t>> owners(kPages);
  std::atomic<uint64_t> problems{0};
  const auto work = [&](uint32_t thread) {
    LogContext context;
    context.stream = thread % 2;
    context.txn = 10 + thread;
    for (uint32_t i = 0; i < 300; ++i) {
      const Result<PageRange> range = t.space->reserve(1 + (i * 7 + thread) % 5, context);
      if (!range || raw(range->first) + range->count > kPages) {
        problems.fetch_add(1);
        return;
      }
      const auto mark = [&](uint32_t from, uint32_t to) {
        for (uint32_t page = 0; page < range->count; ++page) {
          uint32_t expected = from;
          if (!owners[raw(range->first) + page].compare_exchange_strong(expected, to))
            problems.fetch_add(1);
        }
      };
      mark(0, thread + 1);
      const auto change = [&](SpaceOp op) {
        SpaceManager::MapChange map = t.space->change(op, {&*range, 1}, context);
        std::vector<PageRef> pages;
        std::vector<wal::PartSpec> parts;
        map.append_to(pages, parts);
        if (!log_change(*t.log, context, {}, pages, parts)) problems.fetch_add(1);
        if (op == SpaceOp::free) mark(thread + 1, 0);  // While the latch is held.
        map.apply();
      };
      if (i % 3 == 0) {
        mark(thread + 1, 0);
        t.space->unreserve(*range);
        continue;
      }
      change(SpaceOp::allocate);
      if (i % 3 == 1) change(SpaceOp::free);
      if (i % 50 == 0 && !t.log->flush()) problems.fetch_add(1);
    }
  };
  std::vector<std::thread> threads;
  for (uint32_t thread = 0; thread < 3; ++thread) threads.emplace_back(work, thread);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(problems.load(), 0u);
  for (uint64_t page = 5; page < kPages; ++page) {
    ASSERT_EQ(t.space->is_allocated(PageId{page}), owners[page].load() != 0) << page;
  }
}

}  // namespace
}  // namespace aether::buffer
