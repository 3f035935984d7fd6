/// How a store of runs is made: what its nursery, its runs and their filters are to be. Kept in its manifest.
///
/// Threads   Values.
#pragma once

#include <string>

#include "aether/error.h"
#include "aether/options.h"
#include "lsm/filter/filter.h"
#include "lsm/policy/merge_policy.h"
#include "lsm/run_writer.h"

namespace aether::lsm {

struct StoreConfiguration {
  uint64_t nursery_bytes = 64 * MiB;
  IndexKind nursery = IndexKind::skiplist;
  uint32_t inline_value_bytes = 4 * KiB;  ///< Larger values lie outside of runs.
  RunOptions run;                         ///< Without run and store.
  bool has_filter = true;
  FilterOptions filter;
};

/// Errors: invalid_argument (names the option and its bounds).
Result<void> check(const StoreConfiguration& configuration);
std::string encode(const StoreConfiguration& configuration);
/// Errors: corruption, unsupported.
Result<StoreConfiguration> decode_configuration(Bytes bytes);

/// What a user has given, taken apart. Errors: those of `check`.
Result<StoreConfiguration> configuration_of(const LsmOptions& options);
PolicyOptions policy_of(const LsmOptions& options) noexcept;
/// Put together again.
LsmOptions options_of(const StoreConfiguration& configuration,
                      const PolicyOptions& policy) noexcept;

}  // namespace aether::lsm
