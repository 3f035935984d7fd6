// Writing archived log: file, then name, then directory, each durable before the next.
#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/checksum.h"
#include "base/no_memory.h"
#include "base/reached.h"
#include "wal/archive.h"
#include "wal/block.h"

namespace aether::wal {
namespace {

constexpr uint64_t kWriteBytes = 1 * MiB;
constexpr const char* kTemporary = ".new";

}  // namespace

ArchiveWriter::~ArchiveWriter() {
  if (file_ == nullptr) return;
  AETHER_REACHED("archive.given_up_in_a_file");
  file_.reset();
  // Else the next try replaces it.
  static_cast<void>(base::or_no_memory([&] { return os_.remove(path_ + kTemporary); }).has_value());
}

Result<void> ArchiveWriter::add(const Block& block) {
  const uint64_t segment = block.position / log_.segment_bytes;
  if (file_ != nullptr && (header_.segment != segment || header_.epoch != block.epoch))
    AETHER_TRY(finish());
  if (file_ == nullptr) AETHER_TRY(begin(block));
  AETHER_ASSERT(block.position == header_.end);
  AETHER_TRY(note_pages(block));
  AETHER_TRY(write(block.bytes));
  header_.end = block.end;
  header_.end_lsn = block.end_lsn;
  header_.end_wall_ns = block.wall_ns;
  return {};
}

Result<void> ArchiveWriter::begin(const Block& block) {
  header_ = {.epoch = block.epoch,
             .environment_id = log_.environment_id,
             .segment = block.position / log_.segment_bytes,
             .segment_bytes = log_.segment_bytes,
             .streams = log_.streams,
             .begin = block.position,
             .end = block.position,
             .begin_lsn = block.begin_lsn,
             .end_lsn = block.begin_lsn,
             .begin_wall_ns = block.wall_ns,
             .end_wall_ns = block.wall_ns};
  path_ = directory_ + "/" + archive_name(header_.segment);
  AETHER_TRY_ASSIGN(const bool there, os_.exists(path_));
  if (there) {
    return Error(Code::exists, path_ +
                                   " is there already, from another life of the environment or "
                                   "another environment: use another directory");
  }
  if (buffer_.bytes() == 0) {
    AETHER_TRY_ASSIGN(buffer_, AlignedBuffer::make(kWriteBytes));
  }
  index_.clear();
  buffered_ = 0;
  offset_ = kArchiveHeaderBytes;
  AETHER_TRY_ASSIGN(file_,
                    os_.open(path_ + kTemporary, {.write = true, .create = true, .direct = true}));
  return file_->truncate(0);  // What a crash has left of an earlier try.
}

Result<void> ArchiveWriter::note_pages(const Block& block) {
  const size_t before = index_.size();
  AETHER_TRY(visit_parts(block, [&](const RecordView&, const PartView& part) {
    index_.push_back({part.header.page_id, block.position});
    return Result<void>();
  }));
  const auto first = index_.begin() + static_cast<std::ptrdiff_t>(before);
  const auto by_page = [](const ArchiveIndexEntry& a, const ArchiveIndexEntry& b) {
    return a.page_id < b.page_id;
  };
  std::sort(first, index_.end(), by_page);
  index_.erase(std::unique(first, index_.end(),
                           [](const ArchiveIndexEntry& a, const ArchiveIndexEntry& b) {
                             return a.page_id == b.page_id;
                           }),
               index_.end());
  return {};
}

Result<void> ArchiveWriter::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const uint64_t some = std::min<uint64_t>(bytes.size(), buffer_.bytes() - buffered_);
    std::memcpy(buffer_.data() + buffered_, bytes.data(), some);
    buffered_ += some;
    bytes.remove_prefix(some);
    if (buffered_ == buffer_.bytes()) AETHER_TRY(flush_buffer());
  }
  return {};
}

/// What is buffered is a multiple of the block size: all that is written is.
Result<void> ArchiveWriter::flush_buffer() {
  AETHER_TRY(file_->write_at(offset_, buffer_.data(), buffered_));
  offset_ += buffered_;
  bytes_ += buffered_;
  buffered_ = 0;
  return {};
}

Result<void> ArchiveWriter::write_index() {
  std::sort(index_.begin(), index_.end(),
            [](const ArchiveIndexEntry& a, const ArchiveIndexEntry& b) {
              return a.page_id != b.page_id ? a.page_id < b.page_id : a.block < b.block;
            });
  const std::string_view index(reinterpret_cast<const char*>(index_.data()),
                               index_.size() * sizeof(ArchiveIndexEntry));
  header_.index_count = index_.size();
  header_.index_checksum = base::checksum(index.data(), index.size(), header_.environment_id);
  AETHER_TRY(write(index));
  const std::string padding(base::align_up(index.size(), kBlockAlignment) - index.size(), '\0');
  AETHER_TRY(write(padding));
  return buffered_ == 0 ? Result<void>() : flush_buffer();
}

Result<void> ArchiveWriter::finish() {
  if (file_ == nullptr) return {};
  AETHER_TRY(write_index());
  std::memset(buffer_.data(), 0, kArchiveHeaderBytes);
  base::store(buffer_.data(), header_);
  constexpr uint64_t kChecksumBytes = sizeof header_.checksum;
  base::store(buffer_.data(),
              base::checksum(buffer_.data() + kChecksumBytes, kArchiveHeaderBytes - kChecksumBytes,
                             header_.environment_id));
  AETHER_TRY(file_->write_at(0, buffer_.data(), kArchiveHeaderBytes));
  AETHER_TRY(file_->sync());
  AETHER_TRY(file_->close());
  AETHER_TRY(os_.rename(path_ + kTemporary, path_));
  file_.reset();
  if (Result<void> synced = os_.sync_directory(directory_); !synced) {
    static_cast<void>(os_.remove(path_).has_value());  // The next try makes the name anew.
    return synced;
  }
  end_ = header_.end;
  bytes_ += kArchiveHeaderBytes;
  ++files_;
  return {};
}

Result<void> copy_to_archive(const LogReaderOptions& log, const std::vector<EpochExtent>& extents,
                             const std::string& directory, os::Os& os,
                             FunctionRef<Result<void>(uint64_t)> pace, ArchiveCopied& copied) {
  for ([[maybe_unused]] const EpochExtent& extent : extents) AETHER_ASSERT(extent.end.has_value());
  AETHER_TRY_ASSIGN(const auto reader, LogReader::open(log, extents, os));
  ArchiveWriter writer(directory, log, os);
  const auto copy = [&]() -> Result<void> {
    for (;;) {
      AETHER_TRY_ASSIGN(const Block* block, reader->next());
      if (block == nullptr) return writer.finish();
      AETHER_TRY(pace(block->end - block->position));
      AETHER_TRY(writer.add(*block));
    }
  };
  Result<void> done = base::or_no_memory(copy);
  copied = {writer.files(), writer.bytes(), writer.end()};
  return done;
}

}  // namespace aether::wal
