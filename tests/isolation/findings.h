/// Collects what the checker finds, and tells it in words.
#pragma once

#include <algorithm>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "isolation/checker.h"
#include "isolation/version_index.h"

namespace aether::isolation {

class Findings {
 public:
  Findings(const VersionIndex& index, const CheckOptions& options, Report& report)
      : index_(index), options_(options), report_(report) {}

  /// Counts one. The first few of a kind are told: by `text`, and by what the transactions did.
  void add(Anomaly anomaly, std::vector<TxnId> transactions,
           const std::function<std::string()>& text);

  /// At least one: what is forbidden must be told.
  size_t told_max() const { return std::max<size_t>(options_.told_max, 1); }

 private:
  const VersionIndex& index_;
  const CheckOptions& options_;
  Report& report_;
};

/// "T4 (session 1, snapshot, committed, time 17..30): read k3 = [1 2]; append k3 5"
std::string describe_txn(const VersionIndex& index, TxnId txn);
/// "k7 = 12", "k7 = nothing".
std::string describe_value(Key key, Value value);
/// "[1 2 3]"; of a long list only the end.
std::string describe_list(std::span<const Value> list);

}  // namespace aether::isolation
