/// A batch: writes to any stores of one environment, gathered to be applied in one call.
///
///   WriteBatch batch;
///   batch.put(accounts, "ada", "70");
///   batch.remove(orders, "17");
///   env->write(batch);   // one transaction: all or nothing
///
/// Order       Entries are applied in the order they were added: of two for one key the later one wins.
/// Memory      Keys and values are copied, into one buffer that grows as a vector does and is kept by clear():
///             a batch that is used again allocates nothing. The environment keeps nothing of it.
/// Threads     One at a time; being applied counts as reading.
/// Lifetime    Its stores' environment must be alive when it is applied; else it is a plain value.
/// Errors      Come when it is applied, with the index of the entry, counted from 0. The handles need not be valid
///             stores before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "aether/options.h"
#include "aether/store.h"

namespace aether {

namespace db {
class BatchReader;
}

class WriteBatch {
 public:
  WriteBatch() = default;
  WriteBatch(const WriteBatch&) = default;
  WriteBatch& operator=(const WriteBatch&) = default;
  /// Leaves the other one empty.
  WriteBatch(WriteBatch&& other) noexcept
      : entries_(std::exchange(other.entries_, {})),
        count_(std::exchange(other.count_, 0)),
        is_whole_(std::exchange(other.is_whole_, true)) {}
  WriteBatch& operator=(WriteBatch&& other) noexcept {
    entries_ = std::exchange(other.entries_, {});
    count_ = std::exchange(other.count_, 0);
    is_whole_ = std::exchange(other.is_whole_, true);
    return *this;
  }
  ~WriteBatch() = default;

  // What each does, and which errors it meets: the call of that name in KvStore.
  // For which there is no memory is not taken; applying the batch then answers no_memory, and does nothing.
  void put(const KvStore& store, Bytes key, Bytes value) noexcept;
  void insert(const KvStore& store, Bytes key, Bytes value) noexcept;
  void update(const KvStore& store, Bytes key, Bytes value) noexcept;
  void put(const KvStore& store, Bytes key, Bytes value, const PutOptions& options) noexcept;
  void insert(const KvStore& store, Bytes key, Bytes value, const PutOptions& options) noexcept;
  void update(const KvStore& store, Bytes key, Bytes value, const PutOptions& options) noexcept;
  void set_expiry(const KvStore& store, Bytes key, uint64_t at_ms) noexcept;
  void remove(const KvStore& store, Bytes key) noexcept;

  size_t count() const noexcept { return count_; }
  bool empty() const noexcept { return count_ == 0; }
  /// Of keys and values, with 32 for each entry, and 8 more for one that expires.
  size_t bytes() const noexcept { return entries_.size(); }
  /// Room for so many bytes() without another allocation; none, if there is no memory for that.
  void reserve(size_t bytes) noexcept;
  /// Removes all entries; keeps the memory.
  void clear() noexcept {
    entries_.clear();
    count_ = 0;
    is_whole_ = true;
  }

 private:
  friend class db::BatchReader;
  friend class db::EnvImpl;
  friend class db::TransactionImpl;
  void added(bool is_there) noexcept;
  Result<void> check() const;
  std::string entries_;  ///< One behind the other, as BatchReader takes them apart.
  size_t count_ = 0;
  bool is_whole_ = true;  ///< Every entry was taken.
};

}  // namespace aether
