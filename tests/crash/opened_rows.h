// A small environment on a simulated disk, and the rows of its one store.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "aether/aether.hpp"
#include "sim/sim_os.h"

namespace aether::crash {

using Rows = std::map<std::string, std::string>;

inline EnvOptions options() {
  return {.pool_bytes = 512 * KiB,
          .log_streams = 2,
          .log_segment_bytes = 256 * KiB,
          .log_bytes_max = 1 * MiB,
          .background_threads = false};
}

/// Opens the environment on `os`, and gives its rows to `rows`. Empty: it opened; else why not.
inline std::string open(sim::SimOs& os, std::unique_ptr<DbEnv>& env, Rows& rows,
                        bool redo_on_demand = true) {
  EnvOptions how = options();
  how.redo_on_demand = redo_on_demand;
  Result<std::unique_ptr<DbEnv>> opened = DbEnv::open("/env", how, os);
  if (!opened) return std::string(opened.error().message());
  env = *std::move(opened);
  Result<KvStore> store = env->open_store("s");
  if (!store) return std::string(store.error().message());
  const Result<uint64_t> scanned = store->scan({}, [&](Bytes key, Bytes value) {
    rows.emplace(key, value);
    return true;
  });
  return scanned ? std::string() : std::string(scanned.error().message());
}

}  // namespace aether::crash
