#include "sim/program/history.h"

#include <memory>
#include <optional>
#include <utility>

#include "aether/env.h"
#include "base/checksum.h"
#include "sim/random.h"
#include "sim/sim_os.h"

namespace aether::program {

namespace {

constexpr const char* kHome = "/env";
constexpr const char* kNames[] = {"put",        "remove", "get",         "scan",
                                  "scan_back",  "begin",  "savepoint",   "rollback_to",
                                  "commit",     "abort",  "make_store",  "drop_store",
                                  "checkpoint", "reopen", "remove_range"};

using Kind = HistoryCall::Kind;

Kind pick_kind(sim::Random& random) {
  const uint64_t dice = random.below(100);
  if (dice < 45) return Kind::put;
  if (dice < 55) return Kind::remove;
  if (dice < 57) return Kind::remove_range;
  if (dice < 67) return Kind::get;
  if (dice < 70) return Kind::scan;
  if (dice < 72) return Kind::scan_back;
  if (dice < 77) return Kind::begin;
  if (dice < 80) return Kind::savepoint;
  if (dice < 83) return Kind::rollback_to;
  if (dice < 88) return Kind::commit;
  if (dice < 91) return Kind::abort;
  if (dice < 94) return Kind::make_store;
  if (dice < 96) return Kind::drop_store;
  return dice < 98 ? Kind::checkpoint : Kind::reopen;
}

std::string pick_value(sim::Random& random) {
  const uint64_t dice = random.below(100);
  const uint64_t size = dice < 80   ? random.below(300)
                        : dice < 95 ? random.below(3000)
                                    : random.below(40000);
  std::string value(size, '\0');
  for (char& c : value) c = static_cast<char>('a' + random.below(26));
  return value;
}

/// Plays one history in one environment.
class Player {
 public:
  Player(const EnvOptions& options, uint64_t seed) : options_(options), os_({.seed = seed}) {
    open();
  }

  std::string answer(const HistoryCall& call) {
    if (!env_) return "closed";
    switch (call.kind) {
      case Kind::put:
      case Kind::remove:
      case Kind::get: return with_row(call);
      case Kind::remove_range: return remove_range(call);
      case Kind::scan:
      case Kind::scan_back: return scan(call.store, call.kind == Kind::scan_back);
      case Kind::begin: return begin();
      case Kind::savepoint: return savepoint();
      case Kind::rollback_to:
        if (!txn_ || !savepoint_) return "-";
        return text(txn_->rollback_to(*savepoint_));
      case Kind::commit:
      case Kind::abort: return end(call.kind == Kind::commit);
      case Kind::make_store: return text(env_->open_store(call.store));
      case Kind::drop_store: return txn_ ? "-" : text(env_->drop_store(call.store));
      case Kind::checkpoint: return text(env_->checkpoint());
      case Kind::reopen: return reopen();
    }
    return {};
  }

  std::string dump() {
    if (!env_) return "closed; NOT whole";
    if (txn_) static_cast<void>(end(false));
    std::string all;
    const Result<std::vector<std::string>> names = env_->list_stores();
    if (!names) return text(names);
    for (const std::string& name : *names) all += name + ": " + scan(name, false) + "\n";
    const Result<VerifyReport> report = env_->verify();
    return all + (report && report->ok() ? "whole" : "NOT whole");
  }

