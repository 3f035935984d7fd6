/// From versions to dependencies: which transaction must come before which, and why.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "isolation/checker.h"
#include "isolation/graph.h"
#include "isolation/item_checks.h"
#include "isolation/version_index.h"

namespace aether::isolation {

class Dependencies {
 public:
  /// `order` real_time: the stamps tell the order of register writes that nothing else tells.
  Dependencies(const VersionIndex& index, const ItemChecks& items, Order order);

  /// Version `before` of a key was followed, at once or later, by `after`.
  struct Link {
    VersionId before;
    VersionId after;
  };

  /// Calls sink(TxnId from, TxnId to, EdgeKind, VersionId before, VersionId after) for each dependency
  /// of a kind in `kinds`. For wr both versions are the one that was read.
  template <typename Sink>
  void for_each(KindSet kinds, Sink&& sink) const {
    if ((kinds & kWw) != 0) for_each_ww(sink);
    if ((kinds & (kWr | kRw)) == 0) return;
    for (TxnId reader = 0; reader < index_.txn_count(); ++reader) {
      for (const SeenVersion seen : items_.seen_by(reader)) {
        if ((kinds & kWr) != 0) emit_wr(reader, seen.version(), sink);
        if ((kinds & kRw) != 0) emit_rw(reader, seen, sink);
      }
    }
  }

  /// "T4 -rw-> T7: T4 read k3 = 5, T7 made it 9" and so on.
  std::string explain(TxnId from, TxnId to, EdgeKind kind, VersionId before, VersionId after) const;

 private:
  template <typename Sink>
  void for_each_ww(Sink& sink) const {
    for (const Link& link : links_) {
      if (index_.is_initial(link.before)) continue;
      const TxnId from = index_.version(link.before).txn;
      const TxnId to = index_.version(link.after).txn;
      if (from == to || !index_.is_committed(from)) continue;
      sink(from, to, EdgeKind::ww, link.before, link.after);
    }
  }

  template <typename Sink>
  void emit_wr(TxnId reader, VersionId seen, Sink& sink) const {
    if (index_.is_initial(seen)) return;
    const TxnId writer = index_.version(seen).txn;
    if (index_.is_committed(writer)) sink(writer, reader, EdgeKind::wr, seen, seen);
  }

  template <typename Sink>
  void emit_rw(TxnId reader, SeenVersion seen, Sink& sink) const {
    const EdgeKind kind = seen.missed_by_scan() ? EdgeKind::prw : EdgeKind::rw;
    const VersionId version = seen.version();
    for (uint32_t i = first_link_[version]; i < first_link_[version + 1]; ++i) {
      const TxnId writer = index_.version(links_[i].after).txn;
      if (writer != reader) sink(reader, writer, kind, version, links_[i].after);
    }
  }

  void link_list(KeyId key);
  void link_registers(Order order);
  void link_register(KeyId key, std::vector<bool>& linked, Order order);
  void sort_links();

  const VersionIndex& index_;
  const ItemChecks& items_;
  std::vector<Link> links_;           ///< By `before`;
  std::vector<uint32_t> first_link_;  ///< those of each version, initial ones included.
};

}  // namespace aether::isolation
