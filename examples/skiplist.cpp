// Sessions in a skiplist: in memory, ordered, threads write it at once; logged and checkpointed as every store.
//
//   example_skiplist DIR

#include <cstdio>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "aether/aether.hpp"

namespace {

using aether::KvStore;
using aether::Result;

constexpr int kThreads = 2;
constexpr int kSessions = 500;

aether::StoreOptions sessions_options() {
  aether::StoreOptions options;
  options.index = aether::IndexKind::skiplist;
  options.memory_bytes_max = 64 * aether::MiB;  // A write beyond that is an error, `no_memory`.
  return options;
}

std::string session_name(int thread, int number) {
  return "session/" + std::to_string(thread) + "/" + std::to_string(1000 + number);
}

/// Each thread opens sessions of its own and closes every other one.
Result<void> work(KvStore sessions, int thread) {
  for (int i = 0; i < kSessions; ++i) {
    AETHER_TRY(sessions.put(session_name(thread, i), "ada"));
    if (i % 2 == 1) AETHER_TRY(sessions.remove(session_name(thread, i)));
  }
  return {};
}

Result<int> run(const std::string& home) {
  aether::EnvOptions options;
  options.durability = aether::Durability::none;  // A crash may cost the last 20 ms of sessions.
  AETHER_TRY_ASSIGN(auto env, aether::DbEnv::open(home, options));
  AETHER_TRY_ASSIGN(KvStore sessions, env->open_store("sessions", sessions_options()));
  std::vector<Result<void>> results(kThreads);
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&results, sessions, thread] {
      results[static_cast<size_t>(thread)] = work(sessions, thread);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (Result<void>& result : results) AETHER_TRY(std::move(result));
  AETHER_TRY(env->close());

  // The rows come back from image and log.
  AETHER_TRY_ASSIGN(env, aether::DbEnv::open(home, options));
  AETHER_TRY_ASSIGN(sessions, env->open_store("sessions", sessions_options()));
  uint64_t newest_first = 0;
  {
    aether::Cursor cursor = sessions.cursor();
    AETHER_TRY_ASSIGN(bool there, cursor.last());
    while (there) {
      if (newest_first++ < 3) std::printf("%s\n", std::string(cursor.key()).c_str());
      AETHER_TRY_ASSIGN(there, cursor.prev());
    }
  }
  std::printf("%llu sessions are open\n", static_cast<unsigned long long>(newest_first));
  AETHER_TRY(env->close());
  return newest_first == kThreads * kSessions / 2 ? 0 : 1;
}

}  // namespace

int main(int argument_count, char** arguments) {
  if (argument_count != 2) {
    std::fprintf(stderr, "Usage: example_skiplist DIR\n");
    return 2;
  }
  const Result<int> status = run(arguments[1]);
  if (!status) std::fprintf(stderr, "%s\n", std::string(status.error().message()).c_str());
  return status ? *status : 1;
}
