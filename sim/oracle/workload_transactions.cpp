// Transactions: rows, savepoints, how they end, and two-phase commit.
#include <algorithm>

#include "sim/oracle/workload_private.h"

namespace aether::oracle {

void Workload::begin() {
  Open* open = pick_open(false);
  if (open == nullptr) return end();
  const bool serializable = random_.percent(profile_.serializable_percent);
  const bool snapshot = random_.percent(60);
  const Isolation isolation = serializable ? Isolation::serializable
                              : snapshot   ? Isolation::snapshot
                                           : Isolation::read_committed;
  Result<Transaction> txn = ask([&] { return env_->begin({.isolation = isolation}); });
  if (!went_well(txn, "begin")) return;
  *open = {};
  open->txn.emplace(*std::move(txn));
  say("  " + name_of(*open));
  open->isolation = isolation;
  if (isolation != Isolation::read_committed) open->seen = live_;
  open->others_committed = !prepared_.empty();
}

void Workload::write_inside() {
  Open* open = pick_open(true);
  if (open == nullptr) return begin();
  for (uint64_t i = random_.below(6) + 1; i > 0 && problem_.empty() && open->txn; --i) {
    if (!write_row(*open)) return;
  }
}

/// False: the transaction is over, or the store does not open.
bool Workload::write_row(Open& open) {
  const Place place{pick_store(), pick_key()};
  const auto own = open.writes.find(place);
  const auto lock = locked_.find(place);
  const bool others = (lock != locked_.end() && lock->second != &open) ||
                      (own == open.writes.end() && open.changed.count(place) != 0);
  Result<KvStore> store = ask([&] { return env_->open_store(place.store, {.create = false}); });
  if (!went_well(store, "open_store")) return false;
  if (others) {
    const Result<void> refused = ask([&] { return store->put(*open.txn, *place.key, "locked"); });
    const bool conflict = !refused && refused.error().code() == Code::conflict;
    if (is_too_long(refused)) {
      take_back(open, true);
      return false;
    }
    if (faults_ && !refused && !conflict) {
      if (!went_well(refused, "write of a locked row")) take_back(open, true);
      return false;
    }
    expect(conflict, "no conflict in a transaction");
    return true;
  }
  const Value* old = row_of(open.writes, place);
  const bool present = old != nullptr;
  const bool removes = present && random_.percent(35);
  const Value value = pick_value(old, place.store);
  const Result<void> done = removes ? ask([&] { return store->remove(*open.txn, *place.key); })
                                    : put(*store, &*open.txn, *place.key, value, present);
  if (is_too_long(done) || !went_well(done, "write in a transaction")) {
    take_back(open, true);
    return false;
  }
  say("  " + name_of(open) + ": " +
      to_text(Writes{{place, removes ? std::nullopt : std::optional<Value>(value)}}));
  open.writes[place] = removes ? std::nullopt : std::optional<Value>(value);
  locked_[place] = &open;
  return true;
}

// --- Savepoints

void Workload::savepoint() {
  Open* open = pick_open(true);
  if (open == nullptr) return begin();
  const Result<Savepoint> made = ask([&] { return open->txn->savepoint(); });
  if (went_well(made, "savepoint")) open->marks.push_back({*made, open->writes});
}

void Workload::rollback_to() {
  Open* open = pick_open(true);
  if (open == nullptr || open->marks.empty()) return savepoint();
  const size_t index = random_.below(open->marks.size());
  Mark& mark = open->marks[index];
  say("  " + name_of(*open) + " to savepoint " + std::to_string(index));
  if (!went_well(ask([&] { return open->txn->rollback_to(mark.savepoint); }), "rollback_to"))
    return take_back(*open, false);
  for (const auto& [place, value] : open->writes) {
    if (mark.writes.count(place) == 0) locked_.erase(place);
  }
  open->writes = mark.writes;
  open->marks.resize(index + 1);
}

void Workload::release() {
  Open* open = pick_open(true);
  if (open == nullptr || open->marks.empty()) return savepoint();
  const size_t index = random_.below(open->marks.size());
  if (went_well(ask([&] { return open->txn->release(open->marks[index].savepoint); }), "release"))
    open->marks.resize(index);
}

// --- Ends

void Workload::end() {
  Open* open = pick_open(true);
  if (open == nullptr) {
    if (profile_.knows(Operation::begin)) begin();
    return;
  }
  const uint64_t dice = random_.below(100);
  if (dice < 35) return take_back(*open, random_.percent(70));
  return dice < 50 ? commit_async(*open) : commit(*open);
}

/// Serializable, and somebody has committed or prepared beside it: it may have to be run again.
bool Workload::is_fair_conflict(const Open& open, const Error& error) const {
  return error.code() == Code::conflict && open.isolation == Isolation::serializable &&
         open.others_committed;
}

void Workload::commit(Open& open) {
  say("  " + name_of(open) + " commits");
  // A transaction without writes commits nothing.
  const Writes writes = open.writes;
  if (!writes.empty()) model_.call(writes);
  const Result<void> done = ask([&] { return open.txn->commit(); });
  if (!done && is_fair_conflict(open, done.error())) {
    if (!writes.empty()) model_.refuse();
  } else if (!writes.empty()) {
    forget(open);  // First: who asks for rows that have changed is not this one.
    answered(done, "commit", fate_of(profile_.env.durability), writes);
  } else {
    static_cast<void>(went_well(done, "commit"));
  }
  forget(open);
}

void Workload::commit_async(Open& open) {
  say("  " + name_of(open) + " commits, and does not wait");
  const Writes writes = open.writes;
  if (!writes.empty()) model_.call(writes);
  const Result<CommitTicket> ticket = ask([&] { return open.txn->commit_async(); });
  if (!ticket && is_fair_conflict(open, ticket.error())) {
    if (!writes.empty()) model_.refuse();
    return forget(open);
  }
  forget(open);
  if (writes.empty()) {
    static_cast<void>(went_well(ticket, "commit_async"));
    return;
  }
  answered(ticket, "commit_async", Fate::committed, writes);
  if (ticket) model_.answer_async(*ticket);
  if (ticket && random_.percent(20))
    static_cast<void>(went_well(ask([&] { return ticket->wait(); }), "wait"));
}

void Workload::take_back(Open& open, bool says_so) {
  say("  " + name_of(open) + (says_so ? " aborts" : " is dropped"));
  if (says_so) static_cast<void>(went_well(ask([&] { return open.txn->abort(); }), "abort"));
  ask([&] { open.txn.reset(); });
  note_failure();
  forget(open);
}

void Workload::forget(Open& open) {
  std::erase_if(locked_, [&](const auto& lock) { return lock.second == &open; });
  open = {};
}

bool Workload::any_open() const {
  return std::any_of(open_.begin(), open_.end(),
                     [](const Open& open) { return open.txn.has_value(); });
}

// --- Two-phase commit

void Workload::prepare() {
  Open* open = pick_open(true);
  if (open == nullptr) return begin();
  if (open->writes.empty()) return write_inside();
  const std::string gid = "g" + std::to_string(++stamp_) + "-" + std::to_string(profile_.seed);
  const Writes writes = open->writes;
  say("  " + name_of(*open) + " is prepared as " + gid);
  model_.prepare(gid, writes);
  const Result<PrepareVote> vote = ask([&] { return open->txn->prepare(gid); });
  if (!vote && is_fair_conflict(*open, vote.error())) {
    model_.prepare_refused(gid);
    return forget(*open);
  }
  if (went_well(vote, "prepare")) {
    expect(*vote == PrepareVote::prepared, "a transaction that has written is not prepared");
    model_.prepare_answered(gid, Fate::durable);
    forget(*open);
    const auto [kept, is_new] = prepared_.emplace(gid, writes);
    for (const auto& [place, value] : writes) locked_[place] = &kept->second;
    for (Open& other : open_) other.others_committed = true;  // It will be, as far as others see.
    return;
  }
  if (failed_) {
    model_.prepare_answered(gid, Fate::unknown);
  } else {
    model_.prepare_refused(gid);
  }
  take_back(*open, open->txn->active());
}

void Workload::decide() {
  if (prepared_.empty()) return prepare();
  auto it = prepared_.begin();
  std::advance(it, static_cast<int64_t>(random_.below(prepared_.size())));
  const std::string gid = it->first;
  return random_.percent(60) ? commit_prepared(gid) : roll_back_prepared(gid);
}

void Workload::commit_prepared(const std::string& gid) {
  const Writes writes = prepared_.at(gid);
  say("  " + gid);
  model_.call(writes, gid);
  const Result<void> done = ask([&] { return env_->commit_prepared(gid); });
  if (done || failed_ || env_->stats().state == "failed") settle(gid);
  answered(done, "commit_prepared", Fate::durable, writes);
}

void Workload::roll_back_prepared(const std::string& gid) {
  say("  back: " + gid);
  model_.roll_back(gid);
  const Result<void> done = ask([&] { return env_->rollback_prepared(gid); });
  // It may have begun: from here on it can only be rolled back.
  if (memory_ && !done && done.error().code() == Code::no_memory) {
    sim::alloc_faults::disarm();
    return roll_back_prepared(gid);
  }
  if (went_well(done, "rollback_prepared")) {
    model_.roll_back_answered(gid, Fate::durable);
    settle(gid);
  } else if (failed_) {
    model_.roll_back_answered(gid, Fate::unknown);
    settle(gid);
  } else {
    model_.roll_back_refused(gid);
  }
}

void Workload::settle(const std::string& gid) {
  const Writes& writes = prepared_.at(gid);
  std::erase_if(locked_, [&](const auto& lock) { return lock.second == &writes; });
  prepared_.erase(gid);
}

}  // namespace aether::oracle
