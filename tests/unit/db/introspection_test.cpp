#include "db/introspection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "buffer/space_manager.h"
#include "index/btree/ops.h"
#include "recovery/control.h"
#include "tests/unit/db/file_fixture.h"
#include "wal/log.h"

namespace aether::db {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

constexpr uint64_t kSegmentBytes = 256 * KiB;

/// The hand-made data file with CONTROL, LOCK and a log beside it.
struct HomeFixture : FileFixture {
  recovery::ControlState control;
  std::unique_ptr<wal::Log> log;

  HomeFixture() {
    control.environment_id = kEnvironment;
    control.page_bytes = kPageBytes;
    control.streams = 2;
    control.segment_bytes = kSegmentBytes;
    control.redo_position = kSegmentBytes;
    control.start_position = kSegmentBytes;
    control.known_durable = kSegmentBytes;
    control.epoch = 1;
    control.epoch_begin = kSegmentBytes;
    for (Lsn& lsn : control.lsn.at) lsn = kFirstLsn;
    EXPECT_TRUE(recovery::Control::create(kHome, control, os).has_value());
    EXPECT_TRUE(os.write_file(std::string(kHome) + "/LOCK", "77\n").has_value());
    EXPECT_TRUE(os.create_directory(std::string(kHome) + "/log").has_value());
    wal::LogOptions options;
    options.directory = std::string(kHome) + "/log";
    options.environment_id = kEnvironment;
    options.streams = 2;
    options.segment_bytes = kSegmentBytes;
    options.ring_bytes = 64 * KiB;
    options.block_bytes_max = 64 * KiB;
    options.background_thread = false;
    log = *wal::Log::create(options, {.epoch = 1, .segment = 1, .lsn = control.lsn}, os);
  }

