// Runs of an LSM: one is written into an environment, its bytes are damaged (with the checksums of pages and blocks made right,
// as the input says), and it is read by key and by cursor. What is found in an undamaged run is what was put in; in a damaged
// one every answer comes to an end, and every error is corruption. References, footers and times of expiry are also read from raw bytes.
#include <algorithm>

#include "base/bytes.h"
#include "base/checksum.h"
#include "db/env_impl.h"
#include "db/transaction_impl.h"
#include "fuzz/support/input.h"
#include "fuzz/support/target.h"
#include "lsm/expiry_times.h"
#include "lsm/run.h"
#include "lsm/run_format.h"
#include "lsm/run_writer.h"
#include "page/overflow_page.h"
#include "sim/sim_os.h"

namespace aether::fuzz {
namespace {

using namespace lsm;

struct Row {
  std::string key;
  TxnId writer = 0;
  EntryKind kind = EntryKind::value;
  std::string value;
};

std::vector<Row> take_rows(Input& input) {
  std::vector<Row> rows;
  for (uint32_t count = input.byte() % 32; count > 0; --count) {
    Row row;
    row.key = input.shortly_sized();
    row.writer = input.byte() % 8;
    row.kind = input.byte() % 4 == 0 ? EntryKind::tombstone : EntryKind::value;
    if (row.kind == EntryKind::value) row.value.assign(input.below(4000), static_cast<char>(count));
    rows.push_back(std::move(row));
  }
  const auto order = [](const Row& a, const Row& b) {
    return compare_places(a.key, a.writer, b.key, b.writer);
  };
  std::sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) { return order(a, b) < 0; });
  rows.erase(std::unique(rows.begin(), rows.end(),
                         [&](const Row& a, const Row& b) { return order(a, b) == 0; }),
             rows.end());
  return rows;
}

/// One that lives as long as the process; each run is taken back.
db::EnvImpl& environment() {
  static sim::SimOs& os = *new sim::SimOs;
  static db::EnvImpl& env = *[] {
    EnvOptions options;
    options.pool_bytes = 1 * MiB;
    options.log_streams = 1;
    options.log_segment_bytes = 256 * KiB;
    options.log_bytes_max = 1 * MiB;
    options.background_threads = false;
    auto opened = db::EnvImpl::open("/env", options, os);
    FUZZ_REQUIRE_SAYING(opened, std::string(opened.error().message()));
    return opened->release();
  }();
  return env;
}

/// The bytes of a run of one extent, as its pages have them.
std::string bytes_of(db::EnvImpl& env, const RunReference& reference) {
  std::string bytes;
  buffer::AlignedBuffer page(env.options().page_bytes);
  for (uint32_t i = 0; i < reference.pages; ++i) {
    FUZZ_REQUIRE(env.services().pool.data().read(PageId{reference.first_page + i}, page.data()));
    FUZZ_REQUIRE(page::take_payload(page.data(), env.options().page_bytes,
                                    PageId{reference.first_page}, i, bytes));
  }
  return bytes;
}

void write_back(db::EnvImpl& env, txn::TransactionContext& context, const RunReference& reference,
                const std::string& bytes) {
  const uint32_t page_bytes = env.options().page_bytes;
  buffer::AlignedBuffer memory(reference.pages * page_bytes);
  buffer::DataFile& data = env.services().pool.data();
  page::fill_extent({memory.data(), memory.size()}, page_bytes, data.environment_id(),
                    PageId{reference.first_page}, reference.store, context.log.gsn, kNoPage, bytes);
  FUZZ_REQUIRE(env.services().writer.write_unreferenced(
      context.log.stream, PageId{reference.first_page}, memory.data(), reference.pages));
}

/// Where the blocks of an undamaged run lie.
std::vector<BlockPlace> places_of(const RunReference& reference, const std::string& bytes) {
  std::vector<BlockPlace> places;
  const uint64_t footer = reference.bytes - reference.footer_bytes;
  for (uint64_t at = 0; at + sizeof(BlockHeader) <= footer;) {
    const uint64_t stored = base::load<BlockHeader>(bytes.data() + at).stored_bytes;
    if (base::load<BlockHeader>(bytes.data() + at).kind == BlockKind{}) break;  // Padding.
    places.push_back({at, sizeof(BlockHeader) + stored});
    at += sizeof(BlockHeader) + stored;
  }
  places.push_back({footer, reference.footer_bytes});
  return places;
}

/// Edits the bytes. True: nothing was changed.
bool damage(std::string& bytes, RunReference& reference, Input& input) {
  const std::string before = bytes;
  const std::vector<BlockPlace> places = places_of(reference, bytes);
  const bool seal = input.byte() % 4 != 0;
  while (!input.empty()) {
    const BlockPlace& place = places[input.byte() % places.size()];
    const uint64_t at = place.offset + input.below(static_cast<uint32_t>(place.bytes));
    const std::string_view edit = input.shortly_sized();
    for (size_t i = 0; i < edit.size() && at + i < bytes.size(); ++i) bytes[at + i] = edit[i];
  }
  if (bytes == before) return true;
  if (!seal) return false;
  for (const BlockPlace& place : places) {
    base::store(bytes.data() + place.offset,
                base::checksum(bytes.data() + place.offset + 8, place.bytes - 8,
                               block_seed(reference.run_id, place.offset)));
  }
  reference.checksum = base::load<uint64_t>(bytes.data() + places.back().offset);
  return false;
}

