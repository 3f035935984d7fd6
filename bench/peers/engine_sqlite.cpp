/// SQLite: one WITHOUT ROWID table, a connection a session, prepared statements, WAL.
///
/// Writers take a mutex of the process before BEGIN IMMEDIATE: SQLite has one writer, and its own way to wait
/// for the place is to sleep.
#if defined(AETHER_PEERS_HAVE_SQLITE)

#include <mutex>

#include "engine.h"
#include "sqlite_connection.h"

namespace aether::bench {
namespace {

constexpr const char*
    kSchema = "CREATE TABLE IF NOT EXISTS bench(k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID";

struct Statements {
  sqlite3_stmt* get = nullptr;
  sqlite3_stmt* put = nullptr;
  sqlite3_stmt* remove = nullptr;
  sqlite3_stmt* up = nullptr;
  sqlite3_stmt* down = nullptr;
  sqlite3_stmt* begin = nullptr;
  sqlite3_stmt* begin_write = nullptr;
  sqlite3_stmt* commit = nullptr;
  sqlite3_stmt* rollback = nullptr;
};

class SqliteSession final : public Session {
 public:
  SqliteSession(std::unique_ptr<SqliteConnection> connection, const Statements& statements,
                std::mutex& writer)
      : connection_(std::move(connection)), sql_(statements), writer_(writer, std::defer_lock) {}

  Answer get(Bytes key, std::string& value) override {
    return visit(key, [&value](Bytes found) { value.assign(found); });
  }

  Answer visit(Bytes key, FunctionRef<void(Bytes value)> visitor) override {
    sqlite_bind(sql_.get, 1, key);
    const int rc = sqlite3_step(sql_.get);
    if (rc == SQLITE_ROW) visitor(sqlite_column(sql_.get, 0));
    sqlite3_reset(sql_.get);
    return rc == SQLITE_DONE ? Answer::not_found : answer("SELECT", rc);
  }

  Answer multi_get(std::span<const Bytes> keys, BatchVisitor visitor) override {
    return multi_get_in_snapshot(keys, visitor);
  }

  Answer put(Bytes key, Bytes value) override {
    const std::lock_guard lock(writer_);
    return txn_put(key, value);
  }

  Answer remove(Bytes key) override {
    const std::lock_guard lock(writer_);
    sqlite_bind(sql_.remove, 1, key);
    return run("DELETE", sql_.remove);
  }

  Answer scan(Bytes from, bool reverse, uint32_t limit,
              FunctionRef<void(Bytes key, Bytes value)> visitor) override {
    sqlite3_stmt* statement = reverse ? sql_.down : sql_.up;
    sqlite_bind(statement, 1, from);
    int rc = SQLITE_DONE;
    for (uint32_t n = 0; n < limit && (rc = sqlite3_step(statement)) == SQLITE_ROW; ++n) {
      visitor(sqlite_column(statement, 0), sqlite_column(statement, 1));
    }
    sqlite3_reset(statement);
    return answer("SELECT", rc);
  }

  Answer begin() override {
    writer_.lock();
    const Answer begun = run("BEGIN IMMEDIATE", sql_.begin_write);
    if (begun != Answer::ok) writer_.unlock();
    return begun;
  }

  Answer txn_get(Bytes key, std::string& value) override { return get(key, value); }

  Answer txn_put(Bytes key, Bytes value) override {
    sqlite_bind(sql_.put, 1, key);
    sqlite_bind(sql_.put, 2, value);
    return run("INSERT", sql_.put);
  }

  Answer commit() override {
    const Answer done = run("COMMIT", sql_.commit);
    if (done == Answer::ok) writer_.unlock();
    return done;
  }

  void abort() override {
    if (!writer_.owns_lock()) return;
    static_cast<void>(run("ROLLBACK", sql_.rollback));
    writer_.unlock();
  }

  Answer begin_snapshot() override { return run("BEGIN", sql_.begin); }
  Answer snapshot_get(Bytes key, std::string& value) override { return get(key, value); }
  void end_snapshot() override { static_cast<void>(run("COMMIT", sql_.commit)); }

 private:
  Answer run(const char* what, sqlite3_stmt* statement) {
    const int rc = sqlite3_step(statement);
    sqlite3_reset(statement);
    return answer(what, rc);
  }

  Answer answer(const char* what, int rc) {
    if (rc == SQLITE_DONE || rc == SQLITE_ROW) return Answer::ok;
    if (rc == SQLITE_BUSY) return Answer::conflict;
    return fail(std::string(connection_->error(what).message()));
  }

  std::unique_ptr<SqliteConnection> connection_;
  const Statements sql_;
  std::unique_lock<std::mutex> writer_;
};

class SqliteEngine final : public Engine {
 public:
  Result<void> open(const EngineConfig& config) override {
    config_ = config;
    AETHER_TRY(own_.open(file(), sqlite_pragmas(config)));
    return own_.run(kSchema);
  }

  Result<void> close() override { return settle(); }

  Result<std::unique_ptr<Session>> session() override {
    auto connection = std::make_unique<SqliteConnection>();
    AETHER_TRY(connection->open(file(), sqlite_pragmas(config_)));
    Statements s;
    AETHER_TRY_ASSIGN(s.get, connection->prepare("SELECT v FROM bench WHERE k = ?"));
    AETHER_TRY_ASSIGN(s.put, connection->prepare("INSERT INTO bench(k, v) VALUES(?, ?) "
                                                 "ON CONFLICT(k) DO UPDATE SET v = excluded.v"));
    AETHER_TRY_ASSIGN(s.remove, connection->prepare("DELETE FROM bench WHERE k = ?"));
    AETHER_TRY_ASSIGN(s.up, connection->prepare("SELECT k, v FROM bench WHERE k >= ? ORDER BY k"));
    AETHER_TRY_ASSIGN(s.down,
                      connection->prepare("SELECT k, v FROM bench WHERE k <= ? ORDER BY k DESC"));
    AETHER_TRY_ASSIGN(s.begin, connection->prepare("BEGIN"));
    AETHER_TRY_ASSIGN(s.begin_write, connection->prepare("BEGIN IMMEDIATE"));
    AETHER_TRY_ASSIGN(s.commit, connection->prepare("COMMIT"));
    AETHER_TRY_ASSIGN(s.rollback, connection->prepare("ROLLBACK"));
    return std::unique_ptr<Session>(
        std::make_unique<SqliteSession>(std::move(connection), s, writer_));
  }

  Result<void> settle() override { return own_.run("PRAGMA wal_checkpoint(TRUNCATE)"); }

  std::string version() const override { return sqlite3_libversion(); }

  std::string describe() const override {
    return sqlite_pragmas(config_) +
           " WITHOUT ROWID, prepared statements, a connection a thread, writers behind a "
           "mutex, then BEGIN IMMEDIATE";
  }

 private:
  std::string file() const { return config_.dir + "/bench.sqlite"; }

  EngineConfig config_;
  SqliteConnection own_;
  std::mutex writer_;
};

}  // namespace

EngineKind sqlite_kind() {
  return {"sqlite",
          "sqlite",
          [] { return std::unique_ptr<Engine>(std::make_unique<SqliteEngine>()); },
          [](const EngineConfig&) { return std::string(); },
          true,
          "one get after the other in one snapshot, the library has no batch get"};
}

}  // namespace aether::bench

#endif  // AETHER_PEERS_HAVE_SQLITE
