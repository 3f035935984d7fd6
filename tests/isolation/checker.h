/// The history checker: does a recorded history keep what an isolation level promises?
///
/// Method      Every value is unique, so a read tells whose write it saw. A list shows the order of its
///             versions; a register's follows where a transaction read it before writing it, or where
///             one writer had ended before the next began. From these orders come the dependencies
///             between transactions, and from their cycles the anomalies:
///               ww   U overwrote (or appended to) what T wrote      rw   U overwrote what T read
///               wr   U read what T wrote                            prw  T's scan missed what U inserted
///             Snapshot isolation is checked as an order of moments: each transaction has a start and a
///             commit; ww and wr say commit(T) < start(U), rw says start(T) < commit(U), the recorded
///             stamps bound both. The history is legal if no cycle is left.
/// Sound       For what it reports on a store whose lists only grow. Not complete: writes that nobody
///             read are ordered only in part, so a workload ends by reading all of its keys.
/// Source      Adya: "Weak Consistency: A Generalized Theory and Optimistic Implementations for
///             Distributed Transactions", MIT 1999. Kingsbury, Alvaro: "Elle: Inferring Isolation
///             Anomalies from Experimental Observations", VLDB 2020. Cerone, Gotsman: "Analysing
///             Snapshot Isolation", PODC 2016 (why no two rw next to each other makes it SI).
/// Threads     `check` is one thread's; the history must not change meanwhile.
/// Cost        Near linear. 1,000,000 transactions: seconds, and less than 1 GiB with the history.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "isolation/history.h"

namespace aether::isolation {

/// Numbered session by session, in the order in which each session ended them.
using TxnId = uint32_t;

enum class Anomaly : uint8_t {
  malformed,     ///< The recording is at fault: a value written twice, a key of both kinds, ...
  garbage_read,  ///< A value read that nobody wrote, or a list that holds one twice.
  incompatible_order,  ///< Two reads of one list, neither a prefix of the other.
  internal,            ///< A transaction does not see its own writes, or sees them too early.
  lost_write,          ///< A committed append that a later reader, and all others, did not find.
  g1a,                 ///< Aborted read.
  g1b,                 ///< Intermediate read.
  dirty_update,        ///< A committed version made on top of an aborted one.
  g0,                  ///< Dirty write: a cycle of ww.
  g1c,                 ///< Circular information flow: a cycle of ww and wr.
  non_repeatable,      ///< One transaction, one key, two answers.
  lost_update,         ///< Two transactions read the same version of a key, and both wrote the key.
  g_single,            ///< A cycle with exactly one rw: read skew.
  g_nonadjacent,       ///< A cycle with several rw, no two of them next to each other: long fork.
  g_si_a,              ///< Saw or overwrote what had not been committed when it began.
  g_si_b,              ///< Missed what had been committed when it began.
  g2_item,             ///< A cycle with two rw next to each other: write skew.
  g2,                  ///< The same, one of them over a scan: a phantom.
  session_order,       ///< A cycle only with the order of a session.
  real_time,  ///< A cycle only with the order in time: legal for some serial order, but stale.
};
inline constexpr size_t kAnomalyCount = static_cast<size_t>(Anomaly::real_time) + 1;

/// What the dependencies must agree with, besides themselves.
enum class Order : uint8_t { none, session, real_time };

struct CheckOptions {
  Level level = Level::serializable;
  /// A history of mixed levels: hold a transaction that was recorded at a weaker level to its own.
  bool own_levels = false;
  /// Default: real_time for snapshot (its start-ordered form), none for the others. serializable with
  /// real_time is strict serializability.
  std::optional<Order> order{};
  /// Also look for what the level allows, which proves that the load provokes it. Costs a second graph.
  bool find_allowed = false;
  /// Findings of one kind that are told in words; all are counted.
  size_t told_max = 4;
};

struct Finding {
  Anomaly anomaly;
  std::vector<TxnId> transactions;  ///< Of a cycle: in its order.
  std::string text;
};

struct Report {
  std::vector<Finding> violations;  ///< What the level forbids.
  std::vector<Finding> allowed;     ///< What was seen besides.
  std::array<uint64_t, kAnomalyCount> counts{};
  uint64_t transactions = 0;
  uint64_t operations = 0;
  uint64_t dependencies = 0;

  bool ok() const { return violations.empty(); }
  uint64_t count(Anomaly anomaly) const { return counts[static_cast<size_t>(anomaly)]; }
  /// One line of figures, then every finding.
  std::string text() const;
};

/// "G-single" and its like, as the papers write it.
std::string_view name_of(Anomaly anomaly);
std::string_view name_of(Level level);

bool forbids(Level level, Anomaly anomaly);

Report check(const History& history, const CheckOptions& options);

}  // namespace aether::isolation
