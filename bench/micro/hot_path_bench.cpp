// How long each hot path takes (bench/hotpaths/, whose instructions tools/hotpaths counts); latches that two threads want.
//   aether-micro --benchmark_filter='HotPath|Latch'
#include <benchmark/benchmark.h>

#include "buffer/guard.h"
#include "hotpaths/hot_path.h"

namespace aether::hotpaths {
namespace {

void time_path(benchmark::State& state, const HotPathKind& kind) {
  const std::unique_ptr<HotPath> path = kind.make();
  const auto count = static_cast<benchmark::IterationCount>(kind.count);
  while (state.KeepRunningBatch(count)) {
    state.PauseTiming();
    path->prepare(kind.count);
    state.ResumeTiming();
    path->run(kind.count);
  }
  state.SetItemsProcessed(state.iterations());
}

// UseRealTime: what waits for a disk is not hidden.
[[maybe_unused]] const bool registered = [] {
  for (const auto paths : {page_paths(), log_paths(), txn_paths(), store_paths(), lsm_paths()}) {
    for (const HotPathKind& kind : paths) {
      const std::string name = std::string("HotPath/") + kind.name;
      benchmark::RegisterBenchmark(name.c_str(), [&kind](benchmark::State& state) {
        time_path(state, kind);
      })->UseRealTime();
    }
  }
  return true;
}();

// --- One latch, two threads -------------------------------------------------------------------------------

buffer::Frame& shared_frame() {
  static buffer::Frame frame;
  return frame;
}

void optimistic(benchmark::State& state) {
  for (auto step : state) {
    const buffer::OptimisticGuard guard = buffer::OptimisticGuard::enter(shared_frame());
    benchmark::DoNotOptimize(guard.validate());
  }
}
BENCHMARK(optimistic)->Name("LatchOptimistic")->Threads(1)->Threads(2)->UseRealTime();

void shared(benchmark::State& state) {
  for (auto step : state) {
    const buffer::SharedGuard guard = buffer::SharedGuard::lock(shared_frame());
    benchmark::DoNotOptimize(&guard);
  }
}
BENCHMARK(shared)->Name("LatchShared")->Threads(1)->Threads(2)->UseRealTime();

void exclusive(benchmark::State& state) {
  for (auto step : state) {
    const buffer::ExclusiveGuard guard = buffer::ExclusiveGuard::lock(shared_frame());
    benchmark::DoNotOptimize(&guard);
  }
}
BENCHMARK(exclusive)->Name("LatchExclusive")->Threads(1)->Threads(2)->UseRealTime();

// One writes, the other reads and reads again where it was disturbed.
void reader_and_writer(benchmark::State& state) {
  uint64_t disturbed = 0;
  for (auto step : state) {
    if (state.thread_index() == 0) {
      const buffer::ExclusiveGuard guard = buffer::ExclusiveGuard::lock(shared_frame());
      benchmark::DoNotOptimize(&guard);
    } else {
      const buffer::OptimisticGuard guard = buffer::OptimisticGuard::enter(shared_frame());
      if (!guard.validate()) ++disturbed;
    }
  }
  state.counters["disturbed"] = static_cast<double>(disturbed);
}
BENCHMARK(reader_and_writer)->Name("LatchReaderAndWriter")->Threads(2)->UseRealTime();

}  // namespace
}  // namespace aether::hotpaths
