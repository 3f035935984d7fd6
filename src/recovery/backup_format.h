/// What a backup is on disk: MANIFEST, page_list, pages, log/. docs/formats/backup.md is the format.
///
///   MANIFEST    what it is a backup of, where its log begins and ends, how to check the rest. Written last: a directory
///               without a sound one is no backup.
///   page_list   an entry for every page, ascending: GSN, checksum, and in which backup of the chain it lies
///   pages       the pages that this backup holds itself, in the order of the list
///   log/        archived segments (wal/archive.h) from the start of redo and undo to the end
///
/// Threads   One.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "aether/error.h"
#include "base/ids.h"
#include "os/os.h"
#include "recovery/control.h"
#include "wal/aligned_buffer.h"
#include "wal/lsn_vector.h"

namespace aether::recovery {

inline constexpr const char* kManifestName = "MANIFEST";
inline constexpr const char* kPageListName = "page_list";
inline constexpr const char* kPagesName = "pages";
inline constexpr const char* kBackupLogName = "log";

enum class BackupKind : uint32_t { full = 1, incremental = 2 };

struct Manifest {
  BackupKind kind = BackupKind::full;
  uint64_t backup_id = 0;
  std::vector<uint64_t> ancestors;  ///< The full backup first, the parent last. None: this is full.
  /// As of the beginning: identity, where redo and undo begin, fences. Never clean.
  ControlState control;
  uint64_t capacity_pages = 0;  ///< Of the data file.
  uint64_t list_entries = 0;
  uint64_t list_checksum = 0;
  uint64_t pages_held = 0;  ///< In `pages`.
  LogPosition end = 0;      ///< Where the log of the backup ends: what it restores to.
  wal::LsnVector end_lsn;
  uint64_t begin_wall_ns = 0;
  uint64_t end_wall_ns = 0;  ///< Not before the time of the last block below `end`.
};

std::string encode_manifest(const Manifest& manifest);
/// Errors: corruption, unsupported (a newer format). `path` names it in messages.
Result<Manifest> decode_manifest(std::string_view bytes, const std::string& path);
/// Reads and checks the manifest of `directory`. Errors: also not_found, if there is none: no backup, or an unfinished one.
Result<Manifest> read_manifest(const std::string& directory, os::Os& os);
/// Durable with its name when it returns.
Result<void> write_manifest(const std::string& directory, const Manifest& manifest, os::Os& os);

struct PageListEntry {
  uint64_t page_id = 0;
  Gsn gsn = 0;
  uint64_t checksum = 0;  ///< The page's own.
  uint64_t place = 0;     ///< Generation << 48 | index in that backup's `pages`.

  uint32_t generation() const noexcept { return static_cast<uint32_t>(place >> 48); }
  uint64_t slot() const noexcept { return place & ((uint64_t{1} << 48) - 1); }
};
static_assert(sizeof(PageListEntry) == 32);

/// Writes entries in pieces of 1 MiB; the checksum of each piece is the seed of the next.
class PageListWriter {
 public:
  static Result<std::unique_ptr<PageListWriter>> create(const std::string& directory, os::Os& os);
  Result<void> add(const PageListEntry& entry);
  /// Durable when it returns, but for the name.
  Result<void> finish();
  uint64_t entries() const noexcept { return entries_; }
  uint64_t checksum() const noexcept { return checksum_; }

 private:
  Result<void> flush();
  std::unique_ptr<os::File> file_;
  std::string buffer_;
  uint64_t offset_ = 0;
  uint64_t entries_ = 0;
  uint64_t checksum_ = 0;
};

/// Reads the list in order. The checksum is known to be right only at the end.
class PageListReader {
 public:
  static Result<std::unique_ptr<PageListReader>> open(const std::string& directory,
                                                      const Manifest& manifest, os::Os& os);
  /// Null at the end. Errors: corruption (not ascending, a place that is none, a wrong checksum).
  Result<const PageListEntry*> next();

 private:
  std::unique_ptr<os::File> file_;
  Manifest manifest_;
  std::string buffer_;
  uint64_t offset_ = 0;
  uint64_t at_ = 0;  ///< In the buffer.
  uint64_t read_ = 0;
  uint64_t checksum_ = 0;
  PageListEntry entry_;
};

}  // namespace aether::recovery
