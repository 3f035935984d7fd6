#include "buffer/page_images.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "base/assert.h"
#include "base/bytes.h"
#include "buffer/space_manager.h"
#include "page/overflow_page.h"
#include "page/slotted_page.h"

namespace aether::buffer {
namespace {

/// Checksum, page id and GSN are not part of an image: the record has the last two.
constexpr size_t kImageBegin = offsetof(page::PageHeader, store);
constexpr uint64_t kRecordBytes = 256 * KiB;

/// What is left out at the end is zeros.
std::string_view image_of(const std::byte* page, uint32_t page_bytes) noexcept {
  std::string_view image(reinterpret_cast<const char*>(page) + kImageBegin,
                         page_bytes - kImageBegin);
  const size_t last = image.find_last_not_of('\0');
  return image.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

}  // namespace

Result<void> log_page_images(wal::Log& log, uint32_t stream, const std::byte* pages, uint64_t count,
                             uint32_t page_bytes) {
  const uint64_t room = std::min(kRecordBytes, log.max_record_bytes());
  const uint64_t pages_max = std::clamp<uint64_t>(room / (page_bytes + sizeof(wal::PartHeader)), 1,
                                                  wal::kMaxParts);
  for (uint64_t done = 0; done < count;) {
    const uint64_t some = std::min(pages_max, count - done);
    std::vector<std::string_view> images;
    for (uint64_t i = 0; i < some; ++i)
      images.push_back(image_of(pages + (done + i) * page_bytes, page_bytes));
    std::vector<wal::PartSpec> parts(some);
    const auto first = base::load<page::PageHeader>(pages + done * page_bytes);
    for (uint64_t i = 0; i < some; ++i) {
      const auto header = base::load<page::PageHeader>(pages + (done + i) * page_bytes);
      AETHER_ASSERT(header.gsn == first.gsn);
      parts[i].header = {.page_id = raw(header.page_id),
                         .gsn_before = wal::kFormatGsn,
                         .store = header.store,
                         .manager = wal::ResourceManager::space,
                         .op = static_cast<uint8_t>(SpaceOp::image)};
      parts[i].data = {&images[i], 1};
    }
    const wal::RecordSpec spec{.gsn = first.gsn, .home_stream = stream, .parts = parts};
    AETHER_TRY(log.append(stream, spec));
    done += some;
  }
  return {};
}

Result<void> redo_image(std::byte* page, uint32_t page_bytes, PageId id, std::string_view data) {
  const auto bad = [&](const char* what) {
    return Error(Code::corruption,
                 "the image of page " + std::to_string(raw(id)) + " in the log " + what);
  };
  if (data.size() > page_bytes - kImageBegin) return bad("is longer than a page");
  std::memcpy(page + kImageBegin, data.data(), data.size());
  std::memset(page + kImageBegin + data.size(), 0, page_bytes - kImageBegin - data.size());
  const auto header = base::load<page::PageHeader>(page);
  if (header.flags != 0 || header.reserved != 0) return bad("has flags that mean nothing");
  switch (header.kind) {
    case page::PageKind::overflow: {
      const auto overflow = base::load<page::OverflowHeader>(page);
      const bool sound = overflow.index < overflow.extent_pages && overflow.reserved == 0 &&
                         overflow.used_bytes <= page::overflow_payload_bytes(page_bytes);
      return sound ? Result<void>() : bad("is no page of a value");
    }
    case page::PageKind::btree_inner:
    case page::PageKind::btree_leaf: return page::SlottedPage(page, page_bytes).check_node();
    default: return bad("is of no kind that is written past the log");
  }
}

}  // namespace aether::buffer
