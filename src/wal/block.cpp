#include "wal/block.h"

#include <string>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/planted.h"
#include "wal/record.h"

namespace aether::wal {
namespace {

constexpr uint64_t kChecksumBytes = sizeof BlockHeader{}.checksum;

uint64_t block_checksum(const void* block, uint64_t length, uint64_t environment_id) noexcept {
  return base::checksum(static_cast<const std::byte*>(block) + kChecksumBytes,
                        length - kChecksumBytes, environment_id);
}

Error bad_table(const std::string& at, const std::string& what) {
  return Error(Code::corruption, at + ": the block has its checksum, but " + what);
}

}  // namespace

void seal_block(std::byte* block, uint64_t length) noexcept {
  const auto header = base::load<BlockHeader>(block);
  base::store(block, block_checksum(block, length, header.environment_id));
}

bool claims_to_be(std::string_view bytes, const BlockIdentity& wanted) noexcept {
  if (bytes.size() < sizeof(BlockHeader)) return false;
  const auto header = base::load<BlockHeader>(bytes.data());
  return header.magic == kBlockMagic && header.environment_id == wanted.environment_id &&
         header.position == wanted.position && header.epoch == wanted.epoch;
}

uint64_t claimed_length(std::string_view bytes, uint64_t room) noexcept {
  if (bytes.size() < sizeof(BlockHeader)) return 0;
  const uint64_t length = base::load<BlockHeader>(bytes.data()).length;
  const bool possible = length != 0 && length % kBlockAlignment == 0 && length <= room;
  return possible ? length : 0;
}

bool is_intact(std::string_view block) noexcept {
  if (block.size() < sizeof(BlockHeader)) return false;
  const auto header = base::load<BlockHeader>(block.data());
  if (AETHER_PLANTED("wal.torn_tail_accepted")) return true;
  return header.checksum == block_checksum(block.data(), block.size(), header.environment_id);
}

Result<BlockContent> parse_block(std::string_view block, uint32_t streams, const std::string& at) {
  base::ByteReader reader(block);
  const auto header = reader.read<BlockHeader>();
  if (header.version != kBlockVersion) {
    return Error(Code::unsupported, at + ": the block has format " +
                                        std::to_string(header.version) +
                                        "; use the version of Aether that wrote it");
  }
  if (header.stream_count != streams) {
    return bad_table(at, "was written with " + std::to_string(header.stream_count) +
                             " streams instead of " + std::to_string(streams));
  }
  BlockContent content;
  for (uint32_t s = 0; s < streams; ++s) content.entries[s] = reader.read<ChunkEntry>();
  for (uint32_t s = 0; s < streams; ++s) {
    const ChunkEntry& entry = content.entries[s];
    content.bytes[s] = reader.read_bytes(entry.length);
    if (!reader.ok() || entry.stream != s || entry.length % kRecordAlignment != 0 ||
        entry.lsn % kRecordAlignment != 0) {
      return bad_table(at, "its table is wrong for stream " + std::to_string(s));
    }
  }
  return content;
}

}  // namespace aether::wal
