/// Values that lie outside of runs, each owned by one entry of one run (tree_row.h): how they are given back.
///
/// A merge that leaves an entry out frees its value with the part that takes the entry's place, while the inputs can still be read: what a
/// merge leaves out is read by nobody, since something newer is among its inputs that all snapshots see who see the entry. Pages wait for
/// snapshots that are older than their transaction as those of a B+ tree's values do.
///
/// Threads   Any.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "aether/error.h"
#include "aether/function_ref.h"
#include "index/btree/services.h"
#include "lsm/entry.h"
#include "lsm/manifest.h"
#include "lsm/run.h"
#include "page/leaf_record.h"
#include "txn/transaction_context.h"

namespace aether::lsm {

/// The value's pages go with the commit of `txn`. One whose chain is damaged stays allocated, which `verify` tells: no merge fails for it.
/// Errors: io_error.
Result<void> free_outside(index::Services& services, txn::TransactionContext& txn,
                          const page::OverflowReference& value);

/// Entries of `run` behind `after` (null: all) that own a value outside, until `visit` answers false.
Result<void> visit_owners(
    const std::shared_ptr<const Run>& run, const std::string* after,
    FunctionRef<Result<bool>(const Entry& entry, const page::OverflowReference& value)> visit);

/// Runs whose entries own values: not those that have been dropped, whose values went over to others or are free.
std::vector<const ManifestRun*> owning_runs(const Manifest& manifest);
/// Behind which key a run still owns its values: those before have gone over to the parts of a merge, or are free. Null: it owns all.
const std::string* owns_behind(const Manifest& manifest, uint64_t run_id);

/// All pages of a run, also of one whose footer is damaged, if its pages still lead from one extent to the next.
Result<std::vector<buffer::PageRange>> ranges_of_run(index::Services& services,
                                                     const RunReference& reference);

}  // namespace aether::lsm
