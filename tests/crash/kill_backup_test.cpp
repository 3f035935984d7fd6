// SIGKILL while backups are taken, the log is archived and checkpoints run: a backup that was answered is whole, one that was
// not says so, and with the archive every one restores to exactly what the environment holds.
// ctest: timeout=300
//
//   AETHER_KILLS=500 kill_backup_test    more kills than the 12 of a usual run
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "aether/backup.h"
#include "crash/kill_inspector.h"
#include "crash/kill_load.h"
#include "support/killed_child.h"
#include "unit/os/temp_directory.h"

namespace aether {
namespace {

using crash::Inspector;
using crash::kWriters;
using crash::Ledger;
using crash::open_stores;
using testing_support::give_up;
using testing_support::run_and_kill;

constexpr uint64_t kFullEvery = 4;

uint64_t number_from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}

/// Where everything lies, and the backups that may be built upon: a full one and what follows it.
struct Places {
  std::string home, archive, backups;
  std::vector<std::string> chain = {};

  std::string backup(uint64_t number) const { return backups + "/" + std::to_string(number); }
};

EnvOptions archiving_options(const Places& places) {
  EnvOptions options;
  options.pool_bytes = 1 * MiB;
  options.log_streams = 3;
  options.log_segment_bytes = 256 * KiB;
  options.log_bytes_max = 256 *
                          MiB;  // A thread that waits for the processor keeps its transaction.
  options.reopen_seconds_max = 0.001;
  options.archive_directory = places.archive;
  return options;
}

void say_ready(int ready) {
  if (::write(ready, "w", 1) != 1) ::_exit(4);
}

/// One backup after another, incremental ones upon the last that was answered. Tells `ready` of the first, if there is one.
Result<void> back_up(DbEnv& env, const Places& places, Ledger& ledger, std::optional<int> ready) {
  std::string parent = places.chain.empty() ? "" : places.chain.back();
  for (;;) {
    const uint64_t number = ledger.backups_begun.fetch_add(1) + 1;
    if (number % kFullEvery == 0) parent.clear();
    AETHER_TRY(env.backup({.directory = places.backup(number), .parent = parent}));
    ledger.backups_done.store(number);
    if (ready) say_ready(*std::exchange(ready, std::nullopt));
    parent = places.backup(number);
  }
}

/// Tells `ready` once all writers are at work, or, if `backs_up_first`, once a backup has been answered.
[[noreturn]] void live_until_killed(const Places& places, Ledger& ledger, uint64_t seed,
                                    bool backs_up_first, int ready) {
  Result<std::unique_ptr<DbEnv>> env = DbEnv::open(places.home, archiving_options(places));
  if (!env) give_up(ledger.error, env.error());
  Result<std::vector<KvStore>> stores = open_stores(**env);
  if (!stores) give_up(ledger.error, stores.error());
  std::vector<std::thread> threads;
  std::atomic<uint64_t> at_work{0};
  for (uint64_t number = 0; number < kWriters; ++number) {
    threads.emplace_back([&, number] {
      crash::Writer writer(**env, *stores, ledger, number, seed);
      for (bool first = true;; first = false) {
        if (const Result<void> done = writer.step(); !done) give_up(ledger.error, done.error());
        if (first && at_work.fetch_add(1) + 1 == kWriters && !backs_up_first) say_ready(ready);
      }
    });
  }
  const Result<void> ended = back_up(**env, places, ledger,
                                     backs_up_first ? std::optional(ready) : std::nullopt);
  give_up(ledger.error, ended.error());
}

using Content = std::vector<std::map<std::string, std::string>>;

Result<Content> content_of(DbEnv& env) {
  AETHER_TRY_ASSIGN(std::vector<KvStore> stores, open_stores(env));
  Content content;
  for (KvStore& store : stores) {
    auto& rows = content.emplace_back();
    AETHER_TRY(store.scan({}, [&](Bytes key, Bytes value) {
      rows.emplace(key, value);
      return true;
    }));
  }
  return content;
}

class KillBackup : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(ledger_.get(), nullptr);
    std::filesystem::create_directory(places_.backups);
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open(places_.home, archiving_options(places_));
    ASSERT_TRUE(env.has_value()) << env.error().message();
    Result<std::vector<KvStore>> stores = open_stores(**env);
    ASSERT_TRUE(stores.has_value()) << stores.error().message();
    for (uint64_t number = 0; number < crash::kAccounts; ++number) {
      const Result<void> put = (*stores)[number % stores->size()].put(
          crash::account_key(number), crash::account_value({crash::kOpeningBalance, 0}));
      ASSERT_TRUE(put.has_value()) << put.error().message();
    }
    ASSERT_TRUE((*env)->close().has_value());
  }

  /// Recovers, holds it against the ledger, and notes what it holds.
  void inspect_environment() {
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open(places_.home, archiving_options(places_));
    ASSERT_TRUE(env.has_value()) << env.error().message();
    Result<std::vector<KvStore>> stores = open_stores(**env);
    ASSERT_TRUE(stores.has_value()) << stores.error().message();
    Inspector(**env, *stores, *ledger_.get()).inspect();
    Result<Content> content = content_of(**env);
    ASSERT_TRUE(content.has_value()) << content.error().message();
    content_ = *std::move(content);
    const Result<void> closed = (*env)->close();
    ASSERT_TRUE(closed.has_value()) << closed.error().message();
  }

  /// The backups of the last life: (done_before, begun].
  void inspect_backups(uint64_t begun_before) {
    const Ledger& ledger = *ledger_.get();
    for (uint64_t number = begun_before + 1; number <= ledger.backups_begun.load(); ++number) {
      const std::string directory = places_.backup(number);
      if (number % kFullEvery == 0) places_.chain.clear();
      std::vector<std::string> chain = places_.chain;
      chain.push_back(directory);
      const Result<std::vector<BackupContents>> verified = verify_backup(chain);
      if (number > ledger.backups_done.load() && !verified) {
        ++unfinished_;  // Killed in the middle, and it says so.
        std::filesystem::remove_all(directory);
        continue;
      }
      ASSERT_TRUE(verified.has_value())
          << "backup " << number << ", which was answered: " << verified.error().message();
      ++whole_;
      places_.chain = std::move(chain);
    }
  }

  /// The newest backup by itself is in order; with the archived log it is what the environment holds.
  void inspect_restored() {
    if (places_.chain.empty()) return;
    for (const bool with_archive : {false, true}) {
      RestoreOptions options{.backups = places_.chain, .home = directory_ / "restored"};
      if (with_archive) options.archives = {places_.archive};
      const Result<RestoreReport> report = restore(options);
      ASSERT_TRUE(report.has_value()) << report.error().message();
      Result<std::unique_ptr<DbEnv>> env = DbEnv::open(options.home, {.pool_bytes = 1 * MiB});
      ASSERT_TRUE(env.has_value()) << env.error().message();
      const Result<VerifyReport> verified = (*env)->verify();
      ASSERT_TRUE(verified.has_value() && verified->ok());
      const Result<Content> content = content_of(**env);
      ASSERT_TRUE(content.has_value()) << content.error().message();
      ASSERT_NO_FATAL_FAILURE(expect_whole_moves(*content));
      if (with_archive) {
        EXPECT_TRUE(*content == content_) << "restored from " << options.backups.back();
      }
      ASSERT_TRUE((*env)->close().has_value());
      env->reset();
      std::filesystem::remove_all(options.home);
      ++restored_;
    }
  }

  static void expect_whole_moves(const Content& content) {
    uint64_t sum = 0;
    for (uint64_t number = 0; number < crash::kAccounts; ++number) {
      const auto& rows = content[number % content.size()];
      const auto row = rows.find(crash::account_key(number));
      crash::Account account;
      ASSERT_TRUE(row != rows.end() && crash::parse_account(row->second, account));
      sum += account.balance;
    }
    EXPECT_EQ(sum, crash::kAccounts * crash::kOpeningBalance) << "half of a move is there";
  }

  testing_support::TempDirectory directory_;
  Places places_{directory_ / "env", directory_ / "archive", directory_ / "backups"};
  crash::SharedLedger ledger_;
  Content content_;
  uint64_t whole_ = 0;
  uint64_t unfinished_ = 0;
  uint64_t restored_ = 0;
};

