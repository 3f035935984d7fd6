#include "isolation/graph.h"

#include <algorithm>

namespace aether::isolation {

void Graph::add(Node from, Node to, EdgeKind kind) {
  AETHER_ASSERT(from <= kNodeMask && to <= kNodeMask && from != to);
  added_.push_back({from, to | static_cast<uint32_t>(kind) << kKindShift});
}

// Compressed rows by counting: how many leave each node, then each to its place.
void Graph::freeze(Node node_count) {
  starts_.assign(node_count + size_t{1}, 0);
  for (const Added& edge : added_) ++starts_[edge.from + size_t{1}];
  for (size_t i = 1; i < starts_.size(); ++i) starts_[i] += starts_[i - 1];
  targets_.resize(added_.size());
  for (const Added& edge : added_) targets_[starts_[edge.from]++] = edge.to_and_kind;
  // Each start has moved to where the next node's was: move them back.
  for (size_t i = starts_.size() - 1; i > 0; --i) starts_[i] = starts_[i - 1];
  starts_[0] = 0;
  std::vector<Added>().swap(added_);
}

class Graph::Tarjan {
 public:
  Tarjan(const Graph& graph, KindSet kinds)
      : graph_(graph), kinds_(kinds), low_(graph.node_count(), 0), done_(graph.node_count()) {
    found_.of_node.assign(graph.node_count(), kNone);
  }

  Components run() {
    for (Node node = 0; node < graph_.node_count(); ++node) {
      if (low_[node] == 0) visit_from(node);
    }
    return std::move(found_);
  }

 private:
  struct Call {
    Node node;
    uint32_t number;  ///< In the order of first visits, from 1.
    uint64_t next;    ///< The edge to follow next.
  };

  void enter(Node node) {
    low_[node] = ++numbered_;
    open_.push_back(node);
    calls_.push_back({node, numbered_, graph_.starts_[node]});
  }

  void visit_from(Node root) {
    enter(root);
    while (!calls_.empty()) {
      Call& call = calls_.back();
      if (call.next < graph_.starts_[call.node + size_t{1}]) {
        const uint32_t word = graph_.targets_[call.next++];
        if ((set_of(kind_of(word)) & kinds_) == 0) continue;
        const Node to = word & kNodeMask;
        if (low_[to] == 0) {
          enter(to);
        } else if (!done_[to]) {
          low_[call.node] = std::min(low_[call.node], low_[to]);
        }
        continue;
      }
      const Call ended = call;
      calls_.pop_back();
      if (low_[ended.node] == ended.number) close(ended.node);
      if (!calls_.empty() && !done_[ended.node]) {
        Node parent = calls_.back().node;
        low_[parent] = std::min(low_[parent], low_[ended.node]);
      }
    }
  }

  // `root` and all that was opened after it are one component.
  void close(Node root) {
    size_t first = open_.size();
    while (open_[--first] != root) done_[open_[first]] = true;
    done_[root] = true;
    if (open_.size() - first > 1) {
      const uint32_t component = found_.count();
      for (size_t i = first; i < open_.size(); ++i) {
        found_.of_node[open_[i]] = component;
        found_.members.push_back(open_[i]);
      }
      found_.starts.push_back(found_.members.size());
    }
    open_.resize(first);
  }

  const Graph& graph_;
  const KindSet kinds_;
  std::vector<uint32_t> low_;  // 0: not visited yet.
  std::vector<bool> done_;     // Its component is closed.
  std::vector<Node> open_;
  std::vector<Call> calls_;
  uint32_t numbered_ = 0;
  Components found_;
};

Graph::Components Graph::components(KindSet kinds) const { return Tarjan(*this, kinds).run(); }

Cycle Graph::find_path(const Components& components, Node from, Node to, KindSet kinds,
                       size_t edges_max, uint64_t& budget) {
  if (reached_in_.empty()) {
    reached_in_.assign(node_count(), 0);
    reached_by_.resize(node_count());
    depth_.resize(node_count());
  }
  ++search_;
  const uint32_t component = components.of_node[from];
  std::vector<Node> queue{from};
  reached_in_[from] = search_;
  depth_[from] = 0;
  for (size_t at = 0; at < queue.size() && reached_in_[to] != search_; ++at) {
    const Node node = queue[at];
    if (depth_[node] + size_t{1} >= edges_max) break;
    for (uint64_t i = starts_[node]; i < starts_[node + size_t{1}]; ++i) {
      budget -= std::min<uint64_t>(budget, 1);
      const Node next = targets_[i] & kNodeMask;
      const EdgeKind kind = kind_of(targets_[i]);
      if ((set_of(kind) & kinds) == 0 || components.of_node[next] != component) continue;
      if (reached_in_[next] == search_) continue;
      reached_in_[next] = search_;
      reached_by_[next] = {node, next, kind};
      depth_[next] = depth_[node] + 1;
      queue.push_back(next);
    }
  }
  Cycle path;
  if (reached_in_[to] != search_) return path;
  for (Node node = to; node != from; node = path.back().from) path.push_back(reached_by_[node]);
  std::reverse(path.begin(), path.end());
  return path;
}

std::optional<Cycle> Graph::short_cycle(const Components& components, uint32_t component,
                                        KindSet first, KindSet rest, uint64_t& budget) {
  constexpr size_t kShortest = 2;
  std::optional<Cycle> best;
  bool tried = false;
  for (const Node from : components.nodes(component)) {
    for (uint64_t i = starts_[from]; i < starts_[from + size_t{1}]; ++i) {
      const Node to = targets_[i] & kNodeMask;
      const EdgeKind kind = kind_of(targets_[i]);
      if ((set_of(kind) & first) == 0 || components.of_node[to] != component) continue;
      if (tried && budget == 0) return best;
      tried = true;
      Cycle path = find_path(components, to, from, rest, best ? best->size() - 1 : SIZE_MAX,
                             budget);
      if (path.empty()) continue;
      path.insert(path.begin(), {from, to, kind});
      best = std::move(path);
      if (best->size() == kShortest) return best;
    }
  }
  return best;
}

}  // namespace aether::isolation
