#include "lsm/run_file.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "page/overflow_page.h"

namespace aether::lsm {

using buffer::BlockHandle;
using buffer::PageRange;

std::string RunFile::name() const {
  std::string name = services_.pool.data().file().path();
  name.append(": run ").append(std::to_string(reference_.run_id));
  name.append(" of store ").append(std::to_string(reference_.store));
  return name;
}

Error RunFile::damaged(uint64_t offset, std::string_view what) const {
  std::string message = name();
  message.append(" at offset ").append(std::to_string(offset));
  if (extent_bytes_ != 0 && !footer_.extents.empty()) {
    const uint64_t index = std::min<uint64_t>(offset / extent_bytes_, footer_.extents.size() - 1);
    const uint64_t page = (offset - index * extent_bytes_) /
                          std::max(page::overflow_payload_bytes(services_.pool.page_bytes()), 1u);
    message.append(" (page ")
        .append(std::to_string(raw(footer_.extents[index].first) + page))
        .append(")");
  }
  message.append(": ").append(what).append("; restore it from a backup");
  return Error(Code::corruption, std::move(message));
}

Result<void> RunFile::open() {
  AETHER_TRY(read_footer());
  AETHER_TRY(check_footer());
  extent_bytes_ = uint64_t{footer_.extents.front().count} *
                  page::overflow_payload_bytes(services_.pool.page_bytes());
  if (footer_.dictionary.bytes != 0) {
    AETHER_TRY_ASSIGN(const BlockHandle bytes,
                      read_block(footer_.dictionary, BlockKind::dictionary));
    dictionary_ = Dictionary::open(bytes.bytes());
    if (dictionary_ == nullptr) return damaged(footer_.dictionary.offset, "no dictionary");
  }
  if (footer_.root.bytes != 0) {
    AETHER_TRY_ASSIGN(root_, read_block(footer_.root, BlockKind::index));
  }
  return read_range_tombstones();
}

/// It lies in pages side by side, and is known by its checksum before a byte of it is believed.
Result<void> RunFile::read_footer() {
  const uint32_t page_bytes = services_.pool.page_bytes();
  const uint64_t per_page = page::overflow_payload_bytes(page_bytes);
  const auto wrong = [this](std::string_view what) {
    std::string message = "its footer: ";
    message.append(what);
    return damaged(reference_.bytes - std::min<uint64_t>(reference_.bytes, reference_.footer_bytes),
                   message);
  };
  const uint64_t pages = (uint64_t{reference_.footer_bytes} + per_page - 1) / per_page;
  const uint64_t capacity = services_.pool.data().capacity_pages();
  if (reference_.footer_bytes > reference_.bytes || pages == 0 ||
      reference_.footer_page >= capacity || pages > capacity - reference_.footer_page) {
    return wrong("its reference names no place that could be");
  }
  buffer::AlignedBuffer memory(page_bytes);
  std::string bytes;
  for (uint64_t i = 0; i < pages; ++i) {
    const PageId id{reference_.footer_page + i};
    AETHER_TRY(services_.pool.data().read_or_repair(id, memory.data()));
    const auto header = base::load<page::OverflowHeader>(memory.data());
    if (header.index > raw(id)) return wrong("a page has a wrong index");
    AETHER_TRY_ASSIGN(
        const std::string_view payload,
        page::payload_of(memory.data(), page_bytes, PageId{raw(id) - header.index}, header.index));
    bytes.append(payload);
  }
  if (bytes.size() != reference_.footer_bytes) return wrong("it has another length");
  BlockFrame frame;
  const char* what = nullptr;
  if (!open_frame(reference_.run_id, reference_.bytes - reference_.footer_bytes, BlockKind::footer,
                  bytes, frame, what)) {
    return wrong(what);
  }
  if (frame.header.checksum != reference_.checksum)
    return wrong("it is that of another run of this number");
  Result<RunFooter> footer = RunFooter::decode(frame.stored);
  if (!footer) {
    if (footer.error().code() == Code::unsupported) return std::move(footer).error();
    return wrong(footer.error().message());
  }
  footer_ = *std::move(footer);
  footer_.summary.bytes = reference_.bytes;
  footer_.summary.pages = reference_.pages;
  return {};
}

bool RunFile::is_within(const BlockPlace& place) const noexcept {
  return place.bytes >= sizeof(BlockHeader) && place.bytes <= reference_.bytes &&
         place.offset <= reference_.bytes - place.bytes;
}

/// What it says fits together, so that nobody has to ask again.
Result<void> RunFile::check_footer() const {
  const uint32_t page_bytes = services_.pool.page_bytes();
  const uint64_t per_page = page::overflow_payload_bytes(page_bytes);
  const auto wrong = [this](std::string_view what) {
    std::string message = "its footer: ";
    message.append(what);
    return damaged(reference_.bytes - reference_.footer_bytes, message);
  };
  if (footer_.run_id != reference_.run_id || footer_.store != reference_.store)
    return wrong("it is another run's");
  if (footer_.page_bytes != page_bytes) return wrong("it was made for pages of another size");
  if (footer_.extents.empty() || footer_.extents.front().first != PageId{reference_.first_page})
    return wrong("its extents do not begin where its reference says");
  uint64_t pages = 0;
  const uint64_t capacity = services_.pool.data().capacity_pages();
  for (size_t i = 0; i < footer_.extents.size(); ++i) {
    const PageRange& extent = footer_.extents[i];
    if (extent.count == 0 || raw(extent.first) == 0 || raw(extent.first) >= capacity ||
        extent.count > capacity - raw(extent.first)) {
      return wrong("an extent lies outside the file");
    }
    if (i + 1 < footer_.extents.size() && extent.count != footer_.extents.front().count)
      return wrong("an extent has another size than the first");
    pages += extent.count;
  }
  if (pages != reference_.pages || reference_.bytes > pages * per_page ||
      reference_.bytes + per_page <= pages * per_page) {
    return wrong("its pages are not as many as its reference says");
  }
  for (const BlockPlace* place : {&footer_.root, &footer_.dictionary, &footer_.range_tombstones}) {
    if (place->bytes != 0 && !is_within(*place)) return wrong("a block lies outside");
  }
  if ((footer_.index_levels == 0) != (footer_.root.bytes == 0) || footer_.index_levels > 64)
    return wrong("its index has a wrong height");
  for (const SectionPlace& section : footer_.sections) {
    if (!is_within(section.place)) return wrong("a section lies outside");
  }
  return {};
}

Result<void> RunFile::read_range_tombstones() {
  if (footer_.range_tombstones.bytes == 0) return {};
  const BlockPlace& place = footer_.range_tombstones;
  AETHER_TRY_ASSIGN(const BlockHandle block, read_block(place, BlockKind::range_tombstones));
  BlockCursor cursor;
  if (!cursor.attach(block.bytes())) return damaged(place.offset, "no list of ranges");
  BlockCursor::At at = cursor.first();
  for (; at == BlockCursor::At::entry; at = cursor.next()) {
    const Entry& entry = cursor.entry();
    if (entry.kind != EntryKind::range_tombstone || entry.key >= entry.value)
      return damaged(place.offset, "a range tombstone is none");
    if (!range_tombstones_.empty()) {
      const RangeTombstone& before = range_tombstones_.back();
      if (compare_places(before.begin, before.writer, entry.key, entry.writer) > 0)
        return damaged(place.offset, "range tombstones are out of order");
    }
    range_tombstones_.push_back({std::string(entry.key), std::string(entry.value), entry.writer});
  }
  if (at == BlockCursor::At::malformed ||
      range_tombstones_.size() != footer_.summary.range_tombstones) {
    return damaged(place.offset, "the list of ranges is malformed");
  }
  return {};
}

/// Past the cache: it is not read again, but by who is not told enough by the directory.
Result<const BlockDirectory*> RunFile::read_directory() const {
  os::LockGuard lock(directory_mutex_);
  if (owned_directory_ == nullptr) {
    BlockDirectoryBuilder builder;
    AETHER_TRY(gather_blocks(footer_.index_levels - 1, footer_.root, root_.bytes(), builder));
    owned_directory_ = std::make_unique<const BlockDirectory>(builder.take());
    directory_.store(owned_directory_.get(), std::memory_order_release);
  }
  return owned_directory_.get();
}

/// Of an index block at `level`, below which lies data if that is 0. However its bytes lead round, data blocks come in ascending order.
Result<void> RunFile::gather_blocks(uint32_t level, const BlockPlace& place, std::string_view bytes,
                                    BlockDirectoryBuilder& builder) const {
  const auto malformed = [&] { return damaged(place.offset, "an index block is malformed"); };
  BlockCursor cursor;
  if (!cursor.attach(bytes)) return malformed();
  BlockCursor::At at = cursor.first();
  if (at != BlockCursor::At::entry) return malformed();  // Only a run without entries has no index.
  for (; at == BlockCursor::At::entry; at = cursor.next()) {
    BlockPlace child;
    if (!read_place(cursor.entry().value, child)) return malformed();
    if (level == 0) {
      if (!builder.add(cursor.entry().key, child)) return malformed();
      continue;
    }
    AETHER_TRY_ASSIGN(const BlockHandle block, read_block(child, BlockKind::index));
    AETHER_TRY(gather_blocks(level - 1, child, block.bytes(), builder));
  }
  if (at == BlockCursor::At::malformed) return malformed();
  return {};
}

Result<uint64_t> RunFile::find_in_index(const BlockDirectory& directory, Bytes key,
                                        TxnId writer) const {
  BlockPlace place = footer_.root;
  BlockHandle inner = root_.share();
  for (uint32_t level = footer_.index_levels;;) {
    BlockView view;
    RawEntry entry;
    BlockPlace child;
    // The first entry of an index has the smallest place there is, or the one that its parent has.
    if (!view.attach(inner.bytes()) || !view.last_at_most(key, writer, entry) ||
        !read_place(entry.value, child)) {
      return damaged(place.offset, "an index block is malformed");
    }
    place = child;
    if (--level == 0) break;
    AETHER_TRY_ASSIGN(inner, block(place, BlockKind::index));
  }
  const std::optional<uint64_t> found = directory.at_offset(place.offset);
  if (!found) return damaged(place.offset, "an index block is malformed");
  return *found;
}

Result<BlockHandle> RunFile::block(const BlockPlace& place, BlockKind kind) const {
  if (BlockHandle there = cached(place)) return there;
  AETHER_TRY_ASSIGN(BlockHandle made, read_block(place, kind));
  keep(place, made);
  return made;
}

Result<BlockHandle> RunFile::read_block(const BlockPlace& place, BlockKind kind) const {
  if (!is_within(place)) return damaged(place.offset, "the index leads to a block outside the run");
  BlockHandle bytes = BlockHandle::make(place.bytes);
  AETHER_TRY(read_bytes(place.offset, place.bytes, bytes.memory()));
  return unpack(place, kind, bytes.bytes());
}

Result<BlockHandle> RunFile::unpack(const BlockPlace& place, BlockKind kind,
                                    std::string_view bytes) const {
  BlockFrame frame;
  const char* wrong = nullptr;
  if (!open_frame(reference_.run_id, place.offset, kind, bytes, frame, wrong))
    return damaged(place.offset, wrong);
  const bool is_bounded = kind == BlockKind::data || kind == BlockKind::index;
  const uint64_t most = is_bounded ? footer_.largest_block : frame.stored.size();
  if (frame.header.raw_bytes > most ||
      !may_become(frame.header.codec, frame.stored, frame.header.raw_bytes))
    return damaged(place.offset, "the block cannot be as large as it says");
  const uint64_t raw_bytes = frame.header.raw_bytes;
  const bool is_plain = frame.header.codec == BlockCodec::none && frame.stored.size() == raw_bytes;
  BlockHandle block;
  std::string_view raw = frame.stored;
  if (kind != BlockKind::data || !is_plain) {
    block = BlockHandle::make(raw_bytes);
    if (!decompress(frame.header.codec, frame.stored, {block.memory(), raw_bytes},
                    dictionary_.get())) {
      return damaged(place.offset, "the block cannot be decompressed");
    }
    raw = block.bytes();
  }
  if (kind != BlockKind::data) return block;
  BlockView view;
  if (!view.attach(raw)) return damaged(place.offset, "a block is malformed");
  BlockHandle headed = services_.blocks.make(view.head_bytes() + raw_bytes);
  if (!view.write_head(headed.memory())) return damaged(place.offset, "a block is malformed");
  std::memcpy(headed.memory() + view.head_bytes(), raw.data(), raw_bytes);
  return headed;
}

Result<void> RunFile::read_bytes(uint64_t offset, uint64_t bytes, char* to) const {
  const uint64_t per_page = page::overflow_payload_bytes(services_.pool.page_bytes());
  while (bytes > 0) {
    const uint64_t index = std::min<uint64_t>(offset / extent_bytes_, footer_.extents.size() - 1);
    const PageRange& extent = footer_.extents[index];
    const uint64_t within = offset - index * extent_bytes_;
    const uint64_t part = std::min(bytes, extent.count * per_page - within);
    AETHER_TRY(
        read_extent(extent, static_cast<uint32_t>(within / per_page), within % per_page, part, to));
    offset += part;
    bytes -= part;
    to += part;
  }
  return {};
}

Result<void> RunFile::read_extent(const PageRange& extent, uint32_t first, uint64_t skip,
                                  uint64_t bytes, char* to) const {
  buffer::DataFile& data = services_.pool.data();
  const uint32_t page_bytes = data.page_bytes();
  const uint64_t per_page = page::overflow_payload_bytes(page_bytes);
  const auto pages = static_cast<uint32_t>((skip + bytes + per_page - 1) / per_page);
  buffer::AlignedBuffer memory(uint64_t{pages} * page_bytes);
  AETHER_TRY_ASSIGN(
      const uint64_t got,
      data.file().read_at((raw(extent.first) + first) * page_bytes, memory.data(), memory.size()));
  for (uint32_t i = 0; i < pages; ++i) {
    const PageId id{raw(extent.first) + first + i};
    std::byte* const page = memory.data() + uint64_t{i} * page_bytes;
    const bool is_whole = got >= uint64_t{i + 1} * page_bytes && data.check(id, page).has_value();
    if (!is_whole) {
      Result<void> read = data.read_or_repair(id, page);
      if (!read) return std::move(read).error().with_context(name());
    }
    Result<std::string_view> payload = page::payload_of(page, page_bytes, extent.first, first + i);
    if (!payload) return std::move(payload).error().with_context(name());
    const uint64_t part = std::min(bytes, per_page - skip);
    if (payload->size() < skip + part)
      return Error(Code::corruption,
                   name() + ": page " + std::to_string(raw(id)) + " holds too few bytes");
    std::memcpy(to, payload->data() + skip, part);
    to += part;
    bytes -= part;
    skip = 0;
  }
  return {};
}

Result<void> RunFile::check_pages(FunctionRef<Result<void>(PageId)> visit) const {
  buffer::DataFile& data = services_.pool.data();
  const uint32_t page_bytes = data.page_bytes();
  buffer::AlignedBuffer page(page_bytes);
  for (size_t i = 0; i < footer_.extents.size(); ++i) {
    const PageRange& extent = footer_.extents[i];
    const PageId next = i + 1 < footer_.extents.size() ? footer_.extents[i + 1].first : kNoPage;
    for (uint32_t index = 0; index < extent.count; ++index) {
      const PageId id{raw(extent.first) + index};
      AETHER_TRY(data.read_or_repair(id, page.data()));
      AETHER_TRY(page::payload_of(page.data(), page_bytes, extent.first, index));
      const auto header = base::load<page::OverflowHeader>(page.data());
      if (header.page.store != reference_.store || header.extent_pages != extent.count ||
          header.next_extent != raw(next)) {
        return Error(Code::corruption, name() + ": page " + std::to_string(raw(id)) +
                                           " is not one of its chain of extents");
      }
      AETHER_TRY(visit(id));
    }
  }
  return {};
}

}  // namespace aether::lsm
