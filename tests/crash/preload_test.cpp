// A C library that fails, tears and lies at the n-th call, under the real engine on real files; every n in turn. The process
// says on a pipe what was acknowledged to it; afterwards the environment is opened without the library, and shows that.
// ctest: timeout=900
//
//   AETHER_PRELOAD=all preload_test    every n of every fault, not some 30 of each
//   AETHER_SEED=7 preload_test         the same choices
#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "base/bytes.h"
#include "crash/preload_load.h"

namespace aether::preload {
namespace {

namespace fs = std::filesystem;

// --- the process whose library fails ---------------------------------------------------------------------

Result<std::vector<KvStore>> open_stores(DbEnv& env) {
  std::vector<KvStore> stores;
  for (const char* name : {"alpha", "beta"}) {
    AETHER_TRY_ASSIGN(const KvStore store, env.open_store(name));
    stores.push_back(store);
  }
  return stores;
}

/// After a failure: what was acknowledged is still read, and nothing more can be written.
void look_at_failed(DbEnv& env, std::vector<KvStore>& stores, int pipe) {
  if (env.stats().state != "failed") return;
  const Result<void> put = stores[0].put("after the failure", "no");
  if (put || put.error().code() != Code::failed || put.error().message().empty())
    say(pipe, {Word::wrong_read, 0, 0, ~uint64_t{0}});
}

/// One life: open, write, close. True: without any error.
bool live(const std::string& home, uint64_t seed, int pipe, bool recover_only) {
  Result<std::unique_ptr<DbEnv>> env = DbEnv::open(home, options());
  if (!env) return false;
  if (recover_only) return (*env)->close().has_value();
  Result<std::vector<KvStore>> stores = open_stores(**env);
  if (!stores) return false;
  std::array<bool, kWriters> fine{};
  std::vector<std::thread> threads;
  for (uint64_t number = 0; number < kWriters; ++number) {
    threads.emplace_back([&, number] {
      Writer writer(**env, *stores, number, seed, pipe);
      writer.begin_stamps(seed * 1000);
      fine[number] = writer.run();
    });
  }
  for (std::thread& thread : threads) thread.join();
  look_at_failed(**env, *stores, pipe);
  const Result<void> closed = (*env)->close();
  return closed && fine[0] && fine[1];
}

/// preload_test --worker HOME SEED PIPE WHAT
int work(char** arguments) {
  const std::string home = arguments[0];
  const uint64_t seed = std::strtoull(arguments[1], nullptr, 10);
  const int pipe = std::atoi(arguments[2]);
  const std::string what = arguments[3];
  const bool fine = live(home, seed, pipe, what == "recover");
  // The same machine goes on: what the failed sync has lost is still to be seen.
  if (what == "reopen") live(home, seed + 500, pipe, false);
  say(pipe, {fine ? Word::finished : Word::error, 0, 0, 0});
  if (what == "cut" || what == "reopen") {
    using Cut = void (*)();
    if (auto cut = reinterpret_cast<Cut>(::dlsym(RTLD_DEFAULT, "aether_fault_power_cut"))) cut();
  }
  return 0;
}

// --- laps ------------------------------------------------------------------------------------------------

struct Fault {
  const char* name;
  const char* calls;   ///< AETHER_FAULT_CALL
  const char* action;  ///< AETHER_FAULT_DO
  const char* file = "";
  bool sticky = false;
  const char* then = "";   ///< "cut": the power goes at the end; "reopen": after one life more.
  bool invisible = false;  ///< The load must not notice.
};

constexpr Fault kFaults[] = {
    {"kill", "write sync alloc name", "kill"},
    {"powercut", "write sync alloc name", "powercut"},
    {"powercut_some", "write sync alloc name", "powercut_some"},
    {"tear", "write", "tear"},
    {"garbage", "write", "garbage"},
    {"eio_write", "write", "eio"},
    {"eio_sync", "sync", "eio"},
    {"eio_name", "name", "eio"},
    {"eio_alloc", "alloc", "eio"},
    {"eio_read", "read", "eio"},
    {"enospc", "write alloc name", "enospc"},
    {"enospc_sticky", "write alloc name", "enospc", "", true},
    {"short", "read write", "short", "", false, "", true},
    {"eintr", "read write sync alloc", "eintr", "", false, "", true},
    {"fsyncgate", "sync", "fsyncgate", "", false, "cut"},
    {"fsyncgate_reopen", "sync", "fsyncgate", "", false, "reopen"},
};

class Preload : public testing::TestWithParam<Fault> {
 protected:
  void SetUp() override {
#if defined(AETHER_ASAN) || defined(AETHER_TSAN)
    GTEST_SKIP() << "a sanitizer's library has to come first";
#endif
    const bool memory = fs::is_directory("/dev/shm");
    std::string name = std::string(memory ? "/dev/shm" : fs::temp_directory_path().string()) +
                       "/aether_preload_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    top_ = name;
  }
  void TearDown() override {
    std::error_code ignored;
    if (!top_.empty()) fs::remove_all(top_, ignored);
  }

