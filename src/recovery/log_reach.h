/// How far the log reaches for a page, and which pages lie beyond it.
///
/// A page is written only after the log of its changes is durable. So if the log has a change of a page, it has all later ones,
/// and a node whose GSN is above the last of them carries changes that no log takes back: a block of the log is lost that
/// was durable. It is damage like a gap. Two kinds of page look like it and are none:
///
/// 1. Bulk loads are not logged. Their pages carry the GSN of a record that the map of their group was given for them
///    (SpaceManager::raise_gsn), before the one that allocates them, which depends on it. So of an allocated page the log
///    has that record, if it has anything of its former lives. Values are no nodes.
/// 2. A block takes the streams one after another, so a later change may lie in the block before that of an earlier one. If redo
///    begins between the two, the log seems to know only the earlier one. But then the page was written, with both, before the
///    checkpoint from which redo begins, and `tags` names that version.
///
/// Threads   One adds; any ask afterwards.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "aether/error.h"
#include "base/ids.h"
#include "buffer/data_file.h"
#include "page/page_header.h"
#include "wal/log_reader.h"
#include "wal/record.h"

namespace aether::recovery {

/// Of a B+ tree.
inline constexpr bool is_node(page::PageKind kind) noexcept {
  return kind == page::PageKind::btree_leaf || kind == page::PageKind::btree_inner;
}

/// What an error says of such a page.
inline constexpr const char*
    kBeyondLog = "its GSN is above the last that the log has for it: a block of the log is lost";

class LogReach {
 public:
  /// The first block that is redone.
  void begin(const wal::Block& block) noexcept;
  bool has_begun() const noexcept { return complete_from_.has_value(); }
  /// A change of the log, in any order.
  void add(const wal::PartView& part, Gsn gsn);
  /// After the last `add`.
  void sort();
  /// `page` as it was read; `known`: the highest GSN that the log has for it. Errors: io_error, corruption (of `tags`).
  Result<bool> is_beyond(const page::PageHeader& page, Gsn known, buffer::DataFile& data) const;

 private:
  /// From this GSN of a page on no later change of it lies before the first block.
  std::optional<Gsn> complete_from_;
  std::vector<std::pair<PageId, Gsn>> raised_;  ///< Of map pages, for what is written past the log.
};

}  // namespace aether::recovery
