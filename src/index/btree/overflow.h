/// Values too large for a leaf: written to fresh extents, read back, given back.
///
/// The content is not logged (extents.h).
///
/// Threads   The transaction's; reading: any.
#pragma once

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
/// Reads it as read_overflow does, without keeping it; `visit` hears of each of its pages. Errors: those, and its own.
Result<void> check_overflow(Services& services, const page::OverflowReference& reference,
                            FunctionRef<Result<void>(PageId)> visit);
/// The pages of a value, by the first page of each extent.
Result<std::vector<buffer::PageRange>> overflow_ranges(buffer::DataFile& data,
                                                       const page::OverflowReference& reference);

}  // namespace aether::index
