// A seeded run of an environment: rows put and removed alone and in transactions, stores made and dropped,
// checkpoints, clean closes. Keeps the model up to date, and compares every answer with it.
//
// Calls come from three threads, one at a time, so that every log stream is used and the order is still the
// seed's. Up to three transactions are open beside each other; rows of an open one are locked: whoever else
// wants them must get `conflict`.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "crash/crew.h"
#include "crash/model.h"
#include "os/os.h"
#include "sim/random.h"

namespace aether::crash {

inline constexpr const char* kHome = "/env";

/// What a seed decides once.
struct Profile {
  uint64_t seed = 1;
  EnvOptions env;
  bool faults = false;      ///< Calls may fail: the run goes on with what is left.
  bool same_stream = true;  ///< All calls come from one thread.
};

inline Profile make_profile(uint64_t seed) {
  sim::Random random(seed * 0x9e3779b97f4a7c15u + 1);
  Profile profile;
  profile.seed = seed;
  profile.env.pool_bytes = (random.percent(50) ? 288 : 512) * KiB;
  profile.env.page_bytes = 4 * KiB;
  profile.env.log_streams = static_cast<uint32_t>(1 + random.below(3));
  profile.env.log_segment_bytes = 256 * KiB;
  profile.env.log_bytes_max = 1 * MiB;
  profile.env.durability = random.percent(60) ? Durability::group : Durability::none;
  profile.env.background_threads = false;
  profile.same_stream = profile.env.log_streams == 1 || random.percent(20);
  return profile;
}

class Workload {
 public:
  Workload(const Profile& profile, Model& model, os::Os& os)
      : profile_(profile), model_(model), os_(os), random_(profile.seed) {}
  ~Workload() { let_go(); }
  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;

  /// False: the environment does not open. `problem` says why.
  bool open() {
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open(kHome, profile_.env, os_);
    if (!env) {
      problem_ = "open: " + std::string(env.error().message());
      return false;
    }
    env_ = *std::move(env);
    live_ = model_.live();
    return true;
  }

  void run(size_t operations) {
    for (size_t i = 0; i < operations && problem_.empty() && env_; ++i) {
      Crew::only().run(profile_.same_stream ? 0 : random_.below(Crew::kWorkers), [this] {
        step();
        model_.poll();
        model_.fold();
      });
    }
  }

  /// Drops the environment as it is; open transactions are taken back. After a crash was taken.
  void let_go() {
    for (Open& open : open_) open.txn.reset();
    open_ = {};
    locked_.clear();
    env_.reset();
  }

  DbEnv& env() { return *env_; }
  bool is_open() const { return env_ != nullptr; }
  /// Empty: every answer was as the model says.
  const std::string& problem() const { return problem_; }
  const std::set<Code>& errors_seen() const { return errors_; }
  /// A write has failed for good.
  bool failed() const { return failed_; }

 private:
  struct Open {
    std::optional<Transaction> txn;
    Writes writes;
    std::optional<State> seen;  ///< What its snapshot shows; none: read committed.
    std::set<Place> changed;    ///< By others, since its snapshot.
  };

  // --- dice -----------------------------------------------------------------------------------------

  std::string pick_key() {
    const uint64_t number = random_.below(300);
    std::string key = "k" + std::to_string(number);
    if (number % 11 == 0) key.append(300 + number, 'p');  // Long ones make the tree deep.
    if (number % 50 == 7) key.insert(0, 1, '\0');
    return number == 299 ? std::string() : key;
  }
  uint64_t next_stamp() { return ++stamp_ << 20 | (profile_.seed & 0xfffff); }
  /// `old`: what the row holds now, if there is one. Half of the updates change its stamp only.
  Value pick_value(const Value* old) {
    if (old != nullptr && random_.percent(50))
      return make_value(next_stamp(), old->bytes, old->family);
    const uint64_t dice = random_.below(100);
    uint64_t bytes = 0;
    if (dice < 10) {
      bytes = random_.below(10);
    } else if (dice < 70) {
      bytes = 20 + random_.below(200);
    } else if (dice < 92) {
      bytes = 200 + random_.below(900);
    } else if (dice < 99) {
      bytes = 5000 + random_.below(20000);
    } else {
      bytes = random_.below(300000);
    }
    return make_value(next_stamp(), static_cast<uint32_t>(bytes));
  }
  std::string pick_store() {
    auto it = live_.begin();
    std::advance(it, static_cast<int64_t>(random_.below(live_.size())));
    return it->first;
  }

  // --- answers --------------------------------------------------------------------------------------

