// What aether tune says of an environment: each cost is told with its figures, and where there is none, nothing is said.
#include "apps/aether/advice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "aether/options.h"
#include "db/documents.h"

namespace aether::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// Nothing that costs anything.
Observation calm() {
  Observation seen;
  seen.seconds = 5;
  seen.page_bytes = 4096;
  seen.pool_bytes = 100 * MiB;
  seen.data_bytes = 50 * MiB;
  seen.log_bytes_max = 1 * GiB;
  seen.version_bytes_max = 64 * MiB;
  seen.flush_interval_ms = 20;
  seen.durability = "group";
  seen.io_mode = "automatic";
  seen.read_us = 80;
  return seen;
}

std::vector<std::string> options_of(const Observation& seen) {
  std::vector<std::string> options;
  for (const Advice& advice : judge(seen)) {
    EXPECT_FALSE(advice.change.empty());
    EXPECT_FALSE(advice.gain.empty());
    EXPECT_FALSE(advice.because.empty());
    options.push_back(advice.option);
  }
  return options;
}

TEST(Advice, NothingIsSaidWhereNothingCosts) {
  EXPECT_THAT(options_of(calm()), ElementsAre());
  EXPECT_THAT(options_of(Observation()), ElementsAre());
}

TEST(Advice, APoolThatIsTooSmallIsToHoldAllWhereThatIsNear) {
  Observation seen = calm();
  seen.data_bytes = 200 * MiB;
  seen.page_reads = 5000;
  seen.page_evictions = 5000;
  const std::vector<Advice> advices = judge(seen);
  ASSERT_THAT(options_of(seen), ElementsAre("pool_bytes"));
  EXPECT_EQ(advices[0].change, "raise from 100.0 MiB to 210.0 MiB");
  EXPECT_THAT(advices[0].gain, HasSubstr("all of 5,000 reads a second of 80 us: 400"));
  EXPECT_THAT(advices[0].because, HasSubstr("the pool holds 50 % of 200.0 MiB"));

  seen.data_bytes = 100.0 * GiB;  // Nobody buys that much memory for it at once.
  EXPECT_EQ(judge(seen)[0].change, "raise from 100.0 MiB to 200.0 MiB");
  seen.page_evictions = 0;  // It only becomes warm.
  EXPECT_THAT(options_of(seen), ElementsAre());
  seen.page_evictions = 5000;
  seen.read_us = 0.5;  // The kernel has the file in memory.
  EXPECT_THAT(options_of(seen), ElementsAre());
}

TEST(Advice, CheckpointsThatFollowEachOtherNeedMoreLog) {
  Observation seen = calm();
  seen.checkpoints = 0.1;
  seen.log_bytes_appended = 1e6;
  seen.page_writes = 1000;
  ASSERT_THAT(options_of(seen), ElementsAre("log_bytes_max"));
  const Advice advice = judge(seen)[0];
  EXPECT_EQ(advice.change, "raise from 1.0 GiB to 8.0 GiB");
  EXPECT_THAT(advice.gain, HasSubstr("checkpoints fall from 6 to some 0.75 a minute"));
  EXPECT_THAT(advice.because, HasSubstr("a byte of log costs 8.19"));
  seen.page_writes = 100;  // A checkpoint that writes less than the log costs little.
  EXPECT_THAT(options_of(seen), ElementsAre());
  seen.page_writes = 1000;
  seen.checkpoints = 0.01;
  EXPECT_THAT(options_of(seen), ElementsAre());
}

TEST(Advice, CommitsThatEachWaitAloneAreToBeGathered) {
  Observation seen = calm();
  seen.commits = seen.begun = seen.waiting_commits = 1000;
  seen.log_flushes = 1000;
  seen.commit_us = 900;
  seen.commit_wait_us = 880;
  ASSERT_THAT(options_of(seen), ElementsAre("durability"));
  EXPECT_THAT(judge(seen)[0].change, HasSubstr("WriteBatch"));
  EXPECT_THAT(judge(seen)[0].because, HasSubstr("1 for each flush"));
  seen.durability = "sync";
  EXPECT_THAT(judge(seen)[0].change, HasSubstr("group instead of sync"));
  seen.log_flushes = 100;  // Ten share each.
  EXPECT_THAT(options_of(seen), ElementsAre());
}

TEST(Advice, VersionsLocksConflictsAndIo) {
  Observation seen = calm();
  seen.version_disk_searches = 50;
  EXPECT_THAT(options_of(seen), ElementsAre("version_bytes_max"));
  seen = calm();
  seen.lock_waits = 100;
  seen.lock_wait_us = 1000;
  EXPECT_THAT(options_of(seen), ElementsAre("locks"));
  seen = calm();
  seen.begun = 1000;
  seen.conflicts = 200;
  EXPECT_THAT(options_of(seen), ElementsAre("transactions"));
  seen = calm();
  seen.page_writes = 100;
  seen.io_mode = "threads";
  EXPECT_THAT(options_of(seen), ElementsAre("io_mode"));
  seen.io_mode = "automatic";
  EXPECT_THAT(options_of(seen), ElementsAre());
  seen.kernel_has_uring = false;
  EXPECT_THAT(options_of(seen), ElementsAre("io_mode"));
}

TEST(Advice, WhatIsWrongAtRest) {
  Observation seen = calm();
  seen.scrub_damaged = 1;
  seen.archive_failures = 3;
  seen.archive_error = "/archive: no space left on device";
  seen.log_bytes_on_disk = 2.0 * GiB;
  seen.txn_oldest_seconds = 3600;
  EXPECT_THAT(options_of(seen), ElementsAre("damage", "archive_directory", "transactions"));
}

TEST(Advice, RatesComeFromTwoDocuments) {
  EnvStats before, after;
  before.page_bytes = after.page_bytes = 4096;
  after.pool_bytes = 64 * MiB;
  after.io_mode = IoMode::threads;
  before.page_reads = 1000;
  after.page_reads = 3000;
  before.txn_commit = {.count = 10, .mean_us = 100};
  after.txn_commit = {.count = 30, .mean_us = 200};  // 20 of 250 us.
  after.data_pages = 300;
  after.data_pages_free = 100;
  const Result<Observation> seen = observe(db::stats_document(before), db::stats_document(after),
                                           4);
  ASSERT_TRUE(seen.has_value());
  EXPECT_EQ(seen->page_reads, 500);
  EXPECT_EQ(seen->pool_bytes, 64.0 * MiB);
  EXPECT_EQ(seen->io_mode, "threads");
  EXPECT_EQ(seen->durability, "group");
  EXPECT_EQ(seen->data_bytes, 200.0 * 4096);
  EXPECT_EQ(seen->commits, 5);
  EXPECT_DOUBLE_EQ(seen->commit_us, 250);
  EXPECT_EQ(seen->commit_wait_us, 0);
  const Result<Observation> at_rest = observe(db::stats_document(after), db::stats_document(after),
                                              0);
  ASSERT_TRUE(at_rest.has_value());
  EXPECT_EQ(at_rest->page_reads, 0);
  EXPECT_FALSE(observe("no document", "", 1).has_value());
  EXPECT_TRUE(observe("{}", "{}", 1).has_value());  // Of another release.
}

}  // namespace
}  // namespace aether::cli
