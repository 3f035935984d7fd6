#include "wal/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <random>
#include <thread>

#include "os/sync.h"
#include "tests/unit/wal/wal_fixture.h"
#include "wal/block.h"

namespace aether::wal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Log, ReadsBackWhatWasFlushed) {
  const auto disk = make_disk();
  const LogOptions options = tiny_options(2);
  const auto log = make_log(*disk, options, first_start(2));
  ASSERT_TRUE(append(*log, 0, 1));
  ASSERT_TRUE(append(*log, 1, 2));
  ASSERT_TRUE(append(*log, 0, 3));
  ASSERT_TRUE(log->flush());

  const Result<ReadLog> read = read_log(*disk, reader_options(options), whole_log(options));

  ASSERT_TRUE(read) << error_of(read);
  EXPECT_THAT(read->txns(0), ElementsAre(1, 3));
  EXPECT_THAT(read->txns(1), ElementsAre(2));
  EXPECT_EQ(read->blocks.size(), 1u);
  EXPECT_EQ(read->end, log->append_position());
  EXPECT_EQ(read->cut, log->durable());
  EXPECT_FALSE(read->torn);
}

TEST(Log, IsEmptyBeforeTheFirstFlush) {
  const auto disk = make_disk();
  const LogOptions options = tiny_options();
  const auto log = make_log(*disk, options, first_start());
  ASSERT_TRUE(append(*log, 0, 1));

  const Result<ReadLog> read = read_log(*disk, reader_options(options), whole_log(options));

  ASSERT_TRUE(read) << error_of(read);
  EXPECT_EQ(read->count, 0u);
  EXPECT_EQ(log->durable(0), kFirstLsn);
}

TEST(Log, FlushesWhenItIsClosed) {
  const auto disk = make_disk();
  const LogOptions options = tiny_options();
  ASSERT_TRUE(append(*make_log(*disk, options, first_start()), 0, 1));
  const Result<ReadLog> read = read_log(*disk, reader_options(options), whole_log(options));
  ASSERT_TRUE(read) << error_of(read);
  EXPECT_THAT(read->txns(0), ElementsAre(1));
}

// The measured path: one commit is one write of one 4 KiB block and one sync, on the caller's thread.
TEST(Log, ADurableAppendIsOneWriteAndOneSync) {
  const auto disk = make_disk();
  const auto log = make_log(*disk, tiny_options(), first_start());
  std::vector<sim::Step> steps;
  disk->on_step([&steps](const sim::Step& step) { steps.push_back(step); });

  const Result<Reservation> space = append(*log, 0, 1);
  ASSERT_TRUE(space) << error_of(space);
  ASSERT_TRUE(wait_for(*log, *space));

  ASSERT_EQ(steps.size(), 2u);
  EXPECT_EQ(steps[0].kind, sim::StepKind::write);
  EXPECT_EQ(steps[0].size, 4096u);
  EXPECT_EQ(steps[0].offset % 4096, 0u);
  EXPECT_EQ(steps[1].kind, sim::StepKind::sync);
  EXPECT_EQ(log->durable(0), space->end());
  disk->on_step({});
}

TEST(Log, WaitingForWhatIsDurableDoesNothing) {
  const auto disk = make_disk();
  const auto log = make_log(*disk, tiny_options(), first_start());
  const Result<Reservation> space = append(*log, 0, 1);
  ASSERT_TRUE(space && log->flush());
  const uint64_t steps = disk->steps();
  EXPECT_TRUE(wait_for(*log, *space));
  EXPECT_TRUE(log->wait_durable(LsnVector{}));
  EXPECT_TRUE(log->flush());
  EXPECT_EQ(disk->steps(), steps);
}

TEST(Log, WaitsForTheStreamsThatTheVectorNames) {
  const auto disk = make_disk();
  const auto log = make_log(*disk, tiny_options(3), first_start(3));
  const Result<Reservation> a = append(*log, 0, 1);
  const Result<Reservation> b = append(*log, 2, 2);
  ASSERT_TRUE(a && b);
  LsnVector vector;
  vector.raise(0, a->end());
  vector.raise(2, b->end());
  EXPECT_FALSE(vector.covered_by(log->durable()));
  ASSERT_TRUE(log->wait_durable(vector));
  EXPECT_TRUE(vector.covered_by(log->durable()));
}

