#include "index/btree/extents.h"

#include <algorithm>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/no_memory.h"
#include "page/space_map_page.h"

namespace aether::index {
namespace {

using buffer::PageRange;

/// Each may need a part of its own, for its map page.
constexpr size_t kRangesPerRecord = 200;

std::string pack_ranges(std::span<const PageRange> ranges) {
  std::string bytes;
  for (const PageRange& range : ranges) {
    const uint64_t first = raw(range.first);
    bytes.append(reinterpret_cast<const char*>(&first), sizeof first);
    bytes.append(reinterpret_cast<const char*>(&range.count), sizeof range.count);
  }
  return bytes;
}

/// Logs `op` on the maps of `ranges` as one record of `txn`.
Result<void> log_ranges(Services& services, txn::TransactionContext& txn, buffer::SpaceOp op,
                        std::span<const PageRange> ranges, const buffer::ChangeKind& kind,
                        std::string_view undo) {
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

ReservedExtents::~ReservedExtents() {
  for (size_t i = kept_; i < ranges_.size(); ++i) services_.space.unreserve(ranges_[i]);
}

Result<PageRange> ReservedExtents::reserve(uint32_t pages, const buffer::LogContext& context) {
  base::make_room(ranges_);
  AETHER_TRY_ASSIGN(const PageRange range, services_.space.reserve(pages, context));
  ranges_.push_back(range);
  return range;
}

void ReservedExtents::trim_last(uint32_t pages) noexcept {
  PageRange& last = ranges_.back();
  if (pages < last.count)
    services_.space.unreserve({PageId{raw(last.first) + pages}, last.count - pages});
  last.count = pages;
  if (pages == 0) ranges_.pop_back();
}

Result<void> log_allocation(Services& services, txn::TransactionContext& txn, StoreId store,
                            ReservedExtents& extents) {
  AETHER_ASSERT(!txn.single_record);
  txn.pin(services.transactions);
  const std::vector<PageRange>& all = extents.ranges();
  for (size_t from = 0; from < all.size(); from += kRangesPerRecord) {
    const std::span<const PageRange> ranges = std::span(all).subspan(
        from, std::min(kRangesPerRecord, all.size() - from));
    const Lsn previous = txn.log.last_lsn;
    const std::string undo = pack_ranges(ranges);
    txn.undo.make_room();
    txn::OwnedVersion entry(txn::Version::make(store, {}, undo));
    AETHER_TRY(log_ranges(services, txn, buffer::SpaceOp::allocate, ranges, {}, undo));
    txn.undo.push({.manager = wal::ResourceManager::space,
                   .op = static_cast<uint8_t>(buffer::SpaceOp::allocate),
                   .lsn = txn.log.last_lsn,
                   .previous = previous,
                   .key = {},
                   .before = {},
                   .version = entry.release()});
    txn.data_written = true;
    extents.keep(from + ranges.size());
  }
  return {};
}

Result<void> undo_allocation(Services& services, txn::TransactionContext& txn,
                             const txn::UndoEntry& entry) {
  AETHER_TRY_ASSIGN(const std::vector<PageRange> ranges, parse_ranges(entry.before));
  return log_ranges(services, txn, buffer::SpaceOp::free, ranges,
                    {.type = wal::RecordType::clr, .flags = 0, .link = entry.previous}, {});
}

Result<std::vector<PageRange>> parse_ranges(std::string_view bytes) {
  std::vector<PageRange> ranges;
  base::ByteReader reader(bytes);
  while (reader.remaining() > 0) {
    const auto first = reader.read<uint64_t>();
    const auto count = reader.read<uint32_t>();
    if (!reader.ok()) return Error(Code::corruption, "an allocation's undo is cut short");
    ranges.push_back({PageId{first}, count});
  }
  return ranges;
}

std::vector<PageRange> join_ranges(std::vector<PageRange> ranges, uint32_t page_bytes) {
  std::sort(ranges.begin(), ranges.end(),
            [](const PageRange& a, const PageRange& b) { return a.first < b.first; });
  size_t kept = 0;
  for (size_t i = 1; i < ranges.size(); ++i) {
    PageRange& last = ranges[kept];
    const bool same_group = page::map_page_of(last.first, page_bytes) ==
                            page::map_page_of(ranges[i].first, page_bytes);
    if (same_group && raw(last.first) + last.count == raw(ranges[i].first)) {
      last.count += ranges[i].count;
    } else {
      ranges[++kept] = ranges[i];
    }
  }
  if (!ranges.empty()) ranges.resize(kept + 1);
  return ranges;
}

}  // namespace aether::index
