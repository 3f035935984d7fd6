// Memory runs out, anywhere: at each allocation of each call, once and for good. The call answers no_memory or succeeds;
// nothing is half done, held or lost, and the environment goes on.
//
//   AETHER_ALLOC=all alloc_failure_test      every allocation of everything, and 10^5 of the random load
//   AETHER_SEED=7 alloc_failure_test         other choices
#include "crash/alloc_fixture.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

// A mapping and a thread are memory too. Sanitizers have these functions for themselves.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
extern "C" void* mmap(void* address, size_t bytes, int protection, int flags, int fd,
                      off_t offset) noexcept {
  if (aether::sim::alloc_faults::strikes()) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the call's own way to answer.
  return reinterpret_cast<void*>(
      ::syscall(SYS_mmap, address, bytes, protection, flags, fd, offset));
}

extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                              void* (*body)(void*), void* argument) noexcept {
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto create = reinterpret_cast<Create>(::dlsym(RTLD_NEXT, "pthread_create"));
  if (aether::sim::alloc_faults::strikes()) return EAGAIN;
  return create(thread, attributes, body, argument);
}
#endif

namespace aether::crash {
namespace {

// --- Single calls ---------------------------------------------------------------------------------------

TEST_F(AllocFailure, WritesAlone) {
  make();
  fill(200);
  const uint64_t rounds = effort_.all ? 4000 : 500;
  for (uint64_t i = 0; i < rounds && !HasFailure(); ++i) {
    const std::string key = key_of(attack_.pick(300));
    const std::string bytes = any_value();
    const bool is_there = rows().contains(key);
    const auto unchanged = [&] { subject().check(key); };
    Rows after = rows();
    after[key] = bytes;
    Result<void> done;
    bool may = true;
    switch (attack_.pick(5)) {
      case 0:
        done = attack_.on(
            "remove", [&] { return store().remove(key); }, unchanged);
        may = is_there;
        after.erase(key);
        break;
      case 1:
        done = attack_.on(
            "insert", [&] { return store().insert(key, bytes); }, unchanged);
        may = !is_there;
        break;
      case 2:
        done = attack_.on(
            "update", [&] { return store().update(key, bytes); }, unchanged);
        may = is_there;
        break;
      default:
        done = attack_.on(
            "put", [&] { return store().put(key, bytes); }, unchanged);
    }
    if (may) {
      subject().settle(done, std::move(after));
    } else {
      ASSERT_FALSE(done);
      ASSERT_EQ(done.error().code(), is_there ? Code::exists : Code::not_found);
    }
    subject().check(key);
  }
  finish();
}

TEST_F(AllocFailure, Batches) {
  make();
  fill(200);
  for (uint64_t i = 0; i < (effort_.all ? 300u : 30u) && !HasFailure(); ++i) {
    Rows after = rows();
    WriteBatch batch;
    for (int j = 0; j < 12; ++j) {
      const std::string key = key_of(attack_.pick(300)), bytes = any_value();
      if (attack_.pick(4) == 0 && after.contains(key)) {
        batch.remove(store(), key);
        after.erase(key);
      } else {
        batch.put(store(), key, bytes);
        after[key] = bytes;
      }
    }
    const Result<void> done = attack_.on(
        "batch", [&] { return env().write(batch); }, [&] { subject().check_all(); });
    subject().settle(done, std::move(after));
  }
  // A batch that could not take an entry says so when it is applied, and applies nothing.
  WriteBatch batch;
  const std::string bytes = value(100);
  batch.put(store(), "a", bytes);
  faults::arm({.number = 1, .sticky = true});
  for (int i = 0; i < 100; ++i) batch.put(store(), "b", bytes);
  ASSERT_TRUE(faults::disarm());
  const Result<void> refused = env().write(batch);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::no_memory);
  subject().check_all();
  finish();
}

TEST_F(AllocFailure, Reads) {
  make();
  fill(400);
  for (uint64_t i = 0; i < (effort_.all ? 200u : 25u) && !HasFailure(); ++i) {
    const std::string key = key_of(attack_.pick(500));
    const Result<std::string> got = attack_.on("get", [&] { return store().get(key); });
    ASSERT_EQ(got.has_value(), rows().contains(key));
    if (got) {
      ASSERT_TRUE(*got == rows()[key]);
    }

    std::vector<std::string> keys;
    for (int j = 0; j < 20; ++j) keys.push_back(key_of(attack_.pick(500)));
    const std::vector<Bytes> views(keys.begin(), keys.end());
    const auto values = attack_.on("multi_get", [&] { return store().multi_get(views); });
    ASSERT_TRUE(values);
    for (size_t j = 0; j < keys.size(); ++j) {
      ASSERT_EQ((*values)[j].has_value(), rows().contains(keys[j]));
      if ((*values)[j]) {
        ASSERT_TRUE(*(*values)[j] == rows()[keys[j]]);
      }
    }

    uint64_t count = 0;
    const Result<uint64_t> scanned = attack_.on("scan", [&] {
      count = 0;
      return store().scan({.begin = key, .end = {}, .reverse = i % 2 == 0},
                          [&](Bytes, Bytes) { return ++count < 30; });
    });
    ASSERT_TRUE(scanned);
    ASSERT_TRUE(attack_.on("list", [&] { return env().list_stores(); }));
  }
  finish();
}

// A cursor whose move has failed stands where it stood: a walk that fails all the time meets every row once.
TEST_F(AllocFailure, CursorsStandWhereTheyStood) {
  make();
  fill(300);
  const Isolation isolations[] = {Isolation::snapshot, Isolation::serializable,
                                  Isolation::read_committed};
  for (int i = 0; i < 4 && !HasFailure(); ++i) {
    std::optional<Transaction> txn;
    if (i < 3) txn.emplace(env().begin({.isolation = isolations[i]}).value());
    const bool down = i % 2 == 1;
    Cursor cursor = txn ? store().cursor(*txn) : store().cursor();
    Rows met;
    Bytes last;
    std::string last_key;
    Result<bool> more = attack_.on("cursor.first",
                                   [&] { return down ? cursor.last() : cursor.first(); });
    while (more && *more && !HasFailure()) {
      const Result<Bytes> bytes = attack_.on("cursor.value", [&] { return cursor.value(); });
      ASSERT_TRUE(bytes) << bytes.error().message();
      ASSERT_TRUE(met.emplace(cursor.key(), *bytes).second) << cursor.key() << " twice";
      last_key = cursor.key();
      more = attack_.on(
          "cursor.next", [&] { return down ? cursor.prev() : cursor.next(); },
          [&] {
            ASSERT_TRUE(cursor.positioned());
            ASSERT_EQ(cursor.key(), last_key);
            const Result<Bytes> again = cursor.value();
            ASSERT_TRUE(again) << again.error().message();
            ASSERT_TRUE(*again == rows()[last_key]);
          });
    }
    ASSERT_TRUE(more);
    EXPECT_TRUE(met == rows());
  }
  finish();
}

// --- Transactions ---------------------------------------------------------------------------------------

// Every call inside a transaction, then its end. A commit that answers no_memory has been rolled back: the transaction is
// run again, from a later allocation of its commit on.
TEST_F(AllocFailure, Transactions) {
  make();
  fill(200);
  for (uint64_t i = 0; i < (effort_.all ? 600u : 60u) && !HasFailure(); ++i) run_transaction();
  finish();
}

// A transaction that is dropped while there is no memory at all: what its rollback lacks is made up for later.
TEST_F(AllocFailure, DroppedWithoutAnyMemory) {
  make();
  fill(200);
  for (uint64_t i = 0; i < (effort_.all ? 200u : 40u) && !HasFailure(); ++i) {
    std::optional<Transaction> txn(env().begin().value());
    Rows after = rows();
    const auto put = [&](const std::string& key, const std::string& bytes) {
      ASSERT_TRUE(store().put(*txn, key, bytes));
      after[key] = bytes;
    };
    put(key_of(i), value(500));
    if (i % 2 == 0) put("large", value(9'000));
    for (uint64_t j = 0; j < 20; ++j) put(key_of(1000 + j), value(800));
    if (after.contains(key_of(i + 1))) {
      ASSERT_TRUE(store().remove(*txn, key_of(i + 1)));
      after.erase(key_of(i + 1));
    }
    if (i % 3 == 0) {
      ASSERT_TRUE(store().lock_range(*txn, {.begin = "a", .end = "z"}, LockMode::exclusive));
    }
    faults::arm({.number = 1 + attack_.pick(4), .sticky = true});
    if (i % 4 == 0) static_cast<void>(txn->abort().has_value());
    Result<void> committed = Code::no_memory;
    if (i % 4 == 1) committed = txn->commit();
    txn.reset();
    faults::disarm();
    if (committed || committed.error().code() != Code::no_memory)
      subject().settle(committed, std::move(after));
    subject().check_idle();
    subject().check_all();
  }
  finish();
}

// Whoever waits for a lock is told when there is no memory for it; nobody else is held up.
TEST_F(AllocFailure, Locks) {
  make();
  fill(100);
  for (uint64_t i = 0; i < (effort_.all ? 300u : 60u) && !HasFailure(); ++i) {
    Transaction txn = env().begin().value();
    for (int j = 0; j < 12; ++j) {
      const std::string key = key_of(attack_.pick(100));
      const std::string end = key_of(100 + attack_.pick(50));
      switch (attack_.pick(4)) {
        case 0:
          ASSERT_TRUE(attack_.on("lock_range", [&] {
            return store().lock_range(txn, {.begin = key, .end = end}, LockMode::shared);
          }));
          break;
        case 1: {
          const Result<std::string> got = attack_.on(
              "lock_for_update", [&] { return store().lock_for_update(txn, key); });
          ASSERT_TRUE(got);
          break;
        }
        default:
          ASSERT_TRUE(
              attack_.on("lock", [&] { return store().lock(txn, key, LockMode::exclusive); }));
      }
    }
    Transaction other = env().begin({.lock_timeout_ms = 0}).value();
    const auto refused = attack_.on("lock_busy",
                                    [&] { return store().lock_store(other, LockMode::exclusive); });
    ASSERT_FALSE(refused);
    ASSERT_EQ(refused.error().code(), Code::busy);
    ASSERT_TRUE(txn.abort());
    ASSERT_TRUE(other.abort());
    subject().check_idle();
  }
  finish();
}

// With all of the engine's threads at work, and allocations of any of them failing.
TEST_F(AllocFailure, EveryThread) {
  EnvOptions options = small_options();
  options.background_threads = true;
  options.io_mode = IoMode::automatic;
  make(options);
  fill(200);
  uint64_t refused = 0;
  for (uint64_t i = 0; i < (effort_.all ? 40'000u : 3'000u) && !HasFailure(); ++i) {
    Rows after = rows();
    const std::string key = key_of(attack_.pick(300)), bytes = any_value();
    after[key] = bytes;
    faults::arm(
        {.number = 1 + attack_.pick(12), .sticky = attack_.pick(8) == 0, .every_thread = true});
    const Result<void> done = store().put(key, bytes);
    faults::disarm();
    if (!done && done.error().code() == Code::no_memory) {
      ++refused;
      subject().check(key);
      continue;
    }
    subject().settle(done, std::move(after));
    if (i % 500 == 0) {
      ASSERT_TRUE(env().checkpoint());
    }
  }
  std::printf("%llu of the writes refused\n", static_cast<unsigned long long>(refused));
  EXPECT_GT(refused, 0u);
  ASSERT_TRUE(attack_.on("get", [&] { return store().get(rows().begin()->first); }));
  finish();
}

// --- The environment's life -----------------------------------------------------------------------------

/// Each allocation of `open`, on a copy of the directory each time: after every failure it opens, and is whole.
void open_under_attack(Attack& attack, Subject& subject, uint64_t stride) {
  const std::string copy = subject.home() + ".copy";
  uint64_t last = 0;
  for (uint64_t n = 1 + attack.pick(stride); last == 0 && !testing::Test::HasFailure();
       n += 1 + attack.pick(2 * stride - 1)) {
    for (const bool sticky : {false, true}) {
      std::filesystem::copy(subject.home(), copy, std::filesystem::copy_options::recursive);
      {
        faults::arm({.number = n, .sticky = sticky});
        Result<std::unique_ptr<DbEnv>> opened = DbEnv::open(copy, subject.options());
        if (!faults::disarm()) last = n;
        ASSERT_TRUE(opened || opened.error().code() == Code::no_memory)
            << "allocation " << n << ": " << opened.error().message();
      }
      Subject again(copy, subject.options());
      again.rows() = subject.rows();
      again.check_whole();
      again.check_idle();
      again.close();
      std::filesystem::remove_all(copy);
      if (testing::Test::HasFailure()) FAIL() << "open, allocation " << n << ", sticky " << sticky;
    }
  }
  std::printf("open: %llu allocations\n", static_cast<unsigned long long>(last));
}

TEST_F(AllocFailure, Creating) {
  uint64_t last = 0;
  const uint64_t stride = effort_.stride(7);
  for (uint64_t n = 1; last == 0 && !HasFailure(); n += 1 + attack_.pick(2 * stride - 1)) {
    for (const bool sticky : {false, true}) {
      const std::string home = directory_ / std::to_string(2 * n + (sticky ? 1 : 0));
      faults::arm({.number = n, .sticky = sticky});
      { const Result<std::unique_ptr<DbEnv>> made = DbEnv::open(home, small_options()); }
      if (!faults::disarm()) last = n;
      Subject again(home);
      ASSERT_TRUE(again.store().put("a", "b")) << n;
      again.rows()["a"] = "b";
      again.check_whole();
      again.close();
      std::filesystem::remove_all(home);
    }
  }
  std::printf("creating: %llu allocations\n", static_cast<unsigned long long>(last));
  EXPECT_EQ(open_descriptors(), descriptors_);
}

TEST_F(AllocFailure, OpeningInOrder) {
  make();
  fill(300);
  ASSERT_TRUE(env().close());
  subject().drop();
  open_under_attack(attack_, subject(), effort_.stride(23));
  subject().open();
  subject().check_whole();
  subject().close();
}

// What the last life has left open is undone; what it has prepared is in doubt.
TEST_F(AllocFailure, RecoveryAndUndo) {
  make();
  fill(150);
  {
    Transaction doubt = env().begin().value();
    ASSERT_TRUE(store().put(doubt, "doubt", value(700)));
    ASSERT_TRUE(store().put(doubt, "doubt large", value(7'000)));
    ASSERT_TRUE(store().remove(doubt, key_of(77)));
    ASSERT_TRUE(doubt.prepare("gid"));
    Transaction open = env().begin().value();
    for (uint64_t i = 20; i < 60; ++i) ASSERT_TRUE(store().put(open, key_of(i), any_value()));
    ASSERT_TRUE(store().remove(open, key_of(3)));
    ASSERT_TRUE(store().put(open, "large", value(20'000)));
    ASSERT_FALSE(env().close());  // Busy: the next open rolls it back.
    subject().drop();
  }
  open_under_attack(attack_, subject(), effort_.stride(61));
  subject().open();
  ASSERT_TRUE(attack_.on("commit_prepared", [&] { return env().commit_prepared("gid"); }));
  rows().erase(key_of(77));
  rows()["doubt"] = store().get("doubt").value();
  rows()["doubt large"] = store().get("doubt large").value();
  EXPECT_EQ(rows()["doubt large"].size(), 7'000u);
  finish();
}

TEST_F(AllocFailure, StoresCheckpointsClose) {
  make();
  for (uint64_t i = 0; i < (effort_.all ? 60u : 6u) && !HasFailure(); ++i) {
    fill(60);
    ASSERT_TRUE(attack_.on("checkpoint", [&] { return env().checkpoint(); }));
    ASSERT_TRUE(attack_.on("verify", [&] { return env().verify(); }));
    const auto made = attack_.on("open_store", [&] { return env().open_store("other"); });
    ASSERT_TRUE(made) << made.error().message();
    KvStore other = *made;
    for (uint64_t j = 0; j < 80; ++j) ASSERT_TRUE(other.put(key_of(j), any_value()));
    ASSERT_TRUE(attack_.on(
        "drop_store", [&] { return env().drop_store("other"); },
        [&] { ASSERT_EQ(other.get(key_of(5)).has_value(), true); }));
    ASSERT_FALSE(other.get(key_of(5)));
    faults::arm({.number = 1 + attack_.pick(40), .sticky = true});
    static_cast<void>(env().stats());
    faults::disarm();
    // Closed whatever the answer: what it could not write the next open recovers.
    faults::arm({.number = 1 + attack_.pick(30), .sticky = attack_.pick(2) == 0});
    const Result<void> closed = env().close();
    faults::disarm();
    ASSERT_TRUE(closed || closed.error().code() == Code::no_memory ||
                closed.error().code() == Code::failed)
        << closed.error().message();
    subject().drop();
    subject().open();
    subject().check_whole();
  }
  finish();
}

}  // namespace
}  // namespace aether::crash
