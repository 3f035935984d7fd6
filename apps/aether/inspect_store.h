/// inspect --store: how a store is made, and of kind lsm its levels and runs.
///
/// Threads   One thread.
#pragma once

#include "aether/error.h"
#include "apps/aether/exit_code.h"
#include "apps/aether/options.h"
#include "apps/aether/session.h"

namespace aether::cli {

Result<ExitCode> inspect_store(Session& session, const InspectOptions& options);

}  // namespace aether::cli
