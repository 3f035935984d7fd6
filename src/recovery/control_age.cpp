#include "recovery/control_age.h"

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "wal/aligned_buffer.h"
#include "wal/block.h"
#include "wal/segment.h"

namespace aether::recovery {
namespace {

/// The epoch of the block at `offset` of a segment file; 0: there is none of this environment and place.
Result<uint32_t> epoch_of_block(os::File& file, uint64_t offset, LogPosition position,
                                const wal::LogReaderOptions& options) {
  AETHER_TRY_ASSIGN(wal::AlignedBuffer buffer, wal::AlignedBuffer::make(wal::kBlockAlignment));
  const auto read = [&](uint64_t bytes) -> Result<std::string_view> {
    AETHER_TRY_ASSIGN(const uint64_t got, file.read_at(offset, buffer.data(), bytes));
    return std::string_view(reinterpret_cast<const char*>(buffer.data()), got);
  };
  AETHER_TRY_ASSIGN(const std::string_view head, read(wal::kBlockAlignment));
  if (head.size() < sizeof(wal::BlockHeader)) return 0u;
  const uint32_t epoch = base::load<wal::BlockHeader>(head.data()).epoch;
  if (!wal::claims_to_be(head, {options.environment_id, position, epoch})) return 0u;
  const uint64_t length = wal::claimed_length(head, options.block_bytes_max);
  if (length == 0) return 0u;
  if (length > buffer.bytes()) {
    AETHER_TRY_ASSIGN(buffer, wal::AlignedBuffer::make(length));
  }
  AETHER_TRY_ASSIGN(const std::string_view block, read(length));
  return block.size() == length && wal::is_intact(block) ? epoch : 0u;
}

}  // namespace

Result<void> check_control_age(const wal::LogReaderOptions& options, uint32_t epoch, os::Os& os) {
  const Result<std::vector<uint64_t>> segments = wal::list_segments(options.directory, os);
  if (!segments) {
    if (segments.error().code() == Code::not_found) return {};
    return segments.error().clone();
  }
  for (const uint64_t segment : *segments) {
    const std::string path = options.directory + "/" + wal::segment_name(segment);
    AETHER_TRY_ASSIGN(const std::unique_ptr<os::File> file, os.open(path, {.direct = true}));
    const LogPosition position = segment * options.segment_bytes + wal::kSegmentHeaderBytes;
    AETHER_TRY_ASSIGN(const uint32_t found,
                      epoch_of_block(*file, wal::kSegmentHeaderBytes, position, options));
    if (found <= epoch) continue;
    return Error(Code::corruption,
                 path + ", offset " + std::to_string(wal::kSegmentHeaderBytes) +
                     ": a block of epoch " + std::to_string(found) +
                     ", but CONTROL knows nothing after epoch " + std::to_string(epoch) +
                     ": CONTROL is damaged or an old copy; restore the environment from a backup");
  }
  return {};
}

}  // namespace aether::recovery
