#include "lsm/extent_stream.h"

#include <algorithm>

#include "base/assert.h"
#include "page/overflow_page.h"

namespace aether::lsm {

using buffer::PageRange;

ExtentStream::ExtentStream(index::Services& services, StoreId store, uint32_t stream,
                           uint32_t extent_pages)
    : services_(services),
      store_(store),
      stream_(stream),
      extent_pages_(extent_pages),
      page_bytes_(services.pool.page_bytes()),
      per_page_(page::overflow_payload_bytes(page_bytes_)),
      extents_(services),
      memory_(uint64_t{extent_pages} * page_bytes_) {
  pending_.reserve(uint64_t{extent_pages} * per_page_);
}

Result<void> ExtentStream::open_first() {
  if (!extents_.ranges().empty()) return {};
  return begin_next(extent_pages_);
}

/// The one before is written once the next one's place is known.
Result<void> ExtentStream::begin_next(uint32_t pages) {
  const bool is_first = extents_.ranges().empty();
  const PageRange before = is_first ? PageRange() : extents_.ranges().back();
  AETHER_TRY_ASSIGN(const PageRange next, extents_.reserve(pages, {}));
  if (!is_first) AETHER_TRY(write(before, next.first));
  AETHER_TRY_ASSIGN(gsn_, services_.space.raise_gsn(next.first, stream_));
  capacity_ = uint64_t{pages} * per_page_;
  return {};
}

Result<void> ExtentStream::write(const PageRange& extent, PageId next) {
  if (memory_.size() < uint64_t{extent.count} * page_bytes_)
    memory_ = buffer::AlignedBuffer(uint64_t{extent.count} * page_bytes_);
  const std::span<std::byte> pages(memory_.data(), uint64_t{extent.count} * page_bytes_);
  const uint64_t taken = page::fill_extent(pages, page_bytes_,
                                           services_.pool.data().environment_id(), extent.first,
                                           store_, gsn_, next, pending_);
  AETHER_ASSERT(taken == pending_.size());
  AETHER_TRY(
      services_.writer.write_unreferenced(stream_, extent.first, memory_.data(), extent.count));
  written_ += pending_.size();
  pages_written_ += extent.count;
  pending_.clear();
  return {};
}

Result<void> ExtentStream::append(std::string_view bytes) {
  AETHER_TRY(open_first());
  while (!bytes.empty()) {
    if (room() == 0) AETHER_TRY(begin_next(extent_pages_));
    const std::string_view part = bytes.substr(0, room());
    pending_.append(part);
    bytes.remove_prefix(part.size());
  }
  return {};
}

Result<void> ExtentStream::pad_to_page() {
  const uint64_t over = pending_.size() % per_page_;
  if (over != 0) pending_.append(per_page_ - over, '\0');
  return {};
}

Result<std::vector<PageRange>> ExtentStream::begin_last(uint64_t bytes, uint64_t more_if_new) {
  AETHER_TRY(open_first());
  if (bytes > room()) {
    bytes += more_if_new;
    pending_.append(room(), '\0');
    const auto needed = static_cast<uint32_t>((bytes + per_page_ - 1) / per_page_);
    AETHER_TRY(begin_next(std::max(needed, extent_pages_)));
  }
  const auto used = static_cast<uint32_t>((pending_.size() + bytes + per_page_ - 1) / per_page_);
  extents_.trim_last(std::max(used, 1u));
  capacity_ = uint64_t{std::max(used, 1u)} * per_page_;
  return extents_.ranges();
}

PageId ExtentStream::page_of_last(uint64_t offset) const noexcept {
  return PageId{raw(extents_.ranges().back().first) + (offset - written_) / per_page_};
}

Result<void> ExtentStream::finish() { return write(extents_.ranges().back(), kNoPage); }

}  // namespace aether::lsm
