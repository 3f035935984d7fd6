// Power cuts at every step of a log's life, and of the life after that.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "sim/random.h"
#include "tests/unit/wal/wal_fixture.h"

namespace aether::wal {
namespace {

constexpr uint32_t kStreams = 2;

/// What was appended so far, and how much of it was acknowledged.
struct Promises {
  std::vector<TxnId> appended[kStreams];
  size_t acknowledged[kStreams] = {};
  LogPosition known_durable = 0;
};

LogOptions crash_options() {
  LogOptions options = tiny_options(kStreams);
  options.block_bytes_max = 8 * KiB;
  return options;
}

// Appends at random and sometimes waits; keeps `promises` exact at each step.
void live(Log& log, sim::Random& random, uint64_t records, Promises& promises) {
  for (uint64_t i = 0; i < records; ++i) {
    const auto stream = static_cast<uint32_t>(random.below(kStreams));
    const TxnId txn = log.epoch() * 1'000'000 + i;
    promises.appended[stream].push_back(
        txn);  // First: reserve may flush it. Not published, not there.
    const Result<Reservation> space = append(log, stream, txn, random.below(3000));
    ASSERT_TRUE(space) << error_of(space);
    if (random.percent(40)) {
      ASSERT_TRUE(wait_for(log, *space, random.percent(50)));
      promises.acknowledged[stream] = promises.appended[stream].size();
      promises.known_durable = log.append_position();
    }
  }
}

// The records of each stream are a prefix of what was appended, and hold all that was acknowledged.
void check(const ReadLog& read, const Promises& promises) {
  for (uint32_t s = 0; s < kStreams; ++s) {
    const std::vector<TxnId> found = read.txns(s);
    const std::vector<TxnId>& appended = promises.appended[s];
    ASSERT_GE(found.size(), promises.acknowledged[s]) << "stream " << s;
    ASSERT_LE(found.size(), appended.size());
    ASSERT_TRUE(std::equal(found.begin(), found.end(), appended.begin())) << "stream " << s;
  }
}

sim::Crash crash_of(uint64_t seed) {
  constexpr sim::CrashPolicy kPolicies[] = {sim::CrashPolicy::sectors, sim::CrashPolicy::prefix,
                                            sim::CrashPolicy::lost, sim::CrashPolicy::kept};
  return {.policy = kPolicies[seed % 4], .seed = seed};
}

// After a crash: read, fence, go on in a new epoch, crash again; and still nothing is lost.
void survive_twice(std::unique_ptr<sim::SimOs> disk, const Promises& before, uint64_t seed) {
  const LogOptions options = crash_options();
  std::vector<EpochExtent> extents = whole_log(options);
  const Result<ReadLog> first = read_log(*disk, reader_options(options, before.known_durable),
                                         extents);
  ASSERT_TRUE(first) << error_of(first);
  ASSERT_NO_FATAL_FAILURE(check(*first, before));
  if (seed % 16 != 0) return;  // The second life costs more.

  extents[0].end = first->end;
  extents[0].cut = first->cut;
  LogStart start{.epoch = 2, .segment = first->end / options.segment_bytes + 1, .lsn = first->cut};
  for (uint32_t s = 0; s < kStreams; ++s) start.lsn.raise(s, kFirstLsn);
  extents.push_back(
      {.epoch = 2, .begin = start.segment * options.segment_bytes, .end = {}, .cut = {}});

  Promises promises;
  for (uint32_t s = 0; s < kStreams; ++s) {
    promises.appended[s] = first->txns(s);
    promises.acknowledged[s] = promises.appended[s].size();
  }
  disk->on_step([&](const sim::Step& step) {
    if (!step.changes_disk) return;
    const auto after = disk->crash(crash_of(seed + step.number));
    const Result<ReadLog> read = read_log(*after, reader_options(options, promises.known_durable),
                                          extents);
    ASSERT_TRUE(read) << "step " << step.number << ": " << error_of(read);
    ASSERT_NO_FATAL_FAILURE(check(*read, promises)) << "step " << step.number;
  });
  sim::Random random(seed);
  live(*make_log(*disk, options, start), random, 30, promises);
  disk->on_step({});
}

TEST(LogCrash, NothingAcknowledgedIsLostAtAnyStep) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  sim::Random random(seed);
  uint64_t crashes = 0;
  for (int round = 0; round < 4; ++round) {
    const auto disk = make_disk(random.next());
    Promises promises;
    disk->on_step([&](const sim::Step& step) {
      if (!step.changes_disk || testing::Test::HasFatalFailure()) return;
      for (int i = 0; i < 4; ++i, ++crashes) {
        const uint64_t how = random.next();
        survive_twice(disk->crash(crash_of(how)), promises, how);
        if (testing::Test::HasFatalFailure())
          ADD_FAILURE() << "step " << step.number << ", crash " << how;
      }
    });
    live(*make_log(*disk, crash_options(), first_start(kStreams)), random, 150, promises);
    disk->on_step({});
    ASSERT_FALSE(HasFatalFailure());
  }
  EXPECT_GT(crashes, 1000u);
}

// The same with segments that come back: reading starts where the oldest kept segment does.
TEST(LogCrash, RecycledSegmentsBringNothingBack) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  sim::Random random(seed);
  const LogOptions options = crash_options();
  const auto disk = make_disk(seed);
  const auto log = make_log(*disk, options, first_start(kStreams));
  LogPosition begin = options.segment_bytes;
  std::vector<TxnId> since;  // Durable since `begin`.
  disk->on_step([&](const sim::Step& step) {
    if (!step.changes_disk) return;
    const auto after = disk->crash(crash_of(random.next()));
    const EpochExtent extent{.epoch = 1, .begin = begin, .end = {}, .cut = {}};
    const Result<ReadLog> read = read_log(*after, reader_options(options), {extent});
    ASSERT_TRUE(read) << "step " << step.number << ": " << error_of(read);
    const std::vector<TxnId> found = read->txns(0);
    ASSERT_GE(found.size(), since.size());
    ASSERT_LE(found.size(), since.size() + 1);
    ASSERT_TRUE(std::equal(since.begin(), since.end(), found.begin()));
  });
  for (TxnId txn = 1; txn <= 300; ++txn) {
    ASSERT_TRUE(append(*log, 0, txn, random.below(3000)));
    ASSERT_TRUE(log->flush());
    since.push_back(txn);
    if (txn % 20 != 0) continue;
    begin = log->append_position();
    since.clear();
    ASSERT_TRUE(log->release_before(begin));
  }
  disk->on_step({});
  EXPECT_GT(log->stats().segments_recycled, 2u);
}

// Faults instead of crashes: whatever call fails, nothing is acknowledged that a crash then takes back.
TEST(LogCrash, WhateverCallFailsTheAcknowledgedStays) {
  for (uint64_t nth = 1; nth <= 120; ++nth) {
    SCOPED_TRACE("call " + std::to_string(nth));
    sim::Random random(nth);
    const auto disk = make_disk(nth);
    const LogOptions options = crash_options();
    const auto log = make_log(*disk, options, first_start(kStreams));
    disk->add_fault({.kind = sim::StepKind::any, .nth = nth});
    Promises promises;
    for (TxnId txn = 1; txn <= 60 && !log->failed(); ++txn) {
      const auto stream = static_cast<uint32_t>(random.below(kStreams));
      promises.appended[stream].push_back(txn);
      const Result<Reservation> space = append(*log, stream, txn, random.below(3000));
      if (!space || !wait_for(*log, *space)) break;
      promises.acknowledged[stream] = promises.appended[stream].size();
    }
    const auto after = disk->crash(crash_of(nth));
    const Result<ReadLog> read = read_log(*after, reader_options(options), whole_log(options));
    ASSERT_TRUE(read) << error_of(read);
    check(*read, promises);
  }
}

}  // namespace
}  // namespace aether::wal
