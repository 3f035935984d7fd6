/// Page-sized scratch memory and parts of whole-page operations, for structure modifications.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "buffer/data_file.h"
#include "buffer/unswizzle.h"
#include "index/btree/ops.h"
#include "page/slotted_page.h"
#include "wal/record.h"

namespace aether::index {

/// A page that is not in the pool.
class ScratchPage {
 public:
  explicit ScratchPage(uint32_t page_bytes) : buffer_(page_bytes), page_bytes_(page_bytes) {}
  page::SlottedPage node() noexcept { return {buffer_.data(), page_bytes_}; }

 private:
  buffer::AlignedBuffer buffer_;
  uint32_t page_bytes_;
};

/// The node's image as it goes into the log: with page ids, not swips.
inline std::string logged_image(page::SlottedPage node) {
  if (node.is_leaf()) return node.image();
  ScratchPage copy(node.page_bytes());
  std::copy_n(node.bytes(), node.page_bytes(), copy.node().bytes());
  buffer::unswizzle(copy.node());
  return copy.node().image();
}

/// Parts whose data is one piece. `data` is borrowed until the record is written.
struct PageParts {
  static void set(wal::PartSpec& part, BTreeOp op, StoreId store,
                  const std::string_view& data) noexcept {
    part.header.store = store;
    part.header.manager = wal::ResourceManager::btree;
    part.header.op = static_cast<uint8_t>(op);
    part.data = {&data, 1};
  }
  static void format(wal::PartSpec& part, StoreId store, const std::string_view& image) noexcept {
    set(part, BTreeOp::format, store, image);
    part.header.gsn_before = wal::kFormatGsn;
  }
};

}  // namespace aether::index
