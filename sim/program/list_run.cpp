#include "sim/program/list_run.h"

#include <utility>

#include "base/checksum.h"

namespace aether::program {

namespace {

using oracle::Fate;
using oracle::kHome;
using oracle::Value;
using oracle::Writes;

EnvOptions options(uint32_t streams) {
  return {.pool_bytes = 288 * KiB,
          .page_bytes = 4 * KiB,
          .log_streams = streams,
          .log_segment_bytes = 256 * KiB,
          .log_bytes_max = 1 * MiB,
          .background_threads = false};
}

constexpr const char* kNames[] = {"put",     "replace_large",   "remove",           "split",
                                  "merge",   "savepoint",       "rollback_to",      "commit",
                                  "abort",   "checkpoint",      "make_store",       "drop_store",
                                  "prepare", "commit_prepared", "rollback_prepared"};
static_assert(std::size(kNames) == kListOperations);

std::string row_key(int i) { return "row" + std::to_string(100 + i); }

/// All bytes of the disk that can be seen.
uint64_t hash_of(sim::SimOs& os) {
  uint64_t hash = 0;
  for (const std::string& path : os.files()) {
    hash = base::checksum(path.data(), path.size(), hash);
    const std::string bytes = os.read_file(path).value();
    hash = base::checksum(bytes.data(), bytes.size(), hash);
  }
  return hash;
}

}  // namespace

const char* to_string(ListOperation operation) noexcept {
  return kNames[static_cast<size_t>(operation)];
}

std::string to_text(const ListPlan& plan) {
  std::string text = plan.alone ? "alone" : "together";
  for (const ListOperation operation : plan.operations)
    text.append(",").append(to_string(operation));
  return text;
}

ListRun::ListRun(const ListPlan& plan, sim::SimOs& base, const oracle::State& rows,
                 ListCounts& counts, bool in_recovery)
    : plan_(plan), counts_(counts), in_recovery_(in_recovery), os_(base.copy()), live_(rows) {
  model_.adopt({rows, {}});
}

/// Some rows, a large value, a second store; closed in order.
std::unique_ptr<sim::SimOs> ListRun::make_base(uint32_t streams, oracle::State& rows) {
  auto os = std::make_unique<sim::SimOs>(sim::SimOptions{.seed = 7});
  const std::unique_ptr<DbEnv> env = DbEnv::open(kHome, options(streams), *os).value();
  for (const char* name : {"s", "other"}) {
    KvStore store = env->open_store(name).value();
    for (int i = 0; i < 12; ++i) {
      const Value value = oracle::make_value(static_cast<uint64_t>(i) + 1, i == 5 ? 9000 : 150);
      static_cast<void>(store.put(row_key(i), oracle::bytes_of(value)));
      rows[name][row_key(i)] = value;
    }
  }
  static_cast<void>(env->close());
  return os->copy();
}

std::string ListRun::run() {
  ++counts_.lists;
  Result<std::unique_ptr<DbEnv>> env = DbEnv::open(kHome, options(plan_.streams), *os_);
  if (!env) return "open: " + std::string(env.error().message());
  env_ = *std::move(env);
  os_->sync_everything();  // The LOCK file, which nobody syncs, would take some of the subset's bits.
  os_->on_step([this](const sim::Step& step) {
    if (step.changes_disk && problem_.empty()) at_moment(step);
  });
  for (const ListOperation operation : plan_.operations) {
    if (problem_.empty()) act(operation);
  }
  if (problem_.empty() && txn_) end(true);
  os_->on_step({});
  if (problem_.empty()) {
    // And after the last one.
    at_moment({});
  }
  txn_.reset();
  env_.reset();
  return problem_;
}

void ListRun::expect(const Result<void>& result, const char* call) {
  if (!result && problem_.empty())
    problem_ = std::string(call) + ": " + std::string(result.error().message());
}

// --- Operations

Transaction* ListRun::current() {
  if (plan_.alone) return nullptr;
  if (!txn_) txn_.emplace(env_->begin().value());
  return &*txn_;
}

void ListRun::apply(const Writes& writes, Transaction* txn) {
  for (const auto& [place, value] : writes) {
    KvStore store = env_->open_store(place.store, {.create = false}).value();
    if (value) {
      const std::string bytes = oracle::bytes_of(*value);
      expect(txn ? store.put(*txn, *place.key, bytes) : store.put(*place.key, bytes), "put");
    } else {
      expect(txn ? store.remove(*txn, *place.key) : store.remove(*place.key), "remove");
    }
  }
}

void ListRun::write(Writes writes) {
  // Rows of a prepared transaction are locked.
  if (!gid_.empty())
    std::erase_if(writes, [&](const auto& row) { return prepared_.count(row.first) != 0; });
  if (writes.empty()) return;
  if (Transaction* txn = current()) {
    apply(writes, txn);
    for (auto& [place, value] : writes) writes_[place] = value;
    return;
  }
  for (const auto& row : writes) {
    model_.call({row});
    apply({row}, nullptr);
    model_.answer(Fate::durable);
    oracle::take_in(live_, {row});
    ++acknowledged_;
  }
}

void ListRun::end(bool commits) {
  if (!commits || writes_.empty()) {
    expect(commits ? txn_->commit() : txn_->abort(), "end");
  } else {
    model_.call(writes_);
    expect(txn_->commit(), "commit");
    model_.answer(Fate::durable);
    oracle::take_in(live_, writes_);
    ++acknowledged_;
  }
  txn_.reset();
  savepoint_.reset();
  writes_.clear();
}

void ListRun::act(ListOperation operation) {
  const auto value = [&](uint32_t bytes) { return oracle::make_value(++stamp_, bytes); };
  switch (operation) {
    case ListOperation::put:
      return write({{{"s", row_key(3)}, value(200)}, {{"s", "new"}, value(30)}});
    case ListOperation::replace_large: return write({{{"s", row_key(5)}, value(7000)}});
    case ListOperation::remove: {
      const bool is_there = live_.at("s").count(row_key(7)) != 0 &&
                            writes_.count({"s", row_key(7)}) == 0;
      if (is_there) write({{{"s", row_key(7)}, std::nullopt}});
      return;
    }
    case ListOperation::split: {
      Writes rows;
      for (int i = 0; i < 30; ++i) rows[{"s", "split" + std::to_string(10 + i)}] = value(120);
      return write(rows);
    }
    case ListOperation::merge: {
      Writes rows;
      for (int i = 0; i < 30; ++i) {
        const oracle::Place place{"s", "split" + std::to_string(10 + i)};
        const auto own = writes_.find(place);
        const bool there = own != writes_.end() ? own->second.has_value()
                                                : live_.at("s").count(*place.key) != 0;
        if (there) rows[place] = std::nullopt;
      }
      return write(rows);
    }
    case ListOperation::savepoint:
      if (current() == nullptr) return;
      savepoint_ = txn_->savepoint().value();
      at_savepoint_ = writes_;
      return;
    case ListOperation::rollback_to:
      if (!txn_ || !savepoint_) return;
      expect(txn_->rollback_to(*savepoint_), "rollback_to");
      writes_ = at_savepoint_;
      return;
    case ListOperation::commit:
    case ListOperation::abort:
      if (txn_) end(operation == ListOperation::commit);
      return;
    case ListOperation::checkpoint: return expect(env_->checkpoint(), "checkpoint");
    case ListOperation::make_store:
    case ListOperation::drop_store: {
      const bool makes = operation == ListOperation::make_store;
      const std::string name = makes ? "third" : "other";
      if ((live_.count(name) != 0) == makes || (!makes && (txn_ || !gid_.empty()))) return;
      const Writes writes{
          {{name, std::nullopt}, makes ? std::optional<Value>(Value{}) : std::nullopt}};
      model_.call(writes);
      if (makes) {
        const Result<KvStore> made = env_->open_store(name);
        if (!made) problem_ = "make a store: " + std::string(made.error().message());
      } else {
        expect(env_->drop_store(name), "drop_store");
      }
      model_.answer(Fate::durable);
      oracle::take_in(live_, writes);
      ++acknowledged_;
      return;
    }
    case ListOperation::prepare: {
      if (!txn_ || writes_.empty() || !gid_.empty()) return;
      gid_ = "gid";
      model_.prepare(gid_, writes_);
      const Result<PrepareVote> vote = txn_->prepare(gid_);
      if (!vote) problem_ = "prepare: " + std::string(vote.error().message());
      model_.prepare_answered(gid_, Fate::durable);
      prepared_ = std::exchange(writes_, {});
      txn_.reset();
      savepoint_.reset();
      ++acknowledged_;
      return;
    }
    case ListOperation::commit_prepared:
      if (gid_.empty()) return;
      model_.call(prepared_, gid_);
      expect(env_->commit_prepared(gid_), "commit_prepared");
      model_.answer(Fate::durable);
      oracle::take_in(live_, prepared_);
      gid_.clear();
      ++acknowledged_;
      return;
    case ListOperation::rollback_prepared:
      if (gid_.empty()) return;
      model_.roll_back(gid_);
      expect(env_->rollback_prepared(gid_), "rollback_prepared");
      model_.roll_back_answered(gid_, Fate::durable);
      gid_.clear();
      ++acknowledged_;
      return;
  }
}

// --- Crashes

void ListRun::at_moment(const sim::Step& step) {
  ++counts_.moments;
  const uint64_t bits = std::min<uint64_t>(os_->unsynced_units(), sim::kSubsetBits);
  for (uint64_t mask = 0; mask < uint64_t{1} << bits && problem_.empty(); ++mask) {
    ++counts_.states;
    const std::unique_ptr<sim::SimOs> crashed = os_->crash(
        {.policy = sim::CrashPolicy::subset, .seed = 1, .mask = mask});
    if (!is_new(*crashed)) continue;
    problem_ = check(*crashed, in_recovery_);
    if (!problem_.empty()) {
      problem_ += "\nbefore " + std::string(sim::to_string(step.kind)) + " " +
                  std::string(step.path) + ", subset " + std::to_string(mask) + " of " +
                  std::to_string(os_->unsynced_units()) + " units";
    }
  }
}

/// No machine was like it when as much was acknowledged.
bool ListRun::is_new(sim::SimOs& os) {
  if (!seen_.insert({hash_of(os), acknowledged_}).second) return false;
  ++counts_.recoveries;
  return true;
}

/// A crash before a step of a recovery: nothing of what is unsynced is there, or all of it.
std::string ListRun::crash_recovery(sim::SimOs& os, const sim::Step& step) {
  for (const sim::CrashPolicy policy : {sim::CrashPolicy::lost, sim::CrashPolicy::kept}) {
    const std::unique_ptr<sim::SimOs> again = os.crash({.policy = policy, .seed = 1});
    if (!is_new(*again)) continue;
    ++counts_.in_recovery;
    std::string problem = check(*again, false);
    if (!problem.empty())
      return problem + "\n(crash in recovery, before " + sim::to_string(step.kind) + " " +
             std::string(step.path) + ", " + oracle::to_string(policy) + ")";
  }
  return {};
}

std::string ListRun::check(sim::SimOs& os, bool crashes_it) {
  std::string in_recovery;
  if (crashes_it) {
    os.on_step([&](const sim::Step& step) {
      if (step.changes_disk && in_recovery.empty()) in_recovery = crash_recovery(os, step);
    });
  }
  const Result<std::unique_ptr<DbEnv>> env = DbEnv::open(kHome, options(plan_.streams), os);
  os.on_step({});
  if (!in_recovery.empty()) return in_recovery;
  if (!env) return "recovery: " + std::string(env.error().message());
  if (std::string problem = oracle::verify(**env); !problem.empty()) return problem;
  const Result<oracle::Found> found = oracle::read_found(**env);
  if (!found) return "reading: " + std::string(found.error().message());
  return model_.breach(*found, true);
}

}  // namespace aether::program
