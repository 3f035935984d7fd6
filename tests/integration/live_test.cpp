// The live channel: what an open environment answers other processes, whatever they send (docs/formats/live.md).
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "db/env_impl.h"
#include "db/live_client.h"
#include "db/live_protocol.h"
#include "integration/contract_fixture.h"

namespace aether::contract {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr uint64_t kPatienceNs = 30'000'000'000;

struct LivePlace : Place {
  LivePlace() { EXPECT_TRUE(ok(open())); }
  std::string path() const { return db::live_path(home); }
  Result<std::string> ask(std::string_view verb) const {
    return db::ask_live(os::production(), home, verb, kPatienceNs);
  }
  /// What comes back for these bytes, until the other side ends. An end that cuts off what nobody read is an end.
  std::string send(std::string_view bytes) const {
    auto connection = os::production().connect(path(), kPatienceNs);
    EXPECT_TRUE(ok(connection));
    if (!connection) return "";
    static_cast<void>((*connection)->write(bytes.data(), bytes.size(), kPatienceNs).has_value());
    std::string text;
    char part[4096];
    for (;;) {
      const Result<uint64_t> got = (*connection)->read(part, sizeof part, kPatienceNs);
      if (!got || *got == 0) return text;
      text.append(part, *got);
    }
  }
};

TEST(LiveConcurrent, PingTellsWhoItIs) {
  const LivePlace t;
  const Result<std::string> answer = t.ask("ping");
  ASSERT_TRUE(ok(answer));
  EXPECT_THAT(*answer, HasSubstr("\"pid\":" + std::to_string(os::production().process_id())));
  EXPECT_THAT(*answer, HasSubstr("\"uuid\":\"" + t.env->stats().uuid + "\""));
}

TEST(LiveConcurrent, StatAndDeadlockAnswerWhileOthersWork) {
  LivePlace t;
  KvStore store = t.store("accounts");
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      Transaction txn = t.begin();
      ASSERT_TRUE(ok(store.put(txn, key_of(i % 100), "v")));
      ASSERT_TRUE(ok(txn.commit()));
      if (i % 50 != 0) continue;
      ASSERT_TRUE(ok(t.env->open_store("passing")));
      ASSERT_TRUE(ok(t.env->drop_store("passing")));
    }
  });
  for (int i = 0; i < 30; ++i) {
    const Result<std::string> stat = t.ask("stat");
    ASSERT_TRUE(ok(stat));
    EXPECT_THAT(*stat, HasSubstr("\"name\":\"accounts\""));
    ASSERT_TRUE(ok(t.ask("deadlock")));
  }
  stop = true;
  writer.join();
}

TEST(LiveConcurrent, VerificationRunsBesideTheChannelAndEndsWithTheEnvironment) {
  LivePlace t;
  KvStore store = t.store("accounts");
  for (int i = 0; i < 2000; ++i) ASSERT_TRUE(ok(store.put(key_of(i), std::string(100, 'v'))));
  const Result<std::string> none = t.ask("verify_state");
  ASSERT_TRUE(ok(none));
  EXPECT_THAT(*none, StartsWith("{\"number\":0,\"running\":false"));
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) ASSERT_TRUE(ok(store.put(key_of(i % 3000), "w")));
  });
  Result<std::string> state = t.ask("verify");
  while (state && state->find("\"running\":true") != std::string::npos) {
    ASSERT_TRUE(ok(t.ask("ping")));
    state = t.ask("verify_state");
  }
  stop = true;
  writer.join();
  ASSERT_TRUE(ok(state));
  EXPECT_THAT(*state, StartsWith("{\"number\":1,\"running\":false"));
  EXPECT_THAT(*state, HasSubstr("\"ok\":true"));
  EXPECT_THAT(*state, HasSubstr("\"problems\":[]"));
  ASSERT_TRUE(ok(t.ask("verify")));
  ASSERT_TRUE(ok(t.env->close()));
}

