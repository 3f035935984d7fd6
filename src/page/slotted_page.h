/// A B+ tree node in a page: sorted slots that grow up, a heap of records that grows down.
///
///   0        40               128                                                    page_bytes
///   | header | node header     | slot 0 | slot 1 | ... ->    free    <- ... | record | fences |
///
/// Keys of a node share the common prefix of its fences, stored once; slots hold the first 4 bytes
/// of what remains (the *head*, as a big-endian number), and 14 heads sampled evenly (the *hints*)
/// narrow the search to a few slots before any is touched. A node covers lower fence <= key < upper
/// fence; an absent fence is infinite. An inner node of count n has n+1 children: `leftmost` for
/// keys below separator 0, and with each separator the child for keys >= it.
///
/// Records   Leaf: key suffix, then payload. Inner: 8-byte child word at an 8-byte boundary (it is
///           changed atomically in memory: a swip), then key suffix, padded to a multiple of 8.
/// Arguments Keys, payloads and fences that are passed in must not lie in the page that is changed.
/// Threads   None: bytes only. Read methods marked [racy] may run on bytes that another thread is
///           changing: they touch nothing outside the page, terminate, and return something; the
///           caller validates later.
/// Source    Layout after LeanStore (Leis et al., ICDE 2018, and "Evolution of LeanStore", BTW
///           2023); prefix truncation: Bayer, Unterauer, "Prefix B-Trees", 1977.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "aether/error.h"
#include "base/ids.h"
#include "page/page_header.h"

namespace aether::page {

using Bytes = std::string_view;

#pragma pack(push, 1)
struct Slot {
  uint32_t head = 0;  ///< First 4 bytes of the suffix as a number; missing bytes count as zero.
  uint16_t offset = 0;
  uint16_t key_length = 0;  ///< Of the suffix.
  uint16_t payload_length = 0;
};
#pragma pack(pop)
static_assert(sizeof(Slot) == 10);

struct NodeHeader {
  PageHeader page;
  uint64_t leftmost = 0;    ///< Inner: child for keys below separator 0. Leaf: 0.
  uint32_t heap_begin = 0;  ///< Lowest byte the heap uses.
  uint32_t garbage = 0;     ///< Bytes of the heap that belong to no record or fence.
  uint16_t count = 0;
  uint16_t prefix_length = 0;
  uint16_t lower_offset = 0;
  uint16_t lower_length = 0;
  uint16_t upper_offset = 0;
  uint16_t upper_length = 0;
  uint8_t level = 0;      ///< 0: leaf.
  uint8_t has_lower = 0;  ///< 0: no lower fence (minus infinity); then length is 0.
  uint8_t has_upper = 0;
  uint8_t reserved = 0;
  uint32_t hints[14] = {};
};
static_assert(sizeof(NodeHeader) == 128 && offsetof(NodeHeader, hints) == 72);

/// The level of every inner node of a radix tree in pages: its leaves, of level 0, lie at different depths.
inline constexpr uint8_t kRadixLevel = 255;
/// May a node of level `child` hang below one of level `parent`?
constexpr bool is_level_below(uint8_t child, uint8_t parent) noexcept {
  return parent == kRadixLevel ? child == 0 || child == kRadixLevel : child + 1 == parent;
}

/// A key range bound: nothing means infinite.
using Fence = std::optional<Bytes>;

/// A view of a page as a node. Owns nothing; copies are the same page.
class SlottedPage {
 public:
  struct Position {
    uint32_t slot = 0;   ///< First slot whose key is >= the key searched for; count() if none.
    bool exact = false;  ///< That slot's key is the key.
  };

  SlottedPage(void* page, uint32_t page_bytes) noexcept
      : bytes_(static_cast<std::byte*>(page)), page_bytes_(page_bytes) {}

  /// The largest key, and the largest record (key + payload) that fits an empty node whatever its
  /// fences.
  static constexpr uint32_t max_key_bytes(uint32_t page_bytes) noexcept { return page_bytes / 4; }
  static constexpr uint32_t max_record_bytes(uint32_t page_bytes) noexcept {
    return page_bytes - static_cast<uint32_t>(sizeof(NodeHeader)) - 2 * max_key_bytes(page_bytes) -
           static_cast<uint32_t>(sizeof(Slot)) - 16;
  }

  // --- making

