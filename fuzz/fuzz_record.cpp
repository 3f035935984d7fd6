// One block of the log, as bytes: its table, its records, their parts; all of it bounded by the bytes there are.
#include "base/bytes.h"
#include "fuzz/support/input.h"
#include "fuzz/support/target.h"
#include "wal/block.h"
#include "wal/log_reader.h"
#include "wal/record.h"
#include "wal/segment.h"

namespace aether::fuzz {
namespace {

using namespace wal;

constexpr uint32_t kStreams = 2;
constexpr uint64_t kEnvironment = 0x1122334455667788;

/// What a stream of the block says, walked as recovery walks it.
void walk(const Chunk& chunk, const LsnVector& cut) {
  RecordCursor cursor(chunk);
  Lsn lsn = chunk.lsn;
  uint64_t left = chunk.bytes.size();
  for (;;) {
    const Result<std::optional<RecordView>> record = cursor.next();
    if (!record) {
      FUZZ_REQUIRE(record.error().code() == Code::corruption);
      return;
    }
    if (!*record) break;
    const RecordView& view = **record;
    FUZZ_REQUIRE(view.lsn == lsn && view.header.length <= left);
    lsn += view.header.length;
    left -= view.header.length;
    static_cast<void>(view.covered_by(cut));
    uint64_t part_bytes = 0;
    uint32_t parts = 0;
    PartCursor walk_parts(view);
    while (const std::optional<PartView> part = walk_parts.next()) {
      part_bytes += (view.row ? 0 : sizeof(PartHeader)) + part->data.size();
      ++parts;
    }
    FUZZ_REQUIRE(part_bytes == view.parts.size());
    FUZZ_REQUIRE(view.header.type == RecordType::filler || parts == view.header.part_count);
    FUZZ_REQUIRE(view.parts.size() + view.undo.size() + view.vector.size() <= view.header.length);
  }
  FUZZ_REQUIRE(left == 0);
}

std::string record_bytes(const RecordSpec& spec) {
  std::string bytes(record_size(spec), '\0');
  auto* to = reinterpret_cast<std::byte*>(bytes.data());
  write_record(spec, to);
  base::store(to, static_cast<uint32_t>(bytes.size()));
  return bytes;
}

std::string block_of(const std::string (&streams)[kStreams]) {
  BlockHeader header{.stream_count = kStreams,
                     .environment_id = kEnvironment,
                     .position = 0x11000,
                     .epoch = 1,
                     .length = 4096};
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  for (uint32_t s = 0; s < kStreams; ++s) {
    const ChunkEntry entry{s, static_cast<uint32_t>(streams[s].size()), kFirstLsn};
    bytes.append(reinterpret_cast<const char*>(&entry), sizeof entry);
  }
  for (const std::string& records : streams) bytes += records;
  return bytes;
}

std::string sample_records(TxnId txn) {
  const std::string_view data[] = {"key=", "new"};
  const PartSpec parts[] = {
      {{.page_id = 5, .gsn_before = 3, .store = 2, .manager = ResourceManager::btree, .op = 1},
       data},
      {{.page_id = 1, .gsn_before = kFormatGsn, .manager = ResourceManager::space, .op = 2}, data}};
  const std::string_view undo[] = {"old"};
  LsnVector vector;
  vector.raise(1, 4711);
  std::string bytes = record_bytes({.txn = txn, .gsn = 4, .parts = {parts, 1}, .undo = undo});
  bytes += record_bytes({.txn = txn, .gsn = 5, .vector = &vector, .parts = parts});
  bytes += record_bytes(
      {.type = RecordType::clr, .txn = txn, .link = 64, .gsn = 6, .parts = {parts, 1}});
  const std::string_view row[] = {{"\3\0", 2}, "key", {"\0\xa\0\0\0\0\0\0", 8}, "new"};
  const PartSpec put{.header = {.store = 4}, .data = row};
  bytes += record_bytes({.flags = kFlagRow,
                         .txn = 10,
                         .link = 64,
                         .gsn = 7,
                         .vector = &vector,
                         .parts = {&put, 1},
                         .undo = undo});
  bytes += record_bytes(
      {.flags = kFlagRow | kFlagCommits, .txn = 10, .gsn = 8, .parts = {&put, 1}});
  bytes += record_bytes({.type = RecordType::commit, .txn = txn, .link = 64});
  bytes += record_bytes({.type = RecordType::prepare, .txn = txn, .undo = undo});
  return bytes;
}

}  // namespace

std::vector<std::string> seeds() {
  return {block_of({sample_records(9), ""}), block_of({sample_records(9), sample_records(10)}),
          block_of({"", record_bytes({.type = RecordType::filler})})};
}

}  // namespace aether::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aether;
  using namespace aether::fuzz;
  // In memory of just its size, so that a read behind the end is seen.
  const std::vector<char> copy(data, data + size);
  const std::string_view block(copy.data(), copy.size());
  static_cast<void>(claims_to_be(block, {kEnvironment, 0x11000, 1}));
  const uint64_t length = claimed_length(block, block.size());
  FUZZ_REQUIRE(length <= block.size());
  static_cast<void>(is_intact(block));
  SegmentHeader header;
  static_cast<void>(read_segment_header(block, header));
  const Result<BlockContent> content = parse_block(block, kStreams, "a block");
  if (!content) return 0;
  LsnVector cut;
  cut.raise(0, 500);
  for (uint32_t s = 0; s < kStreams; ++s)
    walk({.stream = s, .lsn = content->entries[s].lsn, .bytes = content->bytes[s]}, cut);
  return 0;
}
