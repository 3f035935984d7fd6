// The catalogue: its root page made from any rows, with the right checksum, in an environment that is sound otherwise.
// Every store that it names, opens or is refused; what opens is used, and dropped.
#include <cstring>

#include "db/env_impl.h"
#include "fuzz/support/exercise.h"
#include "fuzz/support/input.h"
#include "fuzz/support/repair.h"
#include "fuzz/support/target.h"
#include "page/leaf_record.h"
#include "page/page_header.h"
#include "page/slotted_page.h"

namespace aether::fuzz {
namespace {

std::string entry(uint32_t id, unsigned index, unsigned dropped, uint64_t root) {
  return InputWriter().put(id).byte(index).byte(dropped).put(uint16_t{0}).put(root).bytes();
}

std::string row(std::string_view name, std::string_view value) {
  return InputWriter().byte(0).put(uint64_t{5}).shortly_sized(name).shortly_sized(value).bytes();
}

}  // namespace

std::vector<std::string> seeds() {
  return {"",
          row("rows", entry(2, 1, 0, 3)),
          row("rows", entry(2, 1, 0, 3)) + row("large", entry(3, 1, 0, 4)),
          row("rows", entry(2, 1, 0, 3)) + row("twice", entry(2, 1, 0, 3)),
          row("self", entry(1, 1, 0, 2)),
          row(std::string("\0\2\0\0\0", 5), entry(2, 1, 1, 3)),
          row("future", entry(2, 2, 0, 3)),
          row("far", entry(0xffffffff, 1, 0, uint64_t{1} << 60)),
          row("short", "abc")};
}

}  // namespace aether::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aether;
  using namespace aether::fuzz;
  static const small::SmallEnv sound = small::make(small::State::closed);
  const std::unique_ptr<sim::SimOs> os = sound.os->copy();
  Input input(data, size);
  alignas(64) static std::byte bytes[4096];
  page::SlottedPage node(bytes, sizeof bytes);
  node.format(db::kCatalogueRoot, db::kCatalogueStore, 0, std::nullopt, std::nullopt);
  node.header().page.newest_txn = 500;
  for (int rows = 0; rows < 40 && !input.empty(); ++rows) {
    const uint8_t flags = input.byte();
    const TxnId txn = input.take<uint64_t>() >> 8;
    const std::string key(input.shortly_sized());
    std::string payload = InputWriter().put(page::RecordMeta(txn, flags).word()).bytes();
    payload += input.shortly_sized();
    const page::SlottedPage::Position at = node.lower_bound(key);
    if (at.exact ||
        !node.fits(static_cast<uint32_t>(key.size()), static_cast<uint32_t>(payload.size())))
      continue;
    node.insert(at.slot, key, payload);
  }
  static const uint64_t environment_id = Editor(*os).environment_id();
  page::seal(bytes, sizeof bytes, environment_id);
  {
    const auto file = os->open(small::kHome + std::string("/data"), {.write = true});
    FUZZ_REQUIRE(file &&
                 (*file)->write_at(raw(db::kCatalogueRoot) * sizeof bytes, bytes, sizeof bytes));
  }
  exercise(*os, {.truth = nullptr, .drop_stores = true, .again_after_refusal = size % 8 == 0});
  return 0;
}
