/// A store: an ordered map from keys to values, inside one environment.
///
/// Order       Keys compare as unsigned bytes; a prefix sorts before what it begins.
/// Threads     Any method from any thread. A Cursor: one thread at a time.
/// Keys        Any bytes, from none (the empty key is the first) to a quarter of the environment's page.
/// Lifetime    KvStore is a small handle, copied freely. It must not be used when its DbEnv is gone.
/// Errors      Every call may also return: closed (environment, transaction); not_found (the store was
///             dropped; the message says so); invalid_argument (writes: environment or transaction is
///             read-only; the transaction is another environment's); failed (writes, after a log
///             failure); io_error or corruption (names file and page); no_space; busy (the pool is too
///             small for what is going on; writes: the store is being dropped, or too many transactions
///             are open); no_memory. A write that fails has changed nothing, and its transaction is still open; but
///             after `failed` its outcome is unknown until the environment is opened again.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "aether/error.h"
#include "aether/function_ref.h"
#include "aether/options.h"
#include "aether/transaction.h"

namespace aether {

namespace db {
class CursorImpl;
class StoreImpl;
}  // namespace db

/// Which keys a scan visits: `begin` <= key < `end`. An empty `end` means no upper bound.
struct Range {
  Bytes begin;
  Bytes end;
  bool reverse = false;  ///< From the greatest key down.
  /// All keys that start with `prefix`. The bytes of `storage` hold the end and must outlive the range. The one call that
  /// may throw: std::bad_alloc, if `storage` has no room for `prefix` and cannot get it.
  static Range prefix(Bytes prefix, std::string& storage);
};

/// What a row is written with.
struct PutOptions {
  /// Milliseconds since 1970: from then on the row is as if it had been removed. 0: it stays.
  uint64_t expires_at_ms = 0;
};

/// Walks a store in key order, both ways. Inside a transaction it sees what that sees, also its own writes.
/// Alone, and at read_committed, it sees committed rows only, and at each step what has been committed by
/// then to the page it stands on; while it stands, it holds back garbage like an open snapshot. Positioned
/// after a successful seek, first or last; unpositioned at the end. A move that fails has not happened: the cursor
/// stands where it stood. One for which there was no memory answers no_memory to every call.
class Cursor {
 public:
  Cursor(Cursor&&) noexcept;
  Cursor& operator=(Cursor&&) noexcept;
  ~Cursor();

  /// To the first key >= `key`. False: there is none.
  Result<bool> seek(Bytes key);
  /// To the last key <= `key`. False: there is none.
  Result<bool> seek_for_prev(Bytes key);
  Result<bool> first();
  Result<bool> last();
  /// One key on or back. False: the end; the cursor is then unpositioned. On an unpositioned cursor,
  /// next() means first() and prev() means last().
  Result<bool> next();
  Result<bool> prev();

  bool positioned() const noexcept;
  /// Valid until the cursor moves. Call only when positioned. The row may have been removed since.
  Bytes key() const noexcept;
  /// Valid until the cursor moves. The value as it was when the cursor came here; a large one that its own
  /// transaction has changed since, as it is now. Errors: invalid_argument (not positioned); not_found
  /// (such a row, removed since).
  Result<Bytes> value();
  /// When the row expires, as KvStore::expiry. Errors: those of value.
  Result<uint64_t> expiry();

 private:
  friend class KvStore;
  explicit Cursor(std::unique_ptr<db::CursorImpl> impl, bool is_made = true) noexcept;
  std::unique_ptr<db::CursorImpl> impl_;
  bool is_made_ = true;  ///< False: there was no memory for it.
};

class KvStore {
 public:
  // Each call alone is one transaction with the environment's durability; with a Transaction it is a
  // part of that one.

