#include "wal/log_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/wal/wal_fixture.h"
#include "wal/block.h"

namespace aether::wal {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// A log of `blocks` blocks with one record each, txn = the block's number from 1.
struct WrittenLog {
  explicit WrittenLog(uint32_t blocks, uint64_t record_bytes = 100) : disk(make_disk()) {
    log = make_log(*disk, options, first_start());
    for (TxnId txn = 1; txn <= blocks; ++txn) {
      starts.push_back(log->append_position());
      EXPECT_TRUE(append(*log, 0, txn, record_bytes));
      EXPECT_TRUE(log->flush());
    }
    disk->sync_everything();
  }

  Result<ReadLog> read(LogPosition known_durable = 0) const {
    return read_log(*disk, reader_options(options, known_durable), whole_log(options));
  }

  LogOptions options = tiny_options();
  std::unique_ptr<sim::SimOs> disk;
  std::unique_ptr<Log> log;
  std::vector<LogPosition> starts;  ///< Lower bounds; exact unless the segment changed.
};

std::vector<TxnId> count_to(TxnId last) {
  std::vector<TxnId> txns;
  for (TxnId txn = 1; txn <= last; ++txn) txns.push_back(txn);
  return txns;
}

void expect_corruption(const Result<ReadLog>& read, const std::string& segment, uint64_t offset) {
  ASSERT_FALSE(read) << "read " << read->count << " records";
  EXPECT_EQ(read.error().code(), Code::corruption);
  EXPECT_THAT(std::string(read.error().message()),
              AllOf(HasSubstr(segment), HasSubstr("offset " + std::to_string(offset) + ":")));
}

// --- Tail and damage ---------------------------------------------------------------------------------

// Goal:   whatever a crash leaves of the last block, everything before it comes back, and nothing else.
// Method: the last block's write reaches the disk up to sector n, for every n; the rest is as before.
TEST(LogReader, ATornLastBlockIsTheTailAtEverySector) {
  constexpr uint64_t kSector = 512;
  const WrittenLog written(4, 6000);  // Blocks of 8 KiB.
  const LogPosition last = written.starts[3];
  const std::string path = segment_path(1);
  const Result<std::string> whole = written.disk->read_file(path);
  ASSERT_TRUE(whole);
  const uint64_t offset = last % written.options.segment_bytes;
  for (uint64_t sectors = 0; sectors <= 16; ++sectors) {
    for (const char before : {'\0', '\x5a'}) {  // A fresh segment, and a recycled one.
      std::string torn = *whole;
      std::fill(torn.begin() + static_cast<ptrdiff_t>(offset + sectors * kSector),
                torn.begin() + static_cast<ptrdiff_t>(offset + 16 * kSector), before);
      ASSERT_TRUE(written.disk->write_file(path, torn));

      const Result<ReadLog> read = written.read();

      ASSERT_TRUE(read) << sectors << " sectors: " << error_of(read);
      const bool complete = torn == *whole;
      EXPECT_EQ(read->txns(0), count_to(complete ? 4 : 3)) << sectors << " sectors";
      EXPECT_EQ(read->end, complete ? last + 8192 : last);
      EXPECT_EQ(read->torn, sectors > 0 && !complete);
    }
  }
}

TEST(LogReader, EveryFlippedBitInTheLastBlockMakesItTheTail) {
  const WrittenLog written(3);
  const LogPosition last = written.starts[2];
  for (uint64_t bit = 0; bit < 4096 * 8; bit += 7) {
    damage(*written.disk, written.options, last + bit / 8, bit % 8);
    const Result<ReadLog> read = written.read();
    ASSERT_TRUE(read) << "bit " << bit << ": " << error_of(read);
    ASSERT_EQ(read->txns(0), count_to(2)) << "bit " << bit;
    ASSERT_EQ(read->end, last);
    damage(*written.disk, written.options, last + bit / 8, bit % 8);
  }
  EXPECT_EQ(written.read()->txns(0), count_to(3));
}

TEST(LogReader, EveryFlippedBitBeforeTheLastBlockIsCorruption) {
  const WrittenLog written(3);
  for (const size_t block : {0u, 1u}) {
    const LogPosition begin = written.starts[block];
    for (uint64_t bit = 0; bit < 4096 * 8; bit += 7) {
      damage(*written.disk, written.options, begin + bit / 8, bit % 8);
      expect_corruption(written.read(), segment_name(1), begin % written.options.segment_bytes);
      if (HasFailure()) FAIL() << "block " << block << ", bit " << bit;
      damage(*written.disk, written.options, begin + bit / 8, bit % 8);
    }
  }
}

TEST(LogReader, ABadLastBlockThatWasDurableIsCorruption) {
  const WrittenLog written(3);
  const LogPosition last = written.starts[2];
  damage(*written.disk, written.options, last + 100);
  EXPECT_TRUE(written.read(last));  // Durable up to where it starts: it may be torn.
  expect_corruption(written.read(last + 1), segment_name(1), last % written.options.segment_bytes);
  expect_corruption(written.read(written.log->append_position()), segment_name(1),
                    last % written.options.segment_bytes);
}

TEST(LogReader, FindsItsEndAtEveryBlockOfASegment) {
  for (uint32_t blocks = 0; blocks <= 32; ++blocks) {  // 15 fit into a segment.
    const WrittenLog written(blocks);
    const Result<ReadLog> read = written.read(written.log->append_position());
    ASSERT_TRUE(read) << blocks << " blocks: " << error_of(read);
    EXPECT_EQ(read->txns(0), count_to(blocks));
    EXPECT_EQ(read->end,
              blocks > 0 ? written.log->append_position() : written.options.segment_bytes);
    EXPECT_FALSE(read->torn);
  }
}

TEST(LogReader, DamageAtTheEndOfASegmentIsSeenFromTheNext) {
  const WrittenLog written(20);
  damage(*written.disk, written.options,
         64 * KiB + 60 * KiB + 50);  // The 15th block, segment 1's last.
  expect_corruption(written.read(), segment_name(1), 60 * KiB);
}

TEST(LogReader, DamageInTheHeaderOfASegmentIsCorruption) {
  for (const uint64_t segment : {1u, 2u}) {
    for (const uint64_t byte : {0u, 9u, 20u, 33u, 47u, 4095u}) {
      const WrittenLog written(20);
      damage(*written.disk, written.options, segment * 64 * KiB + byte);
      const Result<ReadLog> read = written.read();
      ASSERT_FALSE(read) << "segment " << segment << ", byte " << byte;
      EXPECT_EQ(read.error().code(), Code::corruption);
      // Segment 1 has no more room after 15 blocks, so the search ends at the header of segment 2.
      EXPECT_THAT(std::string(read.error().message()),
                  AllOf(HasSubstr(segment_name(segment)), HasSubstr("header is damaged")));
    }
  }
}

// A crash while a segment was being prepared leaves a header that is none, and no blocks.
TEST(LogReader, ADamagedHeaderWithoutBlocksIsTheEnd) {
  const WrittenLog written(10);
  ASSERT_TRUE(written.disk->write_file(segment_path(2), std::string(30000, '\x37')));
  const Result<ReadLog> read = written.read();
  ASSERT_TRUE(read) << error_of(read);
  EXPECT_EQ(read->txns(0), count_to(10));
}

TEST(LogReader, AMissingSegmentIsCorruptionThatNamesIt) {
  for (const uint64_t segment : {1u, 2u}) {
    const WrittenLog written(40);
    ASSERT_TRUE(written.disk->remove(segment_path(segment)));
    const Result<ReadLog> read = written.read();
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code(), Code::corruption);
    EXPECT_THAT(std::string(read.error().message()),
                AllOf(HasSubstr(segment_name(segment)), HasSubstr("the file is missing")));
  }
}

