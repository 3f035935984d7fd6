#include "os/sync.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <new>

namespace aether::os {

#if !defined(AETHER_SIM)  // Else: sync_sim.cpp.

namespace {

void futex_wake(const std::atomic<uint32_t>& word, int32_t sleepers_max) noexcept {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, sleepers_max, nullptr, nullptr, 0);
}

}  // namespace

#if defined(AETHER_TSAN)

void CondVar::wait(Mutex& mutex) {
  std::unique_lock lock(mutex.mutex_, std::adopt_lock);
  condition_.wait(lock);
  lock.release();
}

bool CondVar::wait_for(Mutex& mutex, uint64_t nanoseconds) {
  std::unique_lock lock(mutex.mutex_, std::adopt_lock);
  const std::cv_status status = condition_.wait_for(lock, std::chrono::nanoseconds(nanoseconds));
  lock.release();
  return status == std::cv_status::no_timeout;
}

#else

// Three states and a futex: Drepper, "Futexes Are Tricky". Most are held for less time than a thread takes to fall asleep.
void Mutex::wait_for_it() noexcept {
  constexpr uint32_t kLooks = 64;
  for (uint32_t look = 0; look < kLooks; ++look) {
    const uint32_t seen = word_.load(std::memory_order_relaxed);
    if (seen == kWaitedFor) break;
    if (seen == kFree && take_free()) return;
    spin_pause();
  }
  // Others may sleep already: it is left as one that is waited for.
  while (word_.exchange(kWaitedFor, std::memory_order_acquire) != kFree)
    futex_wait(word_, kWaitedFor);
}

void Mutex::wake_one() noexcept { futex_wake(word_, 1); }

template <typename Sleep>
bool CondVar::wait_by(Mutex& mutex, Sleep sleep) {
  waiters_.fetch_add(1, std::memory_order_relaxed);
  // A call that comes after the mutex is let go changes the word, and nobody sleeps on it.
  const uint32_t calls = calls_.load(std::memory_order_relaxed);
  mutex.unlock();
  const bool in_time = sleep(calls);
  mutex.lock();
  waiters_.fetch_sub(1, std::memory_order_relaxed);
  return in_time;
}

void CondVar::wait(Mutex& mutex) {
  static_cast<void>(wait_by(mutex, [&](uint32_t calls) {
    futex_wait(calls_, calls);
    return true;
  }));
}

bool CondVar::wait_for(Mutex& mutex, uint64_t nanoseconds) {
  constexpr uint64_t kNsPerSecond = 1'000'000'000;
  const timespec limit{static_cast<time_t>(nanoseconds / kNsPerSecond),
                       static_cast<long>(nanoseconds % kNsPerSecond)};
  return wait_by(mutex, [&](uint32_t calls) {
    return syscall(SYS_futex, &calls_, FUTEX_WAIT_PRIVATE, calls, &limit, nullptr, 0) == 0 ||
           errno != ETIMEDOUT;
  });
}

void CondVar::call(int32_t sleepers_max) noexcept {
  calls_.fetch_add(1, std::memory_order_release);
  futex_wake(calls_, sleepers_max);
}

#endif

void futex_wait(const std::atomic<uint32_t>& word, uint32_t expected) noexcept {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}

void futex_wake_all(const std::atomic<uint32_t>& word) noexcept { futex_wake(word, INT32_MAX); }

void yield() noexcept { sched_yield(); }

void Backoff::wait() noexcept {
  constexpr uint32_t kSpinRounds = 8;
  constexpr uint32_t kShortSleeps = 32;
  const uint32_t round = rounds_++;
  if (round < kSpinRounds) {
    for (uint32_t i = 0; i < (1u << round); ++i) spin_pause();
  } else if (round < kAwakeRounds) {
    yield();
  } else {
    const long microseconds = round < kAwakeRounds + kShortSleeps ? 20 : 200;
    const timespec pause{0, microseconds * 1000};
    nanosleep(&pause, nullptr);
  }
}

uint32_t worker_id() noexcept {
  static std::atomic<uint32_t> next{0};
  thread_local const uint32_t id = next.fetch_add(1, std::memory_order_relaxed);
  return id;
}

#endif

namespace {

constexpr uint64_t kHugePage = uint64_t{2} << 20;
/// Below this the heap serves: it has the memory at hand, where a mapping costs system calls and a fault for each page.
constexpr uint64_t kMappedBytesMin = uint64_t{1} << 20;
constexpr std::align_val_t kPageAlignment{4096};

}  // namespace

void* reserve_memory(uint64_t bytes) noexcept {
  if (bytes < kMappedBytesMin) {
    void* const block = ::operator new(bytes, kPageAlignment, std::nothrow);
    if (block != nullptr) std::memset(block, 0, bytes);
    return block;
  }
  // Over-reserve so that the block can start on a huge page; the kernel backs only what is touched.
  void* memory = mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  const uint64_t start = reinterpret_cast<uint64_t>(memory);
  const uint64_t aligned = (start + kHugePage - 1) & ~(kHugePage - 1);
  if (aligned > start) munmap(memory, aligned - start);
  const uint64_t end = start + bytes + kHugePage;
  const uint64_t used_end = (aligned + bytes + 4095) & ~uint64_t{4095};
  if (end > used_end) munmap(reinterpret_cast<void*>(used_end), end - used_end);
  void* block = reinterpret_cast<void*>(aligned);
  madvise(block, bytes, MADV_HUGEPAGE);
  return block;
}

void release_memory(void* memory, uint64_t bytes) noexcept {
  if (bytes < kMappedBytesMin) return ::operator delete(memory, kPageAlignment);
  if (memory != nullptr) munmap(memory, (bytes + 4095) & ~uint64_t{4095});
}

}  // namespace aether::os
