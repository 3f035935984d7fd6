/// Records that several threads add to a loaded store, and which of them are surely there.
///
/// Each lane adds a sequence of its own: lane l of n adds records + l, records + l + n, ...
///
/// Threads  `next` and `acknowledge`: the lane's thread. `newest`: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

namespace aether::bench {

class Inserted {
 public:
  Inserted(uint64_t records, unsigned lanes) : records_(records), lanes_(lanes) {}

  /// The record that `lane` adds next.
  uint64_t next(uint64_t lane) const noexcept {
    return records_ + lanes_[lane].done.load(std::memory_order_relaxed) * lanes_.size() + lane;
  }
  /// Its put has returned: others may ask for it.
  void acknowledge(uint64_t lane) noexcept {
    lanes_[lane].done.fetch_add(1, std::memory_order_release);
  }

  /// A record that is there; rank 0 is among the newest, `rank` others were added after it, roughly: each lane is as
  /// old as its own sequence says. `rank` is below the number of records that were loaded.
  uint64_t newest(uint64_t rank) const noexcept {
    const uint64_t lane = rank % lanes_.size();
    const uint64_t age = rank / lanes_.size();
    const uint64_t done = lanes_[lane].done.load(std::memory_order_acquire);
    if (age < done) return records_ + (done - 1 - age) * lanes_.size() + lane;
    // Before the lane's first one comes what was loaded, the highest number first.
    return records_ - 1 - (age - done) * lanes_.size() - lane;
  }

 private:
  struct alignas(128) Lane {
    std::atomic<uint64_t> done{0};
  };
  const uint64_t records_;
  std::vector<Lane> lanes_;
};

}  // namespace aether::bench
