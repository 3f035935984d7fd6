/// A load that is meant to be killed: the batches it is made of, the process that runs it, and what must
/// be true after it died.
///
/// Every batch is one transaction of about kBatchRows rows that lie far apart, so that it changes many
/// pages; batch `b` of `n` has the rows b, b + n, b + 2n, ... Two threads take batches in turn.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "aether/env.h"
#include "aether/error.h"
#include "apps/aether/progress.h"
#include "apps/demo/cities.h"

namespace aether::demo {

inline constexpr const char* kSecondStore = "second";
inline constexpr uint64_t kBatchRows = 100;

uint32_t batch_count(const Cities& cities) noexcept;

/// The options of every environment of the demo.
EnvOptions demo_options();

/// Loads the batches that `wanted` marks (all if it is empty), by two threads, and calls `acknowledged`,
/// from either, with the number of each batch whose commit returned.
Result<void> load_batches(DbEnv& env, const Cities& cities, const std::vector<bool>& wanted,
                          FunctionRef<void(uint32_t batch)> acknowledged);

/// What the child process does: opens the environment and loads; writes the number of each acknowledged
/// batch to file descriptor kAcknowledgementFile. Returns the exit status.
inline constexpr int kAcknowledgementFile = 3;
int run_child(const std::string& home, const std::string& data_path);

struct KilledLoad {
  std::vector<bool> acknowledged;  ///< By batch.
  uint64_t acknowledged_count = 0;
  double seconds = 0;
};

/// Starts a child process that runs `run_child`, and kills it with SIGKILL once `kill_after` batches are
/// acknowledged. Errors: failed, if it could not be started or ended by itself.
Result<KilledLoad> kill_second_load(const std::string& home, const std::string& data_path,
                                    uint32_t batches, uint32_t kill_after, cli::Progress& progress);

/// The second store, compared with the source and with what was acknowledged.
struct Aftermath {
  uint64_t rows = 0;
  uint64_t wrong_rows = 0;  ///< Unknown keys and wrong values.
  uint64_t batches_whole = 0;
  uint64_t batches_partial = 0;       ///< Some rows, not all: must not be.
  uint64_t acknowledged_missing = 0;  ///< Acknowledged, not whole: must not be.
  std::vector<bool> missing;          ///< By batch: not whole.
  bool ok() const noexcept {
    return wrong_rows == 0 && batches_partial == 0 && acknowledged_missing == 0;
  }
};
Result<Aftermath> examine(const KvStore& second, const Cities& cities, const KilledLoad& load);

}  // namespace aether::demo