bool is_expected(const Error& error) {
  return error.code() == Code::corruption || error.code() == Code::unsupported;
}

void read(db::EnvImpl& env, const RunReference& reference, const std::vector<Row>& rows, bool whole,
          RunCursor::Use use) {
  const auto run = Run::open(env.services(), reference);
  if (!run) {
    FUZZ_REQUIRE(!whole && is_expected(run.error()));
    return;
  }
  for (const Row& row : rows) {
    FoundEntry found;
    const Result<bool> is_found = (*run)->get(
        row.key, [&](TxnId writer) { return writer <= row.writer; }, found);
    if (whole) FUZZ_REQUIRE(is_found && *is_found && found.value == row.value);
    if (!is_found) FUZZ_REQUIRE(is_expected(is_found.error()));
  }
  RunCursor cursor(*run, use);
  uint64_t count = 0;
  Result<bool> more = cursor.first();
  // A forged index may lead in a circle.
  for (; more && *more && count < 100'000; more = cursor.next()) {
    if (whole) FUZZ_REQUIRE(cursor.entry().key == rows[count].key);
    ++count;
  }
  if (whole) FUZZ_REQUIRE(more && count == rows.size());
  if (!more) FUZZ_REQUIRE(is_expected(more.error()));
  more = cursor.seek_for_prev("m");
  for (count = 0; more && *more && count < 1000; ++count) more = cursor.prev();
  const Result<void> checked = (*run)->check([](PageId) { return Result<void>(); });
  if (whole) FUZZ_REQUIRE(checked);
  if (!checked) FUZZ_REQUIRE(is_expected(checked.error()));
}

}  // namespace

std::vector<std::string> seeds() {
  InputWriter small;
  small.byte(1).byte(2).byte(16).byte(3);
  for (const char* key : {"a", "bb", "ccc"})
    small.shortly_sized(key).byte(4).byte(1).put(uint16_t{20});
  InputWriter large;
  large.byte(1).byte(1).byte(2).byte(12);
  for (char key = 'a'; key < 'm'; ++key)
    large.shortly_sized(std::string(3, key)).byte(1).byte(1).put(uint16_t{2500});
  const std::string
      damaged = InputWriter().byte(1).byte(0).put(uint16_t{30}).shortly_sized("damage").bytes();
  RunFooter footer;
  footer.extents.push_back({PageId{5}, 3});
  footer.sections.push_back({1, {24, 48}});
  ExpiryTimes times;
  times.add(1'700'000'000'000, 10);
  times.add(1'700'000'060'000, 20);
  return {small.bytes(),
          large.bytes(),
          small.bytes() + damaged,
          large.bytes() + damaged,
          InputWriter().byte(0).raw(footer.encode()).bytes(),
          InputWriter().byte(0).raw(RunReference().encode()).bytes(),
          InputWriter().byte(0).raw(times.encode()).bytes()};
}

}  // namespace aether::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aether;
  using namespace aether::fuzz;
  Input input(data, size);
  if (input.byte() % 2 == 0) {
    const std::string_view bytes = input.rest();
    const Result<RunFooter> footer = RunFooter::decode(bytes);
    if (footer) FUZZ_REQUIRE(footer->encode() == bytes);
    const Result<RunReference> reference = RunReference::decode(bytes);
    if (reference) FUZZ_REQUIRE(reference->encode() == bytes);
    const Result<ExpiryTimes> times = ExpiryTimes::decode(bytes);
    if (times) FUZZ_REQUIRE(times->encode() == bytes && times->all().entries > 0);
    return 0;
  }
  db::EnvImpl& env = environment();
  RunOptions options;
  options.run_id = 7;
  options.store = 9;
  options.codec = Compression{static_cast<uint8_t>(input.byte() % 3)};
  options.block_bytes = 4 * KiB;
  options.restart_interval = 1 + input.byte() % 20;
  const std::vector<Row> rows = take_rows(input);
  // One extent holds it all, and no larger a one than that needs: its memory is what an input costs.
  uint64_t row_bytes = 0;
  for (const Row& row : rows) row_bytes += row.key.size() + row.value.size() + 64;
  options.extent_bytes = row_bytes < 40 * KiB ? 64 * KiB : 256 * KiB;
  FUZZ_REQUIRE(env.pace_log());
  Result<db::TransactionPointer> txn = env.begin({});
  FUZZ_REQUIRE(txn);
  txn::TransactionContext& context = (*txn)->context();
  {
    const auto writer = RunWriter::create(env.services(), context.log.stream, options);
    FUZZ_REQUIRE(writer);
    for (const Row& row : rows) {
      FUZZ_REQUIRE((*writer)->add({.key = row.key,
                                   .writer = row.writer,
                                   .kind = row.kind,
                                   .expiry_ms = 0,
                                   .value = row.value}));
    }
    Result<RunReference> reference = (*writer)->finish(context);
    FUZZ_REQUIRE(reference);
    std::string bytes = bytes_of(env, *reference);
    const bool whole = damage(bytes, *reference, input);
    if (!whole) write_back(env, context, *reference, bytes);
    // As merges read it, or as cursors do.
    read(env, *reference, rows, whole,
         options.restart_interval % 2 == 0 ? RunCursor::Use::once : RunCursor::Use::cached);
  }
  FUZZ_REQUIRE((*txn)->abort());
  FUZZ_REQUIRE(env.services().log.flush());  // Then its pages can be taken again.
  return 0;
}
