#include "recovery/deferred_redo.h"

#include <atomic>
#include <thread>

#include "redo_fixture.h"

namespace aether::recovery {
namespace {

/// The log of a load, read, with its changes waiting.
struct DeferredFixture : RedoFixture {
  std::unique_ptr<buffer::BufferPool> pool;
  std::unique_ptr<DeferredRedo> deferred;
  RecoveryReport report;
  std::set<PageId> free_pages;
  std::function<Result<void>(PageId, Gsn)> repair;

  void defer(LogPosition from = 0, uint64_t window_bytes = 64 * MiB) {
    pool = make_pool();
    ASSERT_TRUE(pool->attach(*writer).has_value());
    RedoOptions options = redo_options(window_bytes, from);
    options.defer = true;
    options.make_room = [this] { return pool->flush_redone(*writer); };
    Result<RedoResult> done = analyze_and_redo(options, managers(), *data, *pool, os, report);
    ASSERT_TRUE(done.has_value()) << done.error().message();
    ASSERT_NE(done->deferred, nullptr);
    deferred = std::make_unique<DeferredRedo>(
        std::move(done->deferred),
        DeferredRedoOptions{.workers = 2,
                            .io_mode = IoMode::automatic,
                            .is_used = [this](PageId id) { return !free_pages.contains(id); },
                            .repair = repair},
        managers(), *data, *pool, os);
    pool->set_pending(*deferred);
  }
  bool is_in_pool(uint64_t page) { return pool->find_redone(page_id(page)) != nullptr; }
  /// What the pool holds of the page.
  uint64_t value_in_pool(uint64_t page) {
    const buffer::Frame* frame = pool->find_redone(page_id(page));
    return frame == nullptr ? 0 : base::load<uint64_t>(pool->page(*frame) + 64);
  }
};

TEST(DeferredRedo, NothingIsAppliedBeforeAPageIsMet) {
  DeferredFixture t;
  t.run_load();
  t.defer();
  EXPECT_EQ(t.report.records_redone, 0u);
  EXPECT_EQ(t.deferred->waiting(), kPages);
  ASSERT_TRUE(t.deferred->bring(RedoFixture::page_id(3)).has_value());
  EXPECT_EQ(t.deferred->waiting(), kPages - 1);
  EXPECT_EQ(t.value_in_pool(3), t.value(3));
  for (uint64_t page = 0; page < kPages; ++page) EXPECT_EQ(t.is_in_pool(page), page == 3);
  // Met again: nothing is left to do.
  ASSERT_TRUE(t.deferred->bring(RedoFixture::page_id(3)).has_value());
  EXPECT_EQ(t.value_in_pool(3), t.value(3));
  ASSERT_TRUE(t.deferred->bring(PageId{4711}).has_value());
}

TEST(DeferredRedo, DrainingBringsAllThatIsLeft) {
  DeferredFixture t;
  t.run_load();
  for (uint64_t page = 0; page < kPages; page += 3) t.write(page);
  t.defer();
  ASSERT_TRUE(t.deferred->bring(RedoFixture::page_id(5)).has_value());
  ASSERT_TRUE(t.deferred->drain().has_value());
  EXPECT_EQ(t.deferred->waiting(), 0u);
  for (uint64_t page = 0; page < kPages; ++page) EXPECT_EQ(t.value_in_pool(page), t.value(page));
  ASSERT_TRUE(t.pool->flush_redone(*t.writer).has_value());
  t.expect_file_as_memory();
  ASSERT_TRUE(t.deferred->drain().has_value());
}

// The surplus is redone before, as without deferring; pages of it that are in memory have all of their changes.
TEST(DeferredRedo, WindowsOfAnySizeGiveTheSame) {
  for (const uint64_t window : {uint64_t{1}, uint64_t{500}, uint64_t{3000}}) {
    DeferredFixture t;
    t.run_load();
    t.defer(0, window);
    EXPECT_GT(t.report.records_redone, 0u);
    ASSERT_TRUE(t.deferred->drain().has_value());
    ASSERT_TRUE(t.pool->flush_redone(*t.writer).has_value());
    t.expect_file_as_memory();
  }
}

TEST(DeferredRedo, APageThatBeginsAnotherLifeIsForgotten) {
  DeferredFixture t;
  t.run_load();
  t.defer();
  ASSERT_TRUE(t.deferred->bring(RedoFixture::page_id(1)).has_value());
  t.pool->forget_redone(RedoFixture::page_id(1), 3);
  EXPECT_EQ(t.deferred->waiting(), kPages - 3);
  for (uint64_t page = 1; page <= 3; ++page) {
    ASSERT_TRUE(t.deferred->bring(RedoFixture::page_id(page)).has_value());
    EXPECT_FALSE(t.is_in_pool(page));
  }
  ASSERT_TRUE(t.deferred->drain().has_value());
  EXPECT_EQ(t.pool->redone_count(), kPages - 3);
}

TEST(DeferredRedo, WhatWaitsForAFreePageDoesNotMatter) {
  DeferredFixture t;
  t.run_load();
  t.free_pages = {RedoFixture::page_id(0), RedoFixture::page_id(6)};
  t.defer();
  ASSERT_TRUE(t.deferred->drain().has_value());
  EXPECT_EQ(t.deferred->waiting(), 0u);
  EXPECT_FALSE(t.is_in_pool(0));
  EXPECT_FALSE(t.is_in_pool(6));
  EXPECT_TRUE(t.is_in_pool(1));
}

TEST(DeferredRedo, APageBeyondTheLogIsAnErrorIfItIsUsed) {
  for (const bool is_used : {true, false}) {
    DeferredFixture t;
    t.run_load();
    const Gsn gsn = t.raise();
    ASSERT_TRUE(t.log->flush().has_value());
    t.change({3}, add, 7, 0);  // In no block.
    t.write(3);
    t.write_at(4, gsn);  // A bulk load.
    if (!is_used) t.free_pages = {RedoFixture::page_id(3)};
    t.defer();
    ASSERT_TRUE(t.deferred->bring(RedoFixture::page_id(4)).has_value());
    const Result<void> met = t.deferred->bring(RedoFixture::page_id(3));
    EXPECT_EQ(met.has_value(), !is_used);
    if (is_used) {
      EXPECT_NE(met.error().message().find("a block of the log is lost"), std::string_view::npos);
    }
    EXPECT_EQ(t.deferred->drain().has_value(), !is_used);
    EXPECT_FALSE(t.is_in_pool(3));
  }
}

/// A page whose first changes lie before the window, and are not in the file.
struct GapFixture : DeferredFixture {
  GapFixture() {
    change({0}, format, 1, 0);
    change({1}, format, 1, 0);
    change({0}, add, 2, 0);
    EXPECT_TRUE(log->flush().has_value());
    write(1);
    from = log->append_position();
    change({0}, add, 4, 0);
    change({1}, add, 4, 0);
    EXPECT_TRUE(log->flush().has_value());
  }
  LogPosition from = 0;
};

TEST(DeferredRedo, AGapIsAnErrorEachTimeThePageIsMetAndStopsNoOther) {
  GapFixture t;
  t.defer(t.from);
  for (int i = 0; i < 2; ++i) {
    const Result<void> met = t.deferred->bring(RedoFixture::page_id(0));
    ASSERT_FALSE(met.has_value());
    EXPECT_EQ(met.error().code(), Code::corruption);
    EXPECT_NE(met.error().message().find("/env/data: page 1 "), std::string_view::npos);
  }
  const uint64_t free_before = t.pool->free_count();
  const Result<void> drained = t.deferred->drain();
  ASSERT_FALSE(drained.has_value());
  EXPECT_EQ(drained.error().code(), Code::corruption);
  EXPECT_EQ(t.deferred->waiting(), 1u);
  EXPECT_EQ(t.value_in_pool(1), t.value(1));
  EXPECT_EQ(t.pool->free_count(), free_before - 1);  // None is lost on the way.
  EXPECT_FALSE(t.is_in_pool(0));
}

TEST(DeferredRedo, APageThatCanBeMadeAgainIs) {
  GapFixture t;
  int repairs = 0;
  t.repair = [&](PageId id, Gsn) -> Result<void> {
    ++repairs;
    EXPECT_EQ(id, RedoFixture::page_id(0));
    t.write(0);
    return {};
  };
  t.defer(t.from);
  ASSERT_TRUE(t.deferred->drain().has_value());
  EXPECT_EQ(repairs, 1);
  EXPECT_EQ(t.value_in_pool(0), t.value(0));
}

TEST(DeferredRedo, AReadThatFailsIsTriedAgain) {
  DeferredFixture t;
  t.run_load();
  for (uint64_t page = 0; page < kPages; ++page) t.write(page);
  t.defer();
  const uint64_t free_before = t.pool->free_count();
  t.os.add_fault({.kind = sim::StepKind::read});
  EXPECT_EQ(t.deferred->bring(RedoFixture::page_id(2)).error().code(), Code::io_error);
  EXPECT_EQ(t.pool->free_count(), free_before);
  EXPECT_EQ(t.deferred->waiting(), kPages);
  ASSERT_TRUE(t.deferred->drain().has_value());
  EXPECT_EQ(t.value_in_pool(2), t.value(2));
}

// Goal:   a page is redone once, whoever meets it, and nobody sees it before.
// Method: threads that bring all pages, one that drains, one that forgets some.
TEST(DeferredRedo, ThreadsThatMeetTheSamePagesAgree) {
  for (int round = 0; round < 20; ++round) {
    DeferredFixture t;
    t.run_load();
    t.defer();
    std::vector<std::thread> threads;
    for (uint64_t thread = 0; thread < 3; ++thread) {
      threads.emplace_back([&t, thread] {
        for (uint64_t i = 0; i < kPages; ++i) {
          const uint64_t page = (i + thread * 3) % kPages;
          ASSERT_TRUE(t.deferred->bring(RedoFixture::page_id(page)).has_value());
          if (page != 7) {
            ASSERT_EQ(t.value_in_pool(page), t.value(page));
          }
        }
      });
    }
    threads.emplace_back([&t] { ASSERT_TRUE(t.deferred->drain().has_value()); });
    threads.emplace_back([&t] { t.pool->forget_redone(RedoFixture::page_id(7), 1); });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(t.deferred->waiting(), 0u);
    EXPECT_FALSE(t.is_in_pool(7));
    EXPECT_EQ(t.pool->free_count(), t.pool->frame_count() - (kPages - 1));
  }
}

}  // namespace
}  // namespace aether::recovery
