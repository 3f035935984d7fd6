/// Log records: how one is built, sized, written and read. Bytes only; docs/formats/log.md is the format.
///
/// A record lists the changes it makes to pages as *parts*, each for one page with that page's GSN before;
/// all parts share the GSN after. A change of one row is a record with one part; a structure
/// modification is one record with a part for every page it touches, so that no reader of the log ever
/// sees half of it (Mohan et al., ARIES, needs nested top actions here; one record is simpler).
///
/// Validity   A record counts in recovery iff every LSN that it lists (its vector without the elements that
///            were durable when it was appended) lies within the cut of its epoch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "aether/error.h"
#include "base/ids.h"
#include "wal/lsn_vector.h"

namespace aether::wal {

enum class RecordType : uint8_t {
  filler = 1,   ///< No meaning: space.
  change = 2,   ///< Changes pages. With a transaction: undone if it loses. Without: never undone.
  clr = 3,      ///< Compensation: the redo-only change of an undo. `link` is the next LSN to undo.
  commit = 4,   ///< Ends a transaction; its parts (freed pages) happen with the commit.
  end = 5,      ///< A rolled back transaction has been undone completely.
  prepare = 6,  ///< Waits for a decision: txn/prepare_record.h, in the place of undo data.
};

/// Flags of a record.
inline constexpr uint8_t
    kFlagCommits = 1;  ///< A change that is its transaction's only one, and its commit.
/// A change of one row in memory by the transaction that the row names as its writer, in short form: for a small row the
/// general one's heads are as long as the row. Only in bytes and in RecordSpec: read, it is a change like any other.
inline constexpr uint8_t kFlagRow = 2;

/// Who understands a part's data: registered with recovery (recovery/resource_manager.h).
enum class ResourceManager : uint8_t {
  space = 1,  ///< Allocation map pages (buffer/space_map).
  btree = 2,  ///< B+ tree nodes.
  table = 3,  ///< Rows of a store in memory: parts without a page.
};

/// On disk, packed as written: every record starts with these 24 bytes.
struct RecordHeader {
  uint32_t length = 0;  ///< Of the whole record, a multiple of 8. Written last: 0 = not there yet.
  RecordType type = RecordType::filler;
  uint8_t flags = 0;
  uint8_t vector_count = 0;
  uint8_t part_count = 0;
  TxnId txn = 0;
  Lsn link = kNoLsn;  ///< Previous record of the transaction; in a CLR the next one to undo.
};
static_assert(sizeof(RecordHeader) == 24);

/// On disk, before the data of each part.
struct PartHeader {
  uint64_t page_id = 0;
  /// kFormatGsn: the part's data is the whole page, whatever was there before.
  Gsn gsn_before = 0;
  StoreId store = 0;
  ResourceManager manager = ResourceManager::space;
  uint8_t op = 0;
  uint16_t length = 0;  ///< Of the data that follows.
};
static_assert(sizeof(PartHeader) == 24);

/// As gsn_before: the page starts a new life; redo need not read what is on disk.
inline constexpr Gsn kFormatGsn = ~Gsn{0};

/// What the data of the part of a row record begins with: u16 key length, key, and a word that has the transaction above
/// its low byte (a leaf's meta word, page/leaf_record.h, which this room does not know).
inline constexpr unsigned kRowWriterShift = 8;
/// Who wrote the row that is the data of such a part. Nothing: it is cut short.
std::optional<TxnId> row_writer(std::string_view data) noexcept;
/// The op of that part. The word's low byte says what becomes of the row.
inline constexpr uint8_t kRowOp = 4;

inline constexpr uint64_t kRecordAlignment = 8;
inline constexpr uint32_t kMaxParts = 255;

/// One part to be written. `data` pieces are written one after the other.
struct PartSpec {
  PartHeader header;  ///< `length` is filled in by write_record.
  std::span<const std::string_view> data = {};
};

/// One record to be written. With kFlagRow: of one part, whose store and data are all that is written of it; `txn` as the data
/// says; no link if it commits.
struct RecordSpec {
  RecordType type = RecordType::change;
  uint8_t flags = 0;
  TxnId txn = 0;
  Lsn link = kNoLsn;
  Gsn gsn = 0;                         ///< After; for records with parts.
  const LsnVector* vector = nullptr;   ///< Dependencies; null: none.
  const LsnVector* durable = nullptr;  ///< Elements at or below these are left out.
  uint32_t streams = kMaxStreams;      ///< Elements from here on are left out, too.
  uint32_t home_stream = 0;  ///< Its own stream's element is left out: the position says it.
  std::span<const PartSpec> parts = {};
  std::span<const std::string_view> undo = {};  ///< What undo needs, read by the manager of part 0.
};

/// What is worked out of a record before there is room for it.
struct RecordLayout {
  uint64_t size = 0;     ///< Bytes that write_record will fill, a multiple of kRecordAlignment.
  uint32_t streams = 0;  ///< Bit s: it must name stream s.
};
RecordLayout lay_out(const RecordSpec& spec) noexcept;
inline uint64_t record_size(const RecordSpec& spec) noexcept { return lay_out(spec).size; }

/// Writes all of the record but its length word, which is left 0 (see Log::publish). `to` has
/// layout.size zeroed bytes.
void write_record(const RecordSpec& spec, const RecordLayout& layout, std::byte* to) noexcept;
inline void write_record(const RecordSpec& spec, std::byte* to) noexcept {
  write_record(spec, lay_out(spec), to);
}

/// A part as read.
struct PartView {
  PartHeader header;
  std::string_view data;
};

/// A record as read. Borrows the bytes it was parsed from.
struct RecordView {
  RecordHeader header;
  uint32_t stream = 0;
  Lsn lsn = kNoLsn;  ///< Where it starts in its stream.
  Gsn gsn = 0;
  std::string_view vector;  ///< vector_count packed elements: stream << 56 | LSN.
  std::string_view parts;   ///< Packed; walk with PartCursor.
  /// Of a row record: its part's header. `parts` is then its data alone.
  std::optional<PartHeader> row;
  std::string_view undo;

  Lsn end_lsn() const noexcept { return lsn + header.length; }
  /// True if every listed dependency is at or below `cut`.
  bool covered_by(const LsnVector& cut) const noexcept;
};

/// Parses the record at the start of `bytes`, which come from stream `stream` at `lsn`. Everything is
/// bounds-checked. Errors: corruption (says which field).
Result<RecordView> parse_record(std::string_view bytes, uint32_t stream, Lsn lsn);

/// Walks the parts of a parsed record. parse_record has checked the bounds.
class PartCursor {
 public:
  explicit PartCursor(const RecordView& record) noexcept : rest_(record.parts), row_(record.row) {}
  std::optional<PartView> next() noexcept;

 private:
  std::string_view rest_;
  std::optional<PartHeader> row_;
};

}  // namespace aether::wal
