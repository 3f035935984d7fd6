/// Archived log: a file for each segment, with the blocks that count and nothing else, and an index of the pages that
/// they change. Backups carry their log in the same form. docs/formats/archive.md is the format.
///
///   ┌───────────────┬───────┬───────┬─────────┬──────────────────────────┐
///   │ header 4096   │ block │ block │   ...   │ index: page, block       │   0000000000000007.seg
///   └───────────────┴───────┴───────┴─────────┴──────────────────────────┘
///
/// A file appears under its name when all of it is durable. Files belong together by what they say: each begins at the
/// LSNs at which the one before ends, in every stream. So a piece that is missing shows, also between epochs.
///
/// Threads   One at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aether/error.h"
#include "aether/function_ref.h"
#include "base/ids.h"
#include "os/os.h"
#include "wal/aligned_buffer.h"
#include "wal/forward_window.h"
#include "wal/log_reader.h"

namespace aether::wal {

inline constexpr uint64_t kArchiveMagic = 0x3143524148544541;  ///< "AETHARC1"
inline constexpr uint32_t kArchiveVersion = 1;
inline constexpr uint64_t kArchiveHeaderBytes = os::kDirectAlignment;

/// The first bytes of a file; the rest of kArchiveHeaderBytes is zero.
struct ArchiveHeader {
  uint64_t checksum = 0;  ///< XXH3-64 of bytes 8..4095, seeded with the environment's id.
  uint64_t magic = kArchiveMagic;
  uint32_t version = kArchiveVersion;
  uint32_t epoch = 0;
  uint64_t environment_id = 0;
  uint64_t segment = 0;
  uint64_t segment_bytes = 0;
  uint32_t streams = 0;
  uint32_t flags = 0;     ///< No bit defined yet.
  LogPosition begin = 0;  ///< Of its first block.
  LogPosition end = 0;    ///< After its last block.
  LsnVector begin_lsn;    ///< Where each stream stands before its first block.
  LsnVector end_lsn;      ///< And after its last one.
  uint64_t begin_wall_ns = 0;
  uint64_t end_wall_ns = 0;  ///< When its first and last block were built.
  uint64_t index_count = 0;
  uint64_t index_checksum = 0;  ///< XXH3-64 of the index, seeded with the environment's id.
};
static_assert(sizeof(ArchiveHeader) == 232);
static_assert(offsetof(ArchiveHeader, environment_id) == 24);
static_assert(offsetof(ArchiveHeader, begin) == 56);
static_assert(offsetof(ArchiveHeader, begin_lsn) == 72);
static_assert(offsetof(ArchiveHeader, end_lsn) == 136);
static_assert(offsetof(ArchiveHeader, begin_wall_ns) == 200);
static_assert(offsetof(ArchiveHeader, index_checksum) == 224);

/// Of the index: ascending by page, then block.
struct ArchiveIndexEntry {
  uint64_t page_id = 0;
  LogPosition block = 0;  ///< Of a block with a record that changes the page.
};
static_assert(sizeof(ArchiveIndexEntry) == 16);

/// "0000000000000007.seg" for 7.
std::string archive_name(uint64_t segment);

/// One file, read and checked.
class ArchiveFile {
 public:
  /// Checks the header, and that the file has the size that it says. Errors: corruption (names the file), unsupported
  /// (a newer format), not_found, io_error.
  static Result<std::unique_ptr<ArchiveFile>> open(const std::string& path, os::Os& os);

  const ArchiveHeader& header() const noexcept { return header_; }
  const std::string& path() const noexcept { return path_; }
  /// The block at `position`; at `end`: null. Valid until the next call. Errors: corruption.
  Result<const Block*> read(LogPosition position);
  /// Blocks with changes of `page`, ascending. Reads the index once. Errors: corruption.
  Result<std::vector<LogPosition>> blocks_of(PageId page);
  /// Reads all of it: every block, their chain, the index. Errors: corruption.
  Result<void> verify();

 private:
  ArchiveFile(std::string path, std::unique_ptr<os::File> file, const ArchiveHeader& header,
              os::Os& os);
  Result<void> read_index();
  Result<std::string_view> bytes(LogPosition position, uint64_t size);

