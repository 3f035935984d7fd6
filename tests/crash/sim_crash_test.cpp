// ctest: timeout=900
//
// The store on a simulated disk that loses power: at random I/O steps of seeded runs, and of the recoveries that
// follow, up to three deep. Each crash is checked against the model (sim/oracle/model.h).
//
//   AETHER_CRASH_POINTS=1000000   how many crashes (10,000 by default)
//   AETHER_SEED=42                this one run again, as a failure says
#include <gtest/gtest.h>

#include <cctype>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "sim/oracle/checker.h"
#include "sim/oracle/lying_os.h"
#include "sim/oracle/model.h"
#include "sim/oracle/workload.h"

namespace aether::crash {
namespace {

using namespace oracle;

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// One seed: a machine that lives and crashes several times, and many crashes beside that.
class SeededRun {
 public:
  SeededRun(const Profile& profile, CrashCounts& counts, std::string lie = {})
      : profile_(profile),
        lie_(std::move(lie)),
        random_(profile.seed ^ 0xc4a5),
        checker_(profile, counts),
        disk_(std::make_unique<sim::SimOs>(sim::SimOptions{.seed = profile.seed})) {}

  /// Empty: no breach.
  std::string run() {
    const uint64_t lives = 1 + random_.below(4);
    for (uint64_t life = 0; life < lives && problem_.empty(); ++life) {
      live_once(life);
    }
    return problem_;
  }

 private:
  void live_once(uint64_t life) {
    Profile profile = profile_;
    profile.seed = profile_.seed * 1000 + life;
    std::unique_ptr<sim::SimOs> next;
    {
      LyingOs os(*disk_, lie_);
      Workload workload(profile, model_, os);
      watch();
      if (!workload.open()) problem_ = workload.problem();
      os.begin();
      if (problem_.empty()) workload.run(40 + random_.below(260));
      disk_->on_step({});
      if (problem_.empty()) problem_ = workload.problem();
      next = disk_->crash(pick_crash(random_));
      model_.forget_tickets();
    }
    if (!problem_.empty()) return;
    Found found;
    problem_ = checker_.check(*next->copy(), model_, random_, &found);
    model_.adopt(found);
    disk_ = std::move(next);
  }

  /// Crashes come in bursts: step after step for a while, to meet each moment of one operation.
  void watch() {
    disk_->on_step([this](const sim::Step& step) {
      if (!step.changes_disk || !problem_.empty()) return;
      if (burst_ == 0 && random_.below(150) == 0) burst_ = 1 + random_.below(8);
      if (burst_ == 0) return;
      --burst_;
      model_.poll();
      const sim::Crash how = pick_crash(random_);
      const std::unique_ptr<sim::SimOs> crashed = disk_->crash(how);
      problem_ = checker_.check(*crashed, model_, random_);
      if (problem_.empty()) return;
      problem_ += "\nat step " + std::to_string(step.number) + " (" + to_string(step.kind) + " " +
                  std::string(step.path) + "), policy " +
                  std::to_string(static_cast<int>(how.policy));
    });
  }

