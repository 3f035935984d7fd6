// A sync fails, the environment is closed and opened again on the same machine, and then the power goes. The system takes
// what it has in memory for written after a failed sync (SimOptions::fsyncgate): what that opening finds, the disk may not
// have, and later syncs do not save it. Everything that was acknowledged must be there all the same, and everything that
// the opening has found.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "aether/aether.hpp"
#include "crash/opened_rows.h"
#include "sim/sim_os.h"

namespace aether {
namespace {

using crash::open;
using crash::Rows;

/// What was acknowledged; and with the write that failed, which may have happened.
struct Promised {
  Rows without, with;
  bool allows(const Rows& rows) const { return rows == without || rows == with; }
};

/// One life, until its first error.
void live(DbEnv& env, Promised& promised) {
  KvStore store = *env.open_store("s");
  for (int i = 0; i < 120; ++i) {
    const std::string key = "key" + std::to_string(i * 7919 % 61);
    const std::string value(700, static_cast<char>('a' + i % 26));
    promised.with[key] = value;
    if (!store.put(key, value)) return;
    promised.without = promised.with;
    if (i % 25 == 24 && !env.checkpoint()) return;
  }
}

class SimRecoveryFaults : public testing::Test {
 protected:
  /// Opens `os`, every step of it cut short by a power cut, and looks whether what was found stays. `os` is used up.
  void check(sim::SimOs& os, const Promised& promised, bool look_inside) {
    if (look_inside) {
      os.on_step([&](const sim::Step& inside) {
        if (!inside.changes_disk || HasFailure()) return;
        for (const sim::CrashPolicy policy : {sim::CrashPolicy::lost, sim::CrashPolicy::sectors}) {
          const std::unique_ptr<sim::SimOs> cut = os.crash(
              {.policy = policy, .seed = inside.number, .garbage_percent = 50});
          std::unique_ptr<DbEnv> env;
          Rows rows;
          EXPECT_EQ(open(*cut, env, rows), "") << "power cut in the recovery before "
                                               << sim::to_string(inside.kind) << " " << inside.path;
          EXPECT_TRUE(promised.allows(rows))
              << rows.size() << " rows after a power cut in the recovery before "
              << sim::to_string(inside.kind) << " " << inside.path;
          ++opened_;
        }
      });
    }
    std::unique_ptr<sim::SimOs> cut;
    std::unique_ptr<DbEnv> first, second;
    Rows found, kept;
    ASSERT_EQ(open(os, first, found), "");
    os.on_step({});
    EXPECT_TRUE(promised.allows(found)) << found.size() << " rows found";
    cut = os.crash({.policy = sim::CrashPolicy::lost});
    ASSERT_EQ(open(*cut, second, kept), "");
    EXPECT_TRUE(kept == found) << found.size() << " rows found, " << kept.size() << " kept";
    kept.clear();
    second.reset();
    ASSERT_TRUE(first->checkpoint().has_value());
    cut = os.crash({.policy = sim::CrashPolicy::lost});
    ASSERT_EQ(open(*cut, second, kept), "");
    EXPECT_TRUE(kept == found) << found.size() << " rows found, " << kept.size()
                               << " kept after a checkpoint";
    opened_ += 3;
  }

