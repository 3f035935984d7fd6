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

}  // namespace aether::lsm
