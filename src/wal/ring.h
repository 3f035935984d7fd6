/// The ring of one stream: where its records lie between append and disk.
///
///        released           gathered             hole         reserved (tail)   released + bytes
///   ───────┼───────────────────┼──────────────────┼────────────────┼─────────────────┼───────
///    zeroed│ being written     │ published        │ published or   │ zeroed, free    │
///          │ by the flush step │ records          │ being filled   │                 │
///
/// Every free byte is zero, so the length word of a record that is not published reads as zero: the walk
/// over length words stops exactly at the first hole. LSN x lies at x modulo the ring's size; the memory
/// is mapped twice in a row, so no record is ever cut in two.
///
/// Threads      reserve and publish from any thread; run, copy and release only by who has the turn.
/// Invariants   Granted space ends at or below released + bytes. Nobody but the owner of a reservation
///              writes to it, and nobody reads it before its length word says so.
/// Source       The zeroed length word as the mark of publication is Aeron's (Real Logic); the mirrored
///              mapping is common in audio code.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>

#include "aether/error.h"
#include "base/ids.h"
#include "os/ring_memory.h"

namespace aether::wal {

class Ring {
 public:
  /// `bytes` is a power of two. `first` is the LSN of the first record.
  Result<void> open(uint64_t bytes, Lsn first) {
    AETHER_TRY_ASSIGN(memory_, os::RingMemory::map(bytes));
    tail_.store(first, std::memory_order_relaxed);
    released_.store(first, std::memory_order_relaxed);
    return {};
  }

  /// Takes the next `size` bytes; they may be written once has_room(begin + size). Sequentially
  /// consistent: the background thread decides by it that nothing is left to write (Log::publish).
  Lsn reserve(uint64_t size) noexcept { return tail_.fetch_add(size, std::memory_order_seq_cst); }
  bool has_room(Lsn end) const noexcept {
    return end <= released_.load(std::memory_order_acquire) + memory_.bytes();
  }
  std::byte* at(Lsn lsn) const noexcept { return memory_.data() + (lsn & (memory_.bytes() - 1)); }
  void publish(Lsn lsn, uint32_t length) noexcept {
    length_word(lsn).store(length, std::memory_order_release);
  }

  Lsn tail() const noexcept { return tail_.load(std::memory_order_seq_cst); }
  Lsn released() const noexcept { return released_.load(std::memory_order_acquire); }
  uint64_t bytes() const noexcept { return memory_.bytes(); }

  /// Length of the whole published records from released() on, at most `limit` bytes.
  uint64_t published_run(uint64_t limit) const noexcept {
    const Lsn from = released();
    if (limit > memory_.bytes())
      limit = memory_.bytes();  // Behind that it would meet itself again.
    uint64_t run = 0;
    while (run < limit) {
      const uint32_t length = length_word(from + run).load(std::memory_order_acquire);
      if (length == 0 || length > limit - run) break;
      run += length;
    }
    return run;
  }
  /// Frees the first `run` bytes: zeroes them first, since a free byte is a zero byte.
  void release(uint64_t run) noexcept {
    const Lsn from = released();
    std::memset(at(from), 0, run);
    released_.store(from + run, std::memory_order_release);
  }

 private:
  std::atomic_ref<uint32_t> length_word(Lsn lsn) const noexcept {
    return std::atomic_ref<uint32_t>(*reinterpret_cast<uint32_t*>(at(lsn)));
  }

  // Appenders write tail_ all the time and read released_, which changes once a flush step.
  alignas(64) std::atomic<Lsn> tail_{kNoLsn};
  alignas(64) std::atomic<Lsn> released_{kNoLsn};
  os::RingMemory memory_;
};

}  // namespace aether::wal
