/// The contract of engine.h, tried on one engine: an adapter that passes gives right answers.
///
/// Threads  One; call it in a process or directory of its own.
#pragma once

#include <string>

#include "aether/error.h"
#include "engine.h"

namespace aether::bench {

/// Opens `kind` in `dir`, and runs every call of Session against known answers, twice with a close
/// and an open between. Errors: failed (says which call gave what answer).
Result<void> check_engine(const EngineKind& kind, const std::string& dir);

}  // namespace aether::bench