  void expect(bool right, const std::string& what) {
    if (!right && problem_.empty()) problem_ = what;
  }
  static std::string message_of(const Result<void>& result) {
    return result ? "ok" : std::string(result.error().message());
  }
  /// Ok, or in a run with faults an answer that a fault may cause. True: ok.
  template <typename T>
  bool went_well(const Result<T>& result, const char* call) {
    if (result) return true;
    const Code code = result.error().code();
    errors_.insert(code);
    const bool may_be = code == Code::io_error || code == Code::no_space || code == Code::failed;
    expect(profile_.faults && may_be, std::string(call) + ": " + to_string(code) + ": " +
                                          std::string(result.error().message()));
    failed_ = failed_ || env_->stats().state == "failed";
    return false;
  }
  /// After a commit: what the model has to think of it.
  template <typename T>
  void answered(const Result<T>& result, const char* call, Fate fate, const Writes& writes) {
    if (went_well(result, call)) {
      model_.answer(fate);
      take_in(live_, writes);
      note_changed(writes);
    } else if (failed_) {
      model_.answer(Fate::unknown);
    } else {
      model_.refuse();  // A refusal that leaves the environment well has done nothing.
    }
  }
  Fate fate_of(Durability durability) const {
    return durability == Durability::none ? Fate::committed : Fate::durable;
  }

  // --- operations -----------------------------------------------------------------------------------

  void step() {
    if (live_.empty()) return make_store();
    const uint64_t dice = random_.below(1000);
    if (dice < 450) return write_alone();
    if (dice < 520) return begin();
    if (dice < 800) return write_inside();
    if (dice < 900) return end();
    if (dice < 925) return read();
    if (dice < 945) return checkpoint();
    if (dice < 960) return compare();
    if (dice < 975) return close();
    if (live_.size() < 3 || random_.percent(60)) return make_store();
    drop_store();
  }

  void write_alone() {
    const std::string name = pick_store();
    const std::string key = pick_key();
    const Place place{name, key};
    const auto row = live_[name].find(key);
    const bool present = row != live_[name].end();
    Result<KvStore> store = env_->open_store(name, {.create = false});
    if (!went_well(store, "open_store")) return;
    const bool removes = present && random_.percent(35);
    const Value value = pick_value(present ? &row->second : nullptr);
    if (locked_.count(place) != 0) {
      const Result<void> refused = store->put(key, "locked");
      if (failed_ && !refused) return;
      expect(!refused && refused.error().code() == Code::conflict, "no conflict on a locked row");
      return;
    }
    Writes writes{{place, removes ? std::nullopt : std::optional<Value>(value)}};
    model_.call(writes);
    const Result<void> done = removes ? store->remove(key) : put(*store, key, value, present);
    answered(done, removes ? "remove" : "put", fate_of(profile_.env.durability), writes);
  }

  Result<void> put(KvStore& store, const std::string& key, const Value& value, bool present) {
    const std::string bytes = bytes_of(value);
    if (random_.percent(60)) return store.put(key, bytes);
    return present ? store.update(key, bytes) : store.insert(key, bytes);
  }
  Result<void> put(KvStore& store, Transaction& txn, const std::string& key, const Value& value,
                   bool present) {
    const std::string bytes = bytes_of(value);
    if (random_.percent(60)) return store.put(txn, key, bytes);
    return present ? store.update(txn, key, bytes) : store.insert(txn, key, bytes);
  }

  Open* pick_open(bool active) {
    const size_t from = random_.below(open_.size());
    for (size_t i = 0; i < open_.size(); ++i) {
      Open& open = open_[(from + i) % open_.size()];
      if (open.txn.has_value() == active) return &open;
    }
    return nullptr;
  }

  void begin() {
    Open* open = pick_open(false);
    if (open == nullptr) return end();
    const bool snapshot = random_.percent(60);
    Result<Transaction> txn = env_->begin(
        {.isolation = snapshot ? Isolation::snapshot : Isolation::read_committed});
    if (!went_well(txn, "begin")) return;
    open->txn.emplace(*std::move(txn));
    open->seen.reset();
    if (snapshot) open->seen = live_;
    open->changed.clear();
  }
  /// These rows are others' writes now, to every snapshot that is open.
  void note_changed(const Writes& writes) {
    for (Open& open : open_) {
      if (!open.txn || !open.seen) continue;
      for (const auto& [place, value] : writes) open.changed.insert(place);
    }
  }

  void write_inside() {
    Open* open = pick_open(true);
    if (open == nullptr) return begin();
    for (uint64_t i = random_.below(6) + 1; i > 0 && problem_.empty() && open->txn; --i) {
      const Place place{pick_store(), pick_key()};
      const auto own = open->writes.find(place);
      const auto lock = locked_.find(place);
      const bool others = (lock != locked_.end() && lock->second != open) ||
                          (own == open->writes.end() && open->changed.count(place) != 0);
      Result<KvStore> store = env_->open_store(place.store, {.create = false});
      if (!went_well(store, "open_store")) return;
      if (others) {
        const Result<void> refused = store->put(*open->txn, *place.key, "locked");
        if (failed_ && !refused) return;
        expect(!refused && refused.error().code() == Code::conflict,
               "no conflict in a transaction");
        continue;
      }
      const Value* old = nullptr;
      const Rows& rows = live_[place.store];
      if (own != open->writes.end()) {
        old = own->second ? &*own->second : nullptr;
      } else if (const auto row = rows.find(*place.key); row != rows.end()) {
        old = &row->second;
      }
      const bool present = old != nullptr;
      const bool removes = present && random_.percent(35);
      const Value value = pick_value(old);
      const Result<void> done = removes ? store->remove(*open->txn, *place.key)
                                        : put(*store, *open->txn, *place.key, value, present);
      if (!went_well(done, "write in a transaction")) return take_back(*open, true);
      open->writes[place] = removes ? std::nullopt : std::optional<Value>(value);
      locked_[place] = open;
    }
  }

