#include "page/overflow_page.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/checksum.h"

namespace aether::page {

uint64_t fill_extent(std::span<std::byte> pages, uint32_t page_bytes, uint64_t environment_id,
                     PageId first, StoreId store, Gsn gsn, PageId next_extent,
                     std::string_view value) noexcept {
  AETHER_ASSERT(!pages.empty() && pages.size() % page_bytes == 0);
  const auto extent_pages = static_cast<uint32_t>(pages.size() / page_bytes);
  uint64_t taken = 0;
  for (uint32_t index = 0; index < extent_pages; ++index) {
    std::byte* page = pages.data() + size_t{index} * page_bytes;
    const std::string_view part = value.substr(taken, overflow_payload_bytes(page_bytes));

    OverflowHeader header;
    header.page.page_id = PageId{raw(first) + index};
    header.page.gsn = gsn;
    header.page.store = store;
    header.page.kind = PageKind::overflow;
    header.next_extent = raw(next_extent);
    header.extent_pages = extent_pages;
    header.index = index;
    header.used_bytes = static_cast<uint32_t>(part.size());
    base::store(page, header);
    std::byte* payload = page + sizeof(OverflowHeader);
    if (!part.empty()) std::memcpy(payload, part.data(), part.size());
    std::memset(payload + part.size(), 0, overflow_payload_bytes(page_bytes) - part.size());
    seal(page, page_bytes, environment_id);
    taken += part.size();
  }
  return taken;
}

void ValueChecksum::add(const void* page, uint32_t page_bytes) noexcept {
  const uint32_t used = std::min(base::load<OverflowHeader>(page).used_bytes,
                                 overflow_payload_bytes(page_bytes));
  sum_ = base::checksum(static_cast<const std::byte*>(page) + sizeof(OverflowHeader), used, sum_);
}

void ValueChecksum::add(std::span<const std::byte> pages, uint32_t page_bytes) noexcept {
  for (size_t at = 0; at < pages.size(); at += page_bytes) add(pages.data() + at, page_bytes);
}

uint32_t ValueChecksum::value() const noexcept {
  const auto half = static_cast<uint32_t>(sum_);
  return half != 0 ? half : 1;
}

Result<std::string_view> payload_of(const void* page, uint32_t page_bytes, PageId extent,
                                    uint32_t index) {
  const auto header = base::load<OverflowHeader>(page);
  const auto damaged = [&](const std::string& what) {
    return Error(Code::corruption, "page " + std::to_string(raw(extent) + index) + " (overflow): " +
                                       what + "; the value it belongs to cannot be read");
  };
  if (header.page.kind != PageKind::overflow) return damaged("it is not an overflow page");
  if (raw(header.page.page_id) != raw(extent) + index || header.index != index ||
      index >= header.extent_pages) {
    return damaged("it is not page " + std::to_string(index) + " of the extent at page " +
                   std::to_string(raw(extent)));
  }
  if (header.reserved != 0) return damaged("its reserved bytes are not zero");
  if (header.used_bytes > overflow_payload_bytes(page_bytes)) {
    return damaged("it says to hold " + std::to_string(header.used_bytes) +
                   " bytes, more than a page can");
  }
  return std::string_view(static_cast<const char*>(page) + sizeof(OverflowHeader),
                          header.used_bytes);
}

Result<void> take_payload(const void* page, uint32_t page_bytes, PageId extent, uint32_t index,
                          std::string& out) {
  AETHER_TRY_ASSIGN(const std::string_view payload, payload_of(page, page_bytes, extent, index));
  out.append(payload);
  return {};
}

}  // namespace aether::page
