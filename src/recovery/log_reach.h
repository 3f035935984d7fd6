/// How far the log reaches for a page, and which pages lie beyond it.
///
/// A page is written only after the log of its changes is durable. So if the log has a change of a page, it has all later ones,
/// and a node whose GSN is above the last of them carries changes that no log takes back: a block of the log is lost that
/// was durable. It is damage like a gap.
///
/// Content that no log has lies beyond, too, and is none: bulk loads. Their pages carry the GSN of a record that the map of
/// their group was given for them (SpaceManager::raise_gsn), before the one that allocates them, which depends on it. So
/// of an allocated page the log has that record, if it has anything of its former lives. Values are no nodes.
///
/// Threads   One adds; any ask afterwards.
#pragma once

#include <utility>
#include <vector>

#include "base/ids.h"
#include "page/page_header.h"
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
  /// A change of the log, in any order.
  void add(const wal::PartView& part, Gsn gsn);
  /// After the last `add`.
  void sort();
  /// `known`: the highest GSN that the log has for the page.
  bool is_beyond(const page::PageHeader& page, Gsn known, uint32_t page_bytes) const;

 private:
  std::vector<std::pair<PageId, Gsn>> raised_;  ///< Of map pages, for what is written past the log.
};

}  // namespace aether::recovery
