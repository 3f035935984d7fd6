// The environment as its user sees it: opening, options, one process at a time, read-only, full disks, the end.
// Damaged and foreign directories are in env_files_test.cpp, stores by name in catalogue_test.cpp.
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <vector>

#include "integration/contract_fixture.h"
#include "sim/sim_os.h"

namespace aether::contract {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// --- opening ---------------------------------------------------------------------------------------------

TEST(EnvOpen, MakesItsDirectoryAndFindsEverythingAgain) {
  Place t;
  ASSERT_TRUE(ok(t.open()));
  EXPECT_EQ(t.env->home(), t.home);
  EXPECT_FALSE(t.env->recovery_report().ran);
  ASSERT_TRUE(ok(t.store().put("k", "v")));
  const std::string uuid = t.env->stats().uuid;
  ASSERT_TRUE(ok(t.env->close()));
  ASSERT_TRUE(ok(t.open()));
  EXPECT_FALSE(t.env->recovery_report().ran);
  EXPECT_EQ(t.env->stats().uuid, uuid);
  EXPECT_EQ(t.store().get("k").value(), "v");
  EXPECT_TRUE(t.whole());
}

TEST(EnvOpen, OnlyTheOwnerMayLookIn) {
  Place t;
  ASSERT_TRUE(ok(t.open()));
  EXPECT_EQ(fs::status(t.home).permissions(), fs::perms::owner_all);
  for (const auto& entry : fs::recursive_directory_iterator(t.home)) {
    const fs::perms wanted = entry.is_directory() ? fs::perms::owner_all
                                                  : fs::perms::owner_read | fs::perms::owner_write;
    EXPECT_EQ(entry.status().permissions(), wanted) << entry.path();
  }
}

TEST(EnvOpen, WithoutCloseTheDestructorCloses) {
  Place t;
  ASSERT_TRUE(ok(t.open()));
  ASSERT_TRUE(ok(t.store().put("k", "v")));
  t.env.reset();
  ASSERT_TRUE(ok(t.open()));
  EXPECT_FALSE(t.env->recovery_report().ran);
  EXPECT_EQ(t.store().get("k").value(), "v");
}

TEST(EnvOpen, AnEmptyDirectoryBecomesAnEnvironment) {
  Place t;
  ASSERT_TRUE(fs::create_directory(t.home));
  ASSERT_TRUE(ok(t.open()));
  EXPECT_TRUE(ok(t.store().put("k", "v")));
}

TEST(EnvOpen, WithoutCreateNothingIsMade) {
  Place t;
  t.options.create = false;
  EXPECT_TRUE(fails(t.open(), Code::not_found, t.home));
  EXPECT_FALSE(fs::exists(t.home));
  ASSERT_TRUE(fs::create_directory(t.home));
  EXPECT_TRUE(fails(t.open(), Code::not_found, "not an Aether environment"));
  EXPECT_TRUE(fs::is_empty(t.home));
}

TEST(EnvOpen, BadNamesOfDirectoriesAreRefused) {
  Place t;
  const std::string good = t.home;
  t.home = "";
  EXPECT_TRUE(fails(t.open(), Code::invalid_argument, "empty"));
  t.home = good + std::string("\0tail", 5);
  EXPECT_TRUE(fails(t.open(), Code::invalid_argument, "zero byte"));
  EXPECT_FALSE(fs::exists(good)) << "a name was cut at its zero byte";
  t.home = good + "/too/deep";
  EXPECT_TRUE(fails(t.open(), Code::not_found, t.home));
  t.home = t.directory / std::string(300, 'n');
  EXPECT_TRUE(fails(t.open(), Code::io_error, "too long"));
}

// --- options ---------------------------------------------------------------------------------------------

struct BadOption {
  const char* name;  ///< Stands in the message.
  std::function<void(EnvOptions&)> spoil;
};

// Goal:   each wrong option is named, with what it may be; and a refused call has not made anything.
TEST(EnvOptions, EachBadOneIsNamedAndNothingIsMade) {
  const std::vector<BadOption> all = {
      {"page_bytes", [](EnvOptions& o) { o.page_bytes = 0; }},
      {"page_bytes", [](EnvOptions& o) { o.page_bytes = 2048; }},
      {"page_bytes", [](EnvOptions& o) { o.page_bytes = 5000; }},
      {"page_bytes", [](EnvOptions& o) { o.page_bytes = 131072; }},
      {"pool_bytes", [](EnvOptions& o) { o.pool_bytes = 0; }},
      {"pool_bytes", [](EnvOptions& o) { o.pool_bytes = 64 * 4096; }},  // The headers count.
      {"log_streams", [](EnvOptions& o) { o.log_streams = 9; }},
      {"log_segment_bytes", [](EnvOptions& o) { o.log_segment_bytes = 0; }},
      {"log_segment_bytes", [](EnvOptions& o) { o.log_segment_bytes = 128 * KiB; }},
      {"log_segment_bytes", [](EnvOptions& o) { o.log_segment_bytes = 3 * MiB; }},
      {"log_segment_bytes", [](EnvOptions& o) { o.log_segment_bytes = 2 * GiB; }},
      {"log_bytes_max", [](EnvOptions& o) { o.log_bytes_max = 0; }},
      {"log_bytes_max", [](EnvOptions& o) { o.log_bytes_max = 4 * MiB - 1; }},
  };
  for (size_t i = 0; i < all.size(); ++i) {
    SCOPED_TRACE("option " + std::to_string(i));
    Place t;
    all[i].spoil(t.options);
    const Result<void> opened = t.open();
    EXPECT_TRUE(fails(opened, Code::invalid_argument, all[i].name));
    EXPECT_TRUE(fails(opened, Code::invalid_argument, "must"));
    EXPECT_FALSE(fs::exists(t.home));
  }
}

TEST(EnvOptions, APoolThatNoMachineHasIsRefused) {
  Place t;
  t.options.pool_bytes = uint64_t{1} << 62;
  EXPECT_TRUE(fails(t.open(), Code::no_memory, "pool_bytes"));
  t.options.pool_bytes = small_options().pool_bytes;
  EXPECT_TRUE(ok(t.open()));
}

// Goal:   what was fixed at creation is taken from the directory; what is given later is ignored, even nonsense.
TEST(EnvOptions, LaterOpensIgnoreThoseOfCreation) {
  Place t;
  t.options = small_options(16384);
  ASSERT_TRUE(ok(t.open()));
  t.options.page_bytes = 12;
  t.options.log_streams = 77;
  t.options.log_segment_bytes = 64 * MiB;
  t.options.log_bytes_max = 8 *
                            MiB;  // Less than four of those; enough for four of the directory's.
  ASSERT_TRUE(ok(t.env->close()));
  ASSERT_TRUE(ok(t.open()));
  EXPECT_EQ(t.env->stats().page_bytes, 16384u);
  EXPECT_EQ(t.env->stats().log_streams, 2u);
  t.options
      .pool_bytes = 128 *
                    4096;  // Enough for 64 of the pages asked for, not of those that are there.
  ASSERT_TRUE(ok(t.env->close()));
  EXPECT_TRUE(fails(t.open(), Code::invalid_argument, "pages of 16384 bytes"));
}

TEST(EnvOptions, TheLeastPoolWorks) {
  for (const uint32_t page_bytes : {4096u, 65536u}) {
    Place t;
    t.options = small_options(page_bytes);
    t.options.pool_bytes = 68 * page_bytes;
    t.options.log_segment_bytes = 64 * page_bytes;
    t.options.log_bytes_max = 4 * t.options.log_segment_bytes;
    ASSERT_TRUE(ok(t.open())) << page_bytes;
    KvStore store = t.store();
    for (int i = 0; i < 3000; ++i)
      ASSERT_TRUE(ok(store.put(key_of(i), std::string(500, 'v')))) << i;
    for (int i = 0; i < 3000; ++i) ASSERT_TRUE(ok(store.get(key_of(i)))) << i;
    EXPECT_TRUE(t.whole());
  }
}

// Goal:   who states how long a reopening may take gets a log that is no longer than that, whatever log_bytes_max is.
// Method: 24 MiB of updates of the same rows, a power cut, and a look at how much log the recovery had to read.
TEST(EnvOptions, ReopenSecondsBoundTheLogThatRecoveryReads) {
  const auto log_read = [](double seconds) {
    sim::SimOs os;
    const EnvOptions options{.pool_bytes = 1 * MiB,
                             .log_segment_bytes = 1 * MiB,
                             .log_bytes_max = 64 * MiB,
                             .reopen_seconds_max = seconds,
                             .durability = Durability::none,
                             .background_threads = false};
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open("/env", options, os);
    EXPECT_TRUE(ok(env));
    KvStore store = (*env)->open_store("s").value();
    for (int i = 0; i < 24 * 1024; ++i) {
      const std::string value(1000, static_cast<char>('a' + i % 26));
      if (!store.put(key_of(i % 200), value)) ADD_FAILURE() << "put " << i;
    }
    Result<Transaction> last = (*env)->begin(
        {.durability = Durability::group, .env_durability = false});
    EXPECT_TRUE(ok(store.put(*last, "last", "1")));
    EXPECT_TRUE(ok(last->commit()));
    const double estimate = (*env)->stats().reopen_seconds;
    EXPECT_LE(estimate, seconds > 0 ? 2 * seconds : 60);
    const std::unique_ptr<sim::SimOs> after = os.crash({.policy = sim::CrashPolicy::lost});
    const Result<std::unique_ptr<DbEnv>> again = DbEnv::open("/env", options, *after);
    EXPECT_TRUE(ok(again));
    return again ? (*again)->recovery_report().log_bytes_read : 0;
  };
  // Before an environment has been recovered in this process 32 MiB a second are assumed.
  EXPECT_LE(log_read(0.25), 9 * MiB);
  EXPECT_GE(log_read(0), 20 * MiB) << "without it the log grows to its bound";
}

TEST(EnvOptions, ARefusedRingIsUnsupportedAndThreadsAlwaysWork) {
  Place t;
  t.options.io_mode = IoMode::uring;
  if (const Result<void> opened = t.open(); !opened) {
    EXPECT_TRUE(fails(opened, Code::unsupported));
  }
  t.env.reset();
  t.options.io_mode = IoMode::threads;
  EXPECT_TRUE(ok(t.open()));
}

// --- one process at a time -------------------------------------------------------------------------------

TEST(EnvLock, ASecondOpenInTheSameProcessIsBusy) {
  Place t;
  ASSERT_TRUE(ok(t.open()));
  for (const bool read_only : {false, true}) {
    EnvOptions options = t.options;
    options.read_only = read_only;
    const auto second = DbEnv::open(t.home, options);
    EXPECT_TRUE(fails(second, Code::busy, "process " + std::to_string(::getpid())));
  }
  EXPECT_TRUE(ok(t.store().put("k", "v")));  // The first has lost nothing by it.
  ASSERT_TRUE(ok(t.env->close()));
  EXPECT_TRUE(ok(DbEnv::open(t.home, t.options)));
}

/// Runs `body` in a child process; its answer is the exit status, 0 if it returned nothing.
int in_child(const std::function<std::string()>& body) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    const std::string problem = body();
    if (!problem.empty()) std::fprintf(stderr, "in the child: %s\n", problem.c_str());
    std::_Exit(problem.empty() ? 0 : 1);
  }
  int status = 0;
  if (::waitpid(pid, &status, 0) != pid) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

