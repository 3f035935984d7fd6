/// What an environment tells about itself, as JSON: the documents of the live channel and of the command (docs/CLI.md).
///
/// Threads   Any.
#pragma once

#include <string>
#include <vector>

#include "aether/stats.h"
#include "base/json_writer.h"

namespace aether::db {

class EnvImpl;

std::string stats_document(const EnvStats& stats);
/// The member `problems` of a verification's document: objects with `page_id`, `store` and `message`.
void append_problems(base::JsonWriter& json, const std::vector<VerifyProblem>& problems);
/// Who holds which locks, who waits for whom since when, and the last deadlocks. Bounded: so many holders, and of long
/// keys the beginning.
std::string locks_document(EnvImpl& env);

}  // namespace aether::db
