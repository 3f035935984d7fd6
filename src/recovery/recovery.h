/// Recovery after a crash: analysis and redo. Undo needs indexes, so the database drives it (db/env_recovery.cpp)
/// with what analysis found.
///
///   analyze_and_redo reads the log once, from the last checkpoint to its exact end. A record counts iff its
///                    dependencies lie within its epoch's cut: at once, if what has been read so far covers them. Changes
///                    are sorted by page and GSN; pages are read once, changed, and stay in the pool, dirty, or wait until
///                    somebody meets them; losers are collected
///   (the caller fences the cut in CONTROL before it writes a page or appends anything; if the pool runs out of frames
///                    that is in the middle, and find_log_end has to read the rest of the log before)
///
/// Every step can be interrupted and repeated: it reads the same bytes up to the same fences, and a page that has
/// a change already is left alone.
///
/// Threads   One; redo itself spreads the pages over `workers`.
/// Source    Mohan et al.: "ARIES", TODS 1992; the cut and its fence: DESIGN.md section wal, decision 0003.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "aether/error.h"
#include "aether/stats.h"
#include "base/ids.h"
#include "buffer/buffer_pool.h"
#include "buffer/data_file.h"
#include "os/os.h"
#include "recovery/control.h"
#include "recovery/resource_manager.h"
#include "wal/log_reader.h"

namespace aether::recovery {

/// Where the log ends, and the streams with it.
struct LogEnd {
  LogPosition position = 0;
  wal::LsnVector cut;
  LogPosition last_block = 0;  ///< Of the epoch that was writing; 0: it has none.
};

/// The last block is not known to be durable: the caller makes it so (log_tail.h) before it relies on it.
/// Errors: corruption (damage below what is known durable), io_error.
Result<LogEnd> find_log_end(const wal::LogReaderOptions& options, const ControlState& control,
                            os::Os& os);

/// Where a record lies that may have to be undone.
struct RecordPlace {
  LogPosition block = 0;
  uint32_t epoch = 0;
  Lsn lsn = kNoLsn;
};

/// A transaction without an end: to be rolled back, or in doubt.
struct Loser {
  TxnId txn = 0;
  uint32_t stream = 0;
  Lsn last_lsn = kNoLsn;
  std::optional<RecordPlace> prepared;  ///< Its prepare record, if its rollback has not begun.
  std::vector<RecordPlace> undo;        ///< What has not been undone yet, oldest first.
};

struct DeferredParts;

struct RedoResult {
  LogEnd end;
  std::vector<Loser> losers;
  TxnId max_txn = 0;
  /// Pages whose changes could not all be applied, because the page itself is not whole. Harmless if the page turns
  /// out to be free; else corruption.
  std::set<PageId> broken_pages;
  /// Pages with changes that the log does not have (log_reach.h): likewise.
  std::set<PageId> pages_beyond_log;
  /// With RedoOptions::defer: the changes that wait until their pages are met (deferred_redo.h).
  std::unique_ptr<DeferredParts> deferred;

  RedoResult();
  RedoResult(RedoResult&&) noexcept;
  RedoResult& operator=(RedoResult&&) noexcept;
  ~RedoResult();
};

struct RedoOptions {
  wal::LogReaderOptions reader;
  std::vector<wal::EpochExtent> extents;  ///< The last one may be open: then its end is found.
  wal::LsnVector lsn;                     ///< Where the streams of an open one began.
  LogPosition redo_position = 0;
  uint32_t workers = 1;
  uint64_t window_bytes = 64 * MiB;  ///< Log held in memory at a time.
  /// The last window is not applied, but given back: the caller sees to it that whoever meets one of its pages applies it.
  bool defer = false;
  /// Called when the pool has no frames left: writes the redone pages and frees theirs, or fails.
  std::function<Result<void>()> make_room;
  IoMode io_mode = IoMode::automatic;
  /// Takes what changes a row that lies in no page, with its GSN. Those of one row come in about their order. Borrows.
  std::function<Result<void>(const wal::PartView& part, Gsn gsn)> redo_row;
};

using ResourceManagers = std::array<const ResourceManager*, 4>;  ///< By wal::ResourceManager.

/// Errors: corruption (names page and position), io_error. `report` is added to.
Result<RedoResult> analyze_and_redo(const RedoOptions& options, const ResourceManagers& managers,
                                    buffer::DataFile& data, buffer::BufferPool& pool, os::Os& os,
                                    RecoveryReport& report);

}  // namespace aether::recovery
