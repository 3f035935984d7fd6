/// Backups that belong together, as verify, restore and repair read them.
///
/// Threads   One at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "aether/backup.h"
#include "aether/error.h"
#include "os/os.h"
#include "recovery/backup_format.h"
#include "wal/archive.h"

namespace aether::recovery {

struct BackupMember {
  std::string directory;
  Manifest manifest;
};

/// Full first, then each with its parent before it.
using BackupChain = std::vector<const BackupMember*>;

class BackupSet {
 public:
  /// Errors: not_found (no manifest), corruption, unsupported, invalid_argument (none is given, one is given twice, or they
  /// are of several environments).
  static Result<BackupSet> open(const std::vector<std::string>& directories, os::Os& os);

  const std::vector<BackupMember>& members() const noexcept { return members_; }
  /// The member and its ancestors. Errors: not_found (names what is missing).
  Result<BackupChain> chain(const BackupMember& member) const;

 private:
  std::vector<BackupMember> members_;
};

/// The pages of a chain.
class BackupPages {
 public:
  /// Errors: corruption (a file is too short), not_found.
  static Result<std::unique_ptr<BackupPages>> open(const BackupChain& chain, os::Os& os);
  /// Reads the pages of `entries`, which lie side by side in one backup, and checks each. Errors: corruption.
  Result<void> read(std::span<const PageListEntry> entries, std::byte* to);
  uint32_t page_bytes() const noexcept { return page_bytes_; }

 private:
  std::vector<std::unique_ptr<os::File>> files_;  ///< By generation.
  uint32_t page_bytes_ = 0;
  uint64_t environment_id_ = 0;
};

/// The entry of `page` in the backup's list, if it has one. Reads the list up to there.
Result<std::optional<PageListEntry>> find_page(const BackupMember& member, PageId page, os::Os& os);

BackupContents contents_of(const BackupMember& member);
std::string id_text(uint64_t id);

}  // namespace aether::recovery
