/// Every list of operations up to a length, every crash of each (list_run.h).
#pragma once

#include <cstdint>
#include <string>

namespace aether::program {

struct ExhaustiveOptions {
  uint64_t length = 2;
  std::string list = {};     ///< Not empty: this one only, as a breach prints it.
  bool in_recovery = false;  ///< Crashes of each recovery too.
  uint64_t seconds = 0;      ///< No new list after so many; 0: no bound.
};

/// 0 no breach, 1 a breach, 2 `list` is none.
int exhaustive_mode(const ExhaustiveOptions& options);

}  // namespace aether::program