TEST(LogReader, AMissingLastSegmentIsCorruptionIfItWasDurable) {
  const WrittenLog written(20);
  const LogPosition end = written.log->append_position();
  ASSERT_TRUE(written.disk->remove(segment_path(2)));
  EXPECT_TRUE(written.read());                     // Nothing proves that it was there ...
  const Result<ReadLog> read = written.read(end);  // ... but a checkpoint may.
  ASSERT_FALSE(read);
  EXPECT_THAT(std::string(read.error().message()), HasSubstr(segment_name(2)));
}

// A segment has all its bytes before it is used: a shorter one was cut off, and with it perhaps what was acknowledged.
TEST(LogReader, ATruncatedSegmentIsDamage) {
  const WrittenLog written(20);
  const Result<std::string> second = written.disk->read_file(segment_path(2));
  ASSERT_TRUE(second);
  ASSERT_TRUE(written.disk->write_file(segment_path(2), second->substr(0, 4096 * 3 + 100)));
  expect_corruption(written.read(), segment_name(2), 4096 * 3);

  const Result<std::string> first = written.disk->read_file(segment_path(1));
  ASSERT_TRUE(first);
  ASSERT_TRUE(written.disk->write_file(segment_path(1), first->substr(0, 4096 * 3)));
  expect_corruption(written.read(), segment_name(1), 4096 * 3);
}

