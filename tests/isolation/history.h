/// A recorded history: what transactions of many sessions did and saw, for the checker (checker.h).
///
/// Threads     `History::session()` from any thread; a Session belongs to one thread at a time. Sessions
///             share one atomic counter and nothing else, so that recording hardly changes the timing.
///             Check only after every recording thread has been joined.
/// Use         Say `begin` before the engine's begin and the outcome after the engine's answer: a stamp
///             must lie outside of what it bounds. Record an operation after it has returned; one that
///             failed is not recorded. A commit whose answer is not known (crash, failed log) is `unknown`.
/// Values      Unique for their key; 0 is no value. A key is a list (append, read_list) or a register
///             (write, read), never both; `scan` reads both kinds. A list is read whole, so a workload
///             moves on to fresh keys after some dozens of appends, and reads every key at its end: what
///             nobody has read, nobody can order.
/// Memory      12 bytes a write or a register read, 8 + 4n a list of n, 48 a transaction.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/assert.h"

namespace aether::isolation {

using Key = uint32_t;
using Value = uint32_t;
inline constexpr Value kNoValue = 0;

enum class Level : uint8_t { read_committed, snapshot, serializable };
enum class Outcome : uint8_t { committed, aborted, unknown };
enum class OpKind : uint8_t { append, read_list, write, read, scan };

/// One operation, decoded. It borrows from the history.
struct Op {
  OpKind kind = OpKind::read;
  Key key = 0;   ///< scan: the first key of its range.
  Key last = 0;  ///< scan: the last key of its range, included.
  /// append, write: the value. read: the value, 0 for none. read_list: the list. scan: pairs of key and
  /// (last) value, ascending by key.
  std::span<const uint32_t> data;

  bool is_write() const { return kind == OpKind::append || kind == OpKind::write; }
  Value value() const { return data[0]; }
};

/// A transaction that has ended. The stamps bound, from outside, when its snapshot was taken
/// (begin..begun) and when it took effect (committing..end).
struct TxnRecord {
  const uint32_t* words = nullptr;
  uint32_t word_count = 0;
  Level level = Level::serializable;
  Outcome outcome = Outcome::unknown;
  uint64_t begin = 0;
  uint64_t begun = 0;
  uint64_t committing = 0;
  uint64_t end = 0;
};

/// Goes through a transaction's operations in program order.
class OpReader {
 public:
  explicit OpReader(const TxnRecord& txn) : at_(txn.words), end_(txn.words + txn.word_count) {}

  /// False at the end; `op` is then left as it was.
  bool next(Op& op) {
    if (at_ == end_) return false;
    op.kind = static_cast<OpKind>(*at_ & 7);
    const uint32_t count = *at_ >> 3;
    op.key = at_[1];
    const uint32_t head = op.kind == OpKind::scan ? 3 : 2;
    op.last = op.kind == OpKind::scan ? at_[2] : op.key;
    op.data = {at_ + head, count};
    at_ += head + count;
    AETHER_ASSERT(at_ <= end_);
    return true;
  }

 private:
  const uint32_t* at_;
  const uint32_t* end_;
};

/// Words in large chunks that never move: no copy while it grows, none when sessions are put together.
class WordArena {
 public:
  const uint32_t* keep(std::span<const uint32_t> words) {
    if (words.size() > left_) {
      left_ = std::max(kChunkWords, words.size());
      // The array form without () leaves the words unset: pages that are never written cost nothing.
      chunks_.emplace_back(new uint32_t[left_]);
      free_ = chunks_.back().get();
    }
    uint32_t* const kept = free_;
    std::copy(words.begin(), words.end(), kept);
    free_ += words.size();
    left_ -= words.size();
    return kept;
  }

