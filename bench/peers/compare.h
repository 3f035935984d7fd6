/// The comparison: which runs there are, in which order, each in a process of its own.
///
/// For each workload and number of threads the repeats go round the engines, and each round starts
/// with another engine, so that a disturbance of the machine does not fall on one engine alone. A
/// loaded store is made once for each engine and size of data; readers open it, writers get a copy.
///
/// Threads  Call from a process with one thread: runs are forked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "aether/error.h"
#include "aether/function_ref.h"
#include "engine.h"
#include "json.h"
#include "workload.h"

namespace aether::bench {

struct Settings {
  std::vector<const EngineKind*> engines;
  std::vector<const Workload*> workloads;
  std::vector<unsigned> threads;  ///< Empty: as each workload says.
  std::vector<uint64_t> records = {2000000};
  std::vector<uint64_t> value_bytes = {100};
  unsigned repeat = 3;
  RunOptions run;  ///< Sizes, `threads` and `seed` are set for each run.
  uint64_t pool_mib = 2048;
  std::string dir;  ///< Files go into a new directory under it, which is removed at the end.
  double limit_seconds = 900;  ///< A run that takes longer is killed and reported.
};

/// Calls `on_result` for each run as it ends. A run that fails has an "error" field, one that makes
/// no sense for its engine a "left_out" field. Errors: io_error (the working directory).
Result<void> compare(const Settings& settings,
                     FunctionRef<void(const JsonObject& result)> on_result);

}  // namespace aether::bench