// Goal:   another process is told who has the environment; and gets it when that one has died.
// Method: the holder is a child that is stopped in the middle; a pipe tells when it has the environment.
TEST(EnvLock, AnotherProcessIsToldThePidUntilTheHolderDies) {
  Place t;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t holder = ::fork();
  if (holder == 0) {
    const Result<void> opened = t.open();
    if (opened)
      static_cast<void>(t.store().put("k", "v").has_value() && t.env->checkpoint().has_value());
    const char answer = opened ? 'y' : 'n';
    static_cast<void>(::write(ready[1], &answer, 1) == 1);
    for (;;) ::pause();
  }
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  EXPECT_TRUE(fails(t.open(), Code::busy, "process " + std::to_string(holder)));
  t.options.read_only = true;
  EXPECT_TRUE(fails(t.open(), Code::busy, "process " + std::to_string(holder)));
  ASSERT_EQ(::kill(holder, SIGKILL), 0);
  ASSERT_EQ(::waitpid(holder, nullptr, 0), holder);
  EXPECT_TRUE(
      fails(t.open(), Code::unsupported, "recover"));  // Read-only, and not closed in order.
  t.options.read_only = false;
  ASSERT_TRUE(ok(t.open()));
  EXPECT_TRUE(t.env->recovery_report().ran);
  EXPECT_EQ(t.store().get("k").value(), "v");
  ::close(ready[0]);
  ::close(ready[1]);
}

