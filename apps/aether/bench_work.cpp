#include "apps/aether/bench_work.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "apps/aether/signals.h"
#include "apps/aether/zipf.h"
#include "os/os.h"

namespace aether::cli {
namespace {

constexpr double kZipfExponent = 0.99;  // As in YCSB.
constexpr size_t kKeyBytes = 16;

/// Bytes that no compression makes smaller; each time others.
class Values {
 public:
  Values(uint64_t bytes, uint64_t seed) : dice_(seed), value_(bytes, '\0') {}
  Bytes next() {
    for (size_t at = 0; at < value_.size(); at += sizeof(uint64_t)) {
      const uint64_t word = dice_.next();
      value_.replace(at, std::min(sizeof word, value_.size() - at),
                     reinterpret_cast<const char*>(&word),
                     std::min(sizeof word, value_.size() - at));
    }
    return value_;
  }

 private:
  Dice dice_;
  std::string value_;
};

/// What the threads share.
struct Shared {
  KvStore store;
  const BenchOptions& options;
  const Zipf zipf;
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> done{0};
};

class Worker {
 public:
  Worker(Shared& shared, uint64_t number)
      : shared_(shared),
        dice_(scrambled(number + 1)),
        values_(shared.options.value_bytes, number) {}

  void run() {
    const uint64_t begin = os::production().monotonic_ns();
    uint64_t told = 0;
    while (!shared_.stop.load(std::memory_order_relaxed) && outcome_) {
      outcome_ = step();
      if (++steps_ % kTell == 0) told += tell(kTell);
    }
    tell(steps_ - told);
    seconds_ = static_cast<double>(os::production().monotonic_ns() - begin) / 1e9;
    if (!outcome_) shared_.stop = true;
  }

  Result<void> take_outcome() { return std::move(outcome_); }
  void add_to(MixResult& result) const {
    result.reads.ns.merge(reads_);
    result.writes.ns.merge(writes_);
    result.reads.seconds = std::max(result.reads.seconds, seconds_);
    result.writes.seconds = std::max(result.writes.seconds, seconds_);
    result.retries += retries_;
  }

 private:
  static constexpr uint64_t kTell = 64;

  uint64_t tell(uint64_t steps) {
    shared_.done.fetch_add(steps, std::memory_order_relaxed);
    return steps;
  }
  // Those that are wanted often lie everywhere, not side by side.
  uint64_t pick() {
    const uint64_t records = shared_.options.records;
    if (shared_.options.distribution == Distribution::uniform) return dice_.below(records);
    return scrambled(shared_.zipf.draw(dice_)) % records;
  }
  Result<void> step() {
    key_.clear();
    append_row_key(pick(), key_);
    const bool reads = dice_.below(100) < shared_.options.read_percent;
    const Bytes value = reads ? Bytes() : values_.next();
    const uint64_t begin = os::production().monotonic_ns();
    AETHER_TRY(reads ? read() : write(value));
    (reads ? reads_ : writes_).record(os::production().monotonic_ns() - begin);
    return {};
  }
  Result<void> read() {
    Result<void> got = shared_.store.get(key_, value_);
    const bool is_lost = !got && got.error().code() == Code::not_found;
    if (!got && !is_lost) return got;
    if (got && value_.size() == shared_.options.value_bytes) return {};
    return Error(Code::corruption,
                 "row " + key_ + (is_lost ? " is not there" : " has a value of another length") +
                     ": please report this");
  }
  Result<void> write(Bytes value) {
    for (;;) {
      Result<void> put = shared_.store.put(key_, value);
      const bool again = !put &&
                         (put.error().code() == Code::conflict || put.error().code() == Code::busy);
      if (!again || shared_.stop.load(std::memory_order_relaxed)) return put;
      ++retries_;
    }
  }

  Shared& shared_;
  Dice dice_;
  Values values_;
  std::string key_;
  std::string value_;
  base::Histogram reads_;
  base::Histogram writes_;
  uint64_t steps_ = 0;
  uint64_t retries_ = 0;
  double seconds_ = 0;
  Result<void> outcome_;
};

void wait_for_end(Shared& shared, Progress& progress) {
  constexpr uint64_t kLookNs = 50'000'000;
  os::Os& os = os::production();
  const uint64_t begin = os.monotonic_ns();
  const uint64_t length = shared.options.seconds * 1'000'000'000;
  for (uint64_t passed = 0; passed < length && !stop_requested() && !shared.stop;
       passed = os.monotonic_ns() - begin) {
    os.sleep_ns(std::min(kLookNs, length - passed));
    progress.update(std::min(passed, length), length, shared.done);
  }
  shared.stop = true;
}

}  // namespace

void append_row_key(uint64_t number, std::string& to) {
  const size_t begin = to.size();
  to.append(kKeyBytes, '0');
  for (size_t at = to.size(); number > 0 && at > begin; number /= 10)
    to[--at] = static_cast<char>('0' + number % 10);
}

Result<uint64_t> load_rows(KvStore& store, const BenchOptions& options, Progress& progress) {
  Values values(options.value_bytes, options.records);
  std::string key;
  uint64_t row = 0;
  AETHER_TRY_ASSIGN(const uint64_t loaded, store.bulk_load([&](Bytes& to_key, Bytes& to_value) {
    if (row == options.records || stop_requested()) return false;
    if (row % 1024 == 0) progress.update(row, options.records, row);
    key.clear();
    append_row_key(row++, key);
    to_key = key;
    to_value = values.next();
    return true;
  }));
  progress.update(row, options.records, row);
  progress.finish();
  return loaded;
}

Result<MixResult> run_mix(const KvStore& store, const BenchOptions& options, Progress& progress) {
  Shared shared{.store = store, .options = options, .zipf = Zipf(options.records, kZipfExponent)};
  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<std::unique_ptr<os::Thread>> threads;
  Result<void> started;
  for (uint32_t i = 0; i < options.threads; ++i) {
    Worker& worker = *workers.emplace_back(std::make_unique<Worker>(shared, i));
    Result<std::unique_ptr<os::Thread>> thread = os::production().spawn(
        "bench-" + std::to_string(i), [&worker] { worker.run(); });
    if (!thread) {
      started = std::move(thread).error();
      break;
    }
    threads.push_back(*std::move(thread));
  }
  if (started) {
    wait_for_end(shared, progress);
  } else {
    shared.stop = true;
  }
  for (const std::unique_ptr<os::Thread>& thread : threads) thread->join();
  progress.finish();
  AETHER_TRY(std::move(started));
  MixResult result;
  for (const std::unique_ptr<Worker>& worker : workers) {
    AETHER_TRY(worker->take_outcome());
    worker->add_to(result);
  }
  return result;
}

}  // namespace aether::cli