  Lsn append(wal::RecordSpec spec) {
    Result<wal::Reservation> record = log->append(spec.home_stream, spec);
    EXPECT_TRUE(record.has_value());
    return record->begin;
  }
  /// One record of each type.
  void append_records() {
    const uint64_t meta = page::RecordMeta(9, 0).word();
    const std::string meta_bytes = word(meta);
    index::RowPart insert(index::BTreeOp::insert, kStore, std::string_view("k\n", 2), meta_bytes,
                          "value");
    insert.spec().header.page_id = kLeft;
    const std::string_view undo = "old";
    const Lsn first = append(
        {.txn = 9, .gsn = 50, .parts = {&insert.spec(), 1}, .undo = {&undo, 1}});
    append({.flags = wal::kFlagCommits,
            .txn = 10,
            .gsn = 51,
            .home_stream = 1,
            .parts = {&insert.spec(), 1}});
    const uint32_t ranges[] = {17, 5, 40, 1};
    const std::string_view range_bytes(reinterpret_cast<const char*>(ranges), sizeof ranges);
    wal::PartSpec part;
    part.header.page_id = 1;
    part.header.manager = wal::ResourceManager::space;
    part.header.op = static_cast<uint8_t>(buffer::SpaceOp::allocate);
    part.data = {&range_bytes, 1};
    append({.gsn = 52, .parts = {&part, 1}});
    append({.type = wal::RecordType::clr,
            .txn = 9,
            .link = first,
            .gsn = 53,
            .parts = {&insert.spec(), 1}});
    append({.type = wal::RecordType::end, .txn = 9});
    const std::string writer = word(page::RecordMeta(12, 0).word());
    const std::string_view row[] = {{"\1\0", 2}, "k", writer, "value"};
    const wal::PartSpec put{.header = {.store = kStore}, .data = row};
    append({.flags = wal::kFlagRow | wal::kFlagCommits, .txn = 12, .gsn = 54, .parts = {&put, 1}});
    wal::LsnVector needs;
    needs.at[1] = 4096;
    append({.type = wal::RecordType::commit, .txn = 11, .vector = &needs});
    EXPECT_TRUE(log->flush().has_value());
  }
  std::vector<LogLine> lines() {
    std::vector<LogLine> all;
    const Result<void> printed = print_log(os, kHome, [&](const LogLine& line) {
      all.push_back(line);
      return true;
    });
    EXPECT_TRUE(printed.has_value()) << printed.error().message();
    return all;
  }
  PageDump inspect(uint64_t page) {
    Result<PageDump> dump = inspect_page(os, kHome, page);
    EXPECT_TRUE(dump.has_value()) << dump.error().message();
    return *std::move(dump);
  }
};

std::string field(const PageDump& dump, const std::string& name) {
  for (const auto& [key, value] : dump.fields) {
    if (key == name) return value;
  }
  return "(no field " + name + ")";
}

TEST(PrintLog, EveryTypeOfRecordIsOneLine) {
  HomeFixture t;
  t.append_records();
  const std::vector<LogLine> lines = t.lines();
  ASSERT_EQ(lines.size(), 7u);
  const std::string insert = "page 4: store 2 insert key=k\\x0a 13 bytes";
  EXPECT_EQ(lines[0].type, "change");
  EXPECT_EQ(lines[0].detail, insert + " gsn 50");
  EXPECT_EQ(lines[0].lsn, kFirstLsn);
  EXPECT_EQ(lines[0].txn, 9u);
  EXPECT_EQ(lines[0].epoch, 1u);
  EXPECT_EQ(lines[0].position, kSegmentBytes + wal::kSegmentHeaderBytes);
  EXPECT_THAT(lines[0].pages, ElementsAre(kLeft));
  EXPECT_EQ(lines[1].detail, "page 1: allocate 5 pages from 17, 1 page from 40 gsn 52");
  EXPECT_EQ(lines[1].txn, 0u);
  EXPECT_EQ(lines[2].type, "clr");
  EXPECT_EQ(lines[2].detail, insert + " gsn 53 undo_next 64");
  EXPECT_EQ(lines[3].type, "end");
  EXPECT_EQ(lines[4].type, "change+commit");
  EXPECT_EQ(lines[4].txn, 12u);
  EXPECT_EQ(lines[4].detail, "store 2 row set key=k 5 bytes gsn 54");
  EXPECT_TRUE(lines[4].pages.empty());
  EXPECT_EQ(lines[5].type, "commit");
  EXPECT_EQ(lines[5].detail, "needs 1:4096");
  EXPECT_EQ(lines[6].type, "change+commit");  // Stream 1 comes after stream 0 in a block.
  EXPECT_EQ(lines[6].stream, 1u);
}

TEST(PrintLog, TheVisitorMayStopAndAnEmptyLogIsNoError) {
  HomeFixture t;
  EXPECT_TRUE(t.lines().empty());
  t.append_records();
  int seen = 0;
  const auto visit = [&](const LogLine&) { return ++seen < 2; };
  EXPECT_TRUE(print_log(t.os, kHome, visit).has_value());
  EXPECT_EQ(seen, 2);
}

TEST(PrintLog, WhatLiesBeforeTheCheckpointInItsSegmentIsShown) {
  HomeFixture t;
  t.append_records();
  t.control.start_position = t.log->append_position();
  t.control.redo_position = t.control.start_position;
  ASSERT_TRUE(recovery::Control::create(kHome, t.control, t.os).has_value());
  EXPECT_EQ(t.lines().size(), 7u);
}

TEST(PrintLog, DamageBelowWhatWasDurableIsCorruption) {
  HomeFixture t;
  t.append_records();
  t.control.known_durable = t.log->append_position();
  ASSERT_TRUE(recovery::Control::create(kHome, t.control, t.os).has_value());
  const std::string segment = std::string(kHome) + "/log/" + wal::segment_name(1);
  ASSERT_TRUE(t.os.flip_bit(segment, (wal::kSegmentHeaderBytes + 100) * 8).has_value());
  const Result<void> printed = print_log(t.os, kHome, [](const LogLine&) { return true; });
  ASSERT_FALSE(printed.has_value());
  EXPECT_EQ(printed.error().code(), Code::corruption);
}

TEST(Introspection, AnOpenEnvironmentIsBusyAndADirectoryWithoutControlIsNone) {
  HomeFixture t;
  {
    const auto lock = *t.os.open(std::string(kHome) + "/LOCK", {});
    ASSERT_TRUE(*lock->try_lock());
    const Result<PageDump> dump = inspect_page(t.os, kHome, 1);
    ASSERT_FALSE(dump.has_value());
    EXPECT_EQ(dump.error().code(), Code::busy);
    EXPECT_THAT(std::string(dump.error().message()), HasSubstr("process 77"));
    const Result<void> printed = print_log(t.os, kHome, [](const LogLine&) { return true; });
    EXPECT_EQ(printed.error().code(), Code::busy);
  }
  EXPECT_TRUE(inspect_page(t.os, kHome, 1).has_value());
  EXPECT_EQ(inspect_page(t.os, "/elsewhere", 1).error().code(), Code::not_found);
}

TEST(InspectPage, LeafAndInnerNodeShowTheirEntries) {
  HomeFixture t;
  const PageDump leaf = t.inspect(kRight);
  EXPECT_EQ(leaf.kind, "btree_leaf");
  EXPECT_TRUE(leaf.checksum_ok);
  EXPECT_EQ(leaf.gsn, 40 + kRight);
  EXPECT_EQ(leaf.store, kStore);
  EXPECT_EQ(field(leaf, "check"), "ok");
  EXPECT_EQ(field(leaf, "allocated"), "yes");
  EXPECT_EQ(field(leaf, "lower_fence"), "'m'");
  EXPECT_EQ(field(leaf, "upper_fence"), "none");
  EXPECT_THAT(leaf.entries, ElementsAre(Pair("m", "txn 3 0 bytes: "),
                                        Pair("n", "txn 4 removed overflow 9 bytes at page 4"),
                                        Pair("o", HasSubstr("txn 5 overflow "))));
  const PageDump inner = t.inspect(kRoot);
  EXPECT_EQ(inner.kind, "btree_inner");
  EXPECT_THAT(inner.entries, ElementsAre(Pair("", "page 4"), Pair("m", "page 5")));
}

TEST(InspectPage, OtherKindsShowTheirFields) {
  HomeFixture t;
  EXPECT_EQ(field(t.inspect(0), "magic"), "AETHRGP1");
  const PageDump map = t.inspect(1);
  EXPECT_EQ(map.kind, "space_map");
  EXPECT_EQ(field(map, "allocated"), "yes");
  EXPECT_THAT(map.entries, ElementsAre(Pair("0-8", "allocated")));
  const PageDump overflow = t.inspect(kExtent + 1);
  EXPECT_EQ(overflow.kind, "overflow");
  EXPECT_EQ(field(overflow, "extent_first_page"), "6");
  EXPECT_EQ(field(overflow, "next_extent"), "8");
  const PageDump fresh = t.inspect(20);
  EXPECT_EQ(fresh.kind, "never_written");
  EXPECT_FALSE(fresh.checksum_ok);
  EXPECT_EQ(field(fresh, "allocated"), "no");
}

TEST(InspectPage, BeyondTheEndIsInvalid) {
  HomeFixture t;
  for (const uint64_t page : {t.data->capacity_pages(), ~uint64_t{0}}) {
    const Result<PageDump> dump = inspect_page(t.os, kHome, page);
    ASSERT_FALSE(dump.has_value());
    EXPECT_EQ(dump.error().code(), Code::invalid_argument);
    EXPECT_THAT(std::string(dump.error().message()), HasSubstr("256 pages"));
  }
}

TEST(InspectPage, ADamagedFileHeaderDoesNotHideTheOtherPages) {
  HomeFixture t;
  t.flip_bit(0, 400);
  EXPECT_FALSE(t.inspect(0).checksum_ok);
  EXPECT_EQ(t.inspect(kLeft).entries.size(), 2u);
}

// Goal:   a page with any bytes at all is decoded without touching anything outside it (address sanitizer).
// Method: random bytes in a real page; now and then nothing but random bytes.
TEST(InspectPage, AnyBytesAreDecodedSafely) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  HomeFixture t;
  for (int round = 0; round < 500; ++round) {
    const uint64_t page = random() % kPages;
    buffer::AlignedBuffer bytes(kPageBytes);
    ASSERT_TRUE(t.data->read_raw(PageId{page}, bytes.data()).has_value());
    const bool all = random() % 8 == 0;
    for (uint64_t i = all ? kPageBytes : 1 + random() % 8; i > 0; --i) {
      const uint64_t at = all ? i - 1 : random() % 160;
      bytes.data()[at] = static_cast<std::byte>(random());
    }
    bytes.data()[28] = static_cast<std::byte>(1 + random() % 5);  // A kind that is decoded.
    ASSERT_TRUE(t.data->file().write_at(page * kPageBytes, bytes.data(), kPageBytes).has_value());
    const PageDump dump = t.inspect(page);
    EXPECT_FALSE(dump.checksum_ok);
    EXPECT_THAT(field(dump, "problem"), Not(HasSubstr("no field")));
  }
}

}  // namespace
}  // namespace aether::db
