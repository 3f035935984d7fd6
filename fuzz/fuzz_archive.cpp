// A file of archived log, edited at will, its checksums made right or not: it is refused, or every block of it can be read,
// and its index names blocks.
#include <cstring>

#include "base/bytes.h"
#include "base/checksum.h"
#include "fuzz/support/input.h"
#include "fuzz/support/memory_os.h"
#include "fuzz/support/target.h"
#include "wal/archive.h"
#include "wal/block.h"
#include "wal/log.h"

namespace aether::fuzz {
namespace {

using namespace wal;

constexpr uint64_t kEnvironment = 0x1122334455667788;
const std::string kName = "archive/" + archive_name(1);

/// Two streams, some blocks, records with parts.
std::string sound_file() {
  MemoryOs os;
  const LogOptions options{.directory = "log",
                           .environment_id = kEnvironment,
                           .streams = 2,
                           .segment_bytes = 64 * KiB,
                           .ring_bytes = 64 * KiB,
                           .block_bytes_max = 16 * KiB,
                           .background_thread = false};
  LogStart start;
  start.lsn.at[0] = start.lsn.at[1] = kFirstLsn;
  auto log = Log::create(options, start, os);
  FUZZ_REQUIRE(log);
  for (uint64_t i = 1; i <= 4; ++i) {
    const std::string_view data[] = {"some data"};
    const PartSpec part{.header = {.page_id = i % 3 + 2, .gsn_before = i, .store = 2},
                        .data = data};
    FUZZ_REQUIRE(
        (*log)->append(static_cast<uint32_t>(i % 2), {.txn = i,
                                                      .gsn = i + 1,
                                                      .home_stream = static_cast<uint32_t>(i % 2),
                                                      .parts = {&part, 1}}));
    FUZZ_REQUIRE((*log)->flush());
  }
  const auto end = (*log)->flush_to_end();
  FUZZ_REQUIRE(end);
  const LogReaderOptions reader{.directory = "log",
                                .environment_id = kEnvironment,
                                .streams = 2,
                                .segment_bytes = 64 * KiB,
                                .block_bytes_max = 16 * KiB};
  ArchiveCopied copied;
  FUZZ_REQUIRE(copy_to_archive(
      reader, {{1, 64 * KiB, end->position, end->cut}}, "archive", os,
      [](uint64_t) { return Result<void>(); }, copied));
  return os.files[kName];
}

void make_right(std::string& file, uint8_t form) {
  if (file.size() < kArchiveHeaderBytes) return;
  auto header = base::load<ArchiveHeader>(file.data());
  if ((form & 2) != 0) {
    for (uint64_t at = kArchiveHeaderBytes; at + sizeof(BlockHeader) <= file.size();) {
      const uint64_t length = base::load<BlockHeader>(file.data() + at).length;
      if (length < sizeof(BlockHeader) || length > file.size() - at) break;
      seal_block(reinterpret_cast<std::byte*>(file.data()) + at, length);
      at += length;
    }
  }
  const uint64_t index = kArchiveHeaderBytes + (header.end - header.begin);
  const uint64_t bytes = header.index_count * sizeof(ArchiveIndexEntry);
  if ((form & 4) != 0 && index <= file.size() && bytes <= file.size() - index)
    header.index_checksum = base::checksum(file.data() + index, bytes, header.environment_id);
  base::store(file.data(), header);
  if ((form & 1) != 0)
    base::store(file.data(),
                base::checksum(file.data() + 8, kArchiveHeaderBytes - 8, header.environment_id));
}

}  // namespace

std::vector<std::string> seeds() {
  std::vector<std::string> all;
  for (const unsigned form : {0u, 7u}) {
    all.push_back(InputWriter().byte(form).bytes());
    for (const unsigned at : {16u, 56u, 72u, 216u, 4096u + 32u, 4096u + 64u})
      all.push_back(
          InputWriter().byte(form).put(static_cast<uint16_t>(at)).sized("abcdefgh").bytes());
  }
  return all;
}

}  // namespace aether::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aether;
  using namespace aether::fuzz;
  static const std::string sound = sound_file();
  static MemoryOs os;
  Input input(data, size);
  const uint8_t form = input.byte();
  std::string& file = os.files[kName];
  file = sound;
  for (int edits = 0; edits < 4; ++edits) {
    const size_t at = input.take<uint16_t>() % file.size();
    const std::string_view bytes = input.sized();
    std::memcpy(file.data() + at, bytes.data(), std::min(bytes.size(), file.size() - at));
  }
  if ((form & 8) != 0) file.resize(input.take<uint16_t>() % (file.size() + 4096));
  make_right(file, form);
  const auto opened = wal::ArchiveFile::open(kName, os);
  if (!opened) return 0;
  const wal::ArchiveHeader& header = (*opened)->header();
  const bool whole = (*opened)->verify().has_value();
  const auto blocks = (*opened)->blocks_of(PageId{3});
  if (whole) FUZZ_REQUIRE(blocks);
  if (blocks) {
    for (const LogPosition at : *blocks) static_cast<void>((*opened)->read(at).has_value());
  }
  const auto entries = wal::list_archive("archive", os);
  if (!entries) return 0;
  const auto reader = wal::ArchiveReader::open(*entries, header.environment_id,
                                               {header.begin, header.begin_lsn}, os);
  FUZZ_REQUIRE(reader);
  for (bool more = true; more;) {
    const auto block = (*reader)->next();
    more = block && *block != nullptr;
    if (whole) FUZZ_REQUIRE(block);
  }
  if (whole) FUZZ_REQUIRE((*reader)->position() == header.end);
  return 0;
}
