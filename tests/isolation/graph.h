/// A directed graph with kinds of edges: its strongly connected components, and short cycles in them.
///
/// Source      Tarjan: "Depth-First Search and Linear Graph Algorithms", SIAM J. Comput. 1972, with a
///             stack of our own in place of recursion: a path here may be millions of nodes long.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "isolation/version_index.h"

namespace aether::isolation {

using Node = uint32_t;

enum class EdgeKind : uint8_t {
  ww,
  wr,
  rw,
  prw,      ///< rw of a scan that did not find the key.
  session,  ///< One session's transactions follow each other.
  time,     ///< The recorded stamps.
  inner,    ///< From a transaction's start to its own commit.
};

/// A set of kinds, one bit each.
using KindSet = uint32_t;
constexpr KindSet set_of(EdgeKind kind) { return KindSet{1} << static_cast<uint32_t>(kind); }
inline constexpr KindSet kWw = set_of(EdgeKind::ww);
inline constexpr KindSet kWr = set_of(EdgeKind::wr);
inline constexpr KindSet kRw = set_of(EdgeKind::rw) | set_of(EdgeKind::prw);
inline constexpr KindSet kSession = set_of(EdgeKind::session);
inline constexpr KindSet kTime = set_of(EdgeKind::time);
inline constexpr KindSet kInner = set_of(EdgeKind::inner);

struct Edge {
  Node from;
  Node to;
  EdgeKind kind;
};

using Cycle = std::vector<Edge>;  ///< Each edge leaves where the one before it arrived.

class Graph {
 public:
  void reserve(size_t edges) { added_.reserve(edges); }
  void add(Node from, Node to, EdgeKind kind);
  /// Call once after the last `add`, before anything below.
  void freeze(Node node_count);

  size_t edge_count() const { return targets_.size(); }

  /// The components of two nodes and more, along the edges of these kinds.
  struct Components {
    std::vector<uint32_t> of_node;  ///< The component of each node; kNone: alone.
    std::vector<Node> members;      ///< Component by component.
    std::vector<size_t> starts{0};  ///< Where each begins in `members`, and one past the last.
    uint32_t count() const { return static_cast<uint32_t>(starts.size() - 1); }
    std::span<const Node> nodes(uint32_t component) const {
      return {members.data() + starts[component], members.data() + starts[component + 1]};
    }
  };
  Components components(KindSet kinds) const;

  /// The shortest cycle that was met: one edge of `first`, the way back by `rest`, all in `component`.
  /// Tries the edges in turn while `budget` (edges looked at, over all calls) lasts, the first always.
  std::optional<Cycle> short_cycle(const Components& components, uint32_t component, KindSet first,
                                   KindSet rest, uint64_t& budget);

 private:
  class Tarjan;
  static constexpr uint32_t kKindShift = 29;
  static constexpr Node kNodeMask = (Node{1} << kKindShift) - 1;

  struct Added {
    Node from;
    uint32_t to_and_kind;
  };

  static EdgeKind kind_of(uint32_t word) { return static_cast<EdgeKind>(word >> kKindShift); }
  Node node_count() const { return static_cast<Node>(starts_.size() - 1); }
  /// The shortest way from `from` to `to`; empty if there is none of fewer than `edges_max` edges.
  Cycle find_path(const Components& components, Node from, Node to, KindSet kinds, size_t edges_max,
                  uint64_t& budget);

  std::vector<Added> added_;
  std::vector<uint64_t> starts_{0};
  std::vector<uint32_t> targets_;

  // Of `find_path`: where each node was reached from, valid where `reached_in_` is this search.
  std::vector<uint32_t> reached_in_;
  std::vector<Edge> reached_by_;
  std::vector<uint32_t> depth_;
  uint32_t search_ = 0;
};

}  // namespace aether::isolation
