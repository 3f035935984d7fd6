// Stores: made, filled, dropped, closed and opened again; and read.
#include <algorithm>

#include "sim/oracle/workload_private.h"

namespace aether::oracle {

void Workload::make_store() {
  const uint64_t number = random_.below(5);
  const bool is_first_wide = profile_.wide && live_.count("s2") == 0;
  const std::string name = is_first_wide ? "s2" : "s" + std::to_string(number);
  if (live_.count(name) != 0) return;
  Writes writes{{{name, std::nullopt}, Value{}}};
  say("  " + name);
  model_.call(writes);
  const Result<KvStore> made = ask([&] { return env_->open_store(name, options_of(name)); });
  note_failure();
  // After a failure one is found whose drop may or may not have been the last word.
  answered(made, "make a store", failed_ ? Fate::unknown : Fate::durable, writes);
  if (!problem_.empty() || failed_ || live_.count(name) == 0) return;
  if (random_.percent(profile_.bulk_percent)) bulk_load(name);
}

/// Into a store that was just made: all of it is there at once, or nothing.
void Workload::bulk_load(const std::string& name) {
  Result<KvStore> store = ask([&] { return env_->open_store(name, {.create = false}); });
  if (!went_well(store, "open_store")) return;
  Writes writes;
  if (profile_.wide && name == "s2") {
    for (uint64_t i = 0; i < profile_.keys; ++i)
      writes[{name, key_of(i)}] = pick_value(nullptr, name);
  } else {
    for (uint64_t i = 1 + random_.below(60); i > 0; --i)
      writes[{name, pick_key()}] = pick_value(nullptr, name);
  }
  say("  loads " + to_text(writes));
  model_.call(writes);
  auto next = writes.begin();
  std::string bytes;
  const Result<uint64_t> loaded = ask([&] {
    return store->bulk_load([&](Bytes& key, Bytes& value) {
      const sim::alloc_faults::Paused paused;
      if (next == writes.end()) return false;
      bytes = bytes_of(*next->second);
      key = *next->first.key;
      value = bytes;
      ++next;
      return true;
    });
  });
  if (is_too_long(loaded)) return model_.refuse();
  answered(loaded, "bulk_load", Fate::durable, writes);
}

void Workload::drop_store() {
  if (any_open()) return end();
  if (!prepared_.empty()) return decide();
  if (live_.size() < 2) return make_store();
  const std::string name = pick_store();
  Writes writes{{{name, std::nullopt}, std::nullopt}};
  say("  " + name);
  model_.call(writes);
  const Result<void> dropped = ask([&] { return env_->drop_store(name); });
  if (!dropped && faults_) {
    // The name goes first, then the pages: it may have been stopped in between.
    const Result<std::vector<std::string>> names = ask([&] { return env_->list_stores(); });
    if (went_well(names, "list_stores") &&
        std::find(names->begin(), names->end(), name) == names->end()) {
      note_failure();
      model_.answer(failed_ ? Fate::unknown : Fate::durable);
      take_in(live_, writes);
      return;
    }
  }
  answered(dropped, "drop_store", Fate::durable, writes);
}

void Workload::close() {
  for (Open& open : open_) {
    if (open.txn) take_back(open, true);
  }
  const Result<void> closed = ask([&] { return env_->close(); });
  if (closed) model_.closed();
  env_.reset();
  model_.forget_tickets();
  if (!faults_) {
    expect(closed.has_value(), "close: " + (closed ? "ok" : std::string(closed.error().message())));
    if (problem_.empty()) open();
  } else if (closed && !open()) {
    problem_.clear();  // With faults it may not open: the run ends here.
  }
}

// --- Reading

void Workload::read() {
  if (random_.percent(40)) return read_range();
  const Place place{pick_store(), pick_key()};
  Result<KvStore> store = ask([&] { return env_->open_store(place.store, {.create = false}); });
  if (!went_well(store, "open_store")) return;
  const Result<std::string> got = ask([&] { return store->get(*place.key); });
  check_row(place, got, live_[place.store]);
  Open* open = pick_open(true);
  if (open == nullptr || !open->seen || open->writes.count(place) != 0) return;
  check_row(place, ask([&] { return store->get(*open->txn, *place.key); }),
            (*open->seen)[place.store]);
}

/// A few rows between two keys, either way; often none.
void Workload::read_range() {
  const std::string name = pick_store();
  Result<KvStore> store = ask([&] { return env_->open_store(name, {.create = false}); });
  if (!went_well(store, "open_store") || failed_) return;
  Range range{.begin = {}, .end = {}, .reverse = random_.percent(50)};
  const std::string from = pick_key() + (random_.percent(50) ? "a" : "");
  const std::string to = random_.percent(50) ? from + "b" : pick_key();
  range.begin = std::min(from, to);
  range.end = std::max(from, to);
  Rows found;
  const auto take = [&](Bytes key, Bytes value) {
    const sim::alloc_faults::Paused paused;
    found[std::string(key)] = parse_value(value).value_or(Value{.stamp = ~uint64_t{0}});
    return true;
  };
  const Result<uint64_t> count = ask([&] { return store->scan(range, take); });
  if (!went_well(count, "scan of a range")) return;
  const Rows& rows = live_[name];
  // An end that is empty is none.
  const Rows wanted(rows.lower_bound(std::string(range.begin)),
                    range.end.empty() ? rows.end() : rows.lower_bound(std::string(range.end)));
  expect(*count == found.size() && found == wanted, "a scan of a range of " + name + " differs");
}

void Workload::check_row(const Place& place, const Result<std::string>& got, const Rows& rows) {
  const auto row = rows.find(*place.key);
  if (!got && got.error().code() == Code::not_found) {
    // After a failure an unknown commit, or a rollback that did not end, may show.
    expect(failed_ || row == rows.end(), "a row is not found: " + place.key->substr(0, 12));
  } else if (went_well(got, "get")) {
    expect(failed_ || (row != rows.end() && parse_value(*got) == row->second),
           "a row has another value: " + place.key->substr(0, 12));
  }
}

/// Everything, both ways.
void Workload::compare() {
  if (failed_) return;
  for (const auto& live : live_) {
    const std::string& name = live.first;
    Result<KvStore> store = ask([&] { return env_->open_store(name, {.create = false}); });
    if (!went_well(store, "open_store")) return;
    for (const bool reverse : {false, true}) {
      Rows found;
      const auto take = [&](Bytes key, Bytes value) {
        const sim::alloc_faults::Paused paused;
        found[std::string(key)] = parse_value(value).value_or(Value{.stamp = ~uint64_t{0}});
        return true;
      };
      const Result<uint64_t> count = ask(
          [&] { return store->scan({.begin = {}, .end = {}, .reverse = reverse}, take); });
      if (!went_well(count, "scan")) return;
      expect(*count == found.size() && found == live.second, "a scan of " + name + " differs");
    }
  }
  compare_doubts();
}

void Workload::compare_doubts() {
  const Result<std::vector<PreparedTransaction>> listed = ask([&] { return env_->prepared(); });
  if (!went_well(listed, "prepared")) return;
  bool equal = listed->size() == prepared_.size();
  for (const PreparedTransaction& each : *listed) equal = equal && prepared_.count(each.gid) != 0;
  expect(equal, "the list of prepared transactions differs");
}

}  // namespace aether::oracle
