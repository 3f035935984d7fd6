// The bank and its ledger on a simulated disk that loses power: whatever a crash leaves, also one in the middle of a
// recovery, the total is there, and every transfer is in the books exactly once iff it was acknowledged.
//
//   AETHER_CRASH_POINTS=100000 bank_crash_test    how many crashes, of each kind of bank
//   AETHER_SEED=42 bank_crash_test                this one run again, as a failure says
// ctest: timeout=600
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "isolation/bank.h"
#include "sim/oracle/checker.h"
#include "sim/oracle/crew.h"
#include "sim/oracle/workload.h"

namespace aether::isolation {
namespace {

using oracle::CrashCounts;

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}

/// One seed: a machine on which transfers run beside each other, one step at a time, and many crashes of it.
class BankRun {
 public:
  BankRun(uint64_t seed, const BankOptions& options, CrashCounts& counts)
      : profile_(oracle::make_profile(seed)),
        options_(options),
        counts_(counts),
        random_(seed ^ 0xba9c),
        level_(random_.percent(50) ? Isolation::snapshot : Isolation::serializable) {}

  /// Empty: no breach.
  std::string run() {
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open(oracle::kHome, profile_.env, disk_);
    if (!env) return std::string(env.error().message());
    Result<Bank> bank = Bank::open(**env, options_);
    if (!bank) return std::string(bank.error().message());
    if (const Result<void> founded = bank->found(**env); !founded)
      return std::string(founded.error().message());
    watch();
    const uint64_t steps = 100 + random_.below(500);
    for (uint64_t i = 0; i < steps && problem_.empty(); ++i) {
      oracle::Crew::only().run(random_.below(oracle::Crew::kWorkers), [&] { step(**env, *bank); });
    }
    disk_.on_step({});
    open_.clear();
    snapshots_.clear();
    return problem_;
  }

 private:
  static constexpr int kDepthMax = 3;

  void fail(const Error& error) {
    if (problem_.empty()) problem_ = error.message();
  }
  template <typename T>
  void expect_ok(const Result<T>& result) {
    if (!result) fail(result.error());
  }

  void step(DbEnv& env, Bank& bank) {
    const uint64_t dice = random_.below(100);
    if (dice < 1) return expect_ok(env.checkpoint());
    if (dice < 5) return look(env, bank);
    if (open_.size() < 1 + random_.below(4)) return begin(env, bank);
    const size_t picked = random_.below(open_.size());
    Transfer& transfer = *open_[picked];
    const Result<bool> more = transfer.step();
    if (!more && more.error().code() != Code::conflict) return fail(more.error());
    if (more && *more) return;
    const bool durable = profile_.env.durability == Durability::group;
    expect_ok(end_transfer(transfer, *fates_, more && !random_.percent(15), durable));
    open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(picked));
  }

  void begin(DbEnv& env, Bank& bank) {
    Result<Transaction> txn = env.begin({.isolation = level_});
    if (!txn) return fail(txn.error());
    open_.push_back(std::make_unique<Transfer>(bank, *std::move(txn), fates_->next.fetch_add(1),
                                               random_.next() >> 1));
  }

  /// At a snapshot, now and again later, while others go on.
  void look(DbEnv& env, Bank& bank) {
    if (snapshots_.size() < 3) {
      Result<Transaction> txn = env.begin({.read_only = random_.percent(50)});
      if (!txn) return fail(txn.error());
      snapshots_.push_back(*std::move(txn));
    }
    const Result<Books> books = bank.read(snapshots_[random_.below(snapshots_.size())],
                                          static_cast<Access>(random_.below(3)));
    if (!books) return fail(books.error());
    if (const std::string breach = bank.breach(*books); !breach.empty())
      problem_ = "while running: " + breach;
    if (random_.percent(50)) snapshots_.pop_front();
  }

  void watch() {
    disk_.on_step([this](const sim::Step& step) {
      if (!step.changes_disk || !problem_.empty()) return;
      if (burst_ == 0 && random_.below(60) == 0) burst_ = 1 + random_.below(6);
      if (burst_ == 0) return;
      --burst_;
      const std::unique_ptr<sim::SimOs> crashed = disk_.crash(oracle::pick_crash(random_));
      problem_ = check(*crashed, 0);
    });
  }

