/// The locks of one transaction: a stack, so that a savepoint is a height of it.
///
/// Threads   One thread at a time, as its transaction. The lock manager reads it under its own latches.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.h"
#include "os/sync.h"
#include "txn/lock_name.h"

namespace aether::txn {

class LockManager;
class LockSet;
struct KeyLocks;
struct RangeLock;
struct StoreLocks;

/// One lock, or (`raises` set) the conversion of one to a stronger mode: then only `before` counts, and the
/// mode stands in the entry that is raised.
struct LockEntry {
  LockSet* owner = nullptr;
  LockEntry*
      next = nullptr;  ///< Of a key: the next that holds it. Of a store: the owner's next store.
  LockEntry* raises = nullptr;  ///< The lock whose mode was `before`.
  KeyLocks* key = nullptr;
  StoreLocks* store = nullptr;
  RangeLock* range = nullptr;
  LockLevel level = LockLevel::environment;
  LockMode mode = LockMode::none;
  LockMode before = LockMode::none;
};

/// Entries that stay where they are until they are popped. The first few need no allocation.
class LockStack {
 public:
  size_t size() const noexcept { return size_; }
  /// Before anything is changed that `push` completes: then that needs no memory.
  void make_room() {
    if (chunk_of(size_) == chunks_.size() + 1) chunks_.push_back(std::make_unique<Chunk>());
  }
  LockEntry& push() noexcept {
    LockEntry& entry = at(size_++);
    entry = LockEntry();
    return entry;
  }
  LockEntry& top() noexcept { return at(size_ - 1); }
  void pop() noexcept { --size_; }
  const LockEntry& operator[](size_t i) const noexcept {
    return const_cast<LockStack*>(this)->at(i);
  }

 private:
  static constexpr size_t kFirst = 8, kChunk = 64;
  using Chunk = std::array<LockEntry, kChunk>;

  static size_t chunk_of(size_t i) noexcept { return i < kFirst ? 0 : 1 + (i - kFirst) / kChunk; }
  LockEntry& at(size_t i) noexcept {
    return i < kFirst ? first_[i] : (*chunks_[chunk_of(i) - 1])[(i - kFirst) % kChunk];
  }

  size_t size_ = 0;
  std::array<LockEntry, kFirst> first_{};
  std::vector<std::unique_ptr<Chunk>> chunks_;
};

/// What somebody asks for, resolved: `mode` is the one that a conversion would end in.
struct LockRequest {
  LockSet* owner = nullptr;
  StoreLocks* store = nullptr;  ///< None: the environment.
  LockName name;
  uint64_t hash = 0;  ///< Of a key.
  LockMode mode = LockMode::none;
  bool conversion = false;  ///< The owner holds it, or a range around it, in a weaker mode.
};

/// A height of the stack, for `LockManager::release_to`.
struct LockMark {
  size_t height = 0;
};

class LockSet {
 public:
  /// `manager` must outlive it.
  LockSet(LockManager& manager, TxnId id) noexcept : manager_(manager), id_(id) {}
  ~LockSet();  ///< Releases all.
  LockSet(const LockSet&) = delete;
  LockSet& operator=(const LockSet&) = delete;

  TxnId id() const noexcept { return id_; }
  /// Locks held, intention locks and conversions counted.
  size_t count() const noexcept { return entries_.size(); }
  LockMark mark() const noexcept { return {entries_.size()}; }

 private:
  friend class LockManager;
  enum class Wait : uint8_t { waiting, granted, victim, no_memory };

  LockMode environment_mode() const noexcept {
    return environment_ == nullptr ? LockMode::none : environment_->mode;
  }

  LockManager& manager_;
  const TxnId id_;
  uint32_t home_ = 0;  ///< The partition that lists this set while it holds anything.
  LockStack entries_;
  LockEntry* environment_ = nullptr;
  LockEntry* stores_ = nullptr;      ///< The stores locked, newest first.
  LockEntry* last_store_ = nullptr;  ///< The one asked for last.
  LockSet* previous_ = nullptr;      ///< In the list of the home partition.
  LockSet* next_ = nullptr;
  uint64_t since_ns_ = 0;  ///< When it took its first lock.

  // While it waits. Written under all latches, by this thread before it sleeps and by who ends the wait.
  bool queued_ = false;
  LockRequest request_;
  uint64_t waits_since_ns_ = 0;
  std::string deadlock_;
  uint64_t search_ = 0;  ///< The last search for a deadlock that came past.

  // How the sleeper learns of it.
  os::Mutex mutex_;
  os::CondVar woken_;
  Wait wait_ AETHER_GUARDED_BY(mutex_) = Wait::waiting;
};

}  // namespace aether::txn