TEST(LiveConcurrent, DeadlockShowsHoldersWaitersAndReports) {
  LivePlace t;
  t.store("accounts");
  txn::LockManager& locks = t.env->impl().locks();
  const StoreId store = t.store("accounts").id();
  const auto key = [&](std::string_view name) { return txn::LockName::key(store, name); };
  txn::LockSet first(locks, 101), second(locks, 102);
  ASSERT_TRUE(ok(locks.acquire(first, key("a"), txn::LockMode::x)));
  ASSERT_TRUE(ok(locks.acquire(first, key("c"), txn::LockMode::x)));
  ASSERT_TRUE(ok(locks.acquire(second, key("b\xff"), txn::LockMode::x)));
  std::thread waits([&] {
    EXPECT_TRUE(fails(locks.acquire(second, key("a"), txn::LockMode::s), Code::deadlock));
    locks.release_all(second);
  });
  while (locks.snapshot().waiters.empty()) std::this_thread::yield();
  const Result<std::string> waiting = t.ask("deadlock");
  ASSERT_TRUE(ok(waiting));
  EXPECT_THAT(*waiting,
              HasSubstr("{\"txn\":102,\"level\":\"key\",\"store_id\":" + std::to_string(store) +
                        ",\"store\":\"accounts\",\"key\":\"a\",\"mode\":\"S\""));
  EXPECT_THAT(*waiting, HasSubstr("\"waits_for\":[101]"));
  EXPECT_THAT(*waiting, HasSubstr("\"key_hex\":\"62ff\",\"mode\":\"X\""));
  ASSERT_TRUE(
      ok(locks.acquire(first, key("b\xff"), txn::LockMode::x)));  // The other is the victim.
  waits.join();
  const Result<std::string> after = t.ask("deadlock");
  ASSERT_TRUE(ok(after));
  EXPECT_THAT(*after, HasSubstr("\"victim\":102,\"cycle\":[{"));
  EXPECT_THAT(*after, HasSubstr("\"waiters\":[]"));
  const EnvStats stats = t.env->stats();
  EXPECT_EQ(stats.lock_deadlocks, 1u);
  EXPECT_EQ(stats.lock_wait.count, 2u);
  EXPECT_GT(stats.lock_wait.max_us, 0);
}

TEST(LiveConcurrent, LongKeysAreCutAndSayHowLongTheyWere) {
  LivePlace t;
  txn::LockManager& locks = t.env->impl().locks();
  txn::LockSet holder(locks, 7);
  ASSERT_TRUE(ok(locks.acquire(holder, txn::LockName::key(t.store().id(), std::string(1000, 'k')),
                               txn::LockMode::x)));
  const Result<std::string> answer = t.ask("deadlock");
  ASSERT_TRUE(ok(answer));
  EXPECT_THAT(*answer, HasSubstr("\"key\":\"" + std::string(256, 'k') + "\",\"key_bytes\":1000"));
}

TEST(LiveConcurrent, WrongRequestsAreAnsweredWithTheirReason) {
  const LivePlace t;
  EXPECT_TRUE(fails(t.ask("dance"), Code::unsupported, "ping, stat, deadlock"));
  EXPECT_THAT(t.send("AETHER/2 ping\n"), StartsWith("AETHER/1 unsupported "));
  EXPECT_THAT(t.send("GET / HTTP/1.1\n"), StartsWith("AETHER/1 unsupported "));
  EXPECT_THAT(t.send("\n"), StartsWith("AETHER/1 unsupported "));
  EXPECT_THAT(t.send("AETHER/1 ping xml\n"), StartsWith("AETHER/1 unsupported "));
  EXPECT_THAT(t.send("AETHER/1 ping\nping\n"), StartsWith("AETHER/1 invalid_argument "));
  EXPECT_THAT(t.send("AETHER/1 " + std::string(2000, 'x')),
              StartsWith("AETHER/1 invalid_argument "));
  EXPECT_THAT(t.send("AETHER/1 ping\n"), StartsWith("AETHER/1 ok "));
}

// Goal:   whatever bytes come, an answer goes or the conversation ends, and the next one is served.
// Method: random bytes, and changed requests; every third client hangs up in the middle.
TEST(LiveConcurrent, RandomRequestsLeaveItServing) {
  const LivePlace t;
  std::mt19937_64 random(2024);
  for (int i = 0; i < 300; ++i) {
    std::string bytes = "AETHER/1 deadlock json\n";
    if (i % 2 == 0) bytes.assign(1 + random() % 1500, '\0');
    const size_t changes = i % 2 == 0 ? bytes.size() : 1 + random() % 3;
    for (size_t n = 0; n < changes; ++n)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    bytes += '\n';
    if (i % 3 == 0) {
      auto connection = os::production().connect(t.path(), kPatienceNs);
      ASSERT_TRUE(ok(connection));
      static_cast<void>(
          (*connection)->write(bytes.data(), bytes.size() / 2, kPatienceNs).has_value());
      continue;
    }
    const std::string answer = t.send(bytes);
    ASSERT_THAT(answer, StartsWith("AETHER/1 "));
    const size_t line = answer.find('\n');
    ASSERT_NE(line, std::string::npos);
    const std::string_view head = std::string_view(answer).substr(0, line);
    EXPECT_EQ(head.substr(head.rfind(' ') + 1), std::to_string(answer.size() - line - 1));
  }
  EXPECT_TRUE(ok(t.ask("ping")));
}

