// Splits and merges.
//
// Making room for one record (`choose_split`). The records, with the new one among them, have
// boundaries between them; each would make two nodes, with the separator as an additional fence in
// both:
//
//     lower | r0 r1 | r2 NEW r3 | upper   ->   lower | r0 r1 | sep   sep | r2 NEW r3 | upper
//
// A boundary is *valid* if both halves fit without NEW: a long separator can make a half too large,
// and `truncate` and `copy_right_half` could not go on. It is *good* if NEW fits too. A good one is
// taken, if there is one. If not (a record of nearly a page in the middle of others), the first
// split must be one after which the second finds a good one, and `isolate` chooses so.
//
// Why that always exists: let C be the page without its header, K the longest key, R the largest
// record with its slot; R + 2K <= C - 16 (max_record_bytes). Let T be the longer of the two
// separators beside NEW. If the boundary with T is valid, then the second split, at the other side
// of NEW, is valid as well and leaves NEW alone in a node. If not, one side, say the right, is too
// full, and the left, fence included, is below T <= K. Then cut at the first valid boundary to the
// right of NEW: either NEW fits, or what is between NEW and the cut, less its last record, is less
// than K minus the left side; so cutting off that last record next gives halves of at most K + R +
// K and R + 2K. In an inner node every boundary is valid, since the key that moves up leaves at
// least as much as the fence takes. The sizes used are those under the old prefix: a half's prefix
// can only be longer.
#include <algorithm>
#include <vector>

#include "base/assert.h"
#include "page/slotted_page.h"
#include "page/slotted_page_private.h"

namespace aether::page {
namespace {

struct Boundary {
  uint32_t slot = 0;  ///< As in SplitPoint.
  uint32_t item = 0;  ///< In a leaf: it is the one before this item.
  uint32_t separator_bytes = 0;
  uint32_t left = 0;  ///< Bytes of the left half without the new record, fences included.
  uint32_t right = 0;
  bool grows_left = false;  ///< The new record goes left.
};

/// The boundaries of a node and the room that each would leave.
class Boundaries {
 public:
  Boundaries(const SlottedPage& node, Bytes key, uint32_t payload_bytes);

  SlottedPage::SplitPoint choose() const;

 private:
  void list_leaf_boundaries();
  void list_last_boundary();
  uint32_t records_bytes() const noexcept;
  void list_inner_boundaries();
  void add(uint32_t slot, size_t separator_bytes, uint32_t records_left, uint32_t records_right,
           bool grows_left);
  uint32_t slot_and_record(uint32_t slot) const noexcept;
  Bytes suffix_of_item(uint32_t item) const noexcept;

  bool valid(const Boundary& b) const noexcept { return std::max(b.left, b.right) <= capacity_; }
  bool good(const Boundary& b) const noexcept {
    return b.left + (b.grows_left ? grows_by_ : 0) <= capacity_ &&
           b.right + (b.grows_left ? 0 : grows_by_) <= capacity_;
  }
  uint32_t imbalance(const Boundary& b) const noexcept {
    const uint32_t left = b.left + (b.grows_left ? grows_by_ : 0);
    const uint32_t right = b.right + (b.grows_left ? 0 : grows_by_);
    return left > right ? left - right : right - left;
  }
  const Boundary* balanced() const noexcept;
  const Boundary* isolate() const noexcept;
  SlottedPage::SplitPoint split_at(const Boundary& boundary) const;

