/// An environment: one directory with any number of stores, one log, one pool, one recovery.
///
/// Threads    Any method from any thread; `close` once, when no other call is running.
/// Lifetime   Stores, transactions and cursors must end before the environment is closed or dropped.
/// Processes  One at a time. A second one gets `busy` with the holder's pid.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "aether/error.h"
#include "aether/function_ref.h"
#include "aether/options.h"
#include "aether/stats.h"
#include "aether/store.h"
#include "aether/transaction.h"

namespace aether {

namespace os {
class Os;
}
namespace db {
class EnvImpl;
}

class DbEnv {
 public:
  /// Opens the environment in directory `home`, recovering it if its last process did not close it.
  /// Errors: not_found, busy (names the pid), unsupported (newer format; or read-only and in need of
  /// recovery), corruption (names the place), invalid_argument (names the option), io_error, no_space.
  static Result<std::unique_ptr<DbEnv>> open(const std::string& home,
                                             const EnvOptions& options = {});
  /// The same on another operating system body, for simulation. `os` must outlive the environment.
  static Result<std::unique_ptr<DbEnv>> open(const std::string& home, const EnvOptions& options,
                                             os::Os& os);

  DbEnv(const DbEnv&) = delete;
  DbEnv& operator=(const DbEnv&) = delete;
  /// Closes if `close` was not called; errors are lost then.
  ~DbEnv();

  /// Writes a final checkpoint, so that the next open replays nothing, and lets go of the directory.
  Result<void> close();

  /// Errors: not_found, invalid_argument (an empty name, or one longer than 255 bytes).
  Result<KvStore> open_store(const std::string& name, const StoreOptions& options = {});
  /// Removes a store with all its keys and gives its pages back. Handles to it must not be used again.
  /// Errors: not_found; busy (transactions are open: end them first).
  Result<void> drop_store(const std::string& name);
  /// Names in ascending order.
  Result<std::vector<std::string>> list_stores() const;

  Result<Transaction> begin(const TxnOptions& options = {});

  /// Writes all pages that were dirty when it began, then lets go of the log before. Writers go on.
  Result<void> checkpoint();

  /// Proves that every allocated page has its checksum and its own identity, that keys are ordered and
  /// within fences, and that allocated and reachable pages are the same set. Calls `progress` now and
  /// then with pages done and pages in all. Run it when nobody writes. The report lists every problem;
  /// an error means that the check itself could not run.
  Result<VerifyReport> verify(FunctionRef<void(uint64_t done, uint64_t total)> progress);
  Result<VerifyReport> verify();

  EnvStats stats() const;
  /// What the last open did to recover; all zero after a clean close.
  const RecoveryReport& recovery_report() const noexcept;
  const std::string& home() const noexcept;
  db::EnvImpl& impl() noexcept { return *impl_; }

 private:
  friend class db::EnvImpl;
  explicit DbEnv(std::unique_ptr<db::EnvImpl> impl) noexcept;
  std::unique_ptr<db::EnvImpl> impl_;
};

}  // namespace aether
