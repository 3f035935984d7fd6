/// What a leaf's payload holds: 8 bytes about the record, when it expires if it does, then the value or where it lies.
///
///   meta word | u64 expiry, with kExpires | value, or its OverflowReference with kOverflow
///             '------------------ body -----------------------------------------------
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
  static constexpr uint8_t kExpires = 4;   ///< Before the value stands when it expires.

  constexpr RecordMeta() noexcept = default;
  constexpr RecordMeta(TxnId txn, uint8_t flags) noexcept : word_(txn << 8 | flags) {}
  explicit constexpr RecordMeta(uint64_t word) noexcept : word_(word) {}

  constexpr uint64_t word() const noexcept { return word_; }
  constexpr TxnId txn() const noexcept { return word_ >> 8; }
  constexpr uint8_t flags() const noexcept { return static_cast<uint8_t>(word_); }
  constexpr bool removed() const noexcept { return (word_ & kRemoved) != 0; }
  constexpr bool overflow() const noexcept { return (word_ & kOverflow) != 0; }
  constexpr bool expires() const noexcept { return (word_ & kExpires) != 0; }
  /// Neither removed nor able to expire.
  constexpr bool stays() const noexcept { return (word_ & (kRemoved | kExpires)) == 0; }

 private:
  uint64_t word_ = 0;
};

inline constexpr uint32_t kMetaBytes = 8;
inline constexpr uint32_t kExpiryBytes = 8;

/// Splits a payload. Shorter than 8 bytes (damage, or a racy read): an empty value and a zero meta.
inline RecordMeta meta_of(std::string_view payload) noexcept {
  return payload.size() < kMetaBytes ? RecordMeta()
                                     : RecordMeta(base::load<uint64_t>(payload.data()));
}
/// What stands behind the meta word.
inline std::string_view body_of(std::string_view payload) noexcept {
  return payload.size() < kMetaBytes ? std::string_view() : payload.substr(kMetaBytes);
}
/// `meta` is that of `payload`.
inline std::string_view value_of(std::string_view payload, RecordMeta meta) noexcept {
  const uint32_t head = kMetaBytes + (meta.expires() ? kExpiryBytes : 0);
  return payload.size() < head ? std::string_view() : payload.substr(head);
}
inline std::string_view value_of(std::string_view payload) noexcept {
  return value_of(payload, meta_of(payload));
}
/// Milliseconds since 1970, from which on the row is as if it were not there. 0: it stays; also of a payload that is too
/// short (damage, or a racy read).
inline uint64_t expiry_of(std::string_view payload) noexcept {
  return payload.size() < kMetaBytes + kExpiryBytes || !meta_of(payload).expires()
             ? 0
             : base::load<uint64_t>(payload.data() + kMetaBytes);
}
inline bool has_expired(uint64_t expiry_ms, uint64_t now_ms) noexcept {
  return expiry_ms != 0 && expiry_ms <= now_ms;
}

/// A value kept in overflow pages: stands in the leaf in its place.
struct OverflowReference {
  uint32_t value_bytes = 0;
  uint32_t checksum = 0;    ///< Of its pages: see ValueChecksum. 0: not known.
  uint64_t first_page = 0;  ///< Head of a chain of extents (page/overflow_page.h).
};
static_assert(sizeof(OverflowReference) == 16);

}  // namespace aether::page
