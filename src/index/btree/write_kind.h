/// What a write is to do with a row, in an index of any kind.
///
/// Threads   Values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "page/leaf_record.h"

namespace aether::index {

enum class WriteMode : uint8_t {
  put,
  insert,
  update,
  remove,
  expire,  ///< The value stays, and when it expires changes.
};

struct WriteKind {
  constexpr WriteKind(WriteMode its_mode = WriteMode::put, uint8_t its_flags = 0) noexcept
      : mode(its_mode), flags(its_flags) {}
  bool needs_row() const noexcept { return mode >= WriteMode::update; }
  bool expires() const noexcept { return (flags & page::RecordMeta::kExpires) != 0; }

  WriteMode mode;
  /// page::RecordMeta::kExpires: the value that is given begins with when it expires.
  uint8_t flags;
};

/// In the place of a value that lies outside, with its expiry before it if it has one.
struct OutsideBody {
  uint64_t expiry_ms = 0;
  page::OverflowReference reference;

  /// Borrows.
  std::string_view bytes(bool expires) const noexcept {
    const std::string_view whole(reinterpret_cast<const char*>(this), sizeof *this);
    return expires ? whole : whole.substr(sizeof expiry_ms);
  }
};
static_assert(sizeof(OutsideBody) == page::kExpiryBytes + sizeof(page::OverflowReference));

/// Of a value that begins with when it expires: takes that off.
inline uint64_t take_expiry(std::string_view& value) noexcept {
  const auto expiry_ms = base::load<uint64_t>(value.data());
  value.remove_prefix(page::kExpiryBytes);
  return expiry_ms;
}

/// What is written of a row that expires. May throw std::bad_alloc.
inline void append_body(std::string& to, uint64_t expiry_ms, std::string_view value) {
  to.reserve(to.size() + page::kExpiryBytes + value.size());
  to.append(reinterpret_cast<const char*>(&expiry_ms), sizeof expiry_ms).append(value);
}

}  // namespace aether::index
