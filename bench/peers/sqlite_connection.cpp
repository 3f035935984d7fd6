#if defined(AETHER_PEERS_HAVE_SQLITE)

#include "sqlite_connection.h"

#include <algorithm>

namespace aether::bench {
namespace {

constexpr uint64_t kMapBytesMax = 2146435072;  // What the library is compiled for.
/// Waits are short: writers queue before SQLite, only a restart of the log stands in their way.
constexpr int kBusyTimeoutMs = 10000;

const char* autocheckpoint_pages(const EngineConfig& config) {
  if (config.keep_log) return "0";
  return config.larger_than_memory ? "4096" : "32768";
}

}  // namespace

std::string sqlite_pragmas(const EngineConfig& config) {
  return "PRAGMA page_size=4096;PRAGMA journal_mode=WAL;PRAGMA synchronous=" +
         std::string(config.sync_commits ? "FULL" : "NORMAL") +
         (config.larger_than_memory
              ? ";PRAGMA cache_size=-8192;PRAGMA mmap_size=0"
              : ";PRAGMA cache_size=-32768;PRAGMA mmap_size=" +
                    std::to_string(std::min(config.pool_bytes, kMapBytesMax))) +
         ";PRAGMA wal_autocheckpoint=" + autocheckpoint_pages(config) + ";";
}

void sqlite_bind(sqlite3_stmt* statement, int index, Bytes bytes) {
  sqlite3_bind_blob(statement, index, bytes.data() == nullptr ? "" : bytes.data(),
                    static_cast<int>(bytes.size()), SQLITE_STATIC);
}

Bytes sqlite_column(sqlite3_stmt* statement, int index) {
  const void* data = sqlite3_column_blob(statement, index);
  return {static_cast<const char*>(data),
          static_cast<size_t>(sqlite3_column_bytes(statement, index))};
}

SqliteConnection::~SqliteConnection() {
  for (sqlite3_stmt* statement : statements_) sqlite3_finalize(statement);
  sqlite3_close(db_);
}

Result<void> SqliteConnection::open(const std::string& file, const std::string& pragmas) {
  constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2(file.c_str(), &db_, kFlags, nullptr) != SQLITE_OK) return error("open");
  sqlite3_busy_timeout(db_, kBusyTimeoutMs);
  return run(pragmas);
}

Result<void> SqliteConnection::run(const std::string& sql) {
  if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return error(sql);
}

Result<sqlite3_stmt*> SqliteConnection::prepare(const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(db_, sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) !=
      SQLITE_OK) {
    return error(sql);
  }
  statements_.push_back(statement);
  return statement;
}

Error SqliteConnection::error(const std::string& what) const {
  return Error(Code::io_error, "SQLite: " + what + ": " + sqlite3_errmsg(db_));
}

}  // namespace aether::bench

#endif  // AETHER_PEERS_HAVE_SQLITE
