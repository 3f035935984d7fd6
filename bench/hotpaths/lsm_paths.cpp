// Reads of a store of kind `lsm` whose rows have come in no order and lie in a handful of runs, all blocks in the cache.
#include <optional>
#include <string>
#include <vector>

#include "aether/aether.hpp"
#include "hotpaths/hot_path.h"
#include "hotpaths/rows.h"
#include "hotpaths/store_reads.h"

namespace aether::hotpaths {
namespace {

class RowsInRuns : public HotPath {
 protected:
  RowsInRuns() {
    open();
    const std::string value(kValueBytes, 'v');
    for (uint64_t row = 0; row < kRows; ++row) must(store_->put(key_of(row), value));
    // What is left in memory goes to a run, too: so a scan passes no skiplist, whose towers are by chance.
    store_.reset();
    must(env_->close());
    open();
    uint64_t rows = 0;
    must(store_->scan({}, [&rows](Bytes, Bytes) { return ++rows != 0; }));
    if (rows != kRows) std::abort();
    for (uint64_t i = 0; i < kRows; ++i) keys_.push_back(key_of(scramble(i + 7) % kRows));
  }
  ~RowsInRuns() override {
    store_.reset();
    must(env_->close());
  }

  Bytes next_key() {
    next_ = next_ + 1 == keys_.size() ? 0 : next_ + 1;
    return keys_[next_];
  }

 private:
  void open() {
    EnvOptions options;
    options.pool_bytes = 16 * MiB;
    options.block_cache_bytes = 64 * MiB;
    options.log_streams = 1;
    options.log_segment_bytes = 4 * MiB;
    options.durability = Durability::none;
    options.io_mode = IoMode::threads;
    options.background_threads = false;
    env_ = must(DbEnv::open(place_.path("env"), options));
    StoreOptions runs;
    runs.index = IndexKind::lsm;
    runs.lsm.compression = Compression::none;
    runs.lsm.nursery_bytes = 256 * KiB;
    store_.emplace(must(env_->open_store("rows", runs)));
  }

  Place place_;
  std::vector<std::string> keys_;
  size_t next_ = 0;
  std::unique_ptr<DbEnv> env_;

 protected:
  std::optional<KvStore> store_;
};

constexpr HotPathKind kPaths[] = {
    {"lsm_get", "a get of a random row of a store of runs", 4'000, make_path<GetOf<RowsInRuns>>},
    {"lsm_get_absent", "a get of a key that none of them has", 4'000,
     make_path<GetAbsentOf<RowsInRuns>>},
    {"lsm_scan_1", "a scan of the row at a random key of theirs", 1'000,
     make_path<ScanOf<RowsInRuns, 1>>},
    {"lsm_scan_100", "a scan of 100 rows of theirs from a random key", 200,
     make_path<ScanOf<RowsInRuns, 100>>},
};

}  // namespace

std::span<const HotPathKind> lsm_paths() { return kPaths; }

}  // namespace aether::hotpaths
