/// Finding a deadlock: a cycle among those who wait, through one who has just begun to.
///
/// The graph is not kept: who waits for whom follows from the lock queues, and asking them when somebody blocks
/// costs less than keeping edges true whenever somebody does not. As every cycle is closed by a request that
/// blocks, looking through each of those at that moment finds them all.
///
/// Source   Holt: "Some Deadlock Properties of Computer Systems", Computing Surveys 4(3), 1972.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace aether::txn {

/// The nodes of a shortest cycle through `start`, each waiting for the next and the last for `start`; empty if
/// there is none. `for_each_successor(node, visit)` calls `visit(next)` for all that `node` waits for, until
/// that returns true; it may leave out those that were reached before, but not `start`. `reach(node)` marks a
/// node, and says whether that is new. Breadth first: the shortest cycle is the one that a person can read.
template <typename Node, typename Reach, typename ForEachSuccessor>
std::vector<Node> shortest_cycle(Node start, Reach&& reach, ForEachSuccessor&& for_each_successor) {
  struct Reached {
    Node node;
    size_t from;
  };
  std::vector<Reached> reached{{start, 0}};
  reach(start);
  bool closed = false;
  size_t at = 0;
  for (; at < reached.size(); ++at) {
    for_each_successor(reached[at].node, [&](Node next) {
      closed = next == start;
      if (!closed && reach(next)) reached.push_back({next, at});
      return closed;
    });
    if (closed) break;
  }
  std::vector<Node> cycle;
  if (!closed) return cycle;
  for (; at != 0; at = reached[at].from) cycle.push_back(reached[at].node);
  cycle.push_back(start);
  std::reverse(cycle.begin(), cycle.end());
  return cycle;
}

}  // namespace aether::txn
