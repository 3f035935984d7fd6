/// Waiting and excluding: mutex, condition, futex, spin pause, worker-local ids.
///
/// These are concrete classes, not virtual ones: they stand on hot paths. A simulation build (AETHER_SIM) replaces this
/// header's bodies by those of src/os/sync_sim.cpp, which ask the scheduler of the calling thread. ThreadSanitizer
/// (AETHER_TSAN) knows the standard library's mutexes, not ours: it gets those.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "os/scheduler.h"

#if defined(__clang__)
#define AETHER_TSA(x) __attribute__((x))
#else
#define AETHER_TSA(x)
#endif
#define AETHER_GUARDED_BY(x) AETHER_TSA(guarded_by(x))
#define AETHER_REQUIRES(...) AETHER_TSA(requires_capability(__VA_ARGS__))
#define AETHER_EXCLUDES(...) AETHER_TSA(locks_excluded(__VA_ARGS__))
#define AETHER_NO_THREAD_SAFETY AETHER_TSA(no_thread_safety_analysis)

namespace aether::os {

#if defined(AETHER_SIM) || defined(AETHER_TSAN)
/// A mutual exclusion lock. Not recursive.
class AETHER_TSA(capability("mutex")) Mutex {
 public:
#if defined(AETHER_SIM)
  void lock() AETHER_TSA(acquire_capability());
  void unlock() AETHER_TSA(release_capability());
  bool try_lock() AETHER_TSA(try_acquire_capability(true));
#else
  void lock() AETHER_TSA(acquire_capability()) { mutex_.lock(); }
  void unlock() AETHER_TSA(release_capability()) { mutex_.unlock(); }
  bool try_lock() AETHER_TSA(try_acquire_capability(true)) { return mutex_.try_lock(); }
#endif

 private:
  friend class CondVar;
  std::mutex mutex_;
};
#else
/// A mutual exclusion lock. Not recursive. One word: free, it is taken and left by one instruction each, without a call; who
/// finds it taken looks again for a microsecond, then sleeps in the kernel.
class AETHER_TSA(capability("mutex")) Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() noexcept AETHER_TSA(acquire_capability()) {
    if (!take_free()) [[unlikely]]
      wait_for_it();
  }
  void unlock() noexcept AETHER_TSA(release_capability()) {
    // Whoever comes may end the mutex: from here on only its address is used, to wake.
    if (word_.exchange(kFree, std::memory_order_release) == kWaitedFor) [[unlikely]]
      wake_one();
  }
  bool try_lock() noexcept AETHER_TSA(try_acquire_capability(true)) { return take_free(); }

 private:
  static constexpr uint32_t kFree = 0, kTaken = 1, kWaitedFor = 2;

  bool take_free() noexcept {
    uint32_t free = kFree;
    return word_.compare_exchange_strong(free, kTaken, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }
  void wait_for_it() noexcept;
  void wake_one() noexcept;

  std::atomic<uint32_t> word_{kFree};
};
#endif

class AETHER_TSA(scoped_lockable) LockGuard {
 public:
  explicit LockGuard(Mutex& mutex) AETHER_TSA(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.lock();
  }
  ~LockGuard() AETHER_TSA(release_capability()) { mutex_.unlock(); }
  LockGuard(const LockGuard&) = delete;
  LockGuard& operator=(const LockGuard&) = delete;

 private:
  Mutex& mutex_;
};

/// A condition to wait for under a Mutex. Wakes without cause: always wait in a loop. Who makes it true does so under that
/// mutex.
class CondVar {
 public:
#if !defined(AETHER_SIM) && !defined(AETHER_TSAN)
  CondVar() = default;
  CondVar(const CondVar&) = delete;
  CondVar& operator=(const CondVar&) = delete;
#endif
  void wait(Mutex& mutex) AETHER_REQUIRES(mutex);
  /// False: the time has passed.
  bool wait_for(Mutex& mutex, uint64_t nanoseconds) AETHER_REQUIRES(mutex);
#if defined(AETHER_SIM)
  void notify_one() noexcept;
  void notify_all() noexcept;
#elif defined(AETHER_TSAN)
  void notify_one() noexcept { condition_.notify_one(); }
  void notify_all() noexcept { condition_.notify_all(); }
#else
  void notify_one() noexcept { notify(1); }
  void notify_all() noexcept { notify(INT32_MAX); }
#endif

 private:
#if defined(AETHER_SIM) || defined(AETHER_TSAN)
  std::condition_variable condition_;
#else
  /// `sleep` is given what calls_ was under the mutex.
  template <typename Sleep>
  bool wait_by(Mutex& mutex, Sleep sleep) AETHER_REQUIRES(mutex);
  void notify(int32_t sleepers_max) noexcept {
    // Who waits has been counted under the mutex under which the caller has made the condition true.
    if (waiters_.load(std::memory_order_relaxed) != 0) call(sleepers_max);
  }
  void call(int32_t sleepers_max) noexcept;

  std::atomic<uint32_t> waiters_{0};
  std::atomic<uint32_t> calls_{0};
#endif
};

/// Sleeps while `word` equals `expected`. May return without cause.
void futex_wait(const std::atomic<uint32_t>& word, uint32_t expected) noexcept;
void futex_wake_all(const std::atomic<uint32_t>& word) noexcept;

/// A breath between two looks at a contended word.
inline void spin_pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
}

/// Lets another thread run.
void yield() noexcept;

/// Spins, then yields, then sleeps ever longer: for conditions that another thread is about to make true
/// and that no futex announces.
class Backoff {
 public:
  void wait() noexcept;
  uint32_t rounds() const noexcept { return rounds_; }
  bool would_sleep() const noexcept { return rounds_ >= kAwakeRounds; }

 private:
  static constexpr uint32_t kAwakeRounds = 256;
  uint32_t rounds_ = 0;
};

/// A small number of the calling thread, counted from 0 in the order of first use.
uint32_t worker_id() noexcept;

/// Memory for frames: zeroed, page-aligned, huge pages where the kernel grants them. Null if refused.
void* reserve_memory(uint64_t bytes) noexcept;
void release_memory(void* memory, uint64_t bytes) noexcept;

}  // namespace aether::os
