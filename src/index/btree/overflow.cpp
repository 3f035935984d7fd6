#include "index/btree/overflow.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/no_memory.h"
#include "index/btree/extents.h"
#include "page/overflow_page.h"

namespace aether::index {
namespace {

constexpr uint64_t kExtentBytes = 1 * MiB;

uint32_t extent_pages_max(uint32_t page_bytes) noexcept {
  return static_cast<uint32_t>(kExtentBytes / page_bytes);
}

}  // namespace

Result<page::OverflowReference> write_overflow(Services& services, txn::TransactionContext& txn,
                                               StoreId store, std::string_view value) {
  AETHER_ASSERT(!txn.single_record);
  const uint32_t page_bytes = services.pool.page_bytes();
  ReservedExtents extents(services);
  const uint64_t per_page = page::overflow_payload_bytes(page_bytes);
  for (uint64_t left = std::max<uint64_t>(1, (value.size() + per_page - 1) / per_page); left > 0;) {
    const auto count = static_cast<uint32_t>(
        std::min<uint64_t>(left, extent_pages_max(page_bytes)));
    AETHER_TRY(extents.reserve(count, txn.log));
    left -= count;
  }
  const std::vector<buffer::PageRange>& ranges = extents.ranges();
  // The first extent is the largest.
  buffer::AlignedBuffer extent(uint64_t{ranges.front().count} * page_bytes);
  AETHER_TRY(log_allocation(services, txn, store, extents));
  forget_value(services, ranges.front().first);

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

namespace {

buffer::BlockKey key_of(const page::OverflowReference& reference) noexcept {
  return {buffer::BlockCache::kValues, reference.first_page};
}

}  // namespace

/// The reference stands before the value: it says which life of the page that is.
bool find_value(Services& services, const page::OverflowReference& reference, std::string& value) {
  const buffer::BlockHandle block = services.blocks.find(key_of(reference));
  if (!block) return false;
  const std::string_view bytes = block.bytes();
  const bool same = bytes.size() == sizeof reference + reference.value_bytes &&
                    std::memcmp(bytes.data(), &reference, sizeof reference) == 0;
  if (same) value.assign(bytes.substr(sizeof reference));
  return same;
}

uint64_t before_value(Services& services, const page::OverflowReference& reference) noexcept {
  return services.blocks.erasures(key_of(reference));
}

void keep_value(Services& services, const page::OverflowReference& reference,
                std::string_view value, uint64_t before) {
  const uint64_t bytes = sizeof reference + value.size();
  if (bytes > services.blocks.largest_block()) return;
  // Not to be had: the next one reads it again.
  static_cast<void>(base::if_memory_allows([&] {
    buffer::BlockHandle block = buffer::BlockHandle::make(bytes);
    std::memcpy(block.memory(), &reference, sizeof reference);
    std::memcpy(block.memory() + sizeof reference, value.data(), value.size());
    services.blocks.insert(key_of(reference), block, before);
  }));
}

void forget_value(Services& services, PageId first) noexcept {
  services.blocks.erase({buffer::BlockCache::kValues, raw(first)});
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

std::optional<page::OverflowReference> value_outside(Bytes payload) noexcept {
  const page::RecordMeta meta = page::meta_of(payload);
  const Bytes where = page::value_of(payload);
  if (!meta.overflow() || meta.removed() || where.size() != sizeof(page::OverflowReference))
    return std::nullopt;
  return base::load<page::OverflowReference>(where.data());
}

Result<void> check_freed(const txn::TransactionContext& txn) {
  if (txn.freed_extents < kFreedExtentsMax) return {};
  return Error(Code::too_large, "the transaction gives back more than " +
                                    std::to_string(kFreedExtentsMax) +
                                    " extents of large values: commit it and go on in another");
}

void free_value(txn::TransactionContext& txn, const page::OverflowReference& reference) noexcept {
  txn.freed.push_back(reference);
  txn.freed_extents += extents_of(reference);
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

}  // namespace aether::index