  const Profile profile_;
  const std::string lie_;
  sim::Random random_;
  Checker checker_;
  Model model_;
  std::unique_ptr<sim::SimOs> disk_;
  uint64_t burst_ = 0;
  std::string problem_;
};

std::string replay(uint64_t seed, const char* test) {
  return "seed " + std::to_string(seed) + "; again with AETHER_SEED=" + std::to_string(seed) +
         " sim_crash_test --gtest_filter=" + test;
}

// Goal:   whatever a power cut leaves, recovery brings back what was acknowledged, whole, and nothing else.
// Method: seeded runs; crash, recover, verify, compare, write on; also in the middle of recovery.
TEST(SimCrashStore, EveryCrashLeavesWhatWasAcknowledged) {
  const uint64_t points = from_environment("AETHER_CRASH_POINTS", 10000);
  const bool one_seed = std::getenv("AETHER_SEED") != nullptr;
  uint64_t seed = from_environment("AETHER_SEED", 1);
  CrashCounts counts;
  uint64_t runs = 0;
  const auto begin = std::chrono::steady_clock::now();
  do {
    SeededRun run(make_profile(seed), counts);
    const std::string problem = run.run();
    ASSERT_EQ(problem, "") << replay(seed, "*EveryCrash*");
    ++runs;
    ++seed;
  } while (!one_seed && counts.crashes < points);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
                             .count();
  std::printf(
      "%llu crashes in %llu runs, %llu of them in recovery; %llu recoveries with undo, %llu torn "
      "pages restored; %.0f crashes/s\n",
      static_cast<unsigned long long>(counts.crashes), static_cast<unsigned long long>(runs),
      static_cast<unsigned long long>(counts.in_recovery),
      static_cast<unsigned long long>(counts.recoveries_with_undo),
      static_cast<unsigned long long>(counts.torn_pages_restored),
      static_cast<double>(counts.crashes) / seconds);
  // The load must provoke what it is there for.
  if (one_seed) return;
  EXPECT_GT(counts.in_recovery, points / 20);
  EXPECT_GT(counts.recoveries_with_undo, points / 20);
  EXPECT_GT(counts.torn_pages_restored, points / 1000);
}

// Goal:   a dropped store is not met by the undo of a transaction whose rollback the crash has taken away.
// Method: a rollback that fills several blocks of one stream, a drop that is in another; a crash at every step.
TEST(SimCrashStore, ADropDoesNotOvertakeTheRollbackBeforeIt) {
  sim::SimOs disk({.seed = 1});
  const EnvOptions options{.pool_bytes = 2 * MiB,
                           .page_bytes = 4 * KiB,
                           .log_streams = 2,
                           .log_segment_bytes = 256 * KiB,
                           .durability = Durability::none,
                           .background_threads = false};
  Result<std::unique_ptr<DbEnv>> env = DbEnv::open(kHome, options, disk);
  ASSERT_TRUE(env.has_value()) << env.error().message();
  Result<KvStore> store = (*env)->open_store("s");
  ASSERT_TRUE(store.has_value());
  std::thread([&] {
    Result<Transaction> txn = (*env)->begin();
    ASSERT_TRUE(txn.has_value());
    for (int i = 0; i < 1000; ++i) {
      ASSERT_TRUE(store->put(*txn, "key " + std::to_string(i), std::string(100, 'v')).has_value());
    }
    ASSERT_TRUE(txn->abort().has_value());
  }).join();

  size_t crashes = 0;
  disk.on_step([&](const sim::Step& step) {
    if (!step.changes_disk) return;
    const std::unique_ptr<sim::SimOs> crashed = disk.crash({.policy = sim::CrashPolicy::kept});
    const Result<std::unique_ptr<DbEnv>> again = DbEnv::open(kHome, options, *crashed);
    EXPECT_TRUE(again.has_value()) << step.number << ": " << again.error().message();
    ++crashes;
  });
  EXPECT_TRUE((*env)->drop_store("s").has_value());
  disk.on_step({});
  EXPECT_GT(crashes, 4u);
}

// Goal:   the model takes what a crash may leave, and nothing else.
// Method: by hand, three commits on one store: the first durable, the others not known to be.
TEST(SimCrashModel, TellsWhatACrashMayLeaveFromWhatItMayNot) {
  const Value first = make_value(1, 40), second = make_value(2, 40), third = make_value(3, 5);
  Model model;
  model.adopt({{{"s", {{"kept", first}}}}, {}});
  model.call({{{"s", "a"}, first}, {{"s", "b"}, first}});
  model.answer(Fate::durable);
  model.call({{{"s", "a"}, second}, {{"s", "kept"}, std::nullopt}});
  model.answer(Fate::committed);
  model.call({{{"s", "c"}, third}});
  model.answer(Fate::committed);
  const auto state = [](const Rows& rows) { return Found{{{"s", rows}}, {}}; };

  const Rows without = {{"kept", first}, {"a", first}, {"b", first}};
  const Rows with_second = {{"a", second}, {"b", first}};
  const Rows with_all = {{"a", second}, {"b", first}, {"c", third}};
  const Rows with_third = {{"kept", first}, {"a", first}, {"b", first}, {"c", third}};
  EXPECT_EQ(model.breach(state(without), true), "");
  EXPECT_EQ(model.breach(state(with_second), true), "");
  EXPECT_EQ(model.breach(state(with_all), true), "");
  EXPECT_EQ(model.breach(state(with_third), false),
            "");                                         // Two streams: the others are independent.
  EXPECT_NE(model.breach(state(with_third), true), "");  // One stream: not a prefix.

  Rows wrong = with_all;
  wrong.erase("b");
  EXPECT_NE(model.breach(state(wrong), false), "") << "a durable row is lost";
  wrong = with_second;
  wrong["kept"] = first;
  EXPECT_NE(model.breach(state(wrong), false), "") << "half of the second commit";
  wrong = without;
  wrong["x"] = third;
  EXPECT_NE(model.breach(state(wrong), false), "") << "a row that nobody committed";
  EXPECT_NE(model.breach({}, false), "") << "the store is lost";
}

// Goal:   the check above can fail: a disk that does not sync what it says it has synced is found out.
// Method: one kind of file lies at a time.
class SimCrashLyingDisk : public testing::TestWithParam<const char*> {};

TEST_P(SimCrashLyingDisk, IsFoundOut) {
  CrashCounts counts;
  std::string problem;
  uint64_t seed = 1;
  for (; seed <= 100 && problem.empty(); ++seed) {
    SeededRun run(make_profile(seed), counts, GetParam());
    problem = run.run();
  }
  EXPECT_NE(problem, "") << counts.crashes << " crashes showed nothing wrong";
  std::printf("found at seed %llu after %llu crashes: %s\n",
              static_cast<unsigned long long>(seed - 1),
              static_cast<unsigned long long>(counts.crashes),
              problem.substr(0, problem.find('\n')).c_str());
}

INSTANTIATE_TEST_SUITE_P(Files, SimCrashLyingDisk,
                         testing::Values("/log/", "/data", "/doublewrite", "/CONTROL"),
                         [](const auto& tested) {
                           std::string name;
                           for (const char c : std::string(tested.param)) {
                             if (std::isalpha(static_cast<unsigned char>(c)) != 0) name += c;
                           }
                           return name;
                         });

}  // namespace
}  // namespace aether::crash