TEST_F(KillBackup, WhatWasAnsweredIsWholeAndRestores) {
  const uint64_t kills = number_from_environment("AETHER_KILLS", 12);
  const uint64_t seed = number_from_environment("AETHER_SEED", std::random_device()());
  std::mt19937_64 random(seed);
  for (uint64_t i = 0; i < kills; ++i) {
    SCOPED_TRACE("kill " + std::to_string(i) + " with AETHER_SEED=" + std::to_string(seed));
    const uint64_t begun_before = ledger_.get()->backups_begun.load();
    const std::chrono::microseconds delay(20000 + random() % 200000);
    ASSERT_NO_FATAL_FAILURE(run_and_kill(ledger_.get()->error, delay, [&](int ready) {
      live_until_killed(places_, *ledger_.get(), seed + i, i == 0, ready);
    }));
    ASSERT_NO_FATAL_FAILURE(inspect_environment());
    ASSERT_NO_FATAL_FAILURE(inspect_backups(begun_before));
    ASSERT_NO_FATAL_FAILURE(inspect_restored());
    ASSERT_FALSE(HasFailure());
  }
  std::printf(
      "%llu kills, %llu acknowledged commits; %llu backups whole, %llu killed in the middle; "
      "%llu restored\n",
      static_cast<unsigned long long>(kills),
      static_cast<unsigned long long>(ledger_.get()->acknowledgements.load()),
      static_cast<unsigned long long>(whole_), static_cast<unsigned long long>(unfinished_),
      static_cast<unsigned long long>(restored_));
  EXPECT_GT(whole_, 0u);
}

}  // namespace
}  // namespace aether
