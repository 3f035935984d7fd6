// What an archive of the log holds, for people and for pruning.
#include "aether/backup.h"
#include "os/os.h"
#include "recovery/backup_set.h"
#include "wal/archive.h"

namespace aether {

Result<std::vector<ArchiveStretch>> archive_contents(const std::string& directory, bool verify,
                                                     os::Os& os) {
  AETHER_TRY_ASSIGN(const std::vector<wal::ArchiveEntry> entries, wal::list_archive(directory, os));
  std::vector<ArchiveStretch> stretches;
  const wal::ArchiveHeader* before = nullptr;
  for (const wal::ArchiveEntry& entry : entries) {
    if (verify) {
      AETHER_TRY_ASSIGN(const auto file, wal::ArchiveFile::open(entry.path, os));
      AETHER_TRY(file->verify());
    }
    const wal::ArchiveHeader& header = entry.header;
    const bool follows = before != nullptr && before->environment_id == header.environment_id &&
                         before->end_lsn == header.begin_lsn;
    if (!follows) {
      ArchiveStretch& next = stretches.emplace_back();
      next.environment = recovery::id_text(header.environment_id);
      next.begin_position = header.begin;
      next.begin_wall_ns = header.begin_wall_ns;
    }
    ArchiveStretch& stretch = stretches.back();
    ++stretch.files;
    stretch.bytes += header.end - header.begin;
    stretch.end_position = header.end;
    stretch.end_wall_ns = header.end_wall_ns;
    before = &header;
  }
  return stretches;
}

Result<std::vector<ArchiveStretch>> archive_contents(const std::string& directory, bool verify) {
  return archive_contents(directory, verify, os::production());
}

/// Oldest first: interrupted, it leaves one stretch.
Result<uint64_t> prune_archive(const std::string& directory, uint64_t position, os::Os& os) {
  AETHER_TRY_ASSIGN(const std::vector<wal::ArchiveEntry> entries, wal::list_archive(directory, os));
  uint64_t removed = 0;
  for (const wal::ArchiveEntry& entry : entries) {
    if (entry.header.end > position) continue;
    AETHER_TRY(os.remove(entry.path));
    ++removed;
  }
  if (removed != 0) AETHER_TRY(os.sync_directory(directory));
  return removed;
}

Result<uint64_t> prune_archive(const std::string& directory, uint64_t position) {
  return prune_archive(directory, position, os::production());
}

}  // namespace aether
