/// Aether through its public C++ API only: a store a table; snapshot and serializable transactions.
#if defined(AETHER_PEERS_HAVE_AETHER)

#include <optional>

#include "aether/aether.hpp"
#include "store.h"

namespace aether::bench::tpcc {
namespace {

class AetherConnection final : public Connection {
 public:
  AetherConnection(DbEnv& env, const std::vector<KvStore>& stores, Isolation isolation)
      : env_(env), stores_(stores) {
    options_.isolation = isolation;
  }

  Status begin() override {
    Result<Transaction> begun = env_.begin(options_);
    if (!begun) return refuse(begun.error());
    txn_.emplace(std::move(begun).value());
    return Status::ok;
  }

  Status get(Table table, Bytes key, std::string& value) override {
    return answer(store(table).get(*txn_, key, value));
  }

  /// The few rows that all transactions of a warehouse change are locked. Else no lock: the first updater of a row
  /// wins, so what has been read is what is replaced.
  Status get_for_update(Table table, Bytes key, std::string& value) override {
    if (table != Table::warehouse && table != Table::district) return get(table, key, value);
    Result<std::string> locked = store(table).lock_for_update(*txn_, key);
    if (!locked) return refuse(locked.error());
    value = *std::move(locked);
    return Status::ok;
  }

  Status get_many(Table table, std::span<const Bytes> keys, bool /*for_update*/,
                  std::span<std::string> values) override {
    bool has_all = true;
    const Result<void> read = store(table).multi_get(*txn_, keys,
                                                     [&](size_t i, const Bytes* value) {
                                                       has_all = has_all && value != nullptr;
                                                       if (value != nullptr) values[i] = *value;
                                                     });
    if (!read) return refuse(read.error());
    return has_all ? Status::ok : Status::not_found;
  }

  Status update(Table table, Bytes key, Bytes value) override {
    return answer(store(table).update(*txn_, key, value));
  }

  Status insert(Table table, Bytes key, Bytes value) override {
    return answer(store(table).insert(*txn_, key, value));
  }

  Status scan(Table table, Bytes begin, Bytes end,
              FunctionRef<bool(Bytes key, Bytes value)> visitor) override {
    Range range;
    range.begin = begin;
    range.end = end;
    const Result<uint64_t> visited = txn_ ? store(table).scan(*txn_, range, visitor)
                                          : store(table).scan(range, visitor);
    return visited ? Status::ok : refuse(visited.error());
  }

  Status commit() override {
    const Status committed = answer(txn_->commit());
    txn_.reset();
    return committed;
  }

  void abort() override { txn_.reset(); }

 private:
  KvStore& store(Table table) noexcept { return stores_[index_of(table)]; }

  Status answer(const Result<void>& result) { return result ? Status::ok : refuse(result.error()); }

  Status refuse(const Error& error) {
    switch (error.code()) {
      case Code::not_found: return Status::not_found;
      case Code::exists: return Status::exists;
      case Code::conflict: return Status::conflict;
      case Code::deadlock: return Status::deadlock;
      case Code::busy:
      case Code::timed_out: return Status::timed_out;
      default: return fail("Aether: " + std::string(error.message()));
    }
  }

  DbEnv& env_;
  std::vector<KvStore> stores_;
  TxnOptions options_;
  std::optional<Transaction> txn_;
};

class AetherDatabase final : public Database {
 public:
  explicit AetherDatabase(Isolation isolation) : isolation_(isolation) {}

  Result<void> open(const EngineConfig& config) override {
    options_.pool_bytes = config.pool_bytes;
    options_.durability = config.sync_commits ? Durability::group : Durability::none;
    AETHER_TRY_ASSIGN(env_, DbEnv::open(config.dir, options_));
    for (size_t table = 0; table < kTables; ++table) {
      AETHER_TRY_ASSIGN(const KvStore store, env_->open_store(table_name(table)));
      stores_.push_back(store);
    }
    return {};
  }

  Result<void> close() override {
    stores_.clear();
    return env_->close();
  }

  Result<std::unique_ptr<Connection>> connect() override {
    return std::unique_ptr<Connection>(
        std::make_unique<AetherConnection>(*env_, stores_, isolation_));
  }

  std::string version() const override { return kVersion; }

  std::string describe() const override {
    return "a B+ tree a table, pool " + std::to_string(options_.pool_bytes / MiB) + " MiB, " +
           std::to_string(options_.page_bytes / KiB) + " KiB pages, log bound " +
           std::to_string(options_.log_bytes_max / MiB) + " MiB, " +
           (options_.durability == Durability::group
                ? "Durability::group"
                : "Durability::none, flushed every " + std::to_string(options_.flush_interval_ms) +
                      " ms");
  }

 private:
  const Isolation isolation_;
  EnvOptions options_;
  std::unique_ptr<DbEnv> env_;
  std::vector<KvStore> stores_;
};

template <Isolation isolation>
std::unique_ptr<Database> make() {
  return std::make_unique<AetherDatabase>(isolation);
}

}  // namespace

void add_aether_kinds(std::vector<StoreKind>& kinds) {
  kinds.push_back({"aether", "aether", "snapshot", make<Isolation::snapshot>});
  kinds.push_back({"aether-serializable", "aether", "serializable", make<Isolation::serializable>});
}

}  // namespace aether::bench::tpcc

#endif  // AETHER_PEERS_HAVE_AETHER
