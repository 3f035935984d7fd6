// Files of archived log: their headers, reading and checking. Writing is in archive_writer.cpp.
#include "wal/archive.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/bytes.h"
#include "base/checksum.h"
#include "wal/block.h"

namespace aether::wal {
namespace {

constexpr std::string_view kEnding = ".seg";
constexpr uint64_t kReadBytes = 1 * MiB;
constexpr uint64_t kChecksumBytes = sizeof ArchiveHeader{}.checksum;
constexpr LogPosition kPositionMax = uint64_t{1} << 62;

Error damaged(const std::string& path, const std::string& what) {
  return Error(Code::corruption, "archived log " + path + ": " + what);
}

bool is_plausible(const ArchiveHeader& header) noexcept {
  const uint64_t segment_bytes = header.segment_bytes;
  if (header.streams < 1 || header.streams > kMaxStreams || !std::has_single_bit(segment_bytes) ||
      segment_bytes < 64 * KiB || segment_bytes > GiB || header.end > kPositionMax) {
    return false;
  }
  const bool placed = header.segment > 0 && header.segment < kPositionMax / segment_bytes &&
                      header.begin >= header.segment * segment_bytes + kSegmentHeaderBytes &&
                      header.end > header.begin &&
                      header.end <= (header.segment + 1) * segment_bytes;
  const bool aligned = header.begin % kBlockAlignment == 0 && header.end % kBlockAlignment == 0;
  return placed && aligned && header.flags == 0 &&
         header.index_count <= (uint64_t{1} << 40) / sizeof(ArchiveIndexEntry);
}

uint64_t index_bytes(const ArchiveHeader& header) noexcept {
  return header.index_count * sizeof(ArchiveIndexEntry);
}

}  // namespace

std::string archive_name(uint64_t segment) {
  std::string name = segment_name(segment);
  return name.replace(name.rfind('.'), std::string::npos, kEnding);
}

ArchiveFile::ArchiveFile(std::string path, std::unique_ptr<os::File> file,
                         const ArchiveHeader& header, os::Os& os)
    : path_(std::move(path)),
      file_(std::move(file)),
      header_(header),
      window_(os, IoMode::automatic, kReadBytes, ForwardWindow::Ahead::no) {
  window_.begin(*file_, kArchiveHeaderBytes + (header_.end - header_.begin));
}

Result<std::unique_ptr<ArchiveFile>> ArchiveFile::open(const std::string& path, os::Os& os) {
  AETHER_TRY_ASSIGN(std::unique_ptr<os::File> file, os.open(path, {.direct = true}));
  AETHER_TRY_ASSIGN(AlignedBuffer buffer, AlignedBuffer::make(kArchiveHeaderBytes));
  AETHER_TRY_ASSIGN(const uint64_t got, file->read_at(0, buffer.data(), kArchiveHeaderBytes));
  const auto header = base::load<ArchiveHeader>(buffer.data());
  const bool whole = got == kArchiveHeaderBytes && header.magic == kArchiveMagic &&
                     header.checksum == base::checksum(buffer.data() + kChecksumBytes,
                                                       kArchiveHeaderBytes - kChecksumBytes,
                                                       header.environment_id);
  if (!whole) return damaged(path, "its header is damaged");
  if (header.version != kArchiveVersion) {
    return Error(Code::unsupported, "archived log " + path + " has format " +
                                        std::to_string(header.version) +
                                        "; use the version of Aether that wrote it");
  }
  if (!is_plausible(header)) return damaged(path, "its header has its checksum, but means nothing");
  AETHER_TRY_ASSIGN(const uint64_t size, file->size());
  const uint64_t wanted = kArchiveHeaderBytes + (header.end - header.begin) +
                          base::align_up(index_bytes(header), kBlockAlignment);
  if (size != wanted) {
    return damaged(
        path, "it has " + std::to_string(size) + " bytes instead of " + std::to_string(wanted));
  }
  return std::unique_ptr<ArchiveFile>(new ArchiveFile(path, std::move(file), header, os));
}

Result<std::string_view> ArchiveFile::bytes(LogPosition position, uint64_t size) {
  const uint64_t offset = kArchiveHeaderBytes + (position - header_.begin);
  AETHER_TRY_ASSIGN(const std::string_view there, window_.bytes(offset, size));
  if (there.size() < size) return damaged(path_, "it is cut off");
  return there;
}

Result<const Block*> ArchiveFile::read(LogPosition position) {
  if (position == header_.end) return static_cast<const Block*>(nullptr);
  const auto bad = [&](const char* what) {
    return damaged(path_, std::string(what) + " at log position " + std::to_string(position));
  };
  if (position < header_.begin || position > header_.end || position % kBlockAlignment != 0) {
    return bad("no block begins");
  }
  AETHER_TRY_ASSIGN(std::string_view block, bytes(position, kBlockAlignment));
  const uint64_t length = claimed_length(block, header_.end - position);
  if (!claims_to_be(block, {header_.environment_id, position, header_.epoch}) || length == 0) {
    return bad("no block is");
  }
  AETHER_TRY_ASSIGN(block, bytes(position, length));
  if (!is_intact(block)) return bad("the block is damaged");
  AETHER_TRY_ASSIGN(const BlockContent content, parse_block(block, header_.streams, path_));
  fill_block(block_, block, content, header_.streams);
  return static_cast<const Block*>(&block_);
}

Result<void> ArchiveFile::read_index() {
  const uint64_t size = index_bytes(header_);
  AETHER_TRY_ASSIGN(AlignedBuffer buffer, AlignedBuffer::make(std::max<uint64_t>(size, 1)));
  const uint64_t offset = kArchiveHeaderBytes + (header_.end - header_.begin);
  const uint64_t wanted = base::align_up(size, kBlockAlignment);
  AETHER_TRY_ASSIGN(const uint64_t got, file_->read_at(offset, buffer.data(), wanted));
  if (got < wanted ||
      base::checksum(buffer.data(), size, header_.environment_id) != header_.index_checksum) {
    return damaged(path_, "its index of pages is damaged");
  }
  std::vector<ArchiveIndexEntry> index(header_.index_count);
  if (size != 0) std::memcpy(index.data(), buffer.data(), size);
  index_ = std::move(index);
  return {};
}

Result<std::vector<LogPosition>> ArchiveFile::blocks_of(PageId page) {
  if (!index_) AETHER_TRY(read_index());
  auto found = std::lower_bound(
      index_->begin(), index_->end(), raw(page),
      [](const ArchiveIndexEntry& entry, uint64_t id) { return entry.page_id < id; });
  std::vector<LogPosition> blocks;
  for (; found != index_->end() && found->page_id == raw(page); ++found)
    blocks.push_back(found->block);
  return blocks;
}

Result<void> visit_parts(const Block& block,
                         FunctionRef<Result<void>(const RecordView&, const PartView&)> visit) {
  for (const Chunk& chunk : block.chunks) {
    RecordCursor cursor(chunk);
    for (;;) {
      AETHER_TRY_ASSIGN(const std::optional<RecordView> record, cursor.next());
      if (!record) break;
      PartCursor parts(*record);
      while (const std::optional<PartView> part = parts.next()) AETHER_TRY(visit(*record, *part));
    }
  }
  return {};
}

Result<void> ArchiveFile::verify() {
  LsnVector lsn = header_.begin_lsn;
  for (LogPosition at = header_.begin; at < header_.end;) {
    AETHER_TRY_ASSIGN(const Block* block, read(at));
    if (block->begin_lsn != lsn) return damaged(path_, "its blocks do not follow each other");
    AETHER_TRY(
        visit_parts(*block, [](const RecordView&, const PartView&) { return Result<void>(); }));
    lsn = block->end_lsn;
    at = block->end;
  }
  if (lsn != header_.end_lsn) return damaged(path_, "it ends elsewhere than its header says");
  return read_index();
}

Result<std::vector<ArchiveEntry>> list_archive(const std::string& directory, os::Os& os) {
  const Result<std::vector<std::string>> names = os.list(directory);
  std::vector<ArchiveEntry> entries;
  if (!names) {
    if (names.error().code() == Code::not_found) return entries;
    return names.error().clone();
  }
  for (const std::string& name : *names) {
    if (name.size() != 16 + kEnding.size() || !name.ends_with(kEnding)) continue;
    std::string path = directory;
    path.append("/").append(name);
    AETHER_TRY_ASSIGN(const auto file, ArchiveFile::open(path, os));
    if (archive_name(file->header().segment) != name)
      return damaged(file->path(), "it is the file of another segment");
    entries.push_back({file->path(), file->header()});
  }
  return entries;
}

// --- Several directories as one log --------------------------------------------------------------------

Result<std::unique_ptr<ArchiveReader>> ArchiveReader::open(std::vector<ArchiveEntry> entries,
                                                           uint64_t environment_id,
                                                           const Start& start, os::Os& os) {
  std::erase_if(entries, [&](const ArchiveEntry& entry) {
    return entry.header.environment_id != environment_id || entry.header.end <= start.position;
  });
  std::sort(entries.begin(), entries.end(), [](const ArchiveEntry& a, const ArchiveEntry& b) {
    return a.header.begin != b.header.begin ? a.header.begin < b.header.begin
                                            : a.header.end > b.header.end;
  });
  return std::unique_ptr<ArchiveReader>(new ArchiveReader(std::move(entries), start, os));
}

Result<const Block*> ArchiveReader::next() {
  for (;;) {
    if (file_ == nullptr) {
      if (next_entry_ == entries_.size()) return static_cast<const Block*>(nullptr);
      const ArchiveEntry& entry = entries_[next_entry_++];
      if (entry.header.end <= position_) continue;  // Another directory had it, too.
      AETHER_TRY_ASSIGN(file_, ArchiveFile::open(entry.path, os_));
      at_ = file_->header().begin;
    }
    AETHER_TRY_ASSIGN(const Block* block, file_->read(at_));
    if (block == nullptr) {
      file_.reset();
      continue;
    }
    at_ = block->end;
    if (block->position < position_) continue;
    AETHER_TRY(check_follows(*block));
    position_ = block->end;
    lsn_ = block->end_lsn;
    epoch_ = block->epoch;
    return block;
  }
}

Result<void> ArchiveReader::check_follows(const Block& block) const {
  // Nothing is known before the first block but the position: then its predecessor must lie below it.
  bool follows = block.previous < position_;
  if (lsn_) {
    follows = block.begin_lsn == *lsn_ && block.epoch >= epoch_;
  } else if (block.previous == 0) {  // The first of its epoch: where is told by its segment.
    const uint64_t segment_bytes = file_->header().segment_bytes;
    follows = position_ / segment_bytes == block.position / segment_bytes;
  }
  if (follows) return {};
  return damaged(file_->path(), "the log between position " + std::to_string(position_) +
                                    " and position " + std::to_string(block.position) +
                                    " is missing; put the files of that stretch "
                                    "back, or name a point before it");
}

}  // namespace aether::wal