  const SlottedPage& node_;
  bool leaf_;
  uint32_t capacity_;
  uint32_t lower_bytes_;
  uint32_t upper_bytes_;
  Bytes new_suffix_;
  uint32_t position_;      ///< Of the new record among the items.
  bool replaces_;          ///< The key is there already: the record grows.
  uint32_t grows_by_ = 0;  ///< What the new record takes, less what the old one of that key frees.
  std::vector<Boundary> list_;
};

Boundaries::Boundaries(const SlottedPage& node, Bytes key, uint32_t payload_bytes)
    : node_(node),
      leaf_(node.is_leaf()),
      capacity_(node.page_bytes() - kNodeHeaderBytes),
      lower_bytes_(static_cast<uint32_t>(length_of(node.lower_fence()))),
      upper_bytes_(static_cast<uint32_t>(length_of(node.upper_fence()))),
      new_suffix_(key.substr(std::min(key.size(), node.prefix().size()))) {
  const SlottedPage::Position at = node.lower_bound(key);
  position_ = at.slot;
  replaces_ = at.exact;
  grows_by_ = kSlotBytes + record_bytes(leaf_, new_suffix_.size(), payload_bytes);
  if (replaces_) grows_by_ -= std::min(grows_by_, slot_and_record(position_));
  if (leaf_ && position_ == node.count() && position_ > 0) {
    list_last_boundary();
    if (good(list_.back())) return;  // It is what `choose` takes.
    list_.clear();
  }
  list_.reserve(node.count() + size_t{1});
  if (leaf_) {
    list_leaf_boundaries();
  } else {
    list_inner_boundaries();
  }
}

uint32_t Boundaries::slot_and_record(uint32_t slot) const noexcept {
  return kSlotBytes + record_bytes(leaf_, node_.suffix(slot).size(), node_.payload(slot).size());
}

/// Items are the slots with the new record among them.
Bytes Boundaries::suffix_of_item(uint32_t item) const noexcept {
  if (item == position_) return new_suffix_;
  return node_.suffix(item > position_ && !replaces_ ? item - 1 : item);
}

void Boundaries::add(uint32_t slot, size_t separator_bytes, uint32_t records_left,
                     uint32_t records_right, bool grows_left) {
  Boundary b;
  b.slot = slot;
  b.separator_bytes = static_cast<uint32_t>(separator_bytes);
  b.left = records_left + fence_bytes(leaf_, lower_bytes_, separator_bytes);
  b.right = records_right + fence_bytes(leaf_, separator_bytes, upper_bytes_);
  b.grows_left = grows_left;
  list_.push_back(b);
}

/// Of all slots there are.
uint32_t Boundaries::records_bytes() const noexcept {
  return node_.used_bytes() - fence_bytes(leaf_, lower_bytes_, upper_bytes_);
}

/// The one before the new record, which comes after all others: keys that arrive in order leave full leaves.
void Boundaries::list_last_boundary() {
  const size_t same = common_prefix(node_.suffix(position_ - 1), new_suffix_);
  add(position_, node_.prefix().size() + same + 1, records_bytes(), 0, false);
  list_.back().item = position_;
}

void Boundaries::list_leaf_boundaries() {
  const uint32_t count = node_.count();
  const uint32_t items = count + (replaces_ ? 0 : 1);
  const size_t prefix_bytes = node_.prefix().size();
  uint32_t right = records_bytes();
  uint32_t left = 0;
  Bytes before = items > 0 ? suffix_of_item(0) : Bytes();
  for (uint32_t item = 1; item < items; ++item) {  // The boundary before `item`.
    const uint32_t slot = item > position_ && !replaces_ ? item - 1 : item;
    if (item - 1 != position_ || replaces_) {  // The item before is a slot.
      const uint32_t passed = slot_and_record(slot - 1);
      left += passed;
      right -= passed;
    }
    const Bytes after = suffix_of_item(item);
    const size_t same = common_prefix(before, after);
    before = after;
    add(slot, prefix_bytes + same + 1, left, right, position_ < item);
    list_.back().item = item;
  }
}

void Boundaries::list_inner_boundaries() {
  const uint32_t count = node_.count();
  const size_t prefix_bytes = node_.prefix().size();
  uint32_t right = records_bytes();
  uint32_t left = 0;
  for (uint32_t slot = 0; slot < count; ++slot) {  // This slot's key moves up.
    const uint32_t moved = slot_and_record(slot);
    right -= moved;
    add(slot, prefix_bytes + node_.suffix(slot).size(), left, right, position_ <= slot);
    left += moved;
  }
}

/// The good boundary nearest the middle; among those about as near, the one of the shortest
/// separator.
const Boundary* Boundaries::balanced() const noexcept {
  uint32_t least = UINT32_MAX;
  for (const Boundary& b : list_) {
    if (good(b)) least = std::min(least, imbalance(b));
  }
  const Boundary* best = nullptr;
  for (const Boundary& b : list_) {
    if (!good(b) || imbalance(b) > least + capacity_ / 8) continue;
    if (best == nullptr || b.separator_bytes < best->separator_bytes ||
        (b.separator_bytes == best->separator_bytes && imbalance(b) < imbalance(*best))) {
      best = &b;
    }
  }
  return best;
}

/// No boundary is good: the one after which the next split finds a good one (see the top of this
/// file).
const Boundary* Boundaries::isolate() const noexcept {
  const auto size = static_cast<uint32_t>(list_.size());
  if (!leaf_) return &list_[std::min(position_, size - 1)];
  // Boundary i is the one before item i + 1: those beside the new item are position-1 and position.
  uint32_t at = position_ == 0 ? 0 : position_ - 1;
  if (position_ != 0 && position_ < size &&
      list_[position_].separator_bytes > list_[at].separator_bytes) {
    at = position_;
  }
  const bool right_too_full = list_[at].right > capacity_;
  while (at < size && !valid(list_[at])) at += right_too_full ? 1u : ~0u;
  AETHER_ASSERT(at < size);
  return &list_[at];
}

SlottedPage::SplitPoint Boundaries::choose() const {
  AETHER_ASSERT(!list_.empty());
  const auto is_good = [this](const Boundary& b) { return good(b); };
  const Boundary* chosen = nullptr;
  if (position_ == node_.count()) {
    const auto last = std::find_if(list_.rbegin(), list_.rend(), is_good);
    if (last != list_.rend()) chosen = &*last;
  } else if (position_ == 0 && !replaces_) {
    const auto first = std::find_if(list_.begin(), list_.end(), is_good);
    if (first != list_.end()) chosen = &*first;
  } else {
    chosen = balanced();
  }
  return split_at(chosen != nullptr ? *chosen : *isolate());
}

SlottedPage::SplitPoint Boundaries::split_at(const Boundary& boundary) const {
  SlottedPage::SplitPoint split;
  split.slot = boundary.slot;
  if (!leaf_) {
    node_.key(boundary.slot, split.separator);
    return split;
  }
  // The separator is the beginning of the first key on the right, which may be the new one.
  split.separator.assign(node_.prefix());
  split.separator.append(suffix_of_item(boundary.item));
  split.separator.resize(boundary.separator_bytes);
  return split;
}

/// What the records of `node` would take in a node of this prefix, slots included.
uint32_t records_under_prefix(const SlottedPage& node, size_t prefix_bytes) noexcept {
  const size_t regained = node.prefix().size() - std::min(prefix_bytes, node.prefix().size());
  uint32_t sum = 0;
  for (uint32_t i = 0; i < node.count(); ++i) {
    sum += kSlotBytes +
           record_bytes(node.is_leaf(), regained + node.suffix(i).size(), node.payload(i).size());
  }
  return sum;
}

}  // namespace

SlottedPage::SplitPoint SlottedPage::choose_split(Bytes key, uint32_t payload_bytes) const {
  AETHER_ASSERT(key.size() <= max_key_bytes(page_bytes_));
  return Boundaries(*this, key, payload_bytes).choose();
}

void SlottedPage::copy_right_half(const SplitPoint& split, SlottedPage right,
                                  PageId right_id) const noexcept {
  AETHER_ASSERT(right.bytes_ != bytes_ && right.page_bytes_ == page_bytes_);
  uint32_t from = split.slot;
  right.begin_format_like(*this, right_id, split.separator, upper_fence());
  if (!is_leaf()) {
    right.header().leftmost = *child_word(split.slot + 1);
    ++from;
  }
  right.append_range(*this, from, header().count);
  right.end_format();
}

bool SlottedPage::can_truncate(Bytes separator) const noexcept {
  const Fence lower = lower_fence();
  if (!may_hold(separator) || (lower && separator == *lower)) return false;
  uint64_t needed = fence_bytes(is_leaf(), length_of(lower), separator.size());
  for (uint32_t i = lower_bound(separator).slot; i-- > 0;)
    needed += kSlotBytes + record_bytes(is_leaf(), suffix(i).size(), payload(i).size());
  return needed <= page_bytes_ - kNodeHeaderBytes;
}

void SlottedPage::truncate(Bytes separator) noexcept {
  const uint32_t kept = lower_bound(separator).slot;
  Scratch scratch;
  SlottedPage left(scratch.bytes, page_bytes_);
  left.begin_format_like(*this, header().page.page_id, lower_fence(), separator);
  left.header().leftmost = header().leftmost;
  left.append_range(*this, 0, kept);
  left.end_format();
  adopt(left);
}

bool SlottedPage::can_merge(const SlottedPage& right, Bytes separator,
                            uint32_t fill_percent) const noexcept {
  const Fence lower = lower_fence();
  const Fence upper = right.upper_fence();
  const size_t prefix_bytes = fence_prefix(lower, upper);
  uint64_t needed = fence_bytes(is_leaf(), length_of(lower), length_of(upper)) +
                    records_under_prefix(*this, prefix_bytes) +
                    records_under_prefix(right, prefix_bytes);
  if (!is_leaf()) {
    needed += kSlotBytes + record_bytes(false, separator.size() - prefix_bytes, kChildBytes);
  }
  const uint64_t capacity = page_bytes_ - kNodeHeaderBytes;
  return needed * 100 <= capacity * std::min(fill_percent, 100u);
}

void SlottedPage::merge_into(const SlottedPage& right, Bytes separator,
                             SlottedPage target) const noexcept {
  AETHER_ASSERT(target.bytes_ != bytes_ && target.bytes_ != right.bytes_);
  AETHER_ASSERT(header().level == right.header().level && can_merge(right, separator, 100));
  const NodeHeader& node = header();
  target.begin_format_like(*this, node.page.page_id, lower_fence(), right.upper_fence());
  NodeHeader& merged = target.header();
  merged.page.gsn = node.page.gsn;
  merged.page.newest_txn = std::max(node.page.newest_txn, right.header().page.newest_txn);
  merged.leftmost = node.leftmost;
  target.append_range(*this, 0, node.count);
  if (!is_leaf()) {
    const uint64_t child = right.header().leftmost;
    target.append({}, target.without_prefix(separator),
                  {reinterpret_cast<const char*>(&child), sizeof child});
  }
  target.append_range(right, 0, right.header().count);
  target.end_format();
}

std::string shortest_separator(Bytes left, Bytes right) {
  AETHER_ASSERT(left < right);
  return std::string(right.substr(0, common_prefix(left, right) + 1));
}

}  // namespace aether::page
