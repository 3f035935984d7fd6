#include "sim/oracle/checker.h"

#include <iterator>

namespace aether::oracle {

Result<State> read_state(DbEnv& env) {
  State state;
  AETHER_TRY_ASSIGN(const std::vector<std::string> names, env.list_stores());
  for (const std::string& name : names) {
    AETHER_TRY_ASSIGN(KvStore store, env.open_store(name, {.create = false}));
    Rows& rows = state[name];
    std::string wrong;
    AETHER_TRY_ASSIGN(const uint64_t count, store.scan({}, [&](Bytes key, Bytes bytes) {
      const std::optional<Value> value = parse_value(bytes);
      if (!value) {
        wrong = "store " + name + " key " + std::string(key.substr(0, 12)) + ": " +
                std::to_string(bytes.size()) + " bytes that nobody wrote";
        return false;
      }
      rows[std::string(key)] = *value;
      return true;
    }));
    if (!wrong.empty()) return Error(Code::corruption, wrong);
    if (count != rows.size())
      return Error(Code::corruption, "store " + name + ": a key came twice");
  }
  return state;
}

Result<Found> read_found(DbEnv& env) {
  Found found;
  AETHER_TRY_ASSIGN(found.stores, read_state(env));
  AETHER_TRY_ASSIGN(const std::vector<PreparedTransaction> prepared, env.prepared());
  for (const PreparedTransaction& each : prepared) found.in_doubt.insert(each.gid);
  return found;
}

std::string verify(DbEnv& env) {
  const Result<VerifyReport> report = env.verify();
  if (!report) return "verify: " + std::string(report.error().message());
  if (report->ok()) return {};
  std::string text = "verify: " + std::to_string(report->problems.size()) + " problems:";
  for (size_t i = 0; i < report->problems.size() && i < 5; ++i) {
    const VerifyProblem& problem = report->problems[i];
    text += "\n  page " + std::to_string(problem.page_id) + " store '" + problem.store +
            "': " + problem.message;
  }
  return text;
}

const char* to_string(sim::CrashPolicy policy) noexcept {
  switch (policy) {
    case sim::CrashPolicy::lost: return "crash.lost";
    case sim::CrashPolicy::kept: return "crash.kept";
    case sim::CrashPolicy::sectors: return "crash.sectors";
    case sim::CrashPolicy::prefix: return "crash.prefix";
    case sim::CrashPolicy::subset: return "crash.subset";
  }
  return "unknown";
}

sim::Crash pick_crash(sim::Random& random) {
  constexpr sim::CrashPolicy kPolicies[] = {sim::CrashPolicy::sectors, sim::CrashPolicy::prefix,
                                            sim::CrashPolicy::lost, sim::CrashPolicy::kept,
                                            sim::CrashPolicy::sectors};
  return {.policy = kPolicies[random.below(std::size(kPolicies))],
          .seed = random.next(),
          .garbage_percent = random.percent(50) ? 5u : 50u};
}

void arm_recovery(sim::SimOs& os, sim::Random& random, Machines& again, CrashCounts& counts) {
  const uint64_t every = 1 + random.below(60);
  uint64_t left = 1 + random.below(every);
  os.on_step([&os, &random, &again, &counts, every, left](const sim::Step& step) mutable {
    if (!step.changes_disk || again.size() >= 2 || --left > 0) return;
    left = every;
    const sim::Crash how = pick_crash(random);
    ++counts.struck[{to_string(how.policy), std::string("recovery ") + sim::to_string(step.kind)}];
    again.push_back(os.crash(how));
  });
}

std::string Checker::check(sim::SimOs& os, const Model& model, sim::Random& random, int depth,
                           Found* found) {
  const Coverage::Under under(counts_.coverage, depth > 0 ? "nested" : "crash");
  ++counts_.crashes;
  counts_.in_recovery += depth > 0 ? 1 : 0;
  Machines again;
  if (depth < deepest_ && random.percent(depth == 0 ? 30 : 50))
    arm_recovery(os, random, again, counts_);
  std::string problem = check_open(os, model, random, found);
  os.on_step({});
  for (size_t i = 0; i < again.size() && problem.empty(); ++i) {
    problem = check(*again[i], model, random, depth + 1, nullptr);
    if (!problem.empty())
      problem = "(crash in recovery, depth " + std::to_string(depth + 1) + ") " + problem;
  }
  return problem;
}

// --- Damage

namespace {

bool is_damage(const Error& error) { return error.code() == Code::corruption; }

/// All that can be read. An error in `problem` is a wrong one; what cannot be read sets `all` to false.
State read_part(DbEnv& env, bool& all, std::string& problem) {
  State part;
  const auto note = [&](const Error& error) {
    all = false;
    if (!is_damage(error) && problem.empty())
      problem = std::string(to_string(error.code())) +
                " for damage: " + std::string(error.message());
  };
  const Result<std::vector<std::string>> names = env.list_stores();
  if (!names) return (note(names.error()), part);
  for (const std::string& name : *names) {
    const Result<KvStore> store = env.open_store(name, {.create = false});
    if (!store) {
      note(store.error());
      continue;
    }
    Rows& rows = part[name];
    const Result<uint64_t> count = store->scan({}, [&](Bytes key, Bytes bytes) {
      const std::optional<Value> value = parse_value(bytes);
      if (!value && problem.empty())
        problem = "store " + name + " key " + text_of_key(std::string(key)) +
                  ": bytes that nobody wrote";
      if (value) rows[std::string(key)] = *value;
      return problem.empty();
    });
    if (!count) note(count.error());
  }
  return part;
}

}  // namespace

std::string Checker::check_damaged(sim::SimOs& os, const Model& model, const Model& before) {
  ++counts_.crashes;
  ++counts_.damaged;
  const Result<std::unique_ptr<DbEnv>> env = DbEnv::open(kHome, profile_.env, os);
  if (!env) {
    ++counts_.refused;
    if (is_damage(env.error())) return {};
    // What is left of the log ends before the archive does: an older copy, as far as anybody can tell.
    const bool is_behind_archive = !profile_.env.archive_directory.empty() &&
                                   env.error().code() == Code::invalid_argument;
    if (is_behind_archive) return {};
    return std::string("refused with ") + to_string(env.error().code()) + ": " +
           std::string(env.error().message());
  }
  bool all = true;
  std::string problem;
  Found found{read_part(**env, all, problem), {}};
  if (!problem.empty()) return problem;
  if (!all) {
    ++counts_.reported;
    return model.breach_of_part(found.stores);
  }
  const Result<std::vector<PreparedTransaction>> prepared = (*env)->prepared();
  if (!prepared) return "prepared: " + std::string(prepared.error().message());
  for (const PreparedTransaction& each : *prepared) found.in_doubt.insert(each.gid);
  std::string breach = model.breach(found, false);
  if (breach.empty()) return {};
  if (!before.breach(found, false).empty()) return breach;
  ++counts_.last_block;
  return {};
}

namespace {

/// Meets a few pages and writes some rows as they are, so that a crash finds some pages redone, some changed since, and the rest
/// as the last one has left them.
Result<void> meet_some(DbEnv& env, sim::Random& random) {
  AETHER_TRY_ASSIGN(const std::vector<std::string> names, env.list_stores());
  for (uint64_t i = random.below(5); i > 0 && !names.empty(); --i) {
    AETHER_TRY_ASSIGN(KvStore store,
                      env.open_store(names[random.below(names.size())], {.create = false}));
    const std::string from = "k" + std::to_string(random.below(300));
    std::string row, as_it_is;
    AETHER_TRY(store.scan({.begin = from, .end = {}}, [&](Bytes key, Bytes value) {
      row = key;
      as_it_is = value;
      return random.percent(60);
    }));
    if (row.empty() || random.percent(30)) continue;
    AETHER_TRY_ASSIGN(Transaction txn,
                      env.begin({.durability = Durability::sync, .env_durability = false}));
    AETHER_TRY(store.put(txn, row, as_it_is));
    if (random.percent(70)) AETHER_TRY(txn.commit());
  }
  return {};
}

}  // namespace

std::string Checker::check_open(sim::SimOs& os, const Model& model, sim::Random& random,
                                Found* found) {
  Result<std::unique_ptr<DbEnv>> env = DbEnv::open(kHome, profile_.env, os);
  if (env && random.percent(50)) {
    const Result<void> met = meet_some(**env, random);
    if (!met && is_damage(met.error()))
      return "meeting pages: " + std::string(met.error().message());
  }
  os.on_step({});
  if (!env) return "recovery: " + std::string(env.error().message());
  const RecoveryReport& report = (*env)->recovery_report();
  counts_.recoveries_with_undo += report.transactions_undone > 0 ? 1 : 0;
  counts_.recoveries_in_doubt += report.transactions_prepared > 0 ? 1 : 0;
  counts_.torn_pages_restored += report.pages_restored;
  // Verifying redoes all that waits: it comes first, or last, or not before the next crash.
  constexpr uint64_t kFirst = 0, kLast = 1;
  const uint64_t when = random.below(3);
  if (when == kFirst)
    if (std::string problem = verify(**env); !problem.empty()) return problem;
  Result<Found> read = read_found(**env);
  if (!read) return "reading: " + std::string(read.error().message());
  if (when == kLast)
    if (std::string problem = verify(**env); !problem.empty()) return problem;
  if (std::string breach = model.breach(*read, profile_.same_stream); !breach.empty()) {
    return breach;
  }
  if (found != nullptr) *found = *read;
  return go_on(os, *std::move(env), *std::move(read), model, random);
}

namespace {

Result<void> write_more(DbEnv& env, State& state, sim::Random& random) {
  AETHER_TRY_ASSIGN(KvStore store, env.open_store("more"));
  Rows& rows = state["more"];
  AETHER_TRY_ASSIGN(Transaction kept,
                    env.begin({.durability = Durability::group, .env_durability = false}));
  for (uint64_t i = 0; i < 8; ++i) {
    const std::string key = "m" + std::to_string(random.below(20));
    const Value value = make_value(random.next(),
                                   static_cast<uint32_t>(random.below(i == 7 ? 9000 : 300)));
    AETHER_TRY(store.put(kept, key, bytes_of(value)));
    rows[key] = value;
  }
  AETHER_TRY(kept.commit());
  AETHER_TRY_ASSIGN(Transaction dropped, env.begin());
  for (const auto& [key, value] : rows) AETHER_TRY(store.remove(dropped, key));
  return dropped.abort();
}

/// Some of those in doubt are decided: exactly once, and with all of their rows.
Result<void> decide_some(DbEnv& env, Found& found, const Model& model, sim::Random& random) {
  const std::map<std::string, Writes> known = model.all_doubts();
  for (auto gid = found.in_doubt.begin(); gid != found.in_doubt.end();) {
    const uint64_t dice = random.below(3);
    if (dice == 0) {
      ++gid;
      continue;
    }
    if (dice == 1) {
      AETHER_TRY(env.commit_prepared(*gid));
      take_in(found.stores, known.at(*gid));
    } else {
      AETHER_TRY(env.rollback_prepared(*gid));
    }
    gid = found.in_doubt.erase(gid);
  }
  return {};
}

}  // namespace

/// New transactions work, and survive the next crash or close together with all that was there.
std::string Checker::go_on(sim::SimOs& os, std::unique_ptr<DbEnv> env, Found found,
                           const Model& model, sim::Random& random) {
  Result<void> done = write_more(*env, found.stores, random);
  if (!done) return "writing on: " + std::string(done.error().message());
  done = decide_some(*env, found, model, random);
  if (!done) return "deciding: " + std::string(done.error().message());
  if (random.percent(60)) return {};
  std::unique_ptr<sim::SimOs> next;
  if (random.percent(70)) {
    next = os.crash(pick_crash(random));
    ++counts_.crashes;
    ++counts_.second;
  } else {
    const Result<void> closed = env->close();
    if (!closed) return "close: " + std::string(closed.error().message());
    next = os.crash({.policy = sim::CrashPolicy::lost, .seed = 1});
  }
  env.reset();
  Result<std::unique_ptr<DbEnv>> reopened = DbEnv::open(kHome, profile_.env, *next);
  if (!reopened) return "second open: " + std::string(reopened.error().message());
  const Result<Found> read = read_found(**reopened);
  if (!read) return "reading after the second open: " + std::string(read.error().message());
  Model simple;
  simple.adopt(found);
  if (read->in_doubt != found.in_doubt) return "after the second open: others are in doubt";
  if (std::string breach = simple.breach({read->stores, {}}, true); !breach.empty())
    return "after the second open: " + breach;
  return verify(**reopened);
}

}  // namespace aether::oracle
