// The public calls on a btree store in memory: rows of 16 + 100 bytes, nothing waits for the disk.
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "aether/aether.hpp"
#include "hotpaths/hot_path.h"
#include "hotpaths/rows.h"
#include "hotpaths/store_reads.h"

namespace aether::hotpaths {
namespace {

class Rows : public HotPath {
 protected:
  Rows() {
    EnvOptions options;
    options.pool_bytes = 64 * MiB;
    options.log_streams = 1;
    options.log_segment_bytes = 4 * MiB;
    options.log_bytes_max = 48 * MiB;  // No checkpoint while the rows are inserted.
    options.durability = Durability::none;
    options.io_mode = IoMode::threads;
    options.background_threads = false;
    env_ = must(DbEnv::open(place_.path("env"), options));
    store_.emplace(must(env_->open_store("rows")));
    flushed_.emplace(must(env_->open_store("flushed")));
    const std::string value(kValueBytes, 'v');
    for (uint64_t row = 0; row < kRows; ++row) must(store_->insert(key_of(row), value));
    for (uint64_t i = 0; i < kRows; ++i) keys_.push_back(key_of(scramble(i + 7) % kRows));
    views_.assign(keys_.begin(), keys_.end());
  }
  ~Rows() override { must(env_->close()); }

  // The log's ring is empty then: no flush falls into the loop.
  void prepare(uint64_t /*count*/) override {
    Transaction txn = must(env_->begin({.durability = Durability::sync, .env_durability = false}));
    must(flushed_->put(txn, "", ""));
    must(txn.commit());
  }

  Bytes next_key() {
    next_ = next_ + 1 == views_.size() ? 0 : next_ + 1;
    return views_[next_];
  }
  std::span<const Bytes> next_keys(size_t count) {
    if (next_ + count > views_.size()) next_ = 0;
    next_ += count;
    return std::span<const Bytes>(views_).subspan(next_ - count, count);
  }
  /// Each time another one.
  Bytes next_value() {
    value_.assign(kValueBytes, static_cast<char>('a' + ++values_ % 26));
    return value_;
  }

 private:
  Place place_;
  std::vector<std::string> keys_;
  std::vector<Bytes> views_;
  size_t next_ = 0;
  std::string value_;
  uint64_t values_ = 0;

 protected:
  std::unique_ptr<DbEnv> env_;
  std::optional<KvStore> store_;
  std::optional<KvStore> flushed_;
};

class GetInTxn final : public Rows {
  void run(uint64_t count) override {
    Transaction txn = must(env_->begin({.read_only = true}));
    for (uint64_t i = 0; i < count; ++i) must(store_->get(txn, next_key(), value_));
    must(txn.commit());
  }
  std::string value_;
};

/// All rows have changed since the snapshot.
class GetOldVersion final : public Rows {
 public:
  GetOldVersion() {
    old_.emplace(must(env_->begin({.read_only = true})));
    for (uint64_t row = 0; row < kRows; ++row) must(store_->put(key_of(row), next_value()));
  }
  ~GetOldVersion() override { must(old_->commit()); }

 private:
  void run(uint64_t count) override {
    for (uint64_t i = 0; i < count; ++i) must(store_->get(*old_, next_key(), value_));
  }
  std::optional<Transaction> old_;
  std::string value_;
};

class Visit final : public Rows {
  void run(uint64_t count) override {
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < count; ++i)
      must(store_->visit(next_key(), [&](Bytes value) { bytes += value.size(); }));
    keep(bytes);
  }
};

class MultiGet final : public Rows {
  void run(uint64_t count) override {
    constexpr size_t kTogether = 64;
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < count; i += kTogether) {
      must(store_->multi_get(next_keys(kTogether),
                             [&](size_t, const Bytes* value) { bytes += value->size(); }));
    }
    keep(bytes);
  }
};

