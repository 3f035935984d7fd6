/// What every engine looks like to the TPC-C-like mix: ten ordered stores, and transactions over them.
///
/// An adapter is one file, `store_<name>.cpp`. Its rows are bytes; what lies in them, schema.h knows.
///
/// Threads    Database: one thread. Connection: one thread each; those of one database run in parallel.
/// Ownership  Connections end before `Database::close`. Keys and values are borrowed for the call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "aether/error.h"
#include "aether/function_ref.h"
#include "peers/engine.h"

namespace aether::bench::tpcc {

/// The tables of TPC-C, and `customer_name`: from last and first name to the customer.
enum class Table : uint8_t {
  warehouse,
  district,
  customer,
  customer_name,
  history,
  new_order,
  order,
  order_line,
  item,
  stock,
};
inline constexpr size_t kTables = 10;
constexpr size_t index_of(Table table) { return static_cast<size_t>(table); }
/// Never null. No SQL keyword.
const char* table_name(size_t table);

/// From `conflict` to `timed_out`: abort, then try the transaction again.
enum class Status : uint8_t { ok, not_found, exists, conflict, deadlock, timed_out, failed };
constexpr bool asks_for_retry(Status status) {
  return status == Status::conflict || status == Status::deadlock || status == Status::timed_out;
}
/// Never null.
const char* to_word(Status status);

class Connection {
 public:
  Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  virtual ~Connection() = default;

  // One transaction at a time. After anything but ok, not_found and exists only `abort` may follow.
  virtual Status begin() = 0;
  virtual Status get(Table table, Bytes key, std::string& value) = 0;
  /// The row will be updated by this transaction: locks it, where the engine has such locks.
  virtual Status get_for_update(Table table, Bytes key, std::string& value) = 0;
  /// Many rows that are there, in the order of `keys`, at once where the engine can; `for_update` as above. `values`: one
  /// for each key.
  virtual Status get_many(Table table, std::span<const Bytes> keys, bool for_update,
                          std::span<std::string> values);
  /// Replaces a row that is there.
  virtual Status update(Table table, Bytes key, Bytes value) = 0;
  /// Adds a row. `exists` if the key is there.
  virtual Status insert(Table table, Bytes key, Bytes value) = 0;
  /// Visits begin <= key < end upwards until `visitor` returns false; an empty `end` is none. Also outside a
  /// transaction, when nobody writes.
  virtual Status scan(Table table, Bytes begin, Bytes end,
                      FunctionRef<bool(Bytes key, Bytes value)> visitor) = 0;
  virtual Status commit() = 0;
  virtual void abort() = 0;

  /// Why the last call failed.
  const std::string& error() const noexcept { return error_; }

 protected:
  Status fail(std::string why) {
    error_ = std::move(why);
    return Status::failed;
  }

 private:
  std::string error_;
};

class Database {
 public:
  Database() = default;
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  virtual ~Database() = default;

  /// Makes what is missing. Of `config`: dir, pool_bytes, sync_commits.
  virtual Result<void> open(const EngineConfig& config) = 0;
  /// With a checkpoint: the next open replays nothing.
  virtual Result<void> close() = 0;
  virtual Result<std::unique_ptr<Connection>> connect() = 0;
  virtual std::string version() const = 0;
  /// One line that lets a reader repeat the configuration. Valid after `open`.
  virtual std::string describe() const = 0;
};

struct StoreKind {
  std::string name;
  /// The kind that loads the data that this one opens.
  std::string loads_as;
  /// The isolation of its transactions, in one word or two.
  std::string isolation;
  std::unique_ptr<Database> (*make)() = nullptr;
};

/// All that this program was built with, Aether first.
const std::vector<StoreKind>& store_kinds();
/// Null if there is none of that name.
const StoreKind* find_store(const std::string& name);

}  // namespace aether::bench::tpcc