  void end() {
    Open* open = pick_open(true);
    if (open == nullptr) return begin();
    const uint64_t dice = random_.below(100);
    if (dice < 35) return take_back(*open, random_.percent(70));
    // A transaction without writes commits nothing.
    const bool writes = !open->writes.empty();
    if (writes) model_.call(open->writes);
    if (dice < 50) {
      const Result<CommitTicket> ticket = open->txn->commit_async();
      if (writes) answered(ticket, "commit_async", Fate::committed, open->writes);
      if (ticket && writes) model_.answer_async(*ticket);
      if (ticket && random_.percent(20)) static_cast<void>(went_well(ticket->wait(), "wait"));
    } else {
      const Result<void> done = open->txn->commit();
      if (writes) answered(done, "commit", fate_of(profile_.env.durability), open->writes);
    }
    forget(*open);
  }

  void take_back(Open& open, bool says_so) {
    if (says_so) static_cast<void>(went_well(open.txn->abort(), "abort"));
    open.txn.reset();
    failed_ = failed_ || env_->stats().state == "failed";
    forget(open);
  }
  void forget(Open& open) {
    std::erase_if(locked_, [&](const auto& lock) { return lock.second == &open; });
    open.txn.reset();
    open.writes.clear();
  }
  bool any_open() const {
    for (const Open& open : open_) {
      if (open.txn) return true;
    }
    return false;
  }
  void take_all_back() {
    for (Open& open : open_) {
      if (open.txn) take_back(open, true);
    }
  }

  void make_store() {
    const std::string name = "s" + std::to_string(random_.below(5));
    if (live_.count(name) != 0) return;
    Writes writes{{{name, std::nullopt}, Value{}}};
    model_.call(writes);
    answered(env_->open_store(name), "make a store", Fate::durable, writes);
  }

  void drop_store() {
    if (any_open()) return end();
    const std::string name = pick_store();
    Writes writes{{{name, std::nullopt}, std::nullopt}};
    model_.call(writes);
    const Result<void> dropped = env_->drop_store(name);
    if (!dropped && profile_.faults) {
      // The name goes first, then the pages: it may have been stopped in between.
      const Result<std::vector<std::string>> names = env_->list_stores();
      if (went_well(names, "list_stores") &&
          std::find(names->begin(), names->end(), name) == names->end()) {
        failed_ = failed_ || env_->stats().state == "failed";
        model_.answer(failed_ ? Fate::unknown : Fate::durable);
        take_in(live_, writes);
        return;
      }
    }
    answered(dropped, "drop_store", Fate::durable, writes);
  }

  void checkpoint() { static_cast<void>(went_well(env_->checkpoint(), "checkpoint")); }

  void close() {
    take_all_back();
    const Result<void> closed = env_->close();
    if (closed) model_.closed();
    env_.reset();
    model_.forget_tickets();
    if (!profile_.faults) {
      expect(closed.has_value(), "close: " + message_of(closed));
      if (problem_.empty()) open();
    } else if (closed && !open()) {
      problem_.clear();  // With faults it may not open: the run ends here.
    }
  }

  // --- reading --------------------------------------------------------------------------------------

  void read() {
    const Place place{pick_store(), pick_key()};
    Result<KvStore> store = env_->open_store(place.store, {.create = false});
    if (!went_well(store, "open_store")) return;
    const Result<std::string> got = store->get(*place.key);
    check_row(place, got, live_[place.store]);
    Open* open = pick_open(true);
    if (open == nullptr || !open->seen || open->writes.count(place) != 0) return;
    check_row(place, store->get(*open->txn, *place.key), (*open->seen)[place.store]);
  }

  void check_row(const Place& place, const Result<std::string>& got, const Rows& rows) {
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
  void compare() {
    if (failed_) return;
    for (const auto& [name, rows] : live_) {
      Result<KvStore> store = env_->open_store(name, {.create = false});
      if (!went_well(store, "open_store")) return;
      for (const bool reverse : {false, true}) {
        Rows found;
        const Result<uint64_t> count = store->scan(
            {.begin = {}, .end = {}, .reverse = reverse}, [&](Bytes key, Bytes value) {
              found[std::string(key)] = parse_value(value).value_or(Value{.stamp = ~uint64_t{0}});
              return true;
            });
        if (!went_well(count, "scan")) return;
        expect(*count == found.size() && found == rows, "a scan of " + name + " differs");
      }
    }
  }

  const Profile profile_;
  Model& model_;
  os::Os& os_;
  sim::Random random_;
  std::unique_ptr<DbEnv> env_;
  State live_;
  std::array<Open, 3> open_;
  std::map<Place, Open*> locked_;
  std::set<Code> errors_;
  uint64_t stamp_ = 0;
  bool failed_ = false;
  std::string problem_;
};

}  // namespace aether::crash
