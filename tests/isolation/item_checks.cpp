#include "isolation/item_checks.h"

#include <algorithm>
#include <string>

namespace aether::isolation {

ItemChecks::ItemChecks(const VersionIndex& index, const CheckOptions& options, Findings& findings)
    : index_(index),
      level_(options.level),
      own_levels_(options.own_levels),
      findings_(findings),
      states_(index.key_count()) {
  // A seen version has 31 bits, initial ones included.
  AETHER_ASSERT(uint64_t{index.version_count()} + index.key_count() < uint64_t{1} << 31);
  check_lists();
  seen_starts_.reserve(index.txn_count() + size_t{1});
  for (TxnId id = 0; id < index.txn_count(); ++id) {
    seen_starts_.push_back(seen_.size());
    if (index.is_committed(id)) check_txn(id);
  }
  seen_starts_.push_back(seen_.size());
  check_lost_updates();
}

Level ItemChecks::level_of(TxnId txn) const {
  return own_levels_ ? std::min(level_, index_.txn(txn).level) : level_;
}

void ItemChecks::check_lists() {
  for (KeyId key = 0; key < index_.key_count(); ++key) {
    if (!index_.key(key).is_list) continue;
    check_list(key);
    check_lost_writes(key);
  }
}

// The longest read of a list stands for all others, which must be its prefixes.
void ItemChecks::check_list(KeyId key) {
  const KeyInfo& info = index_.key(key);
  const std::span<const VersionId> order = index_.order_of(key);
  const Version* before = nullptr;
  bool dirty = false;
  for (size_t i = 0; i < order.size(); ++i) {
    if (order[i] == kNone) {
      findings_.add(Anomaly::garbage_read, {info.longest_reader}, [&] {
        return "T" + std::to_string(info.longest_reader) + " read k" + std::to_string(info.key) +
               " = " + describe_list(info.longest) + ", where " + std::to_string(info.longest[i]) +
               " was never appended or stands twice";
      });
      continue;
    }
    const Version& version = index_.version(order[i]);
    if (before != nullptr && before->txn == version.txn && before->write > version.write) {
      findings_.add(Anomaly::internal, {version.txn}, [&] {
        return "T" + std::to_string(version.txn) + " appended " + std::to_string(version.value) +
               " to k" + std::to_string(info.key) + " before " + std::to_string(before->value) +
               ", the list has them the other way round";
      });
    }
    before = &version;
    if (dirty && index_.is_committed(version.txn)) {
      dirty = false;
      findings_.add(Anomaly::dirty_update, {version.txn}, [&] {
        return "the append of " + std::to_string(version.value) + " by T" +
               std::to_string(version.txn) + " to k" + std::to_string(info.key) +
               " stands on an aborted append: " + describe_list(info.longest);
      });
    }
    if (index_.txn(version.txn).outcome == Outcome::aborted) dirty = true;
  }
}

void ItemChecks::check_lost_writes(KeyId key) {
  const KeyInfo& info = index_.key(key);
  if (info.latest_reader == kNone) return;
  const uint64_t looked_at = index_.txn(info.latest_reader).begin;
  for (uint32_t i = 0; i < info.version_count; ++i) {
    const Version& version = index_.version(info.first_version + i);
    const TxnRecord& writer = index_.txn(version.txn);
    if (version.position != kNone || writer.outcome != Outcome::committed) continue;
    if (writer.end > looked_at) continue;
    findings_.add(Anomaly::lost_write, {version.txn, info.latest_reader}, [&] {
      return "T" + std::to_string(version.txn) + " appended " + std::to_string(version.value) +
             " to k" + std::to_string(info.key) + " and had committed before T" +
             std::to_string(info.latest_reader) + " began and read the list; no list has it";
    });
  }
}

void ItemChecks::check_lost_updates() {
  std::sort(read_then_written_.begin(), read_then_written_.end(),
            [](const ReadThenWrite& a, const ReadThenWrite& b) {
              return a.read != b.read ? a.read < b.read : a.written < b.written;
            });
  for (size_t i = 0; i + 1 < read_then_written_.size();) {
    const VersionId read = read_then_written_[i].read;
    std::vector<TxnId> writers;
    for (; i < read_then_written_.size() && read_then_written_[i].read == read; ++i) {
      const TxnId writer = index_.version(read_then_written_[i].written).txn;
      // A weaker level may lose the updates of others: it takes two that must not.
      if (std::min(level_of(writer), Level::snapshot) == std::min(level_, Level::snapshot)) {
        writers.push_back(writer);
      }
    }
    if (writers.size() < 2) continue;
    findings_.add(Anomaly::lost_update, writers, [&] {
      std::string text;
      for (const TxnId writer : writers) text += "T" + std::to_string(writer) + ", ";
      return text + "each read " +
             describe_value(index_.key(index_.key_of(read)).key, index_.value_of(read)) +
             " and then wrote the key";
    });
  }
}

void ItemChecks::check_txn(TxnId id) {
  txn_ = id;
  own_.clear();
  Op op;
  for (OpReader ops(index_.txn(id)); ops.next(op);) {
    if (op.is_write()) {
      on_write(op);
    } else if (op.kind == OpKind::scan) {
      on_scan(op);
    } else if (op.kind == OpKind::read_list) {
      on_list(op);
    } else {
      on_value(index_.find_key(op.key), op.value(), false);
    }
  }
}

ItemChecks::KeyState& ItemChecks::state_of(KeyId key) {
  KeyState& state = states_[key];
  if (state.txn != txn_) state = {.txn = txn_};
  return state;
}

void ItemChecks::on_write(const Op& op) {
  const KeyId key = index_.find_key(op.key);
  KeyState& state = state_of(key);
  if (state.own_writes++ == 0 && state.base != kNone) {
    read_then_written_.push_back({state.base, index_.find_version(key, op.value())});
    check_base(key, state.base, op.value());
  }
  state.own_last = op.value();
  own_.emplace_back(key, op.value());
}

// Lists show it in their order (`check_list`).
void ItemChecks::check_base(KeyId key, VersionId base, Value written) {
  if (index_.key(key).is_list || index_.is_initial(base)) return;
  const TxnId writer = index_.version(base).txn;
  if (index_.txn(writer).outcome != Outcome::aborted) return;
  findings_.add(Anomaly::dirty_update, {txn_, writer}, [&] {
    return "T" + std::to_string(txn_) + " read " +
           describe_value(index_.key(key).key, index_.value_of(base)) + " of T" +
           std::to_string(writer) + ", which aborted, and made it " + std::to_string(written);
  });
}

void ItemChecks::on_list(const Op& op) {
  const KeyId key = index_.find_key(op.key);
  const KeyInfo& info = index_.key(key);
  if (!std::equal(op.data.begin(), op.data.end(), info.longest.begin())) {
    for (const Value value : op.data) {
      if (index_.find_version(key, value) == kNone || value == kNoValue) garbage(key, value);
    }
    findings_.add(Anomaly::incompatible_order, {txn_, info.longest_reader}, [&] {
      return "T" + std::to_string(txn_) + " read k" + std::to_string(info.key) + " = " +
             describe_list(op.data) + ", T" + std::to_string(info.longest_reader) +
             " read it = " + describe_list(info.longest);
    });
  } else if (op.data.size() > info.first_aborted) {
    const Version& aborted = index_.version(index_.order_of(key)[info.first_aborted]);
    findings_.add(Anomaly::g1a, {txn_, aborted.txn}, [&] {
      return "T" + std::to_string(txn_) + " read k" + std::to_string(info.key) + " = " +
             describe_list(op.data) + ", where " + std::to_string(aborted.value) + " is of T" +
             std::to_string(aborted.txn) + ", which aborted";
    });
  }

  const uint32_t own = state_of(key).own_writes;
  if (!own_writes_end(key, op.data, own)) {
    internal(key, "read " + describe_list(op.data) + ", which does not end with its own appends");
    return;
  }
  const std::span<const Value> others = op.data.first(op.data.size() - own);
  const Value last = others.empty() ? kNoValue : others.back();
  const VersionId version = index_.find_version(key, last);
  if (version != kNone) on_version(key, version, false);
}

bool ItemChecks::own_writes_end(KeyId key, std::span<const Value> list, uint32_t own) const {
  if (own > list.size()) return false;
  size_t at = list.size();
  for (size_t i = own_.size(); i > 0 && own > 0; --i) {
    if (own_[i - 1].first != key) continue;
    if (list[--at] != own_[i - 1].second) return false;
    --own;
  }
  return true;
}

void ItemChecks::on_value(KeyId key, Value value, bool by_scan) {
  const KeyState& state = state_of(key);
  if (state.own_writes > 0) {
    if (value != state.own_last) {
      internal(key, "wrote " + std::to_string(state.own_last) + ", but read " +
                        describe_value(index_.key(key).key, value));
    }
    return;
  }
  const VersionId version = index_.find_version(key, value);
  if (version == kNone) return garbage(key, value);
  if (!index_.is_initial(version)) {
    const Version& seen = index_.version(version);
    if (index_.txn(seen.txn).outcome == Outcome::aborted && seen.txn != txn_) {
      findings_.add(Anomaly::g1a, {txn_, seen.txn}, [&] {
        return "T" + std::to_string(txn_) + " read " + describe_value(index_.key(key).key, value) +
               " of T" + std::to_string(seen.txn) + ", which aborted";
      });
    }
  }
  on_version(key, version, by_scan);
}

// Every key of the range that was ever written is seen: with its value, or as missing.
void ItemChecks::on_scan(const Op& op) {
  size_t at = 0;
  for (KeyId key = index_.lower_bound(op.key);
       key < index_.key_count() && index_.key(key).key <= op.last; ++key) {
    const Key number = index_.key(key).key;
    for (; at < op.data.size() && op.data[at] < number; at += 2) {
      findings_.add(Anomaly::garbage_read, {txn_}, [&] {
        return "T" + std::to_string(txn_) + " scanned k" + std::to_string(op.data[at]) +
               ", which nobody wrote";
      });
    }
    const bool found = at < op.data.size() && op.data[at] == number;
    on_value(key, found ? op.data[at + 1] : kNoValue, true);
    if (found) at += 2;
  }
  if (at < op.data.size()) {
    findings_.add(Anomaly::garbage_read, {txn_}, [&] {
      return "T" + std::to_string(txn_) + " scanned k" + std::to_string(op.data[at]) +
             ", which nobody wrote, is outside of the range, or came out of order";
    });
  }
}

// What is left of a read when the transaction's own writes are taken away.
void ItemChecks::on_version(KeyId key, VersionId version, bool by_scan) {
  if (!index_.is_initial(version) && index_.version(version).txn == txn_) {
    internal(key, "read " + describe_value(index_.key(key).key, index_.value_of(version)) +
                      ", its own write, before it made it");
    return;
  }
  KeyState& state = state_of(key);
  if (state.base != kNone && state.base != version) {
    if (level_of(txn_) >= std::min(level_, Level::snapshot)) {
      findings_.add(Anomaly::non_repeatable, {txn_}, [&] {
        const Key number = index_.key(key).key;
        return "T" + std::to_string(txn_) + " read " +
               describe_value(number, index_.value_of(state.base)) + ", and later " +
               describe_value(number, index_.value_of(version));
      });
    }
  }
  state.base = version;
  if (!index_.is_initial(version)) check_source(key, version);
  seen_.emplace_back(version, by_scan && index_.is_initial(version));
}

void ItemChecks::check_source(KeyId key, VersionId version) {
  const Version& seen = index_.version(version);
  if (seen.final) return;
  findings_.add(Anomaly::g1b, {txn_, seen.txn}, [&] {
    return "T" + std::to_string(txn_) + " read " + describe_value(index_.key(key).key, seen.value) +
           ", but T" + std::to_string(seen.txn) + " wrote the key again after that";
  });
}

void ItemChecks::garbage(KeyId key, Value value) {
  findings_.add(Anomaly::garbage_read, {txn_}, [&] {
    return "T" + std::to_string(txn_) + " read " + describe_value(index_.key(key).key, value) +
           ", which nobody wrote";
  });
}

void ItemChecks::internal(KeyId key, const std::string& what) {
  findings_.add(Anomaly::internal, {txn_}, [&] {
    return "T" + std::to_string(txn_) + " on k" + std::to_string(index_.key(key).key) + ": " + what;
  });
}

}  // namespace aether::isolation
