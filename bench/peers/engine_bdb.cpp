/// Berkeley DB: one B-tree. Transactions lock in two phases, by page; snapshots are DB_TXN_SNAPSHOT over a
/// DB_MULTIVERSION tree, and workloads without snapshots do not pay for the page versions.
#if defined(AETHER_PEERS_HAVE_BDB)

#include "bdb_environment.h"
#include "engine.h"

namespace aether::bench {
namespace {

constexpr const char* kFile = "bench.db";
constexpr uint32_t kPageBytes = 4096;

class BdbSession final : public Session {
 public:
  BdbSession(DB_ENV* env, DB* db) : env_(env), db_(db) {}
  ~BdbSession() override { abort(); }

  Answer get(Bytes key, std::string& value) override { return read(key, value, 0); }

  Answer visit(Bytes key, FunctionRef<void(Bytes value)> visitor) override {
    DBT k = bdb_dbt(key);
    const int rc = db_->get(db_, txn_, &k, value_.dbt(), 0);
    if (rc == 0) visitor(value_.bytes());
    return answer("DB->get", rc);
  }

  Answer put(Bytes key, Bytes value) override { return txn_put(key, value); }

  Answer remove(Bytes key) override {
    DBT k = bdb_dbt(key);
    const Answer removed = answer("DB->del", db_->del(db_, txn_, &k, 0));
    return removed == Answer::not_found ? Answer::ok : removed;
  }

  Answer scan(Bytes from, bool reverse, uint32_t limit,
              FunctionRef<void(Bytes key, Bytes value)> visitor) override {
    DBC* cursor = nullptr;
    if (const int rc = db_->cursor(db_, txn_, &cursor, 0); rc != 0) return answer("cursor", rc);
    key_.assign(from);
    int rc = cursor->get(cursor, key_.dbt(), value_.dbt(), DB_SET_RANGE);
    if (reverse && rc == DB_NOTFOUND) {
      rc = cursor->get(cursor, key_.dbt(), value_.dbt(), DB_LAST);
    } else if (reverse && rc == 0 && key_.bytes() != from) {
      rc = cursor->get(cursor, key_.dbt(), value_.dbt(), DB_PREV);
    }
    for (uint32_t n = 0; rc == 0;) {
      visitor(key_.bytes(), value_.bytes());
      if (++n == limit) break;
      rc = cursor->get(cursor, key_.dbt(), value_.dbt(), reverse ? DB_PREV : DB_NEXT);
    }
    cursor->close(cursor);
    return rc == DB_NOTFOUND ? Answer::ok : answer("DBC->get", rc);
  }

  Answer begin() override { return begin_with(0); }
  Answer txn_get(Bytes key, std::string& value) override { return read(key, value, DB_RMW); }

  Answer txn_put(Bytes key, Bytes value) override {
    DBT k = bdb_dbt(key);
    DBT v = bdb_dbt(value);
    return answer("DB->put", db_->put(db_, txn_, &k, &v, 0));
  }

  Answer commit() override {
    DB_TXN* txn = std::exchange(txn_, nullptr);  // Freed by the call, whatever it says.
    return answer("DB_TXN->commit", txn->commit(txn, 0));
  }

  void abort() override {
    if (txn_ != nullptr) txn_->abort(txn_);
    txn_ = nullptr;
  }

  Answer begin_snapshot() override { return begin_with(DB_TXN_SNAPSHOT); }
  Answer snapshot_get(Bytes key, std::string& value) override { return read(key, value, 0); }
  void end_snapshot() override { abort(); }

 private:
  Answer begin_with(uint32_t flags) {
    return answer("txn_begin", env_->txn_begin(env_, nullptr, &txn_, flags));
  }

  Answer read(Bytes key, std::string& value, uint32_t flags) {
    DBT k = bdb_dbt(key);
    const int rc = db_->get(db_, txn_, &k, value_.dbt(), flags);
    if (rc == 0) value.assign(value_.bytes());
    return answer("DB->get", rc);
  }

  Answer answer(const char* call, int rc) {
    if (rc == 0) return Answer::ok;
    if (rc == DB_NOTFOUND) return Answer::not_found;
    if (rc == DB_LOCK_DEADLOCK || rc == DB_LOCK_NOTGRANTED) return Answer::conflict;
    return fail(std::string(bdb_error(call, rc).message()));
  }

  DB_ENV* env_;
  DB* db_;
  DB_TXN* txn_ = nullptr;
  BdbBuffer key_;
  BdbBuffer value_;
};

class BdbEngine final : public Engine {
 public:
  Result<void> open(const EngineConfig& config) override {
    AETHER_TRY(env_.open(config));
    AETHER_TRY_ASSIGN(db_, env_.open_tree(kFile, kPageBytes));
    return {};
  }

  Result<void> close() override { return env_.close(); }

  Result<std::unique_ptr<Session>> session() override {
    return std::unique_ptr<Session>(std::make_unique<BdbSession>(env_.get(), db_));
  }

  Result<void> settle() override { return env_.checkpoint(); }
  std::string version() const override { return db_version(nullptr, nullptr, nullptr); }

  std::string describe() const override {
    return "B-tree of 4 KiB pages, " + env_.describe() + ", reads before a write with DB_RMW" +
           (env_.multiversion() ? ", snapshots DB_TXN_SNAPSHOT" : "");
  }

 private:
  BdbEnvironment env_;
  DB* db_ = nullptr;
};

}  // namespace

EngineKind bdb_kind() {
  return {"bdb", "bdb", [] { return std::unique_ptr<Engine>(std::make_unique<BdbEngine>()); },
          [](const EngineConfig&) { return std::string(); }, true};
}

}  // namespace aether::bench

#endif  // AETHER_PEERS_HAVE_BDB
