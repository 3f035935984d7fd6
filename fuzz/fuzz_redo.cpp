// Redo: parts as a damaged or hostile log may hold them, applied to a page, sound or with a right checksum around
// anything. Each is refused as corruption or leaves a page that passes its check; what undo and printlog read of the
// same bytes comes along.
#include <cstring>

#include "buffer/space_manager.h"
#include "db/resource_managers.h"
#include "fuzz/support/input.h"
#include "fuzz/support/target.h"
#include "index/btree/extents.h"
#include "index/btree/ops.h"
#include "page/slotted_page.h"
#include "page/space_map_page.h"

namespace aether::fuzz {
namespace {

using page::SlottedPage;

constexpr uint32_t kPageBytes = 4096;
constexpr PageId kPage{5};

struct alignas(64) Page {
  std::byte bytes[kPageBytes];
};

/// The page that the parts meet.
void make_page(Page& page, Input& input) {
  std::memset(page.bytes, 0, kPageBytes);
  SlottedPage node(page.bytes, kPageBytes);
  const uint8_t form = input.byte();
  const uint8_t level = form & 1;
  switch (form >> 1 & 3) {
    case 0: node.format(kPage, 2, level, std::nullopt, std::nullopt); break;
    case 1: node.format(kPage, 2, level, "ka", "kz"); break;
    case 2: page::SpaceMapPage(page.bytes, kPageBytes).format(PageId{1}); return;
    default: return;  // Zeros: as a part that formats the page finds it.
  }
  if ((form & 8) == 0) return;
  // Rows of equal keys would not be a node: each goes where it belongs, if it is a key of this node at all.
  for (uint32_t rows = input.byte() % 32; rows > 0; --rows) {
    std::string key = "k";
    key.push_back(static_cast<char>('a' + input.byte() % 25));
    key.append(input.byte() % 16, 'x');
    const std::string payload = level != 0 ? std::string(8, '\1')
                                           : std::string(8 + input.byte(), 'v');
    const SlottedPage::Position at = node.lower_bound(key);
    const bool fits = node.fits(static_cast<uint32_t>(key.size()),
                                static_cast<uint32_t>(payload.size()));
    if (at.exact || !fits || key <= "ka") continue;
    node.insert(at.slot, key, payload);
  }
}

std::string row(std::string_view key, std::string_view payload) {
  return InputWriter().sized(key).raw(payload).bytes();
}

}  // namespace

std::vector<std::string> seeds() {
  using index::BTreeOp;
  std::vector<std::string> all;
  const auto part = [](InputWriter& to, BTreeOp op, std::string_view data) {
    to.byte(2).byte(static_cast<unsigned>(op)).sized(data);
  };
  for (const unsigned form : {0u, 1u, 2u, 3u, 8u, 9u, 10u, 11u}) {
    InputWriter to;
    to.byte(form);
    if ((form & 8) != 0) to.byte(2).byte(1).byte(2).byte(20).byte(3).byte(4).byte(30);
    part(to, BTreeOp::insert, row("kb", "12345678"));
    part(to, BTreeOp::insert, row("kc", "12345678"));
    part(to, BTreeOp::replace, row("kb", (form & 1) != 0 ? "87654321" : "12345678 longer"));
    part(to, BTreeOp::set_meta, row("kc", "12345678"));
    part(to, BTreeOp::insert, row("kd", "12345678 a value of 24 bytes"));
    part(to, BTreeOp::patch,
         row("kd", InputWriter()
                       .raw("87654321")
                       .put(uint16_t{1})
                       .sized("the")
                       .put(uint16_t{14})
                       .sized("bytes.")
                       .bytes()));
    part(to, BTreeOp::truncate, "kc");
    part(to, BTreeOp::remove, row("kb", ""));
    all.push_back(to.bytes());
  }
  static Page page;
  SlottedPage node(page.bytes, kPageBytes);
  node.format(kPage, 2, 0, "ka", "kz");
  node.insert(0, "kb", "12345678");
  InputWriter format;
  format.byte(6);
  part(format, BTreeOp::format, node.image());
  all.push_back(format.bytes());
  InputWriter map;
  map.byte(4);
  map.byte(1).byte(2).sized(InputWriter().put(uint32_t{2}).put(uint32_t{5}).bytes());
  map.byte(1).byte(3).sized(InputWriter().put(uint32_t{2}).put(uint32_t{5}).bytes());
  map.byte(1).byte(1).sized("");
  all.push_back(map.bytes());
  return all;
}

}  // namespace aether::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aether;
  using namespace aether::fuzz;
  Input input(data, size);
  static Page page;
  make_page(page, input);
  const db::BTreeManager btree(nullptr);
  const db::SpaceResourceManager space(nullptr);
  for (int parts = 0; parts < 64 && !input.empty(); ++parts) {
    const bool is_space = input.byte() % 2 == 1;
    wal::PartView part;
    part.header.page_id = raw(kPage);
    part.header.store = 2;
    part.header.manager = is_space ? wal::ResourceManager::space : wal::ResourceManager::btree;
    part.header.op = input.byte();
    part.data = input.sized();
    part.header.length = static_cast<uint16_t>(part.data.size());
    const recovery::ResourceManager& manager = is_space
                                                   ? static_cast<const recovery::ResourceManager&>(
                                                         space)
                                                   : btree;
    static_cast<void>(manager.describe(part));
    wal::RecordView record;
    record.undo = part.data;
    static_cast<void>(manager.undo_entry(record, part).has_value());
    static_cast<void>(index::parse_ranges(part.data).has_value());
    if (!manager.redo(page.bytes, kPageBytes, part)) return 0;
    // The image of a page has been checked for what it is; the parts that follow have to notice if it is not theirs.
    if (is_space && part.header.op == static_cast<uint8_t>(buffer::SpaceOp::image)) continue;
    if (is_space) {
      const Result<void> whole = page::SpaceMapPage(page.bytes, kPageBytes).check_map();
      FUZZ_REQUIRE_SAYING(whole, std::string(whole.error().message()));
    } else {
      const Result<void> whole = SlottedPage(page.bytes, kPageBytes).check_node();
      FUZZ_REQUIRE_SAYING(whole, std::string(whole.error().message()));
    }
  }
  return 0;
}
