/// What an environment must hold: rows whose commit was answered, and what a crash may have taken or left.
///
///   base      everything up to here is durable, and there for good
///   commits   later ones, in the order in which commit was called; each is
///               calling    no answer yet when the crash struck: there or not, but never half
///               committed  answered, but not known to be durable (Durability::none, commit_async): may be lost,
///                          with all that depends on it
///               durable    acknowledged: must be there
///               unknown    answered `failed`: as calling
///   doubts    transactions of two-phase commit between `prepare` and the answer to their decision
///
/// `breach` looks for a set of commits that explains what was found: all durable ones; with each one those whose
/// rows it overwrote; and whatever the found rows force in. With one log stream a prefix must explain it. Those in doubt
/// must be exactly the prepared ones that were not decided; one whose decision was under way is in doubt, and nothing
/// of it visible, or decided.
/// Transactions that were open or took themselves back, and writes before a savepoint that was rolled back to, are not in
/// the model: one row of theirs is a breach.
///
/// Source: reliability work on dependency-closed recovery; shares no code with the engine.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "aether/transaction.h"
#include "sim/oracle/value.h"

namespace aether::oracle {

enum class Fate : uint8_t { calling, committed, durable, unknown };

class Model {
 public:
  /// Before commit is called; `gid`: of a prepared transaction.
  void call(Writes writes, const std::string& gid = {});
  /// The call that is under way was answered.
  void answer(Fate fate);
  void answer_async(const CommitTicket& ticket);
  /// It was refused, and nothing of it has happened.
  void refuse();

  // Two-phase commit: before the call, and with its answer.
  void prepare(const std::string& gid, Writes writes);
  void prepare_answered(const std::string& gid, Fate fate);  ///< durable or unknown
  void prepare_refused(const std::string& gid);
  void roll_back(const std::string& gid);
  void roll_back_answered(const std::string& gid, Fate fate);
  void roll_back_refused(const std::string& gid);
  /// The writes of each transaction that is prepared and undecided.
  std::map<std::string, Writes> prepared() const;
  /// And of those that may be.
  std::map<std::string, Writes> all_doubts() const;

  /// Takes note of asynchronous commits that the engine now calls durable.
  void poll();
  void fold();
  /// Closed in order: everything answered is durable.
  void closed();
  /// The environment is gone: tickets must not be asked any more.
  void forget_tickets();
  /// A crash: what was found counts from now on.
  void adopt(const Found& found);
  /// What a reader sees as long as nothing crashes.
  State live() const;

  /// Empty: `found` can be explained. Else what is wrong.
  std::string breach(const Found& found, bool one_stream) const;
  /// The same of a part: rows that were read beside damage. Each must be one that a commit has left at its place.
  std::string breach_of_part(const State& part) const;
  /// As if the durable ones of the last `count` commits were not: what damage to the last block of the log may take.
  Model without_last(size_t count) const;
  size_t pending() const { return commits_.size(); }

 private:
  struct Commit {
    Fate fate = Fate::calling;
    Writes writes;
    std::string gid;
    bool is_prepare = false;  ///< Not a commit: `writes` only say on whose rows it depends.
    CommitTicket ticket = {};
    bool has_ticket = false;
  };
  enum class Decision : uint8_t {
    preparing,  ///< Or answered unknown: in doubt or gone.
    none,       ///< Prepared: must be in doubt.
    commits,    ///< In doubt, or its commit is there.
    rolls_back  ///< In doubt or gone.
  };
  struct Doubt {
    Writes writes;
    Decision decision = Decision::preparing;
  };
  using Chosen = std::vector<bool>;

  std::string breach_of_doubts(const Found& found) const;
  Chosen excluded(const Found& found) const;
  Chosen forced(const Found& found) const;
  State replay(const Chosen& in) const;
  void close(Chosen& in, const Chosen& out) const;
  bool force(Chosen& in, const Chosen& out, const Place& place,
             const std::optional<Value>& value) const;
  std::string describe(const Chosen& in, const Writes& wrong) const;

  State base_;
  std::deque<Commit> commits_;
  std::map<std::string, Doubt> doubts_;
};

}  // namespace aether::oracle