// What lies behind a hole waits for it; the other streams do not.
TEST(Log, AHoleHoldsUpItsStreamOnly) {
  const auto disk = make_disk();
  const LogOptions options = tiny_options(2);
  const auto log = make_log(*disk, options, first_start(2));
  const Result<Reservation> hole = log->reserve(0, 24);
  ASSERT_TRUE(hole);
  const Result<Reservation> behind = append(*log, 0, 2);
  const Result<Reservation> beside = append(*log, 1, 3);
  ASSERT_TRUE(behind && beside);

  ASSERT_TRUE(wait_for(*log, *beside));
  EXPECT_EQ(log->durable(1), beside->end());
  EXPECT_EQ(log->durable(0), kFirstLsn);

  write_record({.type = RecordType::commit, .txn = 1}, hole->data);
  log->publish(*hole);
  ASSERT_TRUE(wait_for(*log, *behind));
  const Result<ReadLog> read = read_log(*disk, reader_options(options), whole_log(options));
  ASSERT_TRUE(read) << error_of(read);
  EXPECT_THAT(read->txns(0), ElementsAre(1, 2));
}

TEST(Log, RefusesARecordThatIsTooLarge) {
  const auto disk = make_disk();
  const LogOptions options = tiny_options();
  const auto log = make_log(*disk, options, first_start());
  const uint64_t largest = log->max_record_bytes();
  EXPECT_EQ(largest, 16 * KiB - block_overhead(options.streams));

  const Result<Reservation> refused = log->reserve(0, largest + 8);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::too_large);
  EXPECT_THAT(std::string(refused.error().message()), HasSubstr(std::to_string(largest)));

  ASSERT_TRUE(append(*log, 0, 1));  // The largest one does not fit behind it into the same block.
  const Result<Reservation> space = append(*log, 0, 2, largest - 28);
  ASSERT_TRUE(space) << error_of(space);
  EXPECT_EQ(space->size, largest);
  ASSERT_TRUE(wait_for(*log, *space));
  const Result<ReadLog> read = read_log(*disk, reader_options(options), whole_log(options));
  ASSERT_TRUE(read) << error_of(read);
  EXPECT_THAT(read->txns(0), ElementsAre(1, 2));
  EXPECT_EQ(read->blocks.size(), 2u);
}

TEST(Log, SaysWhichOptionIsWrong) {
  const auto disk = make_disk();
  const auto message = [&disk](auto change) {
    LogOptions options = tiny_options();
    LogStart start = first_start();
    change(options, start);
    const Result<std::unique_ptr<Log>> log = Log::create(options, start, *disk);
    return log ? std::string("ok") : std::string(log.error().message());
  };
  EXPECT_THAT(message([](LogOptions& o, LogStart&) { o.streams = 0; }), HasSubstr("streams"));
  EXPECT_THAT(message([](LogOptions& o, LogStart&) { o.streams = 9; }), HasSubstr("streams"));
  EXPECT_THAT(message([](LogOptions& o, LogStart&) { o.segment_bytes = 96 * KiB; }),
              HasSubstr("segment_bytes"));
  EXPECT_THAT(message([](LogOptions& o, LogStart&) { o.ring_bytes = 32 * KiB; }),
              HasSubstr("ring_bytes"));
  EXPECT_THAT(message([](LogOptions& o, LogStart&) { o.block_bytes_max = 5000; }),
              HasSubstr("block_bytes_max"));
  EXPECT_THAT(message([](LogOptions&, LogStart& s) { s.lsn.at[0] = 0; }), HasSubstr("lsn"));
  EXPECT_THAT(message([](LogOptions&, LogStart& s) { s.lsn.at[0] = 68; }), HasSubstr("lsn"));
  EXPECT_THAT(message([](LogOptions&, LogStart& s) { s.epoch = 0; }), HasSubstr("epoch"));
  EXPECT_EQ(message([](LogOptions& o, LogStart&) { o.block_bytes_max = 1 * MiB; }), "ok");
}

