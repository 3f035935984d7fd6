/// Blocks: what one flush step writes. docs/formats/log.md is the format.
///
///   ┌────────┬─────────────────────────┬───────────┬───────────┬─────────┐
///   │ header │ table: one entry/stream │ records   │ records   │ zeros   │  length: n * 4096
///   └────────┴─────────────────────────┤ stream 0  │ stream 1  │ padding │
///                                      └───────────┴───────────┴─────────┘
///
/// The table has an entry for every stream, also for those without new records: the last valid block
/// alone tells where each stream ends.
///
/// Threads   Values and pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "aether/error.h"
#include "base/ids.h"
#include "os/os.h"
#include "wal/lsn_vector.h"

namespace aether::wal {

inline constexpr uint64_t kBlockAlignment = os::kDirectAlignment;
inline constexpr uint32_t kBlockMagic = 0x6b6c4241;  ///< "ABlk"
inline constexpr uint16_t kBlockVersion = 3;
/// Flag of a block: whoever wrote pages past the log meanwhile has logged their images too (Log::set_images_logged).
inline constexpr uint32_t kFlagImagesLogged = 1;

struct BlockHeader {
  uint64_t checksum = 0;  ///< XXH3-64 of bytes 8..length-1, seeded with the environment's id.
  uint32_t magic = kBlockMagic;
  uint16_t version = kBlockVersion;
  uint16_t stream_count = 0;
  uint64_t environment_id = 0;
  LogPosition position = 0;
  LogPosition previous = 0;  ///< Position of the block before; 0: first of its epoch.
  uint32_t epoch = 0;
  uint32_t length = 0;   ///< Of the whole block; a multiple of kBlockAlignment.
  uint64_t wall_ns = 0;  ///< When it was built, since 1970; never goes back within an epoch.
  uint32_t flags = 0;
  uint32_t reserved = 0;
};
static_assert(sizeof(BlockHeader) == 64);
static_assert(offsetof(BlockHeader, magic) == 8);
static_assert(offsetof(BlockHeader, version) == 12);
static_assert(offsetof(BlockHeader, stream_count) == 14);
static_assert(offsetof(BlockHeader, environment_id) == 16);
static_assert(offsetof(BlockHeader, position) == 24);
static_assert(offsetof(BlockHeader, previous) == 32);
static_assert(offsetof(BlockHeader, epoch) == 40);
static_assert(offsetof(BlockHeader, length) == 44);
static_assert(offsetof(BlockHeader, wall_ns) == 48);
static_assert(offsetof(BlockHeader, flags) == 56);

/// Entry `s` of the table: the records of stream `s` in this block.
struct ChunkEntry {
  uint32_t stream = 0;  ///< Its own index.
  uint32_t length = 0;  ///< Bytes; may be 0.
  Lsn lsn = kNoLsn;     ///< Of the first byte; with length 0: where the stream ends.
};
static_assert(sizeof(ChunkEntry) == 16);
static_assert(offsetof(ChunkEntry, length) == 4);
static_assert(offsetof(ChunkEntry, lsn) == 8);

/// Bytes before the first record.
inline constexpr uint64_t block_overhead(uint32_t streams) noexcept {
  return sizeof(BlockHeader) + streams * sizeof(ChunkEntry);
}

/// What a block must say about itself to be the one that is looked for.
struct BlockIdentity {
  uint64_t environment_id = 0;
  LogPosition position = 0;
  uint32_t epoch = 0;
};

/// Fills in the checksum. `block` is complete otherwise, padding included.
void seal_block(std::byte* block, uint64_t length) noexcept;

/// True if the header at the start of `bytes` claims to be the block `wanted`. Says nothing about damage.
bool claims_to_be(std::string_view bytes, const BlockIdentity& wanted) noexcept;

/// Length that the header claims, if a block of that length may lie in `room` bytes; else 0.
uint64_t claimed_length(std::string_view bytes, uint64_t room) noexcept;

/// True if the whole block in `bytes` has its checksum.
bool is_intact(std::string_view block) noexcept;

/// The table of an intact block, checked; `chunks[s].bytes` borrow `block`. `at` names it in messages.
/// Errors: corruption; unsupported (a newer format).
struct BlockContent {
  ChunkEntry entries[kMaxStreams];
  std::string_view bytes[kMaxStreams];
};
Result<BlockContent> parse_block(std::string_view block, uint32_t streams, const std::string& at);

}  // namespace aether::wal