  std::string check(sim::SimOs& os, int depth) {
    ++counts_.crashes;
    counts_.in_recovery += depth > 0 ? 1 : 0;
    std::vector<std::unique_ptr<sim::SimOs>> again;
    if (depth < kDepthMax && random_.percent(40)) oracle::arm_recovery(os, random_, again, counts_);
    std::string problem = check_open(os);
    for (size_t i = 0; i < again.size() && problem.empty(); ++i) {
      problem = check(*again[i], depth + 1);
      if (!problem.empty()) problem = "(crash in recovery) " + problem;
    }
    return problem;
  }

  std::string check_open(sim::SimOs& os) {
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open(oracle::kHome, profile_.env, os);
    os.on_step({});
    if (!env) return "recovery: " + std::string(env.error().message());
    counts_.recoveries_with_undo += (*env)->recovery_report().transactions_undone > 0 ? 1 : 0;
    if (std::string problem = oracle::verify(**env); !problem.empty()) return problem;
    Result<Bank> bank = Bank::open(**env, options_);
    if (!bank) return std::string(bank.error().message());
    Result<Transaction> txn = (*env)->begin({.read_only = true});
    if (!txn) return std::string(txn.error().message());
    const Result<Books> books = bank->read(*txn, static_cast<Access>(random_.below(3)));
    if (!books) return std::string(books.error().message());
    if (std::string breach = bank->breach(*books); !breach.empty()) return "recovered: " + breach;
    if (options_.ledger) {
      if (std::string breach = Bank::compare(*books, *fates_); !breach.empty()) return breach;
    }
    return go_on(**env, *bank);
  }

  /// The bank opens again.
  std::string go_on(DbEnv& env, Bank& bank) {
    const auto later = std::make_unique<Fates>();
    later->next.store(fates_->next.load());
    std::mt19937_64 dice(random_.next());
    for (int i = 0; i < 4; ++i) {
      const Result<bool> done = run_transfer(env, bank, *later, dice, level_);
      if (!done) return "a transfer after recovery: " + std::string(done.error().message());
    }
    const std::string breach = audit(env, bank, Access::scans, true);
    return breach.empty() ? breach : "after recovery: " + breach;
  }

  const oracle::Profile profile_;
  const BankOptions options_;
  CrashCounts& counts_;
  sim::Random random_;
  const Isolation level_;
  std::unique_ptr<Fates> fates_ = std::make_unique<Fates>();
  sim::SimOs disk_{{.seed = profile_.seed}};
  std::deque<std::unique_ptr<Transfer>> open_;
  std::deque<Transaction> snapshots_;
  uint64_t burst_ = 0;
  std::string problem_;
};

class BankCrash : public testing::TestWithParam<bool> {};

// Goal:   no crash makes or loses money, or a transfer.
TEST_P(BankCrash, TheBooksAreInOrderWhateverIsLeft) {
  const uint64_t points = from_environment("AETHER_CRASH_POINTS", 1200);
  const bool one_seed = std::getenv("AETHER_SEED") != nullptr;
  CrashCounts counts;
  uint64_t seed = from_environment("AETHER_SEED", 1);
  do {
    BankRun run(seed, {.ledger = GetParam()}, counts);
    ASSERT_EQ(run.run(), "") << "again with AETHER_SEED=" << seed;
    ++seed;
  } while (!one_seed && counts.crashes < points);
  std::printf("%llu crashes, %llu of them in recovery; %llu recoveries with undo\n",
              static_cast<unsigned long long>(counts.crashes),
              static_cast<unsigned long long>(counts.in_recovery),
              static_cast<unsigned long long>(counts.recoveries_with_undo));
  if (one_seed) return;
  EXPECT_GT(counts.in_recovery, points / 20);
  EXPECT_GT(counts.recoveries_with_undo, points / 20);
}

INSTANTIATE_TEST_SUITE_P(Kinds, BankCrash, testing::Bool(), [](const auto& tested) {
  return std::string(tested.param ? "Ledger" : "Accounts");
});

}  // namespace
}  // namespace aether::isolation
