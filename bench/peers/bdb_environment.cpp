#if defined(AETHER_PEERS_HAVE_BDB)

#include "bdb_environment.h"

#include <cstdlib>
#include <cstring>

namespace aether::bench {
namespace {

constexpr uint32_t kLogBufferBytes = 32 << 20;
constexpr uint32_t kSmallLogBufferBytes = 4 << 20;  ///< Where memory is bounded.
constexpr uint32_t kLocksMax = 200000;
constexpr uint32_t kTransactionsMax = 4096;
constexpr uint32_t kCheckpointKib = 512 << 10;
constexpr unsigned kTicksPerCheckpointLook = 50;

Result<void> check(const char* call, int rc) {
  if (rc == 0) return {};
  return bdb_error(call, rc);
}

}  // namespace

Error bdb_error(const char* call, int rc) {
  return Error(Code::io_error, std::string("Berkeley DB: ") + call + ": " + db_strerror(rc));
}

DBT bdb_dbt(Bytes bytes) {
  DBT dbt{};
  dbt.data = const_cast<char*>(bytes.data());
  dbt.size = static_cast<uint32_t>(bytes.size());
  return dbt;
}

BdbBuffer::~BdbBuffer() { std::free(dbt_.data); }

void BdbBuffer::assign(Bytes bytes) {
  dbt_.data = std::realloc(dbt_.data, bytes.size() + 1);
  if (!bytes.empty()) std::memcpy(dbt_.data, bytes.data(), bytes.size());
  dbt_.size = static_cast<uint32_t>(bytes.size());
}

Result<void> BdbEnvironment::open(const EngineConfig& config) {
  config_ = config;
  AETHER_TRY(check("db_env_create", db_env_create(&env_, 0)));
  AETHER_TRY(configure());
  constexpr uint32_t kFlags = DB_CREATE | DB_PRIVATE | DB_THREAD | DB_RECOVER | DB_INIT_MPOOL |
                              DB_INIT_LOCK | DB_INIT_LOG | DB_INIT_TXN;
  AETHER_TRY(check("DB_ENV->open", env_->open(env_, config.dir.c_str(), kFlags, 0600)));
  if (config.writes) ticker_ = std::make_unique<Ticker>(kLogFlushInterval, [this] { tick(); });
  return {};
}

Result<void> BdbEnvironment::configure() {
  const uint64_t bytes = cache_bytes();
  const auto gigabytes = static_cast<uint32_t>(bytes / GiB);
  const auto rest = static_cast<uint32_t>(bytes % GiB);
  AETHER_TRY(check("set_cachesize", env_->set_cachesize(env_, gigabytes, rest, 1)));
  AETHER_TRY(check("set_lg_bsize", env_->set_lg_bsize(env_, log_buffer_bytes())));
  AETHER_TRY(check("set_lg_max", env_->set_lg_max(env_, 4 * kLogBufferBytes)));
  AETHER_TRY(check("log_set_config", env_->log_set_config(env_, DB_LOG_AUTO_REMOVE, 1)));
  AETHER_TRY(check("set_lk_detect", env_->set_lk_detect(env_, DB_LOCK_DEFAULT)));
  AETHER_TRY(check("set_lk_max_locks", env_->set_lk_max_locks(env_, kLocksMax)));
  AETHER_TRY(check("set_lk_max_objects", env_->set_lk_max_objects(env_, kLocksMax)));
  AETHER_TRY(check("set_tx_max", env_->set_tx_max(env_, kTransactionsMax)));
  if (config_.sync_commits) return {};
  return check("set_flags", env_->set_flags(env_, DB_TXN_NOSYNC, 1));
}

Result<DB*> BdbEnvironment::open_tree(const std::string& file, uint32_t page_bytes) {
  DB* db = nullptr;
  AETHER_TRY(check("db_create", db_create(&db, env_, 0)));
  trees_.push_back(db);
  AETHER_TRY(check("set_pagesize", db->set_pagesize(db, page_bytes)));
  const uint32_t flags = DB_CREATE | DB_THREAD | DB_AUTO_COMMIT |
                         (config_.snapshots ? DB_MULTIVERSION : 0U);
  AETHER_TRY(
      check("DB->open", db->open(db, nullptr, file.c_str(), nullptr, DB_BTREE, flags, 0600)));
  return db;
}

Result<void> BdbEnvironment::checkpoint() {
  return check("txn_checkpoint", env_->txn_checkpoint(env_, 0, 0, DB_FORCE));
}

Result<void> BdbEnvironment::close() {
  ticker_.reset();
  for (DB* tree : std::exchange(trees_, {})) AETHER_TRY(check("DB->close", tree->close(tree, 0)));
  AETHER_TRY(checkpoint());
  return check("DB_ENV->close", env_->close(env_, 0));
}

std::string BdbEnvironment::describe() const {
  return "cache " + std::to_string(cache_bytes() / MiB) + " MiB, DB_PRIVATE, log buffer " +
         std::to_string(log_buffer_bytes() / MiB) + " MiB, DB_LOG_AUTO_REMOVE, " +
         (config_.keep_log ? "no checkpoint" : "checkpoint every 512 MiB of log") +
         ", page locks with a deadlock check at every wait (DB_LOCK_DEFAULT), " +
         (config_.snapshots ? "DB_MULTIVERSION, " : "") +
         (config_.sync_commits ? "DB_TXN_SYNC" : "DB_TXN_NOSYNC with log_flush every 20 ms");
}

/// Larger than memory, an eighth is left to the page cache, through which it reads and writes.
uint64_t BdbEnvironment::cache_bytes() const {
  return config_.larger_than_memory ? config_.pool_bytes / 8 * 7 : config_.pool_bytes;
}

uint32_t BdbEnvironment::log_buffer_bytes() const {
  return config_.larger_than_memory ? kSmallLogBufferBytes : kLogBufferBytes;
}

/// A failure here comes back from the next commit: Berkeley DB panics.
void BdbEnvironment::tick() {
  if (!config_.sync_commits) static_cast<void>(env_->log_flush(env_, nullptr));
  if (!config_.keep_log && ++ticks_ % kTicksPerCheckpointLook == 0) {
    static_cast<void>(env_->txn_checkpoint(env_, kCheckpointKib, 0, 0));
  }
}

}  // namespace aether::bench

#endif  // AETHER_PEERS_HAVE_BDB
