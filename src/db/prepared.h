/// Transactions between the two phases of two-phase commit.
///
/// A prepared transaction belongs to the environment: its rows stay locked by its id, its locks by its lock set, and its
/// records keep the log from the first one on. It is decided once, by any thread, or after a restart, which rebuilds it
/// from its records (env_recovery.cpp).
///
/// Threads   Any.
/// Source    X/Open CAE Specification: "Distributed Transaction Processing: The XA Specification", 1991; Mohan, Lindsay,
///           Obermarck: "Transaction Management in the R* Distributed Database Management System", TODS 11(4), 1986.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aether/error.h"
#include "aether/stats.h"
#include "os/sync.h"
#include "page/leaf_record.h"
#include "txn/transaction_context.h"

namespace aether::db {

struct Prepared {
  txn::TransactionContext context;
  uint64_t prepared_at_ns = 0;  ///< Wall clock.
  bool recovered = false;
  bool is_rolling_back =
      false;  ///< Its rollback has begun, and lacked memory: it cannot be committed.
};

class PreparedTable {
 public:
  /// Whether a user may choose `gid`. Errors: invalid_argument.
  static Result<void> check_user_gid(std::string_view gid);
  /// Takes the name, so that nobody else prepares under it. Errors: exists.
  Result<void> reserve(std::string_view gid);
  /// Gives a name back that `reserve` or `take` has taken, and whose transaction is not, or no longer, in doubt.
  void release(std::string_view gid) noexcept;
  /// The transaction waits for its decision, under a reserved name.
  void put(std::string_view gid, std::unique_ptr<Prepared> prepared) noexcept;
  /// To be decided by the caller, who releases the name or puts the transaction back. Errors: not_found, busy.
  Result<std::unique_ptr<Prepared>> take(std::string_view gid);

  /// Those that wait for a decision, or are being decided. `now_ns`: wall clock.
  std::vector<PreparedTransaction> list(uint64_t now_ns) const;
  uint64_t count() const noexcept;
  /// Large values that go when those that wait are committed; no row leads to them.
  std::vector<page::OverflowReference> freed_values() const;
  /// Whether the name is taken.
  bool contains(std::string_view gid) const;
  /// The environment is closed: the next open finds them in the log.
  void clear() noexcept;

 private:
  struct Entry {
    std::unique_ptr<Prepared> prepared;  ///< Null: being prepared or decided.
    PreparedTransaction description;     ///< `id` is 0 while it is being prepared.
  };
  mutable os::Mutex mutex_;
  std::map<std::string, Entry, std::less<>> entries_ AETHER_GUARDED_BY(mutex_);
};

}  // namespace aether::db