// --- read-only -------------------------------------------------------------------------------------------

/// Every way to write.
void expect_no_writes(Place& t) {
  KvStore store = t.store();
  constexpr Code kNo = Code::invalid_argument;
  EXPECT_TRUE(fails(store.put("k", "w"), kNo, "read-only"));
  EXPECT_TRUE(fails(store.insert("n", "w"), kNo, "read-only"));
  EXPECT_TRUE(fails(store.update("k", "w"), kNo, "read-only"));
  EXPECT_TRUE(fails(store.remove("k"), kNo, "read-only"));
  EXPECT_TRUE(fails(store.put("k", std::string(100000, 'L')), kNo, "read-only"));
  EXPECT_TRUE(fails(store.bulk_load([](Bytes&, Bytes&) { return false; }), kNo, "read-only"));
  EXPECT_TRUE(fails(t.env->drop_store("main"), kNo, "read-only"));
  EXPECT_TRUE(fails(t.env->checkpoint(), kNo, "read-only"));
  EXPECT_TRUE(fails(t.env->open_store("other"), Code::not_found, "other"));
  Transaction txn = t.begin();
  EXPECT_TRUE(fails(store.put(txn, "k", "w"), kNo, "read-only"));
  EXPECT_EQ(store.get(txn, "k").value(), "v");
  EXPECT_TRUE(ok(txn.commit()));
}

