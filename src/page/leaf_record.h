/// What a leaf's payload holds: 8 bytes about the record, then the value or where it lies.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/ids.h"

namespace aether::page {

/// The first 8 bytes of a leaf payload: who wrote the record last, and what it is.
/// bits 0-7 flags, bits 8-63 transaction.
class RecordMeta {
 public:
  static constexpr uint8_t
      kRemoved = 1;  ///< A ghost: removed, kept until its transaction cannot come back.
  static constexpr uint8_t kOverflow = 2;  ///< The value is an OverflowReference.

  constexpr RecordMeta() noexcept = default;
  constexpr RecordMeta(TxnId txn, uint8_t flags) noexcept : word_(txn << 8 | flags) {}
  explicit constexpr RecordMeta(uint64_t word) noexcept : word_(word) {}

  constexpr uint64_t word() const noexcept { return word_; }
  constexpr TxnId txn() const noexcept { return word_ >> 8; }
  constexpr uint8_t flags() const noexcept { return static_cast<uint8_t>(word_); }
  constexpr bool removed() const noexcept { return (word_ & kRemoved) != 0; }
  constexpr bool overflow() const noexcept { return (word_ & kOverflow) != 0; }

 private:
  uint64_t word_ = 0;
};

inline constexpr uint32_t kMetaBytes = 8;

/// Splits a payload. Shorter than 8 bytes (damage, or a racy read): an empty value and a zero meta.
inline RecordMeta meta_of(std::string_view payload) noexcept {
  return payload.size() < kMetaBytes ? RecordMeta()
                                     : RecordMeta(base::load<uint64_t>(payload.data()));
}
inline std::string_view value_of(std::string_view payload) noexcept {
  return payload.size() < kMetaBytes ? std::string_view() : payload.substr(kMetaBytes);
}

/// A value kept in overflow pages: stands in the leaf in its place.
struct OverflowReference {
  uint32_t value_bytes = 0;
  uint32_t checksum = 0;    ///< Of its pages: see ValueChecksum. 0: not known.
  uint64_t first_page = 0;  ///< Head of a chain of extents (page/overflow_page.h).
};
static_assert(sizeof(OverflowReference) == 16);

}  // namespace aether::page
