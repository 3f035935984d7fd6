/// Backups of an environment, and what can be made of them: docs/BACKUP.md.
///
///   DbEnv::backup       copies an environment that is open, while others write to it
///   verify_backup       reads all of it and checks it, without restoring it
///   restore             makes a new environment of it: as the backup was, or, with archived log, as of any later point
///   archive_contents    what an archive of the log holds; prune_archive removes what no backup needs
///
/// Threads   Each call by itself; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "aether/error.h"
#include "aether/options.h"

namespace aether {

namespace os {
class Os;
}

/// Where each stream of the log stood: LSN by stream, 0 where there is no such stream.
using LogVector = std::array<uint64_t, 8>;

/// How far a long call is, in bytes of its own input.
struct BackupProgress {
  const char* phase = "";  ///< "pages", "log", "recovery".
  uint64_t bytes_done = 0;
  uint64_t bytes_total = 0;
};
/// Answers false to end the call, which then gives `closed` and leaves nothing behind.
using BackupProgressCall = std::function<bool(const BackupProgress&)>;

struct BackupOptions {
  /// Is made, or is empty. Everything of the backup lies in it.
  std::string directory;
  /// An earlier backup: only pages that have changed since are copied, and restoring takes both. Empty: a full backup.
  std::string parent = {};
  /// Of reading and writing together. 0: as fast as the device.
  uint64_t bytes_per_second = 0;
  BackupProgressCall progress = {};
};

struct BackupReport {
  std::string id;  ///< 16 hexadecimal digits.
  std::string parent_id;
  uint64_t pages = 0;         ///< That the environment uses.
  uint64_t pages_copied = 0;  ///< Fewer in an incremental one.
  uint64_t page_bytes = 0;    ///< Of those copied.
  uint64_t log_bytes = 0;
  uint64_t position = 0;  ///< Of the log: what it restores to by itself.
  LogVector lsn{};        ///< The same by stream.
  uint64_t wall_ns = 0;   ///< The same by the clock, since 1970.
  double seconds = 0;
};

/// What verify_backup found of one directory.
struct BackupContents {
  std::string directory;
  std::string id;
  std::string parent_id;  ///< Empty: a full backup.
  std::string environment;
  uint64_t pages = 0;
  uint64_t pages_held = 0;
  uint64_t log_files = 0;
  uint64_t
      begin_position = 0;  ///< Where its log begins: archived log before it is not needed for it.
  uint64_t position = 0;
  LogVector lsn{};
  uint64_t wall_ns = 0;
};

/// Checks every byte of the backups in `directories`, and that each has its ancestors among them. Errors: corruption (names
/// file and place), not_found (no manifest: unfinished; or an ancestor is missing), unsupported, invalid_argument.
Result<std::vector<BackupContents>> verify_backup(const std::vector<std::string>& directories,
                                                  const BackupProgressCall& progress = {});
Result<std::vector<BackupContents>> verify_backup(const std::vector<std::string>& directories,
                                                  const BackupProgressCall& progress, os::Os& os);
/// The same from the manifests alone.
Result<std::vector<BackupContents>> list_backups(const std::vector<std::string>& directories);
Result<std::vector<BackupContents>> list_backups(const std::vector<std::string>& directories,
                                                 os::Os& os);

/// How far to go. What is not set does not limit; all unset: as far as the log reaches.
struct RestorePoint {
  /// By the clock: whole blocks of the log that were written no later. A commit that was acknowledged before is there.
  std::optional<uint64_t> wall_ns;
  /// To this position of the log, between two blocks (`aether printlog` shows them).
  std::optional<uint64_t> position;
  /// By stream: nothing that ends beyond its stream's LSN (0: no limit), and nothing that was written after what does.
  LogVector lsn{};
};

struct RestoreOptions {
  /// A full backup and the incremental ones to use, in any order. The newest that is not beyond the point is taken.
  std::vector<std::string> backups;
  std::vector<std::string> archives =
      {};            ///< Directories of archived log. None: as the backup was.
  std::string home;  ///< Is made, or is empty.
  RestorePoint until = {};
  uint64_t pool_bytes = 256 * MiB;
  IoMode io_mode = IoMode::automatic;
  bool background_threads =
      true;  ///< As EnvOptions::background_threads, for the recovery at the end.
  BackupProgressCall progress = {};
};

struct RestoreReport {
  std::string backup_id;    ///< The one that was taken.
  std::string environment;  ///< The id of the new environment: not the old one's.
  uint64_t pages = 0;
  uint64_t log_bytes = 0;
  uint64_t position = 0;  ///< Of the old log: the point that was reached.
  LogVector lsn{};
  uint64_t wall_ns = 0;  ///< Of the last block of log that is in it; 0: there was none.
  uint64_t transactions_undone = 0;
  uint64_t transactions_prepared = 0;
  double seconds = 0;
};

/// Makes a new environment, closed in order, of its own id: log, backups and archive of the old one are none of its.
/// Errors: exists (home is in use), not_found (a backup is missing; the log does not reach the point), corruption (names
/// file and place; a piece of the log is missing), invalid_argument, io_error, no_space. Called again with the home that an
/// interrupted call has left, it begins anew.
Result<RestoreReport> restore(const RestoreOptions& options);
Result<RestoreReport> restore(const RestoreOptions& options, os::Os& os);

/// A stretch of archived log without a gap.
struct ArchiveStretch {
  std::string environment;
  uint64_t files = 0;
  uint64_t bytes = 0;
  uint64_t begin_position = 0;
  uint64_t end_position = 0;
  uint64_t begin_wall_ns = 0;
  uint64_t end_wall_ns = 0;
};
/// `verify`: reads every byte. Errors: corruption, unsupported, io_error.
Result<std::vector<ArchiveStretch>> archive_contents(const std::string& directory, bool verify);
Result<std::vector<ArchiveStretch>> archive_contents(const std::string& directory, bool verify,
                                                     os::Os& os);
/// Removes the files that end at or below `position`. Gives how many. Errors: io_error.
Result<uint64_t> prune_archive(const std::string& directory, uint64_t position);
Result<uint64_t> prune_archive(const std::string& directory, uint64_t position, os::Os& os);

}  // namespace aether
