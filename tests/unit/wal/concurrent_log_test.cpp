// Many threads on one log: on real files, because the waiting is what is tested.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/unit/os/temp_directory.h"
#include "tests/unit/wal/wal_fixture.h"

namespace aether::wal {
namespace {

enum class Waiting { never, linger, always };

struct Appended {
  TxnId txn = 0;
  Lsn lsn = 0;
};

// Appends `count` records of changing size to changing streams; txn = thread << 32 | number.
void run_appender(Log& log, uint32_t thread, uint64_t count, Waiting waiting,
                  std::vector<Appended> (&into)[3]) {
  for (uint64_t i = 0; i < count; ++i) {
    const auto stream = static_cast<uint32_t>((thread + i / 7) % 3);
    const TxnId txn = uint64_t{thread} << 32 | i;
    const LogPosition bound = log.append_position();
    const Result<Reservation> space = append(log, stream, txn, (i * 37 + thread) % 400);
    ASSERT_TRUE(space) << error_of(space);
    ASSERT_GE(log.append_position(), bound);
    into[stream].push_back({txn, space->begin});
    if (waiting == Waiting::never || i % 5 != 0) continue;
    ASSERT_TRUE(wait_for(log, *space, waiting == Waiting::linger));
    ASSERT_GE(log.durable(stream), space->end());
  }
}

void append_from_four_threads(Waiting waiting, bool background, uint64_t count) {
  const testing_support::TempDirectory directory;
  LogOptions options = tiny_options(3);
  options.directory = directory.path();
  options.background_thread = background;
  os::Os& os = os::production();
  const auto log = make_log(os, options, first_start(3));
  std::vector<Appended> appended[4][3];
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] { run_appender(*log, t, count, waiting, appended[t]); });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(log->flush());

  Result<ReadLog> read = read_log(os, reader_options(options), whole_log(options));

  ASSERT_TRUE(read) << error_of(read);
  EXPECT_EQ(read->count, 4 * count);
  EXPECT_EQ(read->cut, log->durable());
  for (uint32_t stream = 0; stream < 3; ++stream) {
    std::map<Lsn, TxnId> want;  // Once each: an LSN used twice would be missing here.
    for (const auto& by_thread : appended) {
      for (const Appended& record : by_thread[stream]) want[record.lsn] = record.txn;
    }
    std::map<Lsn, TxnId> got;
    Lsn last = 0;
    for (const ReadRecord& record : read->streams[stream]) {
      EXPECT_GT(record.lsn, last);
      last = record.lsn;
      got[record.lsn] = record.txn;
    }
    EXPECT_EQ(got, want) << "stream " << stream;
  }
}

TEST(ConcurrentLog, EachRecordIsFoundOnceAndInOrder) {
  append_from_four_threads(Waiting::never, true, 5000);
}
TEST(ConcurrentLog, WaitersLeadTheStepsWithoutABackgroundThread) {
  append_from_four_threads(Waiting::always, false, 1000);
}
TEST(ConcurrentLog, WaitersShareSteps) { append_from_four_threads(Waiting::linger, true, 1000); }

// Nobody flushes but who finds the ring full.
TEST(ConcurrentLog, AFullRingIsEmptiedByWhoNeedsIt) {
  append_from_four_threads(Waiting::never, false, 5000);
}

// Segments come and go under the appenders.
TEST(ConcurrentLog, SegmentsAreRecycledUnderLoad) {
  const testing_support::TempDirectory directory;
  LogOptions options = tiny_options(3);
  options.directory = directory.path();
  options.background_thread = true;
  const auto log = make_log(os::production(), options, first_start(3));
  std::vector<Appended> appended[3][3];
  std::atomic<bool> done{false};
  std::thread releaser([&] {
    while (!done.load()) {
      ASSERT_TRUE(log->release_before(log->append_position()));
      std::this_thread::yield();
    }
  });
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] { run_appender(*log, t, 4000, Waiting::always, appended[t]); });
  }
  for (std::thread& thread : threads) thread.join();
  done.store(true);
  releaser.join();
  EXPECT_FALSE(log->failed());
  EXPECT_GT(log->stats().segments_recycled, 0u);
  ASSERT_TRUE(log->release_before(log->append_position()));
  const Result<std::vector<uint64_t>> segments = list_segments(options.directory, os::production());
  ASSERT_TRUE(segments);
  EXPECT_LE(segments->size(), 4u);  // Current, prepared, two spares.
}

}  // namespace
}  // namespace aether::wal
