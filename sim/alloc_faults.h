/// Allocations that fail by number: what is armed, and where it strikes. The operators that ask are in
/// sim/failing_allocator.h, for a program to include; without them nothing ever fails.
///
///   alloc_faults::arm({.number = 7});                 the seventh allocation of this thread from here on throws, once
///   alloc_faults::arm({.number = 7, .sticky = true}); and every one after it
///   const bool struck = alloc_faults::disarm();
///
/// Threads   Any; an armed fault counts the allocations of the thread that armed it, or of all.
/// Rule      An allocation inside base::NoAllocationScope stops the program, armed or not (checked builds).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "base/no_memory.h"

namespace aether::sim::alloc_faults {

struct Fault {
  uint64_t number = 1;  ///< 1: the next allocation.
  bool sticky = false;  ///< All after it fail too.
  bool every_thread = false;
  bool in_calls = false;  ///< Only those inside a Call.
};

namespace detail {
inline std::atomic<uint64_t> left{
    0};  ///< Allocations until the fault strikes; 0: nothing is armed, or it has struck.
inline std::atomic<bool> failing{false};  ///< It has struck, and is sticky.
inline std::atomic<bool> is_sticky{false};
inline std::atomic<bool> has_struck{false};
inline std::atomic<uint64_t> failures{0};
inline std::atomic<const void*> owner{nullptr};  ///< The thread it counts; null: all.
inline std::atomic<bool> only_in_calls{false};
inline std::atomic<int64_t> blocks{0};
inline thread_local int paused = 0;
inline thread_local int calls = 0;
inline thread_local char thread_mark = 0;

/// Called for every allocation: whether this one is to fail.
inline bool strikes() noexcept {
  if (left.load(std::memory_order_relaxed) == 0 && !failing.load(std::memory_order_relaxed))
    return false;
  const void* const counted = owner.load(std::memory_order_relaxed);
  if (paused > 0 || (counted != nullptr && counted != &thread_mark)) return false;
  if (calls == 0 && only_in_calls.load(std::memory_order_relaxed)) return false;
  bool fails = failing.load(std::memory_order_relaxed);
  for (uint64_t now = left.load(); !fails && now > 0;) {
    if (!left.compare_exchange_weak(now, now - 1)) continue;
    if (now > 1) return false;
    has_struck.store(true);
    failing.store(is_sticky.load());
    fails = true;
  }
  if (fails) failures.fetch_add(1, std::memory_order_relaxed);
  return fails;
}

inline void* allocate(std::size_t bytes, std::size_t alignment) noexcept {
  if (strikes()) return nullptr;
  const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* const memory = alignment <= alignof(std::max_align_t)
                           ? std::malloc(bytes == 0 ? 1 : bytes)
                           : std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
  if (memory != nullptr) blocks.fetch_add(1, std::memory_order_relaxed);
  return memory;
}

inline void* allocate_or_throw(std::size_t bytes, std::size_t alignment) {
  if (base::allocation_forbidden()) {
    std::fputs("an allocation where none may fail (base::NoAllocationScope)\n", stderr);
    std::abort();
  }
  void* const memory = allocate(bytes, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

inline void release(void* memory) noexcept {
  if (memory == nullptr) return;
  blocks.fetch_sub(1, std::memory_order_relaxed);
  std::free(memory);
}
}  // namespace detail

/// From the next allocation on.
inline void arm(const Fault& fault) noexcept {
  detail::failing.store(false);
  detail::has_struck.store(false);
  detail::is_sticky.store(fault.sticky);
  detail::only_in_calls.store(fault.in_calls);
  detail::owner.store(fault.every_thread ? nullptr : &detail::thread_mark);
  detail::left.store(fault.number);
}
/// It has struck since it was armed.
inline bool struck() noexcept { return detail::has_struck.load(); }
/// True: it has struck since it was armed.
inline bool disarm() noexcept {
  detail::left.store(0);
  detail::failing.store(false);
  return detail::has_struck.load();
}
/// For memory that is had in other ways (a mapping, a thread): whether this one is to fail.
inline bool strikes() noexcept { return detail::strikes(); }
/// Blocks of the whole program that were allocated and not released.
inline int64_t blocks() noexcept { return detail::blocks.load(); }
/// Allocations that were made to fail, ever.
inline uint64_t failures() noexcept { return detail::failures.load(); }

/// While it lives, allocations of this thread neither count nor fail: those of a model, or of a simulated disk.
class Paused {
 public:
  Paused() noexcept { ++detail::paused; }
  ~Paused() { --detail::paused; }
  Paused(const Paused&) = delete;
  Paused& operator=(const Paused&) = delete;
};

/// While it lives, this thread is inside a call of the engine: see Fault::in_calls.
class Call {
 public:
  Call() noexcept { ++detail::calls; }
  ~Call() { --detail::calls; }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
};

}  // namespace aether::sim::alloc_faults
