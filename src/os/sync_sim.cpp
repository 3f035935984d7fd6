// The bodies of sync.h in a simulation build: whoever has a scheduler asks it; all others do as in sync.cpp.
#include "base/sim_point.h"
#include "os/scheduler.h"
#include "os/sync.h"

#if defined(AETHER_SIM)

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>

namespace aether::os {
namespace {

struct Scheduled {
  Scheduler* now = nullptr;    ///< Null while an Unscheduled lives.
  Scheduler* owner = nullptr;  ///< Stays.
};
thread_local Scheduled scheduled;

}  // namespace

Scheduler* scheduler() noexcept { return scheduled.now; }
void set_scheduler(Scheduler* scheduler) noexcept {
  base::set_sim_step([](bool is_window) noexcept { is_window ? sim_window() : sim_point(); });
  scheduled = {scheduler, scheduler};
}

Unscheduled::Unscheduled() noexcept : scheduler_(scheduled.now) { scheduled.now = nullptr; }
Unscheduled::~Unscheduled() { scheduled.now = scheduler_; }

void sim_point() noexcept {
  if (scheduled.now != nullptr) scheduled.now->step();
}

void sim_window() noexcept {
  if (scheduled.now != nullptr) scheduled.now->window();
}

void Mutex::lock() {
  Scheduler* const scheduler = scheduled.now;
  if (scheduler == nullptr) return mutex_.lock();
  scheduler->step();
  while (!mutex_.try_lock()) scheduler->wait(this, Scheduler::kForever, "a mutex");
}

void Mutex::unlock() {
  Scheduler* const scheduler = scheduled.now;
  mutex_.unlock();
  if (scheduler == nullptr) return;
  scheduler->wake(this, false);
  scheduler->step();  // Whoever comes may end the mutex: it is not touched any more.
}

bool Mutex::try_lock() {
  sim_point();
  return mutex_.try_lock();
}

void CondVar::wait(Mutex& mutex) {
  if (scheduled.now != nullptr) {
    static_cast<void>(wait_for(mutex, Scheduler::kForever));
    return;
  }
  std::unique_lock lock(mutex.mutex_, std::adopt_lock);
  condition_.wait(lock);
  lock.release();
}

bool CondVar::wait_for(Mutex& mutex, uint64_t nanoseconds) AETHER_NO_THREAD_SAFETY {
  if (Scheduler* const scheduler = scheduled.now) {
    mutex.mutex_.unlock();  // Nobody comes between this and the wait: no wake-up is lost.
    scheduler->wake(&mutex, false);
    const bool woken = scheduler->wait(this, nanoseconds, "a condition");
    mutex.lock();
    return woken;
  }
  std::unique_lock lock(mutex.mutex_, std::adopt_lock);
  const std::cv_status status = condition_.wait_for(lock, std::chrono::nanoseconds(nanoseconds));
  lock.release();
  return status == std::cv_status::no_timeout;
}

void CondVar::notify_one() noexcept {
  if (scheduled.now != nullptr) return scheduled.now->wake(this, false);
  condition_.notify_one();
}

void CondVar::notify_all() noexcept {
  if (scheduled.now != nullptr) return scheduled.now->wake(this, true);
  condition_.notify_all();
}

void futex_wait(const std::atomic<uint32_t>& word, uint32_t expected) noexcept {
  if (Scheduler* const scheduler = scheduled.now) {
    scheduler->step();
    if (word.load() == expected) scheduler->wait(&word, Scheduler::kForever, "a futex");
    return;
  }
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}

void futex_wake_all(const std::atomic<uint32_t>& word) noexcept {
  if (scheduled.now != nullptr) return scheduled.now->wake(&word, true);
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr, 0);
}

void yield() noexcept {
  if (scheduled.now != nullptr) return scheduled.now->pause();
  sched_yield();
}

void Backoff::wait() noexcept {
  ++rounds_;
  yield();
}

uint32_t worker_id() noexcept {
  if (scheduled.owner != nullptr) return scheduled.owner->thread_number();
  static std::atomic<uint32_t> next{0};
  thread_local const uint32_t id = next.fetch_add(1, std::memory_order_relaxed);
  return id;
}

}  // namespace aether::os

#endif
