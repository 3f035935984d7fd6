#if defined(AETHER_PEERS_HAVE_WIREDTIGER)

#include "wiredtiger_connection.h"

namespace aether::bench {
namespace {

Result<void> check(const char* call, int rc) {
  if (rc == 0) return {};
  return wiredtiger_error(call, rc);
}

}  // namespace

Error wiredtiger_error(const char* call, int rc) {
  return Error(Code::io_error, std::string("WiredTiger: ") + call + ": " + wiredtiger_strerror(rc));
}

void wiredtiger_set(WT_ITEM& item, Bytes bytes) {
  item.data = bytes.data();
  item.size = bytes.size();
}

Bytes wiredtiger_bytes(const WT_ITEM& item) {
  return {static_cast<const char*>(item.data), item.size};
}

Result<WT_CURSOR*> wiredtiger_cursor(WT_SESSION* session, const char* table, const char* options) {
  WT_CURSOR* cursor = nullptr;
  AETHER_TRY(check("open_cursor", session->open_cursor(session, table, nullptr, options, &cursor)));
  return cursor;
}

Result<void> WiredTigerConnection::open(const EngineConfig& config) {
  config_ = config;
  AETHER_TRY(check("wiredtiger_open", wiredtiger_open(config.dir.c_str(), nullptr,
                                                      connection_config().c_str(), &connection_)));
  AETHER_TRY_ASSIGN(own_, session());
  if (config.writes && !config.sync_commits) {
    AETHER_TRY_ASSIGN(flushing_, session());
    // A failure here comes back from the next commit: WiredTiger panics.
    flusher_ = std::make_unique<Ticker>(kLogFlushInterval, [this] {
      static_cast<void>(flushing_->log_flush(flushing_, "sync=off"));
    });
  }
  return {};
}

Result<void> WiredTigerConnection::close() {
  flusher_.reset();
  return check("close", connection_->close(connection_, nullptr));
}

Result<void> WiredTigerConnection::create(const char* table) {
  return check("create", own_->create(own_, table, table_config().c_str()));
}

Result<void> WiredTigerConnection::checkpoint() {
  return check("checkpoint", own_->checkpoint(own_, nullptr));
}

Result<WT_SESSION*> WiredTigerConnection::session() {
  WT_SESSION* session = nullptr;
  AETHER_TRY(
      check("open_session", connection_->open_session(connection_, nullptr, nullptr, &session)));
  return session;
}

std::string WiredTigerConnection::describe() const {
  return connection_config() + "; tables " + table_config() + "; transactions isolation=snapshot" +
         (flusher_ ? "; log_flush sync=off every 20 ms" : "");
}

std::string WiredTigerConnection::connection_config() const {
  return "create,cache_size=" + std::to_string(config_.pool_bytes / MiB) +
         "MB,session_max=300,log=(enabled=true,archive=true,file_max=256MB),transaction_sync="
         "(enabled=" +
         (config_.sync_commits ? "true" : "false") +
         ",method=fsync),eviction=(threads_min=1,threads_max=2)" +
         (config_.keep_log ? "" : ",checkpoint=(wait=60,log_size=2GB)") +
         (config_.larger_than_memory ? ",direct_io=[data]" : "");
}

std::string WiredTigerConnection::table_config() const {
  return std::string("key_format=u,value_format=u,allocation_size=4KB,leaf_page_max=") +
         (config_.larger_than_memory ? "4KB,internal_page_max=4KB" : "32KB");
}

}  // namespace aether::bench

#endif  // AETHER_PEERS_HAVE_WIREDTIGER