TEST(LogReader, AReadErrorIsNoTail) {
  const WrittenLog written(3);
  written.disk->add_fault({.kind = sim::StepKind::read, .path_contains = "log/", .nth = 1});
  const Result<ReadLog> read = written.read();
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), Code::io_error);
}

// --- Identity ----------------------------------------------------------------------------------------

// Writes `block`, changed by `change` and sealed again, to its place.
template <typename Change>
void rewrite_block(const WrittenLog& written, LogPosition position, Change change) {
  const std::string path = segment_path(position / written.options.segment_bytes);
  Result<std::string> file = written.disk->read_file(path);
  ASSERT_TRUE(file);
  std::byte* const block = reinterpret_cast<std::byte*>(file->data()) +
                           position % written.options.segment_bytes;
  change(block);
  seal_block(block, 4096);
  ASSERT_TRUE(written.disk->write_file(path, *file));
}

template <typename Field>
void set(std::byte* block, size_t offset, Field value) {
  base::store(block + offset, value);
}

TEST(LogReader, TakesOnlyBlocksThatSayTheyBelongThere) {
  const auto rewritten = [](auto change) {
    const WrittenLog written(2);
    rewrite_block(written, written.starts[1], change);
    return written.read();
  };
  // Intact, but other blocks: an old one in a recycled file.
  EXPECT_EQ(rewritten([](std::byte* b) { set(b, 16, kEnvironment + 1); })->txns(0), count_to(1));
  EXPECT_EQ(rewritten([](std::byte* b) { set(b, 24, LogPosition{4096}); })->txns(0), count_to(1));
  EXPECT_EQ(rewritten([](std::byte* b) { set(b, 40, uint32_t{2}); })->txns(0), count_to(1));
  // This very block, but it contradicts the one before: something between them is lost.
  const Result<ReadLog> skipped = rewritten([](std::byte* b) { set(b, 32, LogPosition{0}); });
  ASSERT_FALSE(skipped);
  EXPECT_THAT(std::string(skipped.error().message()), HasSubstr("follows one at position 0"));
  const Result<ReadLog> gap = rewritten(
      [](std::byte* b) { set(b, sizeof(BlockHeader) + 8, Lsn{4096}); });
  ASSERT_FALSE(gap);
  EXPECT_THAT(std::string(gap.error().message()), HasSubstr("goes on at LSN 4096"));
  const Result<ReadLog> newer = rewritten(
      [](std::byte* b) { set(b, 12, uint16_t{kBlockVersion + 1}); });
  ASSERT_FALSE(newer);
  EXPECT_EQ(newer.error().code(), Code::unsupported);
  const Result<ReadLog> streams = rewritten([](std::byte* b) { set(b, 14, uint16_t{3}); });
  ASSERT_FALSE(streams);
  EXPECT_THAT(std::string(streams.error().message()), HasSubstr("3 streams"));
  const Result<ReadLog> overlong = rewritten(
      [](std::byte* b) { set(b, sizeof(BlockHeader) + 4, uint32_t{4088}); });
  ASSERT_FALSE(overlong);
  EXPECT_THAT(std::string(overlong.error().message()), HasSubstr("table"));
}

