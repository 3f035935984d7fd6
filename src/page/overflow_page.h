/// Overflow pages: a value too large for a leaf, in a chain of extents of contiguous pages.
///
/// Every page of an extent has its own header, checksum and identity; the first one's fields also
/// describe the extent. Their content is not logged: it is written and synced before the commit
/// that refers to it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "aether/error.h"
#include "base/ids.h"
#include "page/page_header.h"

namespace aether::page {

struct OverflowHeader {
  PageHeader page;
  uint64_t next_extent = 0;   ///< First page of the next extent; 0: this is the last.
  uint32_t extent_pages = 0;  ///< Pages of this extent.
  uint32_t index = 0;         ///< Of this page within the extent, from 0.
  uint32_t used_bytes = 0;    ///< Of this page's payload.
  uint32_t reserved = 0;
};
static_assert(sizeof(OverflowHeader) == 64);

constexpr uint32_t overflow_payload_bytes(uint32_t page_bytes) noexcept {
  return page_bytes - static_cast<uint32_t>(sizeof(OverflowHeader));
}

/// Fills `pages` (extent_pages * page_bytes bytes) with the first bytes of `value`, sealed, and
/// returns how many bytes it took.
uint64_t fill_extent(std::span<std::byte> pages, uint32_t page_bytes, uint64_t environment_id,
                     PageId first, StoreId store, Gsn gsn, PageId next_extent,
                     std::string_view value) noexcept;

/// Over a value's bytes, page by page. The pages are not logged: who has just the row can tell by it that a page is one of
/// another life. Page headers are left out: a restore seals the pages anew, for another environment.
class ValueChecksum {
 public:
  void add(const void* page, uint32_t page_bytes) noexcept;
  void add(std::span<const std::byte> pages, uint32_t page_bytes) noexcept;
  /// Never 0.
  uint32_t value() const noexcept;

 private:
  uint64_t sum_ = 0;
};

/// The payload of a checked overflow page. Errors: corruption (wrong kind, index or sizes).
Result<std::string_view> payload_of(const void* page, uint32_t page_bytes, PageId extent,
                                    uint32_t index);
/// Appends the payload of a checked overflow page to `out`. Errors: corruption (wrong kind, index
/// or sizes).
Result<void> take_payload(const void* page, uint32_t page_bytes, PageId extent, uint32_t index,
                          std::string& out);

}  // namespace aether::page
