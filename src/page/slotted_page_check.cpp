// The check of a node: nothing in the page is believed, and a node that passes can be used without
// fear.
#include <algorithm>
#include <utility>
#include <vector>

#include "page/slotted_page.h"
#include "page/slotted_page_private.h"

namespace aether::page {

Error SlottedPage::damaged(const std::string& what) const {
  return Error(Code::corruption,
               "page " + std::to_string(raw(header().page.page_id)) + " (B+ tree node): " + what);
}

Result<void> SlottedPage::check_node() const {
  AETHER_TRY(check_header());
  AETHER_TRY(check_fences());
  for (uint32_t i = 0; i < count(); ++i) AETHER_TRY(check_slot(i));
  AETHER_TRY(check_heap());
  return check_order();
}

Result<void> SlottedPage::check_header() const {
  const NodeHeader& node = header();
  const PageKind kind = node.level == 0 ? PageKind::btree_leaf : PageKind::btree_inner;
  if (node.page.kind != kind) return damaged("its kind and its level disagree");
  if (node.has_lower > 1 || node.has_upper > 1 || node.reserved != 0) {
    return damaged("a byte of its header has a value with no meaning");
  }
  if (is_leaf() && node.leftmost != 0) return damaged("it is a leaf but has a leftmost child");
  if (node.count > max_slots()) {
    return damaged("its " + std::to_string(node.count) + " slots do not fit the page");
  }
  if (node.heap_begin > page_bytes_ || node.heap_begin < slots_end()) {
    return damaged("its heap begins at " + std::to_string(node.heap_begin) +
                   ", within the slots or outside the page");
  }
  if (!is_leaf() && node.heap_begin % 8 != 0) return damaged("its heap is not aligned");
  const auto used = [](std::byte b) { return b != std::byte{0}; };
  if (std::any_of(bytes_ + slots_end(), bytes_ + node.heap_begin, used)) {
    return damaged("a byte between slots and heap is not zero");
  }
  return {};
}

Result<void> SlottedPage::check_fences() const {
  const NodeHeader& node = header();
  const uint32_t lower_bytes = node.lower_length;
  const uint32_t upper_bytes = node.upper_length;
  if ((node.has_lower == 0 && lower_bytes != 0) || (node.has_upper == 0 && upper_bytes != 0)) {
    return damaged("a fence has a length but does not exist");
  }
  if (std::max(lower_bytes, upper_bytes) > max_key_bytes(page_bytes_)) {
    return damaged("a fence is longer than the longest key");
  }
  const uint32_t upper_at = upper_bytes == 0 ? 0 : page_bytes_ - upper_bytes;
  const uint32_t lower_at = lower_bytes == 0 ? 0 : page_bytes_ - upper_bytes - lower_bytes;
  if (node.upper_offset != upper_at || node.lower_offset != lower_at ||
      node.heap_begin > page_bytes_ - fence_bytes(is_leaf(), lower_bytes, upper_bytes)) {
    return damaged("its fences are not at the end of the page");
  }
  const Fence lower = lower_fence();
  const Fence upper = upper_fence();
  if (lower && upper && *lower >= *upper) {
    return damaged("its lower fence is not below its upper fence");
  }
  if (node.prefix_length != fence_prefix(lower, upper)) {
    return damaged("its prefix is not the common prefix of its fences");
  }
  return {};
}

Result<void> SlottedPage::check_slot(uint32_t i) const {
  const Slot slot = slots()[i];
  const auto wrong = [&](const char* what) {
    return damaged("slot " + std::to_string(i) + ": " + what);
  };
  if (header().prefix_length + uint32_t{slot.key_length} > max_key_bytes(page_bytes_)) {
    return wrong("its key is longer than the longest key");
  }
  if (!is_leaf() && (slot.payload_length != kChildBytes || slot.offset % 8 != 0)) {
    return wrong("it does not hold an aligned child word");
  }
  const uint32_t size = record_bytes(is_leaf(), slot.key_length, slot.payload_length);
  if (size == 0 ? slot.offset != 0
                : slot.offset < header().heap_begin || slot.offset + size > page_bytes_) {
    return wrong("its record lies outside the heap");
  }
  if (slot.head != head_of(suffix(i))) return wrong("its head is not that of its key");
  return {};
}

Result<void> SlottedPage::check_heap() const {
  const NodeHeader& node = header();
  const uint32_t fences = fence_bytes(is_leaf(), node.lower_length, node.upper_length);
  std::vector<std::pair<uint32_t, uint32_t>> used;  // begin, end
  used.reserve(node.count + size_t{1});
  if (fences != 0) used.emplace_back(page_bytes_ - fences, page_bytes_);
  uint64_t live = fences;
  for (uint32_t i = 0; i < node.count; ++i) {
    const Slot slot = slots()[i];
    const uint32_t size = record_bytes(is_leaf(), slot.key_length, slot.payload_length);
    if (size != 0) used.emplace_back(slot.offset, slot.offset + size);
    live += size;
  }
  std::sort(used.begin(), used.end());
  for (size_t i = 1; i < used.size(); ++i) {
    if (used[i].first < used[i - 1].second) {
      return damaged("two records overlap at offset " + std::to_string(used[i].first));
    }
  }
  if (live + node.garbage != page_bytes_ - node.heap_begin) {
    return damaged("its heap is not the sum of its records, fences and garbage");
  }
  return {};
}

Result<void> SlottedPage::check_order() const {
  const uint32_t n = header().count;
  for (uint32_t i = 1; i < n; ++i) {
    if (suffix(i - 1) >= suffix(i)) {
      return damaged("slot " + std::to_string(i) + ": its key is not above the one before");
    }
  }
  for (uint32_t i = 0; i < kHints; ++i) {
    if (header().hints[i] != (n == 0 ? 0 : slots()[hint_slot(i, n)].head)) {
      return damaged("hint " + std::to_string(i) + " is not the head of its slot");
    }
  }
  if (n == 0) return {};
  std::string key_at;
  key(0, key_at);
  const Fence lower = lower_fence();
  // A leaf may hold its lower fence as a key; an inner node's children would have an empty range
  // there.
  if (lower && (is_leaf() ? key_at < *lower : key_at <= *lower)) {
    return damaged("slot 0: its key is below the lower fence");
  }
  key(n - 1, key_at);
  const Fence upper = upper_fence();
  if (upper && key_at >= *upper) {
    return damaged("slot " + std::to_string(n - 1) + ": its key is not below the upper fence");
  }
  return {};
}

}  // namespace aether::page
