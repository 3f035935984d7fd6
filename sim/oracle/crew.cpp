#include "sim/oracle/crew.h"

#include "os/os.h"
#include "os/sync.h"

namespace aether::oracle {

struct Crew::Worker {
  os::Mutex mutex;
  os::CondVar changed;
  const std::function<void()>* work AETHER_GUARDED_BY(mutex) = nullptr;
  bool busy AETHER_GUARDED_BY(mutex) = false;
  std::unique_ptr<os::Thread> thread;
};

Crew& Crew::only() {
  static Crew crew;
  return crew;
}

Crew::Crew() {
  static_cast<void>(os::worker_id());  // The main thread's is the first.
  for (size_t i = 0; i < kWorkers; ++i) {
    workers_.push_back(std::make_unique<Worker>());
    Worker& worker = *workers_.back();
    worker.thread = os::production()
                        .spawn("crew-" + std::to_string(i), [&worker] { serve(worker); })
                        .value();
    run(i, [] { static_cast<void>(os::worker_id()); });
  }
}

Crew::~Crew() {
  for (const std::unique_ptr<Worker>& worker : workers_) hand_over(*worker, nullptr);
  for (const std::unique_ptr<Worker>& worker : workers_) worker->thread->join();
}

void Crew::run(size_t index, const std::function<void()>& work) {
  Worker& worker = *workers_[index];
  hand_over(worker, &work);
  os::LockGuard lock(worker.mutex);
  while (worker.busy) worker.changed.wait(worker.mutex);
}

void Crew::hand_over(Worker& worker, const std::function<void()>* work) {
  os::LockGuard lock(worker.mutex);
  worker.work = work;
  worker.busy = true;
  worker.changed.notify_all();
}

void Crew::serve(Worker& worker) {
  os::LockGuard lock(worker.mutex);
  for (;;) {
    while (!worker.busy) worker.changed.wait(worker.mutex);
    if (worker.work == nullptr) return;
    (*worker.work)();
    worker.busy = false;
    worker.changed.notify_all();
  }
}

}  // namespace aether::oracle
