// Scrubbing: what rots or was never written, beneath an open environment on the simulated disk, is found before anybody reads
// it; made again where it can be, and named where not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "crash/backup_fixture.h"
#include "crash/misplacing_os.h"
#include "db/env_impl.h"
#include "db/scrubber.h"
#include "wal/segment.h"

namespace aether::crash {
namespace {

using testing::HasSubstr;

constexpr uint64_t kPageBytes = 4 * KiB;
constexpr const char* kData = "/env/data";

bool has_page_in_memory(DbEnv& env, uint64_t page) {
  return env.impl().services().pool.find_page(PageId{page}).has_value();
}

/// Allocated pages that are in the pool, or that are not; headers and maps apart.
std::vector<uint64_t> pages_of(DbEnv& env, bool in_memory) {
  std::vector<uint64_t> pages;
  for (uint64_t page = 2; page < env.stats().data_pages; ++page) {
    if (env.impl().services().space.is_allocated(PageId{page}) &&
        has_page_in_memory(env, page) == in_memory)
      pages.push_back(page);
  }
  return pages;
}

void rot(sim::SimOs& os, uint64_t page) {
  ASSERT_TRUE(os.flip_bit(kData, (page * kPageBytes + 200) * 8 + 3));
}

struct Scrubbing : testing::Test {
  sim::SimOs os;

