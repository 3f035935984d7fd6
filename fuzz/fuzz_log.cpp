// The log as files: segments of a few blocks, built from the input with as much of them made right as it says, read as
// recovery reads them. The reader ends, or says corruption; what it gives is in order; and what it gave it gives again.
#include <cstring>

#include "base/bytes.h"
#include "fuzz/support/input.h"
#include "fuzz/support/memory_os.h"
#include "fuzz/support/target.h"
#include "wal/block.h"
#include "wal/log_reader.h"
#include "wal/segment.h"

namespace aether::fuzz {
namespace {

using namespace wal;

constexpr uint64_t kSegmentBytes = 16 * KiB;  // A header and three slots.
constexpr uint64_t kSlots = kSegmentBytes / kBlockAlignment;
constexpr uint32_t kStreams = 2;
constexpr uint64_t kEnvironment = 0x1122334455667788;
constexpr uint32_t kEpoch = 2;

/// What the input says of a slot.
enum Slot : uint8_t {
  kIdentity = 1,
  kChain = 2,
  kTable = 4,
  kSealed = 8,
  kTwoSlots = 16,
  kAbsent = 32
};

struct Writer {
  LogPosition previous = 0;
  LsnVector ends{};
};

void fill_slot(std::string& file, LogPosition begin, uint64_t slot, uint8_t how,
               std::string_view bytes, Writer& writer) {
  char* at = file.data() + slot * kBlockAlignment;
  const LogPosition position = begin + slot * kBlockAlignment;
  const uint64_t room = file.size() - slot * kBlockAlignment;
  const uint64_t length = (how & kTwoSlots) != 0 && room >= 2 * kBlockAlignment
                              ? 2 * kBlockAlignment
                              : kBlockAlignment;
  std::memcpy(at, bytes.data(), std::min<uint64_t>(bytes.size(), length));
  auto header = base::load<BlockHeader>(at);
  if ((how & kIdentity) != 0) {
    header.magic = kBlockMagic;
    header.version = kBlockVersion;
    header.stream_count = kStreams;
    header.environment_id = kEnvironment;
    header.position = position;
    header.epoch = kEpoch;
    header.length = static_cast<uint32_t>(length);
  }
  if ((how & kChain) != 0) header.previous = writer.previous;
  base::store(at, header);
  if ((how & kTable) != 0) {
    for (uint32_t s = 0; s < kStreams; ++s) {
      char* entry_at = at + sizeof header + s * sizeof(ChunkEntry);
      auto entry = base::load<ChunkEntry>(entry_at);
      entry.stream = s;
      entry.length = entry.length % 512 & ~7u;
      entry.lsn = writer.ends.at[s];
      base::store(entry_at, entry);
      writer.ends.at[s] += entry.length;
    }
  }
  if ((how & kSealed) != 0 && header.length >= sizeof header && header.length <= room)
    seal_block(reinterpret_cast<std::byte*>(at), header.length);
  writer.previous = position;
}

void build(MemoryOs& os, Input& input) {
  os.files.clear();
  Writer writer;
  for (uint32_t s = 0; s < kStreams; ++s) writer.ends.at[s] = kFirstLsn;
  for (uint64_t segment = 1; segment <= 2; ++segment) {
    const uint8_t form = input.byte();
    if ((form & 1) != 0 && segment == 2) continue;
    std::string& file = os.files["/log/" + segment_name(segment)];
    file.assign(kSegmentBytes, '\0');
    auto* bytes = reinterpret_cast<std::byte*>(file.data());
    write_segment_header({.epoch = kEpoch + ((form & 2) != 0 ? 1u : 0u),
                          .environment_id = kEnvironment + ((form & 60) == 60 ? 1u : 0u),
                          .segment = segment + ((form & 4) != 0 ? 1u : 0u),
                          .segment_bytes = kSegmentBytes},
                         bytes);
    for (uint64_t slot = 1; slot < kSlots && !input.empty(); ++slot) {
      const uint8_t how = input.byte();
      if ((how & kAbsent) == 0)
        fill_slot(file, segment * kSegmentBytes, slot, how, input.shortly_sized(), writer);
    }
    if ((form & 0xc0) == 0xc0) file.resize(input.take<uint16_t>() % (kSegmentBytes + 1));
  }
}

/// All that the reader gives; positions only rise, and every block can be read again.
void read(MemoryOs& os, const LogReaderOptions& options, const std::vector<EpochExtent>& extents) {
  const auto reader = LogReader::open(options, extents, os);
  if (!reader) return;
  std::vector<LogPosition> positions;
  for (;;) {
    const Result<const Block*> block = (*reader)->next();
    if (!block) return;
    if (*block == nullptr) break;
    FUZZ_REQUIRE(positions.empty() || (*block)->position > positions.back());
    FUZZ_REQUIRE((*block)->end <= 3 * kSegmentBytes && positions.size() < 2 * kSlots);
    positions.push_back((*block)->position);
    for (const Chunk& chunk : (*block)->chunks) {
      RecordCursor cursor(chunk);
      for (;;) {
        const auto record = cursor.next();
        if (!record || !*record) break;
      }
    }
  }
  FUZZ_REQUIRE(positions.empty() || (*reader)->end() > positions.back());
  for (const LogPosition position : positions)
    FUZZ_REQUIRE((*reader)->read_block(position, kEpoch));
}

}  // namespace

std::vector<std::string> seeds() {
  const auto entry = [](uint32_t length) {
    return InputWriter().put(uint32_t{0}).put(length).put(uint64_t{0}).bytes();
  };
  const std::string block = std::string(sizeof(BlockHeader), '\0') + entry(24) + entry(48);
  constexpr unsigned kRight = kIdentity | kChain | kTable | kSealed;
  std::vector<std::string> all;
  for (const unsigned second : {kRight, kRight | kTwoSlots, unsigned{kAbsent}, kRight - kSealed}) {
    InputWriter to;
    to.byte(0).put(uint16_t{0});
    to.byte(0);
    to.byte(kRight).shortly_sized(block);
    to.byte(second);
    if (second != kAbsent) to.shortly_sized(block);
    to.byte(kAbsent).byte(0);
    to.byte(kRight).shortly_sized(block);
    all.push_back(to.bytes());
  }
  all.push_back(InputWriter()
                    .byte(1)
                    .put(uint16_t{8})
                    .byte(0)
                    .byte(kRight)
                    .shortly_sized(block)
                    .byte(kRight)
                    .shortly_sized(block)
                    .bytes());
  return all;
}

}  // namespace aether::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aether;
  using namespace aether::fuzz;
  Input input(data, size);
  const uint8_t form = input.byte();
  const uint64_t slots = input.take<uint16_t>();
  static MemoryOs os;
  build(os, input);
  const LogReaderOptions options{
      .directory = "/log",
      .environment_id = kEnvironment,
      .streams = kStreams,
      .segment_bytes = kSegmentBytes,
      .block_bytes_max = kSegmentBytes - kBlockAlignment,
      .known_durable = (form & 2) != 0 ? kSegmentBytes + slots % 16 * kBlockAlignment : 0};
  EpochExtent extent{.epoch = kEpoch, .begin = kSegmentBytes, .end = {}, .cut = {}};
  if ((form & 1) != 0) extent.end = kSegmentBytes + slots % 16 * kBlockAlignment;
  for (Lsn& lsn : extent.cut.at) lsn = kFirstLsn + (form >> 2) % 4 * 24;
  read(os, options, {extent});
  return 0;
}
