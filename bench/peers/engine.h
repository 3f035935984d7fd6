/// What every engine under comparison looks like to the harness.
///
/// An adapter is one file, `engine_<name>.cpp`: a Session with the hot calls, an Engine that opens
/// and closes, and a function `<name>_kind()` that the table in registry.cpp lists. `aether-peers
/// --check` holds each adapter to the contract below.
///
/// Threads    Engine: one thread. Session: one thread each; those of one engine run in parallel.
/// Ownership  Sessions end before `Engine::close`. Keys and values are borrowed for the call.
/// Errors     Hot calls answer with an `Answer`; `Session::error` says why the last one failed.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "aether/error.h"
#include "aether/function_ref.h"
#include "aether/options.h"

namespace aether::bench {

/// `conflict` asks for another try: of the call, or of the whole transaction after `abort`.
enum class Answer : uint8_t { ok, not_found, conflict, failed };

/// What a workload asks of an engine; decided when it is opened, not by an `if` per key.
struct EngineConfig {
  std::string dir;                  ///< Exists. All files of the engine go here.
  uint64_t pool_bytes = 2 * GiB;    ///< Memory for cached data, however the engine calls it.
  bool sync_commits = false;        ///< Every commit waits until it is durable.
  bool transactions = false;        ///< begin, txn_get, txn_put and commit will be called.
  bool snapshots = false;           ///< begin_snapshot will be called, beside writers.
  bool writes = false;              ///< Something will be put.
  bool larger_than_memory = false;  ///< Eight times the pool: no help from the page cache.
  /// What is put stays in the log, for `reopen` to replay: no checkpoint, no flush of a memtable before the end.
  bool keep_log = false;
};

/// Shows the value of the key at `index`; null if there is no such key.
using BatchVisitor = FunctionRef<void(size_t index, const Bytes* value)>;

class Session {
 public:
  Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  virtual ~Session() = default;

  /// Copies the newest value of `key` into `value`.
  virtual Answer get(Bytes key, std::string& value) = 0;
  /// Shows the newest value to `visitor` where it lies, as nearly as the engine can.
  virtual Answer visit(Bytes key, FunctionRef<void(Bytes value)> visitor) = 0;
  /// Shows the newest value of each key, in the order of `keys`. As here: one `visit` after the other, for engines that
  /// have nothing better.
  virtual Answer multi_get(std::span<const Bytes> keys, BatchVisitor visitor);
  /// Insert or update; one commit.
  virtual Answer put(Bytes key, Bytes value) = 0;
  /// One commit. `ok` also if there was no such key.
  virtual Answer remove(Bytes key) = 0;
  /// Visits up to `limit` pairs: upwards from the first key >= `from` or, in reverse, downwards
  /// from the last key <= `from`.
  virtual Answer scan(Bytes from, bool reverse, uint32_t limit,
                      FunctionRef<void(Bytes key, Bytes value)> visitor) = 0;
  /// Visits all pairs from `from` on, up to and without `end`. As here: upwards one pair, for engines that take no end, and ranges that
  /// have at most one.
  virtual Answer scan_range(Bytes from, Bytes end,
                            FunctionRef<void(Bytes key, Bytes value)> visitor) {
    return scan(from, false, 1, [&](Bytes key, Bytes value) {
      if (key < end) visitor(key, value);
    });
  }

  // One transaction at a time. After anything but `ok` or `not_found` only `abort` may follow.
  virtual Answer begin() = 0;
  /// Reads with the intent to write the same key: locks, where the engine has locks.
  virtual Answer txn_get(Bytes key, std::string& value) = 0;
  virtual Answer txn_put(Bytes key, Bytes value) = 0;
  virtual Answer commit() = 0;
  virtual void abort() = 0;

  // One snapshot at a time, outside transactions: all its reads see the moment of its begin.
  virtual Answer begin_snapshot() = 0;
  virtual Answer snapshot_get(Bytes key, std::string& value) = 0;
  virtual void end_snapshot() = 0;

  const std::string& error() const noexcept { return error_; }

 protected:
  /// multi_get for engines where many reads are cheaper in one snapshot: `visit` after `visit` in one.
  Answer multi_get_in_snapshot(std::span<const Bytes> keys, BatchVisitor visitor);
  Answer fail(std::string why) {
    error_ = std::move(why);
    return Answer::failed;
  }

 private:
  std::string error_;
};

class Engine {
 public:
  Engine() = default;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  virtual ~Engine() = default;

  virtual Result<void> open(const EngineConfig& config) = 0;
  virtual Result<void> close() = 0;
  virtual Result<std::unique_ptr<Session>> session() = 0;
  /// After a load: finishes background work and makes the data durable, so that the runs that
  /// follow measure the engine at rest.
  virtual Result<void> settle() = 0;
  virtual std::string version() const = 0;
  /// One line that lets a reader repeat the configuration. Valid after `open`.
  virtual std::string describe() const = 0;
};

struct EngineKind {
  std::string name;
  /// The engine that loads the stores that this one opens; its own name, or another form of it.
  std::string loads_as;
  std::unique_ptr<Engine> (*make)() = nullptr;
  /// Empty, or why this engine has no place in a run with this configuration. Not a failure.
  std::string (*leaves_out)(const EngineConfig& config) = nullptr;
  /// It reads files through the page cache: larger than memory, something must hold that to the pool's size.
  bool through_page_cache = false;
  /// For the report: how `multi_get` works.
  const char* batch_get = "one get after the other, the library has no batch get";
  uint64_t value_bytes_max = 1 * MiB;  ///< Larger values it refuses.
};

/// All engines that this program was built with, Aether first.
const std::vector<EngineKind>& engine_kinds();
/// Null if there is none of that name.
const EngineKind* find_engine(const std::string& name);

}  // namespace aether::bench
