#include "isolation/cycles.h"

#include <algorithm>
#include <tuple>

namespace aether::isolation {
namespace {

// What the search for short cycles may cost, in edges looked at. Past it each component still gives
// one cycle, just not its shortest.
constexpr uint64_t kSearchBudget = 100'000'000;

constexpr KindSet kDependencies = kWw | kWr | kRw;

bool is_rw(EdgeKind kind) { return (set_of(kind) & kRw) != 0; }

uint64_t pair_of(TxnId from, TxnId to) { return uint64_t{from} << 32 | to; }

}  // namespace

void CycleSearch::add_dependencies(KindSet kinds, Level reader_level) {
  const bool moments = form_ == Form::moments;
  dependencies_.for_each(
      kinds, [&](TxnId from, TxnId to, EdgeKind kind, VersionId /*before*/, VersionId /*after*/) {
        if (is_rw(kind)) {
          if (items_.level_of(from) < reader_level) return;
          return graph_.add(start_of(from), commit_of(to), kind);
        }
        // A reader without a snapshot saw it at some time before its own commit.
        const bool has_snapshot = items_.level_of(to) != Level::read_committed;
        graph_.add(commit_of(from), has_snapshot ? start_of(to) : commit_of(to), kind);
      });
  node_count_ = first_time_node();
  if (!moments) return;
  for (TxnId txn = 0; txn < index_.txn_count(); ++txn) {
    if (index_.is_committed(txn)) graph_.add(start_of(txn), commit_of(txn), EdgeKind::inner);
  }
}

void CycleSearch::add_order(Order order) {
  if (order == Order::session) add_sessions();
  if (order == Order::real_time) add_time();
}

void CycleSearch::add_sessions() {
  const std::vector<TxnId>& starts = index_.session_starts();
  for (size_t session = 0; session + 1 < starts.size(); ++session) {
    TxnId before = kNone;
    for (TxnId txn = starts[session]; txn < starts[session + 1]; ++txn) {
      if (!index_.is_committed(txn)) continue;
      if (before != kNone) graph_.add(commit_of(before), start_of(txn), EdgeKind::session);
      before = txn;
    }
  }
}

// Time is a chain of nodes. What is known to be over leads into the chain where it was over; what is
// known not to have begun is led to from where it had not: so whatever was over before something
// else began leads to it, and n transactions need a few n edges instead of n squared.
void CycleSearch::add_time() {
  struct Event {
    uint64_t stamp;
    Node node;
    bool over;
  };
  std::vector<Event> events;
  events.reserve(index_.txn_count() * size_t{form_ == Form::moments ? 4u : 2u});
  for (TxnId id = 0; id < index_.txn_count(); ++id) {
    if (!index_.is_committed(id)) continue;
    const TxnRecord& txn = index_.txn(id);
    events.push_back({txn.begin, start_of(id), false});
    if (form_ == Form::moments) {
      events.push_back({txn.begun, start_of(id), true});
      events.push_back({txn.committing, commit_of(id), false});
    }
    // If nobody knows whether it was committed, then also not when.
    if (txn.outcome == Outcome::committed) events.push_back({txn.end, commit_of(id), true});
  }
  std::sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
    return std::tie(a.stamp, a.over) < std::tie(b.stamp, b.over);
  });
  Node now = kNone;
  bool led_from = true;  // Something was led to from `now`: what is over later needs a later node.
  for (const Event& event : events) {
    if (!event.over) {
      led_from = true;
      if (now != kNone) graph_.add(now, event.node, EdgeKind::time);
      continue;
    }
    if (led_from) {
      if (now != kNone) graph_.add(now, node_count_, EdgeKind::time);
      now = node_count_++;
      led_from = false;
    }
    graph_.add(event.node, now, EdgeKind::time);
  }
}

void CycleSearch::search(const std::vector<Kind>& kinds) {
  graph_.freeze(node_count_);
  KindSet all = 0;
  for (const Kind& kind : kinds) all |= kind.first | kind.rest;
  if (graph_.components(all).count() == 0) return;  // The everyday answer, in one pass.

  uint64_t budget = kSearchBudget;
  for (const Kind& kind : kinds) {
    const Graph::Components components = graph_.components(kind.first | kind.rest);
    for (uint32_t component = 0; component < components.count(); ++component) {
      const std::optional<Cycle> cycle = graph_.short_cycle(components, component, kind.first,
                                                            kind.rest, budget);
      if (cycle) keep(steps_of(*cycle));
    }
  }
}

