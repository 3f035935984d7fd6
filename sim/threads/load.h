/// The transactions that the threads of a simulated machine run: few rows, so that they meet.
///
/// Accounts whose sum stays, pairs of which one row must not be zero, and rows that come and go; values of some bytes to
/// some pages. Transactions are long or short, take themselves back, roll back to savepoints, are prepared and decided,
/// wait for the disk or do not; and snapshots are read and held against the history.
///
/// Threads   Each Worker belongs to one simulated thread; they share the Load, one at a time.
#pragma once

#include <memory>
#include <string>

#include "aether/aether.hpp"
#include "sim/random.h"
#include "sim/threads/history.h"

namespace aether::sim {

struct LoadOptions {
  uint64_t seed = 1;
  uint32_t workers = 3;
  uint32_t transactions = 30;  ///< Of each worker.
  uint64_t keys = 20;
  Durability durability = Durability::group;
  Isolation isolation = Isolation::snapshot;
  uint32_t checkpoint_percent = 2;
  uint64_t rows_at_start = 0;  ///< Beside accounts and pairs, so that the pool is too small.
  bool locks = false;
  bool prepares = false;
};

inline constexpr uint64_t kAccounts = 8;
inline constexpr uint64_t kAccountsSum = kAccounts * 100;
inline constexpr uint64_t kPairs = 3;

class Load {
 public:
  Load(const LoadOptions& options, DbEnv& env, History& history)
      : options_(options), env_(env), history_(history) {}

  /// Opens the stores; in a new environment makes accounts and pairs.
  Result<void> open();
  /// When all workers have ended: no row is locked any more.
  Result<void> check_unlocked();
  /// The whole life of one worker.
  void run_worker(uint32_t worker);

  /// Empty: every answer was as it may be.
  const std::string& problem() const { return problem_; }
  void fail(const std::string& problem) {
    if (problem_.empty()) problem_ = problem;
  }
  uint64_t commits() const { return commits_; }
  uint64_t conflicts() const { return conflicts_; }

 private:
  friend class Worker;
  Result<void> fill(uint64_t from);
  const LoadOptions options_;
  DbEnv& env_;
  History& history_;
  std::vector<KvStore> stores_;  ///< Rows, marks, and one that is dropped at the end.
  std::string problem_;
  uint64_t commits_ = 0;
  uint64_t conflicts_ = 0;
};

inline constexpr const char* kDroppedStore = "dropped";

/// Everything in an environment, in one snapshot. `txn`: the snapshot; null: one of its own.
Result<FoundState> read_found(DbEnv& env, Transaction* txn = nullptr);

}  // namespace aether::sim
