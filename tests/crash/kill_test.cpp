// SIGKILL at any moment, on real files: what was acknowledged is there, what was not is whole or not there at all.
// ctest: timeout=600
//
//   AETHER_KILLS=1000 kill_test      more kills than the 80 of a usual run
//   AETHER_SOAK_SECONDS=28800 kill_test --gtest_filter=*Soak*    lives of 20 s for so long, not 4 of a second
//   AETHER_SEED=7 kill_test          the same choices (the moment of a kill is the machine's, all the same)
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <thread>

#include "crash/kill_inspector.h"
#include "crash/kill_load.h"
#include "support/killed_child.h"
#include "unit/os/temp_directory.h"

namespace aether {
namespace {

using crash::Inspector;
using crash::kStores;
using crash::kWriters;
using crash::Ledger;
using crash::open_stores;
using testing_support::give_up;
using testing_support::run_and_kill;

uint64_t number_from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}

/// A small pool and a small log: eviction and checkpoints run all the time.
EnvOptions small_options() {
  EnvOptions options;
  options.pool_bytes = 1 * MiB;
  options.log_streams = 3;
  options.log_segment_bytes = 256 * KiB;
  options.log_bytes_max = 1 * MiB;
  return options;
}

// --- the children ---------------------------------------------------------------------------------------

uint64_t resident_pages() {
  std::ifstream file("/proc/self/statm");
  uint64_t all = 0, resident = 0;
  file >> all >> resident;
  return resident;
}

/// Opens the environment and writes until it is killed. Tells `ready` once every writer is at work.
[[noreturn]] void write_until_killed(const std::string& home, Ledger& ledger, uint64_t seed,
                                     int ready) {
  Result<std::unique_ptr<DbEnv>> env = DbEnv::open(home, small_options());
  if (!env) give_up(ledger.error, env.error());
  Result<std::vector<KvStore>> stores = open_stores(**env);
  if (!stores) give_up(ledger.error, stores.error());
  std::atomic<uint64_t> at_work{0};
  std::vector<std::thread> threads;
  for (uint64_t number = 0; number < kWriters; ++number) {
    threads.emplace_back([&, number] {
      crash::Writer writer(**env, *stores, ledger, number, seed);
      uint64_t looks = 0;
      for (bool first = true;; first = false) {
        const Result<void> done = writer.step();
        if (!done) give_up(ledger.error, done.error());
        if (number == 0 && looks++ % 64 == 0) ledger.resident_pages.store(resident_pages());
        if (first && at_work.fetch_add(1) + 1 == kWriters && ::write(ready, "w", 1) != 1) {
          ::_exit(4);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ::_exit(5);
}

/// Opens, which recovers, and then does nothing until it is killed.
[[noreturn]] void recover_until_killed(const std::string& home, Ledger& ledger, int ready) {
  if (::write(ready, "r", 1) != 1) ::_exit(4);
  const Result<std::unique_ptr<DbEnv>> env = DbEnv::open(home, small_options());
  if (!env) give_up(ledger.error, env.error());
  for (;;) ::pause();
}

// --- the test -------------------------------------------------------------------------------------------

class KillTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(ledger_.get(), nullptr);
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open(home_, small_options());
    ASSERT_TRUE(env.has_value()) << env.error().message();
    Result<std::vector<KvStore>> stores = open_stores(**env);
    ASSERT_TRUE(stores.has_value()) << stores.error().message();
    for (uint64_t number = 0; number < crash::kAccounts; ++number) {
      const Result<void> put = (*stores)[number % kStores.size()].put(
          crash::account_key(number), crash::account_value({crash::kOpeningBalance, 0}));
      ASSERT_TRUE(put.has_value()) << put.error().message();
    }
    ASSERT_TRUE((*env)->close().has_value());
  }

  void reopen_and_inspect() {
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open(home_, small_options());
    ASSERT_TRUE(env.has_value()) << env.error().message();
    const RecoveryReport report = (*env)->recovery_report();
    EXPECT_TRUE(report.ran);
    recovery_seconds_.push_back(report.seconds);
    log_read_ += report.log_bytes_read;
    undone_ += report.transactions_undone;
    restored_ += report.pages_restored;
    Result<std::vector<KvStore>> stores = open_stores(**env);
    ASSERT_TRUE(stores.has_value()) << stores.error().message();
    Inspector(**env, *stores, *ledger_.get()).inspect();
    const EnvStats stats = (*env)->stats();
    used_pages_.push_back(stats.data_pages - stats.data_pages_free);
    const Result<void> closed = (*env)->close();
    EXPECT_TRUE(closed.has_value()) << closed.error().message();
  }

  testing_support::TempDirectory directory_;
  const std::string home_ = directory_ / "env";
  crash::SharedLedger ledger_;
  std::vector<double> recovery_seconds_;
  std::vector<uint64_t> used_pages_;  ///< After each recovery.
  uint64_t bytes_on_disk() const {
    uint64_t bytes = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(home_))
      if (entry.is_regular_file()) bytes += entry.file_size();
    return bytes;
  }

  uint64_t undone_ = 0;
  uint64_t restored_ = 0;
  uint64_t log_read_ = 0;
};

// Goal:   no acknowledged commit is lost, no unfinished or aborted write shows, whenever the process dies.
// Method: a child writes with four threads and is killed 5-80 ms later, sometimes also the one that recovers; the
//         parent opens, verifies every page, compares every row with the ledger, and the next child goes on.
TEST_F(KillTest, NothingAcknowledgedIsLost) {
  const uint64_t kills = number_from_environment("AETHER_KILLS", 80);
  const uint64_t seed = number_from_environment("AETHER_SEED", std::random_device()());
  std::mt19937_64 random(seed);
  uint64_t kills_of_recovery = 0;
  for (uint64_t i = 0; i < kills; ++i) {
    SCOPED_TRACE("kill " + std::to_string(i) + " with AETHER_SEED=" + std::to_string(seed));
    const std::chrono::microseconds delay(5000 + random() % 75000);
    ASSERT_NO_FATAL_FAILURE(run_and_kill(ledger_.get()->error, delay, [&](int ready) {
      write_until_killed(home_, *ledger_.get(), seed + i, ready);
    }));
    for (; random() % 5 == 0; ++kills_of_recovery) {
      const std::chrono::microseconds moment(random() % 12000);
      ASSERT_NO_FATAL_FAILURE(run_and_kill(ledger_.get()->error, moment, [&](int ready) {
        recover_until_killed(home_, *ledger_.get(), ready);
      }));
    }
    reopen_and_inspect();
    ASSERT_FALSE(HasFailure());
  }
  const uint64_t acknowledged = ledger_.get()->acknowledgements.load();
  EXPECT_GT(acknowledged, kills) << "the children were killed before they did anything";
  std::sort(recovery_seconds_.begin(), recovery_seconds_.end());
  std::printf(
      "%llu kills and %llu during recovery; %llu acknowledged commits and %llu aborts "
      "checked; %llu transactions undone, %llu torn pages restored; recovery took %.1f ms "
      "in the median, %.1f ms at most, of %.2f MiB of log on average\n",
      static_cast<unsigned long long>(kills), static_cast<unsigned long long>(kills_of_recovery),
      static_cast<unsigned long long>(acknowledged),
      static_cast<unsigned long long>(ledger_.get()->aborts.load()),
      static_cast<unsigned long long>(undone_), static_cast<unsigned long long>(restored_),
      recovery_seconds_[recovery_seconds_.size() / 2] * 1e3, recovery_seconds_.back() * 1e3,
      static_cast<double>(log_read_) / static_cast<double>(recovery_seconds_.size() * MiB));
}

// Goal:   neither the files nor the memory of a process grow with time, however often it is killed.
// Method: the same rows are written again and again; life after life ends by a kill. In the second half of them pages in use, on
//         average, and memory stay within 5%, and the files within one step of the data file's growth besides, which is larger than 5%
//         of so small an environment.
TEST_F(KillTest, SoakStaysFlat) {
  const uint64_t seconds = number_from_environment("AETHER_SOAK_SECONDS", 0);
  const uint64_t seed = number_from_environment("AETHER_SEED", std::random_device()());
  const uint64_t life_ms = seconds == 0 ? 1000 : 20000;
  const uint64_t lives = seconds == 0 ? 4 : std::max<uint64_t>(4, seconds / 20);
  std::vector<uint64_t> files, memory;
  for (uint64_t life = 0; life < lives; ++life) {
    SCOPED_TRACE("life " + std::to_string(life) + " with AETHER_SEED=" + std::to_string(seed));
    ASSERT_NO_FATAL_FAILURE(run_and_kill(
        ledger_.get()->error, std::chrono::milliseconds(life_ms),
        [&](int ready) { write_until_killed(home_, *ledger_.get(), seed + life, ready); }));
    memory.push_back(ledger_.get()->resident_pages.load());
    reopen_and_inspect();
    files.push_back(bytes_on_disk());
    ASSERT_FALSE(HasFailure());
  }
  const auto highest = [](const std::vector<uint64_t>& of, size_t from, size_t to) {
    return *std::max_element(of.begin() + static_cast<int64_t>(from),
                             of.begin() + static_cast<int64_t>(to));
  };
  const size_t warm = lives / 2;
  const auto mean_used = [&](size_t from, size_t to) {
    const auto begin = used_pages_.begin();
    return std::accumulate(begin + static_cast<int64_t>(from), begin + static_cast<int64_t>(to),
                           uint64_t{0}) /
           (to - from);
  };
  std::printf(
      "%llu lives of %llu s: %llu pages in use then %llu, files %llu KiB then %llu KiB, memory "
      "%llu pages then %llu; %llu commits\n",
      static_cast<unsigned long long>(lives), static_cast<unsigned long long>(life_ms / 1000),
      static_cast<unsigned long long>(mean_used(0, warm)),
      static_cast<unsigned long long>(mean_used(warm, lives)),
      static_cast<unsigned long long>(highest(files, 0, warm) / KiB),
      static_cast<unsigned long long>(highest(files, warm, lives) / KiB),
      static_cast<unsigned long long>(highest(memory, 0, warm)),
      static_cast<unsigned long long>(highest(memory, warm, lives)),
      static_cast<unsigned long long>(ledger_.get()->acknowledgements.load()));
  if (seconds == 0) return;  // Too short to be warm: the figures only.
  constexpr uint64_t kGrowthStep = 256 * 4 * KiB;
  EXPECT_LE(mean_used(warm, lives), mean_used(0, warm) * 105 / 100);
  EXPECT_LE(highest(files, warm, lives), highest(files, 0, warm) * 105 / 100 + kGrowthStep);
  EXPECT_LE(highest(memory, warm, lives), highest(memory, 0, warm) * 105 / 100);
}

}  // namespace
}  // namespace aether
