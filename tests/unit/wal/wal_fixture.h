/// What the log's tests share: a tiny log on a simulated disk, records that name themselves, and a reader
/// that takes everything back.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/sim_os.h"
#include "wal/log.h"
#include "wal/log_reader.h"
#include "wal/segment.h"

namespace aether::wal {

inline constexpr uint64_t kEnvironment = 0x1122334455667788;
inline const std::string kDirectory = "log";

inline std::string error_of(const Result<void>& result) {
  return result ? "ok" : std::string(result.error().message());
}
template <typename T>
std::string error_of(const Result<T>& result) {
  return result ? "ok" : std::string(result.error().message());
}

/// The smallest log there is, without a thread of its own.
inline LogOptions tiny_options(uint32_t streams = 1) {
  return {.directory = kDirectory,
          .environment_id = kEnvironment,
          .streams = streams,
          .segment_bytes = 64 * KiB,
          .ring_bytes = 64 * KiB,
          .block_bytes_max = 16 * KiB,
          .flush_interval_ms = 2,
          .background_thread = false};
}

inline LogStart first_start(uint32_t streams = 1) {
  LogStart start;
  for (uint32_t s = 0; s < streams; ++s) start.lsn.at[s] = kFirstLsn;
  return start;
}

inline LogReaderOptions reader_options(const LogOptions& options, LogPosition known_durable = 0) {
  return {.directory = options.directory,
          .environment_id = options.environment_id,
          .streams = options.streams,
          .segment_bytes = options.segment_bytes,
          .block_bytes_max = options.block_bytes_max,
          .known_durable = known_durable};
}

inline std::unique_ptr<sim::SimOs> make_disk(uint64_t seed = 1) {
  auto disk = std::make_unique<sim::SimOs>(sim::SimOptions{.seed = seed, .real_clock = true});
  EXPECT_TRUE(disk->create_directory(kDirectory));
  EXPECT_TRUE(disk->sync_directory("."));
  return disk;
}

inline std::unique_ptr<Log> make_log(os::Os& os, const LogOptions& options, const LogStart& start) {
  Result<std::unique_ptr<Log>> log = Log::create(options, start, os);
  EXPECT_TRUE(log) << error_of(log);
  return log ? *std::move(log) : nullptr;
}

/// Appends a record with the transaction id `txn` and `bytes` bytes of undo.
inline Result<Reservation> append(Log& log, uint32_t stream, TxnId txn, uint64_t bytes = 20) {
  const std::string text(bytes, static_cast<char>('a' + txn % 26));
  const std::string_view pieces[] = {text};
  return log.append(
      stream, {.type = RecordType::change, .txn = txn, .home_stream = stream, .undo = pieces});
}

inline Result<void> wait_for(Log& log, const Reservation& reservation, bool linger = false) {
  LsnVector vector;
  vector.raise(reservation.stream, reservation.end());
  return log.wait_durable(vector, linger);
}

struct ReadRecord {
  TxnId txn = 0;
  Lsn lsn = 0;
  LogPosition position = 0;  ///< Of its block.
  bool operator==(const ReadRecord&) const = default;
};

/// All that a reader found.
struct ReadLog {
  std::map<uint32_t, std::vector<ReadRecord>> streams;
  std::vector<LogPosition> blocks;
  LogPosition end = 0;
  LsnVector cut;
  bool torn = false;
  uint64_t count = 0;

  std::vector<TxnId> txns(uint32_t stream) const {
    std::vector<TxnId> ids;
    if (const auto found = streams.find(stream); found != streams.end()) {
      for (const ReadRecord& record : found->second) ids.push_back(record.txn);
    }
    return ids;
  }
};

inline Result<ReadLog> read_log(os::Os& os, const LogReaderOptions& options,
                                const std::vector<EpochExtent>& extents) {
  AETHER_TRY_ASSIGN(const std::unique_ptr<LogReader> reader, LogReader::open(options, extents, os));
  ReadLog read;
  while (true) {
    AETHER_TRY_ASSIGN(const Block* block, reader->next());
    if (block == nullptr) break;
    read.blocks.push_back(block->position);
    for (const Chunk& chunk : block->chunks) {
      RecordCursor cursor(chunk);
      while (true) {
        AETHER_TRY_ASSIGN(const std::optional<RecordView> record, cursor.next());
        if (!record) break;
        read.streams[chunk.stream].push_back({record->header.txn, record->lsn, block->position});
        ++read.count;
      }
    }
  }
  read.end = reader->end();
  read.cut = reader->cut();
  read.torn = reader->tail_was_torn();
  return read;
}

/// The only epoch, read from its first segment on.
inline std::vector<EpochExtent> whole_log(const LogOptions& options) {
  return {{.epoch = 1, .begin = options.segment_bytes, .end = std::nullopt, .cut = {}}};
}

inline std::string segment_path(uint64_t segment) {
  return kDirectory + "/" + segment_name(segment);
}

/// Flips one bit of the byte at `position`.
inline void damage(sim::SimOs& disk, const LogOptions& options, LogPosition position,
                   unsigned bit = 0) {
  const uint64_t offset = position % options.segment_bytes;
  EXPECT_TRUE(disk.flip_bit(segment_path(position / options.segment_bytes), offset * 8 + bit));
}

}  // namespace aether::wal
