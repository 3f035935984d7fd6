// The bank while it is open: every snapshot has the total, however it is read, and whatever transfers are under way.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "isolation/bank.h"
#include "sim/sim_os.h"

namespace aether::isolation {
namespace {

#if defined(AETHER_TSAN) || defined(AETHER_ASAN)
constexpr uint64_t kTransfers = 1000;
#else
constexpr uint64_t kTransfers = 10'000;
#endif

class BankConcurrent : public testing::TestWithParam<std::tuple<Isolation, bool>> {};

// Method: three tellers, two auditors, a pool that is too small for all accounts; at the end the ledger has exactly the
//         transfers that were committed.
TEST_P(BankConcurrent, EverySnapshotIsInOrder) {
  const auto [level, ledger] = GetParam();
  sim::SimOs os({.real_clock = true});
  Result<std::unique_ptr<DbEnv>> opened = DbEnv::open("/env",
                                                      {.pool_bytes = 288 * KiB,
                                                       .log_streams = 2,
                                                       .log_segment_bytes = 256 * KiB,
                                                       .log_bytes_max = 256 * MiB,
                                                       .reopen_seconds_max = 0.001,
                                                       .durability = Durability::none},
                                                      os);
  ASSERT_TRUE(opened.has_value()) << opened.error().message();
  DbEnv& env = **opened;
  Result<Bank> bank = Bank::open(env, {.accounts = 60, .ledger = ledger});
  ASSERT_TRUE(bank.has_value() && bank->found(env).has_value());
  const auto fates = std::make_unique<Fates>();
  std::atomic<int> tellers{3};
  std::atomic<uint64_t> committed{0};
  std::vector<std::thread> threads;
  for (uint64_t number = 0; number < 3; ++number) {
    threads.emplace_back([&, number] {
      std::mt19937_64 random(number);
      while (fates->next.load() < kTransfers && !testing::Test::HasFailure()) {
        const Result<bool> done = run_transfer(env, *bank, *fates, random, level);
        if (!done) ADD_FAILURE() << done.error().message();
        if (done && *done) committed.fetch_add(1);
      }
      tellers.fetch_sub(1);
    });
  }
  for (const bool read_only : {false, true}) {
    threads.emplace_back([&, read_only] {
      for (uint32_t i = 0; (i < 6 || tellers.load() > 0) && !testing::Test::HasFailure(); ++i)
        EXPECT_EQ(audit(env, *bank, static_cast<Access>(i % 3), read_only), "");
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(committed.load(), kTransfers / 8);
  Transaction txn = *env.begin();
  const Result<Books> books = bank->read(txn, Access::scans);
  ASSERT_TRUE(books.has_value());
  EXPECT_EQ(bank->breach(*books), "");
  if (ledger) {
    EXPECT_EQ(Bank::compare(*books, *fates), "");
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, BankConcurrent,
                         testing::Combine(testing::Values(Isolation::snapshot,
                                                          Isolation::serializable),
                                          testing::Bool()),
                         [](const auto& tested) {
                           return std::string(std::get<0>(tested.param) == Isolation::snapshot
                                                  ? "snapshot"
                                                  : "serializable") +
                                  (std::get<1>(tested.param) ? "_ledger" : "_accounts");
                         });

}  // namespace
}  // namespace aether::isolation