TEST(Log, ADetachedLogTouchesNothing) {
  sim::SimOs disk;
  const auto log = Log::detached(2, disk);
  const Result<Reservation> refused = log->reserve(1, 24);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::unsupported);
  EXPECT_TRUE(log->flush());
  EXPECT_TRUE(log->release_before(1 * GiB));
  EXPECT_EQ(log->stats().bytes_appended, 0u);
  log->request_flush();
  EXPECT_EQ(disk.steps(), 0u);
}

// Goal:   records of every size survive many turns of the ring and many segments, in order.
// Method: the smallest ring and segments; far more than both hold; waiting only when the ring is full.
TEST(Log, WrapsTheRingAndChangesSegments) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto disk = make_disk();
  const LogOptions options = tiny_options(2);
  const auto log = make_log(*disk, options, first_start(2));
  std::vector<TxnId> want[2];
  for (TxnId txn = 1; txn <= 1500; ++txn) {
    const auto stream = static_cast<uint32_t>(random() % 2);
    const Result<Reservation> space = append(*log, stream, txn, random() % 1200);
    ASSERT_TRUE(space) << error_of(space);
    ASSERT_LE(space->end(), log->durable(stream) + options.ring_bytes);
    want[stream].push_back(txn);
  }
  ASSERT_TRUE(log->flush());

  const Result<ReadLog> read = read_log(*disk, reader_options(options), whole_log(options));

  ASSERT_TRUE(read) << error_of(read);
  EXPECT_EQ(read->txns(0), want[0]);
  EXPECT_EQ(read->txns(1), want[1]);
  EXPECT_GT(log->current_segment(), 8u);
  EXPECT_EQ(log->stats().segments_created, log->current_segment());
  EXPECT_EQ(log->stats().bytes_appended, log->durable(0) + log->durable(1) - 2 * kFirstLsn);
}

// A block may have room for more than the ring holds: the walk must not go round it twice.
TEST(Log, AFullRingFitsIntoOneBlockOnce) {
  const auto disk = make_disk();
  LogOptions options = tiny_options();
  options.segment_bytes = 1 * MiB;
  options.block_bytes_max = 256 * KiB;
  const auto log = make_log(*disk, options, first_start());
  for (int round = 0; round < 3; ++round) {
    for (TxnId txn = 1; txn <= 64; ++txn) {  // 64 records of 1 KiB: not a byte is free.
      const Result<Reservation> space = append(*log, 0, txn, 1024 - 28);
      ASSERT_TRUE(space && space->size == 1024);
    }
    ASSERT_EQ(log->stats().flushes, static_cast<uint64_t>(round));
    ASSERT_TRUE(log->flush());
  }
  const Result<ReadLog> read = read_log(*disk, reader_options(options), whole_log(options));
  ASSERT_TRUE(read) << error_of(read);
  EXPECT_EQ(read->count, 3u * 64);
  EXPECT_EQ(read->blocks.size(), 3u);
}

// A busy stream must not keep another one's records out of every block.
TEST(Log, StreamsTakeTurnsWhenTheBlockIsFull) {
  const auto disk = make_disk();
  const auto log = make_log(*disk, tiny_options(2), first_start(2));
  Result<Reservation> last = append(*log, 0, 1);
  for (TxnId txn = 2; txn <= 50; ++txn) last = append(*log, 0, txn, 1000);
  ASSERT_TRUE(last);
  const Result<Reservation> other = append(*log, 1, 100, 1000);
  ASSERT_TRUE(other);
  ASSERT_TRUE(wait_for(*log, *other));
  EXPECT_LT(log->durable(0), last->end());  // 50 KiB do not fit into one block of 16.
  EXPECT_LE(log->stats().flushes, 2u);
}

