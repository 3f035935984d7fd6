/// LMDB: a memory-mapped copy-on-write B+ tree with one writer.
///
/// No-wait runs use MDB_WRITEMAP|MDB_NOSYNC. LMDB has no log, so this is a weaker promise than a
/// log in the kernel's hands: it survives the death of the process, but after a crash of the
/// machine the file may be corrupt. sync-put runs with LMDB's own default durability.
#if defined(AETHER_PEERS_HAVE_LMDB)

#include <lmdb.h>

#include "engine.h"

namespace aether::bench {
namespace {

constexpr uint64_t kMapBytes = 64 * GiB;  // Address space and a sparse file, not memory.
constexpr unsigned kMaxReaders = 512;

MDB_val to_val(Bytes bytes) { return {bytes.size(), const_cast<char*>(bytes.data())}; }
Bytes to_bytes(const MDB_val& val) { return {static_cast<const char*>(val.mv_data), val.mv_size}; }

Error lmdb_error(const char* call, int rc) {
  return Error(Code::io_error, std::string("LMDB: ") + call + ": " + mdb_strerror(rc));
}

class LmdbSession final : public Session {
 public:
  LmdbSession(MDB_env* env, MDB_dbi dbi) : env_(env), dbi_(dbi) {}
  ~LmdbSession() override {
    if (cursor_ != nullptr) mdb_cursor_close(cursor_);
    if (read_ != nullptr) mdb_txn_abort(read_);
    if (write_ != nullptr) mdb_txn_abort(write_);
  }

  Answer get(Bytes key, std::string& value) override {
    return visit(key, [&value](Bytes found) { value.assign(found); });
  }

  Answer visit(Bytes key, FunctionRef<void(Bytes value)> visitor) override {
    if (const int rc = enter(); rc != 0) return fail(lmdb_error("mdb_txn_renew", rc));
    MDB_val k = to_val(key);
    MDB_val v;
    const int rc = mdb_get(read_, dbi_, &k, &v);
    if (rc == 0) visitor(to_bytes(v));
    mdb_txn_reset(read_);
    return answer("mdb_get", rc);
  }

  Answer multi_get(std::span<const Bytes> keys, BatchVisitor visitor) override {
    if (const int rc = enter(); rc != 0) return fail(lmdb_error("mdb_txn_renew", rc));
    int rc = 0;
    for (size_t i = 0; i < keys.size() && (rc == 0 || rc == MDB_NOTFOUND); ++i) {
      MDB_val k = to_val(keys[i]);
      MDB_val v;
      rc = mdb_get(read_, dbi_, &k, &v);
      const Bytes found = rc == 0 ? to_bytes(v) : Bytes();
      if (rc == 0 || rc == MDB_NOTFOUND) visitor(i, rc == 0 ? &found : nullptr);
    }
    mdb_txn_reset(read_);
    return rc == MDB_NOTFOUND ? Answer::ok : answer("mdb_get", rc);
  }

  Answer put(Bytes key, Bytes value) override {
    if (const Answer begun = begin(); begun != Answer::ok) return begun;
    if (const Answer done = txn_put(key, value); done != Answer::ok) return give_up(done);
    return commit();
  }

  Answer remove(Bytes key) override {
    if (const Answer begun = begin(); begun != Answer::ok) return begun;
    MDB_val k = to_val(key);
    const int rc = mdb_del(write_, dbi_, &k, nullptr);
    if (rc != 0 && rc != MDB_NOTFOUND) return give_up(answer("mdb_del", rc));
    return commit();
  }

  Answer scan(Bytes from, bool reverse, uint32_t limit,
              FunctionRef<void(Bytes key, Bytes value)> visitor) override {
    if (const int rc = enter(); rc != 0) return fail(lmdb_error("mdb_txn_renew", rc));
    int rc = cursor_ == nullptr ? mdb_cursor_open(read_, dbi_, &cursor_)
                                : mdb_cursor_renew(read_, cursor_);
    MDB_val k = to_val(from);
    MDB_val v;
    if (rc == 0) rc = mdb_cursor_get(cursor_, &k, &v, MDB_SET_RANGE);
    if (reverse) {
      if (rc == MDB_NOTFOUND) {
        rc = mdb_cursor_get(cursor_, &k, &v, MDB_LAST);
      } else if (rc == 0 && to_bytes(k) != from) {
        rc = mdb_cursor_get(cursor_, &k, &v, MDB_PREV);
      }
    }
    for (uint32_t n = 0; rc == 0;) {
      visitor(to_bytes(k), to_bytes(v));
      if (++n == limit) break;
      rc = mdb_cursor_get(cursor_, &k, &v, reverse ? MDB_PREV : MDB_NEXT);
    }
    mdb_txn_reset(read_);
    return rc == MDB_NOTFOUND ? Answer::ok : answer("mdb_cursor_get", rc);
  }

  Answer begin() override {
    const int rc = mdb_txn_begin(env_, nullptr, 0, &write_);
    if (rc != 0) write_ = nullptr;
    return answer("mdb_txn_begin", rc);
  }

  Answer txn_get(Bytes key, std::string& value) override {
    MDB_val k = to_val(key);
    MDB_val v;
    const int rc = mdb_get(write_, dbi_, &k, &v);
    if (rc == 0) value.assign(to_bytes(v));
    return answer("mdb_get", rc);
  }

