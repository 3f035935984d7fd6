// Making, reading and changing a node. Search: slotted_page_search.cpp; images:
// slotted_page_image.cpp; splits, merges and the check: slotted_page_split.cpp and
// slotted_page_check.cpp.
//
// Between the slots and heap_begin every byte is zero, always: the page's bytes then depend on what
// was done to it and on nothing else, and the log and backups compress.
#include "page/slotted_page.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "page/slotted_page_private.h"

namespace aether::page {
namespace {

void copy(std::byte* to, Bytes from) noexcept { base::copy_short(to, from.data(), from.size()); }

}  // namespace

void SlottedPage::format(PageId id, StoreId store, uint8_t level, Fence lower,
                         Fence upper) noexcept {
  begin_format(id, store, level, lower, upper);
  end_format();
}

void SlottedPage::begin_format(PageId id, StoreId store, uint8_t level, Fence lower,
                               Fence upper) noexcept {
  AETHER_ASSERT(length_of(lower) <= max_key_bytes(page_bytes_));
  AETHER_ASSERT(length_of(upper) <= max_key_bytes(page_bytes_));
  // The records of inner nodes have padding between them.
  std::memset(bytes_, 0, level == 0 ? kNodeHeaderBytes : page_bytes_);
  NodeHeader& node = header();
  node.page.page_id = id;
  node.page.store = store;
  node.page.kind = level == 0 ? PageKind::btree_leaf : PageKind::btree_inner;
  node.level = level;

  // The fences lie at the end of the page, where the heap begins to grow. What is empty has offset
  // 0: its place would be page_bytes, which 16 bits cannot hold for the largest page.
  uint32_t end = page_bytes_;
  const auto put_fence = [&](const Fence& fence, uint16_t& offset, uint16_t& length) {
    if (length_of(fence) == 0) return;
    end -= static_cast<uint32_t>(fence->size());
    copy(bytes_ + end, *fence);
    offset = static_cast<uint16_t>(end);
    length = static_cast<uint16_t>(fence->size());
  };
  put_fence(upper, node.upper_offset, node.upper_length);
  put_fence(lower, node.lower_offset, node.lower_length);
  node.has_lower = lower.has_value();
  node.has_upper = upper.has_value();
  node.prefix_length = static_cast<uint16_t>(fence_prefix(lower, upper));
  node.heap_begin = page_bytes_ - fence_bytes(level == 0, length_of(lower), length_of(upper));
}

void SlottedPage::end_format() noexcept {
  set_hints();
  if (is_leaf()) std::memset(bytes_ + slots_end(), 0, header().heap_begin - slots_end());
}

void SlottedPage::begin_format_like(const SlottedPage& source, PageId id, Fence lower,
                                    Fence upper) noexcept {
  const NodeHeader& from = source.header();
  begin_format(id, from.page.store, from.level, lower, upper);
  header().page.newest_txn = from.page.newest_txn;
}

void SlottedPage::key(uint32_t slot, std::string& out) const {
  out.assign(prefix());
  out.append(suffix(slot));
}

void SlottedPage::copy_to(SlottedPage copy) const noexcept {
  const uint32_t slots = kNodeHeaderBytes + kSlotBytes * count();
  const uint32_t heap = std::clamp(racy_load<uint32_t>(&header().heap_begin), slots, page_bytes_);
  std::memcpy(copy.bytes_, bytes_, slots);
  std::memcpy(copy.bytes_ + heap, bytes_ + heap, page_bytes_ - heap);
}

// --- room

uint32_t SlottedPage::slots_end() const noexcept {
  return kNodeHeaderBytes + kSlotBytes * header().count;
}

uint32_t SlottedPage::free_bytes() const noexcept {
  return header().heap_begin - slots_end() + header().garbage;
}

uint32_t SlottedPage::used_bytes() const noexcept {
  return page_bytes_ - kNodeHeaderBytes - free_bytes();
}

bool SlottedPage::fits(uint32_t key_bytes, uint32_t payload_bytes) const noexcept {
  const uint32_t suffix_bytes = key_bytes - std::min<uint32_t>(key_bytes, header().prefix_length);
  return kSlotBytes + record_bytes(is_leaf(), suffix_bytes, payload_bytes) <= free_bytes();
}

bool SlottedPage::may_hold(Bytes key) const noexcept {
  const Fence lower = lower_fence();
  const Fence upper = upper_fence();
  const bool above = !lower || (is_leaf() ? key >= *lower : key > *lower);
  return above && (!upper || key < *upper) && key.size() <= max_key_bytes(page_bytes_);
}

bool SlottedPage::fits_payload(uint32_t slot, uint32_t payload_bytes) const noexcept {
  AETHER_ASSERT(slot < header().count);
  if (!is_leaf()) return payload_bytes == kChildBytes;
  return payload_bytes <= free_bytes() + slots()[slot].payload_length;
}

// --- changing

Slot SlottedPage::put_record(Bytes part1, Bytes part2, Bytes head, Bytes rest) noexcept {
  NodeHeader& node = header();
  const size_t suffix_bytes = part1.size() + part2.size();
  const size_t payload_bytes = head.size() + rest.size();
  const uint32_t size = record_bytes(is_leaf(), suffix_bytes, payload_bytes);
  AETHER_ASSERT(size <= node.heap_begin - slots_end());
  node.heap_begin -= size;

  std::byte* at = bytes_ + node.heap_begin;
  std::byte* suffix_at = is_leaf() ? at : at + kChildBytes;
  std::byte* payload_at = is_leaf() ? at + suffix_bytes : at;
  copy(suffix_at, part1);
  copy(suffix_at + part1.size(), part2);
  copy(payload_at, head);
  copy(payload_at + head.size(), rest);

  Slot slot;
  slot.head = head_of({reinterpret_cast<const char*>(suffix_at), suffix_bytes});
  slot.offset = static_cast<uint16_t>(size == 0 ? 0 : node.heap_begin);  // As for empty fences.
  slot.key_length = static_cast<uint16_t>(suffix_bytes);
  slot.payload_length = static_cast<uint16_t>(payload_bytes);
  return slot;
}

void SlottedPage::append(Bytes part1, Bytes part2, Bytes payload) noexcept {
  AETHER_ASSERT(slots_end() + kSlotBytes <= header().heap_begin);
  // The count first: put_record then leaves the new slot's own bytes free.
  const uint16_t slot = header().count++;
  slots()[slot] = put_record(part1, part2, payload);
}

void SlottedPage::append_range(const SlottedPage& source, uint32_t from, uint32_t to) noexcept {
  const Bytes theirs = source.prefix();
  const size_t ours = header().prefix_length;
  const Bytes regained = theirs.substr(std::min(ours, theirs.size()));
  const size_t dropped = ours - std::min(ours, theirs.size());
  if (!is_leaf()) {
    for (uint32_t i = from; i < to; ++i) {
      const Bytes suffix = source.suffix(i);
      AETHER_ASSERT(suffix.size() >= dropped);
      append(regained, suffix.substr(dropped), source.payload(i));
    }
    return;
  }
  // In a leaf a payload follows its suffix: one copy for both.
  NodeHeader& node = header();
  for (uint32_t i = from; i < to; ++i) {
    const Slot& old = source.slots()[i];
    AETHER_ASSERT(old.key_length >= dropped);
    const size_t kept = old.key_length - dropped + old.payload_length;
    const auto size = static_cast<uint32_t>(regained.size() + kept);
    AETHER_ASSERT(slots_end() + kSlotBytes + size <= node.heap_begin);
    node.heap_begin -= size;
    std::byte* const at = bytes_ + node.heap_begin;
    copy(at, regained);
    if (kept != 0) std::memcpy(at + regained.size(), source.bytes_ + old.offset + dropped, kept);
    Slot& made = slots()[node.count++];
    made.offset = static_cast<uint16_t>(size == 0 ? 0 : node.heap_begin);  // As for empty fences.
    made.key_length = static_cast<uint16_t>(regained.size() + old.key_length - dropped);
    made.payload_length = old.payload_length;
    made.head = dropped == 0 && regained.empty()
                    ? old.head
                    : head_of({reinterpret_cast<const char*>(at), made.key_length});
  }
}

void SlottedPage::set_hints() noexcept {
  NodeHeader& node = header();
  for (uint32_t i = 0; i < kHints; ++i) {
    node.hints[i] = node.count == 0 ? 0 : slots()[hint_slot(i, node.count)].head;
  }
}

void SlottedPage::insert(uint32_t slot, Bytes key, Bytes head, Bytes rest) noexcept {
  const size_t payload_bytes = head.size() + rest.size();
  AETHER_ASSERT(slot <= header().count);
  AETHER_ASSERT(is_leaf() || payload_bytes == kChildBytes);
  const Bytes suffix = without_prefix(key);
  AETHER_ASSERT(fits(static_cast<uint32_t>(key.size()), static_cast<uint32_t>(payload_bytes)));
  AETHER_CHECK(key.substr(0, key.size() - suffix.size()) == prefix());

  const uint32_t needed = kSlotBytes + record_bytes(is_leaf(), suffix.size(), payload_bytes);
  if (header().heap_begin - slots_end() < needed) compact();

  Slot* at = slots() + slot;
  const size_t behind = header().count - slot;
  ++header().count;
  const Slot made = put_record(suffix, {}, head, rest);
  std::memmove(at + 1, at, behind * kSlotBytes);
  *at = made;
  set_hints();
}

void SlottedPage::drop_record(const Slot& slot) noexcept {
  NodeHeader& node = header();
  const uint32_t size = record_bytes(is_leaf(), slot.key_length, slot.payload_length);
  if (slot.offset == node.heap_begin) {  // The newest record: its bytes go back to the gap.
    std::memset(bytes_ + slot.offset, 0, size);
    node.heap_begin += size;
  } else {
    // A child word may be an address by now, and what nobody reads any more is not made a page id on the way to the disk.
    if (!is_leaf()) std::memset(bytes_ + slot.offset, 0, size);
    node.garbage += size;
  }
}

void SlottedPage::remove(uint32_t slot) noexcept {
  NodeHeader& node = header();
  AETHER_ASSERT(slot < node.count);
  drop_record(slots()[slot]);
  Slot* at = slots() + slot;
  std::memmove(at, at + 1, (node.count - slot - 1u) * kSlotBytes);
  --node.count;
  slots()[node.count] = Slot{};
  set_hints();
}

std::byte* SlottedPage::mutable_payload(uint32_t slot) noexcept {
  AETHER_ASSERT(slot < header().count);
  return bytes_ + (payload(slot).data() - reinterpret_cast<const char*>(bytes_));
}

void SlottedPage::replace_payload(uint32_t slot, Bytes payload) noexcept {
  AETHER_ASSERT(fits_payload(slot, static_cast<uint32_t>(payload.size())));
  NodeHeader& node = header();
  Slot& old = slots()[slot];
  if (payload.size() <= old.payload_length) {
    copy(mutable_payload(slot), payload);
    if (old.offset != 0 && old.key_length + payload.size() == 0) {
      drop_record(old);
      old.offset = 0;
    } else {
      node.garbage += old.payload_length - static_cast<uint32_t>(payload.size());
    }
    old.payload_length = static_cast<uint16_t>(payload.size());
    return;
  }
  if (node.heap_begin - slots_end() >= old.key_length + payload.size()) {
    const Slot made = put_record(suffix(slot), {}, payload);
    drop_record(old);
    old = made;
    return;
  }
  // No room for both beside each other: build the node anew, with the new payload in place of the
  // old.
  Scratch scratch;
  SlottedPage fresh(scratch.bytes, page_bytes_);
  fresh.begin_format_like(*this, node.page.page_id, lower_fence(), upper_fence());
  fresh.append_range(*this, 0, slot);
  fresh.append({}, suffix(slot), payload);
  fresh.append_range(*this, slot + 1, node.count);
  fresh.end_format();
  adopt(fresh);
}

void SlottedPage::compact() noexcept {
  Scratch scratch;
  const SlottedPage fresh(scratch.bytes, page_bytes_);
  compact_into(fresh);
  adopt(fresh);
}

void SlottedPage::compact_into(SlottedPage fresh) const noexcept {
  fresh.begin_format_like(*this, header().page.page_id, lower_fence(), upper_fence());
  fresh.header().leftmost = header().leftmost;
  fresh.append_range(*this, 0, header().count);
  fresh.end_format();
}

void SlottedPage::adopt(const SlottedPage& fresh) noexcept {
  AETHER_ASSERT(fresh.page_bytes_ == page_bytes_);
  std::memcpy(bytes_ + sizeof(PageHeader), fresh.bytes_ + sizeof(PageHeader),
              page_bytes_ - sizeof(PageHeader));
}

}  // namespace aether::page
