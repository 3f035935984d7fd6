#include <string_view>

#include "buffer/page_tags.h"
#include "redo_fixture.h"

namespace aether::recovery {
namespace {

TEST(Redo, BringsBackEveryPage) {
  RedoFixture t;
  t.run_load();
  RecoveryReport report;
  const Result<RedoResult> done = t.redo(report);
  ASSERT_TRUE(done.has_value()) << done.error().message();
  EXPECT_EQ(report.records_redone, kPages + 200);
  EXPECT_EQ(report.pages_redone, kPages);
  EXPECT_TRUE(done->broken_pages.empty());
  t.expect_file_as_memory();
}

TEST(Redo, ASecondTimeChangesNothingAndWritesAgain) {
  RedoFixture t;
  t.run_load();
  RecoveryReport first, second;
  ASSERT_TRUE(t.redo(first).has_value());
  ASSERT_TRUE(t.redo(second).has_value());
  EXPECT_EQ(second.records_redone, 0u);
  EXPECT_EQ(second.pages_redone, first.pages_redone);  // Written anew all the same.
  t.expect_file_as_memory();
}

// Small windows: a page is read and written many times, and changes may have to wait for a later window.
TEST(Redo, WindowsOfAnySizeGiveTheSame) {
  for (const uint64_t window : {uint64_t{1}, uint64_t{500}, uint64_t{3000}}) {
    RedoFixture t;
    t.run_load();
    RecoveryReport report;
    const Result<RedoResult> done = t.redo(report, window);
    ASSERT_TRUE(done.has_value()) << done.error().message();
    EXPECT_TRUE(done->broken_pages.empty());
    EXPECT_TRUE(done->pages_beyond_log.empty());
    t.expect_file_as_memory();
  }
}

TEST(Redo, StartsFromWhateverStateEachPageIsIn) {
  RedoFixture t;
  for (uint64_t page = 0; page < kPages; ++page) t.change({page}, format, 5, 0);
  for (uint64_t i = 0; i < 40; ++i) {
    t.change({i % kPages}, add, 100 + i, static_cast<uint32_t>(i % 2));
    if (i > 3 && i % 5 == 0) t.write(i % kPages);
  }
  ASSERT_TRUE(t.log->flush().has_value());
  RecoveryReport report;
  ASSERT_TRUE(t.redo(report).has_value());
  EXPECT_LT(report.records_redone, kPages + 40);
  t.expect_file_as_memory();
}

// Goal:   recovery is idempotent also when it is interrupted anywhere (DESIGN.md 4.5).
// Method: crash before each step of redo that changes the disk; restore, redo, compare.
TEST(Redo, InterruptedAnywhereItCanBeRepeated) {
  RedoFixture t;
  t.run_load();
  for (uint64_t page = 0; page < kPages; page += 2) t.write(page);
  t.run_load();  // A second life of every page.
  t.os.sync_everything();
  std::vector<std::unique_ptr<sim::SimOs>> crashed;
  t.os.on_step([&](const sim::Step& step) {
    if (!step.changes_disk) return;
    for (uint64_t seed = 1; seed <= 4; ++seed)
      crashed.push_back(t.os.crash({.seed = step.number * 10 + seed, .garbage_percent = 30}));
  });
  RecoveryReport report;
  ASSERT_TRUE(t.redo(report, 2000).has_value());
  t.os.on_step({});
  ASSERT_GT(crashed.size(), 10u);
  for (const std::unique_ptr<sim::SimOs>& os : crashed) {
    auto data = buffer::DataFile::open("/env/data", kPageBytes, kEnvironment, true, *os);
    ASSERT_TRUE(data.has_value());
    ASSERT_TRUE(buffer::restore_torn_pages("/env/doublewrite", **data, *os).has_value());
    auto writer = buffer::PageWriter::open("/env/doublewrite", **data, *t.log, IoMode::automatic,
                                           *os);
    ASSERT_TRUE(writer.has_value());
    t.data = *std::move(data);
    t.writer = *std::move(writer);
    const Result<RedoResult> done = t.redo(report, 2000);  // Reads the log of the first machine.
    ASSERT_TRUE(done.has_value()) << done.error().message();
    EXPECT_TRUE(done->broken_pages.empty());
    t.expect_file_as_memory();
    t.writer.reset();  // Its files belong to the machine that goes now.
    t.data.reset();
  }
}

TEST(Redo, AGapInAPagesHistoryIsReportedNotFilled) {
  RedoFixture t;
  t.change({0}, format, 1, 0);
  ASSERT_TRUE(t.log->flush().has_value());
  t.change({0}, add, 2, 0);
  ASSERT_TRUE(t.log->flush().has_value());
  const LogPosition later = t.log->append_position();
  t.change({0}, add, 4, 0);
  ASSERT_TRUE(t.log->flush().has_value());
  RecoveryReport report;
  const Result<RedoResult> done = t.redo(report, 64 * MiB, later);
  ASSERT_TRUE(done.has_value());
  EXPECT_EQ(done->broken_pages, std::set<PageId>{RedoFixture::page_id(0)});
  EXPECT_EQ(report.records_redone, 0u);
}

TEST(Redo, ANewLifeOfAPageNeedsNothingOfTheOldOne) {
  RedoFixture t;
  t.change({0}, format, 1, 0);
  t.change({0}, add, 2, 0);
  ASSERT_TRUE(t.log->flush().has_value());
  const LogPosition later = t.log->append_position();
  t.change({0}, add, 4, 0);     // Waits for what is not read ...
  t.change({0}, format, 9, 1);  // ... and does not matter any more.
  ASSERT_TRUE(t.log->flush().has_value());
  RecoveryReport report;
  const Result<RedoResult> done = t.redo(report, 64 * MiB, later);
  ASSERT_TRUE(done.has_value());
  EXPECT_TRUE(done->broken_pages.empty());
  EXPECT_EQ(report.records_redone, 1u);
}

// A block of the log was durable, as the page says that was written after it, and is lost.
TEST(Redo, APageBeyondTheLogIsReported) {
  for (const uint64_t window : {uint64_t{1}, 64 * MiB}) {
    RedoFixture t;
    t.run_load();
    t.change({3}, add, 7, 0);  // In no block.
    t.write(3);
    t.write(4);
    RecoveryReport report;
    const Result<RedoResult> done = t.redo(report, window);
    ASSERT_TRUE(done.has_value()) << done.error().message();
    EXPECT_EQ(done->pages_beyond_log, std::set<PageId>{RedoFixture::page_id(3)});
    EXPECT_TRUE(done->broken_pages.empty());
  }
}

// Two changes of different streams may lie in blocks in the other order, and redo begin between them.
TEST(Redo, APageOfBeforeTheCheckpointIsNotBeyondTheLog) {
  for (const char* tag : {"none", "of another version", "of this version"}) {
    SCOPED_TRACE(tag);
    RedoFixture t;
    ASSERT_TRUE(buffer::PageTags::create("/env/tags", kEnvironment, t.os).has_value());
    t.data->set_tags(*buffer::PageTags::open("/env/tags", kEnvironment, true, 1, t.os));
    t.run_load();
    const LogPosition from = t.log->append_position();
    t.change({3}, add, 7, 0);
    ASSERT_TRUE(t.log->flush().has_value());
    const Gsn gsn = reinterpret_cast<const page::PageHeader*>(t.bytes[3].data())->gsn;
    t.write_at(3, tag == std::string_view("of another version") ? gsn : gsn + 1);
    if (tag != std::string_view("none")) {
      ASSERT_TRUE(t.data->note_written(RedoFixture::page_id(3), t.bytes[3].data(), 1).has_value());
    }
    ASSERT_TRUE(t.data->tags()->write([&] { return t.data->sync(); }).has_value());
    t.write_at(3, gsn + 1);
    RecoveryReport report;
    const Result<RedoResult> done = t.redo(report, 64 * MiB, from);
    ASSERT_TRUE(done.has_value()) << done.error().message();
    EXPECT_EQ(done->pages_beyond_log.size(),
              tag == std::string_view("of another version") ? 1u : 0u);
  }
}

// In any window: what comes first may be seen last.
TEST(Redo, APageWithAllOfItsChangesIsNotBeyondTheLog) {
  for (const uint64_t window : {uint64_t{1}, uint64_t{500}, 64 * MiB}) {
    RedoFixture t;
    t.run_load();
    for (uint64_t page = 0; page < kPages; ++page) t.write(page);
    RecoveryReport report;
    const Result<RedoResult> done = t.redo(report, window);
    ASSERT_TRUE(done.has_value()) << done.error().message();
    EXPECT_TRUE(done->pages_beyond_log.empty());
    EXPECT_EQ(report.records_redone, 0u);
  }
}

// Its former life is in the log, what it holds now never was.
TEST(Redo, APageOfABulkLoadIsNotBeyondTheLog) {
  for (const bool is_one : {true, false}) {
    RedoFixture t;
    t.run_load();
    const Gsn gsn = t.raise();
    ASSERT_TRUE(t.log->flush().has_value());
    t.write_at(3, is_one ? gsn : gsn + 1);
    RecoveryReport report;
    const Result<RedoResult> done = t.redo(report);
    ASSERT_TRUE(done.has_value()) << done.error().message();
    EXPECT_EQ(done->pages_beyond_log.empty(), is_one);
  }
}

}  // namespace
}  // namespace aether::recovery
