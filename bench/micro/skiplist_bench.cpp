// The skiplist beside other ordered maps: inserts, gets and scans on one thread and on two.
//   aether-micro --benchmark_filter='Map(Insert|Get|Scan)/'
// `keys`: 0 random 16 bytes, 1 names of cities, 2 URLs, 3 sequential numbers; values of 100 bytes.
#include <benchmark/benchmark.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "micro/key_sets.h"
#include "micro/map_adapters.h"

namespace aether::bench {
namespace {

constexpr size_t kKeys = 1000000;

/// Not more than there are of that set, so that hardly a key comes twice.
int64_t inserts_of(int64_t set) {
  return static_cast<KeySet>(set) == KeySet::dictionary ? 135232 : 999000;
}

const std::vector<std::string>& keys_of(KeySet set) {
  static std::mutex mutex;
  static std::map<KeySet, std::vector<std::string>> sets;
  const std::lock_guard guard(mutex);
  std::vector<std::string>& keys = sets[set];
  if (keys.empty()) keys = make_keys(set, kKeys);
  return keys;
}

template <typename Map>
std::unique_ptr<Map>& shared_map() {
  static std::unique_ptr<Map> map;
  return map;
}

const std::string& value() {
  static const std::string bytes(100, 'v');
  return bytes;
}

// Before the first thread's loop nobody enters it, and after it all have left.
template <typename Map>
void insert(benchmark::State& state) {
  const std::vector<std::string>& keys = keys_of(static_cast<KeySet>(state.range(0)));
  std::unique_ptr<Map>& map = shared_map<Map>();
  if (state.thread_index() == 0) map = std::make_unique<Map>();
  size_t next = static_cast<size_t>(state.thread_index());
  for (auto step : state) {
    map->insert(keys[next % keys.size()], value());
    next += static_cast<size_t>(state.threads());
  }
  state.SetItemsProcessed(state.iterations());
  if (state.thread_index() == 0) map.reset();
}

/// Forgets the map that was filled before; `next` will forget the one that comes.
void drop_filled(std::function<void()> next) {
  static std::function<void()> last = [] {};
  std::exchange(last, std::move(next))();
}

/// Of all maps that are read, the one that was filled last: a benchmark is called several times until it takes long enough.
template <typename Map>
std::unique_ptr<Map>& filled() {
  static std::unique_ptr<Map> map;
  return map;
}

template <typename Map>
Map& filled_map(KeySet set) {
  static KeySet holds{};
  std::unique_ptr<Map>& map = filled<Map>();
  if (map != nullptr && holds == set) return *map;
  drop_filled([] { filled<Map>().reset(); });
  map = std::make_unique<Map>();
  holds = set;
  for (const std::string& key : keys_of(set)) map->insert(key, value());
  return *map;
}

/// Where thread `index` reads next: an order that has nothing to do with that of the inserts.
class Walk {
 public:
  Walk(size_t size, int index) : size_(size), at_(static_cast<uint64_t>(index) * 7919 + 1) {}
  size_t next() {
    at_ = at_ * 6364136223846793005 + 1442695040888963407;
    return (at_ >> 33) % size_;
  }

 private:
  const size_t size_;
  uint64_t at_;
};

template <typename Map>
void get(benchmark::State& state) {
  const std::vector<std::string>& keys = keys_of(static_cast<KeySet>(state.range(0)));
  if (state.thread_index() == 0) filled_map<Map>(static_cast<KeySet>(state.range(0)));
  Walk walk(keys.size(), state.thread_index());
  int found = 0;
  for (auto step : state) {  // Nobody is inside before the first thread has come here.
    found += filled<Map>()->get(keys[walk.next()]) >= 0 ? 1 : 0;
  }
  if (found != static_cast<int>(state.iterations())) state.SkipWithError("a key was not found");
  state.SetItemsProcessed(state.iterations());
}

/// Values of keys that are there, one after another of chance.
template <typename Map>
void put(benchmark::State& state) {
  const std::vector<std::string>& keys = keys_of(static_cast<KeySet>(state.range(0)));
  Map& map = filled_map<Map>(static_cast<KeySet>(state.range(0)));
  Walk walk(keys.size(), 0);
  for (auto step : state) map.put(keys[walk.next()], value());
  state.SetItemsProcessed(state.iterations());
}

template <typename Map>
void scan(benchmark::State& state) {
  const std::vector<std::string>& keys = keys_of(static_cast<KeySet>(state.range(0)));
  if (state.thread_index() == 0) filled_map<Map>(static_cast<KeySet>(state.range(0)));
  Walk walk(keys.size(), state.thread_index());
  int64_t seen = 0;
  for (auto step : state) seen += filled<Map>()->scan(keys[walk.next()], 100);
  state.SetItemsProcessed(seen);
}

template <typename Map>
void scan_back(benchmark::State& state) {
  const std::vector<std::string>& keys = keys_of(static_cast<KeySet>(state.range(0)));
  Map& map = filled_map<Map>(static_cast<KeySet>(state.range(0)));
  Walk walk(keys.size(), 0);
  int64_t seen = 0;
  for (auto step : state) seen += map.scan_back(keys[walk.next()], 100);
  state.SetItemsProcessed(seen);
}

template <typename Map>
std::string name(const char* what) {
  return std::string(what) + "/" + Map::kName;
}

template <typename Map>
void register_ordered(const std::vector<int64_t>& sets, bool scans) {
  for (const int64_t set : sets) {
    for (const int threads : {1, 2}) {
      if (threads == 1 || Map::kManyWriters) {
        benchmark::RegisterBenchmark(name<Map>("MapInsert").c_str(), insert<Map>)
            ->Arg(set)
            ->Threads(threads)
            ->UseRealTime()
            ->Iterations(inserts_of(set) / threads);
      }
      benchmark::RegisterBenchmark(name<Map>("MapGet").c_str(), get<Map>)
          ->Arg(set)
          ->Threads(threads)
          ->UseRealTime();
      if constexpr (requires(Map & map) { map.scan("", 1); }) {
        if (!scans) continue;
        benchmark::RegisterBenchmark(name<Map>("MapScan").c_str(), scan<Map>)
            ->Arg(set)
            ->Threads(threads)
            ->UseRealTime();
      }
    }
  }
}

const bool registered = [] {
  const std::vector<int64_t> sets = {0, 1, 2, 3};
  register_ordered<OurSkiplist>(sets, true);
  register_ordered<OurRax>(sets, true);
  register_ordered<StdMap>(sets, true);
  register_ordered<StdUnorderedMap>(sets, false);
#if defined(AETHER_MICRO_HAVE_ROCKSDB)
  register_ordered<RocksMemtable>(sets, true);
#endif
#if defined(AETHER_MICRO_HAVE_CDS)
  register_ordered<CdsSkiplist>(sets, false);
#endif
  benchmark::RegisterBenchmark(name<OurSkiplist>("MapScanBack").c_str(), scan_back<OurSkiplist>)
      ->Arg(0);
  for (const int64_t set : sets) {
    benchmark::RegisterBenchmark(name<OurSkiplist>("MapPut").c_str(), put<OurSkiplist>)->Arg(set);
    benchmark::RegisterBenchmark(name<OurRax>("MapPut").c_str(), put<OurRax>)->Arg(set);
  }
  benchmark::RegisterBenchmark(name<OurRax>("MapScanBack").c_str(), scan_back<OurRax>)->Arg(0);
  return true;
}();

}  // namespace
}  // namespace aether::bench
