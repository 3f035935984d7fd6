/// Builds the graph for a level, finds its cycles and gives each the name of its anomaly.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "isolation/dependencies.h"
#include "isolation/findings.h"
#include "isolation/graph.h"

namespace aether::isolation {

class CycleSearch {
 public:
  /// What the nodes are.
  enum class Form : uint8_t {
    transactions,  ///< A cycle says that no serial order exists.
    moments,       ///< Each transaction's start and commit: a cycle says that no SI order exists.
  };
  /// Cycles with an edge of `first`, all others of `rest`.
  struct Kind {
    KindSet first;
    KindSet rest;
  };

  CycleSearch(const VersionIndex& index, const ItemChecks& items, const Dependencies& dependencies,
              Form form)
      : index_(index), items_(items), dependencies_(dependencies), form_(form) {}

  /// Adds the dependencies of these kinds; an rw only from a reader that is held to `reader_level`.
  void add_dependencies(KindSet kinds, Level reader_level);
  void add_order(Order order);

  /// Finds a short cycle of each kind in each component. Call once.
  void search(const std::vector<Kind>& kinds);
  /// Reports what was found, less the anomalies that `skip` names.
  void report(Findings& findings, const std::function<bool(Anomaly)>& skip) const;

  size_t edge_count() const { return graph_.edge_count(); }

 private:
  /// One step of a cycle, from transaction to transaction.
  struct Step {
    Node from_node;
    Node to_node;
    EdgeKind kind;
  };
  using Steps = std::vector<Step>;

  Node start_of(TxnId txn) const { return form_ == Form::moments ? 2 * txn : txn; }
  Node commit_of(TxnId txn) const { return form_ == Form::moments ? 2 * txn + 1 : txn; }
  TxnId txn_of(Node node) const { return form_ == Form::moments ? node / 2 : node; }
  Node first_time_node() const { return commit_of(index_.txn_count() - 1) + 1; }

  void add_sessions();
  void add_time();
  Steps steps_of(const Cycle& cycle) const;
  Anomaly name(const Steps& steps) const;
  void keep(Steps steps);
  std::string explain_order(const Step& step) const;
  std::map<std::pair<uint64_t, EdgeKind>, std::string> explain(
      const std::vector<const Steps*>& told) const;

  const VersionIndex& index_;
  const ItemChecks& items_;
  const Dependencies& dependencies_;
  const Form form_;
  Graph graph_;
  Node node_count_ = 0;
  std::vector<std::pair<Anomaly, Steps>> found_;
  std::set<std::vector<TxnId>> known_;  ///< Members of the cycles in `found_`.
};

}  // namespace aether::isolation
