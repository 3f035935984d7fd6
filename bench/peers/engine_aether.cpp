/// Aether through its public C++ API only, as a user would call it, in two forms:
///
///   aether               transactions with Isolation::snapshot, the default: the first updater of a row wins.
///   aether-serializable  Isolation::serializable, for transactions only.
///   aether-lsm           a store of kind lsm, in the place of the B+ tree.
///   aether-lsm-surf      the same with SuRF for filters.
///   aether-lsm-leveled   the same with policy leveled.
///   aether-skiplist      the rows in memory: what is larger than that it cannot do.
///   aether-rax           the same, in a radix tree.
///   aether-rax-paged     a radix tree in pages, in the place of the B+ tree.
#if defined(AETHER_PEERS_HAVE_AETHER)

#include "aether/aether.hpp"

#include <algorithm>
#include <optional>

#include "engine.h"

namespace aether::bench {
namespace {

constexpr const char* kStoreName = "bench";

class AetherSession final : public Session {
 public:
  AetherSession(DbEnv& env, KvStore store, Isolation isolation) : env_(env), store_(store) {
    write_.isolation = isolation;
    read_.isolation = isolation;
    read_.read_only = true;
  }

  Answer get(Bytes key, std::string& value) override { return answer(store_.get(key, value)); }

  Answer visit(Bytes key, FunctionRef<void(Bytes value)> visitor) override {
    return answer(store_.visit(key, visitor));
  }

  Answer multi_get(std::span<const Bytes> keys, BatchVisitor visitor) override {
    return answer(store_.multi_get(keys, visitor));
  }

  Answer put(Bytes key, Bytes value) override { return answer(store_.put(key, value)); }

  Answer remove(Bytes key) override {
    const Answer removed = answer(store_.remove(key));
    return removed == Answer::not_found ? Answer::ok : removed;
  }

  Answer scan(Bytes from, bool reverse, uint32_t limit,
              FunctionRef<void(Bytes key, Bytes value)> visitor) override {
    Range range;
    if (reverse) {
      // The end of a range is exclusive: the smallest key above `from` is `from` and a zero byte.
      bound_.assign(from);
      bound_.push_back('\0');
      range.end = bound_;
      range.reverse = true;
    } else {
      range.begin = from;
    }
    uint32_t left = limit;
    const Result<uint64_t> visited = store_.scan(range, [&left, &visitor](Bytes key, Bytes value) {
      visitor(key, value);
      return --left > 0;
    });
    return visited ? Answer::ok : refuse(visited.error());
  }

  Answer scan_range(Bytes from, Bytes end,
                    FunctionRef<void(Bytes key, Bytes value)> visitor) override {
    const Result<uint64_t> visited = store_.scan({.begin = from, .end = end},
                                                 [&visitor](Bytes key, Bytes value) {
                                                   visitor(key, value);
                                                   return true;
                                                 });
    return visited ? Answer::ok : refuse(visited.error());
  }

  Answer begin() override { return begin_with(write_); }

  Answer txn_get(Bytes key, std::string& value) override {
    return answer(store_.get(*txn_, key, value));
  }

  Answer txn_put(Bytes key, Bytes value) override { return answer(store_.put(*txn_, key, value)); }

  Answer commit() override {
    const Answer committed = answer(txn_->commit());
    txn_.reset();
    return committed;
  }

  void abort() override { txn_.reset(); }

  Answer begin_snapshot() override { return begin_with(read_); }

  Answer snapshot_get(Bytes key, std::string& value) override { return txn_get(key, value); }
  void end_snapshot() override { txn_.reset(); }

 private:
  Answer begin_with(const TxnOptions& options) {
    Result<Transaction> begun = env_.begin(options);
    if (!begun) return refuse(begun.error());
    txn_.emplace(std::move(begun).value());
    return Answer::ok;
  }

  Answer answer(const Result<void>& result) { return result ? Answer::ok : refuse(result.error()); }

  Answer refuse(const Error& error) {
    switch (error.code()) {
      case Code::not_found: return Answer::not_found;
      case Code::conflict:
      case Code::deadlock:
      case Code::busy:
      case Code::timed_out: return Answer::conflict;
      default: return fail("Aether: " + std::string(error.message()));
    }
  }

  DbEnv& env_;
  KvStore store_;
  TxnOptions write_;
  TxnOptions read_;
  std::optional<Transaction> txn_;
  std::string bound_;
};

class AetherEngine final : public Engine {
 public:
  AetherEngine(Isolation isolation, IndexKind kind, RunFilter filter, MergePolicyKind policy)
      : isolation_(isolation) {
    store_options_.index = kind;
    store_options_.lsm.filter = filter;
    store_options_.lsm.policy = policy;
  }