// Whoever reads append_position() first finds their record's block at or behind it.
TEST(Log, AppendPositionIsALowerBound) {
  std::mt19937_64 random(11);
  const auto disk = make_disk();
  const LogOptions options = tiny_options();
  const auto log = make_log(*disk, options, first_start());
  EXPECT_EQ(log->append_position(), options.segment_bytes + 4096);
  std::map<TxnId, LogPosition> bound;
  for (TxnId txn = 1; txn <= 300; ++txn) {
    bound[txn] = log->append_position();
    ASSERT_TRUE(append(*log, 0, txn, random() % 3000));
    if (random() % 3 != 0) continue;
    ASSERT_TRUE(log->flush());
  }
  ASSERT_TRUE(log->flush());
  const Result<ReadLog> read = read_log(*disk, reader_options(options), whole_log(options));
  ASSERT_TRUE(read) << error_of(read);
  ASSERT_EQ(read->count, 300u);
  for (const ReadRecord& record : read->streams.at(0)) {
    EXPECT_GE(record.position, bound[record.txn]) << "txn " << record.txn;
  }
}

// --- Segments ----------------------------------------------------------------------------------------

TEST(Log, ReleasedSegmentsAreRecycledTwoAtMost) {
  const auto disk = make_disk();
  const LogOptions options = tiny_options();
  const auto log = make_log(*disk, options, first_start());
  while (log->current_segment() < 6) ASSERT_TRUE(append(*log, 0, 1, 4000));
  ASSERT_TRUE(
      log->release_before(6 * options.segment_bytes - 4096));  // The end of 5 is still needed.
  const Result<std::vector<uint64_t>> needed = list_segments(kDirectory, *disk);
  ASSERT_TRUE(needed);
  EXPECT_THAT(*needed, ElementsAre(1, 2, 5, 6));
  ASSERT_TRUE(log->release_before(log->append_position()));
  const Result<std::vector<uint64_t>> kept = list_segments(kDirectory, *disk);
  ASSERT_TRUE(kept);
  EXPECT_THAT(*kept, ElementsAre(1, 2, 6));  // Two spares, still under their names.

  while (log->current_segment() < 9) ASSERT_TRUE(append(*log, 0, 1, 4000));
  EXPECT_EQ(log->stats().segments_recycled, 2u);
  EXPECT_EQ(log->stats().segments_created, 7u);
  const Result<std::vector<uint64_t>> later = list_segments(kDirectory, *disk);
  ASSERT_TRUE(later);
  EXPECT_THAT(*later, ElementsAre(6, 7, 8, 9));
}

TEST(Log, NeverReleasesTheCurrentSegment) {
  const auto disk = make_disk();
  const LogOptions options = tiny_options();
  const auto log = make_log(*disk, options, first_start());
  ASSERT_TRUE(append(*log, 0, 1));
  ASSERT_TRUE(log->release_before(1000 * options.segment_bytes));
  ASSERT_TRUE(append(*log, 0, 2));
  ASSERT_TRUE(log->flush());
  const Result<ReadLog> read = read_log(*disk, reader_options(options), whole_log(options));
  ASSERT_TRUE(read) << error_of(read);
  EXPECT_THAT(read->txns(0), ElementsAre(1, 2));
}

TEST(Log, ARemovalThatFailedIsTriedAgain) {
  const auto disk = make_disk();
  const LogOptions options = tiny_options();
  const auto log = make_log(*disk, options, first_start());
  while (log->current_segment() < 6) ASSERT_TRUE(append(*log, 0, 1, 4000));
  disk->add_fault({.kind = sim::StepKind::remove});
  EXPECT_FALSE(log->release_before(log->append_position()));
  EXPECT_FALSE(log->failed());
  ASSERT_TRUE(log->release_before(log->append_position()));
  const Result<std::vector<uint64_t>> kept = list_segments(kDirectory, *disk);
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->size(), 3u);
}

// --- Failure -----------------------------------------------------------------------------------------

