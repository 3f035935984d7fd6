/// The work of `aether bench`: a store of numbered rows, and threads that read and replace them.
///
/// Threads   `run_mix` starts and joins its own.
#pragma once

#include <cstdint>

#include "aether/env.h"
#include "aether/error.h"
#include "apps/aether/bench_device.h"
#include "apps/aether/options.h"
#include "apps/aether/progress.h"

namespace aether::cli {

/// Row `number` and its key of 16 digits. The keys' order is the numbers'.
void append_row_key(uint64_t number, std::string& to);

/// Fills the empty store with rows 0 to records - 1. Ends early, with fewer, where a stop is requested.
Result<uint64_t> load_rows(KvStore& store, const BenchOptions& options, Progress& progress);

struct MixResult {
  Timed reads;
  Timed writes;
  uint64_t retries = 0;  ///< Writes that met `conflict` or `busy` and were tried again.
};

/// Reads and replaces random rows. Each value that is read must have its length. Errors: the first one of a thread;
/// corruption (a row that is not there, or is wrong).
Result<MixResult> run_mix(const KvStore& store, const BenchOptions& options, Progress& progress);

}  // namespace aether::cli
