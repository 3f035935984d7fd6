/// An environment: one directory with any number of stores, one log, one pool, one recovery.
///
/// Threads    Any method from any thread; `close` once, when no other call is running.
/// Lifetime   Transactions are to end before the environment is closed. After `close` every call here,
///            and every use of what came from here, answers `closed`; once the DbEnv itself is gone,
///            nothing of it may be used but a CommitTicket.
/// Processes  One at a time. A second one gets `busy` with the holder's pid. A child made by fork shares
///            its parent's hold, and keeps it until it ends or calls exec; every call in it answers
///            `closed`, and what it drops is not taken apart.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "aether/backup.h"
#include "aether/batch.h"
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
  /// Opens the environment in directory `home`, recovering it if its last process did not close it. Makes
  /// it if `home` is missing or empty; a directory with other files in it is left alone.
  /// Errors: not_found (no environment is there), busy (names the pid), unsupported (another format
  /// version, names both; or read-only and in need of recovery or of its LOCK file), corruption (names the
  /// place; also a file that is missing), invalid_argument (names the option), io_error, no_space,
  /// no_memory.
  static Result<std::unique_ptr<DbEnv>> open(const std::string& home,
                                             const EnvOptions& options = {});
  /// The same on another operating system body, for simulation. `os` must outlive the environment.
  static Result<std::unique_ptr<DbEnv>> open(const std::string& home, const EnvOptions& options,
                                             os::Os& os);

  DbEnv(const DbEnv&) = delete;
  DbEnv& operator=(const DbEnv&) = delete;
  /// Closes if `close` was not called; errors are lost then.
  ~DbEnv();

  /// Writes a final checkpoint, so that the next open replays nothing (but what prepared transactions need), and lets go
  /// of the directory.
  /// Closes whatever the answer; after an error the next open recovers. Errors: busy (transactions are
  /// open: the next open rolls them back), failed, io_error, no_space; closed (it was before).
  Result<void> close();

  /// Opening again gives the same store. Each open store keeps one page in the pool until the environment
  /// is closed or the store dropped. Errors: not_found; invalid_argument (a name has 1 to 255 bytes, the
  /// first not zero); busy (the pool is full of open stores, or too many transactions are open).
  Result<KvStore> open_store(const std::string& name, const StoreOptions& options = {});
  /// Removes a store with all its keys and gives its pages back. No other call may be using it; handles
  /// and cursors to it answer not_found from then on, also when another store has its name. A crash in
  /// between leaves all or nothing. Errors: not_found; busy (transactions are open, in whatever store: end
  /// them first).
  Result<void> drop_store(const std::string& name);
  /// Names in ascending order.
  Result<std::vector<std::string>> list_stores() const;

  /// Errors: busy (4096 are open: end some), closed.
  Result<Transaction> begin(const TxnOptions& options = {});

  /// Applies `batch` as one transaction: all of it or, after an error, nothing. Waits as `durability` asks; without it, as
  /// EnvOptions::durability does. Isolation as of single calls: an entry meets `conflict` where another transaction
  /// that is still open has changed the row. An empty batch is ok. Errors: those of the single calls, with the
  /// index of the entry; too_large (the batch exceeds EnvOptions::transaction_bytes_max); busy (too many transactions are
  /// open); failed, as from commit.
  Result<void> write(const WriteBatch& batch);
  Result<void> write(const WriteBatch& batch, Durability durability);

  // Two-phase commit: transactions that Transaction::prepare has left to the environment, from this life or one before.
  // Any thread. Errors: not_found (none is prepared under `gid`), busy (another thread is deciding it), closed, failed
  // (and the transaction is still prepared, or the outcome unknown until the environment is opened again).

  /// Durable when it returns.
  Result<void> commit_prepared(Bytes gid);
  /// Durable when it returns. After no_memory it is still prepared, and can only be rolled back.
  Result<void> rollback_prepared(Bytes gid);
  /// Those in doubt, oldest first.
  Result<std::vector<PreparedTransaction>> prepared() const;

  /// Writes all pages that were dirty when it began, then lets go of the log before. Writers go on.
  Result<void> checkpoint();

  /// Copies what is full of the log into EnvOptions::archive_directory now; it is also done whenever a segment is full.
  /// Errors: invalid_argument (there is none), and why it could not be copied.
  Result<ArchiveReport> archive_log();

  /// Copies the environment while others use it; nobody waits for it. Errors: exists (the directory is not empty), busy
  /// (another backup is running), corruption (a page of the environment is damaged; or the parent is), invalid_argument,
  /// closed (the progress call ended it), io_error, no_space; the environment goes on after each.
  Result<BackupReport> backup(const BackupOptions& options);

  /// Makes page `page` of the data file again, if it is damaged, from EnvOptions::repair_from and the archived log. It is done by
  /// itself when a page is read. Errors: corruption (names what is missing for it).
  Result<void> repair_page(uint64_t page);

  /// Reads all that is on disk once, as EnvOptions::scrub_bytes_per_second has it done in the background: every allocated
  /// page, the tags, CONTROL and the full segments of the log. Beside whoever reads and writes; loads nothing into the pool.
  /// Damaged pages are written anew, from memory or as repair_page does it, unless the environment is read-only.
  /// `bytes_per_second`: how fast, 0: as it goes. `progress` gets pages done and in all; false ends the round: closed.
  /// Errors: io_error and failed of a write; a read that fails is damage.
  Result<ScrubReport> scrub(uint64_t bytes_per_second,
                            FunctionRef<bool(uint64_t done, uint64_t total)> progress);
  Result<ScrubReport> scrub(uint64_t bytes_per_second = 0);

  /// Proves that every allocated page has its checksum and its own identity, that keys are ordered and
  /// within fences, and that allocated and reachable pages are the same set. Calls `progress` now and
  /// then with pages done and pages in all. The report lists every problem; an error means that the check itself
  /// could not run. Others may write meanwhile: then the report is not `complete`
  /// (docs/decisions/0017-online-verify.md).
  Result<VerifyReport> verify(FunctionRef<void(uint64_t done, uint64_t total)> progress);
  Result<VerifyReport> verify();

  /// Opens every store to count its pages. What there was no memory for is zero or left out.
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