  /// The value of `key`. Errors: not_found.
  Result<std::string> get(Bytes key) const;
  Result<std::string> get(Transaction& txn, Bytes key) const;
  /// As `get`, into a buffer that is reused; `key` must not lie in it. After an error it holds what it
  /// held before, or if others were writing, anything.
  Result<void> get(Bytes key, std::string& value) const;
  Result<void> get(Transaction& txn, Bytes key, std::string& value) const;
  /// Calls `visitor` once with the value where it lies, without a copy (a value that is kept outside
  /// its page is put together first). Errors: not_found. The page is latched meanwhile:
  /// `visitor` must be short, must not throw, and must not call into the environment.
  Result<void> visit(Bytes key, FunctionRef<void(Bytes value)> visitor) const;
  Result<void> visit(Transaction& txn, Bytes key, FunctionRef<void(Bytes value)> visitor) const;

  /// Reads many keys in one snapshot, in the transaction its own; at read_committed each key's newest committed row.
  /// Faster than a get for each: their cache misses overlap. Calls `visitor(index, value)` once for each key in
  /// their order, with null for one that is not there. `value` is valid during the call only; `visitor` may use the
  /// store. A key may be given twice. After an error some may not have been visited.
  Result<void> multi_get(std::span<const Bytes> keys,
                         FunctionRef<void(size_t index, const Bytes* value)> visitor) const;
  Result<void> multi_get(Transaction& txn, std::span<const Bytes> keys,
                         FunctionRef<void(size_t index, const Bytes* value)> visitor) const;
  /// The same as a vector with an element for each key.
  Result<std::vector<std::optional<std::string>>> multi_get(std::span<const Bytes> keys) const;
  Result<std::vector<std::optional<std::string>>> multi_get(Transaction& txn,
                                                            std::span<const Bytes> keys) const;

  /// Sets `key` to `value`, whether it is there or not. Errors: conflict, too_large, invalid_argument.
  Result<void> put(Bytes key, Bytes value);
  Result<void> put(Transaction& txn, Bytes key, Bytes value);
  /// Adds a new key. Errors: exists, and those of put.
  Result<void> insert(Bytes key, Bytes value);
  Result<void> insert(Transaction& txn, Bytes key, Bytes value);
  /// Replaces the value of a key that is there. Errors: not_found, and those of put.
  Result<void> update(Bytes key, Bytes value);
  Result<void> update(Transaction& txn, Bytes key, Bytes value);
  /// The same of a row that expires. One that is written without goes without, also if the row before was to expire. What has
  /// expired is not there for any call: get, scans, insert, update and remove, remove_range. When that is, a transaction's snapshot
  /// decides, by its moment: what it has read it reads again; alone and at read_committed each call looks at the clock. That
  /// clock never goes back while the environment is open; it does when the machine's was set back and the environment opened again.
  /// Expired rows take room until a merge, an image at a checkpoint, or a page that is full finds them.
  Result<void> put(Bytes key, Bytes value, const PutOptions& options);
  Result<void> put(Transaction& txn, Bytes key, Bytes value, const PutOptions& options);
  Result<void> insert(Bytes key, Bytes value, const PutOptions& options);
  Result<void> insert(Transaction& txn, Bytes key, Bytes value, const PutOptions& options);
  Result<void> update(Bytes key, Bytes value, const PutOptions& options);
  Result<void> update(Transaction& txn, Bytes key, Bytes value, const PutOptions& options);
  /// When the row of `key` expires, in milliseconds since 1970; 0: it stays. Errors: not_found.
  Result<uint64_t> expiry(Bytes key) const;
  Result<uint64_t> expiry(Transaction& txn, Bytes key) const;
  /// Changes that, and leaves the value. 0: the row stays from now on. Errors: not_found, and those of put.
  Result<void> set_expiry(Bytes key, uint64_t at_ms);
  Result<void> set_expiry(Transaction& txn, Bytes key, uint64_t at_ms);
  /// Errors: not_found, conflict.
  Result<void> remove(Bytes key);
  Result<void> remove(Transaction& txn, Bytes key);

