// What a recovered environment must hold, by the ledger of those who wrote to it until they were killed.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "aether/aether.hpp"
#include "crash/kill_ledger.h"

namespace aether::crash {

inline Result<std::vector<KvStore>> open_stores(DbEnv& env) {
  std::vector<KvStore> stores;
  for (const char* name : kStores) {
    AETHER_TRY_ASSIGN(const KvStore store, env.open_store(name));
    stores.push_back(store);
  }
  return stores;
}

/// Compares a recovered environment with the ledger, and notes in it what has become of the writes in between.
class Inspector {
 public:
  Inspector(DbEnv& env, std::vector<KvStore> stores, Ledger& ledger)
      : env_(env), stores_(std::move(stores)), ledger_(ledger) {}

  void inspect() {
    const Result<VerifyReport> report = env_.verify();
    ASSERT_TRUE(report.has_value()) << report.error().message();
    for (const VerifyProblem& problem : report->problems) {
      ADD_FAILURE() << "page " << problem.page_id << " of '" << problem.store
                    << "': " << problem.message;
    }
    for (uint64_t writer = 0; writer < kWriters; ++writer) {
      inspect_singles(writer);
      inspect_groups(writer);
      inspect_relaxed(writer);
    }
    inspect_accounts();
  }

 private:
  KvStore& store_of(uint64_t row) { return stores_[row % stores_.size()]; }

  /// The row's stamp; 0 if it is not there.
  uint64_t stamp_at(KvStore& store, const std::string& key) {
    const Result<std::string> value = store.get(key);
    if (!value) {
      EXPECT_EQ(value.error().code(), Code::not_found) << value.error().message();
      return 0;
    }
    const std::optional<uint64_t> stamp = testing_support::stamp_of(key, *value);
    EXPECT_TRUE(stamp.has_value()) << key << " is damaged: " << value->size() << " bytes";
    return stamp.value_or(0);
  }

  /// Either what was acknowledged last, or what was on its way.
  void settle(Entry& entry, uint64_t found, const std::string& what) {
    const uint64_t acknowledged = entry.acknowledged.load();
    const uint64_t tried = entry.tried.load();
    const auto shows = [&](uint64_t stamp) { return found == (is_removal(stamp) ? 0 : stamp); };
    EXPECT_TRUE(shows(acknowledged) || shows(tried))
        << what << " holds " << found << (found == 0 ? " (not there)" : "") << "; acknowledged was "
        << acknowledged << (is_removal(acknowledged) ? " (a removal)" : "") << ", tried " << tried
        << (is_removal(tried) ? " (a removal)" : "");
    const uint64_t now = shows(tried) ? tried : acknowledged;
    entry.acknowledged.store(now);
    entry.tried.store(now);
  }

  void inspect_singles(uint64_t writer) {
    for (uint64_t row = 0; row < kSingles; ++row) {
      const std::string key = single_key(writer, row);
      settle(ledger_.writers[writer].singles[row], stamp_at(store_of(row), key), key);
    }
  }

  void inspect_groups(uint64_t writer) {
    for (uint64_t group = 0; group < kGroups; ++group) {
      const std::string first = group_key(writer, group, 0);
      const uint64_t found = stamp_at(store_of(0), first);
      for (uint64_t row = 1; row < kRowsOfGroup; ++row) {
        const std::string key = group_key(writer, group, row);
        EXPECT_EQ(stamp_at(store_of(row), key), found)
            << key << " and " << first << " were written by one transaction";
      }
      settle(ledger_.writers[writer].groups[group], found, first);
    }
  }

  /// A sequence of commits that did not wait: its end may be missing, nothing else.
  void inspect_relaxed(uint64_t writer) {
    Entry& entry = ledger_.writers[writer].relaxed;
    std::array<uint64_t, kRelaxed> found{};
    uint64_t last = 0;
    for (uint64_t row = 0; row < kRelaxed; ++row) {
      found[row] = stamp_at(store_of(writer), relaxed_key(writer, row));
      last = std::max(last, found[row]);
    }
    EXPECT_GE(last, entry.acknowledged.load()) << "writer " << writer << " lost what was durable";
    EXPECT_LE(last, entry.tried.load()) << "writer " << writer << " has a row never committed";
    for (uint64_t row = 0; row < kRelaxed; ++row) {
      const uint64_t back = (last + kRelaxed - row) % kRelaxed;
      const uint64_t expected = last > back ? last - back : 0;
      EXPECT_EQ(found[row], expected)
          << "writer " << writer << ": commit " << last << " is there, an earlier one is not";
    }
    entry.acknowledged.store(last);
    entry.tried.store(last);
  }

  void inspect_accounts() {
    uint64_t sum = 0;
    for (uint64_t number = 0; number < kAccounts; ++number) {
      const Result<std::string> value = store_of(number).get(account_key(number));
      ASSERT_TRUE(value.has_value()) << value.error().message();
      Account account;
      ASSERT_TRUE(parse_account(*value, account)) << "account " << number;
      sum += account.balance;
      EXPECT_GE(account.moves, ledger_.account_moves[number].load())
          << "account " << number << " lost an acknowledged move";
      ledger_.account_moves[number].store(account.moves);
    }
    EXPECT_EQ(sum, kAccounts * kOpeningBalance)
        << "half of a move is there, or one without the move that it builds on";
  }

  DbEnv& env_;
  std::vector<KvStore> stores_;
  Ledger& ledger_;
};

}  // namespace aether::crash
