// Pages: whatever a page says that has its checksum, its check refuses it or every use of it stays within it; and a node
// that passes still passes after any change made to it.
//
// Input: mode, page size, then the page's bytes. The harness writes header and checksum, and as the mode asks also what
// is derived from the rest (heads, hints, garbage), so that the fuzzer gets behind those checks.
#include <cstring>

#include "base/bytes.h"
#include "fuzz/support/input.h"
#include "fuzz/support/target.h"
#include "page/leaf_record.h"
#include "page/overflow_page.h"
#include "page/page_header.h"
#include "page/slotted_page.h"
#include "page/space_map_page.h"

namespace aether::fuzz {
namespace {

using namespace page;

constexpr uint64_t kEnvironment = 0x1122334455667788;
constexpr PageId kPage{5};

struct alignas(64) Page {
  std::byte bytes[8192];
};

enum Mode : uint8_t { kNode = 0, kDerived = 1, kMap = 2, kOverflow = 3, kImage = 4, kHeader = 5 };

/// Heads, hints, garbage: what a writer derives from slots and heap. Only of what lies within the page.
void derive(SlottedPage node) {
  NodeHeader& header = node.header();
  const uint32_t count = node.count();
  header.page.kind = header.level == 0 ? PageKind::btree_leaf : PageKind::btree_inner;
  if (header.has_lower > 1) header.has_lower &= 1;
  if (header.has_upper > 1) header.has_upper &= 1;
  uint64_t live = header.lower_length + uint64_t{header.upper_length};
  if (header.level != 0) live = base::align_up(live, 8);
  for (uint32_t i = 0; i < count; ++i) {
    std::byte* at = node.bytes() + sizeof(NodeHeader) + sizeof(Slot) * size_t{i};
    auto slot = base::load<Slot>(at);
    if (header.level != 0) slot.payload_length = 8;
    slot.head = 0;
    const Bytes suffix = node.suffix(i);
    for (size_t b = 0; b < 4; ++b) {
      slot.head = slot.head << 8 | (b < suffix.size() ? static_cast<uint8_t>(suffix[b]) : 0);
    }
    base::store(at, slot);
    live += header.level == 0 ? slot.key_length + uint64_t{slot.payload_length}
                              : base::align_up(uint64_t{8} + slot.key_length, 8);
  }
  if (header.heap_begin <= node.page_bytes() && live <= node.page_bytes() - header.heap_begin)
    header.garbage = static_cast<uint32_t>(node.page_bytes() - header.heap_begin - live);
  for (uint32_t i = 0; i < 14; ++i) {
    const uint32_t slot = (i + 1) * count / 15;
    header.hints[i] = count == 0 ? 0
                                 : base::load<Slot>(node.bytes() + sizeof(NodeHeader) +
                                                    sizeof(Slot) * size_t{slot})
                                       .head;
  }
}

void require_whole(const SlottedPage& node, const char* after) {
  const Result<void> checked = node.check_node();
  FUZZ_REQUIRE_SAYING(checked, std::string(after) + ": " + std::string(checked.error().message()));
}

/// What may run on any bytes: optimistic readers meet pages in the middle of a change.
void read_racy(SlottedPage node, std::string_view key) {
  std::string text;
  const uint32_t count = node.count();
  uint64_t sum = node.prefix().size();
  if (const Fence lower = node.lower_fence()) sum += lower->size();
  if (const Fence upper = node.upper_fence()) sum += upper->size();
  for (uint32_t slot = 0; slot <= count && slot < 64; ++slot) {
    node.key(slot, text);
    const Bytes payload = node.payload(slot);
    for (const char c : payload) sum += static_cast<uint8_t>(c);
    sum += text.size() + meta_of(payload).word() + value_of(payload).size();
    if (!node.is_leaf()) sum += base::load<uint64_t>(node.child_word(slot));
  }
  node.prefetch_record(key);
  sum += node.lower_bound(key).slot + node.child_index(key, true);
  FUZZ_REQUIRE(node.lower_bound(key).slot <= count);
  static_cast<void>(sum);
}

/// A checked node, changed in a copy.
void change(const SlottedPage& node, std::string_view key, std::string_view payload, uint8_t what) {
  static Page copy_memory, right_memory;
  std::memcpy(copy_memory.bytes, node.bytes(), node.page_bytes());
  SlottedPage copy(copy_memory.bytes, node.page_bytes());
  const Fence lower = copy.lower_fence();
  const Fence upper = copy.upper_fence();
  const bool within = (!lower || (copy.is_leaf() ? key >= *lower : key > *lower)) &&
                      (!upper || key < *upper) &&
                      key.size() <= SlottedPage::max_key_bytes(copy.page_bytes());
  const std::string word(8, '\1');
  if (!copy.is_leaf()) payload = word;
  if (what % 4 == 0 && within) {
    const SlottedPage::Position at = copy.lower_bound(key);
    if (!at.exact &&
        copy.fits(static_cast<uint32_t>(key.size()), static_cast<uint32_t>(payload.size()))) {
      copy.insert(at.slot, key, payload);
      require_whole(copy, "insert");
      FUZZ_REQUIRE(copy.lower_bound(key).exact);
    } else if (at.exact && copy.fits_payload(at.slot, static_cast<uint32_t>(payload.size()))) {
      copy.replace_payload(at.slot, payload);
      require_whole(copy, "replace");
      FUZZ_REQUIRE(copy.payload(at.slot) == payload);
    }
  } else if (what % 4 == 1 && copy.count() > 0) {
    copy.remove(what % copy.count());
    require_whole(copy, "remove");
  } else if (what % 4 == 2 && copy.count() > 1 && within &&
             key.size() + payload.size() <= SlottedPage::max_record_bytes(copy.page_bytes())) {
    const SlottedPage::SplitPoint split = copy.choose_split(key,
                                                            static_cast<uint32_t>(payload.size()));
    SlottedPage right(right_memory.bytes, copy.page_bytes());
    copy.copy_right_half(split, right, PageId{6});
    copy.truncate(split.separator);
    require_whole(copy, "truncate");
    require_whole(right, "right half");
    if (copy.can_merge(right, split.separator, 100)) {
      static Page merged_memory;
      SlottedPage merged(merged_memory.bytes, copy.page_bytes());
      copy.merge_into(right, split.separator, merged);
      require_whole(merged, "merge");
    }
  } else if (what % 4 == 3) {
    const std::string image = copy.image();
    SlottedPage restored(right_memory.bytes, copy.page_bytes());
    restored.header().page = copy.header().page;
    FUZZ_REQUIRE(restored.load_image(image));
    require_whole(restored, "load_image");
    FUZZ_REQUIRE(restored.image() == image);
  }
}

void fuzz_map(Page& page, uint32_t page_bytes, Input& more) {
  SpaceMapPage map(page.bytes, page_bytes);
  map.header().page.kind = PageKind::space_map;
  if (!map.check_map()) return;
  const auto first = more.take<uint32_t>();
  const auto count = more.take<uint32_t>();
  const uint32_t before = map.count_allocated();
  if (const auto free = map.find_free(first, count)) {
    FUZZ_REQUIRE(map.set(*free, count));
    FUZZ_REQUIRE(map.count_allocated() == before + count);
    FUZZ_REQUIRE(map.clear(*free, count));
  }
  static_cast<void>(map.test(first));
  if (map.set(first, count)) FUZZ_REQUIRE(map.count_allocated() == before + count);
  static_cast<void>(map.clear(first, count).has_value());
  FUZZ_REQUIRE(map.check_map());
}

std::string sample_node(uint8_t level, Fence lower, Fence upper, int records) {
  static Page memory;
  SlottedPage node(memory.bytes, 4096);
  node.format(kPage, 2, level, lower, upper);
  if (level > 0) node.header().leftmost = 9;
  for (int i = 0; i < records; ++i) {
    const std::string key = "ap" +
                            std::string(1 + static_cast<size_t>(i) % 7, static_cast<char>('a' + i));
    const std::string payload = level > 0 ? std::string(8, static_cast<char>(8 * i + 8))
                                          : std::string(8 + static_cast<size_t>(i) * 5, 'v');
    const SlottedPage::Position at = node.lower_bound(key);
    if (!at.exact && node.fits(9, static_cast<uint32_t>(payload.size())))
      node.insert(at.slot, key, payload);
  }
  return {reinterpret_cast<const char*>(memory.bytes), 4096};
}

std::string page_input(unsigned mode, std::string_view page) {
  return InputWriter()
      .byte(mode)
      .byte(0)
      .byte(3)
      .shortly_sized("aplow")
      .shortly_sized("a new value")
      .raw(page.substr(0, 700))
      .bytes();
}

}  // namespace

std::vector<std::string> seeds() {
  std::vector<std::string> all;
  for (const unsigned mode : {kNode, kDerived}) {
    for (const uint8_t level : {uint8_t{0}, uint8_t{1}}) {
      for (const int records : {0, 3, 20}) {
        // The heap lies at the end of the page: the tail goes in front of the input's rest.
        for (const std::string& page : {sample_node(level, std::nullopt, std::nullopt, records),
                                        sample_node(level, "apa", "apzz", records)}) {
          const uint32_t heap = base::load<uint32_t>(page.data() + 48);
          all.push_back(InputWriter()
                            .byte(mode)
                            .byte(0)
                            .byte(static_cast<unsigned>(all.size()))
                            .shortly_sized("apm")
                            .shortly_sized("12345678 a new value")
                            .sized(page.substr(heap))
                            .raw(page.substr(40, 88 + 10 * static_cast<size_t>(records)))
                            .bytes());
        }
      }
    }
  }
  static Page memory;
  SpaceMapPage(memory.bytes, 4096).format(PageId{1});
  all.push_back(InputWriter()
                    .byte(kMap)
                    .byte(0)
                    .byte(0)
                    .put(uint64_t{0})
                    .sized("")
                    .raw({reinterpret_cast<const char*>(memory.bytes) + 40, 64})
                    .bytes());
  fill_extent({memory.bytes, 4096}, 4096, kEnvironment, kPage, 2, 7, kNoPage, "the value");
  all.push_back(InputWriter()
                    .byte(kOverflow)
                    .byte(0)
                    .byte(0)
                    .put(uint16_t{0})
                    .sized("")
                    .raw({reinterpret_cast<const char*>(memory.bytes) + 40, 64})
                    .bytes());
  std::string node = sample_node(0, "apa", "apzz", 5);
  SlottedPage view(node.data(), 4096);
  std::memcpy(memory.bytes, node.data(), 4096);
  all.push_back(InputWriter()
                    .byte(kImage)
                    .byte(0)
                    .byte(1)
                    .put(uint16_t{0})
                    .raw(SlottedPage(memory.bytes, 4096).image())
                    .bytes());
  all.push_back(page_input(kHeader, node));
  return all;
}

}  // namespace aether::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aether;
  using namespace aether::fuzz;
  Input input(data, size);
  const uint8_t mode = input.byte() % 6;
  const uint32_t page_bytes = input.byte() % 16 == 15 ? 8192 : 4096;
  const uint8_t what = input.byte();
  const std::string key(input.shortly_sized());
  const std::string payload(input.shortly_sized());
  static Page page;
  std::memset(page.bytes, 0, sizeof page.bytes);
  SlottedPage node(page.bytes, page_bytes);
  if (mode == kImage) {
    node.header().page.page_id = kPage;
    if (node.load_image(input.rest())) {
      require_whole(node, "an image");
      change(node, key, payload, what);
    }
    return 0;
  }
  const std::string_view tail = input.sized().substr(0, page_bytes - sizeof(PageHeader));
  const std::string_view head = input.rest().substr(0, page_bytes - sizeof(PageHeader));
  std::memcpy(page.bytes + sizeof(PageHeader), head.data(), head.size());
  std::memcpy(page.bytes + page_bytes - tail.size(), tail.data(), tail.size());
  PageHeader& header = node.header().page;
  header = {.page_id = kPage, .gsn = 7, .store = 2, .kind = PageKind::btree_leaf};
  if (mode == kHeader) std::memcpy(page.bytes, head.data(), std::min<size_t>(head.size(), 40));
  if (mode == kMap) header = {.page_id = PageId{1}, .kind = PageKind::space_map};
  if (mode == kOverflow) header.kind = PageKind::overflow;
  if (mode == kNode) header.kind = node.is_leaf() ? PageKind::btree_leaf : PageKind::btree_inner;
  if (mode == kDerived) derive(node);
  seal(page.bytes, page_bytes, kEnvironment);
  const Result<void> checked = page::check(page.bytes, page_bytes, kEnvironment, header.page_id);
  if (mode != kHeader) FUZZ_REQUIRE(checked);
  if (mode == kMap) {
    Input more{std::string_view(payload)};
    fuzz_map(page, page_bytes, more);
    return 0;
  }
  if (mode == kOverflow) {
    std::string out;
    if (take_payload(page.bytes, page_bytes, PageId{5 - what % 4u}, what % 4u, out))
      FUZZ_REQUIRE(out.size() <= overflow_payload_bytes(page_bytes));
    return 0;
  }
  read_racy(node, key);
  if (node.check_node()) change(node, key, payload, what);
  return 0;
}
