/// What was wished for, beside what was measured: the file of goals, and the section of the report.
///
/// A line is a goal: workload, threads, records, engine, field, against, wanted; separated by tabs. Lines that begin
/// with # and empty lines say nothing.
///   field    of the JSON object of a run: ops_per_s, max_us, space_amplification, ...
///   against  `best`: the best peer's field of the same row; names of peers, separated by commas: the best of these;
///            `dev:NAME`: the better form of that device workload; `-`: nothing, the figure itself is the goal.
///   wanted   `>=X` or `<=X`, for the ratio or the figure.
///
/// Threads  Values; no shared state.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "aether/error.h"
#include "results.h"

namespace aether::bench {

struct Goal {
  std::string workload;
  unsigned threads = 1;
  uint64_t records = 0;
  std::string engine;
  std::string field;
  std::string against;
  bool at_least = true;
  double wanted = 0;
};

/// Errors: invalid_argument (names the line and what is wrong with it).
Result<std::vector<Goal>> parse_goals(const std::string& text);

enum class Verdict : uint8_t { met, missed, not_measured };

struct Judged {
  Verdict verdict = Verdict::not_measured;
  double figure = 0;     ///< The ratio, or the figure itself.
  double measured = 0;   ///< The engine's own.
  std::string compared;  ///< With whom, and what they had.
  /// That of the goal; for a ratio else the first that was measured with 100-byte values.
  DataSize size;
  std::string why;  ///< Nothing was measured because ...
};
Judged judge(const Goal& goal, const Results& results);

/// Markdown: every goal with its verdict.
void write_goals(std::ostream& out, const std::vector<Goal>& goals, const Results& results);

}  // namespace aether::bench
