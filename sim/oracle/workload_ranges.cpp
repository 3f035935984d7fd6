// The removal of a range of rows: alone, and in a transaction.
#include "sim/oracle/workload_private.h"

namespace aether::oracle {

void Workload::remove_range() {
  const std::string name = pick_store();
  Open* const open = random_.percent(50) ? pick_open(true) : nullptr;
  const Victims victims = pick_range(name, open);
  Result<KvStore> store = ask([&] { return env_->open_store(name, {.create = false}); });
  if (!went_well(store, "open_store")) return;
  say("  " + (open != nullptr ? name_of(*open) + ": " : std::string()) + "from " +
      text_of_key(victims.begin) + " to " + text_of_key(victims.end) + ": " +
      to_text(victims.writes));
  if (open == nullptr) return remove_range_alone(*store, victims);
  remove_range_inside(*store, *open, victims);
}

/// A few rows from some key on, as `open` sees them; null: as the newest state has them.
Workload::Victims Workload::pick_range(const std::string& store, const Open* open) {
  Rows rows = live_.at(store);
  if (open != nullptr && open->seen) {
    const auto seen = open->seen->find(store);
    rows = seen == open->seen->end() ? Rows() : seen->second;
  }
  if (open != nullptr) {
    for (const auto& [place, value] : open->writes) {
      if (place.store != store) continue;
      if (value) {
        rows[*place.key] = *value;
      } else {
        rows.erase(*place.key);
      }
    }
  }
  Victims victims{.begin = random_.percent(profile_.wide ? 50 : 10) ? "" : pick_key()};
  auto row = rows.lower_bound(victims.begin);
  const uint64_t rows_max = profile_.wide && random_.percent(60) ? 2 * profile_.keys : 12;
  for (uint64_t count = random_.below(rows_max); row != rows.end() && count > 0; --count) ++row;
  if (row != rows.end()) victims.end = row->first;
  for (row = rows.lower_bound(victims.begin); row != rows.end(); ++row) {
    if (!victims.end.empty() && row->first >= victims.end) break;
    const Place place{store, row->first};
    const bool is_own = open != nullptr && open->writes.count(place) != 0;
    const auto lock = locked_.find(place);
    const bool is_locked = lock != locked_.end() && lock->second != open;
    const bool has_changed = open != nullptr && !is_own && open->changed.count(place) != 0;
    victims.any_of_others = victims.any_of_others || is_locked || has_changed;
    victims.writes[place] = std::nullopt;
  }
  return victims;
}

void Workload::remove_range_alone(KvStore& store, const Victims& victims) {
  const Range range{.begin = victims.begin, .end = victims.end};
  const bool commits = !victims.any_of_others && !victims.writes.empty();
  if (commits) model_.call(victims.writes);
  const Result<uint64_t> removed = ask([&] { return store.remove_range(range); });
  if (commits) {
    answered(removed, "remove_range", fate_of(profile_.env.durability), victims.writes);
  } else if (victims.any_of_others) {
    const bool conflict = !removed && removed.error().code() == Code::conflict;
    if (conflict || (failed_ && !removed)) return;
    if (faults_ && !removed) {
      static_cast<void>(went_well(removed, "remove_range over a locked row"));
      return;
    }
    expect(false, "no conflict in a range with a locked row");
  } else if (!went_well(removed, "remove_range")) {
    return;
  }
  expect(!removed || *removed == victims.writes.size(), "remove_range counts wrongly");
}

void Workload::remove_range_inside(KvStore& store, Open& open, const Victims& victims) {
  const Range range{.begin = victims.begin, .end = victims.end};
  const Result<uint64_t> removed = ask([&] { return store.remove_range(*open.txn, range); });
  if (victims.any_of_others && !removed && removed.error().code() == Code::conflict) return;
  if (is_too_long(removed) || !went_well(removed, "remove_range in a transaction"))
    return take_back(open, true);
  expect(!victims.any_of_others, "no conflict in a transaction's range with a locked row");
  expect(*removed == victims.writes.size(), "remove_range in a transaction counts wrongly");
  for (const auto& [place, value] : victims.writes) {
    open.writes[place] = std::nullopt;
    locked_[place] = &open;
  }
}

}  // namespace aether::oracle
