// What a key costs in memory, and what a radix tree is good at: prefixes.
//   aether-micro --benchmark_filter='MapMemory|Prefix|Rax|StoreGet'
// `keys`: 0 random 16 bytes, 1 names of cities, 2 URLs, 3 sequential numbers; values of 8 bytes.
#include <benchmark/benchmark.h>
#include <malloc.h>
#include <stdlib.h>

#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "aether/aether.hpp"
#include "micro/key_sets.h"
#include "micro/map_adapters.h"

namespace aether::bench {
namespace {

constexpr size_t kKeys = 500000;
constexpr Bytes kValue = "8 bytes.";

uint64_t heap_bytes() {
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

/// What `map` has beside the heap.
template <typename Map>
uint64_t mapped_bytes(Map& map) {
  if constexpr (requires { map.index().stats().region; }) {
    return map.index().stats().region.large_chunks * index::rax::Region::kLargeChunk;
  } else {
    return 0;
  }
}

double per_key(uint64_t bytes, size_t keys) {
  return static_cast<double>(bytes) / static_cast<double>(keys);
}

// As the allocator counts it, what lies between the blocks not included.
template <typename Map>
void memory(benchmark::State& state) {
  const std::vector<std::string> keys = make_keys(static_cast<KeySet>(state.range(0)), kKeys);
  uint64_t key_bytes = 0;
  for (const std::string& key : keys) key_bytes += key.size();
  double bytes = 0;
  for (auto step : state) {
    const uint64_t before = heap_bytes();
    const auto map = std::make_unique<Map>();
    for (const std::string& key : keys) map->insert(key, kValue);
    bytes = per_key(heap_bytes() - before + mapped_bytes(*map), keys.size());
  }
  state.counters["key_bytes"] = per_key(key_bytes, keys.size());
  state.counters["bytes_per_key"] = bytes;
}
BENCHMARK(memory<OurSkiplist>)->Name("MapMemory/Skiplist")->DenseRange(0, 3)->Iterations(1);
BENCHMARK(memory<OurRax>)->Name("MapMemory/Rax")->DenseRange(0, 3)->Iterations(1);
BENCHMARK(memory<StdMap>)->Name("MapMemory/std::map")->DenseRange(0, 3)->Iterations(1);
BENCHMARK(memory<StdUnorderedMap>)
    ->Name("MapMemory/std::unordered_map")
    ->DenseRange(0, 3)
    ->Iterations(1);
#if defined(AETHER_MICRO_HAVE_ROCKSDB)
BENCHMARK(memory<RocksMemtable>)->Name("MapMemory/RocksDB")->DenseRange(0, 3)->Iterations(1);
#endif
#if defined(AETHER_MICRO_HAVE_CDS)
BENCHMARK(memory<CdsSkiplist>)->Name("MapMemory/libcds")->DenseRange(0, 3)->Iterations(1);
#endif

/// A store in pages, in an environment of its own whose pool holds all of it.
class PageStore {
 public:
  PageStore(const std::vector<std::string>& keys, IndexKind kind) {
    std::string name = (std::filesystem::temp_directory_path() / "aether_micro_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    directory_ = name;
    EnvOptions options;
    options.pool_bytes = 1 * GiB;
    options.durability = Durability::none;
    env_ = *DbEnv::open(name + "/env", options);
    store_.emplace(*env_->open_store("keys", {.index = kind}));
    for (const std::string& key : keys) {
      if (!store_->put(key, kValue)) std::abort();
    }
  }
  ~PageStore() {
    store_.reset();
    static_cast<void>(env_->close());
    env_.reset();
    std::filesystem::remove_all(directory_);
  }
  PageStore(const PageStore&) = delete;
  PageStore& operator=(const PageStore&) = delete;
  KvStore& index() { return *store_; }
  uint64_t bytes() {
    const EnvStats stats = env_->stats();
    uint64_t pages = 0;
    for (const StoreStats& store : stats.stores) {
      if (store.name == "keys") pages += store.leaf_pages + store.inner_pages;
    }
    return pages * 4 * KiB;
  }

 private:
  std::string directory_;
  std::unique_ptr<DbEnv> env_;
  std::optional<KvStore> store_;
};

template <IndexKind kind>
void page_memory(benchmark::State& state) {
  const std::vector<std::string> keys = make_keys(static_cast<KeySet>(state.range(0)), kKeys);
  for (auto step : state) {
    PageStore store(keys, kind);
    state.counters["bytes_per_key"] = per_key(store.bytes(), keys.size());
  }
}
BENCHMARK(page_memory<IndexKind::btree>)->Name("MapMemory/btree")->DenseRange(0, 3)->Iterations(1);
BENCHMARK(page_memory<IndexKind::rax_paged>)
    ->Name("MapMemory/rax_paged")
    ->DenseRange(0, 3)
    ->Iterations(1);

/// All keys that begin with the first half of some key.
template <typename Index>
int64_t scan_prefix(const Index& index, const std::string& key, std::string& storage) {
  const Range range = Range::prefix(Bytes(key).substr(0, key.size() / 2), storage);
  int64_t seen = 0;
  const Result<uint64_t> count = index::scan(index, range, [&](Bytes, Bytes value) {
    seen += first_byte(value) >= 0 ? 1 : 0;
    return true;
  });
  return count ? seen : -1;
}

template <typename Store>
void prefix_scan(benchmark::State& state, Store& store, const std::vector<std::string>& keys) {
  std::mt19937_64 random(3);
  std::string storage;
  int64_t seen = 0;
  for (auto step : state) seen += scan_prefix(store.index(), keys[random() % keys.size()], storage);
  state.SetItemsProcessed(state.iterations());
  state.counters["keys_per_scan"] = static_cast<double>(seen) /
                                    static_cast<double>(state.iterations());
}

template <typename Map>
void prefix_scan_in_memory(benchmark::State& state) {
  const std::vector<std::string> keys = make_keys(static_cast<KeySet>(state.range(0)), kKeys);
  Map map;
  for (const std::string& key : keys) map.insert(key, kValue);
  prefix_scan(state, map, keys);
}
BENCHMARK(prefix_scan_in_memory<OurRax>)->Name("PrefixScan/Rax")->Arg(1)->Arg(2);
BENCHMARK(prefix_scan_in_memory<OurSkiplist>)->Name("PrefixScan/Skiplist")->Arg(1)->Arg(2);

template <IndexKind kind>
void prefix_scan_in_pages(benchmark::State& state) {
  const std::vector<std::string> keys = make_keys(static_cast<KeySet>(state.range(0)), kKeys);
  PageStore store(keys, kind);
  prefix_scan(state, store, keys);
}
BENCHMARK(prefix_scan_in_pages<IndexKind::btree>)->Name("PrefixScan/btree")->Arg(1)->Arg(2);
BENCHMARK(prefix_scan_in_pages<IndexKind::rax_paged>)->Name("PrefixScan/rax_paged")->Arg(1)->Arg(2);

/// Through a store, transaction and locks included, as a program reaches it.
template <IndexKind kind>
void page_get(benchmark::State& state) {
  const std::vector<std::string> keys = make_keys(static_cast<KeySet>(state.range(0)), kKeys);
  PageStore store(keys, kind);
  std::mt19937_64 random(3);
  for (auto step : state) {
    if (!store.index().visit(keys[random() % keys.size()], [](Bytes) {})) std::abort();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(page_get<IndexKind::btree>)->Name("StoreGet/btree")->DenseRange(0, 3);
BENCHMARK(page_get<IndexKind::rax_paged>)->Name("StoreGet/rax_paged")->DenseRange(0, 3);

void rax_seek(benchmark::State& state) {
  const std::vector<std::string> keys = make_keys(KeySet::urls, kKeys);
  OurRax map;
  for (const std::string& key : keys) map.insert(key, kValue);
  std::mt19937_64 random(3);
  const auto op = static_cast<index::SeekOp>(state.range(0));
  auto cursor = map.index().cursor();
  std::string wanted;
  for (auto step : state) {
    wanted = keys[random() % keys.size()];
    if (op == index::SeekOp::longest_prefix) wanted += "/and/more";
    if (!cursor.seek(op, wanted)) std::abort();
  }
}
BENCHMARK(rax_seek)
    ->Name("RaxSeek")
    ->Arg(static_cast<int64_t>(index::SeekOp::equal))
    ->Arg(static_cast<int64_t>(index::SeekOp::greater))
    ->Arg(static_cast<int64_t>(index::SeekOp::less))
    ->Arg(static_cast<int64_t>(index::SeekOp::longest_prefix));

void rax_random_walk(benchmark::State& state) {
  OurRax map;
  for (const std::string& key : make_keys(KeySet::urls, kKeys)) map.insert(key, kValue);
  std::mt19937_64 random(3);
  auto cursor = map.index().cursor();
  for (auto step : state) {
    if (!*cursor.random([&](uint64_t n) { return random() % n; })) std::abort();
  }
}
BENCHMARK(rax_random_walk)->Name("RaxRandomWalk");

}  // namespace
}  // namespace aether::bench
