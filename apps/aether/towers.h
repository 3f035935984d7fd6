/// The sorted runs of a store of kind lsm as the towers of Hanoi: a peg for what is in memory and for each level, a disc for each run.
///
/// Threads   Pure functions.
#pragma once

#include <string>

#include "apps/aether/json_fields.h"

namespace aether::cli {

/// Figures of one store at one moment, of what `stat` answers.
struct TowerRates {
  double put_bytes = 0;      ///< A second.
  double written_bytes = 0;  ///< Of runs, a second.
};

/// Lines of at most `width` columns: what the store does, its pegs, what lies on them. `store` is an element of "stores" in
/// the document of `aether stat --json`; of another kind than lsm: nothing. Errors: unsupported (no such document).
Result<std::string> towers_of(const JsonFields& store, const TowerRates& rates, size_t width);

}  // namespace aether::cli
