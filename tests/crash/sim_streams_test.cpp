// Two streams of the log, of which one has more to write than goes into a block: what a commit that is acknowledged on the other
// one counts on must be durable all the same.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "aether/aether.hpp"
#include "os/sync.h"
#include "sim/sim_os.h"

namespace aether {
namespace {

constexpr uint32_t kStreams = 2;
constexpr int kManyRows = 300;  // Of 1 KiB: some blocks of 64 KiB, a quarter of a segment.

EnvOptions options() {
  return {.pool_bytes = 4 * MiB,
          .log_streams = kStreams,
          .log_segment_bytes = 256 * KiB,
          .log_bytes_max = 16 * MiB,
          .background_threads = false};
}

std::string key(int i) { return "key" + std::to_string(1000 + i); }

/// Its records go to another stream than the caller's: a thread that is new has a number of its own.
Transaction begin_on_another_stream(DbEnv& env, const TxnOptions& how) {
  const uint32_t mine = os::worker_id() % kStreams;
  Transaction txn = *env.begin(how);
  for (uint32_t stream = mine; stream == mine;) {
    std::thread([&] {
      stream = os::worker_id() % kStreams;
      txn = *env.begin(how);
    }).join();
  }
  return txn;
}

void put_many(KvStore& store, Transaction& txn, char what) {
  for (int i = 0; i < kManyRows; ++i)
    ASSERT_TRUE(store.put(txn, key(i), std::string(1 * KiB, what)));
}

// Goal:   whoever is acknowledged takes along whoever wrote what it has read, although the two share no page.
// Method: one commits without waiting, its commit at the end of some blocks of its stream; another reads its row, writes
//         elsewhere and is acknowledged; the power goes.
TEST(SimStreams, AnAcknowledgedCommitTakesAlongWhatItHasRead) {
  sim::SimOs os({.seed = 1});
  std::unique_ptr<DbEnv> env = *DbEnv::open("/env", options(), os);
  KvStore many = *env->open_store("many"), few = *env->open_store("few");
  Transaction writer = begin_on_another_stream(
      *env, {.durability = Durability::none, .env_durability = false});
  put_many(many, writer, 'v');
  ASSERT_TRUE(writer.commit());
  Transaction reader = *env->begin({.durability = Durability::group, .env_durability = false});
  const std::string read = *many.get(reader, key(0));
  ASSERT_TRUE(few.put(reader, "read", read));
  ASSERT_TRUE(reader.commit());

  const std::unique_ptr<sim::SimOs> cut = os.crash({.policy = sim::CrashPolicy::lost});
  const std::unique_ptr<DbEnv> after = *DbEnv::open("/env", options(), *cut);
  EXPECT_EQ(*after->open_store("few")->get("read"), read);
  const Result<std::string> found = after->open_store("many")->get(key(0));
  ASSERT_TRUE(found) << "what an acknowledged commit had read is lost";
  EXPECT_EQ(*found, read);
}

// Goal:   a store that was dropped has nothing left that a recovery would have to undo in it.
// Method: a transaction's changes in the store are durable, its rollback, which puts the rows back, is not; the store is dropped
//         by a thread of another stream, and the power goes before every step of that.
TEST(SimStreams, ADropComesAfterTheRollbacksInItsStore) {
  sim::SimOs os({.seed = 1});
  std::unique_ptr<DbEnv> env = *DbEnv::open("/env", options(), os);
  KvStore dropped = *env->open_store("dropped"), other = *env->open_store("other");
  Transaction maker = *env->begin();
  put_many(dropped, maker, 'v');
  ASSERT_TRUE(maker.commit());
  Transaction writer = begin_on_another_stream(*env, {});
  put_many(dropped, writer, 'w');
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(other.put("flushes", "a block"));
  ASSERT_TRUE(writer.abort());

  uint64_t before = 0, after = 0;
  os.on_step([&](const sim::Step& step) {
    if (!step.changes_disk || testing::Test::HasFailure()) return;
    const std::unique_ptr<sim::SimOs> cut = os.crash({.policy = sim::CrashPolicy::lost});
    Result<std::unique_ptr<DbEnv>> opened = DbEnv::open("/env", options(), *cut);
    ASSERT_TRUE(opened) << opened.error().message() << ", cut before " << to_string(step.kind)
                        << " " << step.path;
    const std::vector<std::string> stores = *(*opened)->list_stores();
    const bool is_there = std::find(stores.begin(), stores.end(), "dropped") != stores.end();
    ++(is_there ? before : after);
    if (is_there) {
      const KvStore store = *(*opened)->open_store("dropped");
      EXPECT_EQ(*store.scan({}, [](Bytes, Bytes value) { return value.front() == 'v'; }),
                uint64_t{kManyRows});
    }
    const VerifyReport report = *(*opened)->verify();
    EXPECT_TRUE(report.problems.empty()) << report.problems.front().message;
  });
  ASSERT_TRUE(env->drop_store("dropped"));
  os.on_step({});
  EXPECT_GT(before, 0u);
  EXPECT_GT(after, 0u);
}

}  // namespace
}  // namespace aether
