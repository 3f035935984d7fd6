/// The report that a reader looks at: medians over the repeats, their spread, ratios, and what became of the goals.
///
/// Threads  Values; no shared state.
#pragma once

#include <string>
#include <vector>

#include "goals.h"
#include "json.h"

namespace aether::bench {

/// Markdown. Ratios are those of the engine that comes first in `results` to each of the others.
std::string make_report(const std::vector<JsonObject>& results, const std::vector<Goal>& goals);

/// A short line for standard error while the runs go on.
std::string progress_line(const JsonObject& result);

}  // namespace aether::bench
