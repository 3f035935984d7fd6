#include "drive.h"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <thread>
#include <utility>

#include "process.h"

namespace aether::bench {
namespace {

enum class Phase : uint8_t { warm_up, measure, stop };

/// What one thread found; on a cache line of its own while it runs.
struct alignas(128) Lane {
  Histogram ticks;
  LongestPause pause;
  uint64_t operations = 0;
  uint64_t warm_up_operations = 0;
  uint64_t retries = 0;
};

void run_lane(Worker& worker, Lane& lane, std::atomic<Phase>& phase, std::barrier<>& start) {
  start.arrive_and_wait();
  Pauses pauses;
  Phase seen = phase.load(std::memory_order_relaxed);
  uint64_t retries_before = 0;
  uint64_t before = ticks();
  for (;;) {
    const Phase now = phase.load(std::memory_order_relaxed);
    if (now == Phase::stop) break;
    if (now != seen) {
      lane.ticks.clear();
      pauses.clear();
      lane.warm_up_operations = std::exchange(lane.operations, 0);
      retries_before = worker.retries();
      worker.start_measuring();
      seen = now;
      before = ticks();
    }
    if (!worker.step()) break;
    const uint64_t after = ticks();
    lane.ticks.record(after - before);
    ++lane.operations;
    before = pauses.step(before, after);
  }
  lane.pause = pauses.longest();
  lane.retries = worker.retries() - retries_before;
  if (!worker.error().empty()) phase.store(Phase::stop, std::memory_order_relaxed);
}

/// Waits in small steps, so that a failed worker ends the run at once.
void wait_in_phase(double seconds, const std::atomic<Phase>& phase) {
  const uint64_t end = clock_ns() + static_cast<uint64_t>(seconds * 1e9);
  while (phase.load(std::memory_order_relaxed) != Phase::stop) {
    const uint64_t now = clock_ns();
    if (now >= end) return;
    sleep_seconds(std::min(static_cast<double>(end - now) * 1e-9, 0.1));
  }
}

}  // namespace

Result<Measured> drive(std::vector<std::unique_ptr<Worker>>& workers, const Timing& timing) {
  const bool to_the_end = timing.seconds <= 0;
  std::atomic<Phase> phase{to_the_end ? Phase::measure : Phase::warm_up};
  std::barrier<> start(static_cast<std::ptrdiff_t>(workers.size() + 1));
  std::vector<Lane> lanes(workers.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < workers.size(); ++i) {
    threads.emplace_back([&, i] { run_lane(*workers[i], lanes[i], phase, start); });
  }

  // Ticks become nanoseconds by comparing both clocks over the whole run.
  const uint64_t all_ticks = ticks();
  const uint64_t all_ns = clock_ns();
  // Nobody works before this thread arrives; after it, short work may be done before it runs again.
  Usage usage = usage_now();
  uint64_t begin_ns = clock_ns();
  start.arrive_and_wait();
  if (!to_the_end) {
    wait_in_phase(timing.warm_up_seconds, phase);
    Phase expected = Phase::warm_up;
    phase.compare_exchange_strong(expected, Phase::measure);
    usage = usage_now();
    begin_ns = clock_ns();
    wait_in_phase(timing.seconds, phase);
    phase.store(Phase::stop, std::memory_order_relaxed);
  } else {
    for (std::thread& thread : threads) thread.join();
  }
  Measured measured;
  measured.seconds = static_cast<double>(clock_ns() - begin_ns) * 1e-9;
  measured.cpu_seconds = usage_now().cpu_seconds - usage.cpu_seconds;
  for (std::thread& thread : threads) {
    if (thread.joinable()) thread.join();
  }
  const double ns_per_tick = static_cast<double>(clock_ns() - all_ns) /
                             static_cast<double>(ticks() - all_ticks);

  for (size_t i = 0; i < workers.size(); ++i) {
    if (!workers[i]->error().empty()) return Error(Code::failed, workers[i]->error());
    if (workers[i]->background()) {
      measured.background_operations += lanes[i].operations;
      continue;
    }
    const uint64_t weight = workers[i]->operations_per_step();
    measured.latency.merge(lanes[i].ticks);
    measured.pause.merge(lanes[i].pause);
    measured.operations += lanes[i].operations * weight;
    measured.warm_up_operations += lanes[i].warm_up_operations * weight;
    measured.retries += lanes[i].retries;
  }
  measured.us_per_tick = ns_per_tick * 1e-3;
  return measured;
}

void describe_measured(const Measured& measured, JsonObject& result) {
  const auto us = [&measured](double quantile) {
    return measured.latency.quantile(quantile) * measured.us_per_tick;
  };
  result.set("ops", static_cast<double>(measured.operations));
  result.set("warm_up_ops", static_cast<double>(measured.warm_up_operations));
  result.set("seconds", measured.seconds);
  result.set("ops_per_s", static_cast<double>(measured.operations) / measured.seconds);
  result.set("p50_us", us(0.5));
  result.set("p99_us", us(0.99));
  result.set("p999_us", us(0.999));
  result.set("max_us", static_cast<double>(measured.latency.max()) * measured.us_per_tick);
  const auto us_of = [](uint64_t ns) { return static_cast<double>(ns) * 1e-3; };
  result.set("pause_work_us", us_of(measured.pause.work));
  result.set("pause_processor_us", us_of(measured.pause.processor));
  result.set("pause_sleep_us", us_of(measured.pause.sleep));
  result.set("cpu_seconds", measured.cpu_seconds);
  result.set("retries", static_cast<double>(measured.retries));
  result.set("background_ops_per_s",
             static_cast<double>(measured.background_operations) / measured.seconds);
}

}  // namespace aether::bench
