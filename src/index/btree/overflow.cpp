#include "index/btree/overflow.h"

#include <algorithm>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/no_memory.h"
#include "page/overflow_page.h"

namespace aether::index {
namespace {

constexpr uint64_t kExtentBytes = 1 * MiB;

uint32_t extent_pages_max(uint32_t page_bytes) noexcept {
  return static_cast<uint32_t>(kExtentBytes / page_bytes);
}

std::string pack_ranges(const std::vector<buffer::PageRange>& ranges) {
  std::string bytes;
  for (const buffer::PageRange& range : ranges) {
    const uint64_t first = raw(range.first);
    bytes.append(reinterpret_cast<const char*>(&first), sizeof first);
    bytes.append(reinterpret_cast<const char*>(&range.count), sizeof range.count);
  }
  return bytes;
}

/// Extents that nobody else takes, and that go back unless they are kept.
class Extents {
 public:
  explicit Extents(Services& services) noexcept : services_(services) {}
  Extents(const Extents&) = delete;
  Extents& operator=(const Extents&) = delete;
  ~Extents() {
    if (kept_) return;
    for (const buffer::PageRange& range : ranges_) services_.space.unreserve(range);
  }

  /// For `bytes` of payload.
  Result<void> reserve(uint64_t bytes, const buffer::LogContext& context) {
    const uint32_t page_bytes = services_.pool.page_bytes();
    const uint64_t per_page = page::overflow_payload_bytes(page_bytes);
    uint64_t pages = std::max<uint64_t>(1, (bytes + per_page - 1) / per_page);
    while (pages > 0) {
      const auto count = static_cast<uint32_t>(
          std::min<uint64_t>(pages, extent_pages_max(page_bytes)));
      base::make_room(ranges_);
      AETHER_TRY_ASSIGN(const buffer::PageRange range, services_.space.reserve(count, context));
      ranges_.push_back(range);
      pages -= count;
    }
    return {};
  }
  const std::vector<buffer::PageRange>& ranges() const noexcept { return ranges_; }
  /// A record mentions them now.
  void keep() noexcept { kept_ = true; }

