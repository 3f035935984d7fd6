// The bank on real files, in a process that is killed at any moment: tellers move money, auditors sum up snapshots
// meanwhile; afterwards the total is there, and every transfer is in the books exactly once iff it was acknowledged.
//
//   AETHER_KILLS=1000 bank_kill_test    more kills than in a usual run
//   AETHER_SEED=7 bank_kill_test        the same choices (the moment of a kill is the machine's)
// ctest: timeout=600
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "isolation/bank.h"
#include "support/killed_child.h"
#include "unit/os/temp_directory.h"

namespace aether::isolation {
namespace {

using testing_support::give_up;
using testing_support::run_and_kill;

constexpr uint64_t kTellers = 3;
constexpr uint64_t kAuditors = 2;

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}

/// What the child leaves to its parent.
struct Shared {
  Fates fates;
  std::atomic<uint64_t> audits{0};
  testing_support::LastWords words{};
};

EnvOptions small_options() {
  EnvOptions options;
  options.pool_bytes = 512 * KiB;
  options.log_streams = 3;
  options.log_segment_bytes = 256 * KiB;
  options.log_bytes_max = 256 * MiB;
  options.reopen_seconds_max = 0.001;
  return options;
}

[[noreturn]] void trade_until_killed(const std::string& home, const BankOptions& options,
                                     Shared& shared, uint64_t seed, int ready) {
  Result<std::unique_ptr<DbEnv>> env = DbEnv::open(home, small_options());
  if (!env) give_up(shared.words, env.error());
  Result<Bank> bank = Bank::open(**env, options);
  if (!bank) give_up(shared.words, bank.error());
  std::atomic<uint64_t> at_work{0};
  const auto say_ready = [&] {
    if (at_work.fetch_add(1) + 1 == kTellers + kAuditors && ::write(ready, "w", 1) != 1) ::_exit(4);
  };
  std::vector<std::thread> threads;
  for (uint64_t number = 0; number < kTellers; ++number) {
    threads.emplace_back([&, number] {
      std::mt19937_64 random(testing_support::scramble(seed * kTellers + number));
      const Isolation level = number == 0 ? Isolation::serializable : Isolation::snapshot;
      for (bool first = true; shared.fates.next.load() < Fates::kMax - kTellers; first = false) {
        const Result<bool> done = run_transfer(**env, *bank, shared.fates, random, level);
        if (!done) give_up(shared.words, done.error());
        if (first) say_ready();
      }
    });
  }
  for (uint64_t number = 0; number < kAuditors; ++number) {
    threads.emplace_back([&, number] {
      for (uint64_t i = 0;; ++i) {
        const std::string breach = audit(**env, *bank, static_cast<Access>(i % 3), number == 0);
        if (!breach.empty()) give_up(shared.words, Error(Code::corruption, breach));
        shared.audits.fetch_add(1);
        if (i == 0) say_ready();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ::_exit(5);
}

[[noreturn]] void recover_until_killed(const std::string& home, Shared& shared, int ready) {
  if (::write(ready, "r", 1) != 1) ::_exit(4);
  const Result<std::unique_ptr<DbEnv>> env = DbEnv::open(home, small_options());
  if (!env) give_up(shared.words, env.error());
  for (;;) ::pause();
}

class BankKill : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    shared_ = new (memory) Shared();
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open(home_, small_options());
    ASSERT_TRUE(env.has_value()) << env.error().message();
    Result<Bank> bank = Bank::open(**env, options_);
    ASSERT_TRUE(bank.has_value() && bank->found(**env).has_value());
    ASSERT_TRUE((*env)->close().has_value());
  }
  void TearDown() override {
    if (shared_ != nullptr) ::munmap(shared_, sizeof(Shared));
  }

  void reopen_and_audit() {
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open(home_, small_options());
    ASSERT_TRUE(env.has_value()) << env.error().message();
    const Result<VerifyReport> report = (*env)->verify();
    ASSERT_TRUE(report.has_value() && report->ok());
    Result<Bank> bank = Bank::open(**env, options_);
    ASSERT_TRUE(bank.has_value());
    Transaction txn = *(*env)->begin({.read_only = true});
    const Result<Books> books = bank->read(txn, Access::scans);
    ASSERT_TRUE(books.has_value()) << books.error().message();
    EXPECT_EQ(bank->breach(*books), "");
    EXPECT_EQ(audit(**env, *bank, Access::gets, true), "");
    if (!options_.ledger) return;
    EXPECT_EQ(Bank::compare(*books, shared_->fates), "");
    Bank::settle(*books, shared_->fates);
  }

  const BankOptions options_{.ledger = GetParam()};
  testing_support::TempDirectory directory_;
  const std::string home_ = directory_ / "env";
  Shared* shared_ = nullptr;
};

// Goal:   no kill makes or loses money, or a transfer; no auditor ever sees another total.
TEST_P(BankKill, TheBooksAreInOrder) {
  const uint64_t kills = from_environment("AETHER_KILLS", 40);
  const uint64_t seed = from_environment("AETHER_SEED", std::random_device()());
  std::mt19937_64 random(seed);
  uint64_t acknowledged = 0;
  for (uint64_t i = 0; i < kills; ++i) {
    SCOPED_TRACE("kill " + std::to_string(i) + " with AETHER_SEED=" + std::to_string(seed));
    const std::chrono::microseconds delay(5000 + random() % 60000);
    ASSERT_NO_FATAL_FAILURE(run_and_kill(shared_->words, delay, [&](int ready) {
      trade_until_killed(home_, options_, *shared_, seed + i, ready);
    }));
    while (random() % 4 == 0) {
      const std::chrono::microseconds moment(random() % 12000);
      ASSERT_NO_FATAL_FAILURE(run_and_kill(shared_->words, moment, [&](int ready) {
        recover_until_killed(home_, *shared_, ready);
      }));
    }
    ASSERT_NO_FATAL_FAILURE(reopen_and_audit());
    ASSERT_FALSE(HasFailure());
  }
  for (uint64_t transfer = 0; transfer < shared_->fates.next.load(); ++transfer)
    acknowledged += shared_->fates.of[transfer].load() == Fate::acknowledged ? 1 : 0;
  std::printf("%llu kills, %llu transfers acknowledged, %llu audits beside them\n",
              static_cast<unsigned long long>(kills), static_cast<unsigned long long>(acknowledged),
              static_cast<unsigned long long>(shared_->audits.load()));
  EXPECT_GT(acknowledged, kills);
  EXPECT_GE(shared_->audits.load(), kills * kAuditors);
}

INSTANTIATE_TEST_SUITE_P(Kinds, BankKill, testing::Bool(), [](const auto& tested) {
  return std::string(tested.param ? "Ledger" : "Accounts");
});

}  // namespace
}  // namespace aether::isolation