// Nothing is acknowledged after a failed write or sync, not even what a later sync might save.
TEST(Log, TheFirstFailureIsFinal) {
  for (const sim::StepKind kind : {sim::StepKind::write, sim::StepKind::sync}) {
    const auto disk = make_disk();
    const auto log = make_log(*disk, tiny_options(2), first_start(2));
    const Result<Reservation> before = append(*log, 0, 1);
    ASSERT_TRUE(before && log->flush());
    const LsnVector durable = log->durable();
    const Result<Reservation> lost = append(*log, 1, 2);
    ASSERT_TRUE(lost);
    disk->add_fault({.kind = kind, .path_contains = "log/"});

    const Result<void> waited = wait_for(*log, *lost);

    ASSERT_FALSE(waited);
    EXPECT_EQ(waited.error().code(), Code::failed);
    EXPECT_THAT(std::string(waited.error().message()),
                testing::AllOf(HasSubstr("the log could not be written (io_error"),
                               HasSubstr("unknown until the environment is opened again")));
    EXPECT_TRUE(log->failed());
    const uint64_t steps = disk->steps();
    EXPECT_FALSE(wait_for(*log, *lost));
    EXPECT_FALSE(log->flush());
    EXPECT_FALSE(log->reserve(0, 24));
    EXPECT_TRUE(wait_for(*log, *before));  // What was durable stays durable.
    EXPECT_EQ(log->durable(), durable);
    EXPECT_EQ(disk->steps(), steps);  // The disk was not touched again.
  }
}

TEST(Log, AFullDiskFailsItWithItsName) {
  const auto disk = make_disk();
  const auto log = make_log(*disk, tiny_options(), first_start());
  disk->set_capacity(disk->total_bytes());
  Result<Reservation> space = append(*log, 0, 1, 4000);
  for (TxnId txn = 2; txn <= 100 && space; ++txn) space = append(*log, 0, txn, 4000);
  ASSERT_FALSE(space);
  EXPECT_EQ(space.error().code(), Code::failed);
  EXPECT_THAT(std::string(space.error().message()), HasSubstr("no_space"));
  EXPECT_THAT(std::string(space.error().message()), HasSubstr(segment_name(2)));
}

TEST(Log, CreateReportsAFullDisk) {
  const auto disk = make_disk();
  disk->set_capacity(1000);
  const Result<std::unique_ptr<Log>> log = Log::create(tiny_options(), first_start(), *disk);
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code(), Code::no_space);
  EXPECT_THAT(disk->files(), IsEmpty());
}

// --- The background thread ---------------------------------------------------------------------------

// Waits for a condition that the background thread is about to make true.
template <typename Condition>
bool eventually(Condition condition) {
  os::Backoff backoff;
  while (!condition() && backoff.rounds() < 100000) backoff.wait();
  return condition();
}

TEST(ConcurrentLog, FlushesWithoutBeingAsked) {
  const auto disk = make_disk();
  LogOptions options = tiny_options(2);
  options.background_thread = true;
  const auto log = make_log(*disk, options, first_start(2));
  for (TxnId txn = 1; txn <= 20; ++txn) {  // Each time it has gone to sleep without a timer.
    const Result<Reservation> space = append(*log, static_cast<uint32_t>(txn % 2), txn);
    ASSERT_TRUE(space);
    ASSERT_TRUE(eventually([&] { return log->durable(space->stream) == space->end(); })) << txn;
  }
}

TEST(ConcurrentLog, FlushesSoonWhenAsked) {
  const auto disk = make_disk();
  LogOptions options = tiny_options();
  options.background_thread = true;
  options.flush_interval_ms = 3'600'000;
  const auto log = make_log(*disk, options, first_start());
  for (TxnId txn = 1; txn <= 20; ++txn) {
    const Result<Reservation> space = append(*log, 0, txn);
    ASSERT_TRUE(space);
    log->request_flush();
    ASSERT_TRUE(eventually([&] { return log->durable(0) == space->end(); })) << txn;
  }
}

TEST(ConcurrentLog, FlushesWhenMuchIsWaiting) {
  const auto disk = make_disk();
  LogOptions options = tiny_options();
  options.ring_bytes = 1 * MiB;
  options.background_thread = true;
  options.flush_interval_ms = 3'600'000;
  const auto log = make_log(*disk, options, first_start());
  for (TxnId txn = 1; txn <= 80; ++txn) ASSERT_TRUE(append(*log, 0, txn, 4000));
  EXPECT_TRUE(eventually([&] { return log->durable(0) > kFirstLsn; }));
}

