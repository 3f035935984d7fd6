// What an environment must hold: rows whose commit was answered, and what a crash may have taken or left.
//
//   base      everything up to here is durable, and there for good
//   commits   later ones, in the order in which commit was called; each is
//               calling    no answer yet when the crash struck: there or not, but never half
//               committed  answered, but not known to be durable (Durability::none, commit_async): may be lost,
//                          with all that depends on it
//               durable    acknowledged: must be there
//               unknown    answered `failed`: as calling
//
// `breach` looks for a set of commits that explains what was found: all durable ones; with each one those whose
// rows it overwrote; and whatever the found rows force in. With one log stream a prefix must explain it.
// Transactions that were open or took themselves back are not in the model: one row of theirs is a breach.
//
// Source: reliability work on dependency-closed recovery; shares no code with the engine.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "aether/aether.hpp"

namespace aether::crash {

/// A value by what makes it: two values are equal exactly if these are. Values of one family and size differ in their
/// stamps only, as the versions of a row do whose updates change little of it.
struct Value {
  uint64_t stamp = 0;
  uint32_t bytes = 0;
  uint16_t family = 0;
  bool operator==(const Value&) const = default;
};

inline constexpr size_t kValueBytesMax = size_t{512} * 1024;

/// Where a value has its family, and how long one is that ends with its stamp once more.
inline constexpr size_t kFamilyAt = 8;
inline constexpr size_t kTextAt = 10;
inline constexpr size_t kStampedAtBothEnds = 64;

/// The stamp, the family, then a stretch of random text that the family chooses. A value of fewer than 10 bytes is its
/// first bytes; its stamp and family have no others.
inline std::string bytes_of(const Value& value) {
  static const std::string text = [] {
    std::mt19937_64 random(1);
    std::string made(2 * kValueBytesMax, '\0');
    for (char& c : made) c = static_cast<char>(random());
    return made;
  }();
  std::string bytes(value.bytes, '\0');
  const size_t head = std::min<size_t>(sizeof value.stamp, value.bytes);
  std::memcpy(bytes.data(), &value.stamp, head);
  if (value.bytes < kTextAt) return bytes;
  std::memcpy(bytes.data() + kFamilyAt, &value.family, sizeof value.family);
  const size_t from = (value.family * 0x9e3779b97f4a7c15u >> 32) % kValueBytesMax;
  std::memcpy(bytes.data() + kTextAt, text.data() + from, value.bytes - kTextAt);
  if (value.bytes >= kStampedAtBothEnds)
    std::memcpy(bytes.data() + value.bytes - head, &value.stamp, head);
  return bytes;
}

inline Value make_value(uint64_t stamp, uint32_t bytes, uint16_t family) {
  if (bytes < 8) stamp &= (uint64_t{1} << (8 * bytes)) - 1;
  return {stamp, bytes, bytes < kTextAt ? uint16_t{0} : family};
}
/// Of a family that is most likely no other's.
inline Value make_value(uint64_t stamp, uint32_t bytes) {
  return make_value(stamp, bytes, static_cast<uint16_t>(stamp * 0x9e3779b97f4a7c15u >> 48));
}

/// Nothing: these bytes were never written as a whole.
inline std::optional<Value> parse_value(Bytes bytes) {
  if (bytes.size() > kValueBytesMax) return std::nullopt;
  uint64_t stamp = 0;
  uint16_t family = 0;
  std::memcpy(&stamp, bytes.data(), std::min(sizeof stamp, bytes.size()));
  if (bytes.size() >= kTextAt) std::memcpy(&family, bytes.data() + kFamilyAt, sizeof family);
  const Value value = make_value(stamp, static_cast<uint32_t>(bytes.size()), family);
  if (bytes_of(value) != bytes) return std::nullopt;
  return value;
}

/// A row, or the existence of a store.
struct Place {
  std::string store;
  std::optional<std::string> key;  ///< None: the store itself.
  auto operator<=>(const Place&) const = default;
};

using Rows = std::map<std::string, Value>;
using State = std::map<std::string, Rows>;
/// What a transaction leaves at each place; nothing: it is gone. A store that is made has Value{}.
using Writes = std::map<Place, std::optional<Value>>;

inline void take_in(State& state, const Writes& writes) {
  for (const auto& [place, value] : writes) {
    if (!place.key) {
      state.erase(place.store);  // Made or dropped: without rows.
      if (value) state[place.store];
    } else if (const auto rows = state.find(place.store); rows == state.end()) {
      continue;  // Dropped since.
    } else if (value) {
      rows->second[*place.key] = *value;
    } else {
      rows->second.erase(*place.key);
    }
  }
}

enum class Fate : uint8_t { calling, committed, durable, unknown };

class Model {
 public:
  /// Before commit is called.
  void call(Writes writes) { commits_.push_back({Fate::calling, std::move(writes), {}, false}); }
  /// The call that is under way was answered.
  void answer(Fate fate) { commits_.back().fate = fate; }
  void answer_async(const CommitTicket& ticket) {
    commits_.back().fate = Fate::committed;
    commits_.back().ticket = ticket;
    commits_.back().has_ticket = true;
  }
  /// It was refused, and nothing of it has happened.
  void refuse() { commits_.pop_back(); }

