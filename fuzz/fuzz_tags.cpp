// The file `tags`: edits of a real one, with checksums made right or not. It opens or is refused; what one life knows of
// pages, the next one knows too, and what scrubbing finds damaged is written anew.
#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/checksum.h"
#include "buffer/page_tags.h"
#include "fuzz/support/input.h"
#include "fuzz/support/memory_os.h"
#include "fuzz/support/target.h"

namespace aether::fuzz {
namespace {

using buffer::PageTags;

constexpr const char* kPath = "/env/tags";
constexpr uint64_t kBlockBytes = 4096;
constexpr uint64_t kEnvironment = 0x1122334455667788;
constexpr uint64_t kPages = 3 * PageTags::kPagesPerBlock;

constexpr auto no_sync = [] { return Result<void>(); };

/// Three blocks with some tags, and their second copies.
const std::string& real_file() {
  static const std::string file = [] {
    MemoryOs os;
    FUZZ_REQUIRE(PageTags::create(kPath, kEnvironment, os));
    auto tags = PageTags::open(kPath, kEnvironment, true, 0, os);
    FUZZ_REQUIRE(tags);
    for (uint64_t page = 0; page < kPages; page += 100) {
      const uint64_t checksum = page * 7 + 5;
      FUZZ_REQUIRE((*tags)->set(PageId{page}, &checksum));
    }
    FUZZ_REQUIRE((*tags)->write(no_sync));
    return os.files[kPath];
  }();
  return file;
}

void seal_block(std::string& file, uint64_t at) {
  base::store(file.data() + at,
              base::checksum(file.data() + at + 8, kBlockBytes - 8, kEnvironment));
}

}  // namespace

std::vector<std::string> seeds() {
  std::vector<std::string> all;
  for (const unsigned seal : {0u, 1u}) {
    all.push_back(InputWriter().put(uint64_t{1}).put(uint16_t{0}).bytes());
    // Block (of those that hold something), place in it, what is put there.
    for (const unsigned block : {0u, 1u, 2u, 5u}) {
      for (const unsigned at : {8u, 16u, 24u, 32u, 40u, 64u, 4000u}) {
        all.push_back(InputWriter()
                          .put(uint64_t{2})
                          .put(uint16_t{0})
                          .byte(seal)
                          .put(uint16_t(block))
                          .put(uint16_t(at))
                          .shortly_sized("\x01\x02\x03\x04\x05\x06\x07\x08")
                          .bytes());
      }
    }
    all.push_back(InputWriter().put(uint64_t{0}).put(uint16_t{9000}).bytes());
  }
  return all;
}

}  // namespace aether::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aether;
  using namespace aether::fuzz;
  Input input(data, size);
  const auto sequence = input.take<uint64_t>();
  const auto cut = input.take<uint16_t>();
  MemoryOs os;
  std::string& file = os.files[kPath];
  file = real_file();
  for (int edits = 0; edits < 16 && !input.empty(); ++edits) {
    const uint8_t how = input.byte();
    const uint64_t block = input.below(static_cast<uint32_t>(file.size() / kBlockBytes));
    const uint64_t at = input.below(kBlockBytes);
    const std::string_view bytes = input.shortly_sized();
    const uint64_t begin = block * kBlockBytes;
    std::memcpy(file.data() + begin + at, bytes.data(),
                std::min<uint64_t>(bytes.size(), kBlockBytes - at));
    if ((how & 1) != 0) seal_block(file, begin);
  }
  if (cut != 0) file.resize(std::min<size_t>(file.size(), cut));

  auto tags = PageTags::open(kPath, kEnvironment, true, sequence, os);
  if (!tags) return 0;
  std::vector<buffer::PageTag> known;
  for (uint64_t page = 0; page < kPages; page += 50) {
    const Result<buffer::PageTag> tag = (*tags)->get(PageId{page});
    if (!tag) {
      FUZZ_REQUIRE(tag.error().code() == Code::corruption);
      return 0;
    }
    known.push_back(*tag);
  }
  // Blocks that nobody has read may be beyond repair; of a header that claims more of them than these, look at some.
  const uint64_t blocks = std::min<uint64_t>((*tags)->file_blocks(), 8);
  std::vector<PageTags::BadCopy> bad;
  FUZZ_REQUIRE((*tags)->check_blocks(0, blocks, bad));
  for (const PageTags::BadCopy& copy : bad) {
    if (!(*tags)->write_anew(copy)) return 0;
  }
  const uint64_t checksum = 99;
  FUZZ_REQUIRE((*tags)->set(PageId{1}, &checksum));
  if (!(*tags)->write(no_sync)) return 0;  // No room for as many blocks as it claims.
  bad.clear();
  FUZZ_REQUIRE((*tags)->check_blocks(0, blocks, bad));
  FUZZ_REQUIRE(bad.empty());

  const uint64_t written = (*tags)->sequence();
  tags = PageTags::open(kPath, kEnvironment, true, written, os);
  FUZZ_REQUIRE(tags);
  for (uint64_t page = 0; page < kPages; page += 50) {
    const buffer::PageTag before = known[page / 50];
    const Result<buffer::PageTag> tag = (*tags)->get(PageId{page});
    FUZZ_REQUIRE(tag);
    // Of a life that had not been written then, and may have been since: not known.
    FUZZ_REQUIRE(*tag == (before == PageTags::kUnwritten ? PageTags::kUnknown : before));
  }
  return 0;
}