// From nodes to transactions: time's own nodes and the way from start to commit are left out.
CycleSearch::Steps CycleSearch::steps_of(const Cycle& cycle) const {
  const auto first = std::find_if(cycle.begin(), cycle.end(), [](const Edge& edge) {
    return (set_of(edge.kind) & kDependencies) != 0;
  });
  AETHER_ASSERT(first != cycle.end());  // Time alone never runs in a circle.
  Cycle turned(first, cycle.end());
  turned.insert(turned.end(), cycle.begin(), first);

  Steps steps;
  Node time_from = kNone;
  for (const Edge& edge : turned) {
    if (edge.kind == EdgeKind::inner) continue;
    if (edge.kind != EdgeKind::time) {
      steps.push_back({edge.from, edge.to, edge.kind});
      continue;
    }
    if (edge.from < first_time_node()) time_from = edge.from;
    if (edge.to >= first_time_node()) continue;
    if (txn_of(time_from) != txn_of(edge.to)) {
      steps.push_back({time_from, edge.to, EdgeKind::time});
    }
  }
  return steps;
}

Anomaly CycleSearch::name(const Steps& steps) const {
  KindSet kinds = 0;
  size_t rw = 0;
  bool adjacent = false;
  for (size_t i = 0; i < steps.size(); ++i) {
    kinds |= set_of(steps[i].kind);
    if (!is_rw(steps[i].kind)) continue;
    ++rw;
    adjacent = adjacent || is_rw(steps[(i + 1) % steps.size()].kind);
  }
  if ((kinds & (kTime | kSession)) != 0) {
    if (form_ == Form::moments) return rw == 0 ? Anomaly::g_si_a : Anomaly::g_si_b;
    return (kinds & kTime) != 0 ? Anomaly::real_time : Anomaly::session_order;
  }
  if (rw == 0) return kinds == kWw ? Anomaly::g0 : Anomaly::g1c;
  if (rw == 1) return Anomaly::g_single;
  if (!adjacent) return Anomaly::g_nonadjacent;
  return (kinds & set_of(EdgeKind::prw)) != 0 ? Anomaly::g2 : Anomaly::g2_item;
}

void CycleSearch::keep(Steps steps) {
  std::vector<TxnId> members;
  for (const Step& step : steps) members.push_back(txn_of(step.from_node));
  std::sort(members.begin(), members.end());
  if (!known_.insert(std::move(members)).second) return;
  const Anomaly anomaly = name(steps);
  found_.emplace_back(anomaly, std::move(steps));
}

std::string CycleSearch::explain_order(const Step& step) const {
  const std::string t = "T" + std::to_string(txn_of(step.from_node));
  const std::string u = "T" + std::to_string(txn_of(step.to_node));
  if (step.kind == EdgeKind::session) {
    return t + " -session-> " + u + ": one session, " + t + " first";
  }
  const bool from_start = form_ == Form::moments && step.from_node % 2 == 0;
  const bool to_commit = form_ == Form::moments && step.to_node % 2 == 1;
  return t + " -time-> " + u + ": " + t + (from_start ? " had begun" : " had committed") +
         " before " + u + (to_commit ? " began to commit" : " began");
}

// The graph keeps no reasons: they are looked up once more for the few edges that are told.
std::map<std::pair<uint64_t, EdgeKind>, std::string> CycleSearch::explain(
    const std::vector<const Steps*>& told) const {
  std::map<std::pair<uint64_t, EdgeKind>, std::string> reasons;
  std::vector<bool> is_from(index_.txn_count());
  for (const Steps* steps : told) {
    for (const Step& step : *steps) {
      if ((set_of(step.kind) & kDependencies) == 0) continue;
      is_from[txn_of(step.from_node)] = true;
      reasons[{pair_of(txn_of(step.from_node), txn_of(step.to_node)), step.kind}];
    }
  }
  dependencies_.for_each(
      kDependencies, [&](TxnId from, TxnId to, EdgeKind kind, VersionId before, VersionId after) {
        if (!is_from[from]) return;
        const auto reason = reasons.find({pair_of(from, to), kind});
        if (reason == reasons.end() || !reason->second.empty()) return;
        reason->second = dependencies_.explain(from, to, kind, before, after);
      });
  return reasons;
}

void CycleSearch::report(Findings& findings, const std::function<bool(Anomaly)>& skip) const {
  std::vector<const Steps*> told;
  std::map<Anomaly, size_t> told_of;
  for (const auto& [anomaly, steps] : found_) {
    if (!skip(anomaly) && told_of[anomaly]++ < findings.told_max()) told.push_back(&steps);
  }
  if (told.empty()) return;
  const auto reasons = explain(told);

  for (const auto& [anomaly, steps] : found_) {
    if (skip(anomaly)) continue;
    std::vector<TxnId> members;
    for (const Step& step : steps) members.push_back(txn_of(step.from_node));
    const Steps& cycle = steps;  // clang 14: a structured binding cannot be captured.
    findings.add(anomaly, members, [&] {
      std::string text = "a cycle of " + std::to_string(cycle.size());
      for (const Step& step : cycle) {
        const TxnId from = txn_of(step.from_node);
        const auto reason = reasons.find({pair_of(from, txn_of(step.to_node)), step.kind});
        text += "\n    " + (reason != reasons.end() ? reason->second : explain_order(step));
      }
      return text;
    });
  }
}

}  // namespace aether::isolation