/// Size, time of change and bytes of every file.
std::string fingerprint(const std::string& home) {
  std::string all;
  for (const auto& entry : fs::recursive_directory_iterator(home)) {
    all += entry.path().string() + ' ';
    if (!entry.is_regular_file()) continue;
    const auto time = entry.last_write_time().time_since_epoch().count();
    all += std::to_string(entry.file_size()) + ' ' + std::to_string(time) + '\n';
  }
  return all;
}

TEST(EnvReadOnly, ReadsEverythingAndChangesNothing) {
  Place t;
  ASSERT_TRUE(ok(t.open()));
  const std::string large(50000, 'L');
  ASSERT_TRUE(ok(t.store().put("k", "v")));
  ASSERT_TRUE(ok(t.store().put("large", large)));
  ASSERT_TRUE(ok(t.env->close()));
  const std::string before = fingerprint(t.home);
  t.options.read_only = true;
  ASSERT_TRUE(ok(t.open()));
  EXPECT_EQ(t.env->stats().state, "read_only");
  EXPECT_EQ(t.store().get("large").value(), large);
  EXPECT_EQ(t.store().scan({}, [](Bytes, Bytes) { return true; }).value(), 2u);
  expect_no_writes(t);
  EXPECT_TRUE(t.whole());
  ASSERT_TRUE(ok(t.env->close()));
  EXPECT_EQ(fingerprint(t.home), before);
}

TEST(EnvReadOnly, AMissingOneIsNotMade) {
  Place t;
  t.options.read_only = true;
  EXPECT_TRUE(fails(t.open(), Code::not_found, t.home));
  EXPECT_FALSE(fs::exists(t.home));
}

