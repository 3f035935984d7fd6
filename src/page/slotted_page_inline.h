/// The short read functions of SlottedPage, inline because a descent calls them at every node.
/// Included by page/slotted_page.h only.
///
/// All of them are [racy]: each field is loaded once, into a register that the compiler may not
/// fill again from memory, and bounded before it is used. So another thread's half-made change
/// gives a wrong answer, never an access outside the page.
#pragma once

#include <algorithm>

#include "base/bytes.h"
#include "page/slotted_page.h"

namespace aether::page {

/// A value read from bytes that another thread may be changing. The empty asm hides where it came
/// from: without it the compiler may load the field a second time after the bounds check, and get
/// another value.
template <typename T>
inline T racy_value(T value) noexcept {
  asm("" : "+r"(value));
  return value;
}

template <typename T>
inline T racy_load(const void* from) noexcept {
  return racy_value(base::load<T>(from));
}

inline uint32_t SlottedPage::count() const noexcept {
  return std::min<uint32_t>(racy_load<uint16_t>(&header().count), max_slots());
}

inline const std::byte* SlottedPage::slot_at(uint32_t slot) const noexcept {
  return bytes_ + sizeof(NodeHeader) + sizeof(Slot) * size_t{std::min(slot, max_slots() - 1)};
}

inline Bytes SlottedPage::bytes_at(uint32_t offset, uint32_t length) const noexcept {
  const uint32_t begin = std::min(offset, page_bytes_);
  return {reinterpret_cast<const char*>(bytes_) + begin, std::min(length, page_bytes_ - begin)};
}

inline Bytes SlottedPage::prefix() const noexcept {
  return bytes_at(racy_load<uint16_t>(&header().lower_offset),
                  racy_load<uint16_t>(&header().prefix_length));
}

inline Fence SlottedPage::lower_fence() const noexcept {
  if (racy_load<uint8_t>(&header().has_lower) == 0) return std::nullopt;
  return bytes_at(racy_load<uint16_t>(&header().lower_offset),
                  racy_load<uint16_t>(&header().lower_length));
}

inline Fence SlottedPage::upper_fence() const noexcept {
  if (racy_load<uint8_t>(&header().has_upper) == 0) return std::nullopt;
  return bytes_at(racy_load<uint16_t>(&header().upper_offset),
                  racy_load<uint16_t>(&header().upper_length));
}

inline Bytes SlottedPage::without_prefix(Bytes key) const noexcept {
  const size_t skipped = racy_load<uint16_t>(&header().prefix_length);
  return key.substr(std::min(skipped, key.size()));
}

inline Bytes SlottedPage::suffix(uint32_t slot) const noexcept {
  const std::byte* at = slot_at(slot);
  const uint32_t offset = racy_load<uint16_t>(at + offsetof(Slot, offset));
  const uint32_t length = racy_load<uint16_t>(at + offsetof(Slot, key_length));
  return bytes_at(is_leaf() ? offset : offset + static_cast<uint32_t>(sizeof(uint64_t)), length);
}

inline Bytes SlottedPage::payload(uint32_t slot) const noexcept {
  const std::byte* at = slot_at(slot);
  const uint32_t offset = racy_load<uint16_t>(at + offsetof(Slot, offset));
  const uint32_t key_length = racy_load<uint16_t>(at + offsetof(Slot, key_length));
  const uint32_t length = racy_load<uint16_t>(at + offsetof(Slot, payload_length));
  return bytes_at(is_leaf() ? offset + key_length : offset, length);
}

inline SlottedPage::Record SlottedPage::record(uint32_t slot) const noexcept {
  // All three fields with one load, that of the last bytes of the slot.
  static_assert(offsetof(Slot, offset) == 4 && offsetof(Slot, payload_length) == 8);
  const auto fields = racy_load<uint64_t>(slot_at(slot) + sizeof(Slot) - sizeof(uint64_t));
  const auto offset = static_cast<uint32_t>(fields >> 16 & 0xffff);
  const auto key_length = static_cast<uint32_t>(fields >> 32 & 0xffff);
  const auto length = static_cast<uint32_t>(fields >> 48);
  if (offset + key_length + length > page_bytes_) [[unlikely]]
    return {bytes_at(offset, key_length), bytes_at(offset + key_length, length)};
  const char* const key = reinterpret_cast<const char*>(bytes_) + offset;
  return {{key, key_length}, {key + key_length, length}};
}

inline uint32_t SlottedPage::child_index(Bytes key, bool strictly_below) const noexcept {
  const Position at = lower_bound(key);
  return at.slot + static_cast<uint32_t>(at.exact && !strictly_below);
}

inline uint64_t* SlottedPage::child_word(uint32_t index) noexcept {
  if (index == 0) return &header().leftmost;
  const uint32_t offset = racy_load<uint16_t>(slot_at(index - 1) + offsetof(Slot, offset));
  const uint32_t aligned = std::min(offset & ~7u, page_bytes_ - 8);
  return reinterpret_cast<uint64_t*>(bytes_ + aligned);
}

}  // namespace aether::page