 private:
  template <typename T>
  static std::string text(const Result<T>& result) {
    return result ? "ok" : to_string(result.error().code());
  }
  std::string open() {
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open(kHome, options_, os_);
    if (!env) return std::string("open: ") + std::string(env.error().message());
    env_ = *std::move(env);
    return "ok";
  }
  std::string reopen() {
    if (txn_) static_cast<void>(end(false));
    const Result<void> closed = env_->close();
    env_.reset();
    return text(closed) + " " + open();
  }
  std::string begin() {
    if (txn_) return "-";
    Result<Transaction> made = env_->begin();
    if (made) txn_.emplace(*std::move(made));
    return text(made);
  }
  std::string savepoint() {
    if (!txn_) return "-";
    const Result<Savepoint> made = txn_->savepoint();
    if (made) savepoint_ = *made;
    return text(made);
  }
  std::string end(bool commits) {
    if (!txn_) return "-";
    const Result<void> done = commits ? txn_->commit() : txn_->abort();
    txn_.reset();
    savepoint_.reset();
    return text(done);
  }
  std::string with_row(const HistoryCall& call) {
    Result<KvStore> store = env_->open_store(call.store, {.create = false});
    if (!store) return text(store);
    if (call.kind == Kind::put) {
      return text(txn_ ? store->put(*txn_, call.key, call.value)
                       : store->put(call.key, call.value));
    }
    if (call.kind == Kind::remove) {
      return text(txn_ ? store->remove(*txn_, call.key) : store->remove(call.key));
    }
    const Result<std::string> got = txn_ ? store->get(*txn_, call.key) : store->get(call.key);
    return got ? "= " + *got : text(got);
  }
  /// Of the keys that begin with the call's.
  std::string remove_range(const HistoryCall& call) {
    Result<KvStore> store = env_->open_store(call.store, {.create = false});
    if (!store) return text(store);
    const std::string end = call.key + '~';
    const Range range{.begin = call.key, .end = end};
    const Result<uint64_t> removed = txn_ ? store->remove_range(*txn_, range)
                                          : store->remove_range(range);
    return removed ? std::to_string(*removed) : text(removed);
  }
  /// Rows, as a number and a hash over all of their bytes.
  std::string scan(const std::string& name, bool reverse) {
    Result<KvStore> store = env_->open_store(name, {.create = false});
    if (!store) return text(store);
    uint64_t hash = 0;
    const auto take = [&](Bytes key, Bytes value) {
      hash = base::checksum(key.data(), key.size(), hash);
      hash = base::checksum(value.data(), value.size(), hash);
      return true;
    };
    const Range range{.begin = {}, .end = {}, .reverse = reverse};
    const Result<uint64_t> rows = txn_ ? store->scan(*txn_, range, take) : store->scan(range, take);
    return rows ? std::to_string(*rows) + " rows, hash " + std::to_string(hash) : text(rows);
  }

  const EnvOptions options_;
  sim::SimOs os_;
  std::unique_ptr<DbEnv> env_;
  std::optional<Transaction> txn_;
  std::optional<Savepoint> savepoint_;
};

}  // namespace

std::vector<HistoryCall> make_history(uint64_t seed, size_t calls) {
  sim::Random random(seed * 0x9e3779b97f4a7c15u + 3);
  std::vector<HistoryCall> history{
      {.kind = Kind::make_store, .store = "s0", .key = {}, .value = {}}};
  const uint64_t keys = 10 + random.below(150);
  for (size_t i = 0; i < calls; ++i) {
    HistoryCall call{.kind = pick_kind(random),
                     .store = "s" + std::to_string(random.below(3)),
                     .key = {},
                     .value = {}};
    if (random.percent(60)) call.store = "s0";
    const uint64_t number = random.below(keys);
    call.key = "key" + std::to_string(number);
    if (number % 13 == 0) call.key.append(300 + number, 'p');
    if (call.kind == Kind::put) call.value = pick_value(random);
    if (call.kind == Kind::drop_store && call.store == "s0") call.kind = Kind::get;
    history.push_back(std::move(call));
  }
  return history;
}

Answers play(const std::vector<HistoryCall>& history, const EnvOptions& options, uint64_t seed) {
  Player player(options, seed);
  Answers answers;
  for (const HistoryCall& call : history) answers.push_back(player.answer(call));
  answers.push_back(player.answer({.kind = Kind::reopen, .store = {}, .key = {}, .value = {}}));
  answers.push_back(player.dump());
  return answers;
}

std::string to_text(const HistoryCall& call) {
  return std::string(kNames[static_cast<size_t>(call.kind)]) + " " + call.store + " " +
         call.key.substr(0, 12) + " (" + std::to_string(call.value.size()) + " bytes)";
}

}  // namespace aether::program
