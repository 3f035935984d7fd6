#include "recovery/log_tail.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/reached.h"
#include "wal/aligned_buffer.h"
#include "wal/block.h"
#include "wal/segment.h"

namespace aether::recovery {
namespace {

std::string tail_path(const wal::LogReaderOptions& options) { return options.directory + "/tail"; }

std::string segment_path(const wal::LogReaderOptions& options, LogPosition position) {
  return options.directory + "/" + wal::segment_name(position / options.segment_bytes);
}

/// A block's bytes, whole and with their checksum.
struct BlockBytes {
  wal::AlignedBuffer memory;
  uint64_t length = 0;
  LogPosition position = 0;
};

/// The intact block of `epoch` at `offset` of `file`; `position`: which it must be, or 0 for any. Nothing: there is none.
Result<std::optional<BlockBytes>> read_block(os::File& file, uint64_t offset, LogPosition position,
                                             uint32_t epoch, const wal::LogReaderOptions& options) {
  std::optional<BlockBytes> none;
  BlockBytes block;
  AETHER_TRY_ASSIGN(block.memory, wal::AlignedBuffer::make(options.block_bytes_max));
  const uint64_t room = std::min(options.block_bytes_max,
                                 options.segment_bytes - offset % options.segment_bytes);
  AETHER_TRY_ASSIGN(const uint64_t got, file.read_at(offset, block.memory.data(), room));
  const std::string_view bytes(reinterpret_cast<const char*>(block.memory.data()), got);
  if (bytes.size() < sizeof(wal::BlockHeader)) return none;
  block.position = position != 0 ? position : base::load<wal::BlockHeader>(bytes.data()).position;
  if (!wal::claims_to_be(bytes, {options.environment_id, block.position, epoch})) return none;
  block.length = wal::claimed_length(bytes, room);
  if (block.length == 0 || block.length > got) return none;
  if (!wal::is_intact(bytes.substr(0, block.length))) return none;
  return std::optional<BlockBytes>(std::move(block));
}

Result<void> write_in_place(const wal::LogReaderOptions& options, os::File& segment,
                            const BlockBytes& block) {
  AETHER_TRY(
      segment.write_at(block.position % options.segment_bytes, block.memory.data(), block.length));
  return segment.sync();
}

}  // namespace

Result<void> restore_log_tail(const wal::LogReaderOptions& options, uint32_t epoch, os::Os& os) {
  Result<std::unique_ptr<os::File>> tail = os.open(tail_path(options), {.direct = true});
  if (!tail) {
    if (tail.error().code() == Code::not_found) return {};
    return std::move(tail).error();
  }
  AETHER_TRY_ASSIGN(const std::optional<BlockBytes> copy, read_block(**tail, 0, 0, epoch, options));
  if (!copy) return {};
  Result<std::unique_ptr<os::File>> segment = os.open(segment_path(options, copy->position),
                                                      {.write = true, .direct = true});
  if (!segment) {
    if (segment.error().code() == Code::not_found) return {};  // The reader will say so.
    return std::move(segment).error();
  }
  const uint64_t offset = copy->position % options.segment_bytes;
  const Result<std::optional<BlockBytes>> there = read_block(**segment, offset, copy->position,
                                                             epoch, options);
  if (!there) return there.error().clone();
  if (there->has_value()) return {};
  AETHER_REACHED("recovery.last_block_restored");
  return write_in_place(options, **segment, *copy);
}

Result<void> secure_log_tail(const wal::LogReaderOptions& options, LogPosition position,
                             uint32_t epoch, os::Os& os) {
  AETHER_TRY_ASSIGN(const std::unique_ptr<os::File> segment,
                    os.open(segment_path(options, position), {.write = true, .direct = true}));
  AETHER_TRY_ASSIGN(
      const std::optional<BlockBytes> block,
      read_block(*segment, position % options.segment_bytes, position, epoch, options));
  if (!block) {
    return Error(Code::corruption, segment->path() + ", offset " +
                                       std::to_string(position % options.segment_bytes) +
                                       ": the log's last block was intact a moment ago");
  }
  // A new file each time: the one that has the name is the only whole copy, perhaps.
  const std::string temporary = tail_path(options) + ".new";
  AETHER_TRY_ASSIGN(
      const std::unique_ptr<os::File> copy,
      os.open(temporary, {.write = true, .create = true, .exclusive = false, .direct = true}));
  AETHER_TRY(copy->truncate(0));
  AETHER_TRY(copy->write_at(0, block->memory.data(), block->length));
  AETHER_TRY(copy->sync());
  AETHER_TRY(copy->close());
  AETHER_TRY(os.rename(temporary, tail_path(options)));
  AETHER_TRY(os.sync_directory(options.directory));
  return write_in_place(options, *segment, *block);
}

}  // namespace aether::recovery
