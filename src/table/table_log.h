/// A table's changes as they stand in the log: parts without a page. A row is found by its key, and a record counts for it
/// if its GSN is above the row's, so the order between rows does not matter. docs/formats/log.md.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "aether/error.h"
#include "base/ids.h"
#include "wal/record.h"

namespace aether::table {

enum class TableOp : uint8_t {
  set =
      1,  ///< u16 key length, key, payload. Undo: the payload before; nothing, if there was no row.
  remove = 2,         ///< The same; the payload is a ghost's: its meta word.
  erase = 3,          ///< u16 key length, key. Of an insert that is taken back.
  row = wal::kRowOp,  ///< In a row record only: set or remove, as the meta word says.
};

/// Borrows.
struct TableOperation {
  TableOp op = TableOp::set;
  std::string_view key;
  std::string_view payload;  ///< Empty: of an erase.
};

/// Errors: corruption (unknown operation, lengths out of bounds).
Result<TableOperation> parse_operation(const wal::PartView& part);

/// The pieces of a part, without copying key or value.
class TablePart {
 public:
  /// For a row record (wal::kFlagRow) `op` and `gsn_before` say nothing that is written.
  TablePart(TableOp op, StoreId store, Gsn gsn_before, std::string_view key, std::string_view head,
            std::string_view value) noexcept;
  TablePart(const TablePart&) = delete;
  TablePart& operator=(const TablePart&) = delete;
  const wal::PartSpec& spec() const noexcept { return spec_; }

 private:
  uint16_t key_length_;
  std::array<std::string_view, 4> pieces_;
  wal::PartSpec spec_;
};

/// Key and payload that one part can hold together.
inline constexpr uint32_t kRowBytesMax = 0xffff - sizeof(uint16_t);

/// "set key=... 108 bytes".
std::string describe(const wal::PartView& part);

}  // namespace aether::table
