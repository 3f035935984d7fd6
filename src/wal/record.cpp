#include "wal/record.h"

#include <string>
#include <utility>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/planted.h"
#include "wal/record_write.h"

namespace aether::wal {
namespace {

static_assert(offsetof(RecordHeader, length) == 0);
static_assert(offsetof(RecordHeader, type) == 4);
static_assert(offsetof(RecordHeader, flags) == 5);
static_assert(offsetof(RecordHeader, vector_count) == 6);
static_assert(offsetof(RecordHeader, part_count) == 7);
static_assert(offsetof(RecordHeader, txn) == 8);
static_assert(offsetof(RecordHeader, link) == 16);
static_assert(offsetof(PartHeader, page_id) == 0);
static_assert(offsetof(PartHeader, gsn_before) == 8);
static_assert(offsetof(PartHeader, store) == 16);
static_assert(offsetof(PartHeader, manager) == 20);
static_assert(offsetof(PartHeader, op) == 21);
static_assert(offsetof(PartHeader, length) == 22);

Error bad_record(uint32_t stream, Lsn lsn, const std::string& what) {
  return Error(Code::corruption, "log record at LSN " + std::to_string(lsn) + " of stream " +
                                     std::to_string(stream) + ": " + what);
}

Result<RecordHeader> parse_header(std::string_view bytes, uint32_t stream, Lsn lsn) {
  base::ByteReader reader(bytes);
  const auto header = reader.read<RecordHeader>();
  if (!reader.ok()) {
    return bad_record(stream, lsn, "only " + std::to_string(bytes.size()) + " bytes are left");
  }
  if (header.length < sizeof(RecordHeader) || header.length % kRecordAlignment != 0 ||
      header.length > bytes.size()) {
    return bad_record(stream, lsn,
                      "length is " + std::to_string(header.length) + " of " +
                          std::to_string(bytes.size()) + " bytes");
  }
  if (header.type < RecordType::filler || header.type > RecordType::prepare) {
    return bad_record(stream, lsn,
                      "unknown type " + std::to_string(static_cast<unsigned>(header.type)));
  }
  const bool is_row = (header.flags & kFlagRow) != 0;
  if (is_row ? header.type != RecordType::change : (header.flags & ~kFlagCommits) != 0) {
    return bad_record(stream, lsn, "unknown flags " + std::to_string(header.flags));
  }
  return header;
}

Result<void> check_vector(const RecordView& view) {
  for (uint64_t i = 0; i < view.vector.size(); i += kElementBytes) {
    const auto element = base::load<uint64_t>(view.vector.data() + i);
    if ((element >> kStreamShift) >= kMaxStreams) {
      return bad_record(view.stream, view.lsn,
                        "vector names stream " + std::to_string(element >> kStreamShift));
    }
  }
  return {};
}

/// `view.header` holds the record's first bytes, of which those up to the flags are a row record's head; becomes what it would be of a
/// general one.
Result<void> parse_row(std::string_view record, RecordView& view) {
  RecordHeader& header = view.header;
  constexpr uint64_t kBodyAt = offsetof(RecordHeader, flags) + 1;
  const uint32_t padding = header.flags >> kRowPaddingShift;
  const bool commits = (header.flags & kFlagCommits) != 0;
  header.vector_count = header.flags >> kRowVectorShift & kRowCountMax;
  header.flags &= kFlagCommits;
  header.part_count = 1;
  header.link = kNoLsn;

  base::ByteReader reader(record.substr(kBodyAt, header.length - padding - kBodyAt));
  view.vector = reader.read_bytes(header.vector_count * kElementBytes);
  AETHER_TRY(check_vector(view));
  view.gsn = reader.read<Gsn>();
  const auto store = reader.read<StoreId>();
  if (!commits) {
    header.link = reader.read<Lsn>();
    view.undo = reader.read_bytes(reader.read<uint32_t>());
  }
  view.parts = reader.read_bytes(reader.remaining());
  if (!reader.ok()) return bad_record(view.stream, view.lsn, "a row's head ends behind the record");

  const std::optional<TxnId> writer = row_writer(view.parts);
  if (!writer) return bad_record(view.stream, view.lsn, "its row is cut short");
  if (view.parts.size() > UINT16_MAX)
    return bad_record(view.stream, view.lsn, "its row is longer than a part can be");
  header.txn = *writer;
  view.row = PartHeader{.store = store,
                        .manager = ResourceManager::table,
                        .op = kRowOp,
                        .length = static_cast<uint16_t>(view.parts.size())};
  return {};
}

}  // namespace

std::optional<TxnId> row_writer(std::string_view data) noexcept {
  base::ByteReader row(data);
  row.read_bytes(row.read<uint16_t>());
  const auto word = row.read<uint64_t>();
  return row.ok() ? std::optional<TxnId>(word >> kRowWriterShift) : std::nullopt;
}

RecordLayout lay_out(const RecordSpec& spec) noexcept { return lay_out_here(spec); }

void write_record(const RecordSpec& spec, const RecordLayout& layout, std::byte* to) noexcept {
  write_record_here(spec, layout, to);
}

bool RecordView::covered_by(const LsnVector& cut) const noexcept {
  for (uint64_t i = 0; i < vector.size(); i += kElementBytes) {
    const auto element = base::load<uint64_t>(vector.data() + i);
    if ((element & kLsnMask) > cut.at[element >> kStreamShift])
      return AETHER_PLANTED("recovery.ignore_dependencies");
  }
  return true;
}

Result<RecordView> parse_record(std::string_view bytes, uint32_t stream, Lsn lsn) {
  RecordView view;
  view.stream = stream;
  view.lsn = lsn;
  AETHER_TRY_ASSIGN(view.header, parse_header(bytes, stream, lsn));
  if (view.header.type == RecordType::filler) return view;  // Its body means nothing.
  if ((view.header.flags & kFlagRow) != 0) {
    AETHER_TRY(parse_row(bytes, view));
    return view;
  }

  const std::string_view body = bytes.substr(sizeof(RecordHeader),
                                             view.header.length - sizeof(RecordHeader));
  base::ByteReader reader(body);
  view.vector = reader.read_bytes(view.header.vector_count * kElementBytes);
  AETHER_TRY(check_vector(view));

  if (view.header.part_count != 0) {
    view.gsn = reader.read<Gsn>();
    const uint64_t parts_at = body.size() - reader.remaining();
    for (uint32_t i = 0; i < view.header.part_count; ++i) {
      const auto part = reader.read<PartHeader>();
      reader.read_bytes(part.length);
      if (!reader.ok()) {
        return bad_record(stream, lsn,
                          "part " + std::to_string(i) + " of " +
                              std::to_string(view.header.part_count) + " ends behind the record");
      }
    }
    view.parts = body.substr(parts_at, body.size() - reader.remaining() - parts_at);
  }

  // Undo is optional: where there is none, either nothing is left or a zero word of padding.
  if (reader.remaining() >= sizeof(uint32_t)) {
    view.undo = reader.read_bytes(reader.read<uint32_t>());
  }
  if (!reader.ok()) return bad_record(stream, lsn, "undo or vector ends behind the record");
  if (reader.remaining() >= kRecordAlignment) {
    return bad_record(stream, lsn, std::to_string(reader.remaining()) + " bytes too many");
  }
  return view;
}

std::optional<PartView> PartCursor::next() noexcept {
  if (rest_.empty()) return std::nullopt;
  if (row_) return PartView{*row_, std::exchange(rest_, {})};
  base::ByteReader reader(rest_);
  PartView part;
  part.header = reader.read<PartHeader>();
  part.data = reader.read_bytes(part.header.length);
  AETHER_ASSERT(reader.ok());  // parse_record has walked the same bytes.
  rest_.remove_prefix(rest_.size() - reader.remaining());
  return part;
}

}  // namespace aether::wal
