// Orders on disk, sessions in a skiplist, paths in a radix tree, what happens in sorted runs: one transaction writes all four, and
// all four are there when the environment is opened again.
//
//   example_kinds DIR

#include <cstdio>
#include <string>

#include "aether/aether.hpp"

namespace {

using aether::IndexKind;
using aether::KvStore;
using aether::Result;

struct Stores {
  KvStore orders;
  KvStore sessions;
  KvStore paths;
  KvStore events;
};

/// The kind counts when a store is made; one that is there keeps its own.
Result<Stores> open_stores(aether::DbEnv& env) {
  AETHER_TRY_ASSIGN(KvStore orders, env.open_store("orders"));
  AETHER_TRY_ASSIGN(KvStore sessions,
                    env.open_store("sessions", {.index = IndexKind::skiplist,
                                                .memory_bytes_max = 64 * aether::MiB}));
  AETHER_TRY_ASSIGN(KvStore paths, env.open_store("paths", {.index = IndexKind::rax}));
  // Many small writes that are seldom read: merged in tiers, and compressed.
  AETHER_TRY_ASSIGN(KvStore events,
                    env.open_store("events", {.index = IndexKind::lsm,
                                              .lsm = {.policy = aether::MergePolicyKind::tiered,
                                                      .compression = aether::Compression::zstd}}));
  return Stores{orders, sessions, paths, events};
}

Result<int> run(const std::string& home) {
  AETHER_TRY_ASSIGN(auto env, aether::DbEnv::open(home));
  AETHER_TRY_ASSIGN(Stores stores, open_stores(*env));
  AETHER_TRY_ASSIGN(aether::Transaction txn, env->begin());
  AETHER_TRY(stores.orders.put(txn, "order/1", "3 apples"));
  AETHER_TRY(stores.sessions.put(txn, "ada", "order/1"));
  AETHER_TRY(stores.paths.put(txn, "/shop/fruit/apples", "12"));
  AETHER_TRY(stores.paths.put(txn, "/shop/fruit/pears", "7"));
  AETHER_TRY(stores.events.put(txn, "2026-01-31T12:00:00/ada", "ordered order/1"));
  AETHER_TRY(txn.commit());
  AETHER_TRY(env->close());

  AETHER_TRY_ASSIGN(env, aether::DbEnv::open(home));
  AETHER_TRY_ASSIGN(stores, open_stores(*env));
  AETHER_TRY_ASSIGN(const std::string order, stores.sessions.get("ada"));
  AETHER_TRY_ASSIGN(const std::string what, stores.orders.get(order));
  std::string end;
  AETHER_TRY_ASSIGN(
      const uint64_t fruit,
      stores.paths.scan(aether::Range::prefix("/shop/fruit/", end), [](auto path, auto count) {
        std::printf("%.*s %.*s\n", static_cast<int>(path.size()), path.data(),
                    static_cast<int>(count.size()), count.data());
        return true;
      }));
  std::printf("ada has %s: %s\n", order.c_str(), what.c_str());
  AETHER_TRY_ASSIGN(const std::string event, stores.events.get("2026-01-31T12:00:00/ada"));
  std::printf("ada %s\n", event.c_str());
  AETHER_TRY(env->close());
  return what == "3 apples" && fruit == 2 ? 0 : 1;
}

}  // namespace

int main(int argument_count, char** arguments) {
  if (argument_count != 2) {
    std::fprintf(stderr, "Usage: example_kinds DIR\n");
    return 2;
  }
  const Result<int> status = run(arguments[1]);
  if (!status) std::fprintf(stderr, "%s\n", std::string(status.error().message()).c_str());
  return status ? *status : 1;
}