 private:
  Services& services_;
  std::vector<buffer::PageRange> ranges_;
  bool kept_ = false;
};

/// Logs `op` on the maps of `ranges` as one record of `txn`.
Result<void> log_ranges(Services& services, txn::TransactionContext& txn, buffer::SpaceOp op,
                        const std::vector<buffer::PageRange>& ranges,
                        const buffer::ChangeKind& kind, std::string_view undo) {
  if (op == buffer::SpaceOp::free) AETHER_TRY(services.space.check_in_use(ranges));
  buffer::SpaceManager::MapChange map = services.space.change(op, ranges, txn.log);
  std::vector<buffer::PageRef> pages;
  std::vector<wal::PartSpec> parts;
  map.append_to(pages, parts);
  AETHER_TRY(buffer::log_change(services.log, txn.log, kind, pages, parts,
                                {&undo, undo.empty() ? 0u : 1u}));
  map.apply();
  return {};
}

}  // namespace

Result<page::OverflowReference> write_overflow(Services& services, txn::TransactionContext& txn,
                                               StoreId store, std::string_view value) {
  AETHER_ASSERT(!txn.single_record);
  const uint32_t page_bytes = services.pool.page_bytes();
  Extents extents(services);
  AETHER_TRY(extents.reserve(value.size(), txn.log));
  const std::vector<buffer::PageRange>& ranges = extents.ranges();
  txn.pin(services.transactions);
  const Lsn previous = txn.log.last_lsn;
  const std::string undo = pack_ranges(ranges);
  // The first extent is the largest.
  buffer::AlignedBuffer extent(uint64_t{ranges.front().count} * page_bytes);
  txn.undo.make_room();
  txn::OwnedVersion entry(txn::Version::make(store, {}, undo));
  AETHER_TRY(log_ranges(services, txn, buffer::SpaceOp::allocate, ranges, {}, undo));
  extents.keep();
  txn.undo.push({.manager = wal::ResourceManager::space,
                 .op = static_cast<uint8_t>(buffer::SpaceOp::allocate),
                 .lsn = txn.log.last_lsn,
                 .previous = previous,
                 .key = {},
                 .before = {},
                 .version = entry.release()});
  txn.data_written = true;

  page::OverflowReference reference{static_cast<uint32_t>(value.size()), 0,
                                    raw(ranges.front().first)};
  page::ValueChecksum checksum;
  for (size_t i = 0; i < ranges.size(); ++i) {
    const PageId next = i + 1 < ranges.size() ? ranges[i + 1].first : kNoPage;
    const std::span<std::byte> pages(extent.data(), uint64_t{ranges[i].count} * page_bytes);
    const uint64_t taken = page::fill_extent(pages, page_bytes,
                                             services.pool.data().environment_id(), ranges[i].first,
                                             store, txn.log.gsn, next, value);
    value.remove_prefix(taken);
    checksum.add(pages, page_bytes);
    AETHER_TRY(services.writer.write_unreferenced(txn.log.stream, ranges[i].first, extent.data(),
                                                  ranges[i].count));
  }
  AETHER_ASSERT(value.empty());
  reference.checksum = checksum.value();
  return reference;
}

namespace {

/// Reads a value page by page: `take` gets each, checked, and says how many bytes of the value it holds.
Result<void> walk_overflow(
    Services& services, const page::OverflowReference& reference,
    FunctionRef<Result<uint64_t>(const std::byte* page, PageId first, uint32_t index)> take) {
  buffer::DataFile& data = services.pool.data();
  const uint32_t page_bytes = data.page_bytes();
  if (reference.value_bytes > kMaxValueBytes) {
    return Error(Code::corruption,
                 "a value claims " + std::to_string(reference.value_bytes) + " bytes");
  }
  const uint64_t extent_bytes_max = uint64_t{extent_pages_max(page_bytes)} * page_bytes;
  const uint64_t bytes_needed = std::min(
      extent_bytes_max,
      (uint64_t{reference.value_bytes} / page::overflow_payload_bytes(page_bytes) + 1) *
          page_bytes);
  buffer::AlignedBuffer extent(bytes_needed);
  PageId first{reference.first_page};
  page::ValueChecksum checksum;
  uint64_t bytes = 0;
  while (first != kNoPage) {
    AETHER_TRY_ASSIGN(const uint64_t got,
                      data.file().read_at(raw(first) * page_bytes, extent.data(), extent.size()));
    if (got < page_bytes) {
      return Error(Code::corruption,
                   "page " + std::to_string(raw(first)) + " lies behind the file's end");
    }
    const auto check = [&](PageId id, std::byte* page) -> Result<void> {
      if (data.check(id, page)) return {};
      return data.read_or_repair(id, page);
    };
    AETHER_TRY(check(first, extent.data()));
    const auto header = base::load<page::OverflowHeader>(extent.data());
    if (header.page.kind != page::PageKind::overflow || header.index != 0 ||
        header.extent_pages == 0 || uint64_t{header.extent_pages} * page_bytes > got) {
      return Error(Code::corruption,
                   "page " + std::to_string(raw(first)) + " is not the head of an extent");
    }
    const uint64_t before = bytes;
    for (uint32_t i = 0; i < header.extent_pages; ++i) {
      std::byte* page = extent.data() + uint64_t{i} * page_bytes;
      AETHER_TRY(check(PageId{raw(first) + i}, page));
      checksum.add(page, page_bytes);
      AETHER_TRY_ASSIGN(const uint64_t taken, take(page, first, i));
      bytes += taken;
      if (bytes > reference.value_bytes) {
        return Error(Code::corruption, "page " + std::to_string(raw(first) + i) +
                                           ": the value is longer than its row says");
      }
    }
    if (bytes == before && header.next_extent != 0) {  // A chain of such might have no end.
      return Error(Code::corruption,
                   "page " + std::to_string(raw(first)) +
                       " begins an extent that holds nothing, and is not the last");
    }
    first = PageId{header.next_extent};
  }
  if (bytes != reference.value_bytes) {
    return Error(Code::corruption, "the value at page " + std::to_string(reference.first_page) +
                                       " has " + std::to_string(bytes) + " bytes, its row says " +
                                       std::to_string(reference.value_bytes));
  }
  if (reference.checksum != 0 && checksum.value() != reference.checksum) {
    return Error(Code::corruption, data.file().path() + ": the value at page " +
                                       std::to_string(reference.first_page) +
                                       " is not the one that its row was written with (a write of "
                                       "one of its pages was lost); restore it from a backup");
  }
  return {};
}

}  // namespace

Result<void> read_overflow(Services& services, const page::OverflowReference& reference,
                           std::string& value) {
  const uint32_t page_bytes = services.pool.page_bytes();
  value.clear();
  return walk_overflow(
      services, reference,
      [&](const std::byte* page, PageId first, uint32_t index) -> Result<uint64_t> {
        const size_t before = value.size();
        AETHER_TRY(page::take_payload(page, page_bytes, first, index, value));
        return value.size() - before;
      });
}

Result<void> check_overflow(Services& services, const page::OverflowReference& reference,
                            FunctionRef<Result<void>(PageId)> visit) {
  const uint32_t page_bytes = services.pool.page_bytes();
  std::string part;
  return walk_overflow(
      services, reference,
      [&](const std::byte* page, PageId first, uint32_t index) -> Result<uint64_t> {
        part.clear();
        AETHER_TRY(page::take_payload(page, page_bytes, first, index, part));
        AETHER_TRY(visit(PageId{raw(first) + index}));
        return part.size();
      });
}

Result<std::vector<buffer::PageRange>> overflow_ranges(buffer::DataFile& data,
                                                       const page::OverflowReference& reference) {
  const uint32_t page_bytes = data.page_bytes();
  buffer::AlignedBuffer page(page_bytes);
  std::vector<buffer::PageRange> ranges;
  uint64_t pages = 0;
  PageId first{reference.first_page};
  while (first != kNoPage) {
    AETHER_TRY(data.read(first, page.data()));
    const auto header = base::load<page::OverflowHeader>(page.data());
    const bool plausible = header.page.kind == page::PageKind::overflow && header.index == 0 &&
                           header.extent_pages > 0 &&
                           header.extent_pages <= extent_pages_max(page_bytes);
    pages += header.extent_pages;
    if (!plausible || pages > kMaxValueBytes / page::overflow_payload_bytes(page_bytes) + 2) {
      return Error(Code::corruption,
                   "page " + std::to_string(raw(first)) + " is not the head of an extent");
    }
    ranges.push_back({first, header.extent_pages});
    first = PageId{header.next_extent};
  }
  return ranges;
}

Result<std::vector<buffer::PageRange>> parse_ranges(std::string_view bytes) {
  std::vector<buffer::PageRange> ranges;
  base::ByteReader reader(bytes);
  while (reader.remaining() > 0) {
    const auto first = reader.read<uint64_t>();
    const auto count = reader.read<uint32_t>();
    if (!reader.ok()) return Error(Code::corruption, "an allocation's undo is cut short");
    ranges.push_back({PageId{first}, count});
  }
  return ranges;
}

Result<void> undo_allocation(Services& services, txn::TransactionContext& txn,
                             const txn::UndoEntry& entry) {
  AETHER_TRY_ASSIGN(const std::vector<buffer::PageRange> ranges, parse_ranges(entry.before));
  return log_ranges(services, txn, buffer::SpaceOp::free, ranges,
                    {.type = wal::RecordType::clr, .flags = 0, .link = entry.previous}, {});
}

}  // namespace aether::index
