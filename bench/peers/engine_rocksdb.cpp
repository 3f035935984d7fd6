/// RocksDB, in four forms:
///
///   rocksdb              WAL with sync=false: the log record is with the kernel when put returns.
///   rocksdb-bufferedwal  the WAL stays in the process and a thread hands it over every 20 ms: the
///                        same promise as Aether's Durability::none.
///   rocksdb-occ          OptimisticTransactionDB, for transactions only; the other two use
///                        TransactionDB with deadlock detection there.
///   rocksdb-universal    as rocksdb, with universal compaction as it comes: sorted runs of about the same size become one, which
///                        is what tiered merging is.
#if defined(AETHER_PEERS_HAVE_ROCKSDB)

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/optimistic_transaction_db.h>
#include <rocksdb/utilities/transaction.h>
#include <rocksdb/utilities/transaction_db.h>
#include <rocksdb/version.h>
#include <rocksdb/write_buffer_manager.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "engine.h"
#include "ticker.h"

namespace aether::bench {
namespace {

constexpr uint64_t kMemtableBytes = 64 * MiB;
constexpr uint64_t kMemtableOfAllBytes = 1 * GiB;  ///< Never full: what is put stays in the log.
constexpr int kBackgroundJobs = 3;

enum class Form : uint8_t { plain, buffered_wal, optimistic, universal };

rocksdb::Slice to_slice(Bytes bytes) { return {bytes.data(), bytes.size()}; }
Bytes to_bytes(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

Result<void> check(const char* call, const rocksdb::Status& status) {
  if (status.ok()) return {};
  return Error(Code::io_error, std::string("RocksDB: ") + call + ": " + status.ToString());
}

/// Starts a transaction, or begins `reused` anew; which class of database it is, is known at open.
using BeginTransaction = rocksdb::Transaction* (*)(rocksdb::DB& db,
                                                   const rocksdb::WriteOptions& options,
                                                   rocksdb::Transaction* reused);

class RocksSession final : public Session {
 public:
  RocksSession(rocksdb::DB& db, bool sync, BeginTransaction begin_transaction)
      : db_(db), begin_(begin_transaction) {
    write_.sync = sync;
  }

  Answer get(Bytes key, std::string& value) override {
    return visit(key, [&value](Bytes found) { value.assign(found); });
  }

  Answer visit(Bytes key, FunctionRef<void(Bytes value)> visitor) override {
    const rocksdb::Status got = db_.Get(read_, db_.DefaultColumnFamily(), to_slice(key), &pinned_);
    if (got.ok()) visitor(to_bytes(pinned_));
    pinned_.Reset();
    return answer("Get", got);
  }

  Answer multi_get(std::span<const Bytes> keys, BatchVisitor visitor) override {
    slices_.clear();
    for (const Bytes key : keys) slices_.push_back(to_slice(key));
    if (values_.size() < keys.size()) values_ = std::vector<rocksdb::PinnableSlice>(keys.size());
    statuses_.resize(keys.size());
    db_.MultiGet(read_, db_.DefaultColumnFamily(), keys.size(), slices_.data(), values_.data(),
                 statuses_.data());
    Answer all = Answer::ok;
    for (size_t i = 0; i < keys.size(); ++i) {
      const Answer one = answer("MultiGet", statuses_[i]);
      const Bytes found = to_bytes(values_[i]);
      if (one == Answer::ok || one == Answer::not_found) {
        visitor(i, one == Answer::ok ? &found : nullptr);
      } else {
        all = one;
      }
      values_[i].Reset();
    }
    return all;
  }

  Answer put(Bytes key, Bytes value) override {
    return answer("Put", db_.Put(write_, to_slice(key), to_slice(value)));
  }

  Answer remove(Bytes key) override { return answer("Delete", db_.Delete(write_, to_slice(key))); }

  Answer scan(Bytes from, bool reverse, uint32_t limit,
              FunctionRef<void(Bytes key, Bytes value)> visitor) override {
    // A new iterator a scan: a kept one would go on seeing the state of its creation.
    const std::unique_ptr<rocksdb::Iterator> it(db_.NewIterator(read_));
    if (reverse) {
      it->SeekForPrev(to_slice(from));
    } else {
      it->Seek(to_slice(from));
    }
    for (uint32_t n = 0; n < limit && it->Valid(); ++n) {
      visitor(to_bytes(it->key()), to_bytes(it->value()));
      if (reverse) {
        it->Prev();
      } else {
        it->Next();
      }
    }
    return answer("Iterator", it->status());
  }

  Answer scan_range(Bytes from, Bytes end,
                    FunctionRef<void(Bytes key, Bytes value)> visitor) override {
    const rocksdb::Slice upper = to_slice(end);
    rocksdb::ReadOptions bounded = read_;
    bounded.iterate_upper_bound = &upper;
    const std::unique_ptr<rocksdb::Iterator> it(db_.NewIterator(bounded));
    for (it->Seek(to_slice(from)); it->Valid(); it->Next())
      visitor(to_bytes(it->key()), to_bytes(it->value()));
    return answer("Iterator", it->status());
  }

  Answer begin() override {
    txn_.reset(begin_(db_, write_, txn_.release()));
    txn_read_.snapshot = txn_->GetSnapshot();
    return Answer::ok;
  }

  /// Reads the snapshot, locks the key, and is Busy if the key has been written since: first updater wins.
  Answer txn_get(Bytes key, std::string& value) override {
    return answer("GetForUpdate", txn_->GetForUpdate(txn_read_, to_slice(key), &value));
  }

  Answer txn_put(Bytes key, Bytes value) override {
    return answer("Transaction::Put", txn_->Put(to_slice(key), to_slice(value)));
  }

  Answer commit() override { return answer("Commit", txn_->Commit()); }
  void abort() override { txn_->Rollback().PermitUncheckedError(); }

  Answer begin_snapshot() override {
    snapshot_read_.snapshot = db_.GetSnapshot();
    return Answer::ok;
  }

  Answer snapshot_get(Bytes key, std::string& value) override {
    const rocksdb::Status got = db_.Get(snapshot_read_, db_.DefaultColumnFamily(), to_slice(key),
                                        &pinned_);
    if (got.ok()) value.assign(to_bytes(pinned_));
    pinned_.Reset();
    return answer("Get", got);
  }

  void end_snapshot() override { db_.ReleaseSnapshot(snapshot_read_.snapshot); }

 private:
  Answer answer(const char* call, const rocksdb::Status& status) {
    if (status.ok()) return Answer::ok;
    if (status.IsNotFound()) return Answer::not_found;
    if (status.IsBusy() || status.IsTimedOut() || status.IsTryAgain()) return Answer::conflict;
    return fail(std::string("RocksDB: ") + call + ": " + status.ToString());
  }

  rocksdb::DB& db_;
  const BeginTransaction begin_;
  rocksdb::ReadOptions read_;
  rocksdb::ReadOptions txn_read_;       ///< At the transaction's snapshot.
  rocksdb::ReadOptions snapshot_read_;  ///< At the open snapshot.
  rocksdb::WriteOptions write_;
  rocksdb::PinnableSlice pinned_;
  std::unique_ptr<rocksdb::Transaction> txn_;
  // Of multi_get, kept for the next one.
  std::vector<rocksdb::Slice> slices_;
  std::vector<rocksdb::PinnableSlice> values_;
  std::vector<rocksdb::Status> statuses_;
};

rocksdb::Transaction* begin_locking(rocksdb::DB& db, const rocksdb::WriteOptions& options,
                                    rocksdb::Transaction* reused) {
  rocksdb::TransactionOptions txn_options;
  txn_options.deadlock_detect = true;
  txn_options.set_snapshot = true;
  return static_cast<rocksdb::TransactionDB&>(db).BeginTransaction(options, txn_options, reused);
}

rocksdb::Transaction* begin_optimistic(rocksdb::DB& db, const rocksdb::WriteOptions& options,
                                       rocksdb::Transaction* reused) {
  rocksdb::OptimisticTransactionOptions txn_options;
  txn_options.set_snapshot = true;
  return static_cast<rocksdb::OptimisticTransactionDB&>(db).BeginTransaction(options, txn_options,
                                                                             reused);
}

class RocksEngine final : public Engine {
 public:
  explicit RocksEngine(Form form) : form_(form) {}

  Result<void> open(const EngineConfig& config) override {
    config_ = config;
    const rocksdb::Options options = make_options();
    if (!config.transactions) {
      rocksdb::DB* db = nullptr;
      AETHER_TRY(check("Open", rocksdb::DB::Open(options, config.dir, &db)));
      db_.reset(db);
    } else if (form_ == Form::optimistic) {
      rocksdb::OptimisticTransactionDB* db = nullptr;
      AETHER_TRY(check("Open", rocksdb::OptimisticTransactionDB::Open(options, config.dir, &db)));
      db_.reset(db);
      begin_ = begin_optimistic;
    } else {
      rocksdb::TransactionDB* db = nullptr;
      AETHER_TRY(check("Open", rocksdb::TransactionDB::Open(
                                   options, rocksdb::TransactionDBOptions(), config.dir, &db)));
      db_.reset(db);
      begin_ = begin_locking;
    }
    if (form_ == Form::buffered_wal) {
      // A failure here comes back from the next write: RocksDB turns read-only.
      flusher_ = std::make_unique<Ticker>(kLogFlushInterval,
                                          [this] { db_->FlushWAL(false).PermitUncheckedError(); });
    }
    return {};
  }

  Result<void> close() override {
    flusher_.reset();
    if (form_ == Form::buffered_wal) AETHER_TRY(check("FlushWAL", db_->FlushWAL(false)));
    AETHER_TRY(check("Close", db_->Close()));
    db_.reset();
    return {};
  }

  Result<std::unique_ptr<Session>> session() override {
    return std::unique_ptr<Session>(
        std::make_unique<RocksSession>(*db_, config_.sync_commits, begin_));
  }

  Result<void> settle() override {
    AETHER_TRY(check("Flush", db_->Flush(rocksdb::FlushOptions())));
    // Version 7.8 has no public call that waits for compactions.
    while (property("rocksdb.compaction-pending") + property("rocksdb.num-running-compactions") +
               property("rocksdb.num-running-flushes") >
           0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return check("SyncWAL", db_->SyncWAL());
  }

  std::string version() const override {
    return std::to_string(ROCKSDB_MAJOR) + "." + std::to_string(ROCKSDB_MINOR) + "." +
           std::to_string(ROCKSDB_PATCH);
  }

  std::string describe() const override {
    std::string text = "HyperClock block cache " + std::to_string(config_.pool_bytes / MiB) +
                       " MiB, bloom 10 bits, 4 KiB blocks with hash index, " +
                       (form_ == Form::universal ? "universal" : "leveled, dynamic level bytes") +
                       ", 3 background jobs, memtable " + std::to_string(memtable_bytes() / MiB) +
                       " MiB x4 with whole-key bloom, no compression, ";
    if (config_.larger_than_memory) {
      text +=
          "direct reads and direct flush/compaction, index, filters and memtables charged to the "
          "cache, ";
    }
    if (config_.transactions) {
      text += form_ == Form::optimistic ? "OptimisticTransactionDB, "
                                        : "TransactionDB with deadlock detection, ";
      text += "set_snapshot and GetForUpdate at it, ";
    }
    if (form_ == Form::buffered_wal) return text + "manual_wal_flush with FlushWAL every 20 ms";
    return text + (config_.sync_commits ? "WAL with sync=true" : "WAL with sync=false");
  }

 private:
  uint64_t property(const char* name) const {
    uint64_t value = 0;
    return db_->GetIntProperty(name, &value) ? value : 0;
  }

  /// Larger than memory, the memtables count against the cache and must leave most of it to blocks.
  uint64_t memtable_bytes() const {
    if (config_.keep_log) return kMemtableOfAllBytes;
    if (!config_.larger_than_memory) return kMemtableBytes;
    return std::clamp<uint64_t>(config_.pool_bytes / 4, 1 * MiB, 32 * MiB);
  }

  rocksdb::Options make_options() const {
    rocksdb::BlockBasedTableOptions table;
    constexpr size_t kEntryCharge = 4 * KiB + 256;  // A block and its entry.
    table.block_cache = rocksdb::HyperClockCacheOptions(config_.pool_bytes, kEntryCharge)
                            .MakeSharedCache();
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
    table.format_version = 5;

    rocksdb::Options options;
    options.create_if_missing = true;
    options.compression = rocksdb::kNoCompression;
    if (form_ == Form::universal) {
      options.compaction_style = rocksdb::kCompactionStyleUniversal;
    } else {
      options.level_compaction_dynamic_level_bytes = true;
    }
    options.max_background_jobs = kBackgroundJobs;
    options.write_buffer_size = memtable_bytes();
    options.max_write_buffer_number = 4;
    options.memtable_prefix_bloom_size_ratio = 0.1;
    options.memtable_whole_key_filtering = true;
    options.manual_wal_flush = form_ == Form::buffered_wal;
    if (config_.larger_than_memory) {
      table.cache_index_and_filter_blocks = true;
      options.use_direct_reads = true;
      options.use_direct_io_for_flush_and_compaction = true;
      options.write_buffer_manager = std::make_shared<rocksdb::WriteBufferManager>(
          2 * memtable_bytes(), table.block_cache);
    }
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    return options;
  }

  const Form form_;
  EngineConfig config_;
  std::unique_ptr<rocksdb::DB> db_;
  BeginTransaction begin_ = nullptr;
  std::unique_ptr<Ticker> flusher_;  // After db_: it ends first.
};

template <Form form>
std::unique_ptr<Engine> make() {
  return std::make_unique<RocksEngine>(form);
}

}  // namespace

EngineKind rocksdb_kind() {
  return {
      "rocksdb", "rocksdb", make<Form::plain>, [](const EngineConfig&) { return std::string(); },
      false,     "MultiGet"};
}

EngineKind rocksdb_bufferedwal_kind() {
  return {"rocksdb-bufferedwal",
          "rocksdb",
          make<Form::buffered_wal>,
          [](const EngineConfig& config) -> std::string {
            if (!config.writes) return "reads are the same as rocksdb's";
            return config.sync_commits ? "a durable commit is the same as rocksdb's" : "";
          },
          false,
          "MultiGet"};
}

EngineKind rocksdb_occ_kind() {
  return {"rocksdb-occ",
          "rocksdb",
          make<Form::optimistic>,
          [](const EngineConfig& config) -> std::string {
            return config.transactions ? "" : "outside transactions it is the same as rocksdb";
          },
          false,
          "MultiGet"};
}

EngineKind rocksdb_universal_kind() {
  return {"rocksdb-universal",
          "rocksdb-universal",
          make<Form::universal>,
          [](const EngineConfig&) { return std::string(); },
          false,
          "MultiGet"};
}

}  // namespace aether::bench

#endif  // AETHER_PEERS_HAVE_ROCKSDB