TEST(LogReader, AnotherEnvironmentsSegmentIsRefused) {
  const WrittenLog written(2);
  LogReaderOptions options = reader_options(written.options);
  options.environment_id = kEnvironment + 1;
  const Result<ReadLog> read = read_log(*written.disk, options, whole_log(written.options));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), Code::corruption);
  EXPECT_THAT(std::string(read.error().message()), HasSubstr("another environment"));
}

TEST(LogReader, ASegmentOfAnotherFormatOrSizeIsRefused) {
  const WrittenLog written(2);
  const Result<std::string> file = written.disk->read_file(segment_path(1));
  ASSERT_TRUE(file);
  const auto with_header = [&](SegmentHeader header) {
    std::string changed = *file;
    std::fill_n(changed.begin(), kSegmentHeaderBytes, '\0');
    write_segment_header(header, reinterpret_cast<std::byte*>(changed.data()));
    EXPECT_TRUE(written.disk->write_file(segment_path(1), changed));
    return written.read();
  };
  SegmentHeader header{.version = 2,
                       .epoch = 1,
                       .environment_id = kEnvironment,
                       .segment = 1,
                       .segment_bytes = 64 * KiB};
  const Result<ReadLog> newer = with_header(header);
  ASSERT_FALSE(newer);
  EXPECT_EQ(newer.error().code(), Code::unsupported);
  header.version = kSegmentVersion;
  header.segment_bytes = 128 * KiB;
  const Result<ReadLog> size = with_header(header);
  ASSERT_FALSE(size);
  EXPECT_THAT(std::string(size.error().message()), HasSubstr("131072 bytes instead of 65536"));
  header.segment_bytes = 64 * KiB;
  EXPECT_TRUE(with_header(header));
}

// A recycled file is full of intact old blocks; none of them may come back.
TEST(LogReader, OldBlocksInARecycledSegmentAreNotTaken) {
  const auto disk = make_disk();
  const LogOptions options = tiny_options();
  const auto log = make_log(*disk, options, first_start());
  TxnId txn = 0;
  LogPosition checkpoint = 0;
  while (log->stats().segments_recycled < 3) {
    checkpoint = log->append_position();
    ASSERT_TRUE(append(*log, 0, ++txn, 200) && log->flush());
    ASSERT_TRUE(log->release_before(checkpoint));
    const EpochExtent extent{.epoch = 1, .begin = checkpoint, .end = std::nullopt, .cut = {}};
    const Result<ReadLog> read = read_log(*disk, reader_options(options), {extent});
    ASSERT_TRUE(read) << error_of(read);
    ASSERT_THAT(read->txns(0), ElementsAre(txn));
    ASSERT_EQ(read->end, log->append_position());
    ASSERT_FALSE(read->torn);
  }
}

// --- Epochs and fences -------------------------------------------------------------------------------

// Three lives; the first two are closed by a fence, and leave a torn block behind it.
struct ThreeEpochs {
  ThreeEpochs() : disk(make_disk()) {
    LogStart start = first_start(2);
    for (uint32_t epoch = 1; epoch <= 3; ++epoch) {
      start.epoch = epoch;
      auto log = make_log(*disk, options, start);
      EpochExtent extent{.epoch = epoch, .begin = log->append_position(), .end = {}, .cut = {}};
      for (TxnId txn = 1; txn <= 20; ++txn) {
        EXPECT_TRUE(append(*log, txn % 2, epoch * 100 + txn) && log->flush());
      }
      extent.end = log->append_position();
      extent.cut = log->durable();
      const uint64_t last_segment = log->current_segment();
      log.reset();
      // As a crash may leave it: half a block of this epoch behind the end.
      const LogPosition end = *extent.end;
      std::string file = *disk->read_file(segment_path(last_segment));
      const uint64_t offset = end % options.segment_bytes;
      file.replace(offset, 2048, file.substr(offset - 4096, 2048));
      base::store(file.data() + offset + 24, end);
      EXPECT_TRUE(disk->write_file(segment_path(last_segment), file));

      extents.push_back(extent);
      start.segment = last_segment + 1;
      start.lsn = extent.cut;
    }
    extents.back().end.reset();
    extents.back().cut = {};
  }

