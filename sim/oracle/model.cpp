#include "sim/oracle/model.h"

#include <algorithm>
#include <utility>

namespace aether::oracle {

namespace {

/// Where `found` is not `expected`, with what was found.
Writes differences(const State& expected, const State& found) {
  Writes result;
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

}  // namespace

// --- Commits

void Model::call(Writes writes, const std::string& gid) {
  if (!gid.empty()) doubts_.at(gid).decision = Decision::commits;
  commits_.push_back({.writes = std::move(writes), .gid = gid});
}

void Model::answer(Fate fate) {
  commits_.back().fate = fate;
  if (fate == Fate::durable) doubts_.erase(commits_.back().gid);
}

void Model::answer_async(const CommitTicket& ticket) {
  commits_.back().fate = Fate::committed;
  commits_.back().ticket = ticket;
  commits_.back().has_ticket = true;
}

void Model::refuse() {
  const std::string& gid = commits_.back().gid;
  if (!gid.empty()) doubts_.at(gid).decision = Decision::none;
  commits_.pop_back();
}

// --- Two-phase commit

void Model::prepare(const std::string& gid, Writes writes) {
  doubts_[gid] = {writes, Decision::preparing};
  commits_.push_back({.writes = std::move(writes), .gid = gid, .is_prepare = true});
}

void Model::prepare_answered(const std::string& gid, Fate fate) {
  commits_.back().fate = fate;
  if (fate == Fate::durable) doubts_.at(gid).decision = Decision::none;
}

void Model::prepare_refused(const std::string& gid) {
  commits_.pop_back();
  doubts_.erase(gid);
}

void Model::roll_back(const std::string& gid) { doubts_.at(gid).decision = Decision::rolls_back; }

void Model::roll_back_answered(const std::string& gid, Fate fate) {
  if (fate == Fate::durable) doubts_.erase(gid);
}

void Model::roll_back_refused(const std::string& gid) { doubts_.at(gid).decision = Decision::none; }

std::map<std::string, Writes> Model::prepared() const {
  std::map<std::string, Writes> result;
  for (const auto& [gid, doubt] : doubts_) {
    if (doubt.decision == Decision::none) result[gid] = doubt.writes;
  }
  return result;
}

std::map<std::string, Writes> Model::all_doubts() const {
  std::map<std::string, Writes> result;
  for (const auto& [gid, doubt] : doubts_) result[gid] = doubt.writes;
  return result;
}

// --- Time passes

void Model::poll() {
  for (Commit& commit : commits_) {
    if (commit.has_ticket && commit.fate == Fate::committed && commit.ticket.durable())
      commit.fate = Fate::durable;
  }
}

void Model::fold() {
  for (; !commits_.empty() && commits_.front().fate == Fate::durable; commits_.pop_front()) {
    if (!commits_.front().is_prepare) take_in(base_, commits_.front().writes);
  }
}

void Model::closed() {
  for (Commit& commit : commits_) {
    if (commit.fate == Fate::committed) commit.fate = Fate::durable;
  }
  fold();
}

void Model::forget_tickets() {
  for (Commit& commit : commits_) commit.has_ticket = false;
}

void Model::adopt(const Found& found) {
  base_ = found.stores;
  commits_.clear();
  std::erase_if(doubts_, [&](const auto& doubt) { return found.in_doubt.count(doubt.first) == 0; });
  for (auto& [gid, doubt] : doubts_) doubt.decision = Decision::none;
}

State Model::live() const { return replay(Chosen(commits_.size(), true)); }

// --- Breaches

std::string Model::breach(const Found& found, bool one_stream) const {
  if (std::string wrong = breach_of_doubts(found); !wrong.empty()) return wrong;
  const Chosen out = excluded(found);
  Chosen in = forced(found);
  for (;;) {
    close(in, out);
    const Writes wrong = differences(replay(in), found.stores);
    if (wrong.empty()) break;
    // One at a time: the commit that explains one place may explain the next ones, too.
    bool grown = false;
    for (auto it = wrong.begin(); it != wrong.end() && !grown; ++it) {
      grown = force(in, out, it->first, it->second);
    }
    if (!grown) return describe(in, wrong);
  }
  if (!one_stream) return {};
  // The shortest prefix with all of these may be one too short: a row that was put and removed again, say.
  std::string problem;
  size_t last = 0;
  for (size_t i = 0; i < in.size(); ++i) last = in[i] ? i + 1 : last;
  for (size_t end = last; end <= in.size(); ++end) {
    for (size_t i = 0; i < end; ++i) {
      in[i] = in[i] || (commits_[i].fate != Fate::unknown && !out[i]);
    }
    const Writes wrong = differences(replay(in), found.stores);
    if (wrong.empty()) return {};
    if (problem.empty()) problem = "not a prefix: " + describe(in, wrong);
  }
  return problem;
}

std::string Model::breach_of_doubts(const Found& found) const {
  for (const std::string& gid : found.in_doubt) {
    if (doubts_.count(gid) == 0) return "in doubt, and should not be: " + gid;
  }
  for (const auto& [gid, doubt] : doubts_) {
    if (doubt.decision == Decision::none && found.in_doubt.count(gid) == 0)
      return "prepared, not decided, and not in doubt: " + gid;
  }
  return {};
}

/// The commits that cannot be there: of transactions that are in doubt.
Model::Chosen Model::excluded(const Found& found) const {
  Chosen out(commits_.size());
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = !commits_[i].is_prepare && found.in_doubt.count(commits_[i].gid) != 0;
  }
  return out;
}

/// The commits that must be there, whatever the rows say.
Model::Chosen Model::forced(const Found& found) const {
  Chosen in(commits_.size());
  for (size_t i = 0; i < in.size(); ++i) {
    const Commit& commit = commits_[i];
    const bool in_doubt = found.in_doubt.count(commit.gid) != 0;
    // A prepare that has come through brings along what it depends on; a decision is in the log, or its gid in doubt.
    in[i] = commit.fate == Fate::durable || (!commit.gid.empty() && in_doubt == commit.is_prepare);
  }
  return in;
}

std::string Model::breach_of_part(const State& part) const {
  for (const auto& [store, rows] : part) {
    const auto base = base_.find(store);
    for (const auto& [key, value] : rows) {
      bool known = base != base_.end() && base->second.count(key) != 0 &&
                   base->second.at(key) == value;
      for (const Commit& commit : commits_) {
        const auto write = commit.writes.find({store, key});
        known = known ||
                (!commit.is_prepare && write != commit.writes.end() && write->second == value);
      }
      if (!known) {
        return "store " + store + " key " + text_of_key(key) + ": found " + to_text(value) +
               ", which no commit has left there";
      }
    }
  }
  return {};
}

Model Model::without_last(size_t count) const {
  Model other = *this;
  const size_t from = commits_.size() - std::min(count, commits_.size());
  for (size_t i = from; i < commits_.size(); ++i) {
    Commit& commit = other.commits_[i];
    if (commit.fate == Fate::durable) commit.fate = Fate::committed;
  }
  return other;
}

State Model::replay(const Chosen& in) const {
  State state = base_;
  for (size_t i = 0; i < in.size(); ++i) {
    if (in[i] && !commits_[i].is_prepare) take_in(state, commits_[i].writes);
  }
  return state;
}

/// Who is there brings along whose rows it overwrote.
void Model::close(Chosen& in, const Chosen& out) const {
  std::map<Place, bool> needed;
  for (size_t i = in.size(); i-- > 0;) {
    for (const auto& [place, value] : commits_[i].writes) {
      if (commits_[i].fate == Fate::committed && !out[i] && needed.count(place) != 0) in[i] = true;
    }
    if (!in[i]) continue;
    for (const auto& [place, value] : commits_[i].writes) needed[place] = true;
  }
}

/// The first later commit that leaves `value` at `place` must be there. False: no such commit.
bool Model::force(Chosen& in, const Chosen& out, const Place& place,
                  const std::optional<Value>& value) const {
  size_t from = 0;
  for (size_t i = 0; i < in.size(); ++i) {
    if (in[i] && !commits_[i].is_prepare && commits_[i].writes.count(place) != 0) from = i + 1;
  }
  for (size_t i = from; i < in.size(); ++i) {
    if (in[i] || out[i] || commits_[i].is_prepare) continue;
    const auto write = commits_[i].writes.find(place);
    if (write == commits_[i].writes.end() || write->second != value) continue;
    in[i] = true;
    return true;
  }
  return false;
}

std::string Model::describe(const Chosen& in, const Writes& wrong) const {
  const State expected = replay(in);
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
    result.append(" key ").append(text_of_key(*place.key)).append(": found ");
    result.append(to_text(value)).append(", should be ").append(to_text(should));
  }
  return result;
}

}  // namespace aether::oracle
