/// LevelDB: one database; a put is with the kernel when it returns (sync=false), or durable (sync=true).
///
/// It has no transactions: workloads that need them leave it out.
#if defined(AETHER_PEERS_HAVE_LEVELDB)

#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/filter_policy.h>
#include <leveldb/options.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "engine.h"
#include "ticker.h"

namespace aether::bench {
namespace {

constexpr uint64_t kWriteBufferBytes = 128 * MiB;
constexpr uint64_t kWriteBufferOfAllBytes = 1 * GiB;  ///< Never full: what is put stays in the log.
constexpr size_t kFileBytes = 64 * MiB;
constexpr std::chrono::milliseconds kMapLookInterval{100};

leveldb::Slice to_slice(Bytes bytes) { return {bytes.data(), bytes.size()}; }
Bytes to_bytes(const leveldb::Slice& slice) { return {slice.data(), slice.size()}; }

/// The kernel is not to read ahead of faults in the tables, which LevelDB maps without a word about how they are used;
/// for a random get it would read up to megabytes.
void forbid_reading_ahead() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find(".ldb") == std::string::npos) continue;
    char* end = nullptr;
    const uint64_t from = std::strtoull(line.c_str(), &end, 16);
    const uint64_t to = std::strtoull(end + 1, nullptr, 16);
    // Advice only: a table that has been let go meanwhile costs nothing.
    static_cast<void>(::madvise(reinterpret_cast<void*>(from), to - from, MADV_RANDOM));
  }
}

class LevelSession final : public Session {
 public:
  LevelSession(leveldb::DB& db, bool sync) : db_(db) { write_.sync = sync; }

  Answer get(Bytes key, std::string& value) override {
    return answer("Get", db_.Get(read_, to_slice(key), &value));
  }

  Answer visit(Bytes key, FunctionRef<void(Bytes value)> visitor) override {
    const Answer got = get(key, value_);
    if (got == Answer::ok) visitor(value_);
    return got;
  }

  Answer put(Bytes key, Bytes value) override {
    return answer("Put", db_.Put(write_, to_slice(key), to_slice(value)));
  }

  Answer remove(Bytes key) override { return answer("Delete", db_.Delete(write_, to_slice(key))); }

  Answer scan(Bytes from, bool reverse, uint32_t limit,
              FunctionRef<void(Bytes key, Bytes value)> visitor) override {
    const std::unique_ptr<leveldb::Iterator> it(db_.NewIterator(read_));
    it->Seek(to_slice(from));
    if (reverse) {
      if (!it->Valid()) {
        it->SeekToLast();
      } else if (to_bytes(it->key()) != from) {
        it->Prev();
      }
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

  Answer begin() override { return no_transactions(); }
  Answer txn_get(Bytes, std::string&) override { return no_transactions(); }
  Answer txn_put(Bytes, Bytes) override { return no_transactions(); }
  Answer commit() override { return no_transactions(); }
  void abort() override {}

  Answer begin_snapshot() override {
    snapshot_read_.snapshot = db_.GetSnapshot();
    return Answer::ok;
  }
  Answer snapshot_get(Bytes key, std::string& value) override {
    return answer("Get", db_.Get(snapshot_read_, to_slice(key), &value));
  }
  void end_snapshot() override { db_.ReleaseSnapshot(snapshot_read_.snapshot); }

 private:
  Answer no_transactions() { return fail("LevelDB has no transactions"); }

  Answer answer(const char* call, const leveldb::Status& status) {
    if (status.ok()) return Answer::ok;
    if (status.IsNotFound()) return Answer::not_found;
    return fail(std::string("LevelDB: ") + call + ": " + status.ToString());
  }

  leveldb::DB& db_;
  leveldb::ReadOptions read_;
  leveldb::ReadOptions snapshot_read_;  ///< At the open snapshot.
  leveldb::WriteOptions write_;
  std::string value_;
};

class LevelEngine final : public Engine {
 public:
  Result<void> open(const EngineConfig& config) override {
    config_ = config;
    cache_.reset(leveldb::NewLRUCache(config.pool_bytes));
    filter_.reset(leveldb::NewBloomFilterPolicy(10));
    leveldb::Options options;
    options.create_if_missing = true;
    options.compression = leveldb::kNoCompression;
    options.write_buffer_size = write_buffer_bytes();
    options.max_file_size = kFileBytes;
    options.block_cache = cache_.get();
    options.filter_policy = filter_.get();
    leveldb::DB* db = nullptr;
    const leveldb::Status opened = leveldb::DB::Open(options, config.dir, &db);
    if (!opened.ok()) return Error(Code::io_error, "LevelDB: Open: " + opened.ToString());
    db_.reset(db);
    if (config.larger_than_memory) {
      maps_ = std::make_unique<Ticker>(kMapLookInterval, forbid_reading_ahead);
    }
    return {};
  }

  Result<void> close() override {
    maps_.reset();
    db_.reset();
    return {};
  }

  Result<std::unique_ptr<Session>> session() override {
    return std::unique_ptr<Session>(std::make_unique<LevelSession>(*db_, config_.sync_commits));
  }

  Result<void> settle() override {
    db_->CompactRange(nullptr, nullptr);  // Nothing else waits for the background.
    return {};
  }

  std::string version() const override {
    return std::to_string(leveldb::kMajorVersion) + "." + std::to_string(leveldb::kMinorVersion);
  }

  std::string describe() const override {
    return "block cache " + std::to_string(config_.pool_bytes / MiB) +
           " MiB (tables are mapped: the page cache holds them), bloom 10 bits, 4 KiB blocks, 64 "
           "MiB files, write buffer " +
           std::to_string(write_buffer_bytes() / MiB) + " MiB, no compression, " +
           (config_.larger_than_memory ? "MADV_RANDOM on its tables, " : "") +
           (config_.sync_commits ? "sync=true" : "sync=false");
  }

 private:
  uint64_t write_buffer_bytes() const {
    if (config_.keep_log) return kWriteBufferOfAllBytes;
    if (!config_.larger_than_memory) return kWriteBufferBytes;
    return std::clamp<uint64_t>(config_.pool_bytes / 4, 1 * MiB, 32 * MiB);
  }

  EngineConfig config_;
  std::unique_ptr<leveldb::Cache> cache_;
  std::unique_ptr<const leveldb::FilterPolicy> filter_;
  std::unique_ptr<leveldb::DB> db_;  // After what it uses: it ends first.
  std::unique_ptr<Ticker> maps_;
};

}  // namespace

EngineKind leveldb_kind() {
  return {"leveldb", "leveldb",
          [] { return std::unique_ptr<Engine>(std::make_unique<LevelEngine>()); },
          [](const EngineConfig& config) -> std::string {
            return config.transactions ? "it has no transactions" : "";
          },
          true};
}

}  // namespace aether::bench

#endif  // AETHER_PEERS_HAVE_LEVELDB
