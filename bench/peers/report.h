/// The table that a reader looks at: medians over the repeats, their spread, and ratios.
///
/// Threads  Values; no shared state.
#pragma once

#include <string>
#include <vector>

#include "compare.h"
#include "json.h"

namespace aether::bench {

/// Markdown. Ratios are those of the first engine of `settings` to each of the others.
std::string make_report(const Settings& settings, const std::vector<JsonObject>& results);

/// A short line for standard error while the runs go on.
std::string progress_line(const JsonObject& result);

}  // namespace aether::bench
