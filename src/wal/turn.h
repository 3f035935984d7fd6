/// The turn to flush: at most one thread has it. Whoever needs a flush and does not get the turn sleeps
/// until it is given back, then looks whether its records went along.
///
/// A mutex would do, but would let every waiter through one after another; here all wake at once, and
/// giving back without waiters costs no system call.
///
/// Threads   Any.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/planted.h"
#include "os/sync.h"

namespace aether::wal {

class AETHER_TSA(capability("turn")) Turn {
 public:
  bool try_take() noexcept AETHER_TSA(try_acquire_capability(true)) {
    os::sim_point();
    uint32_t seen = word_.load(std::memory_order_relaxed);
    return !is_taken(seen) &&
           word_.compare_exchange_strong(seen, seen + 1, std::memory_order_acq_rel);
  }

  void give_back() noexcept AETHER_TSA(release_capability()) {
    // A waiter first counts itself, then looks at the word; we first change the word, then look at the
    // count. Both sequentially consistent: one of us sees the other.
    const bool alone = AETHER_PLANTED("wal.lost_wake_up") && waiters() == 0;
    os::sim_point();
    word_.fetch_add(1, std::memory_order_seq_cst);
    os::sim_point();
    if (waiters() != 0 && !alone) os::futex_wake_all(word_);
  }

  /// Sleeps while the turn is taken. May return without cause.
  void wait_while_taken() noexcept {
    if (!is_taken(word_.load(std::memory_order_relaxed))) return;
    waiters_.fetch_add(1, std::memory_order_seq_cst);
    os::sim_point();
    const uint32_t seen = word_.load(std::memory_order_seq_cst);
    if (is_taken(seen)) os::futex_wait(word_, seen);
    waiters_.fetch_sub(1, std::memory_order_relaxed);
  }

  uint32_t waiters() const noexcept { return waiters_.load(std::memory_order_seq_cst); }

 private:
  static bool is_taken(uint32_t word) noexcept { return (word & 1) != 0; }

  std::atomic<uint32_t> word_{0};  ///< Odd while taken; grows with every step.
  std::atomic<uint32_t> waiters_{0};
};

}  // namespace aether::wal
