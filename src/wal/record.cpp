#include "wal/record.h"

#include <bit>
#include <string>
#include <utility>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/planted.h"

namespace aether::wal {
namespace {

// A vector element on disk: the stream in the top byte, the LSN below it.
constexpr unsigned kStreamShift = 56;
constexpr uint64_t kLsnMask = (uint64_t{1} << kStreamShift) - 1;
constexpr uint64_t kElementBytes = sizeof(uint64_t);

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

uint64_t total_bytes(std::span<const std::string_view> pieces) noexcept {
  uint64_t total = 0;
  for (const std::string_view piece : pieces) total += piece.size();
  return total;
}

// The streams that the record must name: not its own, and not those where it depends on nothing or on what is durable.
uint32_t streams_to_name(const RecordSpec& spec) noexcept {
  static constexpr LsnVector kNothing;
  if (spec.vector == nullptr) return 0;
  const LsnVector& durable = spec.durable == nullptr ? kNothing : *spec.durable;
  uint32_t streams = 0;
  for (uint32_t s = 0; s < kMaxStreams; ++s)
    streams |= static_cast<uint32_t>(spec.vector->at[s] > durable.at[s]) << s;
  return streams & ~(1u << spec.home_stream);
}

// Writes fields one after another into space that the caller has sized.
class Writer {
 public:
  explicit Writer(std::byte* to) noexcept : to_(to) {}

  template <typename T>
  void put(const T& value) noexcept {
    base::store(to_, value);
    to_ += sizeof value;
  }
  /// Returns how many bytes they have.
  uint64_t put_pieces(std::span<const std::string_view> pieces) noexcept {
    const std::byte* const from = to_;
    for (const std::string_view piece : pieces) {
      base::copy_short(to_, piece.data(), piece.size());
      to_ += piece.size();
    }
    return static_cast<uint64_t>(to_ - from);
  }
  /// Leaves room for a `T`, which stands before what follows and is known after it.
  template <typename T>
  std::byte* leave_room() noexcept {
    return std::exchange(to_, to_ + sizeof(T));
  }

 private:
  std::byte* to_;
};

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
  if ((header.flags & ~kFlagCommits) != 0) {
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

}  // namespace

RecordLayout lay_out(const RecordSpec& spec) noexcept {
  const uint32_t streams = streams_to_name(spec);
  uint64_t size = sizeof(RecordHeader) +
                  static_cast<uint32_t>(std::popcount(streams)) * kElementBytes;
  if (!spec.parts.empty()) size += sizeof(Gsn);
  for (const PartSpec& part : spec.parts) size += sizeof(PartHeader) + total_bytes(part.data);
  const uint64_t undo = total_bytes(spec.undo);
  if (undo != 0) size += sizeof(uint32_t) + undo;
  return {.size = base::align_up(size, kRecordAlignment), .streams = streams};
}

void write_record(const RecordSpec& spec, const RecordLayout& layout, std::byte* to) noexcept {
  AETHER_ASSERT(spec.parts.size() <= kMaxParts);
  const RecordHeader header{.length = 0,
                            .type = spec.type,
                            .flags = spec.flags,
                            .vector_count = static_cast<uint8_t>(std::popcount(layout.streams)),
                            .part_count = static_cast<uint8_t>(spec.parts.size()),
                            .txn = spec.txn,
                            .link = spec.link};
  // The flush step may be looking at the length word right now: not even a zero may be stored there.
  constexpr size_t kLengthBytes = sizeof header.length;
  std::memcpy(to + kLengthBytes, reinterpret_cast<const std::byte*>(&header) + kLengthBytes,
              sizeof header - kLengthBytes);

  Writer out(to + sizeof header);
  for (uint32_t rest = layout.streams; rest != 0; rest &= rest - 1) {
    const auto s = static_cast<uint32_t>(std::countr_zero(rest));
    AETHER_ASSERT(spec.vector->at[s] <= kLsnMask);
    out.put((uint64_t{s} << kStreamShift) | spec.vector->at[s]);
  }
  if (!spec.parts.empty()) out.put(spec.gsn);
  for (const PartSpec& part : spec.parts) {
    std::byte* const place = out.leave_room<PartHeader>();
    PartHeader part_header = part.header;
    const uint64_t bytes = out.put_pieces(part.data);
    AETHER_ASSERT(bytes <= UINT16_MAX);
    part_header.length = static_cast<uint16_t>(bytes);
    base::store(place, part_header);
  }
  if (total_bytes(spec.undo) == 0) return;
  std::byte* const place = out.leave_room<uint32_t>();
  const uint64_t undo = out.put_pieces(spec.undo);
  AETHER_ASSERT(undo <= UINT32_MAX);
  base::store(place, static_cast<uint32_t>(undo));
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
  RecordView view{
      .header = {}, .stream = stream, .lsn = lsn, .gsn = 0, .vector = {}, .parts = {}, .undo = {}};
  AETHER_TRY_ASSIGN(view.header, parse_header(bytes, stream, lsn));
  if (view.header.type == RecordType::filler) return view;  // Its body means nothing.

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
  base::ByteReader reader(rest_);
  PartView part;
  part.header = reader.read<PartHeader>();
  part.data = reader.read_bytes(part.header.length);
  AETHER_ASSERT(reader.ok());  // parse_record has walked the same bytes.
  rest_.remove_prefix(rest_.size() - reader.remaining());
  return part;
}

}  // namespace aether::wal
