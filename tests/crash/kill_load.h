// The load of a process that will be killed: four writers, each with rows of its own, and accounts that they share.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "aether/aether.hpp"
#include "crash/kill_ledger.h"

namespace aether::crash {

/// One writer. Every step says in the ledger what it is about to commit, and afterwards that it was acknowledged.
class Writer {
 public:
  Writer(DbEnv& env, std::vector<KvStore> stores, Ledger& ledger, uint64_t number, uint64_t seed)
      : env_(env),
        stores_(std::move(stores)),
        ledger_(ledger),
        mine_(ledger.writers[number]),
        number_(number),
        random_(testing_support::scramble(seed * kWriters + number)) {}

  /// Errors: whatever the engine answered that it should not have.
  Result<void> step() {
    Result<void> done = try_step();
    // A thread that did not run while the others filled the log: its transaction is refused, and taken back.
    if (!done && done.error().code() == Code::too_large) return {};
    return done;
  }

 private:
  Result<void> try_step() {
    if (random_() % 200 == 0) return env_.checkpoint();
    switch (random_() % 16) {
      case 0:
      case 1:
      case 2:
      case 3: return write_single();
      case 4:
      case 5:
      case 6:
      case 7: return write_group(false);
      case 8: return write_group(true);
      case 9:
      case 10: return abort_group();
      case 11:
      case 12: return write_relaxed();
      default: return move_money();
    }
  }

  KvStore& store_of(uint64_t row) { return stores_[row % stores_.size()]; }
  uint64_t next_stamp() { return mine_.next_stamp.fetch_add(1) * kWriters + number_; }

  void acknowledge(Entry& entry, uint64_t stamp) {
    entry.acknowledged.store(stamp);
    ledger_.acknowledgements.fetch_add(1);
  }

  static Result<void> there_or_not(Result<void> removed) {
    if (removed || removed.error().code() == Code::not_found) return {};
    return removed;
  }

  /// Alone: one record that is change and commit in one.
  Result<void> write_single() {
    const uint64_t row = random_() % kSingles;
    const std::string key = single_key(number_, row);
    const uint64_t stamp = next_stamp();
    mine_.singles[row].tried.store(stamp);
    KvStore& store = store_of(row);
    AETHER_TRY(is_removal(stamp) ? there_or_not(store.remove(key))
                                 : store.put(key, value_of(key, stamp)));
    acknowledge(mine_.singles[row], stamp);
    return {};
  }

  /// All rows of a group, over several stores, with one stamp.
  Result<void> fill_group(Transaction& txn, uint64_t group, uint64_t stamp, uint64_t rows) {
    for (uint64_t row = 0; row < rows; ++row) {
      const std::string key = group_key(number_, group, row);
      KvStore& store = store_of(row);
      AETHER_TRY(is_removal(stamp) ? there_or_not(store.remove(txn, key))
                                   : store.put(txn, key, value_of(key, stamp)));
    }
    return {};
  }

  Result<void> write_group(bool waits_later) {
    const uint64_t group = random_() % kGroups;
    const uint64_t stamp = next_stamp();
    AETHER_TRY_ASSIGN(Transaction txn, env_.begin());
    AETHER_TRY(fill_group(txn, group, stamp, kRowsOfGroup));
    Entry& entry = mine_.groups[group];
    entry.tried.store(stamp);
    if (waits_later) {
      AETHER_TRY_ASSIGN(const CommitTicket ticket, txn.commit_async());
      AETHER_TRY(ticket.wait());
    } else {
      AETHER_TRY(txn.commit());
    }
    acknowledge(entry, stamp);
    return {};
  }

  /// Its stamp is never said to be tried: if it shows, it was not taken back.
  Result<void> abort_group() {
    const uint64_t group = random_() % kGroups;
    AETHER_TRY_ASSIGN(Transaction txn, env_.begin());
    AETHER_TRY(fill_group(txn, group, next_stamp(), 1 + random_() % kRowsOfGroup));
    ledger_.aborts.fetch_add(1);
    if (random_() % 2 == 0) return txn.abort();
    return {};  // Dropped.
  }

  /// In turn over all relaxed rows, so that a hole in the sequence shows; now and then one that waits.
  Result<void> write_relaxed() {
    for (uint64_t i = 0; i < 8; ++i) {
      const uint64_t n = mine_.relaxed.tried.load() + 1;
      const std::string key = relaxed_key(number_, n % kRelaxed);
      const bool waits = i == 0 && random_() % 4 == 0;
      AETHER_TRY_ASSIGN(Transaction txn,
                        env_.begin({.durability = waits ? Durability::group : Durability::none,
                                    .env_durability = false}));
      AETHER_TRY(store_of(number_).put(txn, key, testing_support::stamped_value(key, n, 60)));
      mine_.relaxed.tried.store(n);
      AETHER_TRY(txn.commit());
      if (waits) acknowledge(mine_.relaxed, n);
    }
    return {};
  }

  /// The account's lock row, written first, keeps it for this transaction. False: somebody else has it.
  Result<bool> take_account(Transaction& txn, uint64_t number, Account& account) {
    const Result<void> locked = store_of(number).put(txn, lock_key(number), "taken");
    if (!locked && locked.error().code() == Code::conflict) return false;
    if (!locked) return locked.error().clone();
    AETHER_TRY_ASSIGN(const std::string value, store_of(number).get(txn, account_key(number)));
    if (!parse_account(value, account)) return Error(Code::corruption, "an account is damaged");
    return true;
  }

  /// From one account to another, whoever wrote them last: the sum stays, in every state that can be recovered.
  Result<void> move_money() {
    const uint64_t from = random_() % kAccounts;
    const uint64_t to = (from + 1 + random_() % (kAccounts - 1)) % kAccounts;
    AETHER_TRY_ASSIGN(Transaction txn, env_.begin());
    Account source;
    Account target;
    AETHER_TRY_ASSIGN(const bool has_source, take_account(txn, from, source));
    if (!has_source) return txn.abort();
    AETHER_TRY_ASSIGN(const bool has_target, take_account(txn, to, target));
    if (!has_target) return txn.abort();
    const uint64_t amount = random_() % (source.balance + 1);
    source = {source.balance - amount, source.moves + 1};
    target = {target.balance + amount, target.moves + 1};
    AETHER_TRY(store_of(from).put(txn, account_key(from), account_value(source)));
    AETHER_TRY(store_of(to).put(txn, account_key(to), account_value(target)));
    if (random_() % 4 == 0) {
      ledger_.aborts.fetch_add(1);
      return txn.abort();
    }
    AETHER_TRY(txn.commit());
    raise(ledger_.account_moves[from], source.moves);
    raise(ledger_.account_moves[to], target.moves);
    ledger_.acknowledgements.fetch_add(1);
    return {};
  }

  static void raise(std::atomic<uint64_t>& highest, uint64_t value) noexcept {
    uint64_t seen = highest.load();
    while (seen < value && !highest.compare_exchange_weak(seen, value)) {
    }
  }

  DbEnv& env_;
  std::vector<KvStore> stores_;
  Ledger& ledger_;
  WriterLedger& mine_;
  const uint64_t number_;
  std::mt19937_64 random_;
};

}  // namespace aether::crash