TEST(LiveConcurrent, FiftyClientsAreAllServed) {
  const LivePlace t;
  std::atomic<int> served{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 50; ++i) {
    clients.emplace_back([&] {
      const Result<std::string> answer = t.ask("stat");
      EXPECT_TRUE(ok(answer));
      if (answer) ++served;
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(served, 50);
}

// Goal:   who asks nothing, or reads nothing of an answer that is more than the system keeps for it, holds up those
//         behind it for the time a request has, no longer; and closing waits for neither.
TEST(LiveConcurrent, SlowClientsHoldUpNobodyForLong) {
  LivePlace t;
  txn::LockManager& locks = t.env->impl().locks();
  txn::LockSet holder(locks, 7);
  const StoreId store = t.store().id();
  for (int i = 0; i < 1000; ++i) {
    const std::string key = key_of(i) + std::string(256, '\xff');  // Shown in hexadecimal.
    ASSERT_TRUE(ok(locks.acquire(holder, txn::LockName::key(store, key), txn::LockMode::x)));
  }
  auto mute = os::production().connect(t.path(), kPatienceNs);
  auto deaf = os::production().connect(t.path(), kPatienceNs);
  ASSERT_TRUE(ok(mute) && ok(deaf));
  ASSERT_TRUE(ok((*deaf)->write("AETHER/1 deadlock\n", 18, kPatienceNs)));
  EXPECT_TRUE(ok(t.ask("ping"))) << "after both";
  const Result<std::string> whole = t.ask("deadlock");
  ASSERT_TRUE(ok(whole));
  EXPECT_GT(whole->size(), 256 * KiB) << "else nobody was deaf";

  auto last = os::production().connect(t.path(), kPatienceNs);
  ASSERT_TRUE(ok(last));
  locks.release_all(holder);
  EXPECT_TRUE(ok(t.env->close())) << "while a request is waited for";
}

TEST(LiveConcurrent, TheNameComesWithTheEnvironmentAndGoesWithIt) {
  LivePlace t;
  struct stat info;
  ASSERT_EQ(::stat(t.path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(t.env->stats().live, "open");
  ASSERT_TRUE(ok(t.env->close()));
  EXPECT_NE(::stat(t.path().c_str(), &info), 0);
  EXPECT_TRUE(fails(t.ask("ping"), Code::not_found));

  t.options.live = false;
  ASSERT_TRUE(ok(t.open()));
  EXPECT_EQ(t.env->stats().live, "off");
  t.options = small_options();
  t.options.background_threads = false;
  ASSERT_TRUE(ok(t.open()));
  EXPECT_EQ(t.env->stats().live, "off");
  t.options = small_options();
  t.options.read_only = true;
  ASSERT_TRUE(ok(t.open()));
  EXPECT_EQ(t.env->stats().live, "off");
  EXPECT_NE(::stat(t.path().c_str(), &info), 0);
}

// What a crash has left is replaced; what cannot be replaced keeps nobody from opening.
TEST(LiveConcurrent, WhatHasItsNameIsReplacedOrToldOf) {
  LivePlace t;
  ASSERT_TRUE(ok(t.env->close()));
  os::OpenFlags file;
  file.write = file.create = true;
  ASSERT_TRUE(ok(os::production().open(t.path(), file)));
  ASSERT_TRUE(ok(t.open()));
  EXPECT_TRUE(ok(t.ask("ping")));
  ASSERT_TRUE(ok(t.env->close()));

  ASSERT_TRUE(ok(os::production().create_directory(t.path())));
  ASSERT_TRUE(ok(t.open()));
  EXPECT_THAT(t.env->stats().live, HasSubstr("listen at"));
  EXPECT_TRUE(ok(t.store().put("k", "v")));
}

}  // namespace
}  // namespace aether::contract
