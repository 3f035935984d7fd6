#include "lsm/run_format.h"

#include <cstring>

#include "base/bytes.h"
#include "base/checksum.h"
#include "lsm/entry.h"
#include "lsm/varint.h"

namespace aether::lsm {
namespace {

constexpr uint64_t kFooterMagic = 0x314e'5552'5248'5441;  // "ATHRRUN1"
constexpr uint32_t kFlagManyVersions = 1;
constexpr uint64_t kSeed = 0x5275'6e42'6c6f'636b;
constexpr uint64_t kSmallestExtentBytes = 16;  ///< Of one in the footer.
constexpr uint64_t kSectionBytes = 24;

template <typename T>
void put(std::string& to, T value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_place(std::string& to, const BlockPlace& place) {
  put(to, place.offset);
  put(to, place.bytes);
}

BlockPlace take_place(base::ByteReader& from) noexcept {
  BlockPlace place;
  place.offset = from.read<uint64_t>();
  place.bytes = from.read<uint64_t>();
  return place;
}

Error newer(const char* what, uint32_t version) {
  return Error(Code::unsupported, std::string(what) + ": format version " +
                                      std::to_string(version) + " of runs is not this program's " +
                                      std::to_string(kRunFormatVersion) +
                                      ": use the release that wrote it");
}

uint64_t frame_checksum(uint64_t run_id, uint64_t offset, std::string_view frame) noexcept {
  return base::checksum(frame.data() + sizeof(uint64_t), frame.size() - sizeof(uint64_t),
                        block_seed(run_id, offset));
}

}  // namespace

uint64_t block_seed(uint64_t run_id, uint64_t offset) noexcept {
  const uint64_t identity[2] = {run_id, offset};
  return base::checksum(identity, sizeof identity, kSeed);
}

std::string frame_block(uint64_t run_id, uint64_t offset, BlockKind kind, BlockCodec codec,
                        uint32_t raw_bytes, std::string_view stored) {
  BlockHeader header;
  header.stored_bytes = static_cast<uint32_t>(stored.size());
  header.raw_bytes = raw_bytes;
  header.codec = codec;
  header.kind = kind;
  std::string frame;
  frame.reserve(sizeof header + stored.size());
  put(frame, header);
  frame.append(stored);
  header.checksum = frame_checksum(run_id, offset, frame);
  base::store(frame.data(), header);
  return frame;
}

bool open_frame(uint64_t run_id, uint64_t offset, BlockKind kind, std::string_view bytes,
                BlockFrame& frame, const char*& wrong) noexcept {
  if (bytes.size() < sizeof(BlockHeader)) {
    wrong = "its place is too small for a block";
    return false;
  }
  frame.header = base::load<BlockHeader>(bytes.data());
  frame.stored = bytes.substr(sizeof(BlockHeader));
  if (frame.header.checksum != frame_checksum(run_id, offset, bytes)) {
    wrong = "the block is not what was written (checksum)";
    return false;
  }
  if (frame.header.stored_bytes != frame.stored.size() || frame.header.kind != kind ||
      frame.header.codec > BlockCodec::zstd_dictionary || frame.header.reserved != 0 ||
      frame.header.reserved_too != 0) {
    wrong = "the block's header is wrong";
    return false;
  }
  return true;
}

void append_place(std::string& to, const BlockPlace& place) {
  append_varint(to, place.offset);
  append_varint(to, place.bytes);
}

bool read_place(std::string_view from, BlockPlace& place) noexcept {
  const char* const end = from.data() + from.size();
  const char* at = read_varint(from.data(), end, place.offset);
  if (at != nullptr) at = read_varint(at, end, place.bytes);
  return at == end;
}

std::string RunReference::encode() const {
  std::string row;
  put(row, kRunFormatVersion);
  put(row, footer_bytes);
  put(row, run_id);
  put(row, first_page);
  put(row, footer_page);
  put(row, bytes);
  put(row, pages);
  put(row, checksum);
  put(row, store);
  put(row, uint32_t{0});
  return row;
}

Result<RunReference> RunReference::decode(Bytes row) {
  if (row.size() != kBytes) {
    return Error(Code::corruption, "a reference to a run has " + std::to_string(row.size()) +
                                       " bytes, not " + std::to_string(kBytes));
  }
  base::ByteReader from(row);
  const auto version = from.read<uint32_t>();
  if (version != kRunFormatVersion) return newer("a reference to a run", version);
  RunReference reference;
  reference.footer_bytes = from.read<uint32_t>();
  reference.run_id = from.read<uint64_t>();
  reference.first_page = from.read<uint64_t>();
  reference.footer_page = from.read<uint64_t>();
  reference.bytes = from.read<uint64_t>();
  reference.pages = from.read<uint64_t>();
  reference.checksum = from.read<uint64_t>();
  reference.store = from.read<StoreId>();
  if (from.read<uint32_t>() != 0)
    return Error(Code::corruption, "a reference to a run: its reserved bytes are not zero");
  return reference;
}

std::string RunFooter::encode() const {
  std::string bytes;
  put(bytes, kFooterMagic);
  put(bytes, kRunFormatVersion);
  put(bytes, summary.many_versions ? kFlagManyVersions : uint32_t{0});
  put(bytes, run_id);
  put(bytes, store);
  put(bytes, page_bytes);
  put(bytes, index_levels);
  put(bytes, static_cast<uint32_t>(sections.size()));
  put(bytes, static_cast<uint64_t>(extents.size()));
  put(bytes, largest_block);
  put_place(bytes, root);
  put_place(bytes, dictionary);
  put_place(bytes, range_tombstones);
  put(bytes, summary.entries);
  put(bytes, summary.tombstones);
  put(bytes, summary.expiring);
  put(bytes, summary.values_apart);
  put(bytes, summary.range_tombstones);
  put(bytes, summary.entry_bytes);
  put(bytes, summary.data_blocks);
  put(bytes, summary.data_bytes);
  put(bytes, summary.newest_writer);
  put(bytes, summary.oldest_writer);
  put(bytes, summary.newest_gsn);
  put(bytes, summary.earliest_expiry_ms);
  put(bytes, static_cast<uint32_t>(summary.smallest_key.size()));
  put(bytes, static_cast<uint32_t>(summary.largest_key.size()));
  for (const SectionPlace& section : sections) {
    put(bytes, section.type);
    put(bytes, uint32_t{0});
    put_place(bytes, section.place);
  }
  for (const buffer::PageRange& extent : extents) {
    put(bytes, raw(extent.first));
    put(bytes, extent.count);
    put(bytes, uint32_t{0});
  }
  bytes.append(summary.smallest_key);
  bytes.append(summary.largest_key);
  return bytes;
}

Result<RunFooter> RunFooter::decode(std::string_view bytes) {
  base::ByteReader from(bytes);
  RunFooter footer;
  RunSummary& summary = footer.summary;
  if (from.read<uint64_t>() != kFooterMagic)
    return Error(Code::corruption, "it does not begin as a footer does");
  const auto version = from.read<uint32_t>();
  if (version != kRunFormatVersion) return newer("the footer of a run", version);
  const auto flags = from.read<uint32_t>();
  if ((flags & ~kFlagManyVersions) != 0) return Error(Code::corruption, "a flag means nothing");
  summary.many_versions = (flags & kFlagManyVersions) != 0;
  footer.run_id = from.read<uint64_t>();
  footer.store = from.read<StoreId>();
  footer.page_bytes = from.read<uint32_t>();
  footer.index_levels = from.read<uint32_t>();
  const auto sections = from.read<uint32_t>();
  const auto extents = from.read<uint64_t>();
  footer.largest_block = from.read<uint64_t>();
  footer.root = take_place(from);
  footer.dictionary = take_place(from);
  footer.range_tombstones = take_place(from);
  summary.entries = from.read<uint64_t>();
  summary.tombstones = from.read<uint64_t>();
  summary.expiring = from.read<uint64_t>();
  summary.values_apart = from.read<uint64_t>();
  summary.range_tombstones = from.read<uint64_t>();
  summary.entry_bytes = from.read<uint64_t>();
  summary.data_blocks = from.read<uint64_t>();
  summary.data_bytes = from.read<uint64_t>();
  summary.newest_writer = from.read<TxnId>();
  summary.oldest_writer = from.read<TxnId>();
  summary.newest_gsn = from.read<Gsn>();
  summary.earliest_expiry_ms = from.read<uint64_t>();
  const auto smallest_bytes = from.read<uint32_t>();
  const auto largest_bytes = from.read<uint32_t>();
  if (!from.ok() || sections > from.remaining() / kSectionBytes ||
      extents > from.remaining() / kSmallestExtentBytes) {
    return Error(Code::corruption, "it is cut short");
  }
  for (uint32_t i = 0; i < sections; ++i) {
    SectionPlace& section = footer.sections.emplace_back();
    section.type = from.read<uint32_t>();
    if (from.read<uint32_t>() != 0) return Error(Code::corruption, "reserved bytes are not zero");
    section.place = take_place(from);
  }
  for (uint64_t i = 0; i < extents; ++i) {
    buffer::PageRange& extent = footer.extents.emplace_back();
    extent.first = PageId{from.read<uint64_t>()};
    extent.count = from.read<uint32_t>();
    if (from.read<uint32_t>() != 0) return Error(Code::corruption, "reserved bytes are not zero");
  }
  summary.smallest_key = from.read_bytes(smallest_bytes);
  summary.largest_key = from.read_bytes(largest_bytes);
  if (!from.ok() || from.remaining() != 0) return Error(Code::corruption, "it has a wrong length");
  return footer;
}

}  // namespace aether::lsm
