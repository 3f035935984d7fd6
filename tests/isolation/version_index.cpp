#include "isolation/version_index.h"

#include <algorithm>
#include <string>

namespace aether::isolation {
namespace {

constexpr Key kSmallKeys = Key{1} << 24;  // Keys below are looked up in a table, others searched.

}  // namespace

VersionIndex::VersionIndex(const History& history) {
  number_transactions(history);
  if (!malformed_.empty()) return;
  number_keys();
  if (!collect_writes()) return;
  sort_versions();
  if (!malformed_.empty()) return;
  mark_final_writes();
  settle_unknown();
  find_longest_lists();
  order_lists();
}

void VersionIndex::number_transactions(const History& history) {
  size_t count = 0;
  for (const Session& session : history.sessions()) count += session.transactions().size();
  txns_.reserve(count);
  for (const Session& session : history.sessions()) {
    session_starts_.push_back(txn_count());
    for (const TxnRecord& txn : session.transactions()) {
      txns_.push_back(&txn);
      committed_.push_back(txn.outcome == Outcome::committed);
    }
    if (session.is_open()) {
      malformed_ = "session " + std::to_string(session_starts_.size() - 1) +
                   " has a transaction open: end it as unknown";
    }
  }
  session_starts_.push_back(txn_count());
}

uint32_t VersionIndex::session_of(TxnId id) const {
  const auto after = std::upper_bound(session_starts_.begin(), session_starts_.end(), id);
  return static_cast<uint32_t>(after - session_starts_.begin() - 1);
}

void VersionIndex::number_keys() {
  std::vector<bool> small;
  std::vector<Key> large;
  for (const TxnRecord* txn : txns_) {
    Op op;
    for (OpReader ops(*txn); ops.next(op);) {
      if (op.kind == OpKind::scan) continue;  // What it saw was written by somebody, or is garbage.
      if (op.key >= kSmallKeys) {
        large.push_back(op.key);
        continue;
      }
      if (op.key >= small.size()) small.resize(op.key + size_t{1});
      small[op.key] = true;
    }
  }
  std::sort(large.begin(), large.end());
  large.erase(std::unique(large.begin(), large.end()), large.end());

  small_keys_.resize(small.size(), kNone);
  for (Key key = 0; key < small.size(); ++key) {
    if (!small[key]) continue;
    small_keys_[key] = key_count();
    keys_.push_back({.key = key});
  }
  for (const Key key : large) keys_.push_back({.key = key});
}

KeyId VersionIndex::lower_bound(Key key) const {
  const auto at = std::lower_bound(keys_.begin(), keys_.end(), key,
                                   [](const KeyInfo& info, Key k) { return info.key < k; });
  return static_cast<KeyId>(at - keys_.begin());
}

KeyId VersionIndex::find_key(Key key) const {
  if (key < small_keys_.size()) return small_keys_[key];
  const KeyId id = lower_bound(key);
  return id < key_count() && keys_[id].key == key ? id : kNone;
}

bool VersionIndex::collect_writes() {
  for (TxnId id = 0; id < txn_count(); ++id) {
    uint32_t write = 0;
    Op op;
    for (OpReader ops(txn(id)); ops.next(op);) {
      if (op.kind == OpKind::scan) continue;
      const KeyId key = find_key(op.key);
      KeyInfo& info = keys_[key];
      const bool of_list = op.kind == OpKind::append || op.kind == OpKind::read_list;
      (of_list ? info.is_list : info.is_register) = true;
      if (info.is_list && info.is_register) {
        malformed_ = "key " + std::to_string(op.key) + " is used as a list and as a register";
        return false;
      }
      if (!op.is_write()) continue;
      if (op.value() == kNoValue) {
        malformed_ = "T" + std::to_string(id) + " writes 0, which stands for no value, to key " +
                     std::to_string(op.key);
        return false;
      }
      versions_.push_back({.key = key, .value = op.value(), .txn = id, .write = write++});
    }
  }
  return true;
}

void VersionIndex::sort_versions() {
  std::sort(versions_.begin(), versions_.end(), [](const Version& a, const Version& b) {
    return a.key != b.key ? a.key < b.key : a.value < b.value;
  });
  for (VersionId id = 0; id < version_count(); ++id) {
    const Version& version = versions_[id];
    KeyInfo& info = keys_[version.key];
    if (info.version_count++ == 0) info.first_version = id;
    if (id > 0 && versions_[id - 1].key == version.key &&
        versions_[id - 1].value == version.value) {
      malformed_ = "key " + std::to_string(info.key) + " is given the value " +
                   std::to_string(version.value) + " twice, by T" +
                   std::to_string(versions_[id - 1].txn) + " and T" + std::to_string(version.txn);
    }
  }
}

VersionId VersionIndex::find_version(KeyId key, Value value) const {
  if (value == kNoValue) return initial_version(key);
  const auto first = versions_.begin() + keys_[key].first_version;
  const auto last = first + keys_[key].version_count;
  const auto at = std::lower_bound(first, last, value,
                                   [](const Version& v, Value wanted) { return v.value < wanted; });
  if (at == last || at->value != value) return kNone;
  return static_cast<VersionId>(at - versions_.begin());
}

void VersionIndex::mark_final_writes() {
  std::vector<Version*> of_key;
  for (const KeyInfo& info : keys_) {
    of_key.clear();
    for (uint32_t i = 0; i < info.version_count; ++i) {
      of_key.push_back(&versions_[info.first_version + i]);
    }
    std::sort(of_key.begin(), of_key.end(), [](const Version* a, const Version* b) {
      return a->txn != b->txn ? a->txn < b->txn : a->write < b->write;
    });
    for (size_t i = 0; i < of_key.size(); ++i) {
      of_key[i]->final = i + 1 == of_key.size() || of_key[i + 1]->txn != of_key[i]->txn;
    }
  }
}

// A commit whose answer got lost has happened if a committed transaction saw its work; then what it
// saw itself has happened as well, and so on.
void VersionIndex::settle_unknown() {
  const bool any = std::any_of(txns_.begin(), txns_.end(), [](const TxnRecord* txn) {
    return txn->outcome == Outcome::unknown;
  });
  if (!any) return;
  std::vector<TxnId> found;
  for (TxnId id = 0; id < txn_count(); ++id) {
    if (txn(id).outcome == Outcome::committed) mark_seen(id, found);
  }
  while (!found.empty()) {
    const TxnId next = found.back();
    found.pop_back();
    mark_seen(next, found);
  }
}

void VersionIndex::mark_seen(TxnId reader, std::vector<TxnId>& found) {
  const auto see = [&](Key key, Value value) {
    const KeyId key_id = find_key(key);
    if (key_id == kNone || value == kNoValue) return;
    const VersionId version = find_version(key_id, value);
    if (version == kNone) return;
    const TxnId writer = versions_[version].txn;
    if (committed_[writer] || txn(writer).outcome != Outcome::unknown) return;
    committed_[writer] = true;
    found.push_back(writer);
  };
  Op op;
  for (OpReader ops(txn(reader)); ops.next(op);) {
    if (op.is_write()) continue;
    if (op.kind == OpKind::scan) {
      for (size_t i = 0; i < op.data.size(); i += 2) see(op.data[i], op.data[i + 1]);
    } else {
      for (const Value value : op.data) see(op.key, value);
    }
  }
}

void VersionIndex::find_longest_lists() {
  for (TxnId id = 0; id < txn_count(); ++id) {
    if (!is_committed(id)) continue;
    Op op;
    for (OpReader ops(txn(id)); ops.next(op);) {
      if (op.kind != OpKind::read_list) continue;
      KeyInfo& info = keys_[find_key(op.key)];
      if (info.longest_reader == kNone || op.data.size() > info.longest.size()) {
        info.longest = op.data;
        info.longest_reader = id;
      }
      if (info.latest_reader == kNone || txn(id).begin > txn(info.latest_reader).begin) {
        info.latest_reader = id;
      }
    }
  }
}

void VersionIndex::order_lists() {
  for (KeyId id = 0; id < key_count(); ++id) {
    KeyInfo& info = keys_[id];
    info.first_order = orders_.size();
    for (uint32_t position = 0; position < info.longest.size(); ++position) {
      const Value value = info.longest[position];
      VersionId version = value == kNoValue ? kNone : find_version(id, value);
      if (version != kNone && versions_[version].position != kNone) version = kNone;
      orders_.push_back(version);
      if (version == kNone) continue;
      versions_[version].position = position;
      const TxnId writer = versions_[version].txn;
      if (info.first_aborted == kNone && txn(writer).outcome == Outcome::aborted) {
        info.first_aborted = position;
      }
    }
  }
}

}  // namespace aether::isolation
