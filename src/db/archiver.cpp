#include "db/archiver.h"

#include <algorithm>
#include <utility>

#include "base/no_memory.h"
#include "base/reached.h"
#include "os/directories.h"

namespace aether::db {

Result<std::unique_ptr<Archiver>> Archiver::open(const std::string& directory,
                                                 const wal::LogReaderOptions& log, os::Os& os) {
  AETHER_TRY(os::make_directory(os, directory));
  std::unique_ptr<Archiver> archiver(new Archiver(directory, log, os));
  // The name of the last file may not be durable yet: from now on it is counted on.
  AETHER_TRY(os.sync_directory(directory));
  AETHER_TRY_ASSIGN(const std::vector<wal::ArchiveEntry> entries, wal::list_archive(directory, os));
  for (const wal::ArchiveEntry& entry : entries) {
    if (entry.header.environment_id != log.environment_id) {
      return Error(Code::invalid_argument,
                   "archive_directory " + directory + ": " + entry.path +
                       " is of another environment: each needs a directory of its own");
    }
    archiver->archived_ = std::max(archiver->archived_, entry.header.end);
  }
  return archiver;
}

Result<void> Archiver::begin(std::vector<wal::EpochExtent> older, uint32_t epoch,
                             LogPosition epoch_begin) {
  if (archived_ > epoch_begin || (!older.empty() && archived_ > *older.back().end)) {
    return Error(Code::invalid_argument,
                 "archive_directory " + directory_ + " reaches to log position " +
                     std::to_string(archived_) +
                     ", beyond this environment's log: the environment is an older copy; name "
                     "another directory, and make a new backup");
  }
  for (wal::EpochExtent& extent : older) {
    if (*extent.end <= archived_ || *extent.end <= extent.begin) continue;
    AETHER_REACHED("archive.epoch_before_the_crash");
    extent.begin = std::max(extent.begin, archived_);
    older_.push_back(extent);
  }
  epoch_ = epoch;
  epoch_begin_ = epoch_begin;
  through_ = older_.empty() ? epoch_begin : older_.front().begin;
  return {};
}

Result<void> Archiver::copy(const wal::LogTail& end) {
  Result<void> copied = copy_extents(end);
  os::LockGuard lock(mutex_);
  figures_.last_error.clear();
  static_cast<void>(base::if_memory_allows([&]() AETHER_NO_THREAD_SAFETY {
    if (!copied) figures_.last_error = std::string(copied.error().message());
  }));
  if (!copied) AETHER_REACHED("archive.copy_failed");
  figures_.failures += copied ? 0 : 1;
  return copied;
}

Result<void> Archiver::copy_extents(const wal::LogTail& end) {
  std::vector<wal::EpochExtent> extents = older_;
  std::vector<wal::EpochExtent> left;
  left.reserve(extents.size());  // None may be forgotten for want of memory.
  const LogPosition begin = std::max(epoch_begin_, archived_);
  if (end.position > begin) extents.push_back({epoch_, begin, end.position, end.cut});
  // One after another: after a failure what is done is done.
  Result<void> result;
  for (wal::EpochExtent& extent : extents) {
    if (result) {
      wal::ArchiveCopied copied;
      result = wal::copy_to_archive(
          log_, {extent}, directory_, os_, [](uint64_t) { return Result<void>(); }, copied);
      archived_ = std::max(archived_, copied.end);
      os::LockGuard lock(mutex_);
      figures_.segments += copied.files;
      figures_.bytes += copied.bytes;
    }
    if (result || extent.epoch == epoch_) continue;
    extent.begin = std::max(extent.begin, archived_);
    left.push_back(extent);
  }
  older_ = std::move(left);
  if (!older_.empty()) {
    through_ = older_.front().begin;
  } else {
    through_ = result ? std::max(end.position, epoch_begin_) : std::max(epoch_begin_, archived_);
  }
  return result;
}

ArchiveFigures Archiver::figures() const {
  os::LockGuard lock(mutex_);
  ArchiveFigures figures = figures_;
  figures.through = through();
  return figures;
}

}  // namespace aether::db
