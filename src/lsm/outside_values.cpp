#include "lsm/outside_values.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/reached.h"
#include "index/btree/extents.h"
#include "index/btree/overflow.h"
#include "lsm/tree_row.h"
#include "page/overflow_page.h"

namespace aether::lsm {

Result<void> free_outside(index::Services& services, txn::TransactionContext& txn,
                          const page::OverflowReference& value) {
  Result<std::vector<buffer::PageRange>> ranges = index::overflow_ranges(services.pool.data(),
                                                                         value);
  if (!ranges && ranges.error().code() != Code::corruption) return std::move(ranges).error();
  if (!ranges) return {};
  AETHER_REACHED("lsm.value_given_back");
  txn.freed_pages.insert(txn.freed_pages.end(), ranges->begin(), ranges->end());
  return {};
}

Result<void> visit_owners(
    const std::shared_ptr<const Run>& run, const std::string* after,
    FunctionRef<Result<bool>(const Entry& entry, const page::OverflowReference& value)> visit) {
  if (run->summary().values_apart == 0) return {};
  RunCursor cursor(run, RunCursor::Use::once);
  Result<bool> more = after == nullptr ? cursor.first() : cursor.seek(*after + '\0');
  for (; more && *more; more = cursor.next()) {
    const std::optional<page::OverflowReference> value = owned_value(cursor.entry());
    if (!value) continue;
    AETHER_TRY_ASSIGN(const bool goes_on, visit(cursor.entry(), *value));
    if (!goes_on) return {};
  }
  if (!more) return std::move(more).error();
  return {};
}

const std::string* owns_behind(const Manifest& manifest, uint64_t run_id) {
  const auto given_back = manifest.values_given_back().find(run_id);
  const std::string* after = given_back == manifest.values_given_back().end() ? nullptr
                                                                              : &given_back->second;
  for (const auto& [number, merge] : manifest.merges()) {
    const auto& rewritten = merge.rewritten;
    const bool is_input = std::find(rewritten.begin(), rewritten.end(), run_id) != rewritten.end();
    if (is_input && merge.has_parts && (after == nullptr || *after < merge.last_key))
      after = &merge.last_key;
  }
  return after;
}

std::vector<const ManifestRun*> owning_runs(const Manifest& manifest) {
  std::vector<const ManifestRun*> all;
  for (const auto& [age, runs] : manifest.sorted_runs()) {
    for (const ManifestRun& run : runs) all.push_back(&run);
  }
  for (const auto& [number, merge] : manifest.merges()) {
    for (const ManifestRun& part : manifest.parts_of(number)) all.push_back(&part);
  }
  return all;
}

Result<std::vector<buffer::PageRange>> ranges_of_run(index::Services& services,
                                                     const RunReference& reference) {
  Result<std::shared_ptr<const Run>> run = Run::open(services, reference);
  if (run) return (*run)->ranges();
  if (run.error().code() != Code::corruption) return std::move(run).error();
  const uint32_t page_bytes = services.pool.page_bytes();
  buffer::AlignedBuffer page(page_bytes);
  std::vector<buffer::PageRange> ranges;
  uint64_t pages = 0;
  for (PageId first{reference.first_page}; first != kNoPage;) {
    AETHER_TRY(services.pool.data().read(first, page.data()));
    const auto header = base::load<page::OverflowHeader>(page.data());
    const bool is_head = header.page.kind == page::PageKind::overflow && header.index == 0 &&
                         header.page.store == reference.store && header.extent_pages > 0;
    pages += header.extent_pages;
    if (!is_head || pages > reference.pages) break;
    ranges.push_back({first, header.extent_pages});
    first = PageId{header.next_extent};
  }
  if (pages != reference.pages) return std::move(run).error();
  return index::join_ranges(std::move(ranges), page_bytes);
}

}  // namespace aether::lsm
