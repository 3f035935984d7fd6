// The dice, the answers, and the single writes; transactions are in workload_transactions.cpp, the stores and what
// reads them in workload_stores.cpp.
#include "sim/oracle/workload.h"

#include <algorithm>

#include "sim/oracle/crew.h"
#include "sim/oracle/workload_private.h"

namespace aether::oracle {

Workload::Workload(const Profile& profile, Model& model, os::Os& os)
    : profile_(profile), model_(model), os_(os), random_(profile.seed), faults_(profile.faults) {}

bool Workload::open() {
  Result<std::unique_ptr<DbEnv>> env = ask([&] { return DbEnv::open(kHome, profile_.env, os_); });
  if (!env) {
    problem_ = "open: " + std::string(env.error().message());
    return false;
  }
  env_ = *std::move(env);
  live_ = model_.live();
  locked_.clear();
  prepared_ = model_.prepared();
  for (const auto& [gid, writes] : prepared_) {
    for (const auto& [place, value] : writes) locked_[place] = &writes;
  }
  return true;
}

void Workload::run(size_t operations) {
  for (size_t i = 0; i < operations && problem_.empty() && env_; ++i) run_one(i);
}

void Workload::run_one(uint64_t number) {
  alloc_struck_ = false;
  if (!problem_.empty() || !env_) return;
  last_number_ = number;
  random_ = sim::Random(sim::Random(profile_.seed).next() + number * 0xbf58476d1ce4e5b9u);
  if (profile_.same_stream) {
    operate();
  } else {
    Crew::only().run(random_.below(Crew::kWorkers), [this] { operate(); });
  }
  // Memory is short for one operation, no longer.
  if (!alloc_armed_ || !sim::alloc_faults::struck()) return;
  sim::alloc_faults::disarm();
  alloc_armed_ = false;
  alloc_struck_ = true;
}

void Workload::fail_allocation(uint64_t number, bool sticky, std::optional<Operation> in) {
  faults_ = memory_ = true;
  alloc_in_ = in;
  alloc_fault_ = {.number = number, .sticky = sticky, .every_thread = true, .in_calls = true};
  sim::alloc_faults::disarm();
  alloc_armed_ = !in;
  if (alloc_armed_) sim::alloc_faults::arm(alloc_fault_);
}

void Workload::let_go() {
  if (alloc_armed_) sim::alloc_faults::disarm();
  alloc_armed_ = false;
  for (Open& open : open_) open.txn.reset();
  open_ = {};
  locked_.clear();
  prepared_.clear();
  env_.reset();
}

// --- Dice

std::string Workload::pick_key() { return key_of(random_.below(profile_.keys)); }

std::string Workload::key_of(uint64_t number) const {
  std::string key = "k" + std::to_string(number);
  if (profile_.wide) return key;
  // Neighbours that are told apart at their ends only, in groups that have nothing in common.
  if (profile_.deep) return std::string(400, static_cast<char>('!' + number / 8)) + key;
  if (number % 11 == 0) key.append(300 + number, 'p');  // Long ones make the tree deep.
  if (number % 50 == 7) key.insert(0, 1, '\0');
  return number == 299 ? std::string() : key;
}

/// What a writer meets at a place; null: nothing.
const Value* Workload::row_of(const Writes& own, const Place& place) const {
  if (const auto written = own.find(place); written != own.end())
    return written->second ? &*written->second : nullptr;
  const Rows& rows = live_.at(place.store);
  const auto row = rows.find(*place.key);
  return row == rows.end() ? nullptr : &row->second;
}

IndexKind Workload::kind_of(const std::string& store) const {
  if (!profile_.memory_stores) return IndexKind::btree;
  if (store == "s1") return IndexKind::rax_paged;
  if (store == "s2") return IndexKind::lsm;
  return store == "s3" ? IndexKind::skiplist : store == "s4" ? IndexKind::rax : IndexKind::btree;
}

StoreOptions Workload::options_of(const std::string& store) const {
  const uint64_t seed = profile_.seed / 3;
  StoreOptions options{.index = kind_of(store)};
  options.lsm = {.nursery_bytes = 16 * KiB,
                 .nursery = seed % 4 == 1 ? IndexKind::rax : IndexKind::skiplist,
                 .policy = static_cast<MergePolicyKind>(1 + seed % 5),
                 .size_ratio = seed % 2 == 0 ? 2u : 0u,
                 .compression = static_cast<Compression>(seed / 5 % 3),
                 .block_bytes = 4 * KiB,
                 .inline_value_bytes = seed % 3 == 0 ? 256u : 4096u,
                 .filter = static_cast<RunFilter>(seed / 2 % 4)};
  return options;
}

Value Workload::pick_value(const Value* old, const std::string& store) {
  if (old != nullptr && random_.percent(50))
    return make_value(next_stamp(), old->bytes, old->family);
  uint64_t bytes = 0;
  if (random_.percent(profile_.large_percent)) {
    bytes = random_.percent(88) ? 5000 + random_.below(20000) : random_.below(300000);
  } else if (const uint64_t dice = random_.below(100); dice < 10) {
    bytes = random_.below(10);
  } else if (dice < 75) {
    bytes = 20 + random_.below(profile_.value_bytes / 5);
  } else {
    bytes = profile_.value_bytes / 5 + random_.below(profile_.value_bytes);
  }
  constexpr uint64_t kMemoryRowMax = 20'000;  // Two rows have to fit into a log record.
  const IndexKind kind = kind_of(store);
  const bool is_in_memory = kind == IndexKind::skiplist || kind == IndexKind::rax;
  if (is_in_memory) bytes = std::min(bytes, kMemoryRowMax);
  return make_value(next_stamp(), static_cast<uint32_t>(bytes));
}

std::string Workload::pick_store() {
  const bool favours_runs = profile_.favours_runs || profile_.wide;
  if (favours_runs && live_.count("s2") != 0 && random_.percent(80)) return "s2";
  auto it = live_.begin();
  std::advance(it, static_cast<int64_t>(random_.below(live_.size())));
  return it->first;
}

Operation Workload::pick_operation() {
  // By other dice: what else a seed does is the same with and without it.
  sim::Random dice_of_ranges(profile_.seed * 0x94d049bb133111ebu + last_number_);
  if (dice_of_ranges.percent(profile_.range_percent)) return Operation::remove_range;
  uint64_t all = 0;
  for (const uint32_t weight : profile_.weights) all += weight;
  uint64_t dice = random_.below(all);
  size_t at = 0;
  while (dice >= profile_.weights[at]) dice -= profile_.weights[at++];
  return static_cast<Operation>(at);
}

Workload::Open* Workload::pick_open(bool active) {
  const size_t from = random_.below(open_.size());
  for (size_t i = 0; i < open_.size(); ++i) {
    Open& open = open_[(from + i) % open_.size()];
    if (open.txn.has_value() == active) return &open;
  }
  return nullptr;
}

std::string Workload::name_of(const Open& open) const {
  return "transaction " + std::to_string(&open - open_.data());
}

// --- Answers

void Workload::expect(bool right, const std::string& what) {
  if (!right && problem_.empty()) problem_ = what;
}

void Workload::note_failure() { failed_ = failed_ || env_->stats().state == "failed"; }

Fate Workload::fate_of(Durability durability) const {
  return durability == Durability::none ? Fate::committed : Fate::durable;
}

// --- Operations

void Workload::operate() {
  last_ = live_.empty() ? Operation::make_store : pick_operation();
  say("operation " + std::to_string(last_number_) + ": " + to_string(last_));
  if (alloc_in_ == last_) {
    alloc_in_.reset();
    alloc_armed_ = true;
    sim::alloc_faults::arm(alloc_fault_);
  }
  switch (last_) {
    case Operation::write_alone: write_alone(); break;
    case Operation::write_batch: write_batch(); break;
    case Operation::begin: begin(); break;
    case Operation::write_inside: write_inside(); break;
    case Operation::savepoint: savepoint(); break;
    case Operation::rollback_to: rollback_to(); break;
    case Operation::release: release(); break;
    case Operation::end: end(); break;
    case Operation::prepare: prepare(); break;
    case Operation::decide: decide(); break;
    case Operation::read: read(); break;
    case Operation::compare: compare(); break;
    case Operation::checkpoint: checkpoint(); break;
    case Operation::close: close(); break;
    case Operation::make_store: make_store(); break;
    case Operation::drop_store: drop_store(); break;
    case Operation::remove_range: remove_range(); break;
  }
  model_.poll();
  model_.fold();
}

void Workload::write_alone() {
  const std::string name = pick_store();
  const std::string key = pick_key();
  const Place place{name, key};
  const Value* old = row_of({}, place);
  const bool present = old != nullptr;
  Result<KvStore> store = ask([&] { return env_->open_store(name, {.create = false}); });
  if (!went_well(store, "open_store")) return;
  const bool removes = present && random_.percent(35);
  const Value value = pick_value(old, name);
  if (locked_.count(place) != 0) {
    const Result<void> refused = ask([&] { return store->put(key, "locked"); });
    if (failed_ && !refused) return;
    if (faults_ && !refused && refused.error().code() != Code::conflict) {
      static_cast<void>(went_well(refused, "put on a locked row"));
      return;
    }
    expect(!refused && refused.error().code() == Code::conflict, "no conflict on a locked row");
    return;
  }
  Writes writes{{place, removes ? std::nullopt : std::optional<Value>(value)}};
  say("  " + to_text(writes));
  model_.call(writes);
  const auto take_away = [&] {
    const bool puts_expired = value.stamp % 3 == 0;  // It counts as removed.
    return puts_expired ? store->put(key, "gone", {.expires_at_ms = 1}) : store->remove(key);
  };
  const Result<void> done = removes ? ask(take_away) : put(*store, nullptr, key, value, present);
  answered(done, removes ? "remove" : "put", fate_of(profile_.env.durability), writes);
}

/// Some rows at once, in one transaction of the environment's own.
void Workload::write_batch() {
  WriteBatch batch;
  Writes writes;
  for (uint64_t i = 1 + random_.below(6); i > 0; --i) {
    const Place place{pick_store(), pick_key()};
    if (locked_.count(place) != 0) continue;
    const Result<KvStore> store = ask(
        [&] { return env_->open_store(place.store, {.create = false}); });
    if (!went_well(store, "open_store")) return;
    const Value* old = row_of(writes, place);
    const bool removes = old != nullptr && random_.percent(35);
    const Value value = pick_value(old, place.store);
    if (removes) {
      batch.remove(*store, *place.key);
    } else {
      batch.put(*store, *place.key, bytes_of(value));
    }
    writes[place] = removes ? std::nullopt : std::optional<Value>(value);
  }
  if (writes.empty()) return;
  say("  " + to_text(writes));
  model_.call(writes);
  const Result<void> done = ask([&] { return env_->write(batch); });
  // Large values are logged for the archive.
  if (!profile_.env.archive_directory.empty() && is_too_long(done)) return model_.refuse();
  answered(done, "write", fate_of(profile_.env.durability), writes);
}

Result<void> Workload::put(KvStore& store, Transaction* txn, const std::string& key,
                           const Value& value, bool present) {
  const std::string bytes = bytes_of(value);
  const bool any = random_.percent(60);
  // Some say that they expire, long after the run.
  constexpr uint64_t kNever = uint64_t{1} << 62;
  const PutOptions how{.expires_at_ms = value.stamp % 4 == 0 ? kNever + value.stamp : 0};
  return ask([&] {
    if (any) return txn ? store.put(*txn, key, bytes, how) : store.put(key, bytes, how);
    if (present) return txn ? store.update(*txn, key, bytes, how) : store.update(key, bytes, how);
    return txn ? store.insert(*txn, key, bytes, how) : store.insert(key, bytes, how);
  });
}

/// These rows are others' writes now, to every snapshot that is open.
void Workload::note_changed(const Writes& writes) {
  for (Open& open : open_) {
    if (!open.txn) continue;
    open.others_committed = true;
    if (!open.seen) continue;
    for (const auto& [place, value] : writes) open.changed.insert(place);
  }
}

void Workload::checkpoint() {
  static_cast<void>(went_well(ask([&] { return env_->checkpoint(); }), "checkpoint"));
}

}  // namespace aether::oracle
