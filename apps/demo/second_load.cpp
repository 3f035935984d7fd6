#include "apps/demo/second_load.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "os/os.h"

extern char** environ;

namespace aether::demo {
namespace {

constexpr uint32_t kThreads = 2;

Result<void> load_batch(DbEnv& env, KvStore& store, const Cities& cities, uint32_t batch) {
  AETHER_TRY_ASSIGN(Transaction txn, env.begin());
  for (uint64_t i = batch; i < cities.rows().size(); i += batch_count(cities)) {
    AETHER_TRY(store.put(txn, cities.rows()[i].key, cities.rows()[i].value));
  }
  return txn.commit();
}

/// Starts this program again as the child, with the writing end of a pipe as kAcknowledgementFile.
Result<pid_t> start_child(const std::string& home, const std::string& data_path, int write_end) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, write_end, kAcknowledgementFile);
  std::array<std::string, 4> words = {"aether-demo", "--second-load", home, data_path};
  std::array<char*, 5> arguments = {words[0].data(), words[1].data(), words[2].data(),
                                    words[3].data(), nullptr};
  pid_t child = 0;
  const int error = posix_spawn(&child, "/proc/self/exe", &actions, nullptr, arguments.data(),
                                environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return Error(Code::failed, "cannot start a child process", error);
  return child;
}

/// Reads one batch number. False: the child has ended.
bool read_acknowledgement(int file, uint32_t& batch) {
  // Four bytes are written to a pipe at once or not at all, so none is cut.
  ssize_t got = 0;
  do {
    got = ::read(file, &batch, sizeof batch);
  } while (got < 0 && errno == EINTR);
  return got == static_cast<ssize_t>(sizeof batch);
}

}  // namespace

uint32_t batch_count(const Cities& cities) noexcept {
  return static_cast<uint32_t>((cities.rows().size() + kBatchRows - 1) / kBatchRows);
}

EnvOptions demo_options() {
  EnvOptions options;
  options.pool_bytes = 64 * MiB;
  options.log_segment_bytes = 16 * MiB;
  options.log_bytes_max = 128 * MiB;
  return options;
}

Result<void> load_batches(DbEnv& env, const Cities& cities, const std::vector<bool>& wanted,
                          FunctionRef<void(uint32_t batch)> acknowledged) {
  AETHER_TRY_ASSIGN(KvStore store, env.open_store(kSecondStore));
  std::array<Result<void>, kThreads> outcomes;
  const auto work = [&](uint32_t thread) {
    for (uint32_t batch = thread; batch < batch_count(cities); batch += kThreads) {
      if (!wanted.empty() && !wanted[batch]) continue;
      outcomes[thread] = load_batch(env, store, cities, batch);
      if (!outcomes[thread]) return;
      acknowledged(batch);
    }
  };
  std::vector<std::unique_ptr<os::Thread>> threads;
  for (uint32_t i = 0; i < kThreads; ++i) {
    auto started = os::production().spawn("loader", [&work, i] { work(i); });
    if (!started) outcomes[i] = std::move(started).error();
    if (outcomes[i]) threads.push_back(*std::move(started));
  }
  for (const auto& thread : threads) thread->join();
  for (Result<void>& outcome : outcomes) AETHER_TRY(std::move(outcome));
  return {};
}

int run_child(const std::string& home, const std::string& data_path) {
  const auto load = [&]() -> Result<void> {
    AETHER_TRY_ASSIGN(const Cities cities, Cities::read(data_path));
    AETHER_TRY_ASSIGN(const std::unique_ptr<DbEnv> env, DbEnv::open(home, demo_options()));
    return load_batches(*env, cities, {}, [](uint32_t batch) {
      if (::write(kAcknowledgementFile, &batch, sizeof batch) < 0) _exit(1);
    });
  };
  const Result<void> outcome = load();
  if (!outcome) {
    std::fprintf(stderr, "aether-demo, child: %s\n",
                 std::string(outcome.error().message()).c_str());
    return 1;
  }
  return 0;
}

Result<KilledLoad> kill_second_load(const std::string& home, const std::string& data_path,
                                    uint32_t batches, uint32_t kill_after,
                                    cli::Progress& progress) {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) return Error(Code::failed, "cannot make a pipe", errno);
  const uint64_t begun = os::production().monotonic_ns();
  Result<pid_t> child = start_child(home, data_path, ends[1]);
  ::close(ends[1]);
  if (!child) {
    ::close(ends[0]);
    return std::move(child).error();
  }

  KilledLoad load;
  load.acknowledged.resize(batches);
  bool killed = false;
  // What stands in the pipe after the kill was acknowledged before it, and counts.
  for (uint32_t batch = 0; read_acknowledgement(ends[0], batch);) {
    if (batch < batches) load.acknowledged[batch] = true;
    ++load.acknowledged_count;
    progress.update(load.acknowledged_count, batches, load.acknowledged_count * kBatchRows);
    if (load.acknowledged_count == kill_after) {
      ::kill(*child, SIGKILL);
      killed = true;
    }
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(*child, &status, 0);
  load.seconds = static_cast<double>(os::production().monotonic_ns() - begun) / 1e9;
  if (!killed || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
    return Error(Code::failed, "the child process ended by itself before it could be killed");
  }
  return load;
}

Result<Aftermath> examine(const KvStore& second, const Cities& cities, const KilledLoad& load) {
  const uint32_t batches = batch_count(cities);
  std::vector<uint64_t> rows_of(batches);
  Aftermath found;
  AETHER_TRY_ASSIGN(found.rows, second.scan({}, [&](Bytes key, Bytes value) {
    const std::optional<uint64_t> index = cities.find(key);
    if (!index || cities.rows()[*index].value != value) {
      ++found.wrong_rows;
    } else {
      ++rows_of[*index % batches];
    }
    return true;
  }));
  found.missing.resize(batches);
  for (uint32_t batch = 0; batch < batches; ++batch) {
    const uint64_t rows_in_all = (cities.rows().size() - batch + batches - 1) / batches;
    const bool whole = rows_of[batch] == rows_in_all;
    found.missing[batch] = !whole;
    if (whole) ++found.batches_whole;
    if (!whole && rows_of[batch] != 0) ++found.batches_partial;
    if (!whole && load.acknowledged[batch]) ++found.acknowledged_missing;
  }
  return found;
}

}  // namespace aether::demo
