/// Values too large for a leaf: written to fresh extents, read back, given back.
///
/// The content is not logged (extents.h).
///
/// Threads   The transaction's; reading: any.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aether/error.h"
#include "aether/function_ref.h"
#include "index/btree/services.h"
#include "page/leaf_record.h"
#include "txn/transaction_context.h"

namespace aether::index {

/// Writes `value` to new extents, logging their allocation as a change of `txn`.
Result<page::OverflowReference> write_overflow(Services& services, txn::TransactionContext& txn,
                                               StoreId store, std::string_view value);
/// Errors: corruption (names the page).
Result<void> read_overflow(Services& services, const page::OverflowReference& reference,
                           std::string& value);
/// Values that have been read, in the block cache, by their first page. That is given to another value only after the cache has
/// been told (forget_value), and what was read before that is not kept any more.
bool find_value(Services& services, const page::OverflowReference& reference, std::string& value);
/// To be asked before the value is read.
uint64_t before_value(Services& services, const page::OverflowReference& reference) noexcept;
/// For who knows that the row has referred to it after it was read, or that its snapshot keeps the pages.
void keep_value(Services& services, const page::OverflowReference& reference,
                std::string_view value, uint64_t before);
/// A value begins at that page: what began there before is no more.
void forget_value(Services& services, PageId first) noexcept;
/// Reads it as read_overflow does, without keeping it; `visit` hears of each of its pages. Errors: those, and its own.
Result<void> check_overflow(Services& services, const page::OverflowReference& reference,
                            FunctionRef<Result<void>(PageId)> visit);
/// Extents that one transaction may give back: they stand in its commit record.
inline constexpr uint64_t kFreedExtentsMax = 8000;
/// Of a value, about.
inline uint64_t extents_of(const page::OverflowReference& reference) noexcept {
  return 1 + reference.value_bytes / (MiB - 64 * KiB);
}
/// Where the value of a row lies, if it is there and lies outside.
std::optional<page::OverflowReference> value_outside(Bytes payload) noexcept;
/// Errors: too_large: `txn` gives back as much as it may.
Result<void> check_freed(const txn::TransactionContext& txn);
/// The value's overflow pages are to be given back when `txn` commits. There is room for it (base::make_room).
void free_value(txn::TransactionContext& txn, const page::OverflowReference& reference) noexcept;
/// The pages of a value, by the first page of each extent.
Result<std::vector<buffer::PageRange>> overflow_ranges(buffer::DataFile& data,
                                                       const page::OverflowReference& reference);

}  // namespace aether::index
