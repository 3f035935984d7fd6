// Images: a node as the log carries it. docs/formats/page.md has the layout.
#include <cstring>

#include "base/assert.h"
#include "page/slotted_page.h"
#include "page/slotted_page_private.h"

namespace aether::page {
namespace {

/// What an image keeps of the PageHeader; the log names page and GSN itself. 24 bytes shorter than
/// the header, so that the image of a full 64 KiB page has a length that 16 bits can tell.
struct ImageHeader {
  StoreId store = 0;
  PageKind kind = PageKind::btree_leaf;
  uint8_t reserved[3] = {};
  TxnId newest_txn = 0;
};
static_assert(sizeof(ImageHeader) == 16);

constexpr uint32_t kNodeFieldsBytes = sizeof(NodeHeader) - sizeof(PageHeader);

}  // namespace

std::string SlottedPage::image() const {
  const NodeHeader& node = header();
  if (node.garbage != 0) {
    Scratch scratch;
    const SlottedPage compacted(scratch.bytes, page_bytes_);
    compact_into(compacted);
    return compacted.image();
  }
  ImageHeader kept;
  kept.store = node.page.store;
  kept.kind = node.page.kind;
  kept.newest_txn = node.page.newest_txn;

  const auto* begin = reinterpret_cast<const char*>(bytes_);
  std::string image;
  image.reserve(page_bytes_);
  image.append(reinterpret_cast<const char*>(&kept), sizeof kept);
  image.append(begin + sizeof(PageHeader), begin + slots_end());
  image.append(begin + node.heap_begin, begin + page_bytes_);
  return image;
}

Result<void> SlottedPage::load_image(Bytes image) {
  base::ByteReader reader(image);
  const auto kept = reader.read<ImageHeader>();
  const Bytes fields = reader.read_bytes(kNodeFieldsBytes);
  if (!reader.ok() || kept.reserved[0] != 0 || kept.reserved[1] != 0 || kept.reserved[2] != 0) {
    return damaged("the image in the log is too short or its header is wrong");
  }
  Scratch scratch;
  SlottedPage fresh(scratch.bytes, page_bytes_);
  std::memset(fresh.bytes_, 0, page_bytes_);
  std::memcpy(fresh.bytes_ + sizeof(PageHeader), fields.data(), fields.size());
  NodeHeader& node = fresh.header();
  node.page = header().page;
  node.page.checksum = 0;
  node.page.store = kept.store;
  node.page.kind = kept.kind;
  node.page.flags = 0;
  node.page.reserved = 0;
  node.page.newest_txn = kept.newest_txn;

  if (node.count > max_slots() || node.heap_begin > page_bytes_ ||
      node.heap_begin < fresh.slots_end()) {
    return damaged("the image in the log has slots or a heap that do not fit the page");
  }
  const Bytes slots = reader.read_bytes(uint64_t{node.count} * kSlotBytes);
  const Bytes heap = reader.read_bytes(page_bytes_ - node.heap_begin);
  if (!reader.ok() || reader.remaining() != 0) {
    return damaged("the image in the log is not as long as its slots and heap say");
  }
  if (!slots.empty()) std::memcpy(fresh.bytes_ + kNodeHeaderBytes, slots.data(), slots.size());
  if (!heap.empty()) std::memcpy(fresh.bytes_ + node.heap_begin, heap.data(), heap.size());
  AETHER_TRY(fresh.check_node());
  std::memcpy(bytes_, fresh.bytes_, page_bytes_);
  return {};
}

}  // namespace aether::page
