/// Runs that do one thing once, and are timed as a whole: reopening after a kill, opening, closing; and what a load and
/// as many updates cost the disk.
///
/// Threads  Call from a process with one thread: runs are forked.
#pragma once

#include "aether/error.h"
#include "engine.h"
#include "json.h"
#include "workload.h"

namespace aether::bench {

/// `config.dir` holds what the workload begins with, and is changed. Errors: failed, and those of the engine.
Result<JsonObject> run_lone(const Workload& workload, const EngineKind& kind,
                            const EngineConfig& config, const RunOptions& options,
                            double limit_seconds);

}  // namespace aether::bench