TEST(EnvReadOnly, WithoutItsLockFileItSaysWhatToDo) {
  Place t;
  ASSERT_TRUE(ok(t.open()));
  ASSERT_TRUE(ok(t.env->close()));
  ASSERT_TRUE(fs::remove(t.home + "/LOCK"));
  t.options.read_only = true;
  EXPECT_TRUE(fails(t.open(), Code::unsupported, "open the environment once for writing"));
  EXPECT_FALSE(fs::exists(t.home + "/LOCK"));
  t.options.read_only = false;
  EXPECT_TRUE(ok(t.open()));
}

// Goal:   directory and files that may only be read serve a read-only open, by their owner; writing is refused, and
//         the message names the file.
// Method: as a user whom modes bind; root is bound by none.
TEST(EnvReadOnly, ServesFilesThatMayOnlyBeRead) {
  constexpr uid_t kNobody = 65534;
  Place t;
  const bool is_root = ::geteuid() == 0;
  const uid_t user = is_root ? kNobody : ::geteuid();
  ASSERT_TRUE(ok(t.open()));
  ASSERT_TRUE(ok(t.store().put("k", "v")));
  ASSERT_TRUE(ok(t.env->close()));
  t.env.reset();
  fs::permissions(t.directory.path(), fs::perms::all);
  std::vector<std::string> paths{t.home};
  for (const auto& entry : fs::recursive_directory_iterator(t.home)) paths.push_back(entry.path());
  for (const std::string& path : paths) {
    ASSERT_TRUE(!is_root || ::chown(path.c_str(), user, user) == 0) << path;
    ASSERT_EQ(::chmod(path.c_str(), fs::is_directory(path) ? 0500 : 0400), 0);
  }
  const int status = in_child([&]() -> std::string {
    if (is_root && ::seteuid(user) != 0) return "seteuid";
    if (const auto answer = fails(t.open(), Code::io_error, "check the owner and mode"); !answer)
      return answer.message();
    t.options.read_only = true;
    if (const auto answer = ok(t.open()); !answer) return answer.message();
    expect_no_writes(t);
    const Result<std::string> got = t.store().get("k");
    return got && *got == "v" && !testing::Test::HasFailure() ? "" : "the row is not there";
  });
  EXPECT_EQ(status, 0);
  for (const std::string& path : paths) ::chmod(path.c_str(), 0700);
}

// --- a full disk -----------------------------------------------------------------------------------------

// Goal:   when the disk is full a write says so, reads go on, and nothing acknowledged is lost, now and later.
// Method: the simulated disk's capacity ends while rows of 3 KiB are put, each a durable commit of its own.
TEST(EnvFullDisk, AWriteSaysSoAndNothingAcknowledgedIsLost) {
  sim::SimOs os;
  EnvOptions options = small_options();
  options.durability = Durability::group;
  options.background_threads = false;
  const std::string value(3000, 'v');
  auto env = DbEnv::open("/env", options, os);
  ASSERT_TRUE(ok(env));
  KvStore store = *(*env)->open_store("main");
  os.set_capacity(os.total_bytes() + 3 * MiB);
  int acknowledged = 0;
  Result<void> put;
  while (acknowledged < 10000 && (put = store.put(key_of(acknowledged), value))) ++acknowledged;
  ASSERT_FALSE(put.has_value()) << "the disk was never full";
  EXPECT_TRUE(put.error().code() == Code::no_space || put.error().code() == Code::failed);
  EXPECT_THAT(std::string(put.error().message()), HasSubstr("space"));
  EXPECT_GT(acknowledged, 100);
  for (int i = 0; i < acknowledged; ++i) ASSERT_TRUE(ok(store.get(key_of(i)))) << i;
  static_cast<void>((*env)->close().has_value());
  env->reset();

  os.set_capacity(UINT64_MAX);
  env = DbEnv::open("/env", options, os);
  ASSERT_TRUE(ok(env));
  store = *(*env)->open_store("main");
  for (int i = 0; i < acknowledged; ++i) ASSERT_EQ(store.get(key_of(i)).value(), value) << i;
  EXPECT_TRUE(ok(store.put(key_of(acknowledged), value)));
  EXPECT_TRUE((*env)->verify()->ok());
}

