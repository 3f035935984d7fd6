#include "sim/threads/history.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/checksum.h"

namespace aether::sim {
namespace {

constexpr size_t kHeadBytes = 2 * sizeof(uint64_t);

std::string name_of(uint64_t id) { return "transaction " + std::to_string(id); }

std::string text_of(const std::optional<RowValue>& value) {
  if (!value) return "nothing";
  return "amount " + std::to_string(value->amount) + " by " + name_of(value->writer);
}

bool may_be_in(Fate fate) {
  return fate == Fate::calling || fate == Fate::committed || fate == Fate::durable;
}

}  // namespace

std::string encode_row(const std::string& key, RowValue value, size_t bytes) {
  std::string result(std::max(bytes, kHeadBytes), '\0');
  base::store(result.data(), value.writer);
  base::store(result.data() + sizeof(uint64_t), value.amount);
  uint64_t word = base::checksum(key.data(), key.size(), value.writer * 31 + value.amount);
  for (size_t i = kHeadBytes; i < result.size(); i += sizeof word) {
    word = word * 0x5851f42d4c957f2du + result.size();
    std::memcpy(result.data() + i, &word, std::min(sizeof word, result.size() - i));
  }
  return result;
}

std::optional<RowValue> decode_row(Bytes key, Bytes bytes) {
  if (bytes.size() < kHeadBytes) return std::nullopt;
  const RowValue value{base::load<uint64_t>(bytes.data()),
                       base::load<uint64_t>(bytes.data() + sizeof(uint64_t))};
  if (encode_row(std::string(key), value, bytes.size()) != bytes) return std::nullopt;
  return value;
}

uint64_t History::begin(uint32_t worker, bool marked) {
  const uint64_t id = next_id_++;
  Txn& txn = txns_[id];
  txn.id = id;
  txn.worker = worker;
  txn.marked = marked;
  return id;
}

void History::wrote(uint64_t id, const std::string& key, bool removed, uint64_t amount,
                    uint64_t called) {
  const auto [place, is_new] = txn(id).writes.try_emplace(key);
  Write& write = place->second;
  if (is_new) write.first_call = called;
  write.removed = removed;
  write.amount = amount;
  write.last_return = tick();
}

void History::poll() {
  for (auto& [id, txn] : txns_) {
    if (txn.ticket && txn.fate == Fate::committed && txn.ticket->durable())
      txn.fate = Fate::durable;
  }
}

void History::close() {
  is_closed_ = true;
  for (auto& [id, txn] : txns_) txn.ticket.reset();
}

void History::adopt(const FoundState& found) {
  base_ = found.rows;
  old_marks_ = found.marks;
  old_doubts_ = found.in_doubt;
  txns_.clear();
  is_closed_ = false;
  for (const auto& [key, value] : base_) next_id_ = std::max(next_id_, value.writer + 1);
  if (!old_marks_.empty()) next_id_ = std::max(next_id_, *old_marks_.rbegin() + 1);
  if (!old_doubts_.empty()) next_id_ = std::max(next_id_, *old_doubts_.rbegin() + 1);
}

std::string History::check(const FoundState& found, const std::optional<Moment>& snapshot) const {
  std::string problem = snapshot ? check_snapshot_marks(found, *snapshot) : check_marks(found);
  if (problem.empty())
    problem = check_rows(found, snapshot.value_or(Moment{~uint64_t{0}, ~uint64_t{0}}));
  if (problem.empty()) problem = check_closed(found);
  if (problem.empty() && !snapshot) problem = check_order(found);
  if (problem.empty()) problem = check_sums(found);
  if (problem.empty() && !snapshot) problem = check_in_doubt(found);
  return problem;
}

/// For certain. A single write leaves no mark: it is there if it was acknowledged before the moment.
bool History::is_in(const FoundState& found, const Moment& moment, const Txn& txn) {
  if (txn.marked) return found.marks.contains(txn.id);
  return txn.fate == Fate::durable && txn.commit_return < moment.before;
}

std::string History::check_marks(const FoundState& found) const {
  for (const uint64_t id : old_marks_) {
    if (!found.marks.contains(id)) return "the mark of " + name_of(id) + ", an old one, is gone";
  }
  for (const uint64_t id : found.marks) {
    if (old_marks_.contains(id)) continue;
    const auto txn = txns_.find(id);
    if (txn == txns_.end()) return name_of(id) + " is there, and never was";
    if (!may_be_in(txn->second.fate)) {
      return name_of(id) + " is there, and was not committed (fate " +
             std::to_string(static_cast<int>(txn->second.fate)) + ")";
    }
  }
  for (const auto& [id, txn] : txns_) {
    if (txn.marked && txn.fate == Fate::durable && !txn.writes.empty() &&
        !found.marks.contains(id)) {
      return name_of(id) + " was acknowledged, and is lost";
    }
  }
  return {};
}

std::string History::check_snapshot_marks(const FoundState& found, const Moment& moment) const {
  for (const auto& [id, txn] : txns_) {
    if (!txn.marked) continue;
    const bool there = found.marks.contains(id);
    const bool ended = txn.commit_return != 0 && txn.commit_return < moment.before;
    if (ended && may_be_in(txn.fate) && !txn.writes.empty() && !there)
      return "a snapshot does not show " + name_of(id) + ", which had committed before";
    if (there && (!may_be_in(txn.fate) || txn.commit_call > moment.after))
      return "a snapshot shows " + name_of(id) + ", which had not committed";
  }
  return {};
}

std::map<std::string, std::vector<const History::Txn*>> History::writers_by_row() const {
  std::map<std::string, std::vector<const Txn*>> result;
  for (const auto& [key, value] : base_) result[key];
  for (const auto& [id, txn] : txns_) {
    if (!may_be_in(txn.fate)) continue;
    for (const auto& [key, write] : txn.writes) result[key].push_back(&txn);
  }
  return result;
}

std::string History::check_rows(const FoundState& found, const Moment& moment) const {
  const auto writers = writers_by_row();
  for (const auto& [key, value] : found.rows) {
    if (!writers.contains(key))
      return "row " + key.substr(0, 12) + ": found " + text_of(value) + ", nobody wrote it";
  }
  for (const auto& [key, of_row] : writers) {
    if (std::string problem = check_row(found, moment, key, of_row); !problem.empty())
      return problem;
  }
  return {};
}

/// The row is as one left it whom no other of S, for certain, came after. A single write that may be there or not
/// may explain the row, and hides nothing.
std::string History::check_row(const FoundState& found, const Moment& moment,
                               const std::string& key,
                               const std::vector<const Txn*>& writers) const {
  std::optional<RowValue> is;
  if (const auto row = found.rows.find(key); row != found.rows.end()) is = row->second;
  const auto precedes = [&](const Txn& a, const Txn& b) {
    return a.writes.at(key).last_return < b.writes.at(key).first_call;
  };
  bool base_is_last = true;
  std::string expected;
  for (const Txn* const txn : writers) {
    const bool certain = is_in(found, moment, *txn);
    if (!certain && (txn->marked || txn->commit_call > moment.after)) continue;
    const bool hidden = std::any_of(writers.begin(), writers.end(), [&](const Txn* other) {
      return other != txn && is_in(found, moment, *other) && precedes(*txn, *other);
    });
    base_is_last = base_is_last && !certain;
    if (hidden) continue;
    const Write& write = txn->writes.at(key);
    const auto left = write.removed ? std::optional<RowValue>()
                                    : std::optional(RowValue{txn->id, write.amount});
    if (left == is) return {};
    expected += " or " + (write.removed ? "nothing, by " + name_of(txn->id) : text_of(left));
  }
  if (base_is_last) {
    const auto old = base_.find(key);
    const auto left = old == base_.end() ? std::optional<RowValue>() : std::optional(old->second);
    if (left == is) return {};
    expected += " or " + text_of(left);
  }
  return "row " + key.substr(0, 12) + ": found " + text_of(is) + ", should be " +
         expected.substr(std::min<size_t>(4, expected.size()));
}

std::string History::check_closed(const FoundState& found) const {
  const auto writers = writers_by_row();
  for (const auto& [id, txn] : txns_) {
    if (!txn.marked || !found.marks.contains(id)) continue;
    for (const uint64_t read : txn.read_from) {
      const auto source = txns_.find(read);
      if (source == txns_.end() || !source->second.marked || read == id) continue;
      if (!found.marks.contains(read)) {
        return name_of(id) + " is there, " + name_of(read) + ", whose row it read, is not";
      }
    }
    for (const auto& [key, write] : txn.writes) {
      for (const Txn* const other : writers.at(key)) {
        // Refused as not serializable, it has let go of its rows before it hears of that.
        const bool may_be_refused = rules_.serializable && other->fate == Fate::calling;
        const bool overwrote = other->marked && !may_be_refused &&
                               other->writes.at(key).last_return < write.first_call;
        if (overwrote && !found.marks.contains(other->id)) {
          return name_of(id) + " is there, " + name_of(other->id) +
                 ", whose row it overwrote, is not (" + key.substr(0, 12) + ")";
        }
      }
    }
  }
  return {};
}

std::string History::check_order(const FoundState& found) const {
  if (!rules_.one_stream) return {};
  std::map<uint32_t, uint64_t> missing;  // By worker: the first that is not there.
  for (const auto& [id, txn] : txns_) {
    if (!txn.marked || txn.writes.empty() || !may_be_in(txn.fate)) continue;
    if (!found.marks.contains(id)) {
      missing.try_emplace(txn.worker, id);
    } else if (const auto lost = missing.find(txn.worker); lost != missing.end()) {
      return name_of(id) + " is there, " + name_of(lost->second) +
             ", an earlier one of its worker, is not";
    }
  }
  return {};
}

std::string History::check_sums(const FoundState& found) const {
  uint64_t sum = 0;
  bool has_accounts = false;
  for (const auto& [key, value] : found.rows) {
    if (key.starts_with("a")) {
      has_accounts = true;
      sum += value.amount;
    }
    if (!rules_.serializable || !key.starts_with("p") || !key.ends_with("l")) continue;
    const auto right = found.rows.find(key.substr(0, key.size() - 1) + "r");
    if (right != found.rows.end() && value.amount == 0 && right->second.amount == 0)
      return "both rows of pair " + key + " are zero: a write skew";
  }
  if (has_accounts && sum != rules_.accounts_sum) {
    return "the accounts hold " + std::to_string(sum) + ", not " +
           std::to_string(rules_.accounts_sum);
  }
  return {};
}

std::string History::check_in_doubt(const FoundState& found) const {
  for (const uint64_t id : found.in_doubt) {
    if (old_doubts_.contains(id)) continue;
    const auto txn = txns_.find(id);
    const bool may_be = txn != txns_.end() &&
                        (txn->second.fate == Fate::preparing ||
                         txn->second.fate == Fate::prepared || txn->second.fate == Fate::calling ||
                         txn->second.fate == Fate::rolling_back);
    if (!may_be) return name_of(id) + " is in doubt, and should not be";
    if (found.marks.contains(id)) return name_of(id) + " is in doubt, and its rows are seen";
  }
  for (const auto& [id, txn] : txns_) {
    if (txn.fate == Fate::prepared && !found.in_doubt.contains(id))
      return name_of(id) + " was prepared, and is not in doubt";
  }
  return {};
}

}  // namespace aether::sim