class CursorNext final : public Rows {
  void run(uint64_t count) override {
    Transaction txn = must(env_->begin({.read_only = true}));
    {
      Cursor cursor = store_->cursor(txn);
      uint64_t bytes = 0;
      for (uint64_t i = 0; i < count; ++i) {
        if (!must(cursor.next())) continue;  // The end: the next one is the first.
        bytes += cursor.key().size() + must(cursor.value()).size();
      }
      keep(bytes);
    }
    must(txn.commit());
  }
};

class Put final : public Rows {
  void run(uint64_t count) override {
    for (uint64_t i = 0; i < count; ++i) must(store_->put(next_key(), next_value()));
  }
};

class PutInTxn final : public Rows {
  void run(uint64_t count) override {
    for (uint64_t i = 0; i < count; ++i) {
      Transaction txn = must(env_->begin());
      must(store_->put(txn, next_key(), next_value()));
      must(txn.commit());
    }
  }
};

class PutBatch final : public Rows {
  void run(uint64_t count) override {
    constexpr uint64_t kTogether = 100;
    WriteBatch batch;
    for (uint64_t i = 0; i < count; i += kTogether) {
      batch.clear();
      for (const Bytes key : next_keys(kTogether)) batch.put(*store_, key, next_value());
      must(env_->write(batch));
    }
  }
};

/// Rows that were not there, or were: none is met twice.
class Fresh : public Rows {
 protected:
  void make(uint64_t count) {
    fresh_.clear();
    for (uint64_t i = 0; i < count; ++i) fresh_.push_back(key_of(kRows + made_++));
  }
  std::vector<std::string> fresh_;

 private:
  uint64_t made_ = 0;
};

class Insert final : public Fresh {
  void prepare(uint64_t count) override {
    Rows::prepare(count);
    make(count);
  }
  void run(uint64_t /*count*/) override {
    for (const std::string& key : fresh_) must(store_->insert(key, next_value()));
  }
};

class InsertInOrder final : public Fresh {
  void prepare(uint64_t count) override {
    Rows::prepare(count);
    fresh_.clear();
    for (uint64_t i = 0; i < count; ++i) {
      const std::string number = std::to_string(10'000'000 + next_++);
      fresh_.push_back(std::string("z").append(15 - number.size(), '0').append(number));
    }
  }
  void run(uint64_t /*count*/) override {
    for (const std::string& key : fresh_) must(store_->insert(key, next_value()));
  }
  uint64_t next_ = 0;
};

class Remove final : public Fresh {
  void prepare(uint64_t count) override {
    make(count);
    for (const std::string& key : fresh_) must(store_->insert(key, next_value()));
    Rows::prepare(count);
  }
  void run(uint64_t /*count*/) override {
    for (const std::string& key : fresh_) must(store_->remove(key));
  }
};

constexpr HotPathKind kPaths[] = {
    {"get", "a get of a random row", 4'000, make_path<GetOf<Rows>>},
    {"get_in_txn", "the same in a transaction that only reads", 4'000, make_path<GetInTxn>},
    {"get_absent", "a get of a key that is not there", 4'000, make_path<GetAbsentOf<Rows>>},
    {"get_old_version", "a get in a snapshot that is older than the row", 4'000,
     make_path<GetOldVersion>},
    {"visit", "a value shown where it lies", 4'000, make_path<Visit>},
    {"multi_get_64", "a row of 64 that are read together", 6'400, make_path<MultiGet>},
    {"scan_100", "a scan of 100 rows from a random key", 200, make_path<ScanOf<Rows, 100>>},
    {"cursor_next", "a row on by a cursor", 10'000, make_path<CursorNext>},
    {"put", "a random row gets another value, a transaction by itself", 2'000, make_path<Put>},
    {"put_in_txn", "begin, the same, commit", 2'000, make_path<PutInTxn>},
    {"put_batch_100", "a write of a batch of 100", 2'000, make_path<PutBatch>},
    {"insert", "a new row", 2'000, make_path<Insert>},
    {"insert_in_order", "a new row behind all others", 2'000, make_path<InsertInOrder>},
    {"remove", "a row removed", 2'000, make_path<Remove>},
};

}  // namespace

std::span<const HotPathKind> store_paths() { return kPaths; }

}  // namespace aether::hotpaths
