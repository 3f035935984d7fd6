#include "buffer/page_writer.h"

#include <gtest/gtest.h>

#include <cstring>

#include "buffer/page_tags.h"
#include "tests/unit/buffer/pool_fixture.h"

namespace aether::buffer {
namespace {

constexpr uint64_t kSector = sim::kSectorBytes;

// Goal:   a page torn in the middle of its write is whole after recovery: as it was written.
// Method: write a batch of three pages; then put the old bytes back in each combination of a page's eight
//         sectors (254 ways to be torn) and let recovery look.
TEST(PageWriter, EveryTornPageIsRestored) {
  PoolFixture t(3);
  const std::string old_file = *t.os.read_file("/env/data");
  std::vector<PageWriter::Target> targets;
  for (uint64_t leaf = 0; leaf < 3; ++leaf) {
    Frame& frame = **t.fix(leaf);
    t.change(frame, 0x1111111111111111 * (leaf + 1));
    targets.push_back({&frame, t.pool->page(frame)});
  }
  ASSERT_TRUE(t.writer->write(targets).has_value());
  const std::string new_file = *t.os.read_file("/env/data");
  const uint64_t page_at = raw(t.leaf_id(1)) * kPageBytes;
  uint64_t torn = 0;
  for (uint32_t kept = 0; kept < 256; ++kept) {
    std::string file = new_file;
    for (uint64_t sector = 0; sector < kPageBytes / kSector; ++sector) {
      const uint64_t at = page_at + sector * kSector;
      if ((kept >> sector & 1) == 0) file.replace(at, kSector, old_file, at, kSector);
    }
    ASSERT_TRUE(t.os.write_file("/env/data", file).has_value());
    const auto data = DataFile::open("/env/data", kPageBytes, kEnvironment, true, t.os);
    ASSERT_TRUE(data.has_value());
    AlignedBuffer page(kPageBytes);
    const bool whole = (*data)->read(t.leaf_id(1), page.data()).has_value();
    const Result<AreaReport> restored = restore_torn_pages("/env/doublewrite", **data, t.os);
    ASSERT_TRUE(restored.has_value()) << restored.error().message();
    EXPECT_EQ(restored->pages_restored, whole ? 0u : 1u) << kept;
    torn += restored->pages_restored;
    ASSERT_TRUE((*data)->read(t.leaf_id(1), page.data()).has_value()) << kept;
    if (whole) continue;  // All old or all new.
    EXPECT_EQ(std::memcmp(page.data(), new_file.data() + page_at, kPageBytes), 0) << kept;
  }
  EXPECT_GT(torn, 100u);
}

// A batch that did not get into the area as a whole never reached the data file: nothing may be taken from it.
TEST(PageWriter, ATornAreaRestoresNothing) {
  PoolFixture t(3);
  Frame& frame = **t.fix(0);
  t.change(frame, 9);
  const PageWriter::Target target{&frame, t.pool->page(frame)};
  ASSERT_TRUE(t.writer->write({&target, 1}).has_value());
  const std::string area = *t.os.read_file("/env/doublewrite");
  ASSERT_TRUE(t.os.flip_bit("/env/data", (raw(t.leaf_id(0)) * kPageBytes + 99) * 8).has_value());
  for (const uint64_t at :
       {uint64_t{9}, uint64_t{40}, kPageBytes + uint64_t{3}, uint64_t{2} * kPageBytes - 1}) {
    std::string damaged = area;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    ASSERT_TRUE(t.os.write_file("/env/doublewrite", damaged).has_value());
    const Result<AreaReport> restored = restore_torn_pages("/env/doublewrite", *t.data, t.os);
    ASSERT_TRUE(restored.has_value());
    EXPECT_EQ(restored->pages_restored, 0u) << at;
  }
  ASSERT_TRUE(t.os.write_file("/env/doublewrite", area).has_value());
  EXPECT_EQ(restore_torn_pages("/env/doublewrite", *t.data, t.os)->pages_restored, 1u);
}

TEST(PageWriter, AMissingAreaRestoresNothing) {
  DiskFixture t;
  EXPECT_EQ(restore_torn_pages("/env/no_such_file", *t.data, t.os)->pages_restored, 0u);
}

TEST(PageWriter, APageThatChangesMeanwhileStaysDirty) {
  PoolFixture t(2);
  Frame& frame = **t.fix(0);
  t.change(frame, 1);
  const PageWriter::Target target{&frame, t.pool->page(frame)};
  bool changed = false;
  t.os.on_step([&](const sim::Step& step) {
    if (changed || !step.path.ends_with("/data")) return;
    changed = true;
    t.change(frame, 2);  // After the copy was taken.
  });
  ASSERT_TRUE(t.writer->write({&target, 1}).has_value());
  t.os.on_step({});
  ASSERT_TRUE(changed);
  EXPECT_NE(frame.dirty_position.load(), 0u);
  ASSERT_TRUE(t.writer->write({&target, 1}).has_value());
  EXPECT_EQ(frame.dirty_position.load(), 0u);
}

// A frame that was given another page after the list of targets was made.
TEST(PageWriter, AFreeFrameIsPassedOver) {
  PoolFixture t(2);
  Frame& frame = **t.fix(0);
  t.change(frame, 1);
  const PageWriter::Target target{&frame, t.pool->page(frame)};
  t.pool->discard(ExclusiveGuard::lock(frame));
  ASSERT_TRUE(t.writer->write({&target, 1}).has_value());
  EXPECT_EQ(t.writer->pages_written(), 0u);
}

// Goal:   what is known of a page's next life is not overwritten by a copy of the former one that was on its way.
// Method: while a batch writes the page's place, it is freed and taken anew: of its version nothing is known then.
TEST(PageWriter, ACopyOnItsWaySaysNothingOfAPageThatWasTakenAnewMeanwhile) {
  PoolFixture t(2);
  ASSERT_TRUE(PageTags::create("/env/tags", kEnvironment, t.os));
  t.data->set_tags(*PageTags::open("/env/tags", kEnvironment, true, 0, t.os));
  Frame& frame = **t.fix(0);
  t.change(frame, 1);
  const PageWriter::Target target{&frame, t.pool->page(frame)};
  bool freed = false;
  t.os.on_step([&](const sim::Step& step) {
    if (freed || !step.path.ends_with("/data")) return;
    freed = true;
    t.pool->discard(ExclusiveGuard::lock(frame));
    ASSERT_TRUE(t.data->note_reserved(t.leaf_id(0), 1));
  });
  ASSERT_TRUE(t.writer->write({&target, 1}));
  t.os.on_step({});
  ASSERT_TRUE(freed);
  EXPECT_FALSE(*t.data->was_written(t.leaf_id(0)));
}

// Goal:   the first failure is final, whatever fails.
TEST(PageWriter, AFailureIsFinal) {
  for (const char* path : {"doublewrite", "/data"}) {
    for (const sim::StepKind kind : {sim::StepKind::write, sim::StepKind::sync}) {
      SCOPED_TRACE(std::string(path) + " " + sim::to_string(kind));
      PoolFixture t(2);
      Frame& frame = **t.fix(0);
      t.change(frame, 1);
      const PageWriter::Target target{&frame, t.pool->page(frame)};
      t.os.add_fault({.kind = kind, .path_contains = path});
      const Result<void> written = t.writer->write({&target, 1});
      ASSERT_FALSE(written.has_value());
      EXPECT_EQ(written.error().code(), Code::io_error);
      EXPECT_NE(frame.dirty_position.load(), 0u) << "not called clean";
      t.os.clear_faults();
      EXPECT_EQ(t.writer->write({&target, 1}).error().code(), Code::failed);
      EXPECT_EQ(t.writer->sync().error().code(), Code::failed);
    }
  }
}

}  // namespace
}  // namespace aether::buffer
