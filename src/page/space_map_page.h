/// Space map pages: one bit a page of the data file, 1 = allocated.
///
/// The file is divided into groups of `pages_per_group` pages; page group * pages_per_group + 1 is
/// the group's map. Page 0 (the file header) and every map page count as allocated.
#pragma once

#include <cstdint>
#include <optional>

#include "aether/error.h"
#include "base/ids.h"
#include "page/page_header.h"

namespace aether::page {

struct SpaceMapHeader {
  PageHeader page;
  uint64_t first_page = 0;  ///< What bit 0 stands for.
  uint32_t bits = 0;        ///< pages_per_group.
  uint32_t reserved = 0;
  uint64_t reserved2 = 0;
};
static_assert(sizeof(SpaceMapHeader) == 64);

constexpr uint64_t pages_per_group(uint32_t page_bytes) noexcept {
  return uint64_t{page_bytes - sizeof(SpaceMapHeader)} * 8;
}
constexpr PageId map_page_of(PageId id, uint32_t page_bytes) noexcept {
  const uint64_t per_group = pages_per_group(page_bytes);
  return PageId{raw(id) / per_group * per_group + 1};
}

/// A view of a map page.
class SpaceMapPage {
 public:
  SpaceMapPage(void* page, uint32_t page_bytes) noexcept
      : bytes_(static_cast<std::byte*>(page)), page_bytes_(page_bytes) {}
  /// An empty map of the group of `id`, with the pages that are always allocated set.
  void format(PageId id) noexcept;
  SpaceMapHeader& header() noexcept { return *reinterpret_cast<SpaceMapHeader*>(bytes_); }
  bool test(uint32_t bit) const noexcept;
  /// Sets or clears `count` bits. Errors: corruption if one already was so, or is out of range.
  Result<void> set(uint32_t bit, uint32_t count);
  Result<void> clear(uint32_t bit, uint32_t count);
  /// First bit >= `from` that starts `count` zeros in a row.
  std::optional<uint32_t> find_free(uint32_t from, uint32_t count) const noexcept;
  /// First bit >= `from` that is set; the number of bits if there is none.
  uint32_t find_allocated(uint32_t from) const noexcept;
  uint32_t count_allocated() const noexcept;
  Result<void> check_map() const;

 private:
  std::byte* bytes_;
  uint32_t page_bytes_;
};

}  // namespace aether::page