  Result<ReadLog> read() const { return read_log(*disk, reader_options(options), extents); }

  LogOptions options = tiny_options(2);
  std::unique_ptr<sim::SimOs> disk;
  std::vector<EpochExtent> extents;
};

TEST(LogReader, ReadsAllEpochsInOrder) {
  const ThreeEpochs written;
  const Result<ReadLog> read = written.read();
  ASSERT_TRUE(read) << error_of(read);
  std::vector<TxnId> odd;
  for (TxnId epoch = 1; epoch <= 3; ++epoch) {
    for (TxnId txn = 1; txn <= 20; txn += 2) odd.push_back(epoch * 100 + txn);
  }
  EXPECT_EQ(read->txns(1), odd);
  EXPECT_EQ(read->count, 60u);
  EXPECT_TRUE(read->torn);
}

TEST(LogReader, AFencedEpochMustReachItsFence) {
  ThreeEpochs written;
  const LogPosition last = *written.extents[0].end - 4096;
  damage(*written.disk, written.options, last + 60);
  expect_corruption(written.read(), segment_name(last / written.options.segment_bytes),
                    last % written.options.segment_bytes);
}

TEST(LogReader, ABlockBehindTheFenceIsNotTaken) {
  ThreeEpochs written;
  written.extents[0].end = *written.extents[0].end -
                           4096;  // As if its last block had been cut off.
  const Result<ReadLog> read = written.read();
  ASSERT_FALSE(read);  // Stream 0 ends before the cut that was fenced.
  EXPECT_THAT(std::string(read.error().message()), HasSubstr("was closed at LSN"));

  written.extents[0].cut.at[0] -= 48;
  const Result<ReadLog> cut = written.read();
  ASSERT_TRUE(cut) << error_of(cut);
  EXPECT_EQ(cut->count, 59u);
}

TEST(LogReader, ABlockAcrossTheFenceIsCorruption) {
  const WrittenLog written(3, 6000);  // Blocks of 8 KiB.
  EpochExtent extent = whole_log(written.options)[0];
  extent.end = written.starts[2] + 4096;
  extent.cut = written.log->durable();
  const Result<ReadLog> read = read_log(*written.disk, reader_options(written.options), {extent});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), Code::corruption);
  EXPECT_THAT(std::string(read.error().message()), HasSubstr("reaches over the end of epoch 1"));
}

TEST(LogReader, AnEpochThatGoesBackIsCorruption) {
  ThreeEpochs written;
  std::swap(written.extents[0], written.extents[1]);
  const Result<ReadLog> read = written.read();
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), Code::corruption);
  EXPECT_THAT(std::string(read.error().message()), HasSubstr("goes on at LSN"));
}

TEST(LogReader, AnEmptyEpochKeepsTheCut) {
  const ThreeEpochs written;
  std::vector<EpochExtent> extents = {written.extents[0]};
  // Fenced right where it began; and one whose first segment was never made.
  const LogPosition far = 50 * written.options.segment_bytes;
  extents.push_back({.epoch = 7, .begin = far, .end = far, .cut = extents[0].cut});
  extents.push_back({.epoch = 8, .begin = far, .end = std::nullopt, .cut = {}});
  const Result<ReadLog> read = read_log(*written.disk, reader_options(written.options), extents);
  ASSERT_TRUE(read) << error_of(read);
  EXPECT_EQ(read->count, 20u);
  EXPECT_EQ(read->cut, written.extents[0].cut);
  EXPECT_EQ(read->end, far);
}

TEST(LogReader, StartsInTheMiddleOfAnEpoch) {
  const WrittenLog written(40);
  for (size_t block = 0; block < 40; ++block) {
    const EpochExtent extent{
        .epoch = 1, .begin = written.starts[block], .end = std::nullopt, .cut = {}};
    const Result<ReadLog> read = read_log(*written.disk, reader_options(written.options), {extent});
    ASSERT_TRUE(read) << "block " << block << ": " << error_of(read);
    EXPECT_EQ(read->count, 40 - block);
    EXPECT_EQ(read->cut, written.log->durable());
  }
}

