/// Logging a change of pages: the one place where log records and pages meet.
///
/// The protocol of every change, under the exclusive latches of all pages concerned:
///   1. work out the change; it must fit;
///   2. `log_change`: takes dependencies and GSNs from the pages, marks them dirty, appends the record, gives the
///      pages their new GSN and dependencies; on an error nothing has happened;
///   3. change the bytes; this cannot fail.
///
/// Threads   The caller's context is its own; the pages are latched exclusively.
/// Source    Page vectors and GSN chains: DESIGN.md section 3, "wal"; decision 0003.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "aether/error.h"
#include "base/ids.h"
#include "buffer/frame.h"
#include "page/page_header.h"
#include "wal/log.h"

namespace aether::buffer {

/// Who appends: a transaction, or a system action (txn 0) on its way.
struct LogContext {
  uint32_t stream = 0;
  TxnId txn = 0;
  Lsn last_lsn = kNoLsn;      ///< The transaction's newest record.
  Gsn gsn = 0;                ///< Of its newest change.
  wal::LsnVector lsn_vector;  ///< Everything that must be durable for it to be.

  /// A context for a structure modification on the same stream: never undone, valid by itself.
  LogContext system() const noexcept {
    return {.stream = stream, .txn = 0, .last_lsn = kNoLsn, .gsn = gsn, .lsn_vector = {}};
  }
};

/// A page in memory with what the pool knows about it.
struct PageRef {
  Frame* frame = nullptr;
  std::byte* page = nullptr;
  page::PageHeader& header() const noexcept { return *reinterpret_cast<page::PageHeader*>(page); }
};

/// What kind of record carries the change.
struct ChangeKind {
  wal::RecordType type = wal::RecordType::change;
  uint8_t flags = 0;
  Lsn link =
      kNoLsn;  ///< Of a CLR: the next record to undo. Else the context's last record is used.
};

/// The GSNs of an epoch lie above all of the epochs before, also of changes whose records a crash has lost: unlogged
/// pages (overflow extents) may carry those on disk, and no later life of such a page may seem older.
inline constexpr Gsn first_gsn(uint32_t epoch) noexcept { return Gsn{epoch} << 40; }

/// Logs one record that changes pages[i] as parts[i] says. Fills in each part's page id and gsn_before; a part
/// whose gsn_before is kFormatGsn stays so. Errors: failed, too_large; nothing has changed then.
Result<void> log_change(wal::Log& log, LogContext& context, const ChangeKind& kind,
                        std::span<const PageRef> pages, std::span<wal::PartSpec> parts,
                        std::span<const std::string_view> undo = {});

/// Logs one record that changes a row which lies in no page: `part` has its GSN before, `gsn` is the one after, above all
/// that its holder has given for that row. Under what keeps others from the row. Errors: failed, too_large; nothing has
/// changed then.
Result<void> log_row_change(wal::Log& log, LogContext& context, const ChangeKind& kind, Gsn gsn,
                            const wal::PartSpec& part, std::span<const std::string_view> undo = {});

/// Marks the frame dirty from `position` on, if it is clean. Before the record is appended, so that a checkpoint
/// that reads the log position first and the frames later misses nothing.
inline void mark_dirty(Frame& frame, LogPosition position) noexcept {
  if (frame.dirty_position.load(std::memory_order_relaxed) == 0) {
    frame.dirty_position.store(position, std::memory_order_seq_cst);
  }
}

}  // namespace aether::buffer
