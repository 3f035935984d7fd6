/// The first 40 bytes of every page in the data file: checksum, identity, order, kind.
///
/// docs/formats/page.md is the format. The checksum covers the page from byte 8 on, seeded with the
/// environment's id, so that a page of another environment is not taken for ours; the page id
/// inside shows a misdirected write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "aether/error.h"
#include "base/ids.h"

namespace aether::page {

enum class PageKind : uint8_t {
  file_header = 1,
  space_map = 2,
  btree_inner = 3,
  btree_leaf = 4,
  overflow = 5,
};

struct PageHeader {
  uint64_t checksum = 0;
  PageId page_id = kNoPage;
  Gsn gsn = 0;        ///< Of the newest change.
  StoreId store = 0;  ///< Owner; 0 for the file's own pages.
  PageKind kind = PageKind::file_header;
  uint8_t flags = 0;  ///< No bit defined yet: zero.
  uint16_t reserved = 0;
  TxnId newest_txn = 0;  ///< No record of this page was written by a transaction after this one.
};
static_assert(sizeof(PageHeader) == 40);
static_assert(offsetof(PageHeader, page_id) == 8 && offsetof(PageHeader, gsn) == 16 &&
              offsetof(PageHeader, store) == 24 && offsetof(PageHeader, kind) == 28 &&
              offsetof(PageHeader, newest_txn) == 32);

/// Fills in the checksum of a page that is about to be written.
void seal(void* page, uint32_t page_bytes, uint64_t environment_id) noexcept;

/// Checks a page that was read from place `expected`: checksum, identity, kind, reserved bytes.
/// Errors: corruption (names the page and what is wrong), unsupported (a flag of a newer format).
Result<void> check(const void* page, uint32_t page_bytes, uint64_t environment_id, PageId expected);

/// True if every byte is zero: a page that was never written.
bool is_zero(const void* page, uint32_t page_bytes) noexcept;

}  // namespace aether::page