  Result<void> open(const EngineConfig& config) override {
    transactions_ = config.transactions;
    if (is_lsm()) {
      // Blocks and nurseries; the pool holds the manifest alone.
      constexpr uint64_t kPoolBytes = 16 * MiB;
      store_options_.lsm.compression = Compression::none;  // As RocksDB here.
      store_options_.lsm.nursery_bytes = std::clamp(config.pool_bytes / 16, 4 * MiB, 64 * MiB);
      options_.pool_bytes = kPoolBytes;
      const uint64_t taken = kPoolBytes + 2 * store_options_.lsm.nursery_bytes;
      options_.block_cache_bytes = std::max(config.pool_bytes, taken + 16 * MiB) - taken;
    } else {
      options_.block_cache_bytes = config.pool_bytes / 9;
      options_.pool_bytes = config.pool_bytes - options_.block_cache_bytes;
    }
    options_.durability = config.sync_commits ? Durability::group : Durability::none;
    if (config.keep_log) options_.log_bytes_max = 4 * GiB;
    AETHER_TRY_ASSIGN(env_, DbEnv::open(config.dir, options_));
    AETHER_TRY_ASSIGN(store_, env_->open_store(kStoreName, store_options_));
    return {};
  }

  Result<void> close() override {
    store_.reset();
    AETHER_TRY(env_->close());
    env_.reset();
    return {};
  }

  Result<std::unique_ptr<Session>> session() override {
    return std::unique_ptr<Session>(std::make_unique<AetherSession>(*env_, *store_, isolation_));
  }

  Result<void> settle() override { return env_->checkpoint(); }

  std::string version() const override { return kVersion; }

  std::string describe() const override {
    constexpr const char* kIndexes[] = {"B+ tree", "skiplist", "RAX", "LSM, ", "RAX in pages"};
    const std::string policy = !is_lsm()                                               ? ""
                               : store_options_.lsm.policy == MergePolicyKind::leveled ? "leveled, "
                                                                                       : "tiered, ";
    const std::string filter = !is_lsm()                                      ? ""
                               : store_options_.lsm.filter == RunFilter::surf ? "SuRF"
                                                                              : "Bloom";
    return kIndexes[static_cast<size_t>(store_options_.index) - 1] + policy + filter + ", pool " +
           std::to_string(options_.pool_bytes / MiB) + " MiB, block cache " +
           std::to_string(options_.block_cache_bytes / MiB) + " MiB, " +
           std::to_string(options_.page_bytes / KiB) + " KiB pages, log bound " +
           std::to_string(options_.log_bytes_max / MiB) + " MiB, " +
           std::string(options_.durability == Durability::group
                           ? "Durability::group"
                           : "Durability::none, flushed every " +
                                 std::to_string(options_.flush_interval_ms) + " ms") +
           (!transactions_                          ? ""
            : isolation_ == Isolation::serializable ? ", Isolation::serializable"
                                                    : ", Isolation::snapshot");
  }

 private:
  bool is_lsm() const { return store_options_.index == IndexKind::lsm; }

  const Isolation isolation_;
  bool transactions_ = false;
  EnvOptions options_;
  StoreOptions store_options_;
  std::unique_ptr<DbEnv> env_;
  std::optional<KvStore> store_;
};

template <Isolation isolation, IndexKind kind = IndexKind::btree,
          RunFilter filter = RunFilter::bloom, MergePolicyKind policy = MergePolicyKind::tiered>
std::unique_ptr<Engine> make() {
  return std::make_unique<AetherEngine>(isolation, kind, filter, policy);
}

constexpr bool is_on_disk(IndexKind kind) {
  return kind == IndexKind::lsm || kind == IndexKind::rax_paged;
}

template <IndexKind kind, RunFilter filter = RunFilter::bloom,
          MergePolicyKind policy = MergePolicyKind::tiered>
EngineKind kind_of(const char* name) {
  return {name,
          name,
          make<Isolation::snapshot, kind, filter, policy>,
          [](const EngineConfig& config) -> std::string {
            return is_on_disk(kind) || !config.larger_than_memory ? ""
                                                                  : "it holds all rows in memory";
          },
          false,
          "multi_get",
          is_on_disk(kind) ? 1 * MiB     // As any engine's.
                           : 32 * KiB};  // A log record has to hold a row and the one before it.
}

}  // namespace

EngineKind aether_kind() {
  return {"aether",
          "aether",
          make<Isolation::snapshot>,
          [](const EngineConfig&) { return std::string(); },
          false,
          "multi_get"};
}

EngineKind aether_serializable_kind() {
  return {"aether-serializable",
          "aether",
          make<Isolation::serializable>,
          [](const EngineConfig& config) -> std::string {
            return config.transactions ? "" : "outside transactions it is the same as aether";
          },
          false,
          "multi_get"};
}

EngineKind aether_lsm_kind() { return kind_of<IndexKind::lsm>("aether-lsm"); }
EngineKind aether_lsm_surf_kind() {
  return kind_of<IndexKind::lsm, RunFilter::surf>("aether-lsm-surf");
}
EngineKind aether_lsm_leveled_kind() {
  return kind_of<IndexKind::lsm, RunFilter::bloom, MergePolicyKind::leveled>("aether-lsm-leveled");
}
EngineKind aether_skiplist_kind() { return kind_of<IndexKind::skiplist>("aether-skiplist"); }
EngineKind aether_rax_kind() { return kind_of<IndexKind::rax>("aether-rax"); }
EngineKind aether_rax_paged_kind() { return kind_of<IndexKind::rax_paged>("aether-rax-paged"); }

}  // namespace aether::bench

#endif  // AETHER_PEERS_HAVE_AETHER
