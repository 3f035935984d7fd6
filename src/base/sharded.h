/// Counters that many threads change: each adds on a line of its own, whoever wants the sum reads all lines.
///
/// Threads   Any. `hint`: a small number of the calling thread (os::worker_id).
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>

namespace aether::base {

inline constexpr uint32_t kCounterShards = 16;

class ShardedCounter {
 public:
  void add(int64_t amount, uint32_t hint) noexcept {
    shards_[hint % kCounterShards].value.fetch_add(amount, std::memory_order_relaxed);
  }
  /// Exact when nobody adds.
  int64_t sum() const noexcept {
    int64_t sum = 0;
    for (const Shard& shard : shards_) sum += shard.value.load(std::memory_order_relaxed);
    return sum;
  }

 private:
  struct alignas(64) Shard {
    std::atomic<int64_t> value{0};
  };
  std::array<Shard, kCounterShards> shards_;
};

/// A bound on memory that is never exceeded. Threads take from a credit of their own, which is filled from the common
/// one in portions; when that is empty, what lies in other credits is collected, so that all of the bound can be used.
/// A part may be kept for those who need memory to give memory back.
class MemoryBudget {
 public:
  enum class For : uint8_t { growing, shrinking };

  explicit MemoryBudget(uint64_t bytes_max, uint64_t kept_for_shrinking = 0) noexcept
      : max_(std::min(bytes_max, uint64_t{1} << 62)),
        growing_max_(max_ - std::min(kept_for_shrinking, max_)),
        portion_(std::min<uint64_t>(max_ / 1024, 64 << 10)) {}

  /// False: the bound is reached.
  bool take(uint64_t bytes, uint32_t hint, For purpose = For::growing) noexcept {
    std::atomic<uint64_t>& credit = shards_[hint % kCounterShards].credit;
    if (take_from(credit, bytes)) [[likely]]
      return true;
    if (reserve(bytes + portion_, growing_max_)) {
      credit.fetch_add(portion_, std::memory_order_relaxed);
      return true;
    }
    for (Shard& shard : shards_) return_credit(shard.credit);
    return reserve(bytes, purpose == For::growing ? growing_max_ : max_);
  }
  void give(uint64_t bytes, uint32_t hint) noexcept {
    std::atomic<uint64_t>& credit = shards_[hint % kCounterShards].credit;
    const uint64_t now = credit.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    // Beyond what may grow nothing stays as a credit, which anybody may take.
    if (now > 4 * portion_ || reserved_.load(std::memory_order_relaxed) > growing_max_) {
      return_credit(credit);
    }
  }

  uint64_t max() const noexcept { return max_; }
  /// What is taken; exact when nobody takes or gives.
  uint64_t used() const noexcept {
    uint64_t credit = 0;
    for (const Shard& shard : shards_) credit += shard.credit.load(std::memory_order_relaxed);
    const uint64_t reserved = reserved_.load(std::memory_order_relaxed);
    return reserved - std::min(credit, reserved);
  }

 private:
  struct alignas(64) Shard {
    std::atomic<uint64_t> credit{0};
  };
  static bool take_from(std::atomic<uint64_t>& credit, uint64_t bytes) noexcept {
    uint64_t now = credit.load(std::memory_order_relaxed);
    while (now >= bytes) {
      if (credit.compare_exchange_weak(now, now - bytes, std::memory_order_relaxed)) return true;
    }
    return false;
  }
  void return_credit(std::atomic<uint64_t>& credit) noexcept {
    reserved_.fetch_sub(credit.exchange(0, std::memory_order_relaxed), std::memory_order_relaxed);
  }
  bool reserve(uint64_t bytes, uint64_t bound) noexcept {
    uint64_t now = reserved_.load(std::memory_order_relaxed);
    while (bytes <= bound && now <= bound - bytes) {
      if (reserved_.compare_exchange_weak(now, now + bytes, std::memory_order_relaxed)) return true;
    }
    return false;
  }

  const uint64_t max_;
  const uint64_t growing_max_;
  const uint64_t portion_;
  alignas(64) std::atomic<uint64_t> reserved_{0};  ///< What is taken, and all credits.
  std::array<Shard, kCounterShards> shards_;
};

}  // namespace aether::base