  /// Takes note of asynchronous commits that the engine now calls durable.
  void poll() {
    for (Commit& commit : commits_) {
      if (commit.has_ticket && commit.fate == Fate::committed && commit.ticket.durable())
        commit.fate = Fate::durable;
    }
  }
  void fold() {
    for (; !commits_.empty() && commits_.front().fate == Fate::durable; commits_.pop_front())
      take_in(base_, commits_.front().writes);
  }
  /// Closed in order: everything answered is durable.
  void closed() {
    for (Commit& commit : commits_) {
      if (commit.fate == Fate::committed) commit.fate = Fate::durable;
    }
    fold();
  }
  /// The environment is gone: tickets must not be asked any more.
  void forget_tickets() {
    for (Commit& commit : commits_) commit.has_ticket = false;
  }
  /// A crash: what was found counts from now on.
  void adopt(const State& found) {
    base_ = found;
    commits_.clear();
  }
  /// What a reader sees as long as nothing crashes.
  State live() const { return replay(std::vector<bool>(commits_.size(), true)); }

  /// Empty: `found` can be explained. Else what is wrong.
  std::string breach(const State& found, bool one_stream) const {
    std::vector<bool> in(commits_.size());
    for (size_t i = 0; i < in.size(); ++i) in[i] = commits_[i].fate == Fate::durable;
    for (;;) {
      close(in);
      const std::map<Place, std::optional<Value>> wrong = differences(replay(in), found);
      if (wrong.empty()) break;
      bool grown = false;
      for (const auto& [place, value] : wrong) grown |= force(in, place, value);
      if (!grown) return describe(in, wrong);
    }
    if (!one_stream) return {};
    // The shortest prefix with all of these may be one too short: a row that was put and removed again, say.
    std::string problem;
    size_t last = 0;
    for (size_t i = 0; i < in.size(); ++i) last = in[i] ? i + 1 : last;
    for (size_t end = last; end <= in.size(); ++end) {
      for (size_t i = 0; i < end; ++i) in[i] = in[i] || commits_[i].fate != Fate::unknown;
      const auto wrong = differences(replay(in), found);
      if (wrong.empty()) return {};
      if (problem.empty()) problem = "not a prefix: " + describe(in, wrong);
    }
    return problem;
  }

 private:
  struct Commit {
    Fate fate;
    Writes writes;
    CommitTicket ticket;
    bool has_ticket;
  };

  State replay(const std::vector<bool>& in) const {
    State state = base_;
    for (size_t i = 0; i < in.size(); ++i) {
      if (in[i]) take_in(state, commits_[i].writes);
    }
    return state;
  }

  /// Who is there brings along whose rows it overwrote.
  void close(std::vector<bool>& in) const {
    std::map<Place, bool> needed;
    for (size_t i = in.size(); i-- > 0;) {
      for (const auto& [place, value] : commits_[i].writes) {
        if (commits_[i].fate == Fate::committed && needed.count(place) != 0) in[i] = true;
      }
      if (!in[i]) continue;
      for (const auto& [place, value] : commits_[i].writes) needed[place] = true;
    }
  }

  /// Where `found` is not `expected`, with what was found.
  static std::map<Place, std::optional<Value>> differences(const State& expected,
                                                           const State& found) {
    std::map<Place, std::optional<Value>> result;
    for (const auto& [store, rows] : found) {
      const auto other = expected.find(store);
      if (other == expected.end()) {
        result[{store, std::nullopt}] = Value{};
        continue;
      }
      for (const auto& [key, value] : rows) {
        const auto row = other->second.find(key);
        if (row == other->second.end() || row->second != value) result[{store, key}] = value;
      }
      for (const auto& [key, value] : other->second) {
        if (rows.count(key) == 0) result[{store, key}] = std::nullopt;
      }
    }
    for (const auto& [store, rows] : expected) {
      if (found.count(store) == 0) result[{store, std::nullopt}] = std::nullopt;
    }
    return result;
  }

  /// The first later commit that leaves `value` at `place` must be there. False: no such commit, or one that another
  /// place has forced in meanwhile has left it (two short values may be equal).
  bool force(std::vector<bool>& in, const Place& place, const std::optional<Value>& value) const {
    size_t from = 0;
    for (size_t i = 0; i < in.size(); ++i) {
      if (in[i] && commits_[i].writes.count(place) != 0) from = i + 1;
    }
    if (from != 0 && commits_[from - 1].writes.at(place) == value) return false;
    for (size_t i = from; i < in.size(); ++i) {
      const auto write = commits_[i].writes.find(place);
      if (in[i] || write == commits_[i].writes.end() || write->second != value) continue;
      in[i] = true;
      return true;
    }
    return false;
  }

  std::string describe(const std::vector<bool>& in,
                       const std::map<Place, std::optional<Value>>& wrong) const {
    const State expected = replay(in);
    const auto text = [](const std::optional<Value>& value) {
      return value ? "stamp " + std::to_string(value->stamp) + " of " +
                         std::to_string(value->bytes) + " bytes"
                   : std::string("nothing");
    };
    std::string result = std::to_string(wrong.size()) + " places are wrong:";
    size_t shown = 0;
    for (const auto& [place, value] : wrong) {
      if (++shown > 5) break;
      result.append("\n  store ").append(place.store);
      if (!place.key) {
        result += value ? ": is there, and should not be" : ": is gone";
        continue;
      }
      std::optional<Value> should;
      if (const auto rows = expected.find(place.store); rows != expected.end()) {
        if (const auto row = rows->second.find(*place.key); row != rows->second.end())
          should = row->second;
      }
      result.append(" key ")
          .append(place.key->substr(0, 12))
          .append(": found ")
          .append(text(value));
      result.append(", should be ").append(text(should));
    }
    return result;
  }

  State base_;
  std::deque<Commit> commits_;
};

}  // namespace aether::crash