  uint64_t opened_ = 0;
};

class SimReopen : public SimRecoveryFaults, public testing::WithParamInterface<sim::StepKind> {};

// Goal:   acknowledged commits outlive a failed sync, a reopening and a power cut, and a power cut inside that reopening.
// Method: every sync of a life fails in turn; the machine goes on, the environment is opened again.
TEST_P(SimReopen, AFailedSyncThenAReopeningThenAPowerCutLosesNothing) {
  uint64_t failed = 0;
  for (uint64_t nth = 1; !HasFailure(); ++nth) {
    SCOPED_TRACE(std::string(sim::to_string(GetParam())) + " " + std::to_string(nth) + " fails");
    sim::SimOs os({.seed = nth});
    std::unique_ptr<DbEnv> env;
    Rows none;
    ASSERT_EQ(open(os, env, none), "");
    os.add_fault({.kind = GetParam(), .nth = nth});
    Promised promised;
    live(*env, promised);
    env.reset();
    if (os.faults_fired() == 0) break;
    ++failed;
    os.clear_faults();
    check(*os.copy(), promised, nth % 10 == 0);
  }
  EXPECT_GT(failed, GetParam() == sim::StepKind::sync ? 100u : 0u);
}

// Goal:   a recovery in which any call fails can simply be repeated, on the same machine and after a power cut.
// Method: a killed process; every call of its recovery fails in turn, then the next recovery runs.
TEST_F(SimRecoveryFaults, ARecoveryThatFailsHalfWayCanBeRepeated) {
  sim::SimOs os({.seed = 1});
  Promised promised;
  std::unique_ptr<DbEnv> env;
  Rows none;
  ASSERT_EQ(open(os, env, none), "");
  live(*env, promised);
  // Two threads' worth of unfinished business: a transaction that recovery has to take back.
  Result<Transaction> loser = env->begin();
  ASSERT_TRUE(loser.has_value());
  KvStore store = *env->open_store("s");
  for (int i = 0; i < 20; ++i)
    ASSERT_TRUE(store.put(*loser, "key" + std::to_string(i), "of a loser").has_value());
  ASSERT_TRUE(store.put("last", "row").has_value());  // Takes the loser's records along.
  promised.without["last"] = promised.with["last"] = "row";
  for (const bool sticky : {false, true}) {
    for (uint64_t nth = 1; !HasFailure(); ++nth) {
      SCOPED_TRACE("call " + std::to_string(nth) + " of the recovery fails" +
                   (sticky ? ", and all after it" : ""));
      const std::unique_ptr<sim::SimOs> killed = os.copy();
      killed->add_fault({.nth = nth, .sticky = sticky});
      std::unique_ptr<DbEnv> first;
      Rows rows;
      const std::string problem = open(*killed, first, rows);
      first.reset();
      if (killed->faults_fired() == 0) break;
      killed->clear_faults();
      if (problem.empty()) {
        EXPECT_TRUE(promised.allows(rows));
      }
      const std::unique_ptr<sim::SimOs> cut = killed->crash(
          {.policy = sim::CrashPolicy::sectors, .seed = nth});
      check(*cut, promised, false);
      check(*killed, promised, nth % 16 == 0);
    }
  }
  EXPECT_GT(opened_, 300u);
}

// Goal:   a recovery that is refused leaves the environment as it is: the next one is refused with the same words.
// Method: the data file of an earlier checkpoint is put back, so that the pages are older than the log's changes of them; all
//         is redone before opening.
TEST_F(SimRecoveryFaults, ARefusedRecoveryIsRefusedAgainAndChangesNothing) {
  sim::SimOs os({.seed = 1});
  std::unique_ptr<DbEnv> env;
  Rows none;
  ASSERT_EQ(open(os, env, none), "");
  KvStore store = *env->open_store("s");
  const auto put_all = [&](char what) {
    for (int i = 0; i < 200; ++i) {
      ASSERT_TRUE(store.put("key" + std::to_string(i), std::string(100, what)).has_value());
    }
  };
  put_all('a');
  ASSERT_TRUE(env->checkpoint().has_value());
  const std::string older = *os.read_file("/env/data");
  put_all('b');
  ASSERT_TRUE(env->checkpoint().has_value());
  put_all('c');
  const std::unique_ptr<sim::SimOs> killed = os.crash({.policy = sim::CrashPolicy::kept});
  ASSERT_TRUE(killed->write_file("/env/data", older).has_value());
  const auto bytes = [&] {
    std::map<std::string, std::string> all;
    for (const std::string& path : killed->files()) all[path] = *killed->read_file(path);
    all.erase("/env/LOCK");
    return all;
  };
  const std::map<std::string, std::string> before = bytes();
  std::unique_ptr<DbEnv> refused;
  Rows rows;
  const std::string why = open(*killed, refused, rows, false);
  EXPECT_NE(why.find("page "), std::string::npos) << why;
  EXPECT_NE(why.find("restore the environment from a backup"), std::string::npos) << why;
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(bytes() == before) << "something was changed";
    EXPECT_EQ(open(*killed, refused, rows, false), why);
  }
}

INSTANTIATE_TEST_SUITE_P(Calls, SimReopen,
                         testing::Values(sim::StepKind::sync, sim::StepKind::sync_directory),
                         [](const auto& each) {
                           return std::string(sim::to_string(each.param)) == "sync" ? "Sync"
                                                                                    : "Directory";
                         });

// Goal: while an environment that was closed in order is opened, each slot of CONTROL may rot: the other one never says that
// the log holds nothing, or that it lies where other log lies by now.
TEST(SimReopen, ASlotOfControlThatRotsWhileItOpensLosesNothing) {
  sim::SimOs os({.seed = 5});
  Rows rows;
  {
    std::unique_ptr<DbEnv> env;
    ASSERT_EQ(open(os, env, rows), "");
    KvStore store = *env->open_store("s");
    for (int i = 0; i < 20;
         ++i) {  // And no checkpoint: the older slot needs the log from its beginning.
      ASSERT_TRUE(store.put("key" + std::to_string(i), "value"));
      rows["key" + std::to_string(i)] = "value";
    }
    ASSERT_TRUE(env->close());
  }
  uint64_t opened = 0, refused = 0;
  os.on_step([&](const sim::Step& step) {
    if (!step.changes_disk || testing::Test::HasFailure()) return;
    for (const uint64_t byte : {uint64_t{100}, uint64_t{16} * KiB + 100}) {
      const std::unique_ptr<sim::SimOs> crashed = os.crash({.policy = sim::CrashPolicy::kept});
      ASSERT_TRUE(crashed->flip_bit("/env/CONTROL", byte * 8));
      std::unique_ptr<DbEnv> env;
      Rows found;
      const std::string why = open(*crashed, env, found);
      ++(why.empty() ? opened : refused);
      if (why.empty()) {
        EXPECT_EQ(found, rows) << "before " << sim::to_string(step.kind) << " " << step.path
                               << " with byte " << byte << " of CONTROL damaged";
      }
    }
  });
  std::unique_ptr<DbEnv> env;
  Rows found;
  EXPECT_EQ(open(os, env, found), "");
  os.on_step({});
  EXPECT_GT(opened, 20u);
  EXPECT_EQ(refused, 0u);
}

// Goal: the log's last block, written to another's place, is found there: the log has not ended before it.
TEST(SimReopen, ABlockOfTheLogThatWentAstrayIsNoEndOfTheLog) {
  for (const int64_t shift : {-8192, -4096, 4096, 8192}) {
    sim::SimOs os({.seed = 6});
    std::unique_ptr<DbEnv> env;
    Rows none;
    ASSERT_EQ(open(os, env, none), "");
    KvStore store = *env->open_store("s");
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(store.put("key" + std::to_string(i), "value"));
    os.add_fault({.kind = sim::StepKind::write,
                  .path_contains = "/log/",
                  .effect = sim::Effect::misdirect,
                  .shift = shift});
    ASSERT_TRUE(store.put("last", "value"));
    ASSERT_EQ(os.faults_fired(), 1u);
    const std::unique_ptr<sim::SimOs> crashed = os.crash({.policy = sim::CrashPolicy::kept});
    const Result<std::unique_ptr<DbEnv>> again = DbEnv::open("/env", crash::options(), *crashed);
    ASSERT_FALSE(again) << "shift " << shift;
    EXPECT_EQ(again.error().code(), Code::corruption) << again.error().message();
  }
}

}  // namespace
}  // namespace aether
