#include "recovery/backup_format.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "aether/version.h"
#include "base/bytes.h"
#include "base/checksum.h"
#include "base/format_version.h"

namespace aether::recovery {
namespace {

constexpr uint64_t kMagic = 0x3150'4b42'4854'4541;  // "AETHBKP1"
constexpr uint32_t kVersion = 1;
constexpr uint64_t kManifestBytesMax = 1 * MiB;
constexpr uint64_t kPieceBytes = 1 * MiB;
constexpr LogPosition kPositionMax = uint64_t{1} << 62;
constexpr uint32_t kGenerationsMax = 10'000;

/// The fixed part; ancestors (8 bytes each) and fences (88) follow.
struct ManifestHeader {
  uint64_t checksum = 0;  ///< XXH3-64 of the rest of the file.
  uint64_t magic = kMagic;
  uint32_t version = kVersion;
  uint32_t kind = 0;
  uint64_t backup_id = 0;
  uint64_t environment_id = 0;
  uint32_t environment_format = kFormatVersion;
  uint32_t page_bytes = 0;
  uint64_t segment_bytes = 0;
  uint32_t streams = 0;
  uint32_t epoch = 0;
  uint32_t ancestor_count = 0;
  uint32_t fence_count = 0;
  uint64_t capacity_pages = 0;
  uint64_t list_entries = 0;
  uint64_t list_checksum = 0;
  uint64_t pages_held = 0;
  LogPosition redo_position = 0;
  LogPosition start_position = 0;
  LogPosition epoch_begin = 0;
  LogPosition end = 0;
  TxnId next_txn = 0;
  uint64_t begin_wall_ns = 0;
  uint64_t end_wall_ns = 0;
  wal::LsnVector lsn;
  wal::LsnVector end_lsn;
};
static_assert(sizeof(ManifestHeader) == 288);

struct ManifestFence {
  uint32_t epoch = 0;
  uint32_t reserved = 0;
  LogPosition begin = 0;
  LogPosition end = 0;
  wal::LsnVector cut;
};
static_assert(sizeof(ManifestFence) == 88);

Error damaged(const std::string& path, const std::string& what) {
  return Error(Code::corruption, path + ": " + what + "; the backup cannot be used");
}

uint64_t manifest_checksum(std::string_view bytes) noexcept {
  return base::checksum(bytes.data() + sizeof(uint64_t), bytes.size() - sizeof(uint64_t), kMagic);
}

bool is_plausible(const ManifestHeader& header) noexcept {
  const bool sizes = std::has_single_bit(header.page_bytes) && header.page_bytes >= 4 * KiB &&
                     header.page_bytes <= 64 * KiB && std::has_single_bit(header.segment_bytes) &&
                     header.segment_bytes >= 64 * KiB && header.segment_bytes <= GiB &&
                     header.streams >= 1 && header.streams <= wal::kMaxStreams;
  const bool positions = header.redo_position < kPositionMax &&
                         header.start_position <= header.redo_position &&
                         header.start_position >= header.segment_bytes &&
                         header.epoch_begin < kPositionMax && header.end < kPositionMax &&
                         header.end >= header.start_position;
  const bool kind = header.kind == 1 ? header.ancestor_count == 0
                                     : header.kind == 2 && header.ancestor_count > 0 &&
                                           header.ancestor_count < kGenerationsMax;
  return sizes && positions && kind && header.epoch > 0 && header.epoch < UINT32_MAX - 1 &&
         header.capacity_pages < uint64_t{1} << 50 &&
         header.list_entries <= header.capacity_pages + 1 &&
         header.pages_held <= header.list_entries;
}

}  // namespace

std::string encode_manifest(const Manifest& manifest) {
  const ControlState& control = manifest.control;
  ManifestHeader header;
  header.kind = static_cast<uint32_t>(manifest.kind);
  header.backup_id = manifest.backup_id;
  header.environment_id = control.environment_id;
  header.page_bytes = control.page_bytes;
  header.segment_bytes = control.segment_bytes;
  header.streams = control.streams;
  header.epoch = control.epoch;
  header.ancestor_count = static_cast<uint32_t>(manifest.ancestors.size());
  header.fence_count = static_cast<uint32_t>(control.fences.size());
  header.capacity_pages = manifest.capacity_pages;
  header.list_entries = manifest.list_entries;
  header.list_checksum = manifest.list_checksum;
  header.pages_held = manifest.pages_held;
  header.redo_position = control.redo_position;
  header.start_position = control.start_position;
  header.epoch_begin = control.epoch_begin;
  header.end = manifest.end;
  header.next_txn = control.next_txn;
  header.begin_wall_ns = manifest.begin_wall_ns;
  header.end_wall_ns = manifest.end_wall_ns;
  header.lsn = control.lsn;
  header.end_lsn = manifest.end_lsn;
  std::string bytes(sizeof header, '\0');
  base::store(bytes.data(), header);
  const auto append = [&bytes](const auto& value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  for (const uint64_t ancestor : manifest.ancestors) append(ancestor);
  for (const Fence& fence : control.fences)
    append(ManifestFence{fence.epoch, 0, fence.begin, fence.end, fence.cut});
  base::store(bytes.data(), manifest_checksum(bytes));
  return bytes;
}

Result<Manifest> decode_manifest(std::string_view bytes, const std::string& path) {
  if (bytes.size() < sizeof(ManifestHeader)) return damaged(path, "it is cut off");
  const auto header = base::load<ManifestHeader>(bytes.data());
  if (header.magic != kMagic || header.checksum != manifest_checksum(bytes))
    return damaged(path, "it is damaged");
  if (header.version != kVersion) {
    return Error(Code::unsupported, path + ": backup format " + std::to_string(header.version) +
                                        "; use the version of Aether that wrote it");
  }
  AETHER_TRY(base::check_format_version(path, header.environment_format));
  const uint64_t wanted = sizeof header + uint64_t{header.ancestor_count} * sizeof(uint64_t) +
                          uint64_t{header.fence_count} * sizeof(ManifestFence);
  if (!is_plausible(header) || bytes.size() != wanted)
    return damaged(path, "it has its checksum, but means nothing");
  Manifest manifest;
  manifest.kind = static_cast<BackupKind>(header.kind);
  manifest.backup_id = header.backup_id;
  ControlState& control = manifest.control;
  control.environment_id = header.environment_id;
  control.page_bytes = header.page_bytes;
  control.segment_bytes = header.segment_bytes;
  control.streams = header.streams;
  control.epoch = header.epoch;
  control.redo_position = header.redo_position;
  control.start_position = header.start_position;
  control.known_durable = header.end;
  control.epoch_begin = header.epoch_begin;
  control.next_txn = header.next_txn;
  control.lsn = header.lsn;
  manifest.capacity_pages = header.capacity_pages;
  manifest.list_entries = header.list_entries;
  manifest.list_checksum = header.list_checksum;
  manifest.pages_held = header.pages_held;
  manifest.end = header.end;
  manifest.end_lsn = header.end_lsn;
  manifest.begin_wall_ns = header.begin_wall_ns;
  manifest.end_wall_ns = header.end_wall_ns;
  base::ByteReader reader(bytes.substr(sizeof header));
  for (uint32_t i = 0; i < header.ancestor_count; ++i)
    manifest.ancestors.push_back(reader.read<uint64_t>());
  for (uint32_t i = 0; i < header.fence_count; ++i) {
    const auto fence = reader.read<ManifestFence>();
    if (fence.reserved != 0 || fence.begin > fence.end || fence.end >= kPositionMax ||
        fence.epoch >= header.epoch)
      return damaged(path, "it has a fence that means nothing");
    control.fences.push_back({fence.epoch, fence.begin, fence.end, fence.cut});
  }
  return manifest;
}

Result<Manifest> read_manifest(const std::string& directory, os::Os& os) {
  const std::string path = directory + "/" + kManifestName;
  Result<std::unique_ptr<os::File>> file = os.open(path, {});
  if (!file) {
    if (file.error().code() != Code::not_found) return std::move(file).error();
    return Error(Code::not_found, directory +
                                      ": no MANIFEST: not a backup, or one that was interrupted; "
                                      "it cannot be used");
  }
  AETHER_TRY_ASSIGN(const uint64_t size, (*file)->size());
  if (size > kManifestBytesMax) return damaged(path, "it is too long");
  std::string bytes(size, '\0');
  AETHER_TRY_ASSIGN(const uint64_t got, (*file)->read_at(0, bytes.data(), size));
  bytes.resize(got);
  return decode_manifest(bytes, path);
}

Result<void> write_manifest(const std::string& directory, const Manifest& manifest, os::Os& os) {
  const std::string path = directory + "/" + kManifestName;
  const std::string temporary = path + ".new";
  const std::string bytes = encode_manifest(manifest);
  AETHER_TRY_ASSIGN(const auto file, os.open(temporary, {.write = true, .create = true}));
  AETHER_TRY(file->write_at(0, bytes.data(), bytes.size()));
  AETHER_TRY(file->sync());
  AETHER_TRY(file->close());
  // All other names first: a manifest that is there promises them.
  AETHER_TRY(os.sync_directory(directory));
  AETHER_TRY(os.rename(temporary, path));
  return os.sync_directory(directory);
}

// --- The list of pages -----------------------------------------------------------------------------------

Result<std::unique_ptr<PageListWriter>> PageListWriter::create(const std::string& directory,
                                                               os::Os& os) {
  auto writer = std::make_unique<PageListWriter>();
  AETHER_TRY_ASSIGN(writer->file_, os.open(directory + "/" + kPageListName,
                                           {.write = true, .create = true, .exclusive = true}));
  writer->buffer_.reserve(kPieceBytes);
  return writer;
}

Result<void> PageListWriter::add(const PageListEntry& entry) {
  buffer_.append(reinterpret_cast<const char*>(&entry), sizeof entry);
  ++entries_;
  return buffer_.size() == kPieceBytes ? flush() : Result<void>();
}

Result<void> PageListWriter::flush() {
  if (buffer_.empty()) return {};
  checksum_ = base::checksum(buffer_.data(), buffer_.size(), checksum_);
  AETHER_TRY(file_->write_at(offset_, buffer_.data(), buffer_.size()));
  offset_ += buffer_.size();
  buffer_.clear();
  return {};
}

Result<void> PageListWriter::finish() {
  AETHER_TRY(flush());
  AETHER_TRY(file_->sync());
  return file_->close();
}

Result<std::unique_ptr<PageListReader>> PageListReader::open(const std::string& directory,
                                                             const Manifest& manifest, os::Os& os) {
  auto reader = std::make_unique<PageListReader>();
  reader->manifest_ = manifest;
  AETHER_TRY_ASSIGN(reader->file_, os.open(directory + "/" + kPageListName, {}));
  AETHER_TRY_ASSIGN(const uint64_t size, reader->file_->size());
  if (size != manifest.list_entries * sizeof(PageListEntry)) {
    return damaged(reader->file_->path(),
                   "it has " + std::to_string(size) + " bytes instead of " +
                       std::to_string(manifest.list_entries * sizeof(PageListEntry)));
  }
  return reader;
}

Result<const PageListEntry*> PageListReader::next() {
  if (at_ == buffer_.size()) {
    if (read_ == manifest_.list_entries) {
      if (checksum_ != manifest_.list_checksum) return damaged(file_->path(), "it is damaged");
      return static_cast<const PageListEntry*>(nullptr);
    }
    buffer_.resize(std::min(kPieceBytes, (manifest_.list_entries - read_) * sizeof(PageListEntry)));
    AETHER_TRY_ASSIGN(const uint64_t got, file_->read_at(offset_, buffer_.data(), buffer_.size()));
    if (got != buffer_.size()) return damaged(file_->path(), "it is cut off");
    checksum_ = base::checksum(buffer_.data(), buffer_.size(), checksum_);
    offset_ += got;
    at_ = 0;
  }
  const auto entry = base::load<PageListEntry>(buffer_.data() + at_);
  const bool ascending = entry.page_id > entry_.page_id;
  const uint64_t generations = manifest_.ancestors.size();
  const bool placed = entry.generation() <= generations &&
                      (entry.generation() < generations || entry.slot() < manifest_.pages_held);
  if (!ascending || !placed || entry.page_id >= manifest_.capacity_pages)
    return damaged(file_->path(), "entry " + std::to_string(read_) + " means nothing");
  at_ += sizeof entry;
  ++read_;
  entry_ = entry;
  return &entry_;
}

}  // namespace aether::recovery
