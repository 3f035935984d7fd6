/// What a store of runs writes, by its own counters: the values of the model beside what it models.
#pragma once

#include <cstdint>
#include <string>

#include "aether/env.h"
#include "aether/error.h"
#include "lsm/policy/merge_policy.h"

namespace aether::bench {

struct MeasuredOptions {
  lsm::PolicyOptions policy;
  uint64_t nurseries = 100;  ///< Flushes until it ends.
  uint64_t nursery_bytes = 256 << 10;
  uint32_t value_bytes = 100;  ///< Beside keys of 16.
  bool is_compressed = false;  ///< By LZ4; half of a value repeats the other half.
};

/// Bytes to disk per byte of keys and values.
struct MeasuredFigures {
  double log = 0;     ///< Blocks of the log, padding included.
  double runs = 0;    ///< Flushes and merges: with index, filter and checksums.
  double unpaid = 0;  ///< Bytes that merges under way at the end still have to read.
  uint64_t sorted_runs = 0;
  double flush_user_bytes = 0;  ///< Of keys and values, on average.
};

/// Random new keys into a store of its own, which is dropped then. Merges are done by the writer, when they are due.
Result<MeasuredFigures> measure_writes(DbEnv& env, const MeasuredOptions& options);

}  // namespace aether::bench
