/// Proves the data file whole, from its bytes alone.
///
/// Runs on the file, not on the pool: the caller has written every dirty page and nobody writes meanwhile.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "aether/error.h"
#include "aether/function_ref.h"
#include "aether/stats.h"
#include "base/ids.h"
#include "buffer/data_file.h"
#include "page/leaf_record.h"
#include "page/slotted_page.h"

namespace aether::db {

/// A tree to walk.
struct TreeRoot {
  std::string name;
  StoreId store = 0;
  PageId root = kNoPage;
  bool is_manifest =
      false;  ///< Its rows lead to runs (lsm/manifest.h), whose pages are looked at, but not what is in them.
  /// Of a store of runs: visits the values outside that its entries own. Errors: what has hidden some.
  using VisitValue = FunctionRef<Result<void>(const page::OverflowReference& value)>;
  std::function<Result<void>(VisitValue visit)> values = {};
};

/// What is to be proved.
struct VerifyTargets {
  std::vector<TreeRoot> roots;
  /// Of prepared transactions: values that no row leads to any more, and that go with the commit.
  std::vector<page::OverflowReference> values;
};

/// Checks that every allocated page has its checksum and its own identity; that each tree's nodes are well formed, its
/// keys ordered and within fences, its levels right, its child fences those that the parents say; that overflow
/// chains have the length their rows say; and that allocated and reachable pages are the same set. Problems go into
/// the report, with the page; an error means that the check could not run (io_error on a read is a problem, too).
/// `progress` breaks it off by answering false: what the report says then means nothing.
Result<VerifyReport> verify_file(buffer::DataFile& data, const VerifyTargets& targets,
                                 FunctionRef<bool(uint64_t done, uint64_t total)> progress);

/// A row of a leaf that is a well-formed node.
struct RowLook {
  bool is_key = false;  ///< Else a ghost, or damaged.
  std::optional<page::OverflowReference> value;
};
RowLook look_at_row(const page::SlottedPage& leaf, uint32_t slot,
                    FunctionRef<void(std::string what)> problem);

}  // namespace aether::db
