/// A store's history as runs, with snapshots, for tests of merges and reads; and what a reader has to find, told as simply as it can be.
#pragma once

#include <algorithm>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lsm/merge.h"
#include "support/entry_list.h"
#include "txn/snapshot.h"

namespace aether::testing {

using lsm::EntryKind;
using lsm::MergeSource;
using lsm::RangeTombstone;
using txn::SnapshotBounds;

/// What a run holds: entries in order, and range tombstones.
struct RunContents {
  std::vector<OwnedEntry> entries;
  std::vector<RangeTombstone> ranges;
};

/// Of runs that outlive the merge.
inline std::vector<MergeSource> sources_of(const std::vector<RunContents>& newest_first) {
  std::vector<MergeSource> sources;
  for (const RunContents& run : newest_first) {
    sources.push_back({cursor_over(run.entries), run.ranges});
  }
  return sources;
}

/// What a reader finds, told as simply as it can be: of the runs, the newest first, the first version that he sees.
inline std::optional<std::string> read(const std::vector<const RunContents*>& newest_first,
                                       Bytes key, const SnapshotBounds* snapshot, uint64_t now_ms) {
  const auto sees = [snapshot](TxnId writer) {
    return snapshot == nullptr || snapshot->sees(writer);
  };
  for (const RunContents* run : newest_first) {
    TxnId removed_below = 0;
    for (const RangeTombstone& range : run->ranges) {
      if (sees(range.writer) && range.begin <= key && key < range.end) {
        removed_below = std::max(removed_below, range.writer);
      }
    }
    for (const OwnedEntry& entry : run->entries) {
      if (entry.key != key || !sees(entry.writer)) continue;
      if (entry.writer < removed_below || entry.kind == EntryKind::tombstone ||
          entry.borrow().has_expired(now_ms)) {
        return std::nullopt;
      }
      return entry.value;
    }
    if (removed_below != 0) return std::nullopt;
  }
  return std::nullopt;
}

/// A store's history: transactions that begin, write and end; generations that become runs; snapshots in between.
struct History {
  std::vector<RunContents> inputs;  ///< The newest first.
  std::vector<RunContents> older;   ///< The newest first; not inputs.
  std::vector<SnapshotBounds> snapshots;
  std::vector<std::string> keys;
  uint64_t now_ms = 0;
  size_t values_apart = 0;
};

class HistoryMaker {
 public:
  explicit HistoryMaker(uint64_t seed) : random_(seed), has_ranges_(seed % 2 == 0) {}

  History make() {
    constexpr char kLetters[] = {'\0', 'a', 'b', '\xff'};
    for (const char a : kLetters) {
      for (const char b : kLetters) history_.keys.push_back({a, b});
    }
    history_.keys.push_back("");
    history_.keys.push_back("a");
    history_.now_ms = 1000;
    const uint64_t generations = 1 + random_() % 6;
    const uint64_t older = random_() % 3;
    for (uint64_t i = 0; i < generations; ++i) {
      RunContents run = generation();
      auto& runs = i < older ? history_.older : history_.inputs;
      runs.insert(runs.begin(), std::move(run));
    }
    return std::move(history_);
  }

 private:
  /// Transactions end in the order of their ids here, but one that is left open ends in a later generation: then the newer
  /// version has the lower id. Range tombstones compare ids within a run, so with them all end in order.
  RunContents generation() {
    RunContents run;
    for (uint64_t left = random_() % 5; left > 0; --left) open_.insert(next_id_++);
    for (auto id = open_.begin(); id != open_.end();) {
      if (!has_ranges_ && random_() % 4 == 0) {
        ++id;
        continue;
      }
      write(run, *id);
      id = open_.erase(id);
      if (random_() % 3 == 0) take_snapshot();
    }
    std::stable_sort(run.entries.begin(), run.entries.end(),
                     [](const OwnedEntry& a, const OwnedEntry& b) {
                       return lsm::compare_places(a.key, a.writer, b.key, b.writer) < 0;
                     });
    return run;
  }

  void write(RunContents& run, TxnId id) {
    std::set<std::string> written;
    for (uint64_t left = 1 + random_() % 6; left > 0; --left) {
      const std::string& key = pick();
      if (!written.insert(key).second) continue;
      OwnedEntry entry{.key = key, .writer = id, .value = key + std::to_string(id)};
      const uint64_t what = random_() % 8;
      if (what < 2) {
        entry.kind = EntryKind::tombstone;
        entry.value.clear();
      } else if (what < 4) {
        entry.expiry_ms = 500 + random_() % 1000;
      } else if (what < 5) {
        entry.kind = EntryKind::value_apart;
        ++history_.values_apart;
      }
      run.entries.push_back(entry);
    }
    if (has_ranges_ && random_() % 3 == 0) {
      std::string begin = pick();
      std::string end = pick();
      if (end < begin) begin.swap(end);
      if (begin < end) run.ranges.push_back({begin, end, id});
    }
  }

  void take_snapshot() {
    SnapshotBounds bounds;
    bounds.next = next_id_;
    bounds.open.assign(open_.begin(), open_.end());
    bounds.low = bounds.open.empty() ? next_id_ : bounds.open.front();
    history_.snapshots.push_back(std::move(bounds));
  }

  const std::string& pick() { return history_.keys[random_() % history_.keys.size()]; }

  std::mt19937_64 random_;
  bool has_ranges_;
  std::set<TxnId> open_;
  TxnId next_id_ = 1;
  History history_;
};

inline std::vector<const RunContents*> pointers(const std::vector<RunContents>& runs) {
  std::vector<const RunContents*> all;
  for (const RunContents& run : runs) all.push_back(&run);
  return all;
}

}  // namespace aether::testing
