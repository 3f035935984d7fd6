/// The bodies of lay_out and write_record (record.h), for Log::append: with both in one function the compiler sees each
/// field once, and a record of one row costs no call but that.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "base/assert.h"
#include "base/bytes.h"
#include "wal/record.h"

namespace aether::wal {

// A vector element on disk: the stream in the top byte, the LSN below it.
inline constexpr unsigned kStreamShift = 56;
inline constexpr uint64_t kLsnMask = (uint64_t{1} << kStreamShift) - 1;
inline constexpr uint64_t kElementBytes = sizeof(uint64_t);

inline uint64_t total_bytes(std::span<const std::string_view> pieces) noexcept {
  uint64_t total = 0;
  for (const std::string_view piece : pieces) total += piece.size();
  return total;
}

/// The streams that the record must name: not its own, and not those where it depends on nothing or on what is durable.
inline uint32_t streams_to_name(const RecordSpec& spec) noexcept {
  static constexpr LsnVector kNothing;
  if (spec.vector == nullptr || spec.streams <= 1) return 0;
  const LsnVector& durable = spec.durable == nullptr ? kNothing : *spec.durable;
  uint32_t streams = 0;
  for (uint32_t s = 0; s < spec.streams; ++s)
    streams |= static_cast<uint32_t>(spec.vector->at[s] > durable.at[s]) << s;
  return streams & ~(1u << spec.home_stream);
}

/// Mostly there are none, and without an instruction of its own counting bits is a call.
inline uint32_t count_streams(uint32_t streams) noexcept {
  return streams == 0 ? 0 : static_cast<uint32_t>(std::popcount(streams));
}

// The flags' byte of a row record has two counts more.
inline constexpr unsigned kRowVectorShift = 2;
inline constexpr unsigned kRowPaddingShift = 5;
inline constexpr uint32_t kRowCountMax = 7;
static_assert(kMaxStreams - 1 <= kRowCountMax && kRecordAlignment - 1 <= kRowCountMax);

inline bool is_row(const RecordSpec& spec) noexcept { return (spec.flags & kFlagRow) != 0; }
inline bool commits(const RecordSpec& spec) noexcept { return (spec.flags & kFlagCommits) != 0; }

/// A row record without its padding.
inline uint64_t row_bytes(const RecordSpec& spec, uint32_t streams) noexcept {
  constexpr uint64_t kHead = offsetof(RecordHeader, flags) + 1 + sizeof(Gsn) + sizeof(StoreId);
  uint64_t size = kHead + count_streams(streams) * kElementBytes + total_bytes(spec.parts[0].data);
  if (!commits(spec)) size += sizeof(Lsn) + sizeof(uint32_t) + total_bytes(spec.undo);
  return size;
}

inline RecordLayout lay_out_here(const RecordSpec& spec) noexcept {
  const uint32_t streams = streams_to_name(spec);
  if (is_row(spec)) {
    return {.size = base::align_up(row_bytes(spec, streams), kRecordAlignment), .streams = streams};
  }
  uint64_t size = sizeof(RecordHeader) + count_streams(streams) * kElementBytes;
  if (!spec.parts.empty()) size += sizeof(Gsn);
  for (const PartSpec& part : spec.parts) size += sizeof(PartHeader) + total_bytes(part.data);
  const uint64_t undo = total_bytes(spec.undo);
  if (undo != 0) size += sizeof(uint32_t) + undo;
  return {.size = base::align_up(size, kRecordAlignment), .streams = streams};
}

/// Writes fields one after another into space that the caller has sized.
class RecordWriter {
 public:
  explicit RecordWriter(std::byte* to) noexcept : to_(to) {}

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
    std::byte* const place = to_;
    to_ += sizeof(T);
    return place;
  }

 private:
  std::byte* to_;
};

inline void put_vector(const RecordSpec& spec, uint32_t streams, RecordWriter& out) noexcept {
  for (uint32_t rest = streams; rest != 0; rest &= rest - 1) {
    const auto s = static_cast<uint32_t>(std::countr_zero(rest));
    AETHER_ASSERT(spec.vector->at[s] <= kLsnMask);
    out.put((uint64_t{s} << kStreamShift) | spec.vector->at[s]);
  }
}

inline void write_row_record(const RecordSpec& spec, const RecordLayout& layout,
                             std::byte* to) noexcept {
  AETHER_ASSERT(spec.type == RecordType::change && spec.parts.size() == 1);
  const auto padding = static_cast<uint32_t>(layout.size - row_bytes(spec, layout.streams));
  AETHER_ASSERT(padding <= kRowCountMax && count_streams(layout.streams) <= kRowCountMax);
  base::store(to + offsetof(RecordHeader, type), spec.type);
  base::store(to + offsetof(RecordHeader, flags),
              static_cast<uint8_t>(spec.flags | count_streams(layout.streams) << kRowVectorShift |
                                   padding << kRowPaddingShift));
  RecordWriter out(to + offsetof(RecordHeader, flags) + 1);
  put_vector(spec, layout.streams, out);
  out.put(spec.gsn);
  out.put(spec.parts[0].header.store);
  if (commits(spec)) {
    AETHER_ASSERT(spec.link == kNoLsn && spec.undo.empty());
  } else {
    out.put(spec.link);
    out.put(static_cast<uint32_t>(total_bytes(spec.undo)));
    out.put_pieces(spec.undo);
  }
  const uint64_t bytes = out.put_pieces(spec.parts[0].data);
  [[maybe_unused]] const auto* const data = reinterpret_cast<const char*>(to) + layout.size -
                                            padding - bytes;
  AETHER_CHECK(row_writer({data, bytes}) == spec.txn);
}

inline void write_record_here(const RecordSpec& spec, const RecordLayout& layout,
                              std::byte* to) noexcept {
  if (is_row(spec)) return write_row_record(spec, layout, to);
  AETHER_ASSERT(spec.parts.size() <= kMaxParts);
  // Field by field: the flush step may be looking at the length word right now, where not even a zero may be stored; and
  // a copy of a head that has just been put together would wait for each of its stores.
  base::store(to + offsetof(RecordHeader, type), spec.type);
  base::store(to + offsetof(RecordHeader, flags), spec.flags);
  base::store(to + offsetof(RecordHeader, vector_count),
              static_cast<uint8_t>(count_streams(layout.streams)));
  base::store(to + offsetof(RecordHeader, part_count), static_cast<uint8_t>(spec.parts.size()));
  base::store(to + offsetof(RecordHeader, txn), spec.txn);
  base::store(to + offsetof(RecordHeader, link), spec.link);

  RecordWriter out(to + sizeof(RecordHeader));
  put_vector(spec, layout.streams, out);
  if (!spec.parts.empty()) out.put(spec.gsn);
  for (const PartSpec& part : spec.parts) {
    std::byte* const place = out.leave_room<PartHeader>();
    const uint64_t bytes = out.put_pieces(part.data);
    AETHER_ASSERT(bytes <= UINT16_MAX);
    base::store(place, part.header);
    base::store(place + offsetof(PartHeader, length), static_cast<uint16_t>(bytes));
  }
  if (total_bytes(spec.undo) == 0) return;
  std::byte* const place = out.leave_room<uint32_t>();
  const uint64_t undo = out.put_pieces(spec.undo);
  AETHER_ASSERT(undo <= UINT32_MAX);
  base::store(place, static_cast<uint32_t>(undo));
}

}  // namespace aether::wal
