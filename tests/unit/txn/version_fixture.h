// A version store over a simulated disk, and the table of transactions that it asks.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "sim/sim_os.h"
#include "txn/transaction_table.h"
#include "txn/version_store.h"

namespace aether::txn {

struct VersionFixture {
  static constexpr StoreId kStore = 7;

  sim::SimOs os;
  std::unique_ptr<wal::Log> log;
  std::unique_ptr<TransactionTable> table;
  VersionStore store;

  explicit VersionFixture(uint64_t bytes_max = 64 * MiB)
      : store({.directory = "/versions", .bytes_max = bytes_max}, os) {
    EXPECT_TRUE(os.create_directory("/log").has_value());
    wal::LogStart start;
    for (Lsn& lsn : start.lsn.at) lsn = kFirstLsn;
    log = *wal::Log::create({.directory = "/log", .background_thread = false}, start, os);
    table = std::make_unique<TransactionTable>(*log, 1);
  }
  /// A write alone: its id. `writer`: who wrote what it replaces.
  TxnId replace(const std::string& key, const std::string& old, TxnId writer) {
    const TxnId id = table->draw_id();
    Version* const version = Version::make(kStore, key, old);
    store.link(*version, writer, id);
    VersionList replaced;
    replaced.push_back(version);
    store.retire(std::move(replaced), *table);
    return id;
  }
  std::string find(const Snapshot& snapshot, const std::string& key, StoreId of = kStore) {
    std::string payload;
    const Result<bool> found = store.find(of, key, snapshot, payload);
    if (!found) return std::string(found.error().message());
    return *found ? payload : "(none)";
  }
};

}  // namespace aether::txn
