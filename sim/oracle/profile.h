/// What a seed decides about a run: the environment's options, how the workload is mixed, which kinds of operation it
/// knows. Swarm: each seed leaves some kinds out, so that what the others do is met in greater numbers.
///
/// Source    Groce, Zhang, Eide, Chen, Regehr: "Swarm Testing", ISSTA 2012.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "aether/options.h"

namespace aether::oracle {

inline constexpr const char* kHome = "/env";
inline constexpr const char* kArchive = "/archive";  ///< Of the log, where a profile has one.

enum class Operation : uint8_t {
  write_alone,
  write_batch,
  begin,
  write_inside,
  savepoint,
  rollback_to,
  release,
  end,
  prepare,
  decide,
  read,
  compare,
  checkpoint,
  close,
  make_store,
  drop_store,
  remove_range,  ///< Has no weight, but a chance of its own: Profile::range_percent.
};
inline constexpr size_t kOperations = static_cast<size_t>(Operation::remove_range) + 1;
const char* to_string(Operation operation) noexcept;

/// What a seed decides once.
struct Profile {
  uint64_t seed = 1;
  EnvOptions env;
  bool faults = false;      ///< Calls may fail: the run goes on with what is left.
  bool same_stream = true;  ///< All calls come from one thread.
  std::array<uint32_t, kOperations> weights{};  ///< 0: not in this run.
  uint32_t keys = 300;
  bool deep = false;                   ///< Long keys, and long separators: a tree of three levels.
  uint32_t large_percent = 8;          ///< Of the values, those that leave their page.
  uint32_t value_bytes = 1000;         ///< The most of the others.
  uint32_t serializable_percent = 20;  ///< Of the transactions.
  uint32_t bulk_percent = 25;  ///< Of the stores that are made, those filled by a bulk load.
  uint32_t range_percent = 3;  ///< Of the operations, those that remove a range of rows.
  uint64_t operations = 150;   ///< Of one life, about.
  bool favours_runs = false;   ///< Most rows are the LSM's: merges of some parts.
  bool wide = false;           ///< The LSM is loaded with all keys: a run removes thousands.
  bool memory_stores = false;  ///< Four of five are a skiplist, a RAX, one in pages, an LSM.
  /// The log may grow by more than log_bytes_max while a transaction is open, and its next write is refused: large values
  /// are logged too (there is an archive, or they are rows in memory), or the transaction is open for long.
  bool outgrows_log = false;

  uint32_t& weight(Operation operation) { return weights[static_cast<size_t>(operation)]; }
  bool knows(Operation operation) const { return weights[static_cast<size_t>(operation)] != 0; }
};

/// All kinds of operation, large values too.
Profile make_profile(uint64_t seed);
/// Some of them, and smaller ones: hundreds of crashes are checked in a second.
Profile make_swarm_profile(uint64_t seed);
/// The small workload that cycles a second are measured with: about 1 MiB, 100 transactions a life.
Profile make_bench_profile(uint64_t seed);

}  // namespace aether::oracle
