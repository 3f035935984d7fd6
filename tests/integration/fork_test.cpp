// A child made by fork has its parent's descriptors and its log's memory, but may not use the environment: whatever it
// calls is answered `closed`, and nothing that it does or drops reaches what its parent writes.
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <optional>
#include <thread>
#include <vector>

#include "integration/contract_fixture.h"

namespace aether::contract {
namespace {

/// Runs `body` in a child of fork; what it returns is the child's verdict: empty if all was well.
template <typename Body>
std::string in_a_child(Body body) {
  int ends[2];
  if (::pipe(ends) != 0) return "no pipe";
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);  // A child that waits for a thread it does not have would wait for ever.
    const std::string verdict = body();
    const bool told = ::write(ends[1], verdict.data(), verdict.size()) ==
                      static_cast<ssize_t>(verdict.size());
    ::_exit(told ? 0 : 1);
  }
  ::close(ends[1]);
  std::string verdict;
  std::array<char, 512> piece;
  for (ssize_t got = 0; (got = ::read(ends[0], piece.data(), piece.size())) > 0;)
    verdict.append(piece.data(), static_cast<size_t>(got));
  ::close(ends[0]);
  int status = 0;
  if (::waitpid(child, &status, 0) != child || status != 0)
    return "the child ended with status " + std::to_string(status) + "; " + verdict;
  return verdict;
}

/// "" if `result` is the refusal of a child; else what it was, after `what`.
template <typename T>
std::string refused(const char* what, const Result<T>& result) {
  if (!result && result.error().code() == Code::closed &&
      result.error().message().find("fork") != std::string_view::npos)
    return "";
  return std::string(what) + ": " +
         (result ? std::string("ok") : std::string(result.error().message())) + "\n";
}

/// Everything that a child could try, and the end of all objects.
std::string try_everything(Place& t, KvStore store, std::optional<Transaction>& open,
                           std::optional<CommitTicket>& ticket) {
  std::string wrong;
  wrong += refused("put", store.put("child", "was here"));
  wrong += refused("remove", store.remove("parent"));
  wrong += refused("get", store.get("parent"));
  wrong += refused("scan", store.scan({}, [](Bytes, Bytes) { return true; }));
  const std::vector<Bytes> keys{"parent"};
  wrong += refused("multi_get", store.multi_get(keys));
  WriteBatch batch;
  batch.put(store, "child", "was here");
  wrong += refused("write", t.env->write(batch));
  wrong += refused("begin", t.env->begin());
  wrong += refused("commit_prepared", t.env->commit_prepared("gid"));
  wrong += refused("open_store", t.env->open_store("other"));
  wrong += refused("drop_store", t.env->drop_store("main"));
  wrong += refused("checkpoint", t.env->checkpoint());
  wrong += refused("verify", t.env->verify());
  if (open) {
    if (store.put(*open, "child", "was here")) wrong += "put in a transaction: ok\n";
    wrong += refused("commit", open->commit());
    wrong += refused("abort", open->abort());
    open.reset();
  }
  if (ticket && !ticket->durable()) wrong += refused("wait", ticket->wait());
  wrong += refused("close", t.env->close());
  if (const Result<std::unique_ptr<DbEnv>> again = DbEnv::open(t.home, t.options); again)
    wrong += "the child could open the environment that its parent has open\n";
  t.env.reset();
  return wrong;
}

TEST(Fork, AChildIsRefusedAndLeavesNoTrace) {
  for (const IoMode mode : {IoMode::automatic, IoMode::threads}) {
    Place t;
    t.options.io_mode = mode;
    ASSERT_TRUE(ok(t.open()));
    KvStore store = t.store();
    ASSERT_TRUE(ok(store.put("parent", "before")));
    std::optional<Transaction> open(t.begin());
    ASSERT_TRUE(ok(store.put(*open, "open", "at the fork")));
    std::optional<CommitTicket> ticket;
    {
      Transaction other = t.begin();
      ASSERT_TRUE(ok(store.put(other, "ticket", "asked for")));
      ticket = *other.commit_async();
    }
    EXPECT_EQ(in_a_child([&] { return try_everything(t, store, open, ticket); }), "");
    // The parent goes on as if nothing had been.
    ASSERT_TRUE(ok(ticket->wait()));
    ASSERT_TRUE(ok(store.put(*open, "open", "after the fork")));
    ASSERT_TRUE(ok(open->commit()));
    ASSERT_TRUE(ok(store.put("parent", "after")));
    EXPECT_TRUE(t.whole());
    ASSERT_TRUE(ok(t.env->close()));
    ASSERT_TRUE(ok(t.open()));
    EXPECT_EQ(t.store().get("open").value_or(""), "after the fork");
    EXPECT_EQ(t.store().get("parent").value_or(""), "after");
    EXPECT_TRUE(fails(t.store().get("child"), Code::not_found));
  }
}

// Goal:   the same at any moment: a fork may come while a thread holds a latch, a mutex, or leads a flush.
// Method: two threads write and wait for the disk; children come and try; then every acknowledged row is there.
TEST(Fork, AChildOfABusyProcessIsRefusedToo) {
  Place t;
  t.options.durability = Durability::group;
  ASSERT_TRUE(ok(t.open()));
  KvStore store = t.store();
  std::atomic<bool> stop{false};
  std::array<std::atomic<int>, 2> acknowledged{};
  std::vector<std::thread> writers;
  for (size_t number = 0; number < acknowledged.size(); ++number) {
    writers.emplace_back([&, number] {
      for (int i = 0; !stop; ++i) {
        const std::string key = std::to_string(number) + key_of(i);
        if (!store.put(key, std::string(300, 'v'))) break;
        acknowledged[number] = i + 1;
      }
    });
  }
  std::optional<CommitTicket> no_ticket;
  for (int round = 0; round < 100; ++round) {
    std::optional<Transaction> open(t.begin());
    EXPECT_EQ(in_a_child([&] { return try_everything(t, store, open, no_ticket); }), "");
    EXPECT_TRUE(ok(open->commit()));
    if (HasFailure()) break;
  }
  stop = true;
  for (std::thread& writer : writers) writer.join();
  EXPECT_TRUE(t.whole());
  ASSERT_TRUE(ok(t.env->close()));
  ASSERT_TRUE(ok(t.open()));
  for (size_t number = 0; number < acknowledged.size(); ++number) {
    EXPECT_GT(acknowledged[number], 10);
    for (int i = 0; i < acknowledged[number]; ++i) {
      const Result<std::string> got = t.store().get(std::to_string(number) + key_of(i));
      ASSERT_TRUE(ok(got)) << number << " " << i;
    }
  }
  EXPECT_TRUE(fails(t.store().get("child"), Code::not_found));
}

TEST(Fork, AChildMayOpenAnotherEnvironment) {
  Place t;
  Place other;
  ASSERT_TRUE(ok(t.open()));
  KvStore store = t.store();
  EXPECT_EQ(in_a_child([&]() -> std::string {
              if (Result<void> opened = other.open(); !opened)
                return std::string(opened.error().message());
              if (!other.store().put("k", "v") || !other.env->close()) return "it cannot be used";
              return "";
            }),
            "");
  ASSERT_TRUE(ok(other.open()));
  EXPECT_EQ(other.store().get("k").value_or(""), "v");
  EXPECT_TRUE(ok(store.put("k", "v")));
}

}  // namespace
}  // namespace aether::contract
