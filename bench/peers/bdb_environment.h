/// What the adapters over Berkeley DB share: the environment, its configuration, values' memory.
///
/// Threads  BdbEnvironment: one thread opens and closes. BdbBuffer: one thread.
#pragma once
#if defined(AETHER_PEERS_HAVE_BDB)

#include <db.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aether/error.h"
#include "engine.h"
#include "ticker.h"

namespace aether::bench {

Error bdb_error(const char* call, int rc);
/// Borrows `bytes`.
DBT bdb_dbt(Bytes bytes);

/// Memory that the library grows as a value needs it; a DB_THREAD handle wants it from the caller.
class BdbBuffer {
 public:
  BdbBuffer() { dbt_.flags = DB_DBT_REALLOC; }
  BdbBuffer(const BdbBuffer&) = delete;
  BdbBuffer& operator=(const BdbBuffer&) = delete;
  ~BdbBuffer();
  DBT* dbt() noexcept { return &dbt_; }
  void assign(Bytes bytes);
  Bytes bytes() const noexcept { return {static_cast<const char*>(dbt_.data), dbt_.size}; }

 private:
  DBT dbt_{};
};

/// A transactional environment, private to the process. A deadlock is looked for whenever a lock has to wait.
/// Commits that do not wait leave their log records in the process, and a ticker writes and syncs the log every
/// 20 ms; it also checkpoints.
class BdbEnvironment {
 public:
  Result<void> open(const EngineConfig& config);
  /// Makes it if it is missing; with page versions if config.snapshots. Owned by the environment.
  Result<DB*> open_tree(const std::string& file, uint32_t page_bytes);
  /// With a last checkpoint.
  Result<void> close();
  Result<void> checkpoint();
  std::string describe() const;

  DB_ENV* get() const noexcept { return env_; }
  bool multiversion() const noexcept { return config_.snapshots; }

 private:
  Result<void> configure();
  uint64_t cache_bytes() const;
  uint32_t log_buffer_bytes() const;
  void tick();

  EngineConfig config_;
  DB_ENV* env_ = nullptr;
  std::vector<DB*> trees_;
  unsigned ticks_ = 0;
  std::unique_ptr<Ticker> ticker_;  // Last: it uses the members above.
};

}  // namespace aether::bench

#endif  // AETHER_PEERS_HAVE_BDB
