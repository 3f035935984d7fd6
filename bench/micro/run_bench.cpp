// Runs: how fast one is built, found in and read through; large values with and without the block cache.
//   aether-micro --benchmark_filter='Run|LargeValue'
#include <benchmark/benchmark.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <random>
#include <string>

#include "aether/aether.hpp"
#include "db/env_impl.h"
#include "db/transaction_impl.h"
#include "lsm/run.h"
#include "lsm/run_writer.h"

namespace aether {
namespace {

constexpr uint64_t kEntries = 500'000;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "run_bench: %s\n", what);
  std::abort();
}

/// In the working directory, so that it is on a disk; gone with the object.
struct Place {
  std::string home = "aether-run-bench";
  Place() { std::filesystem::remove_all(home); }
  ~Place() { std::filesystem::remove_all(home); }
};

std::string key_of(uint64_t i) {
  char key[17];
  std::snprintf(key, sizeof key, "%016llu", static_cast<unsigned long long>(i * 7));
  return key;
}

std::string value_of(uint64_t i) {
  // Half of it is the same for all: LZ4 halves it, as db_bench's values.
  std::string value(50, 'v');
  std::mt19937_64 random(i);
  while (value.size() < 100) value.push_back(static_cast<char>(random()));
  return value;
}

struct RunPlace {
  Place place;
  std::unique_ptr<db::EnvImpl> env;
  std::shared_ptr<const lsm::Run> run;

  RunPlace() {
    EnvOptions options;
    options.pool_bytes = 64 * MiB;
    options.block_cache_bytes = 128 * MiB;
    Result<std::unique_ptr<db::EnvImpl>> opened = db::EnvImpl::open(place.home, options,
                                                                    os::production());
    require(opened.has_value(), "cannot open");
    env = *std::move(opened);
  }
  ~RunPlace() {
    run.reset();
    require(env->close().has_value(), "cannot close");
  }

  uint64_t build(Compression codec) {
    db::TransactionPointer txn = *env->begin({});
    lsm::RunOptions options;
    static uint64_t next_run = 1;
    options.run_id = next_run++;
    options.store = 9;
    options.codec = codec;
    auto writer = lsm::RunWriter::create(env->services(), txn->context().log.stream, options);
    require(writer.has_value(), "no writer");
    for (uint64_t i = 0; i < kEntries; ++i) {
      const std::string key = key_of(i);
      require((*writer)
                  ->add({.key = key,
                         .writer = 5,
                         .kind = lsm::EntryKind::value,
                         .expiry_ms = 0,
                         .value = values()[i % values().size()]})
                  .has_value(),
              "add");
    }
    Result<lsm::RunReference> reference = (*writer)->finish(txn->context());
    require(reference.has_value() && txn->commit().has_value(), "finish");
    run = *lsm::Run::open(env->services(), *reference);
    return reference->bytes;
  }

  static const std::vector<std::string>& values() {
    static const std::vector<std::string> made = [] {
      std::vector<std::string> all;
      for (uint64_t i = 0; i < 10'000; ++i) all.push_back(value_of(i));
      return all;
    }();
    return made;
  }
};

void build(benchmark::State& state) {
  RunPlace place;
  RunPlace::values();
  uint64_t bytes = 0;
  for (auto step : state) bytes = place.build(Compression{static_cast<uint8_t>(state.range(0))});
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kEntries));
  state.counters["bytes_per_entry"] = static_cast<double>(bytes) / kEntries;
}
BENCHMARK(build)->Name("RunBuild")->Arg(0)->Arg(1)->Arg(2)->UseRealTime()->Iterations(2);

void get_hot(benchmark::State& state) {
  RunPlace place;
  place.build(Compression{static_cast<uint8_t>(state.range(0))});
  std::mt19937_64 random(1);
  lsm::FoundEntry found;
  for (uint64_t i = 0; i < kEntries; ++i)
    benchmark::DoNotOptimize(place.run->get(key_of(i), found));
  std::vector<std::string> keys;
  for (int i = 0; i < 100'000; ++i) keys.push_back(key_of(random() % kEntries));
  size_t at = 0;
  for (auto step : state) {
    const Result<bool> is_found = place.run->get(keys[at], found);
    require(is_found.has_value() && *is_found, "get");
    benchmark::DoNotOptimize(found.value);
    if (++at == keys.size()) at = 0;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(get_hot)->Name("RunGetHot")->Arg(1)->UseRealTime();

void scan(benchmark::State& state) {
  RunPlace place;
  place.build(Compression::lz4);
  const auto use = state.range(0) == 0 ? lsm::RunCursor::Use::cached : lsm::RunCursor::Use::once;
  for (auto step : state) {
    lsm::RunCursor cursor(place.run, use);
    uint64_t bytes = 0;
    Result<bool> more = cursor.first();
    for (; more.has_value() && *more; more = cursor.next()) bytes += cursor.entry().value.size();
    require(bytes == kEntries * 100, "scan");
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kEntries));
}
BENCHMARK(scan)->Name("RunScan")->Arg(0)->Arg(1)->UseRealTime()->Iterations(3);

/// 32 values of a megabyte; the argument: bytes of the cache (1: none).
void large_value(benchmark::State& state) {
  Place place;
  EnvOptions options;
  options.pool_bytes = 64 * MiB;
  options.block_cache_bytes = static_cast<uint64_t>(state.range(0));
  Result<std::unique_ptr<DbEnv>> env = DbEnv::open(place.home, options);
  require(env.has_value(), "cannot open");
  KvStore store = *(*env)->open_store("s");
  for (int i = 0; i < 32; ++i)
    require(store.put(key_of(static_cast<uint64_t>(i)), std::string(MiB, 'v')).has_value(), "put");
  uint64_t at = 0;
  for (auto step : state) {
    const Result<std::string> read = store.get(key_of(at++ % 32));
    require(read.has_value() && read->size() == MiB, "get");
  }
  state.SetItemsProcessed(state.iterations());
  require((*env)->close().has_value(), "cannot close");
}
BENCHMARK(large_value)->Name("LargeValueGet")->Arg(1)->Arg(256 << 20)->UseRealTime();

}  // namespace
}  // namespace aether
