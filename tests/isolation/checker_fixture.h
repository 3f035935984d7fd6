/// Histories made by hand, and what the checker must say of them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "isolation/checker.h"
#include "isolation/history.h"

namespace aether::isolation {

inline constexpr Level kLevels[] = {Level::read_committed, Level::snapshot, Level::serializable};
inline constexpr Key kX = 1;
inline constexpr Key kY = 2;
inline constexpr Key kZ = 3;

using List = std::vector<Value>;
using Rows = std::vector<std::pair<Key, Value>>;

/// Four sessions whose calls, line by line, are the order in time.
class CheckerFixture : public testing::Test {
 protected:
  static void begin(Session& session, Level level = Level::serializable) {
    session.begin(level);
    session.begun();
  }
  static void commit(Session& session) {
    session.committing();
    session.committed();
  }
  /// A transaction of its own, from begin to commit, that does `work`.
  template <typename Work>
  static void alone(Session& session, Work work) {
    begin(session);
    work(session);
    commit(session);
  }

  Report at(Level level, std::optional<Order> order = std::nullopt) const {
    return check(history_, {.level = level, .order = order, .find_allowed = true});
  }

  static bool names(const std::vector<Finding>& findings, Anomaly anomaly) {
    return std::any_of(findings.begin(), findings.end(),
                       [&](const Finding& f) { return f.anomaly == anomaly; });
  }

  /// Found at every level: a violation where it is forbidden, else noted as allowed.
  void expect_found(Anomaly anomaly) const {
    for (const Level level : kLevels) {
      const Report report = at(level);
      const bool forbidden = forbids(level, anomaly);
      EXPECT_TRUE(names(forbidden ? report.violations : report.allowed, anomaly))
          << name_of(anomaly) << " at " << name_of(level) << "\n"
          << report.text();
      EXPECT_GE(report.count(anomaly), 1u);
    }
  }
  void expect_violation(Level level, Anomaly anomaly,
                        std::optional<Order> order = std::nullopt) const {
    const Report report = at(level, order);
    EXPECT_TRUE(names(report.violations, anomaly))
        << name_of(anomaly) << " at " << name_of(level) << "\n"
        << report.text();
  }
  void expect_legal(Level level, std::optional<Order> order = std::nullopt) const {
    const Report report = at(level, order);
    EXPECT_TRUE(report.ok()) << name_of(level) << "\n" << report.text();
  }
  void expect_legal_everywhere() const {
    for (const Level level : kLevels) {
      for (const Order order : {Order::none, Order::session, Order::real_time}) {
        const Report report = at(level, order);
        EXPECT_TRUE(report.ok()) << report.text();
        EXPECT_TRUE(report.allowed.empty()) << report.text();
      }
    }
  }

  History history_;
  Session& a_ = history_.session();
  Session& b_ = history_.session();
  Session& c_ = history_.session();
  Session& d_ = history_.session();
};

}  // namespace aether::isolation