  /// Makes an empty node. Keeps nothing of the old bytes; unused bytes are zero, and so are
  /// checksum, gsn and newest_txn.
  void format(PageId id, StoreId store, uint8_t level, Fence lower, Fence upper) noexcept;
  /// A compact copy of all that matters (node header and live bytes without the gap), for the log.
  /// `load_image` restores it: an equal node, byte for byte if this one has no garbage. Holds
  /// store, kind and newest_txn, not page id and gsn. Child words are copied as they are. Shorter
  /// than the page.
  std::string image() const;
  /// Leaves page id and gsn as they are (the caller sets them). On error the page is as before.
  /// Errors: corruption (an image that does not fit or is not a node).
  Result<void> load_image(Bytes image);

  // --- reading [racy]

  NodeHeader& header() noexcept { return *reinterpret_cast<NodeHeader*>(bytes_); }
  const NodeHeader& header() const noexcept { return *reinterpret_cast<const NodeHeader*>(bytes_); }
  uint32_t count() const noexcept;  ///< Clamped to what a page can hold.
  bool is_leaf() const noexcept { return header().level == 0; }
  Bytes prefix() const noexcept;
  Fence lower_fence() const noexcept;
  Fence upper_fence() const noexcept;
  /// `key` must lie within the fences (in an optimistic read it may not: the answer is then
  /// arbitrary).
  Position lower_bound(Bytes key) const noexcept;
  /// Asks the processor for the record that lower_bound is going to compare with `key`. A hint: no answer.
  void prefetch_record(Bytes key) const noexcept;
  Bytes suffix(uint32_t slot) const noexcept;
  Bytes payload(uint32_t slot) const noexcept;
  struct Record {
    Bytes suffix;
    Bytes payload;
  };
  /// Both of a leaf.
  Record record(uint32_t slot) const noexcept;
  /// Copies what matters of this node over `copy`'s bytes, all but the gap between slots and heap.
  void copy_to(SlottedPage copy) const noexcept;
  /// prefix + suffix, appended to `out` after clearing it.
  void key(uint32_t slot, std::string& out) const;

  /// The inner node's word that leads to `key`: the last separator <= key, or `leftmost`.
  /// `strictly_below`: the child that holds the greatest keys < `key`.
  uint32_t child_index(Bytes key, bool strictly_below = false) const noexcept;
  /// Child words by index: 0 is leftmost, i is that of separator i-1. Aligned; never null.
  uint64_t* child_word(uint32_t index) noexcept;
  const uint64_t* child_word(uint32_t index) const noexcept {
    return const_cast<SlottedPage*>(this)->child_word(index);
  }

  // --- changing: exclusive access

  uint32_t free_bytes() const noexcept;  ///< After compaction, slots deducted.
  /// Bytes that slots, records and fences use.
  uint32_t used_bytes() const noexcept;
  bool fits(uint32_t key_bytes, uint32_t payload_bytes) const noexcept;
  /// Could `key` stand in this node: between its fences, and no longer than a key may be?
  bool may_hold(Bytes key) const noexcept;
  /// Would a payload of that size fit in place of the one at `slot`?
  bool fits_payload(uint32_t slot, uint32_t payload_bytes) const noexcept;
  /// Puts a record before slot `slot` (from lower_bound). `fits` must be true. Compacts when it has
  /// to.
  void insert(uint32_t slot, Bytes key, Bytes payload) noexcept { insert(slot, key, payload, {}); }
  /// The same; the payload is `head` and `rest`, one after the other.
  void insert(uint32_t slot, Bytes key, Bytes head, Bytes rest) noexcept;
  void remove(uint32_t slot) noexcept;
  /// Bytes of a payload to overwrite in place, same length.
  std::byte* mutable_payload(uint32_t slot) noexcept;
  /// Replaces a payload by one of any length that fits_payload.
  void replace_payload(uint32_t slot, Bytes payload) noexcept;

  // --- splitting and merging

