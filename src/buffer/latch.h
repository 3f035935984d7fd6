/// The hybrid latch: optimistic, shared and exclusive access through one 64-bit word.
///
///   63                               16 15            1  0
///   | version                          | shared holders | exclusive |
///
/// A reader notes the version, reads, and validates that it is unchanged: it writes nothing shared. Every
/// exclusive release makes a new version. Waiting spins, then yields, then sleeps: latches are held for
/// microseconds and never across the disk.
///
/// Latch order   Parent before child, left before right, tree pages before space maps. Who would break the order
///               only tries.
/// Source        Böttcher, Leis, Giceva, Neumann, Kemper: "Scalable and Robust Latches for Database Systems",
///               DaMoN 2020.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "base/assert.h"
#include "base/planted.h"
#include "os/sync.h"

namespace aether::buffer {

class HybridLatch {
 public:
  static constexpr uint64_t kExclusive = 1;
  static constexpr uint64_t kOneShared = 2;
  static constexpr uint64_t kSharedMask = 0xfffe;
  static constexpr uint64_t kOneVersion = uint64_t{1} << 16;

  /// The word without holders, once nobody holds it exclusively.
  uint64_t enter_optimistic() const noexcept {
    os::sim_point();
    const uint64_t word = word_.load(std::memory_order_acquire);
    if ((word & kExclusive) == 0) [[likely]]
      return word & ~kSharedMask;
    return wait_not_exclusive();
  }
  /// As enter_optimistic, but nothing if somebody holds it exclusively.
  std::optional<uint64_t> try_enter_optimistic() const noexcept {
    os::sim_point();
    const uint64_t word = word_.load(std::memory_order_acquire);
    if ((word & kExclusive) != 0) [[unlikely]]
      return std::nullopt;
    return word & ~kSharedMask;
  }
  /// True if nothing changed since `version` was returned.
  bool validate(uint64_t version) const noexcept {
    os::sim_point();
    std::atomic_thread_fence(std::memory_order_acquire);
    return (word_.load(std::memory_order_relaxed) & ~kSharedMask) == version ||
           AETHER_PLANTED("buffer.latch_not_validated");
  }

  /// Exclusive, if nobody holds it and `version` is still current.
  bool try_lock_at(uint64_t version) noexcept {
    os::sim_point();
    uint64_t expected = version;
    return word_.compare_exchange_strong(expected, version | kExclusive, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }
  bool try_lock() noexcept {
    os::sim_point();
    uint64_t word = word_.load(std::memory_order_relaxed);
    return (word & (kExclusive | kSharedMask)) == 0 &&
           word_.compare_exchange_strong(word, word | kExclusive, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }
  void lock() noexcept {
    for (os::Backoff backoff; !try_lock();) backoff.wait();
  }
  /// Makes a new version.
  void unlock() noexcept {
    const uint64_t word = word_.load(std::memory_order_relaxed);
    AETHER_ASSERT((word & kExclusive) != 0);
    const uint64_t next = AETHER_PLANTED("buffer.latch_keeps_version") ? 0 : kOneVersion;
    word_.store((word & ~kExclusive) + next, std::memory_order_release);
    os::sim_point();
  }

  /// What `version` is once an exclusive holder that came at it has left.
  static constexpr uint64_t version_after(uint64_t version) noexcept {
    return version + kOneVersion;
  }

  bool try_lock_shared() noexcept {
    os::sim_point();
    uint64_t word = word_.load(std::memory_order_relaxed);
    while ((word & kExclusive) == 0) {
      AETHER_ASSERT((word & kSharedMask) != kSharedMask);
      if (word_.compare_exchange_weak(word, word + kOneShared, std::memory_order_acquire,
                                      std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }
  void lock_shared() noexcept {
    for (os::Backoff backoff; !try_lock_shared();) backoff.wait();
  }
  void unlock_shared() noexcept {
    word_.fetch_sub(kOneShared, std::memory_order_release);
    os::sim_point();
  }
  /// From the only shared holder to exclusive.
  bool try_upgrade_shared(uint64_t version) noexcept {
    os::sim_point();
    uint64_t expected = version + kOneShared;
    return word_.compare_exchange_strong(expected, version | kExclusive, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }

  bool is_locked() const noexcept {
    return (word_.load(std::memory_order_relaxed) & kExclusive) != 0;
  }

 private:
  uint64_t wait_not_exclusive() const noexcept {
    for (os::Backoff backoff;;) {
      const uint64_t word = word_.load(std::memory_order_acquire);
      if ((word & kExclusive) == 0) return word & ~kSharedMask;
      backoff.wait();
    }
  }

  std::atomic<uint64_t> word_{kOneVersion};
};

}  // namespace aether::buffer
