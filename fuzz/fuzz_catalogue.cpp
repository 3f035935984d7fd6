// The catalogue: its root page made from any rows, in an environment that is sound otherwise. Every store that it names, opens
// or is refused, and is read; for some inputs the environment is opened with the page, and its stores are written to and dropped.
//
// Opening an environment costs a hundred times what a look at its catalogue does: one lives across inputs, and its catalogue's
// page is exchanged under it. Of what inputs have opened it keeps the frames: it is a new one when there are some of them.
#include <cstring>

#include "base/checksum.h"
#include "buffer/guard.h"
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

constexpr uint32_t kPageBytes = 4096;
constexpr uint64_t kInputsPerOpening = 512;
constexpr uint32_t kStoresOpened = 24;  // Each keeps a frame, of 120.
constexpr uint32_t kStoresPerInput = 4;

/// A small environment, and a store of each kind in it.
struct Sound {
  std::unique_ptr<sim::SimOs> os;
  std::vector<std::string> entries;  ///< Each store's row, as `make_page` reads it.
};

Sound make_sound() {
  Sound sound{.os = small::make(small::State::closed).os, .entries = {}};
  auto env = DbEnv::open(small::kHome, small::options(), *sound.os);
  FUZZ_REQUIRE(env);
  for (const IndexKind kind :
       {IndexKind::skiplist, IndexKind::rax, IndexKind::lsm, IndexKind::rax_paged}) {
    const std::string name = "kind" + std::to_string(static_cast<unsigned>(kind));
    auto store = (*env)->open_store(name, {.index = kind});
    FUZZ_REQUIRE(store);
    for (int i = 0; i < 20; ++i) FUZZ_REQUIRE(store->put(small::key_of(i), std::string(50, 'x')));
    FUZZ_REQUIRE(store->put("large", std::string(9000, 'y')));
  }
  FUZZ_REQUIRE((*env)->checkpoint());
  const Result<std::vector<std::string>> names = (*env)->list_stores();
  FUZZ_REQUIRE(names);
  for (const std::string& name : *names) {
    std::string value;
    FUZZ_REQUIRE((*env)->impl().catalogue().get(name, value, nullptr));
    sound.entries.push_back(row(name, value));
  }
  FUZZ_REQUIRE((*env)->close());
  sound.os = sound.os->copy();
  return sound;
}

const Sound& sound_one() {
  static const Sound& only = *new Sound(make_sound());
  return only;
}

/// The environment that lives across inputs, on a disk of its own.
struct World {
  std::unique_ptr<sim::SimOs> os;
  std::unique_ptr<DbEnv> env;
  uint32_t opened = 0;  ///< Stores, since it was new.

  DbEnv& ready() {
    if (env != nullptr && opened < kStoresOpened) return *env;
    env.reset();
    os = sound_one().os->copy();
    auto made = DbEnv::open(small::kHome, small::options(), *os);
    FUZZ_REQUIRE_SAYING(made, std::string(made.error().message()));
    env = *std::move(made);
    opened = 0;
    return *env;
  }
};

/// Ends with the program: whoever looks for leaks does not see through the words of a RAX.
World& world() {
  static World only;
  return only;
}

/// The catalogue's page with the input's rows. Their names end in `mark`: what an earlier input has opened is there under its
/// name.
page::SlottedPage make_page(Input input, std::byte* bytes, char mark) {
  page::SlottedPage node(bytes, kPageBytes);
  node.format(db::kCatalogueRoot, db::kCatalogueStore, 0, std::nullopt, std::nullopt);
  node.header().page.newest_txn = 500;
  for (int rows = 0; rows < 40 && !input.empty(); ++rows) {
    const uint8_t flags = input.byte();
    const TxnId txn = input.take<uint64_t>() >> 8;
    std::string key(input.shortly_sized());
    if (mark != 0) key += mark;
    std::string payload = InputWriter().put(page::RecordMeta(txn, flags).word()).bytes();
    payload += input.shortly_sized();
    const page::SlottedPage::Position at = node.lower_bound(key);
    if (at.exact ||
        !node.fits(static_cast<uint32_t>(key.size()), static_cast<uint32_t>(payload.size())))
      continue;
    node.insert(at.slot, key, payload);
  }
  return node;
}

void open_with(Input input) {
  const std::unique_ptr<sim::SimOs> os = sound_one().os->copy();
  std::string bytes(kPageBytes, '\0');
  make_page(input, reinterpret_cast<std::byte*>(bytes.data()), 0);
  Editor(*os).replace_page(raw(db::kCatalogueRoot), bytes);
  exercise(*os, {.truth = nullptr, .drop_stores = true});
}

void look_at(Input input) {
  DbEnv& env = world().ready();
  alignas(64) static std::byte bytes[kPageBytes];
  page::SlottedPage node = make_page(input, bytes, static_cast<char>('0' + world().opened));
  {
    buffer::Frame& root = env.impl().catalogue().root();
    const buffer::ExclusiveGuard guard = buffer::ExclusiveGuard::lock(root);
    std::byte* const there = env.impl().services().pool.page(root);
    node.header().page.gsn = page::SlottedPage(there, kPageBytes).header().page.gsn;
    std::memcpy(there, bytes, kPageBytes);
  }
  const Result<std::vector<std::string>> stores = env.list_stores();
  FUZZ_REQUIRE(stores || !stores.error().message().empty());
  if (!stores) return;
  uint32_t count = 0;
  for (const std::string& name : *stores) {
    if (++count > kStoresPerInput) break;
    Result<KvStore> store = env.open_store(name, {.create = false});
    FUZZ_REQUIRE(store || !store.error().message().empty());
    if (!store) continue;
    ++world().opened;
    read_store(*store);
  }
}

}  // namespace

std::vector<std::string> seeds() {
  std::vector<std::string> all = sound_one().entries;
  std::string together;
  for (const std::string& one : sound_one().entries) together += one;
  const std::vector<std::string> more = {
      together,
      "",
      row("rows", entry(2, 1, 0, 3)) + row("twice", entry(2, 1, 0, 3)),
      row("self", entry(1, 1, 0, 2)),
      row(std::string("\0\2\0\0\0", 5), entry(2, 1, 1, 3)),
      row("future", entry(2, 9, 0, 3)),
      row("far", entry(0xffffffff, 1, 0, uint64_t{1} << 60)),
      row("short", "abc")};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace aether::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aether;
  using namespace aether::fuzz;
  look_at(Input(data, size));
  if (base::checksum(data, size) % kInputsPerOpening == 0) open_with(Input(data, size));
  return 0;
}
