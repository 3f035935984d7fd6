#include "isolation/checker.h"

#include <memory>

#include "isolation/cycles.h"
#include "isolation/dependencies.h"
#include "isolation/findings.h"
#include "isolation/item_checks.h"
#include "isolation/version_index.h"

namespace aether::isolation {
namespace {

using Form = CycleSearch::Form;
using Kinds = std::vector<CycleSearch::Kind>;

constexpr std::string_view kNames[] = {"malformed history",
                                       "garbage read",
                                       "incompatible order",
                                       "internal inconsistency",
                                       "lost write",
                                       "G1a",
                                       "G1b",
                                       "dirty update",
                                       "G0",
                                       "G1c",
                                       "non-repeatable read",
                                       "lost update",
                                       "G-single",
                                       "G-nonadjacent",
                                       "G-SIa",
                                       "G-SIb",
                                       "G2-item",
                                       "G2",
                                       "session order",
                                       "real-time order"};
static_assert(std::size(kNames) == kAnomalyCount);

// Each list goes from the gravest to the mildest: a cycle is told by the first that finds it.
Kinds kinds_of_transactions(Order order, bool with_rw) {
  Kinds kinds = {{kWw, kWw}, {kWr, kWw | kWr}};
  KindSet all = kWw | kWr;
  if (with_rw) {
    kinds.push_back({kRw, kWw | kWr});
    kinds.push_back({kRw, kWw | kWr | kRw});
    all |= kRw;
  }
  if (order == Order::session) kinds.push_back({all, all | kSession});
  if (order == Order::real_time) kinds.push_back({all, all | kTime});
  return kinds;
}

Kinds kinds_of_moments() {
  const KindSet order = kSession | kTime;
  const KindSet no_rw = kWw | kWr | kInner;
  return {{kWw, kWw | kInner},
          {kWr, no_rw},
          {kRw, no_rw},
          {kRw, no_rw | kRw},
          {kWw | kWr, no_rw | order},
          {kRw, no_rw | kRw | order}};
}

Order order_of(const CheckOptions& options) {
  if (options.order) return *options.order;
  return options.level == Level::snapshot ? Order::real_time : Order::none;
}

class Check {
 public:
  Check(const VersionIndex& index, const CheckOptions& options, Report& report)
      : options_(options),
        order_(order_of(options)),
        report_(report),
        index_(index),
        findings_(index, options, report),
        items_(index, options, findings_),
        dependencies_(index, items_, order_) {}

  void run() {
    find_forbidden();
    if (options_.find_allowed && options_.level != Level::serializable) find_allowed();
  }

 private:
  void find_forbidden() {
    const bool snapshot = options_.level == Level::snapshot;
    const bool with_rw = options_.level != Level::read_committed;
    CycleSearch cycles(index_, items_, dependencies_,
                       snapshot ? Form::moments : Form::transactions);
    cycles.add_dependencies(with_rw ? kWw | kWr | kRw : kWw | kWr, options_.level);
    cycles.add_order(order_);
    cycles.search(snapshot ? kinds_of_moments() : kinds_of_transactions(order_, with_rw));
    cycles.report(findings_, [](Anomaly) { return false; });
    report_.dependencies = cycles.edge_count();
  }

  void find_allowed() {
    CycleSearch cycles(index_, items_, dependencies_, Form::transactions);
    cycles.add_dependencies(kWw | kWr | kRw, Level::read_committed);
    cycles.search(kinds_of_transactions(Order::none, true));
    cycles.report(findings_, [this](Anomaly a) { return forbids(options_.level, a); });
  }

  const CheckOptions& options_;
  const Order order_;
  Report& report_;
  const VersionIndex& index_;
  Findings findings_;
  ItemChecks items_;
  Dependencies dependencies_;
};

}  // namespace

std::string_view name_of(Anomaly anomaly) { return kNames[static_cast<size_t>(anomaly)]; }

std::string_view name_of(Level level) {
  constexpr std::string_view kLevels[] = {"read_committed", "snapshot", "serializable"};
  return kLevels[static_cast<size_t>(level)];
}

bool forbids(Level level, Anomaly anomaly) {
  switch (anomaly) {
    case Anomaly::non_repeatable:
    case Anomaly::lost_update:
    case Anomaly::g_single:
    case Anomaly::g_nonadjacent:
    case Anomaly::g_si_a:
    case Anomaly::g_si_b: return level != Level::read_committed;
    case Anomaly::g2_item:
    case Anomaly::g2: return level == Level::serializable;
    default: return true;  // The orders of sessions and of time only where they were asked for.
  }
}

Report check(const History& history, const CheckOptions& options) {
  Report report;
  const VersionIndex index(history);
  report.transactions = index.txn_count();
  for (const Session& session : history.sessions()) report.operations += session.operation_count();
  if (!index.malformed().empty()) {
    ++report.counts[static_cast<size_t>(Anomaly::malformed)];
    report.violations.push_back({Anomaly::malformed, {}, index.malformed()});
    return report;
  }
  if (index.txn_count() > 0) Check(index, options, report).run();
  return report;
}

std::string Report::text() const {
  std::string text = std::to_string(transactions) + " transactions, " + std::to_string(operations) +
                     " operations, " + std::to_string(dependencies) + " dependencies:";
  for (size_t i = 0; i < kAnomalyCount; ++i) {
    if (counts[i] == 0) continue;
    text += " " + std::to_string(counts[i]) + " " + std::string(kNames[i]) + ";";
  }
  text += ok() ? " nothing forbidden" : " FORBIDDEN";
  for (const Finding& finding : violations) {
    text += "\n" + std::string(name_of(finding.anomaly)) + ": " + finding.text;
  }
  for (const Finding& finding : allowed) {
    text += "\n(allowed) " + std::string(name_of(finding.anomaly)) + ": " + finding.text;
  }
  return text;
}

}  // namespace aether::isolation
