// A few threads of which one works at a time: calls come from different log streams, and yet in one order.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "os/sync.h"

namespace aether::crash {

class Crew {
 public:
  static constexpr size_t kWorkers = 3;

  /// One crew in the process, so that a seed always meets the same worker ids, and so the same streams.
  static Crew& only() {
    static Crew crew;
    return crew;
  }
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;
  ~Crew() {
    for (const std::unique_ptr<Worker>& worker : workers_) hand_over(*worker, nullptr);
    for (const std::unique_ptr<Worker>& worker : workers_) worker->thread.join();
  }

  /// Runs `work` on worker `index` and returns when it is done.
  void run(size_t index, const std::function<void()>& work) {
    Worker& worker = *workers_[index];
    hand_over(worker, &work);
    std::unique_lock lock(worker.mutex);
    worker.changed.wait(lock, [&] { return !worker.busy; });
  }

 private:
  struct Worker {
    std::mutex mutex;
    std::condition_variable changed;
    const std::function<void()>* work = nullptr;
    bool busy = false;
    std::thread thread;
  };

  Crew() {
    static_cast<void>(os::worker_id());  // The main thread's is the first.
    for (size_t i = 0; i < kWorkers; ++i) {
      workers_.push_back(std::make_unique<Worker>());
      Worker& worker = *workers_.back();
      worker.thread = std::thread([&worker] { work(worker); });
      run(i, [] { static_cast<void>(os::worker_id()); });
    }
  }

  static void hand_over(Worker& worker, const std::function<void()>* work) {
    std::unique_lock lock(worker.mutex);
    worker.work = work;
    worker.busy = true;
    worker.changed.notify_all();
  }

  static void work(Worker& worker) {
    std::unique_lock lock(worker.mutex);
    for (;;) {
      worker.changed.wait(lock, [&] { return worker.busy; });
      if (worker.work == nullptr) return;
      (*worker.work)();
      worker.busy = false;
      worker.changed.notify_all();
    }
  }

  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace aether::crash