  Answer txn_put(Bytes key, Bytes value) override {
    MDB_val k = to_val(key);
    MDB_val v = to_val(value);
    return answer("mdb_put", mdb_put(write_, dbi_, &k, &v, 0));
  }

  Answer commit() override {
    const int rc = mdb_txn_commit(write_);
    write_ = nullptr;  // Freed by the call, whatever it says.
    return answer("mdb_txn_commit", rc);
  }

  void abort() override {
    if (write_ != nullptr) mdb_txn_abort(write_);
    write_ = nullptr;
  }

  Answer begin_snapshot() override {
    const int rc = enter();
    return rc == 0 ? Answer::ok : fail(lmdb_error("mdb_txn_renew", rc));
  }

  Answer snapshot_get(Bytes key, std::string& value) override {
    MDB_val k = to_val(key);
    MDB_val v;
    const int rc = mdb_get(read_, dbi_, &k, &v);
    if (rc == 0) value.assign(to_bytes(v));
    return answer("mdb_get", rc);
  }

  void end_snapshot() override { mdb_txn_reset(read_); }

 private:
  using Session::fail;
  Answer fail(const Error& error) { return fail(std::string(error.message())); }

  /// A fresh snapshot in the one read handle of this thread: no allocation, no reader slot to find.
  int enter() {
    if (read_ != nullptr) return mdb_txn_renew(read_);
    return mdb_txn_begin(env_, nullptr, MDB_RDONLY, &read_);
  }

  Answer answer(const char* call, int rc) {
    if (rc == 0) return Answer::ok;
    if (rc == MDB_NOTFOUND) return Answer::not_found;
    return fail(lmdb_error(call, rc));
  }

  Answer give_up(Answer why) {
    abort();
    return why;
  }

  MDB_env* env_;
  MDB_dbi dbi_;
  MDB_txn* read_ = nullptr;
  MDB_txn* write_ = nullptr;
  MDB_cursor* cursor_ = nullptr;
};

class LmdbEngine final : public Engine {
 public:
  ~LmdbEngine() override {
    if (env_ != nullptr) mdb_env_close(env_);
  }

  Result<void> open(const EngineConfig& config) override {
    sync_ = config.sync_commits;
    larger_than_memory_ = config.larger_than_memory;
    if (const int rc = mdb_env_create(&env_); rc != 0) return lmdb_error("mdb_env_create", rc);
    int rc = mdb_env_set_mapsize(env_, kMapBytes);
    if (rc == 0) rc = mdb_env_set_maxreaders(env_, kMaxReaders);
    // Without MDB_WRITEMAP where not all pages stay in memory: a page is then not read before it is overwritten.
    const unsigned flags = MDB_NOTLS | (sync_ ? 0U : MDB_NOSYNC) |
                           (sync_ || larger_than_memory_ ? 0U : MDB_WRITEMAP) |
                           (larger_than_memory_ ? MDB_NORDAHEAD : 0U);
    if (rc == 0) rc = mdb_env_open(env_, config.dir.c_str(), flags, 0600);
    if (rc != 0) return lmdb_error("mdb_env_open", rc);
    return open_table();
  }

  Result<void> close() override {
    mdb_env_close(env_);
    env_ = nullptr;
    return {};
  }

  Result<std::unique_ptr<Session>> session() override {
    return std::unique_ptr<Session>(std::make_unique<LmdbSession>(env_, dbi_));
  }

  Result<void> settle() override {
    if (const int rc = mdb_env_sync(env_, 1); rc != 0) return lmdb_error("mdb_env_sync", rc);
    return {};
  }

  std::string version() const override {
    return std::to_string(MDB_VERSION_MAJOR) + "." + std::to_string(MDB_VERSION_MINOR) + "." +
           std::to_string(MDB_VERSION_PATCH);
  }

  std::string describe() const override {
    const std::string common =
        "map 64 GiB, one read handle a thread renewed for each operation, cached by the page "
        "cache, ";
    if (sync_) return common + "default durability (pwrite + fdatasync, synchronous meta page)";
    return common + (larger_than_memory_ ? "MDB_NORDAHEAD|MDB_NOSYNC" : "MDB_WRITEMAP|MDB_NOSYNC") +
           ": no log; a crash of the machine may corrupt it";
  }

 private:
  Result<void> open_table() {
    MDB_txn* txn = nullptr;
    if (const int rc = mdb_txn_begin(env_, nullptr, 0, &txn); rc != 0) {
      return lmdb_error("mdb_txn_begin", rc);
    }
    if (const int rc = mdb_dbi_open(txn, nullptr, 0, &dbi_); rc != 0) {
      mdb_txn_abort(txn);
      return lmdb_error("mdb_dbi_open", rc);
    }
    if (const int rc = mdb_txn_commit(txn); rc != 0) return lmdb_error("mdb_txn_commit", rc);
    return {};
  }

  MDB_env* env_ = nullptr;
  MDB_dbi dbi_ = 0;
  bool sync_ = false;
  bool larger_than_memory_ = false;
};

}  // namespace

EngineKind lmdb_kind() {
  return {"lmdb",
          "lmdb",
          [] { return std::unique_ptr<Engine>(std::make_unique<LmdbEngine>()); },
          [](const EngineConfig&) { return std::string(); },
          true,
          "one get after the other in one snapshot, the library has no batch get"};
}

}  // namespace aether::bench

#endif  // AETHER_PEERS_HAVE_LMDB
