/// WiredTiger: one table of type "file", a session and a cursor a thread, isolation "snapshot".
#if defined(AETHER_PEERS_HAVE_WIREDTIGER)

#include "engine.h"
#include "wiredtiger_connection.h"

namespace aether::bench {
namespace {

constexpr const char* kTable = "file:bench.wt";
class WiredTigerSession final : public Session {
 public:
  WiredTigerSession(WT_SESSION* session, WT_CURSOR* cursor) : session_(session), cursor_(cursor) {}
  ~WiredTigerSession() override { session_->close(session_, nullptr); }

  Answer get(Bytes key, std::string& value) override {
    return visit(key, [&value](Bytes found) { value.assign(found); });
  }

  Answer visit(Bytes key, FunctionRef<void(Bytes value)> visitor) override {
    set_key(key);
    const int rc = cursor_->search(cursor_);
    if (rc == 0) visitor(value());
    cursor_->reset(cursor_);  // Lets go of the page and, outside a transaction, of the snapshot.
    return answer("search", rc);
  }

  Answer multi_get(std::span<const Bytes> keys, BatchVisitor visitor) override {
    return multi_get_in_snapshot(keys, visitor);
  }

  Answer put(Bytes key, Bytes value) override { return leave(write(key, value)); }

  Answer remove(Bytes key) override {
    set_key(key);
    const Answer removed = answer("remove", cursor_->remove(cursor_));
    return leave(removed == Answer::not_found ? Answer::ok : removed);
  }

  Answer scan(Bytes from, bool reverse, uint32_t limit,
              FunctionRef<void(Bytes key, Bytes value)> visitor) override {
    set_key(from);
    int exact = 0;
    int rc = cursor_->search_near(cursor_, &exact);
    if (rc == 0 && !reverse && exact < 0) rc = cursor_->next(cursor_);
    if (rc == 0 && reverse && exact > 0) rc = cursor_->prev(cursor_);
    for (uint32_t n = 0; rc == 0;) {
      WT_ITEM key;
      cursor_->get_key(cursor_, &key);
      visitor(wiredtiger_bytes(key), value());
      if (++n == limit) break;
      rc = reverse ? cursor_->prev(cursor_) : cursor_->next(cursor_);
    }
    return leave(rc == WT_NOTFOUND ? Answer::ok : answer("scan", rc));
  }

  Answer begin() override {
    open_ = true;
    return answer("begin_transaction", session_->begin_transaction(session_, "isolation=snapshot"));
  }

  Answer txn_get(Bytes key, std::string& value) override { return get(key, value); }
  Answer txn_put(Bytes key, Bytes value) override { return leave(write(key, value)); }

  Answer commit() override {
    open_ = false;  // Rolled back by the call if it fails.
    return answer("commit_transaction", session_->commit_transaction(session_, nullptr));
  }

  void abort() override {
    if (open_) session_->rollback_transaction(session_, nullptr);
    open_ = false;
  }

  Answer begin_snapshot() override { return begin(); }
  Answer snapshot_get(Bytes key, std::string& value) override { return get(key, value); }
  void end_snapshot() override { abort(); }

 private:
  void set_key(Bytes key) {
    WT_ITEM item{};
    wiredtiger_set(item, key);
    cursor_->set_key(cursor_, &item);
  }

  Bytes value() {
    WT_ITEM item;
    cursor_->get_value(cursor_, &item);
    return wiredtiger_bytes(item);
  }

  Answer write(Bytes key, Bytes value) {
    set_key(key);
    WT_ITEM item{};
    wiredtiger_set(item, value);
    cursor_->set_value(cursor_, &item);
    return answer("insert", cursor_->insert(cursor_));
  }

  Answer leave(Answer done) {
    cursor_->reset(cursor_);
    return done;
  }

  Answer answer(const char* call, int rc) {
    if (rc == 0) return Answer::ok;
    if (rc == WT_NOTFOUND) return Answer::not_found;
    if (rc == WT_ROLLBACK) return Answer::conflict;
    return fail(std::string(wiredtiger_error(call, rc).message()));
  }

  WT_SESSION* session_;
  WT_CURSOR* cursor_;  ///< Closed with the session.
  bool open_ = false;
};

class WiredTigerEngine final : public Engine {
 public:
  Result<void> open(const EngineConfig& config) override {
    AETHER_TRY(connection_.open(config));
    return connection_.create(kTable);
  }

  Result<void> close() override { return connection_.close(); }

  Result<std::unique_ptr<Session>> session() override {
    AETHER_TRY_ASSIGN(WT_SESSION* const session, connection_.session());
    AETHER_TRY_ASSIGN(WT_CURSOR* const cursor, wiredtiger_cursor(session, kTable, nullptr));
    return std::unique_ptr<Session>(std::make_unique<WiredTigerSession>(session, cursor));
  }

  Result<void> settle() override { return connection_.checkpoint(); }
  std::string version() const override { return WIREDTIGER_VERSION_STRING; }
  std::string describe() const override { return connection_.describe(); }

 private:
  WiredTigerConnection connection_;
};

}  // namespace

EngineKind wiredtiger_kind() {
  return {"wiredtiger",
          "wiredtiger",
          [] { return std::unique_ptr<Engine>(std::make_unique<WiredTigerEngine>()); },
          [](const EngineConfig&) { return std::string(); },
          false,
          "one get after the other in one snapshot, the library has no batch get"};
}

}  // namespace aether::bench

#endif  // AETHER_PEERS_HAVE_WIREDTIGER