// Goal:   a data file that cannot grow fails the write that needs it, and only that: room that is given back by
//         removals is used again.
TEST(EnvFullDisk, AFullDataFileFailsTheWriteAlone) {
  sim::SimOs os;
  EnvOptions options = small_options();
  options.background_threads = false;
  auto env = DbEnv::open("/env", options, os);
  ASSERT_TRUE(ok(env));
  KvStore store = *(*env)->open_store("main");
  const std::string large(100000, 'L');
  os.add_fault(
      {.kind = sim::StepKind::allocate, .path_contains = "/data", .errnum = 28, .sticky = true});
  int rows = 0;
  Result<void> put;
  while (rows < 1000 && (put = store.put(key_of(rows), large))) ++rows;
  EXPECT_TRUE(fails(put, Code::no_space, "data"));
  ASSERT_GT(rows, 3);
  EXPECT_EQ((*env)->stats().state, "open");
  EXPECT_TRUE(ok(store.put("small", "v")));
  EXPECT_TRUE(fails(store.get(key_of(rows)), Code::not_found));
  ASSERT_TRUE(ok(store.remove(key_of(0))));
  ASSERT_TRUE(ok((*env)->checkpoint()));
  EXPECT_TRUE(ok(store.put(key_of(0), large)));
  EXPECT_TRUE((*env)->verify()->ok());
}

TEST(EnvFullDisk, OpensForReading) {
  sim::SimOs os;
  EnvOptions options = small_options();
  options.background_threads = false;
  {
    auto env = DbEnv::open("/env", options, os);
    ASSERT_TRUE(ok(env));
    ASSERT_TRUE(ok((*env)->open_store("main")->put("k", "v")));
    ASSERT_TRUE(ok((*env)->close()));
  }
  os.set_capacity(os.total_bytes());
  options.read_only = true;
  auto env = DbEnv::open("/env", options, os);
  ASSERT_TRUE(ok(env));
  EXPECT_EQ((*env)->open_store("main")->get("k").value(), "v");
}

// --- failed ----------------------------------------------------------------------------------------------

// Goal:   after a failed write of the log the environment says so, serves reads and refuses writes; the transaction
//         that was open is not there afterwards.
TEST(EnvFailed, ServesReadsRefusesWritesAndSaysWhatToDo) {
  sim::SimOs os;
  EnvOptions options = small_options();
  options.durability = Durability::group;
  options.background_threads = false;
  auto env = DbEnv::open("/env", options, os);
  ASSERT_TRUE(ok(env));
  KvStore store = *(*env)->open_store("main");
  ASSERT_TRUE(ok(store.put("k", "v")));
  Transaction open_txn = *(*env)->begin();
  ASSERT_TRUE(ok(store.put(open_txn, "open", "v")));
  os.add_fault({.kind = sim::StepKind::sync, .path_contains = "/log/", .sticky = true});
  EXPECT_TRUE(fails(store.put("lost", "v"), Code::failed));
  EXPECT_EQ((*env)->stats().state, "failed");
  EXPECT_EQ(store.get("k").value(), "v");
  EXPECT_EQ(store.scan({.begin = "k", .end = "l"}, [](Bytes, Bytes) { return true; }).value(), 1u);
  EXPECT_TRUE(fails(store.put("k", "w"), Code::failed, "open it again"));
  EXPECT_TRUE(fails(store.remove("k"), Code::failed));
  EXPECT_TRUE(fails((*env)->open_store("new"), Code::failed));
  EXPECT_TRUE(fails((*env)->drop_store("main"), Code::failed));
  EXPECT_TRUE(fails((*env)->checkpoint(), Code::failed));
  EXPECT_TRUE(fails(open_txn.commit(), Code::failed));
  EXPECT_FALSE(open_txn.active());
  EXPECT_TRUE(fails((*env)->close(), Code::failed));
  env->reset();
  os.clear_faults();
  env = DbEnv::open("/env", options, os);
  ASSERT_TRUE(ok(env));
  store = *(*env)->open_store("main");
  EXPECT_EQ(store.get("k").value(), "v");
  EXPECT_TRUE(fails(store.get("open"), Code::not_found));
  EXPECT_TRUE(ok(store.put("k", "w")));
}

