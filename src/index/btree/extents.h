/// Extents: pages in one piece that are written past the pool, for values too large for a leaf and for runs.
///
/// Their content is not logged. It is written before what refers to it is logged, and synced before the commit record is
/// appended; until then nothing durable refers to it.
///
/// Threads   The transaction's.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "aether/error.h"
#include "index/btree/services.h"
#include "txn/transaction_context.h"
#include "txn/undo_log.h"

namespace aether::index {

/// Pages that nobody else takes, and that go back unless they are kept.
class ReservedExtents {
 public:
  explicit ReservedExtents(Services& services) noexcept : services_(services) {}
  ReservedExtents(const ReservedExtents&) = delete;
  ReservedExtents& operator=(const ReservedExtents&) = delete;
  ~ReservedExtents();

  /// One more, of `pages` pages.
  Result<buffer::PageRange> reserve(uint32_t pages, const buffer::LogContext& context);
  /// Of the last one only `pages` are needed; 0: none.
  void trim_last(uint32_t pages) noexcept;
  const std::vector<buffer::PageRange>& ranges() const noexcept { return ranges_; }
  /// A record mentions the first `count` of them now.
  void keep(size_t count) noexcept { kept_ = count; }

 private:
  Services& services_;
  std::vector<buffer::PageRange> ranges_;
  size_t kept_ = 0;
};

/// Logs that `extents` are allocated as a change of `txn`, which takes it back if it aborts, and keeps them.
Result<void> log_allocation(Services& services, txn::TransactionContext& txn, StoreId store,
                            ReservedExtents& extents);
/// Takes an allocation back: the undo of ResourceManager::space.
Result<void> undo_allocation(Services& services, txn::TransactionContext& txn,
                             const txn::UndoEntry& entry);
/// The undo bytes of an allocation: {u64 first page, u32 count} each. Errors: corruption.
Result<std::vector<buffer::PageRange>> parse_ranges(std::string_view bytes);
/// The same pages; neighbours that one map page covers are one range.
std::vector<buffer::PageRange> join_ranges(std::vector<buffer::PageRange> ranges,
                                           uint32_t page_bytes);

}  // namespace aether::index
