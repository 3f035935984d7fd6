/// What every filter's bytes begin with (docs/formats/filter.md).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "aether/error.h"
#include "base/bytes.h"

namespace aether::lsm {

struct FilterHeader {
  static constexpr uint32_t kMagic = 0x464c'4541;  // "AELF"
  static constexpr uint16_t kFormat = 1;
  static constexpr uint64_t kBytes = 64;

  uint64_t checksum;  ///< Of all that follows.
  uint32_t magic;
  uint16_t format;
  uint8_t kind;
  uint8_t reserved;
  uint64_t bytes;  ///< These included.
  uint64_t keys;
  uint64_t own[4];  ///< The kind's.
};
static_assert(sizeof(FilterHeader) == FilterHeader::kBytes);

inline Error damaged_filter(const char* what) {
  std::string message = "filter: ";
  message.append(what).append(": read the run without it, and write both anew by a merge");
  return {Code::corruption, std::move(message)};
}

/// Fills in what the kind does not know: `bytes` begin with a header.
void seal_filter(std::string& bytes) noexcept;
/// Magic, format, size, checksum. Errors: corruption, unsupported.
Result<FilterHeader> read_filter_header(std::string_view bytes);

}  // namespace aether::lsm