  /// An environment of which nothing but the roots is in memory.
  static void fill(Writer& writer) {
    writer.commits(120);
    writer.close();
    writer.open();
  }
  static ScrubReport scrub(DbEnv& env) {
    Result<ScrubReport> report = env.scrub();
    EXPECT_TRUE(report.has_value()) << text_of(report.error());
    return report ? *std::move(report) : ScrubReport();
  }
};

TEST_F(Scrubbing, AWholeEnvironmentIsReadAndNothingIsLoaded) {
  Writer writer(os);
  fill(writer);
  const EnvStats before = writer.env().stats();
  uint64_t last = 0;
  const Result<ScrubReport> report = writer.env().scrub(0, [&](uint64_t done, uint64_t total) {
    EXPECT_GE(total, done);
    last = done;
    return true;
  });
  ASSERT_TRUE(report.has_value()) << text_of(report.error());
  const EnvStats after = writer.env().stats();
  EXPECT_EQ(report->pages, before.data_pages - before.data_pages_free);
  EXPECT_EQ(last, report->pages);
  EXPECT_GE(report->bytes, report->pages * kPageBytes);
  EXPECT_EQ(report->repaired + report->damaged, 0u);
  EXPECT_EQ(after.page_reads, before.page_reads);
  EXPECT_EQ(after.pool_frames_free, before.pool_frames_free);
  EXPECT_EQ(after.page_writes, before.page_writes);
  EXPECT_EQ(after.scrub_rounds, 1u);
  EXPECT_EQ(after.scrub_pages, report->pages);
  EXPECT_GT(after.scrub_last_end_ns, 0u);
}

TEST_F(Scrubbing, RottenPagesAreMadeAgainFromTheArchive) {
  Writer writer(os);
  fill(writer);
  const std::vector<uint64_t> cold = pages_of(writer.env(), false);
  ASSERT_GT(cold.size(), 20u);
  std::set<uint64_t> rotten;
  for (size_t i = 0; i < cold.size(); i += cold.size() / 5) rotten.insert(cold[i]);
  for (const uint64_t page : rotten) rot(os, page);
  const ScrubReport report = scrub(writer.env());
  EXPECT_EQ(report.repaired, rotten.size());
  EXPECT_EQ(report.damaged, 0u) << report.problems.front().message;
  EXPECT_EQ(writer.env().stats().pages_repaired, rotten.size());
  EXPECT_EQ(scrub(writer.env()).repaired, 0u);
  writer.close();
  EXPECT_EQ(difference(os, kEnv, writer.rows()), "");
}

TEST_F(Scrubbing, WhatCannotBeMadeAgainIsNamedUntilItIsWell) {
  Writer writer(os, false);
  fill(writer);
  const std::vector<uint64_t> cold = pages_of(writer.env(), false);
  rot(os, cold.front());
  rot(os, cold.back());
  const ScrubReport report = scrub(writer.env());
  EXPECT_EQ(report.repaired, 0u);
  EXPECT_EQ(report.damaged, 2u);
  ASSERT_EQ(report.problems.size(), 2u);
  EXPECT_EQ(report.problems[0].page_id, cold.front());
  EXPECT_THAT(report.problems[0].message, HasSubstr("/env/data"));
  EnvStats stats = writer.env().stats();
  EXPECT_EQ(stats.scrub_damaged, 2u);
  ASSERT_EQ(stats.scrub_problems.size(), 2u);
  EXPECT_EQ(stats.scrub_problems[1].page_id, cold.back());

  rot(os, cold.front());  // The same bit: it is well again.
  scrub(writer.env());
  stats = writer.env().stats();
  EXPECT_EQ(stats.scrub_damaged, 1u);
  ASSERT_EQ(stats.scrub_problems.size(), 1u);
  EXPECT_EQ(stats.scrub_problems[0].page_id, cold.back());
  EXPECT_EQ(stats.scrub_rounds, 2u);
}

TEST_F(Scrubbing, APageThatIsInMemoryIsWrittenFromThere) {
  Writer writer(os, false);
  fill(writer);
  ASSERT_TRUE(read_table(writer.env()).has_value());
  ASSERT_TRUE(writer.env().checkpoint().has_value());
  const std::vector<uint64_t> warm = pages_of(writer.env(), true);
  ASSERT_GT(warm.size(), 5u);
  const std::string before = *os.read_file(kData);
  for (const uint64_t page : warm) rot(os, page);
  rot(os, 1);  // The space map, which always is.
  const ScrubReport report = scrub(writer.env());
  EXPECT_EQ(report.repaired, warm.size() + 1);
  EXPECT_EQ(report.damaged, 0u);
  EXPECT_EQ(*os.read_file(kData), before);
  writer.close();
  EXPECT_EQ(difference(os, kEnv, writer.rows()), "");
}

TEST_F(Scrubbing, ALostWriteIsFoundThoughThePageIsWhole) {
  MisplacingOs lying(os);
  EnvOptions options = backup_options(false);
  auto env = std::move(DbEnv::open(kEnv, options, lying)).value();
  KvStore store = env->open_store("rows").value();
  KvStore other = env->open_store("other").value();
  for (int i = 0; i < 400; ++i) {
    ASSERT_TRUE(store.put("key" + std::to_string(1000 + i), std::string(300, 'a')).has_value());
    ASSERT_TRUE(other.put("key" + std::to_string(1000 + i), std::string(2000, 'a')).has_value());
  }
  ASSERT_TRUE(env->checkpoint().has_value());
  ASSERT_TRUE(store.put("key1100", std::string(300, 'b')).has_value());
  lying.plan({.how = Misplaced::lost, .about = "/data"});
  ASSERT_TRUE(env->checkpoint().has_value());
  ASSERT_EQ(lying.fired(), 1u);
  const std::set<uint64_t> known = [&] {
    const std::vector<uint64_t> warm = pages_of(*env, true);
    return std::set<uint64_t>(warm.begin(), warm.end());
  }();
  for (int i = 0; i < 1200; ++i)
    ASSERT_TRUE(other.get("key" + std::to_string(1000 + i % 400)).has_value());
  const ScrubReport report = scrub(*env);
  // Its page may still be in memory, if the clock went so.
  ASSERT_EQ(report.repaired + report.damaged, 1u);
  if (report.damaged == 1) {
    EXPECT_THAT(report.problems[0].message, HasSubstr("not the version that was written last"));
    EXPECT_TRUE(known.contains(report.problems[0].page_id));
  }
}

TEST_F(Scrubbing, TagsAndControlAreWrittenAnewFromTheirOtherHalf) {
  Writer writer(os, false);
  fill(writer);
  for (const std::string path : {"/env/tags", "/env/CONTROL"}) {
    SCOPED_TRACE(path);
    const std::string file = *os.read_file(path);
    const uint64_t unit = path == "/env/tags" ? 4 * KiB : 16 * KiB;
    std::vector<uint64_t> halves;
    for (uint64_t at = 0; at < file.size(); at += unit)
      if (file.find_first_not_of('\0', at) < at + unit) halves.push_back(at);
    ASSERT_GE(halves.size(), 2u);
    // Every one in turn: so none is left of what there was, and all is there.
    for (const uint64_t at : halves) {
      ASSERT_TRUE(os.flip_bit(path, (at + 20) * 8));
      const ScrubReport report = scrub(writer.env());
      EXPECT_EQ(report.repaired, 1u);
      EXPECT_EQ(report.damaged, 0u);
    }
    EXPECT_EQ(scrub(writer.env()).repaired, 0u);
  }
  const std::unique_ptr<sim::SimOs> after = os.crash({.policy = sim::CrashPolicy::lost});
  EXPECT_EQ(difference(*after, kEnv, writer.rows()), "");
}

TEST_F(Scrubbing, ADamagedLogSegmentIsReportedBeforeRecoveryNeedsIt) {
  Writer writer(os, false);
  constexpr uint64_t kSegment = 256 * KiB;
  EnvStats stats;
  do {
    writer.commits(1);
    stats = writer.env().stats();
    // Well into the next segment: this one is full, and closed.
  } while (stats.log_position <
           (stats.checkpoint_position / kSegment + 1) * kSegment + 16 * wal::kSegmentHeaderBytes);
  EXPECT_EQ(scrub(writer.env()).damaged, 0u);
  const std::string path = "/env/log/" + wal::segment_name(stats.checkpoint_position / kSegment);
  const uint64_t block = std::max<uint64_t>(stats.checkpoint_position % kSegment,
                                            wal::kSegmentHeaderBytes);
  ASSERT_TRUE(os.flip_bit(path, (block + 100) * 8));
  const ScrubReport report = scrub(writer.env());
  EXPECT_EQ(report.damaged, 1u);
  ASSERT_EQ(report.problems.size(), 1u);
  EXPECT_THAT(report.problems[0].message, HasSubstr(path));
  // Nothing needs it after a checkpoint.
  ASSERT_TRUE(writer.env().checkpoint().has_value());
  EXPECT_EQ(scrub(writer.env()).damaged, 0u);
  EXPECT_EQ(writer.env().stats().scrub_damaged, 0u);
}

TEST_F(Scrubbing, ItsRateHoldsOnTheSimulatedClock) {
  Writer writer(os, false);
  fill(writer);
  constexpr uint64_t kRate = 1 * MiB;
  constexpr uint64_t kRunBytes = 32 * kPageBytes;
  const uint64_t begun = os.monotonic_ns();
  const Result<ScrubReport> report = writer.env().scrub(kRate, [&](uint64_t, uint64_t) {
    const uint64_t read = writer.env().stats().scrub_bytes;
    const double seconds = static_cast<double>(os.monotonic_ns() - begun) / 1e9;
    EXPECT_LE(static_cast<double>(read), seconds * kRate + kRunBytes);
    return true;
  });
  ASSERT_TRUE(report.has_value());
  const double seconds = static_cast<double>(os.monotonic_ns() - begun) / 1e9;
  EXPECT_GE(seconds * kRate, static_cast<double>(report->bytes) * 0.999);
  EXPECT_LE(seconds * kRate, static_cast<double>(report->bytes) * 1.1) << "slower than asked";
}

TEST(ScrubPace, SavesNothingUp) {
  db::Scrubber::Pace pace(1000);
  constexpr uint64_t kSecond = 1'000'000'000;
  EXPECT_EQ(pace.until(500, 10 * kSecond), 10 * kSecond + kSecond / 2);
  EXPECT_EQ(pace.until(500, 10 * kSecond), 11 * kSecond);   // Begun too early: it waits for both.
  EXPECT_EQ(pace.until(1000, 60 * kSecond), 61 * kSecond);  // After a pause: no faster.
  EXPECT_EQ(db::Scrubber::Pace(0).until(1000, 5), 0u);
  EXPECT_GT(db::Scrubber::Pace(1).until(~uint64_t{0}, kSecond), kSecond);
}

TEST_F(Scrubbing, TheCallerEndsARound) {
  Writer writer(os, false);
  fill(writer);
  const Result<ScrubReport> report = writer.env().scrub(0,
                                                        [](uint64_t, uint64_t) { return false; });
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code(), Code::closed);
  EXPECT_EQ(writer.env().stats().scrub_rounds, 0u);
}

// Goal:   after a crash, pages that redo holds in memory and that never were on disk are no damage; nor is anything that the
//         crash has left.
// Method: commits, a crash that loses what it may, a round before anything is written, and one after.
TEST_F(Scrubbing, NothingIsWrongAfterACrash) {
  Writer writer(os);
  writer.commits(40);
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    writer.commits(3);
    const std::unique_ptr<sim::SimOs> after = os.crash(
        {.policy = sim::CrashPolicy::sectors, .seed = seed});
    EnvOptions options = backup_options(true);
    auto env = DbEnv::open(kEnv, options, *after);
    ASSERT_TRUE(env.has_value()) << text_of(env.error());
    for (int round = 0; round < 2; ++round) {
      const Result<ScrubReport> report = (*env)->scrub();
      ASSERT_TRUE(report.has_value()) << text_of(report.error());
      EXPECT_EQ(report->damaged, 0u) << "seed " << seed << ": " << report->problems[0].message;
      EXPECT_EQ(report->repaired, 0u) << "seed " << seed;
      const Result<VerifyReport> verified = (*env)->impl().verify_online(
          [](uint64_t, uint64_t) { return Result<void>(); });
      ASSERT_TRUE(verified.has_value()) << text_of(verified.error());
      EXPECT_TRUE(verified->ok()) << "seed " << seed << ": page " << verified->problems[0].page_id
                                  << ": " << verified->problems[0].message;
      ASSERT_TRUE((*env)->checkpoint().has_value());
    }
  }
}

}  // namespace
}  // namespace aether::crash
