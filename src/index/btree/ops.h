/// The B+ tree's page operations as they stand in the log, and their redo on bytes.
///
/// Rows are found by key, so an operation is independent of where in the page the row lies; the GSN chain makes
/// sure that the page is the one the operation was made for. docs/formats/log.md lists the data of each.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "aether/error.h"
#include "base/ids.h"
#include "wal/record.h"

namespace aether::index {

enum class BTreeOp : uint8_t {
  insert = 1,  ///< u16 key length, key, payload. In an inner node the payload is a child's page id.
  replace = 2,   ///< u16 key length, key, new payload. Undo: the old payload.
  set_meta = 3,  ///< u16 key length, key, u64 meta. Undo: u64 old meta.
  remove = 4,    ///< u16 key length, key. The row goes; never undone by itself.
  format = 5,    ///< SlottedPage::image(): the whole page.
  truncate = 6,  ///< The separator: keys at or above it go, it is the new upper fence.
  patch = 7,     ///< u16 key length, key, patch of the payload (row_patch.h). Undo: the patch back.
};

/// An operation as read from a part. Borrows.
struct BTreeOperation {
  BTreeOp op = BTreeOp::insert;
  std::string_view key;   ///< Or the separator.
  std::string_view data;  ///< Payload, meta, image or patch.
};

/// Errors: corruption (unknown operation, lengths out of bounds).
Result<BTreeOperation> parse_operation(const wal::PartView& part);

/// The pieces of a part of a row operation, without copying key or payload.
class RowPart {
 public:
  RowPart(BTreeOp op, StoreId store, std::string_view key, std::string_view meta_or_head,
          std::string_view value) noexcept
      : key_length_(static_cast<uint16_t>(key.size())),
        pieces_{std::string_view(reinterpret_cast<const char*>(&key_length_), sizeof key_length_),
                key, meta_or_head, value} {
    spec_.header.store = store;
    spec_.header.manager = wal::ResourceManager::btree;
    spec_.header.op = static_cast<uint8_t>(op);
    spec_.data = pieces_;
  }
  RowPart(const RowPart&) = delete;
  RowPart& operator=(const RowPart&) = delete;
  wal::PartSpec& spec() noexcept { return spec_; }

 private:
  uint16_t key_length_;
  std::array<std::string_view, 4> pieces_;
  wal::PartSpec spec_;
};

/// Applies the operation to the page. Errors: corruption (the page is not what the record was made for).
Result<void> redo_btree(std::byte* page, uint32_t page_bytes, const wal::PartView& part);

/// "insert key=... 108 bytes".
std::string describe_btree(const wal::PartView& part);

}  // namespace aether::index
