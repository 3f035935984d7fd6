/// Reads the log back: finds its exact end, and tells a torn tail from damage.
///
/// The rule. Blocks are written one after another, each only after the one before is durable. So the first
/// bad block is the end of the log if no valid block of its epoch lies beyond it and no evidence says that
/// it was durable (`known_durable`); else it is corruption, and reading stops with an error that names
/// segment file, offset and what is affected. Nothing is ever skipped.
///
/// Recycled segments hold old blocks: a block's position, epoch, environment and previous block's position
/// are part of what must match.
///
/// Threads   One thread at a time. Reads with O_DIRECT where it can: recovery must not trust the page cache.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aether/error.h"
#include "base/ids.h"
#include "os/os.h"
#include "wal/lsn_vector.h"
#include "wal/record.h"
#include "wal/segment.h"  // list_segments, segment_name

namespace aether::wal {

/// A stretch of the log that one life of the environment wrote.
struct EpochExtent {
  uint32_t epoch = 0;
  LogPosition begin = 0;           ///< Of its first block to read.
  std::optional<LogPosition> end;  ///< After its last block, as fenced; nothing: find it.
  LsnVector cut;                   ///< As fenced: the streams' ends. Only with `end`.
};

/// A run of one stream's records inside a block.
struct Chunk {
  uint32_t stream = 0;
  Lsn lsn = kNoLsn;
  std::string_view bytes;
};

struct Block {
  LogPosition position = 0;
  LogPosition end = 0;  ///< Where the next block of this segment would start.
  uint32_t epoch = 0;
  LogPosition previous = 0;  ///< Of the block before in its epoch; 0: none.
  uint64_t wall_ns = 0;
  uint32_t flags = 0;
  LsnVector begin_lsn, end_lsn;  ///< Of each stream, before and after its records here.
  // These borrow the reader's buffer: valid until the next call.
  std::vector<Chunk> chunks;
  std::string_view bytes;  ///< The whole block.
};

struct BlockContent;
/// `bytes` hold an intact block with that content.
void fill_block(Block& to, std::string_view bytes, const BlockContent& content, uint32_t streams);

struct LogReaderOptions {
  std::string directory;
  uint64_t environment_id = 0;
  uint32_t streams = 1;
  uint64_t segment_bytes = 64 * MiB;
  uint64_t block_bytes_max = 1 * MiB;
  IoMode io_mode = IoMode::automatic;
  LogPosition known_durable = 0;  ///< Evidence from elsewhere: a bad block below it is corruption.
};

class LogReader {
 public:
  static Result<std::unique_ptr<LogReader>> open(const LogReaderOptions& options,
                                                 std::vector<EpochExtent> extents, os::Os& os);
  ~LogReader();

  /// The next block in order, over all extents; null at the end of the last one.
  /// Errors: corruption, io_error.
  Result<const Block*> next();
  /// After next() gave null: where the last epoch ends, and its cut.
  LogPosition end() const noexcept;
  const LsnVector& cut() const noexcept;  ///< Ends of the streams in the last extent.
  bool tail_was_torn() const noexcept;    ///< Bytes of an unfinished block lay behind the end.

  /// The block at `position` again, for undo. Invalidates chunks that next() gave.
  Result<const Block*> read_block(LogPosition position, uint32_t epoch);

 private:
  LogReader();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Walks the records of a chunk in order.
class RecordCursor {
 public:
  explicit RecordCursor(const Chunk& chunk) noexcept : chunk_(chunk) {}
  /// Nothing at the end. Errors: corruption.
  Result<std::optional<RecordView>> next();

 private:
  Chunk chunk_;
};

}  // namespace aether::wal
