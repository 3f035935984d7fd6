// Runs of older versions and their filters: a run is written, its file damaged (with the blocks' checksums made right, as
// the input says), and read. What is found in an undamaged run is what was put in; the filter never says no to it.
#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/checksum.h"
#include "fuzz/support/input.h"
#include "fuzz/support/memory_os.h"
#include "fuzz/support/target.h"
#include "txn/transaction_table.h"
#include "txn/version_run.h"
#include "wal/log.h"

namespace aether::fuzz {
namespace {

using namespace txn;

constexpr const char* kPath = "/versions/1.run";

struct Row {
  std::string key;
  std::string payload;
  TxnId writer = 0;
  VersionView view() const {
    VersionView version;
    const RowKey row(3, key);
    version.hash = row.hash;
    version.writer = writer;
    version.superseded_by = writer + 1000;
    version.store = 3;
    version.key = key;
    version.payload = payload;
    return version;
  }
};

std::vector<Row> take_rows(Input& input) {
  std::vector<Row> rows;
  for (uint32_t count = input.byte() % 24; count > 0; --count) {
    Row row;
    row.key = input.shortly_sized();
    row.payload.assign(input.below(9000), static_cast<char>(count));
    row.writer = 1 + input.byte() % 16;
    rows.push_back(std::move(row));
  }
  std::sort(rows.begin(), rows.end(),
            [](const Row& a, const Row& b) { return comes_before(a.view(), b.view()); });
  // A snapshot reads one version of a row: here each row has one.
  rows.erase(std::unique(rows.begin(), rows.end(),
                         [](const Row& a, const Row& b) { return a.key == b.key; }),
             rows.end());
  return rows;
}

/// Edits the file. True: nothing was changed.
bool damage(std::string& file, Input& input) {
  const bool seal = input.byte() % 4 != 0;
  bool untouched = true;
  while (!input.empty()) {
    const size_t at = input.take<uint32_t>() % (file.size() + 1);
    const std::string_view bytes = input.shortly_sized();
    for (size_t i = 0; i < bytes.size() && at + i < file.size(); ++i) {
      untouched = untouched && file[at + i] == bytes[i];
      file[at + i] = bytes[i];
    }
    if (bytes.empty() && at % 16 == 15 && !file.empty()) {
      file.resize(at);
      untouched = false;
    }
  }
  if (!seal || untouched) return untouched;
  // Blocks follow each other as the writer made them only where their sizes are as they were.
  for (uint64_t offset = 0; offset + 16 <= file.size();) {
    const uint64_t bytes = base::load<uint32_t>(file.data() + offset + 8);
    if (bytes < 16 || bytes > file.size() - offset) break;
    base::store(file.data() + offset,
                base::checksum(file.data() + offset + 8, bytes - 8, MemoryOs::kRandom + offset));
    offset += bytes;
  }
  return false;
}

/// A table of transactions, for the snapshot: it sees those below 1000.
struct Table {
  MemoryOs os;
  std::unique_ptr<wal::Log> log;
  std::unique_ptr<TransactionTable> table;
  Snapshot snapshot;
  Table() {
    wal::LogStart start;
    for (Lsn& lsn : start.lsn.at) lsn = kFirstLsn;
    log = *wal::Log::create(
        {.directory = "/log", .segment_bytes = 64 * KiB, .background_thread = false}, start, os);
    table = std::make_unique<TransactionTable>(*log, 1000);
    table->open_snapshot(snapshot);
  }
};

}  // namespace

std::vector<std::string> seeds() {
  InputWriter small;
  small.byte(3).byte(64);
  for (const char* key : {"a", "bb", "ccc"}) small.shortly_sized(key).put(uint16_t{20}).byte(4);
  InputWriter large;
  large.byte(12).byte(1);
  for (char key = 'a'; key < 'm'; ++key)
    large.shortly_sized(std::string(3, key)).put(uint16_t{5000}).byte(static_cast<unsigned>(key));
  const std::string
      damaged = InputWriter().byte(1).put(uint32_t{24}).shortly_sized("damage").bytes();
  return {small.bytes(), large.bytes(), small.bytes() + damaged, large.bytes() + damaged};
}

}  // namespace aether::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aether;
  using namespace aether::fuzz;
  static Table& table = *new Table;  // Alive to the end: the snapshot is open.
  static MemoryOs os;
  os.files.clear();
  Input input(data, size);
  const std::vector<Row> rows = take_rows(input);
  const uint64_t filter_bytes = input.byte();
  VersionFilter filter(rows.size(), filter_bytes);
  const auto writer = VersionRunWriter::create(kPath, rows.size(), filter_bytes, os);
  FUZZ_REQUIRE(writer);
  for (const Row& row : rows) {
    FUZZ_REQUIRE((*writer)->add(row.view()));
    filter.add(row.view().hash);
  }
  const auto run = (*writer)->finish();
  FUZZ_REQUIRE(run);
  const bool whole = damage(os.files[kPath], input);
  std::string payload;
  for (const Row& row : rows) {
    FUZZ_REQUIRE(filter.may_contain(row.view().hash));
    const Result<bool> found = (*run)->find(RowKey(3, row.key), table.snapshot, payload);
    if (whole) FUZZ_REQUIRE(found && *found && payload == row.payload);
    if (!found) FUZZ_REQUIRE(found.error().code() == Code::corruption);
  }
  VersionRunReader reader(*run);
  uint64_t read = 0;
  for (;;) {
    const Result<bool> more = reader.next();
    if (!more || !*more) {
      FUZZ_REQUIRE(!whole || (more && read == rows.size()));
      break;
    }
    if (whole) FUZZ_REQUIRE(reader.current().key == rows[read].key);
    ++read;
    FUZZ_REQUIRE(read <= os.files[kPath].size());
  }
  return 0;
}