 private:
  static constexpr size_t kChunkWords = size_t{1} << 18;
  std::vector<std::unique_ptr<uint32_t[]>> chunks_;
  uint32_t* free_ = nullptr;
  size_t left_ = 0;
};

/// The transactions of one thread, one after another.
class Session {
 public:
  explicit Session(std::atomic<uint64_t>& clock) : clock_(clock) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Call before the engine begins.
  void begin(Level level) {
    AETHER_ASSERT(!open_);
    open_ = true;
    words_.clear();
    txn_ = TxnRecord{.level = level, .begin = stamp()};
  }
  /// Call when the engine has begun and the snapshot is taken. Without it, the first operation tells.
  void begun() {
    AETHER_ASSERT(open_ && txn_.begun == 0);
    txn_.begun = stamp();
  }

  void append(Key key, Value value) { put(OpKind::append, key, {&value, 1}); }
  void write(Key key, Value value) { put(OpKind::write, key, {&value, 1}); }
  void read_list(Key key, std::span<const Value> list) { put(OpKind::read_list, key, list); }
  void read(Key key, std::optional<Value> seen) {
    const Value value = seen.value_or(kNoValue);
    put(OpKind::read, key, {&value, 1});
  }
  /// `seen`: ascending by key, each key within [first, last].
  void scan(Key first, Key last, std::span<const std::pair<Key, Value>> seen) {
    start_op(OpKind::scan, seen.size() * 2);
    words_.push_back(first);
    words_.push_back(last);
    for (const auto& [key, value] : seen) {
      words_.push_back(key);
      words_.push_back(value);
    }
  }

  /// Call before the engine commits. Without it, the commit is only known to follow the begin.
  void committing() {
    AETHER_ASSERT(open_);
    txn_.committing = stamp();
  }
  /// Call when the engine has answered.
  void committed() { end(Outcome::committed); }
  void aborted() { end(Outcome::aborted); }
  void unknown() { end(Outcome::unknown); }

  bool is_open() const { return open_; }
  const std::deque<TxnRecord>& transactions() const { return transactions_; }
  uint64_t operation_count() const { return operations_; }

 private:
  // Sequentially consistent: a stamp may not slip to the other side of the engine's call.
  uint64_t stamp() { return clock_.fetch_add(1) + 1; }

  void start_op(OpKind kind, size_t count) {
    AETHER_ASSERT(open_);
    AETHER_ASSERT(count < (size_t{1} << 29));
    if (txn_.begun == 0) txn_.begun = stamp();
    words_.push_back(static_cast<uint32_t>(kind) | static_cast<uint32_t>(count) << 3);
    ++operations_;
  }

  void put(OpKind kind, Key key, std::span<const uint32_t> data) {
    start_op(kind, data.size());
    words_.push_back(key);
    words_.insert(words_.end(), data.begin(), data.end());
  }

  void end(Outcome outcome) {
    AETHER_ASSERT(open_);
    AETHER_ASSERT(words_.size() <= UINT32_MAX);
    if (txn_.begun == 0) txn_.begun = stamp();
    if (txn_.committing == 0) txn_.committing = txn_.begun;
    txn_.outcome = outcome;
    txn_.end = stamp();
    txn_.words = arena_.keep(words_);
    txn_.word_count = static_cast<uint32_t>(words_.size());
    transactions_.push_back(txn_);
    open_ = false;
  }

  std::atomic<uint64_t>& clock_;
  bool open_ = false;
  TxnRecord txn_;                // Of the open transaction,
  std::vector<uint32_t> words_;  // and its operations.
  WordArena arena_;
  std::deque<TxnRecord> transactions_;
  uint64_t operations_ = 0;
};

class History {
 public:
  /// A new session. The reference holds as long as the history.
  Session& session() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return sessions_.emplace_back(clock_);
  }

  const std::deque<Session>& sessions() const { return sessions_; }

 private:
  alignas(64) std::atomic<uint64_t> clock_ = 0;
  alignas(64) std::mutex mutex_;
  std::deque<Session> sessions_;
};

}  // namespace aether::isolation
