#include "lsm/store_configuration.h"

namespace aether::lsm {

Result<StoreConfiguration> configuration_of(const LsmOptions& options) {
  StoreConfiguration result;
  result.nursery_bytes = options.nursery_bytes;
  result.nursery = options.nursery;
  result.inline_value_bytes = options.inline_value_bytes;
  result.run.codec = options.compression;
  result.run.zstd_level = options.zstd_level;
  result.run.dictionary_bytes = options.dictionary_bytes;
  result.run.block_bytes = options.block_bytes;
  result.has_filter = options.filter != RunFilter::none;
  if (result.has_filter) result.filter.kind = static_cast<FilterKind>(options.filter);
  result.filter.bits_per_key = options.filter_bits;
  AETHER_TRY(check(result));
  return result;
}

PolicyOptions policy_of(const LsmOptions& options) noexcept {
  return {.kind = options.policy,
          .size_ratio = options.size_ratio,
          .runs_per_level = options.runs_per_level,
          .runs_at_bottom = options.runs_at_bottom,
          .runs_max = options.runs_max,
          .expected_bytes = options.expected_bytes};
}

LsmOptions options_of(const StoreConfiguration& configuration,
                      const PolicyOptions& policy) noexcept {
  const RunOptions& run = configuration.run;
  const bool has_filter = configuration.has_filter;
  return {
      .nursery_bytes = configuration.nursery_bytes,
      .nursery = configuration.nursery,
      .policy = policy.kind,
      .size_ratio = policy.size_ratio,
      .runs_per_level = policy.runs_per_level,
      .runs_at_bottom = policy.runs_at_bottom,
      .runs_max = policy.runs_max,
      .expected_bytes = policy.expected_bytes,
      .compression = run.codec,
      .zstd_level = run.zstd_level,
      .dictionary_bytes = run.dictionary_bytes,
      .block_bytes = run.block_bytes,
      .inline_value_bytes = configuration.inline_value_bytes,
      .filter = has_filter ? static_cast<RunFilter>(configuration.filter.kind) : RunFilter::none,
      .filter_bits = configuration.filter.bits_per_key};
}

}  // namespace aether::lsm
