// Processes that open one environment at once: one has it, the others are told so at once; and who is killed while he has it
// leaves no lock behind.
// ctest: timeout=600
//
//   AETHER_RACES=1000 two_processes_test   more openings than 40
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <new>
#include <random>

#include "integration/contract_fixture.h"
#include "sim/forwarding_os.h"
#include "sim/sim_os.h"
#include "support/killed_child.h"

namespace aether::contract {
namespace {

using testing_support::give_up;
using Clock = std::chrono::steady_clock;

constexpr int kProcesses = 3;

/// Memory that all of them share.
struct Shared {
  std::atomic<uint64_t> opened{0}, refused{0}, kills{0};
  std::atomic<int> inside{0};
  std::atomic<uint64_t> count{0};  ///< What the row holds.
  testing_support::LastWords error{};
};

EnvOptions race_options() {
  EnvOptions options = small_options();
  options.durability = Durability::group;
  options.live = false;
  return options;
}

void fail(Shared& shared, const std::string& why) {
  give_up(shared.error, Error(Code::failed, why));
}

/// Has the environment open: nobody else has, and the row holds what the last one wrote.
void use(Shared& shared, DbEnv& env, bool dies) {
  if (shared.inside.fetch_add(1) != 0) fail(shared, "two processes have it open");
  Result<KvStore> store = env.open_store("rows");
  if (!store) give_up(shared.error, store.error());
  const uint64_t count = shared.count.load();
  const Result<std::string> found = store->get("count");
  if (count != 0 && (!found || *found != std::to_string(count)))
    fail(shared, "the row holds " + (found ? *found : std::string("nothing")) + ", not " +
                     std::to_string(count));
  if (const Result<void> put = store->put("count", std::to_string(count + 1)); !put)
    give_up(shared.error, put.error());
  shared.count.store(count + 1);
  shared.inside.fetch_sub(1);
  if (!dies) return;
  shared.kills.fetch_add(1);
  ::raise(SIGKILL);
}

[[noreturn]] void race(const std::string& home, Shared& shared, uint64_t seed, uint64_t races) {
  std::mt19937_64 random(seed);
  while (shared.opened.load() < races) {
    const Clock::time_point from = Clock::now();
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open(home, race_options());
    if (!env) {
      if (env.error().code() != Code::busy ||
          env.error().message().find("the environment is open in") == std::string_view::npos)
        give_up(shared.error, env.error());
      // At once: opening that waits for the other one would take as long as that has it.
      if (Clock::now() - from > std::chrono::seconds(5)) fail(shared, "the refusal took its time");
      shared.refused.fetch_add(1);
      ::sched_yield();
      continue;
    }
    shared.opened.fetch_add(1);
    use(shared, **env, random() % 8 == 0);
    if (const Result<void> closed = (*env)->close(); !closed) give_up(shared.error, closed.error());
  }
  ::_exit(0);
}

/// Where another process makes the home right after it was looked for.
class LateHome final : public sim::ForwardingOs {
 public:
  using ForwardingOs::ForwardingOs;
  Result<bool> exists(const std::string& path) override {
    AETHER_TRY_ASSIGN(const bool there, ForwardingOs::exists(path));
    if (!there && path == "/env") AETHER_TRY(ForwardingOs::create_directory(path));
    return there;
  }
};

TEST(TwoProcesses, TheHomeMayAppearWhileItIsLookedFor) {
  sim::SimOs machine({.seed = 1});
  LateHome os(machine);
  const auto env = DbEnv::open("/env", {.background_threads = false}, os);
  ASSERT_TRUE(env.has_value()) << env.error().message();
}

TEST(TwoProcesses, OneHasItTheOthersAreToldSo) {
  const char* text = std::getenv("AETHER_RACES");
  const uint64_t races = text == nullptr ? 40 : std::strtoull(text, nullptr, 0);
  Place t;
  void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                        -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  Shared& shared = *new (memory) Shared();
  uint64_t seed = 1;
  const auto start = [&] {
    const pid_t child = ::fork();
    if (child == 0) race(t.home, shared, ++seed, races);
    ++seed;
    return child;
  };
  int running = 0;
  for (; running < kProcesses; ++running) ASSERT_GT(start(), 0);
  while (running > 0) {
    int status = 0;
    ASSERT_GT(::wait(&status), 0);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
      ASSERT_GT(start(), 0);  // Another one in its place.
      continue;
    }
    --running;
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
        << "status " << status << ": " << shared.error.data();
  }
  ASSERT_TRUE(ok(t.open()));
  EXPECT_EQ(t.store("rows").get("count").value_or(""), std::to_string(shared.count.load()));
  EXPECT_GT(shared.kills.load(), 0u);
  EXPECT_GT(shared.refused.load(), 0u);
  std::printf("%llu opened, %llu refused, %llu killed while they had it\n",
              static_cast<unsigned long long>(shared.opened.load()),
              static_cast<unsigned long long>(shared.refused.load()),
              static_cast<unsigned long long>(shared.kills.load()));
  ::munmap(memory, sizeof(Shared));
}

}  // namespace
}  // namespace aether::contract