  /// Where to split so that a record of `key` and `payload_bytes` finds room, and by which
  /// separator: slots below `slot` stay, the rest moves right. Leaf: the shortest separator between
  /// the two sides; inner: the key at `slot`, which moves up (its child becomes the right node's
  /// leftmost). Chooses near the middle by bytes; at the right end when `key` comes after all keys
  /// (ascending loads pack their pages), at the left end when before all. One side may be empty.
  /// Where one split cannot make room (long separators, large records), a second one of the half
  /// that `key` belongs to does. Depends on content and arguments only.
  struct SplitPoint {
    uint32_t slot = 0;
    std::string separator;
  };
  SplitPoint choose_split(Bytes key, uint32_t payload_bytes) const;
  /// Formats `right` as the right half, with this page's newest_txn and gsn 0. This page is
  /// unchanged.
  void copy_right_half(const SplitPoint& split, SlottedPage right, PageId right_id) const noexcept;
  /// May `truncate` be called? False: the separator is no key between the fences, or too long to fit.
  bool can_truncate(Bytes separator) const noexcept;
  /// Drops all keys >= separator and makes it the upper fence: what the left half is after a split.
  /// Keeps id, gsn and newest_txn.
  void truncate(Bytes separator) noexcept;
  /// Would this node and `right`, its right neighbour, fit in one node at most `fill_percent` full?
  /// `separator`: the key between them in their parent (inner nodes take it down).
  bool can_merge(const SlottedPage& right, Bytes separator, uint32_t fill_percent) const noexcept;
  /// Formats `target` (another page) as the union of this node and `right`; target's id and gsn are
  /// this node's, its newest_txn is the greater one.
  void merge_into(const SlottedPage& right, Bytes separator, SlottedPage target) const noexcept;

  /// Checks everything inside the page: offsets in bounds and disjoint, slots sorted and within
  /// fences, heads and hints right, garbage and heap_begin right. Errors: corruption (names the
  /// page and the slot).
  Result<void> check_node() const;

  uint32_t page_bytes() const noexcept { return page_bytes_; }
  std::byte* bytes() noexcept { return bytes_; }
  const std::byte* bytes() const noexcept { return bytes_; }

 private:
  uint32_t max_slots() const noexcept {
    return (page_bytes_ - static_cast<uint32_t>(sizeof(NodeHeader))) /
           static_cast<uint32_t>(sizeof(Slot));
  }
  /// Where slot `slot` lies; within the page for any number (clamped to the last possible slot).
  const std::byte* slot_at(uint32_t slot) const noexcept;
  Slot* slots() noexcept { return reinterpret_cast<Slot*>(bytes_ + sizeof(NodeHeader)); }
  const Slot* slots() const noexcept {
    return reinterpret_cast<const Slot*>(bytes_ + sizeof(NodeHeader));
  }
  /// First byte after the slots.
  uint32_t slots_end() const noexcept;
  /// `length` bytes at `offset`, cut off at the end of the page.
  Bytes bytes_at(uint32_t offset, uint32_t length) const noexcept;
  Bytes without_prefix(Bytes key) const noexcept;
  /// Among slots from `first` on, which all tie with `head`, finds the first whose suffix is >=
  /// `rest`.
  [[gnu::noinline]] Position search_ties(uint32_t first, uint32_t count, uint32_t head,
                                         Bytes rest) const noexcept;

  /// Takes room from the heap and writes a record of suffix `part1` + `part2`, payload `head` + `rest`.
  Slot put_record(Bytes part1, Bytes part2, Bytes head, Bytes rest = {}) noexcept;
  void append(Bytes part1, Bytes part2, Bytes payload) noexcept;
  /// Appends slots [from, to) of `source`, whose prefix may be shorter or longer. Leaves the hints
  /// to the caller.
  void append_range(const SlottedPage& source, uint32_t from, uint32_t to) noexcept;
  /// After `begin_format`, when all records are there.
  void end_format() noexcept;
  void set_hints() noexcept;
  void drop_record(const Slot& slot) noexcept;
  /// `format`, but what it leaves of the old bytes between slots and heap is for `end_format` to clear: records are
  /// about to take most of it.
  void begin_format(PageId id, StoreId store, uint8_t level, Fence lower, Fence upper) noexcept;
  /// The same with the store, level and newest_txn of `source`.
  void begin_format_like(const SlottedPage& source, PageId id, Fence lower, Fence upper) noexcept;
  void compact() noexcept;
  /// Formats `fresh` as a copy of this node without garbage.
  void compact_into(SlottedPage fresh) const noexcept;
  /// Takes all but the PageHeader from `fresh`.
  void adopt(const SlottedPage& fresh) noexcept;

  Result<void> check_header() const;
  Result<void> check_fences() const;
  Result<void> check_heap() const;
  Result<void> check_slot(uint32_t slot) const;
  Result<void> check_order() const;
  Error damaged(const std::string& what) const;

  std::byte* bytes_;
  uint32_t page_bytes_;
};

/// The shortest string s with left < s <= right. `left` < `right`.
std::string shortest_separator(Bytes left, Bytes right);

}  // namespace aether::page

#include "page/slotted_page_inline.h"