TEST(ConcurrentLog, PreparesTheNextSegmentAhead) {
  const auto disk = make_disk();
  LogOptions options = tiny_options();
  options.background_thread = true;
  const auto log = make_log(*disk, options, first_start());
  for (TxnId txn = 1; txn <= 8; ++txn) ASSERT_TRUE(append(*log, 0, txn, 3900) && log->flush());
  EXPECT_EQ(log->current_segment(), 1u);
  EXPECT_TRUE(eventually([&] { return log->stats().segments_created == 2; }));
}

TEST(ConcurrentLog, AFailureToPrepareAheadIsNoFailureOfTheLog) {
  const auto disk = make_disk();
  LogOptions options = tiny_options();
  options.background_thread = true;
  const auto log = make_log(*disk, options, first_start());
  disk->add_fault({.kind = sim::StepKind::allocate, .path_contains = segment_name(2)});
  for (TxnId txn = 1; txn <= 8; ++txn) ASSERT_TRUE(append(*log, 0, txn, 3900) && log->flush());
  EXPECT_TRUE(eventually([&] { return disk->faults_fired() == 1; }));
  for (TxnId txn = 9; txn <= 40; ++txn) {
    ASSERT_TRUE(append(*log, 0, txn, 3900));
    const Result<void> flushed = log->flush();
    ASSERT_TRUE(flushed) << error_of(flushed);
  }
  EXPECT_GE(log->current_segment(), 2u);
}

// Without room for the next segment the current one is used to its end, and says how much is left.
TEST(ConcurrentLog, SaysThatItIsShortOfSpaceWhileItGoesOn) {
  const auto disk = make_disk();
  LogOptions options = tiny_options();
  options.background_thread = true;
  const auto log = make_log(*disk, options, first_start());
  disk->add_fault({.kind = sim::StepKind::allocate,
                   .path_contains = segment_name(2),
                   .errnum = ENOSPC,
                   .sticky = true});
  EXPECT_FALSE(log->is_short_of_space());
  TxnId txn = 1;
  for (; log->room() > options.segment_bytes / 2 - 5000; ++txn)
    ASSERT_TRUE(append(*log, 0, txn, 3900) && log->flush());
  EXPECT_TRUE(eventually([&] { return log->is_short_of_space(); }));
  log->retry_next_segment();
  EXPECT_TRUE(log->is_short_of_space());
  // Several records at a time: a block that is too large for what is left becomes a smaller one.
  const uint64_t before = log->room();
  for (; log->room() > 5000; ++txn) ASSERT_TRUE(append(*log, 0, txn, 700));
  ASSERT_TRUE(log->flush()) << "it left " << before << " bytes unused";
  EXPECT_EQ(log->current_segment(), 1u);
  disk->clear_faults();
  log->retry_next_segment();
  EXPECT_FALSE(log->is_short_of_space());
  for (int i = 0; i < 10; ++i, ++txn) ASSERT_TRUE(append(*log, 0, txn, 3900) && log->flush());
  EXPECT_EQ(log->current_segment(), 2u);
  const Result<ReadLog> read = read_log(*disk, reader_options(options), whole_log(options));
  ASSERT_TRUE(read) << error_of(read);
  EXPECT_EQ(read->count, txn - 1);
}

TEST(ConcurrentLog, AFailureReachesEveryWaiter) {
  const auto disk = make_disk();
  LogOptions options = tiny_options(3);
  options.background_thread = true;
  const auto log = make_log(*disk, options, first_start(3));
  disk->add_fault(
      {.kind = sim::StepKind::sync, .path_contains = "log/", .nth = 20, .sticky = true});
  std::vector<std::thread> threads;
  std::atomic<int> failed{0};
  for (uint32_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (TxnId txn = 1; txn < 1'000'000; ++txn) {
        const Result<Reservation> space = append(*log, t % 3, txn);
        if (space && wait_for(*log, *space, true)) continue;
        failed.fetch_add(1);
        return;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed.load(), 4);
}

}  // namespace
}  // namespace aether::wal
