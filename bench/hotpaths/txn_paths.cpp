// Transactions without rows, visibility, locks, and what figures cost.
#include <array>
#include <cstring>
#include <string_view>

#include "aether/aether.hpp"
#include "base/histogram.h"
#include "hotpaths/hot_path.h"
#include "os/os.h"
#include "txn/lock_manager.h"
#include "txn/snapshot.h"
#include "txn/transaction_table.h"
#include "wal/log.h"

namespace aether::hotpaths {
namespace {

/// A row's writer that ended before the reader's snapshot, while another transaction is open.
class VersionCheck final : public HotPath {
 public:
  VersionCheck() : log_(wal::Log::detached(1, os::production())), table_(*log_, 1) {
    for (int i = 0; i < 64; ++i) table_.forget(must(table_.open()));
    open_ = must(table_.open());
    table_.open_snapshot(snapshot_);
  }
  ~VersionCheck() override {
    table_.close_snapshot(snapshot_);
    table_.forget(open_);
  }

 private:
  void run(uint64_t count) override {
    for (uint64_t i = 0; i < count; ++i) {
      const TxnId writer = 1 + i % 64;
      const bool visible = !table_.is_open(writer) && snapshot_.sees(writer);
      keep(visible);
    }
  }
  std::unique_ptr<wal::Log> log_;
  txn::TransactionTable table_;
  txn::Snapshot snapshot_;
  TxnId open_ = 0;
};

class LockKey final : public HotPath {
  void run(uint64_t count) override {
    for (uint64_t i = 0; i < count; ++i) {
      ++number_;
      const uint64_t words[2] = {number_ * 0x9e3779b97f4a7c15, number_};
      std::array<char, sizeof words> key;
      std::memcpy(key.data(), words, sizeof words);
      txn::LockSet set(manager_, number_);
      must(
          manager_.acquire(set, txn::LockName::key(1, {key.data(), key.size()}), txn::LockMode::x));
    }
  }
  txn::LockManager manager_{txn::LockOptions{}};
  uint64_t number_ = 0;
};

class HistogramRecord final : public HotPath {
  void run(uint64_t count) override {
    uint64_t value = 1;
    for (uint64_t i = 0; i < count; ++i)
      histogram_.record(value = (value * 6364136223846793005u + 1442695040888963407u) >> 40);
    keep(histogram_);
  }
  base::Histogram histogram_;
};

/// An environment without rows.
class Empty : public HotPath {
 protected:
  Empty() {
    EnvOptions options;
    options.pool_bytes = 4 * MiB;
    options.log_streams = 1;
    options.log_segment_bytes = 4 * MiB;
    options.log_bytes_max = 16 * MiB;
    options.durability = Durability::none;
    options.io_mode = IoMode::threads;
    options.background_threads = false;
    env_ = must(DbEnv::open(place_.path("env"), options));
  }
  ~Empty() override { must(env_->close()); }

 private:
  Place place_;

 protected:
  std::unique_ptr<DbEnv> env_;
};

class TxnReadOnly final : public Empty {
  void run(uint64_t count) override {
    for (uint64_t i = 0; i < count; ++i) {
      Transaction txn = must(env_->begin({.read_only = true}));
      must(txn.commit());
    }
  }
};

class TxnEmpty final : public Empty {
  void run(uint64_t count) override {
    for (uint64_t i = 0; i < count; ++i) {
      Transaction txn = must(env_->begin());
      must(txn.commit());
    }
  }
};

constexpr HotPathKind kPaths[] = {
    {"version_check", "does a snapshot see the writer of a row", 20'000, make_path<VersionCheck>},
    {"lock_key", "a key locked exclusively by a transaction of its own, and released", 5'000,
     make_path<LockKey>},
    {"histogram_record", "a number recorded", 20'000, make_path<HistogramRecord>},
    {"txn_read_only", "begin and commit, reading only", 4'000, make_path<TxnReadOnly>},
    {"txn_empty", "begin and commit without a change", 4'000, make_path<TxnEmpty>},
};

}  // namespace

std::span<const HotPathKind> txn_paths() { return kPaths; }

}  // namespace aether::hotpaths