// Every stream's end is in every block, also of a stream that has been silent since the extent began.
TEST(LogReader, TheCutNamesSilentStreams) {
  const auto disk = make_disk();
  const LogOptions options = tiny_options(2);
  const auto log = make_log(*disk, options, first_start(2));
  ASSERT_TRUE(append(*log, 0, 1) && log->flush());
  const LogPosition later = log->append_position();
  ASSERT_TRUE(append(*log, 1, 2) && log->flush());
  const EpochExtent extent{.epoch = 1, .begin = later, .end = std::nullopt, .cut = {}};
  const Result<ReadLog> read = read_log(*disk, reader_options(options), {extent});
  ASSERT_TRUE(read) << error_of(read);
  EXPECT_EQ(read->count, 1u);
  EXPECT_EQ(read->cut, log->durable());
}

TEST(LogReader, RefusesExtentsThatCannotBe) {
  const auto disk = make_disk();
  const LogReaderOptions options = reader_options(tiny_options());
  const auto open = [&](EpochExtent extent) {
    const auto reader = LogReader::open(options, {extent}, *disk);
    return reader ? std::string("ok") : std::string(reader.error().message());
  };
  EXPECT_EQ(open({.epoch = 1, .begin = 64 * KiB, .end = std::nullopt, .cut = {}}), "ok");
  EXPECT_THAT(open({.epoch = 1, .begin = 4096, .end = std::nullopt, .cut = {}}), HasSubstr("4096"));
  EXPECT_THAT(open({.epoch = 1, .begin = 70000, .end = std::nullopt, .cut = {}}),
              HasSubstr("70000"));
  EXPECT_THAT(open({.epoch = 1, .begin = 128 * KiB, .end = 64 * KiB, .cut = {}}),
              HasSubstr("ends before"));
}

TEST(LogReader, NoExtentsIsAnEmptyLog) {
  const auto disk = make_disk();
  const Result<ReadLog> read = read_log(*disk, reader_options(tiny_options()), {});
  ASSERT_TRUE(read) << error_of(read);
  EXPECT_EQ(read->count, 0u);
  EXPECT_EQ(read->end, 0u);
}

// --- Blocks again, for undo --------------------------------------------------------------------------

TEST(LogReader, ReadsABlockAgain) {
  const WrittenLog written(40);
  const auto reader = *LogReader::open(reader_options(written.options), whole_log(written.options),
                                       *written.disk);
  std::vector<LogPosition> blocks;
  while (const Block* block = *reader->next()) blocks.push_back(block->position);
  ASSERT_EQ(blocks.size(), 40u);
  for (size_t i = blocks.size(); i-- > 0;) {
    const Result<const Block*> block = reader->read_block(blocks[i], 1);
    ASSERT_TRUE(block) << error_of(block);
    ASSERT_EQ((*block)->chunks.size(), 1u);
    const Result<std::optional<RecordView>> record = RecordCursor((*block)->chunks[0]).next();
    ASSERT_TRUE(record && *record);
    EXPECT_EQ((*record)->header.txn, i + 1);
  }
  EXPECT_EQ(reader->end(), written.log->append_position());
}

TEST(LogReader, ABlockThatIsNotThereIsCorruption) {
  const WrittenLog written(3);
  const auto reader = *LogReader::open(reader_options(written.options), {}, *written.disk);
  for (const LogPosition position :
       {LogPosition{0}, written.starts[0] + 8, written.starts[2] + 4096,
        LogPosition{999 * 64 * KiB + 4096}}) {
    const Result<const Block*> block = reader->read_block(position, 1);
    ASSERT_FALSE(block) << position;
    EXPECT_EQ(block.error().code(), Code::corruption);
  }
  EXPECT_FALSE(reader->read_block(written.starts[0], 2));  // Another epoch's.
  EXPECT_TRUE(reader->read_block(written.starts[0], 1));
}

}  // namespace
}  // namespace aether::wal