  /// A new place for a lap.
  void begin_lap() {
    fs::remove_all(top_);
    fs::create_directories(top_ / "disk");
    account_ = Account();
  }
  std::string home() const { return (top_ / "disk" / "env").string(); }

  /// Runs a process with the fault at its n-th call; 0: none. Returns how many calls could have been hit.
  uint64_t run(const Fault& fault, uint64_t n, uint64_t seed, const std::string& what) {
    const std::string state = (top_ / "state").string();
    {
      const int fd = ::open(state.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
      EXPECT_EQ(::ftruncate(fd, 16), 0);
      ::close(fd);
    }
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(ends[0]);
      ::setenv("LD_PRELOAD", AETHER_PRELOAD_SHIM, 1);
      ::setenv("AETHER_FAULT_HOME", (top_ / "disk").c_str(), 1);
      ::setenv("AETHER_FAULT_STATE", state.c_str(), 1);
      ::setenv("AETHER_FAULT_CALL", fault.calls, 1);
      ::setenv("AETHER_FAULT_FILE", fault.file, 1);
      ::setenv("AETHER_FAULT_DO", fault.action, 1);
      ::setenv("AETHER_FAULT_AT", std::to_string(n).c_str(), 1);
      ::setenv("AETHER_FAULT_SEED", std::to_string(seed * 131 + n).c_str(), 1);
      if (fault.sticky) ::setenv("AETHER_FAULT_STICKY", "1", 1);
      const std::string pipe = std::to_string(ends[1]);
      const std::string number = std::to_string(seed);
      ::execl("/proc/self/exe", "preload_test", "--worker", home().c_str(), number.c_str(),
              pipe.c_str(), what.c_str(), nullptr);
      ::_exit(8);
    }
    ::close(ends[1]);
    account_.begin_life();
    listen(ends[0], child);
    ::close(ends[0]);
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    const bool ended = (WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
                       (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    EXPECT_TRUE(ended) << "the process ended with status " << status;
    std::array<uint64_t, 2> counts{};
    const int fd = ::open(state.c_str(), O_RDONLY);
    EXPECT_EQ(::read(fd, counts.data(), sizeof counts), static_cast<ssize_t>(sizeof counts));
    ::close(fd);
    struck_ = counts[1];
    return counts[0];
  }

  void listen(int pipe, pid_t child) {
    for (Message message;;) {
      pollfd wait{.fd = pipe, .events = POLLIN, .revents = 0};
      if (::poll(&wait, 1, 60'000) == 0) {
        ADD_FAILURE() << "the process hangs";
        ::kill(child, SIGKILL);
        return;
      }
      if (::read(pipe, &message, sizeof message) != static_cast<ssize_t>(sizeof message)) return;
      account_.hear(message);
    }
  }

  /// Opens without the library, compares, and leaves it closed.
  void check() {
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open(home(), options());
    ASSERT_TRUE(env.has_value()) << env.error().message();
    Result<std::vector<KvStore>> stores = open_stores(**env);
    ASSERT_TRUE(stores.has_value()) << stores.error().message();
    EXPECT_EQ(account_.compare(*stores), "");
    const Result<VerifyReport> report = (*env)->verify();
    ASSERT_TRUE(report.has_value()) << report.error().message();
    for (const VerifyProblem& problem : report->problems)
      ADD_FAILURE() << "page " << problem.page_id << ": " << problem.message;
    const Result<void> closed = (*env)->close();
    EXPECT_TRUE(closed.has_value()) << closed.error().message();
  }

  fs::path top_;
  Account account_;
  uint64_t struck_ = 0;
};

const Fault kNone{"none", "write sync alloc name", "none"};
const Fault kKill{"kill", "write sync alloc name", "kill"};

bool wants_all() {
  const char* text = std::getenv("AETHER_PRELOAD");
  return text != nullptr && std::string(text) == "all";
}
uint64_t seed_of_run() {
  const char* text = std::getenv("AETHER_SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 0) : std::random_device()() % 1000 + 1;
}
/// Of n in [1, calls]: all, or about `count` of them.
std::vector<uint64_t> choose(uint64_t calls, uint64_t count, uint64_t seed) {
  std::vector<uint64_t> chosen;
  const uint64_t step = wants_all() ? 1 : std::max<uint64_t>(1, calls / count);
  for (uint64_t n = 1 + (wants_all() ? 0 : seed % step); n <= calls; n += step) chosen.push_back(n);
  return chosen;
}

TEST_P(Preload, AtEveryCall) {
  const Fault& fault = GetParam();
  const uint64_t seed = seed_of_run();
  // How many there are: a run whose fault is out of reach counts them.
  begin_lap();
  const uint64_t all = run(fault, ~uint64_t{0} >> 1, seed, "load");
  ASSERT_GT(all, 5u) << "is the library in front of the real one?";
  ASSERT_TRUE(account_.finished()) << "the load has errors of its own";
  uint64_t laps = 0, struck = 0, acknowledged = 0;
  for (const uint64_t n : choose(all, 6, seed)) {
    SCOPED_TRACE(std::string(fault.name) + " at call " + std::to_string(n) +
                 " with AETHER_SEED=" + std::to_string(seed));
    begin_lap();
    run(fault, n, seed, fault.then[0] != 0 ? fault.then : "load");
    ++laps;
    struck += struck_ != 0 ? 1 : 0;
    if (fault.invisible) {
      EXPECT_TRUE(account_.finished());
      EXPECT_EQ(account_.errors(), 0u);
    }
    check();
    acknowledged += account_.acknowledged();
    if (HasFailure()) break;
  }
  std::printf("%s: %llu laps of %llu calls, %llu struck, %llu acknowledged transactions checked\n",
              fault.name, static_cast<unsigned long long>(laps),
              static_cast<unsigned long long>(all), static_cast<unsigned long long>(struck),
              static_cast<unsigned long long>(acknowledged));
  EXPECT_GT(struck, 0u);
}

std::string name_of(const testing::TestParamInfo<Fault>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Every, Preload, testing::ValuesIn(kFaults), name_of);

// Goal:   a test that cannot fail proves nothing: without the syncs of one file, or of the directories, something is lost.
// Method: those syncs do nothing, the power goes late in the load.
class PreloadSensitivity : public Preload {};

TEST_P(PreloadSensitivity, WithoutItsSyncsSomethingIsLost) {
  const uint64_t seed = seed_of_run();
  begin_lap();
  const uint64_t all = run(kNone, ~uint64_t{0} >> 1, seed, "load");
  uint64_t noticed = 0;
  ::setenv("AETHER_FAULT_DEAF", GetParam().file, 1);
  for (const uint64_t tenth : {5u, 7u, 9u}) {
    begin_lap();
    run({"powercut", kNone.calls, "powercut"}, all * tenth / 10, seed, "load");
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open(home(), options());
    Result<std::vector<KvStore>> stores = env ? open_stores(**env) : env.error().clone();
    const bool whole = stores && account_.compare(*stores).empty();
    noticed += whole ? 0 : 1;
  }
  ::unsetenv("AETHER_FAULT_DEAF");
  EXPECT_GT(noticed, 0u);
}
constexpr Fault kDeaf[] = {{"log", "", "", ".log"},
                           {"data", "", "", "/data"},
                           {"log_directory", "", "", "/log"},
                           {"home", "", "", "/env"},
                           {"parent", "", "", "/disk"}};
INSTANTIATE_TEST_SUITE_P(Every, PreloadSensitivity, testing::ValuesIn(kDeaf), name_of);

// Goal:   the same inside recovery: it is interrupted at its n-th call, again and again, and always goes on.
// Method: a killed load; then openings whose power goes at call 1, 1 + step, ... until one comes through.
class PreloadRecovery : public Preload {};

TEST_P(PreloadRecovery, InterruptedAtEveryCall) {
  const Fault& fault = GetParam();
  const uint64_t seed = seed_of_run();
  uint64_t recoveries = 0, bytes_before = 0, bytes_after = 0;
  for (uint64_t life = 0; life < (wants_all() ? 10u : 2u); ++life) {
    begin_lap();
    const uint64_t all = run(kNone, ~uint64_t{0} >> 1, seed + life, "load");
    begin_lap();
    run(kKill, all * (5 + life % 5) / 10, seed + life, "load");
    const auto size = [&] {
      uint64_t bytes = 0;
      for (const auto& entry : fs::recursive_directory_iterator(home()))
        if (entry.is_regular_file()) bytes += entry.file_size();
      return bytes;
    };
    bytes_before = size();
    const uint64_t step = wants_all() ? 1 : 7;
    for (uint64_t n = 1;; n += step) {
      SCOPED_TRACE(std::string(fault.name) + " at call " + std::to_string(n) +
                   " of recovery with AETHER_SEED=" + std::to_string(seed + life));
      run(fault, n, seed + n, "recover");
      ++recoveries;
      if (struck_ == 0) break;
      ASSERT_LT(n, 2000u) << "recovery never ends";
      if (wants_all() && n % 5 == 0) check();
      if (HasFailure()) return;
    }
    check();
    bytes_after = size();
    EXPECT_LE(bytes_after, bytes_before * 3 / 2 + 2 * MiB)
        << "interrupted recoveries leave files behind";
  }
  std::printf("%s: %llu recoveries\n", fault.name, static_cast<unsigned long long>(recoveries));
}

constexpr Fault kRecoveryFaults[] = {
    {"kill", "write sync alloc name", "kill"},
    {"powercut", "write sync alloc name", "powercut"},
    {"powercut_some", "write sync alloc name", "powercut_some"},
    {"garbage", "write", "garbage"},
    {"eio", "write sync alloc name read", "eio"},
    {"enospc", "write alloc name", "enospc"},
};
INSTANTIATE_TEST_SUITE_P(Every, PreloadRecovery, testing::ValuesIn(kRecoveryFaults), name_of);

}  // namespace
}  // namespace aether::preload

int main(int argc, char** argv) {
  if (argc == 6 && std::string(argv[1]) == "--worker") return aether::preload::work(argv + 2);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
