/// What recovery asks of a room that logs: to redo on bytes, to undo through its index, to describe.
///
/// Recovery knows no index; `printlog` can describe any record.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "aether/error.h"
#include "base/ids.h"
#include "txn/transaction_context.h"
#include "txn/undo_log.h"
#include "wal/record.h"

namespace aether::recovery {

class ResourceManager {
 public:
  virtual ~ResourceManager() = default;

  /// Is the page, whose checksum is right, one that `redo` may change? Asked once for a page that was read from disk.
  /// Errors: corruption.
  virtual Result<void> check(std::byte* page, uint32_t page_bytes) const = 0;
  /// Applies `part` to the page's bytes. The page is at the part's GSN before, or the part formats it. Any thread;
  /// pages are not shared. Errors: corruption.
  virtual Result<void> redo(std::byte* page, uint32_t page_bytes,
                            const wal::PartView& part) const = 0;
  /// What undoing the first part of `record` needs. Borrows the record's bytes.
  virtual Result<txn::UndoEntry> undo_entry(const wal::RecordView& record,
                                            const wal::PartView& part) const = 0;
  /// Takes `entry` back, logging CLRs whose undo-next is entry.previous.
  virtual Result<void> undo(txn::TransactionContext& txn, const txn::UndoEntry& entry) = 0;
  /// One line for printlog: operation and its operands.
  virtual std::string describe(const wal::PartView& part) const = 0;
};

}  // namespace aether::recovery