// --- the end ---------------------------------------------------------------------------------------------

TEST(EnvClose, EveryCallAfterwardsIsClosed) {
  Place t;
  ASSERT_TRUE(ok(t.open()));
  KvStore store = t.store();
  ASSERT_TRUE(ok(store.put("k", "v")));
  Cursor cursor = store.cursor();
  ASSERT_TRUE(answers(cursor.first(), true));
  ASSERT_TRUE(ok(t.env->close()));
  EXPECT_TRUE(fails(t.env->close(), Code::closed));
  EXPECT_TRUE(fails(t.env->open_store("main"), Code::closed));
  EXPECT_TRUE(fails(t.env->drop_store("main"), Code::closed));
  EXPECT_TRUE(fails(t.env->list_stores(), Code::closed));
  EXPECT_TRUE(fails(t.env->begin(), Code::closed));
  EXPECT_TRUE(fails(t.env->checkpoint(), Code::closed));
  EXPECT_TRUE(fails(t.env->verify(), Code::closed));
  EXPECT_EQ(t.env->stats().state, "closed");
  EXPECT_EQ(t.env->home(), t.home);
  EXPECT_FALSE(t.env->recovery_report().ran);
  EXPECT_TRUE(fails(store.get("k"), Code::closed, "main"));
  EXPECT_TRUE(fails(store.visit("k", [](Bytes) {}), Code::closed));
  EXPECT_TRUE(fails(store.put("k", "w"), Code::closed));
  EXPECT_TRUE(fails(store.scan({}, [](Bytes, Bytes) { return true; }), Code::closed));
  EXPECT_TRUE(fails(store.bulk_load([](Bytes&, Bytes&) { return false; }), Code::closed));
  EXPECT_TRUE(fails(cursor.next(), Code::closed));
  EXPECT_TRUE(fails(cursor.value(), Code::closed));
  EXPECT_TRUE(fails(store.cursor().first(), Code::closed));
  EXPECT_EQ(store.name(), "main");
}

// Goal:   a transaction that was forgotten does not survive the close, and using it later does no harm.
TEST(EnvClose, WithOpenTransactionsItIsBusyClosedAndTheyAreTakenBack) {
  Place t;
  ASSERT_TRUE(ok(t.open()));
  KvStore store = t.store();
  ASSERT_TRUE(ok(store.put("k", "v")));
  {
    Transaction forgotten = t.begin();
    Transaction idle = t.begin();
    ASSERT_TRUE(ok(store.put(forgotten, "k", "uncommitted")));
    Cursor cursor = store.cursor(forgotten);
    ASSERT_TRUE(answers(cursor.first(), true));
    EXPECT_TRUE(fails(t.env->close(), Code::busy, "2 transactions"));
    EXPECT_FALSE(forgotten.active());
    EXPECT_TRUE(fails(store.put(forgotten, "k", "w"), Code::closed));
    EXPECT_TRUE(fails(cursor.next(), Code::closed));
    EXPECT_TRUE(fails(forgotten.commit(), Code::closed));
    EXPECT_TRUE(fails(idle.abort(), Code::closed));
  }
  ASSERT_TRUE(ok(t.open()));
  EXPECT_TRUE(t.env->recovery_report().ran);
  EXPECT_EQ(t.env->recovery_report().transactions_undone, 1u);
  EXPECT_EQ(t.store().get("k").value(), "v");
}

}  // namespace
}  // namespace aether::contract
