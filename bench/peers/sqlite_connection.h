/// What the adapters over SQLite share: connections, statements, the configuration.
///
/// Threads  A connection belongs to one thread.
#pragma once
#if defined(AETHER_PEERS_HAVE_SQLITE)

#include <sqlite3.h>

#include <string>
#include <vector>

#include "aether/error.h"
#include "engine.h"

namespace aether::bench {

/// WAL; FULL if commits are durable, else NORMAL: a commit is with the kernel. The page cache is small and the
/// file is mapped: with a large cache version 3.40 walks all of it after page splits. Larger than memory it is not mapped: the kernel would
/// read ahead of each fault.
std::string sqlite_pragmas(const EngineConfig& config);

/// `bytes` must live until `statement` is reset.
void sqlite_bind(sqlite3_stmt* statement, int index, Bytes bytes);
/// Valid until the next step or reset.
Bytes sqlite_column(sqlite3_stmt* statement, int index);

class SqliteConnection {
 public:
  SqliteConnection() = default;
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;
  ~SqliteConnection();

  Result<void> open(const std::string& file, const std::string& pragmas);
  Result<void> run(const std::string& sql);
  /// The statement lives as long as the connection.
  Result<sqlite3_stmt*> prepare(const std::string& sql);
  /// What the last call complained of.
  Error error(const std::string& what) const;

 private:
  sqlite3* db_ = nullptr;
  std::vector<sqlite3_stmt*> statements_;
};

}  // namespace aether::bench

#endif  // AETHER_PEERS_HAVE_SQLITE
