/// What threads did to an environment at the same time, and what it may hold afterwards. Shares no code with the engine.
///
/// Every transaction leaves a row of its own (its mark), so that what is found says which transactions are in it: the set
/// S. A call has a begin and an end on one clock; what ended before another began came before it. Then
///
///   1  every acknowledged transaction is in S
///   2  S holds no transaction that was aborted, or had not called commit
///   3  a row is as one of the last writers in S left it: none of S wrote it later
///   4  with a transaction S holds those whose rows it read or overwrote
///   5  with one log stream: with a transaction of a worker S holds the earlier ones of that worker
///   6  the accounts' sum is what it was; of a pair, in serializable runs, not both rows are zero
///   7  in doubt are those that were prepared and not decided
///
/// `check` holds what a crash has left against it, and what a snapshot shows in a running environment.
///
/// Threads   One at a time.
/// Source    Adya, Liskov, O'Neil: "Generalized Isolation Level Definitions", ICDE 2000, for what 3 and 4 forbid.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "aether/aether.hpp"

namespace aether::sim {

/// A row's content: who wrote it, and a number that means something to the workload.
struct RowValue {
  uint64_t writer = 0;
  uint64_t amount = 0;
  bool operator==(const RowValue&) const = default;
};

/// The value's bytes: both numbers, then bytes that both and the key choose, `bytes` in all (16 at least).
std::string encode_row(const std::string& key, RowValue value, size_t bytes);
/// Nothing: these bytes were not written as a whole to that key.
std::optional<RowValue> decode_row(Bytes key, Bytes bytes);

using Rows = std::map<std::string, RowValue>;

struct FoundState {
  Rows rows;
  std::set<uint64_t> marks;     ///< Transactions whose mark is there.
  std::set<uint64_t> in_doubt;  ///< After a crash.
};

enum class Fate : uint8_t {
  open,
  aborted,       ///< Or its commit was refused.
  calling,       ///< Commit was called and has not answered, or has answered that it does not know.
  committed,     ///< Answered, not known to be durable.
  durable,       ///< Acknowledged.
  preparing,     ///< Prepare was called and has not answered.
  prepared,      ///< Acknowledged; not decided.
  rolling_back,  ///< It was prepared, and a rollback was called: in doubt, or gone.
};

class History {
 public:
  struct Write {
    bool removed = false;
    uint64_t amount = 0;
    uint64_t first_call = 0;  ///< When the first write of the row was called.
    uint64_t last_return = 0;
  };
  struct Txn {
    uint64_t id = 0;
    uint32_t worker = 0;
    bool marked = true;  ///< Off: a single write, which leaves no mark.
    Fate fate = Fate::open;
    uint64_t commit_call = 0;
    uint64_t commit_return = 0;  ///< 0: not yet.
    std::map<std::string, Write> writes;
    std::set<uint64_t> read_from;
    std::optional<CommitTicket> ticket;
  };
  struct Rules {
    bool one_stream = false;
    bool serializable = false;
    uint64_t accounts_sum = 0;
  };
  /// When a snapshot was taken: between these.
  struct Moment {
    uint64_t before = 0;
    uint64_t after = 0;
  };

  explicit History(const Rules& rules) : rules_(rules) {}

  uint64_t tick() { return ++now_; }
  uint64_t begin(uint32_t worker, bool marked = true);
  Txn& txn(uint64_t id) { return txns_.at(id); }
  void read(uint64_t id, const RowValue& value) { txn(id).read_from.insert(value.writer); }
  void wrote(uint64_t id, const std::string& key, bool removed, uint64_t amount, uint64_t called);

  /// Takes note of asynchronous commits that are durable now.
  void poll();
  /// What an asynchronous commit's completion says.
  void became_durable(uint64_t id) {
    if (!is_closed_) txn(id).fate = Fate::durable;
  }
  /// The crash has come: what the environment says from here on counts no more, and tickets must not be asked.
  void close();
  /// A crash: what was found counts from now on.
  void adopt(const FoundState& found);

  /// Empty: `found` can be explained. `snapshot`: it is what a running environment shows; else what a crash has left.
  std::string check(const FoundState& found, const std::optional<Moment>& snapshot = {}) const;
  size_t size() const { return txns_.size(); }

 private:
  std::string check_marks(const FoundState& found) const;
  std::string check_snapshot_marks(const FoundState& found, const Moment& moment) const;
  std::string check_rows(const FoundState& found, const Moment& moment) const;
  std::string check_row(const FoundState& found, const Moment& moment, const std::string& key,
                        const std::vector<const Txn*>& writers) const;
  std::string check_closed(const FoundState& found) const;
  std::string check_order(const FoundState& found) const;
  std::string check_sums(const FoundState& found) const;
  std::string check_in_doubt(const FoundState& found) const;
  std::map<std::string, std::vector<const Txn*>> writers_by_row() const;
  static bool is_in(const FoundState& found, const Moment& moment, const Txn& txn);

  const Rules rules_;
  uint64_t now_ = 0;
  uint64_t next_id_ = 1;
  std::map<uint64_t, Txn> txns_;
  bool is_closed_ = false;
  Rows base_;
  std::set<uint64_t> old_marks_;  ///< Of what `adopt` was given.
  std::set<uint64_t> old_doubts_;
};

}  // namespace aether::sim
