/// A progress line on standard error: bar, share, count, rate and time left.
///
/// Threads   One thread at a time.
/// Output    Nothing unless shown. On a terminal the line is redrawn at most ten times a second, and its
///           final state stays; elsewhere only the final state is printed, as a line of a log.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "apps/aether/options.h"

namespace aether::cli {

/// True where standard error is a terminal that can be redrawn.
bool error_is_terminal();
bool output_is_terminal();
/// Columns of the terminal that `output_is_terminal` means; 100 where there is none.
size_t output_width();
bool wants_color(When when, bool is_terminal);

class Progress {
 public:
  /// `label` stands before the bar, `unit` behind the count ("rows").
  Progress(std::string label, std::string unit, When when, bool quiet);

  /// `done` of `total` (none: not known) units of work, and how many `unit`s that was.
  void update(uint64_t done, std::optional<uint64_t> total, uint64_t count);
  /// The final line. Nothing if nothing was ever shown.
  void finish();
  double seconds() const;

 private:
  void draw();
  std::string bar() const;

  std::string label_;
  std::string unit_;
  bool shown_;
  bool terminal_;
  bool finished_ = false;
  uint64_t begun_ns_;
  uint64_t drawn_ns_ = 0;
  uint64_t done_ = 0;
  std::optional<uint64_t> total_;
  uint64_t count_ = 0;
};

}  // namespace aether::cli
