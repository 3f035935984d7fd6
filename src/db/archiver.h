/// Copies the log into EnvOptions::archive_directory before it is let go.
///
/// The rule: CONTROL's start_position never passes `through()`. So nothing is recycled, and no fence forgotten, that is
/// not archived, whatever fails and wherever it crashes; the next life finds what is left to copy from CONTROL.
///
/// Threads   One at a time (under the checkpoint's mutex); `figures` from any thread.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "aether/error.h"
#include "os/os.h"
#include "os/sync.h"
#include "wal/archive.h"
#include "wal/log.h"

namespace aether::db {

struct ArchiveFigures {
  uint64_t segments = 0;  ///< Copied since open.
  uint64_t bytes = 0;
  uint64_t failures = 0;
  LogPosition through = 0;
  std::string last_error;  ///< Of the last try; empty: it went well.
};

class Archiver {
 public:
  /// Makes the directory if it is not there. Errors: io_error, not_found (its parent is missing), invalid_argument (it
  /// belongs to another environment), corruption.
  static Result<std::unique_ptr<Archiver>> open(const std::string& directory,
                                                const wal::LogReaderOptions& log, os::Os& os);

  /// What earlier lives have left, all of it with ends, and where this one begins. Errors: invalid_argument (the archive
  /// knows more than the log: another environment's, or this one is an old copy).
  Result<void> begin(std::vector<wal::EpochExtent> older, uint32_t epoch, LogPosition epoch_begin);
  /// Copies all that is older than `end`, an end of this epoch's log, and not there yet. Errors: io_error, no_space, ...;
  /// what was copied stays.
  Result<void> copy(const wal::LogTail& end);
  /// All log below it is archived.
  LogPosition through() const noexcept { return through_.load(std::memory_order_relaxed); }
  ArchiveFigures figures() const;
  const std::string& directory() const noexcept { return directory_; }

 private:
  Archiver(std::string directory, const wal::LogReaderOptions& log, os::Os& os)
      : directory_(std::move(directory)), log_(log), os_(os) {}
  Result<void> copy_extents(const wal::LogTail& end);

  const std::string directory_;
  const wal::LogReaderOptions log_;
  os::Os& os_;
  std::vector<wal::EpochExtent> older_;
  uint32_t epoch_ = 0;
  LogPosition epoch_begin_ = 0;
  LogPosition archived_ = 0;  ///< After the last archived block, of whatever epoch.
  std::atomic<LogPosition> through_{0};

  mutable os::Mutex mutex_;
  ArchiveFigures figures_ AETHER_GUARDED_BY(mutex_);
};

}  // namespace aether::db
