#include "isolation/dependencies.h"

#include <algorithm>

#include "isolation/findings.h"

namespace aether::isolation {
namespace {

// A version may have many successors of which nobody knows the order. Each must come after it, so
// every link is true; this many are enough to find a cycle, and keep the graph linear.
constexpr size_t kSuccessorsMax = 8;

}  // namespace

Dependencies::Dependencies(const VersionIndex& index, const ItemChecks& items, Order order)
    : index_(index), items_(items) {
  for (KeyId key = 0; key < index.key_count(); ++key) {
    if (index.key(key).is_list) link_list(key);
  }
  link_registers(order);
  sort_links();
}

// Appends that no read has come after those that one has: a list only grows.
void Dependencies::link_list(KeyId key) {
  VersionId last = index_.initial_version(key);
  for (const VersionId version : index_.order_of(key)) {
    if (version == kNone || !index_.is_committed(index_.version(version).txn)) continue;
    links_.push_back({last, version});
    last = version;
  }
  const KeyInfo& info = index_.key(key);
  size_t unread = 0;
  for (uint32_t i = 0; i < info.version_count && unread < kSuccessorsMax; ++i) {
    const VersionId version = info.first_version + i;
    if (index_.version(version).position != kNone) continue;
    if (!index_.is_committed(index_.version(version).txn)) continue;
    links_.push_back({last, version});
    ++unread;
  }
}

void Dependencies::link_registers(Order order) {
  std::vector<bool> linked(index_.version_count());
  for (const ReadThenWrite& pair : items_.read_then_written()) {
    if (!index_.key(index_.key_of(pair.read)).is_register) continue;
    linked[pair.written] = true;
    links_.push_back({pair.read, pair.written});
  }
  for (KeyId key = 0; key < index_.key_count(); ++key) {
    if (index_.key(key).is_register) link_register(key, linked, order);
  }
}

// A write that did not follow a read: after its own transaction's write before it; or after the write
// that had ended last when this one began (writers of one key exclude each other until they end, at
// every level); or, as is always true, after the initial version.
void Dependencies::link_register(KeyId key, std::vector<bool>& linked, Order order) {
  const KeyInfo& info = index_.key(key);
  std::vector<VersionId> by_txn;
  for (uint32_t i = 0; i < info.version_count; ++i) {
    const VersionId version = info.first_version + i;
    if (index_.is_committed(index_.version(version).txn)) by_txn.push_back(version);
  }
  const auto txn_of = [this](VersionId v) -> const TxnRecord& {
    return index_.txn(index_.version(v).txn);
  };
  std::sort(by_txn.begin(), by_txn.end(), [this](VersionId a, VersionId b) {
    const Version& left = index_.version(a);
    const Version& right = index_.version(b);
    return left.txn != right.txn ? left.txn < right.txn : left.write < right.write;
  });
  std::vector<VersionId> blind;
  for (size_t i = 0; i < by_txn.size(); ++i) {
    if (i > 0 && index_.version(by_txn[i]).txn == index_.version(by_txn[i - 1]).txn) {
      links_.push_back({by_txn[i - 1], by_txn[i]});
    } else if (!linked[by_txn[i]]) {
      blind.push_back(by_txn[i]);
    }
  }
  std::sort(blind.begin(), blind.end(),
            [&](VersionId a, VersionId b) { return txn_of(a).begin < txn_of(b).begin; });

  std::vector<VersionId> by_end;
  for (const VersionId version : by_txn) {
    const bool known = txn_of(version).outcome == Outcome::committed;
    if (order == Order::real_time && known && index_.version(version).final)
      by_end.push_back(version);
  }
  std::sort(by_end.begin(), by_end.end(),
            [&](VersionId a, VersionId b) { return txn_of(a).end < txn_of(b).end; });
  size_t ended = 0;
  size_t first = 0;
  for (const VersionId version : blind) {
    while (ended < by_end.size() && txn_of(by_end[ended]).end < txn_of(version).begin) ++ended;
    if (ended > 0) {
      links_.push_back({by_end[ended - 1], version});
    } else if (first++ < kSuccessorsMax) {
      links_.push_back({index_.initial_version(key), version});
    }
  }
}

void Dependencies::sort_links() {
  std::sort(links_.begin(), links_.end(), [](const Link& a, const Link& b) {
    return a.before != b.before ? a.before < b.before : a.after < b.after;
  });
  first_link_.assign(size_t{index_.version_count()} + index_.key_count() + 1, 0);
  for (const Link& link : links_) ++first_link_[link.before + size_t{1}];
  for (size_t i = 1; i < first_link_.size(); ++i) first_link_[i] += first_link_[i - 1];
}

std::string Dependencies::explain(TxnId from, TxnId to, EdgeKind kind, VersionId before,
                                  VersionId after) const {
  const Key key = index_.key(index_.key_of(after)).key;
  const std::string t = "T" + std::to_string(from);
  const std::string u = "T" + std::to_string(to);
  const std::string was = describe_value(key, index_.value_of(before));
  const std::string then = std::to_string(index_.value_of(after));
  switch (kind) {
    case EdgeKind::ww:
      return t + " -ww-> " + u + ": " + t + " wrote " + was + ", and " + u + " wrote " + then +
             " after it";
    case EdgeKind::wr:
      return t + " -wr-> " + u + ": " + u + " read " + was + ", which " + t + " wrote";
    case EdgeKind::rw:
      return t + " -rw-> " + u + ": " + t + " read " + was + ", and " + u + " wrote " + then +
             " after it";
    default:
      return t + " -rw-> " + u + ": " + t + " scanned and did not find k" + std::to_string(key) +
             ", and " + u + " wrote " + was.substr(0, was.find('=')) + "= " + then;
  }
}

}  // namespace aether::isolation