  /// Removes all rows of `range` that a scan would visit (its direction does not matter), and says how many those were: all
  /// or, after an error, none. As a removal for each row it takes log and memory for the rollback; but alone, in a store of
  /// kind `lsm`, many rows that lie in runs go by one. Alone, it is a transaction at the level `snapshot`. A row that somebody adds meanwhile stays, unless the transaction is
  /// serializable: then one of the two meets `conflict`. Errors: conflict, too_large (more rows than a transaction's
  /// transaction_bytes_max can take back: remove the range part by part).
  Result<uint64_t> remove_range(const Range& range);
  Result<uint64_t> remove_range(Transaction& txn, const Range& range);

  // Locks, for those who would rather wait than meet `conflict`. They last until the transaction ends or is rolled
  // back to a savepoint before them, and hold off locks and writes of other transactions; reads never. Whoever holds
  // one finds the rows as they are: a row that another open transaction has written already, without a lock, is a
  // `conflict`, and so is one that the transaction's snapshot does not see. A transaction that begins with a lock,
  // before it has read or written anything, takes its snapshot anew when it has the lock. Locks on many keys
  // become one on the store. Errors: conflict; deadlock (names who waited for what; abort, then retry); timed_out; busy
  // (lock_timeout_ms is 0); too_large; invalid_argument (the transaction is read-only).

  /// The value of `key`, locked exclusive first. Errors: not_found (the key is locked all the same), and those of locks.
  Result<std::string> lock_for_update(Transaction& txn, Bytes key);
  /// Locks a key, whether it has a row or not.
  Result<void> lock(Transaction& txn, Bytes key, LockMode mode);
  /// Locks all keys of `range`, also those that have no row yet. Errors: conflict, if any row in it is one.
  Result<void> lock_range(Transaction& txn, const Range& range, LockMode mode);
  /// Locks the whole store.
  Result<void> lock_store(Transaction& txn, LockMode mode);

  /// Calls `visitor` for each key of `range` in order until it returns false; alone, on one snapshot. The
  /// arguments are valid during the call only. Returns how many keys were visited, the last one included. `visitor` may use
  /// the store: the scan goes on from the key it was at.
  Result<uint64_t> scan(const Range& range,
                        FunctionRef<bool(Bytes key, Bytes value)> visitor) const;
  Result<uint64_t> scan(Transaction& txn, const Range& range,
                        FunctionRef<bool(Bytes key, Bytes value)> visitor) const;
  /// A cursor outside any transaction; it must not outlive the DbEnv.
  Cursor cursor() const;
  /// A cursor inside `txn`; it answers `closed` after its end.
  Cursor cursor(Transaction& txn) const;

  /// Fills an empty store from keys that `next` yields in strictly ascending order, with packed pages
  /// and little log. `next` sets key and value and returns false at the end. All or nothing: after an
  /// error or a crash the store is empty. Errors: invalid_argument (names the key that is out of
  /// order), exists (the store is not empty), busy (transactions have locks in it; kind `lsm`: others have written rows among
  /// those of the load), those of put.
  Result<uint64_t> bulk_load(FunctionRef<bool(Bytes& key, Bytes& value)> next);

  /// Of a store of kind `lsm`: from now on its runs are merged by the policy of `options` and its parameters; what else stands there is
  /// not looked at. Nothing is rewritten for it: the merges that come lead to the policy's shape. Durable. Errors:
  /// invalid_argument (the store is of another kind; an option is out of its bounds).
  Result<void> set_merge_policy(const LsmOptions& options);

  const std::string& name() const noexcept;
  uint32_t id() const noexcept;
  db::StoreImpl& impl() const noexcept { return *impl_; }

 private:
  friend class db::EnvImpl;
  friend class DbEnv;
  explicit KvStore(db::StoreImpl* impl) noexcept : impl_(impl) {}
  db::StoreImpl* impl_;
};

}  // namespace aether
