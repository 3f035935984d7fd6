/// What stands behind the lock manager: a partition of the key locks, and the locks of a store.
///
/// Threads   See lock_manager.h, "Latches".
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/assert.h"
#include "txn/lock_manager.h"
#include "txn/range_tree.h"

namespace aether::txn {

/// A store in which somebody has or had a lock.
struct StoreLocks {
  explicit StoreLocks(StoreId store) noexcept : id(store) {}

  const StoreId id;
  LockManager::Coarse coarse;
  RangeTree ranges;
  LockManager::Queue queue;  ///< Of its keys and ranges.
};

/// A key that is locked, and by whom. There is one only while there is a holder.
struct alignas(64) KeyLocks {
  KeyLocks* chain = nullptr;  ///< The next in its bucket, or the next spare one.
  uint64_t hash = 0;          ///< Of a spare one: how many there are from here on.
  StoreLocks* store = nullptr;
  LockEntry* holders = nullptr;
  std::string key;
};

struct KeyOrder {
  using is_transparent = void;
  struct Place {
    StoreId store;
    std::string_view key;
  };
  static Place place(const KeyLocks* key) noexcept { return {key->store->id, key->key}; }
  static Place place(const Place& place) noexcept { return place; }
  template <typename A, typename B>
  bool operator()(const A& a, const B& b) const noexcept {
    const Place x = place(a), y = place(b);
    return x.store != y.store ? x.store < y.store : x.key < y.key;
  }
};

/// What a lock of a key needs fits one cache line: between threads, lines are what it costs.
struct alignas(64) LockManager::Partition {
  os::Mutex mutex;
  KeyLocks* spare = nullptr;  ///< For reuse, so that a lock seldom allocates.
  std::unique_ptr<KeyLocks*[]> buckets;
  uint32_t mask = 0;  ///< The number of buckets - 1.
  uint32_t keys = 0;
  std::set<KeyLocks*, KeyOrder> ordered;  ///< All keys, once `keys_ordered_`.
  LockSet* sets = nullptr;                ///< That hold anything and have their home here.

  Partition();
  ~Partition();
  KeyLocks* find(uint64_t hash, const StoreLocks* store, std::string_view key) const noexcept;
  KeyLocks& make(uint64_t hash, StoreLocks* store, std::string_view key, bool ordered_too);
  void remove(KeyLocks& key, bool ordered_too) noexcept;

 private:
  KeyLocks*& bucket_of(uint64_t hash) noexcept { return buckets[hash & mask]; }
  void grow() noexcept;
};

/// Holds the mutexes of all partitions: nothing moves.
class LockManager::World {
 public:
  explicit World(const LockManager& manager) AETHER_NO_THREAD_SAFETY : manager_(manager) {
    for (uint32_t i = 0; i < manager_.options_.partitions; ++i) {
      manager_.partitions_[i].mutex.lock();
    }
  }
  ~World() AETHER_NO_THREAD_SAFETY {
    for (uint32_t i = manager_.options_.partitions; i-- > 0;) {
      manager_.partitions_[i].mutex.unlock();
    }
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

 private:
  const LockManager& manager_;
};

/// The time that one `acquire` may still wait. Looks at the clock only if it comes to that.
class LockManager::Timer {
 public:
  Timer(os::Os& os, uint64_t timeout_ns) noexcept : os_(os), timeout_ns_(timeout_ns) {}
  bool may_wait() const noexcept { return timeout_ns_ != 0; }
  uint64_t timeout_ns() const noexcept { return timeout_ns_; }
  void start() {
    if (!started_) begun_ns_ = os_.monotonic_ns();
    started_ = true;
  }
  uint64_t left_ns() const {
    if (timeout_ns_ == kForever) return kForever;
    const uint64_t waited = os_.monotonic_ns() - begun_ns_;
    return waited < timeout_ns_ ? timeout_ns_ - waited : 0;
  }

 private:
  os::Os& os_;
  const uint64_t timeout_ns_;
  bool started_ = false;
  uint64_t begun_ns_ = 0;
};

inline LockManager::Partition& LockManager::partition_of(uint64_t hash) const noexcept {
  return partitions_[(hash >> 40) & (options_.partitions - 1)];  // Other bits than the bucket's.
}

inline LockManager::Coarse& LockManager::coarse_of(StoreLocks* store) const noexcept {
  return store == nullptr ? *environment_ : store->coarse;
}

}  // namespace aether::txn
