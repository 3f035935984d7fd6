// How readers get at a list that is replaced now and then, as the level list of an LSM is: 24 runs, of which a reader
// looks at three. 1 to 16 readers, without a writer and with one that publishes as often as it can and sleeps 100 us in between.
//   aether-micro --benchmark_filter='LevelList'
// `writer` 1: publishes_per_s and publish_us, the mean time of one, say what the writer pays.
#include <benchmark/benchmark.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <vector>

#include "base/left_right.h"
#include "base/rcu_pointer.h"
#include "os/os.h"
#include "os/sync.h"

namespace aether::bench {
namespace {

constexpr uint64_t kRuns = 24;

struct Levels {
  std::vector<uint64_t> runs = std::vector<uint64_t>(kRuns, 1);
};
uint64_t look(const Levels& levels, uint64_t at) {
  return levels.runs[at % kRuns] + levels.runs[(at + 1) % kRuns] + levels.runs[(at + 2) % kRuns];
}
struct Edit {
  uint64_t at;
  void operator()(Levels& levels) const { ++levels.runs[at % kRuns]; }
};

/// Each has a Reader for each thread, and publish(at), which changes one run.
class ByLeftRight {
 public:
  class Reader {
   public:
    explicit Reader(ByLeftRight& of) : reader_(of.levels_.add_reader()) {}
    uint64_t operator()(uint64_t at) { return look(*reader_->read(), at); }

   private:
    std::optional<base::LeftRight<Levels, Edit>::Reader> reader_;
  };
  void publish(uint64_t at) {
    levels_.append({at});
    os::Backoff backoff;
    levels_.publish([&] { backoff.wait(); });
  }

 private:
  base::LeftRight<Levels, Edit> levels_{Levels()};
};

class BySharedMutex {
 public:
  class Reader {
   public:
    explicit Reader(BySharedMutex& of) : of_(of) {}
    uint64_t operator()(uint64_t at) {
      const std::shared_lock lock(of_.mutex_);
      return look(of_.levels_, at);
    }

   private:
    BySharedMutex& of_;
  };
  void publish(uint64_t at) {
    const std::unique_lock lock(mutex_);
    Edit{at}(levels_);
  }

 private:
  std::shared_mutex mutex_;
  Levels levels_;
};

template <bool kCounts>
class ByRcu {
 public:
  class Reader {
   public:
    explicit Reader(ByRcu& of) : of_(of), hint_(os::worker_id()) {}
    uint64_t operator()(uint64_t at) {
      if constexpr (kCounts) {
        return look(*of_.levels_.acquire(hint_), at);
      } else {
        return look(*of_.levels_.read(hint_), at);
      }
    }

   private:
    ByRcu& of_;
    const uint32_t hint_;
  };
  void publish(uint64_t at) {
    auto next = std::make_unique<Levels>(*levels_.acquire(os::worker_id()));
    Edit{at}(*next);
    levels_.publish(std::move(next), os::worker_id());
  }

 private:
  base::RcuPointer<Levels> levels_{std::make_unique<const Levels>()};
};

class ByAtomicSharedPtr {
 public:
  class Reader {
   public:
    explicit Reader(ByAtomicSharedPtr& of) : of_(of) {}
    uint64_t operator()(uint64_t at) { return look(*of_.levels_.load(), at); }

   private:
    ByAtomicSharedPtr& of_;
  };
  void publish(uint64_t at) {
    auto next = std::make_shared<Levels>(*levels_.load());
    Edit{at}(*next);
    levels_.store(std::move(next));
  }

 private:
  std::atomic<std::shared_ptr<const Levels>> levels_{std::make_shared<const Levels>()};
};

/// The list that all threads of a run read, and its writer.
template <typename List>
struct Shared {
  explicit Shared(bool with_writer) {
    if (!with_writer) return;
    auto started = os::production().spawn("writer", [this] {
      os::Os& os = os::production();
      for (uint64_t at = 0; !stop.load(); ++at) {
        const uint64_t begin = os.monotonic_ns();
        list.publish(at);
        publish_ns += os.monotonic_ns() - begin;
        ++publishes;
        os.sleep_ns(100'000);
      }
    });
    if (started) writer = *std::move(started);
  }
  ~Shared() {
    stop = true;
    if (writer) writer->join();
  }
  List list;
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> publishes{0};
  std::atomic<uint64_t> publish_ns{0};
  std::unique_ptr<os::Thread> writer;
};

template <typename List>
void read(benchmark::State& state) {
  static std::unique_ptr<Shared<List>> shared;
  // Before the first thread's loop nobody enters it, and after it all have left.
  if (state.thread_index() == 0) shared = std::make_unique<Shared<List>>(state.range(0) != 0);
  std::optional<typename List::Reader> reader;
  uint64_t at = static_cast<uint64_t>(state.thread_index());
  for (auto _ : state) {
    if (!reader) reader.emplace(shared->list);
    benchmark::DoNotOptimize((*reader)(++at));
  }
  reader.reset();
  state.SetItemsProcessed(state.iterations());
  if (state.thread_index() != 0 || state.range(0) == 0) return;
  const auto publishes = static_cast<double>(shared->publishes.load());
  state.counters["publishes_per_s"] = benchmark::Counter(publishes, benchmark::Counter::kIsRate);
  state.counters["publish_us"] = publishes == 0 ? -1
                                                : static_cast<double>(shared->publish_ns.load()) /
                                                      1000 / publishes;
}

void add(const char* name, void (*function)(benchmark::State&)) {
  benchmark::RegisterBenchmark(name, function)
      ->ArgName("writer")
      ->Arg(0)
      ->Arg(1)
      ->ThreadRange(1, 16)
      ->UseRealTime();
}

[[maybe_unused]] const bool registered = [] {
  add("LevelList/left_right", read<ByLeftRight>);
  add("LevelList/rcu_read", read<ByRcu<false>>);
  add("LevelList/rcu_acquire", read<ByRcu<true>>);
  add("LevelList/shared_mutex", read<BySharedMutex>);
  add("LevelList/atomic_shared_ptr", read<ByAtomicSharedPtr>);
  return true;
}();

}  // namespace
}  // namespace aether::bench
