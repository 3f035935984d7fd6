// Memory runs out on a simulated machine, in what follows a crash: pages that recovery has made and that are nowhere else, an
// archive that has to go on where it was.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "aether/aether.hpp"
#include "sim/failing_allocator.h"
#include "sim/sim_os.h"

namespace aether {
namespace {

namespace faults = sim::alloc_faults;

constexpr int kFewRows = 400;    // No checkpoint writes their pages.
constexpr int kManyRows = 1500;  // More than a segment of the log.

EnvOptions options(const std::string& archive = {}) {
  return {.pool_bytes = 1 * MiB,
          .page_bytes = 4 * KiB,
          .log_segment_bytes = 256 * KiB,
          .log_bytes_max = 1 * MiB,
          .background_threads = false,
          .archive_directory = archive};
}

std::string key_of(int i) { return "key" + std::to_string(1000 + i); }

void fill(DbEnv& env, int rows, char fill) {
  KvStore store = *env.open_store("s");
  for (int i = 0; i < rows; ++i) ASSERT_TRUE(store.put(key_of(i), std::string(200, fill)));
}

/// Of all rows, those that are `fill`.
int count(DbEnv& env, char fill) {
  KvStore store = *env.open_store("s");
  int rows = 0;
  const Result<uint64_t> scanned = store.scan({}, [&](Bytes, Bytes value) {
    rows += value == std::string(200, fill) ? 1 : 0;
    return true;
  });
  EXPECT_TRUE(scanned) << scanned.error().message();
  return rows;
}

// Goal: whichever allocation of the first reads after a recovery fails, no page that recovery has left in the pool is lost.
TEST(SimAlloc, PagesThatRecoveryMadeSurviveAReadWithoutMemory) {
  sim::SimOs os({.seed = 3});
  Result<std::unique_ptr<DbEnv>> opened = DbEnv::open("/env", options(), os);
  ASSERT_TRUE(opened) << opened.error().message();
  const std::unique_ptr<DbEnv> env = *std::move(opened);
  fill(*env, kFewRows, 'a');
  uint64_t failed = 0;
  for (uint64_t number = 1; number < 60; ++number) {
    const std::unique_ptr<sim::SimOs> crashed = os.crash({.policy = sim::CrashPolicy::kept});
    const std::unique_ptr<DbEnv> again = *DbEnv::open("/env", options(), *crashed);
    KvStore store = *again->open_store("s");
    faults::arm({.number = number});
    for (int i = 0; i < kFewRows; i += 20) {
      const Result<std::string> got = store.get(key_of(i));
      if (!got) {
        EXPECT_EQ(got.error().code(), Code::no_memory);
        ++failed;
      }
    }
    faults::disarm();
    EXPECT_EQ(count(*again, 'a'), kFewRows) << "allocation " << number;
    const Result<VerifyReport> report = again->verify();
    ASSERT_TRUE(report);
    EXPECT_TRUE(report->ok()) << "allocation " << number;
    EXPECT_TRUE(again->close()) << "allocation " << number;
  }
  EXPECT_GT(failed, 20u);
}

// Goal: log that could not be archived for want of memory is archived by the next try, also that of the epoch before.
TEST(SimAlloc, AnArchiveGoesOnAfterATryWithoutMemory) {
  sim::SimOs os({.seed = 4});
  const EnvOptions with_archive = options("/archive");
  std::unique_ptr<DbEnv> env = *DbEnv::open("/env", with_archive, os);
  fill(*env, kManyRows, 'a');
  uint64_t failed = 0;
  for (uint64_t number = 1; number < 40; number += 3) {
    const std::unique_ptr<sim::SimOs> crashed = os.crash({.policy = sim::CrashPolicy::kept});
    const std::unique_ptr<DbEnv> again = *DbEnv::open("/env", with_archive, *crashed);
    faults::arm({.number = number, .sticky = true});
    const Result<ArchiveReport> tried = again->archive_log();
    faults::disarm();
    failed += tried ? 0 : 1;
    if (!tried) {
      EXPECT_EQ(tried.error().code(), Code::no_memory);
    }
    fill(*again, kManyRows, 'b');
    const Result<ArchiveReport> report = again->archive_log();
    ASSERT_TRUE(report) << "allocation " << number << ": " << report.error().message();
    const Result<std::vector<ArchiveStretch>> stretches = archive_contents("/archive", true,
                                                                           *crashed);
    ASSERT_TRUE(stretches) << stretches.error().message();
    ASSERT_EQ(stretches->size(), 1u) << "allocation " << number << ": the archive has a gap";
    EXPECT_EQ(stretches->front().end_position, report->position);
    EXPECT_EQ(count(*again, 'b'), kManyRows);
  }
  EXPECT_GT(failed, 5u);
}

}  // namespace
}  // namespace aether
