// The double-write area: any bytes, with checksums made right as the input says, beside a small data file of which some
// pages are torn. What is restored is a page of the area, in its own place; what was whole stays.
#include <cstring>

#include "base/bytes.h"
#include "base/checksum.h"
#include "buffer/data_file.h"
#include "buffer/page_writer.h"
#include "fuzz/support/input.h"
#include "fuzz/support/memory_os.h"
#include "fuzz/support/target.h"
#include "page/overflow_page.h"

namespace aether::fuzz {
namespace {

constexpr uint32_t kPageBytes = 4096;
constexpr uint64_t kPages = 6;
constexpr uint64_t kAreaHeader = 4096;
constexpr uint64_t kEnvironment = 0x1122334455667788;
constexpr const char* kData = "/env/data";
constexpr const char* kArea = "/env/doublewrite";

void put_page(std::string& file, uint64_t place, uint64_t id, std::string_view value) {
  alignas(64) static std::byte bytes[kPageBytes];
  page::fill_extent({bytes, kPageBytes}, kPageBytes, kEnvironment, PageId{id}, 2, 7, kNoPage,
                    value);
  std::memcpy(file.data() + place, bytes, kPageBytes);
}

/// As docs/formats/doublewrite.md has it.
void seal_area(std::string& file) {
  const auto count = std::min<uint32_t>(base::load<uint32_t>(file.data() + 36), 8);
  uint64_t sum = 0;
  for (uint32_t i = 0; i < count && kAreaHeader + (i + 1) * uint64_t{kPageBytes} <= file.size();
       ++i)
    sum = base::checksum(file.data() + kAreaHeader + i * uint64_t{kPageBytes}, 8, sum);
  base::store(file.data() + 40, sum);
  base::store(file.data(), base::checksum(file.data() + 8, 48, kEnvironment));
}

std::string area_header(uint32_t count) {
  return InputWriter()
      .raw("AETHDWB1")
      .put(kEnvironment)
      .put(uint64_t{1})
      .put(kPageBytes)
      .put(count)
      .bytes();
}

}  // namespace

std::vector<std::string> seeds() {
  std::vector<std::string> all;
  for (const unsigned form : {1u, 0u}) {
    for (const unsigned count : {0u, 1u, 3u}) {
      InputWriter to;
      to.byte(form).byte(0b1010).sized(area_header(count));
      for (unsigned i = 0; i < count; ++i) to.byte(1).put(uint64_t{i + 1}).shortly_sized("new");
      all.push_back(to.bytes());
    }
  }
  return all;
}

}  // namespace aether::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aether;
  using namespace aether::fuzz;
  Input input(data, size);
  const uint8_t form = input.byte();
  const uint8_t torn = input.byte();
  static MemoryOs os;
  static const std::string base = [] {
    MemoryOs made;
    FUZZ_REQUIRE(buffer::DataFile::create(kData, kPageBytes, kEnvironment, made));
    std::string file = made.files[kData].substr(0, kPages * kPageBytes);
    for (uint64_t id = 1; id < kPages; ++id) put_page(file, id * kPageBytes, id, "old");
    return file;
  }();
  std::string& pages = os.files[kData];
  pages = base;
  for (uint64_t id = 1; id < kPages; ++id) {
    if ((torn >> id & 1) != 0) pages[id * kPageBytes + 100] = 'X';
  }
  const std::string before = pages;
  std::string& area = os.files[kArea];
  area.assign(kAreaHeader + 4 * uint64_t{kPageBytes}, '\0');
  const std::string_view header = input.sized().substr(0, 40);
  std::memcpy(area.data() + 8, header.data(), header.size());
  for (uint64_t i = 0; i < 4 && !input.empty(); ++i) {
    const uint64_t place = kAreaHeader + i * kPageBytes;
    const uint8_t how = input.byte();
    const auto id = input.take<uint64_t>();
    const std::string_view bytes = input.shortly_sized();
    if (how % 4 == 0) {
      std::memcpy(area.data() + place, bytes.data(), bytes.size());
    } else {
      put_page(area, place, id, bytes);
    }
  }
  if ((form & 1) != 0) seal_area(area);
  if ((form & 2) != 0) area.resize(std::min<size_t>(area.size(), input.take<uint16_t>()));

  const auto file = buffer::DataFile::open(kData, kPageBytes, kEnvironment, true, os);
  FUZZ_REQUIRE(file);
  const Result<buffer::AreaReport> restored = buffer::restore_torn_pages(kArea, **file, os);
  for (uint64_t id = 0; id < kPages; ++id) {
    const bool was_whole = id == 0 || (torn >> id & 1) == 0;
    const bool same = std::memcmp(before.data() + id * kPageBytes, pages.data() + id * kPageBytes,
                                  kPageBytes) == 0;
    FUZZ_REQUIRE(!was_whole || same);
    if (!same)
      FUZZ_REQUIRE(
          page::check(pages.data() + id * kPageBytes, kPageBytes, kEnvironment, PageId{id}));
  }
  return 0;
}