  const std::string path_;
  std::unique_ptr<os::File> file_;
  const ArchiveHeader header_;
  ForwardWindow window_;  ///< Of file_, up to the index.
  Block block_;
  std::optional<std::vector<ArchiveIndexEntry>> index_;
};

/// Calls `visit` for every part of every record of `block`, in order, until it answers an error. Errors: that, corruption.
Result<void> visit_parts(const Block& block,
                         FunctionRef<Result<void>(const RecordView&, const PartView&)> visit);

/// What a directory of archived log holds.
struct ArchiveEntry {
  std::string path;
  ArchiveHeader header;
};
/// The files of `directory` whose names are those of archived segments, ascending; headers checked. A directory that is
/// not there holds none. Errors: corruption, unsupported, io_error.
Result<std::vector<ArchiveEntry>> list_archive(const std::string& directory, os::Os& os);

/// Writes archived segments: blocks come in, files come out.
class ArchiveWriter {
 public:
  ArchiveWriter(std::string directory, const LogReaderOptions& log, os::Os& os)
      : directory_(std::move(directory)), log_(log), os_(os) {}
  ~ArchiveWriter();

  /// Blocks in order; a block of another segment than the one before finishes that one's file. Errors: io_error, no_space,
  /// exists (another file has that segment's name).
  Result<void> add(const Block& block);
  /// Finishes the last file. Without it that file does not appear.
  Result<void> finish();
  uint64_t files() const noexcept { return files_; }
  uint64_t bytes() const noexcept { return bytes_; }
  LogPosition end() const noexcept { return end_; }  ///< Of the last finished file.

 private:
  Result<void> begin(const Block& block);
  Result<void> write(std::string_view bytes);
  Result<void> flush_buffer();
  Result<void> note_pages(const Block& block);
  Result<void> write_index();

  const std::string directory_;
  const LogReaderOptions log_;
  os::Os& os_;
  std::unique_ptr<os::File> file_;
  std::string path_;
  ArchiveHeader header_;
  std::vector<ArchiveIndexEntry> index_;
  AlignedBuffer buffer_;
  uint64_t buffered_ = 0;
  uint64_t offset_ = 0;  ///< Of the buffer's first byte.
  uint64_t files_ = 0;
  uint64_t bytes_ = 0;
  LogPosition end_ = 0;
};

struct ArchiveCopied {
  uint64_t files = 0;
  uint64_t bytes = 0;
  LogPosition end = 0;  ///< After the last block that is in a finished file; 0: none is.
};
/// Copies the log of `extents`, all of which have ends, into archived segments. `pace` is told of every block's bytes before
/// it is written, and may stop it with an error. `copied` is right after an error, too. Errors: corruption, io_error,
/// no_space, exists.
Result<void> copy_to_archive(const LogReaderOptions& log, const std::vector<EpochExtent>& extents,
                             const std::string& directory, os::Os& os,
                             FunctionRef<Result<void>(uint64_t)> pace, ArchiveCopied& copied);

/// Reads archived log from several directories as one log.
class ArchiveReader {
 public:
  struct Start {
    LogPosition position = 0;
    std::optional<LsnVector> lsn;  ///< Where the streams stand there, if that is known.
  };
  /// Only files of `environment_id` are looked at. Errors: corruption, io_error.
  static Result<std::unique_ptr<ArchiveReader>> open(std::vector<ArchiveEntry> entries,
                                                     uint64_t environment_id, const Start& start,
                                                     os::Os& os);
  /// The next block; null at the end of what there is. Errors: corruption (also: a piece is missing; says which).
  Result<const Block*> next();
  /// Where it stands: after the last block, and its streams. Before the first one: as it was opened.
  LogPosition position() const noexcept { return position_; }
  const std::optional<LsnVector>& lsn() const noexcept { return lsn_; }

 private:
  ArchiveReader(std::vector<ArchiveEntry> entries, const Start& start, os::Os& os)
      : os_(os), entries_(std::move(entries)), position_(start.position), lsn_(start.lsn) {}
  Result<void> check_follows(const Block& block) const;

  os::Os& os_;
  std::vector<ArchiveEntry> entries_;
  size_t next_entry_ = 0;
  std::unique_ptr<ArchiveFile> file_;
  LogPosition at_ = 0;  ///< In `file_`.
  LogPosition position_ = 0;
  std::optional<LsnVector> lsn_;
  uint32_t epoch_ = 0;
};

}  // namespace aether::wal
