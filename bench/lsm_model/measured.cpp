#include "lsm_model/measured.h"

#include <random>
#include <utility>

#include "aether/options.h"
#include "aether/stats.h"
#include "aether/store.h"
#include "base/bytes.h"

namespace aether::bench {
namespace {

constexpr uint64_t kSeed = 7;
constexpr uint64_t kLookRows = 256;  ///< Between looks at the counters.
constexpr const char* kStore = "measured";

/// What the store has done, as `stats()` says.
Result<StoreStats> stats_of(const DbEnv& env) {
  for (StoreStats& store : env.stats().stores) {
    if (store.name == kStore) return std::move(store);
  }
  return Error(Code::not_found, "the store that is measured is in no statistics");
}

Result<KvStore> make_store(DbEnv& env, const MeasuredOptions& options) {
  StoreOptions store;
  store.index = IndexKind::lsm;
  store.lsm.nursery_bytes = options.nursery_bytes;
  store.lsm.policy = options.policy.kind;
  store.lsm.size_ratio = options.policy.size_ratio;
  store.lsm.runs_max = options.policy.runs_max;
  store.lsm.expected_bytes = options.policy.expected_bytes;
  store.lsm.compression = options.is_compressed ? Compression::lz4 : Compression::none;
  return env.open_store(kStore, store);
}

/// Keys are random; values, too, so that nothing could be compressed, or with the second half as the first.
Result<void> put_rows(KvStore& store, std::mt19937_64& random, const MeasuredOptions& options) {
  std::string key(2 * sizeof(uint64_t), '\0');
  std::string value(options.value_bytes, '\0');
  const size_t chosen = options.is_compressed ? value.size() / 2 : value.size();
  for (uint64_t i = 0; i < kLookRows; ++i) {
    for (char& byte : key) byte = static_cast<char>(random());
    for (size_t at = 0; at < value.size(); ++at)
      value[at] = at < chosen ? static_cast<char>(random()) : value[at - chosen];
    AETHER_TRY(store.put(key, value));
  }
  return {};
}

}  // namespace

Result<MeasuredFigures> measure_writes(DbEnv& env, const MeasuredOptions& options) {
  const uint64_t log_before = env.stats().log_bytes_written;
  AETHER_TRY_ASSIGN(KvStore store, make_store(env, options));
  std::mt19937_64 random(kSeed);
  StoreStats now;
  while (now.lsm.flushes < options.nurseries) {
    AETHER_TRY(put_rows(store, random, options));
    AETHER_TRY_ASSIGN(now, stats_of(env));
  }
  AETHER_TRY(env.checkpoint());
  const auto user = static_cast<double>(now.lsm.put_bytes);
  const auto log = static_cast<double>(env.stats().log_bytes_written - log_before);
  const MeasuredFigures figures{.log = log / user,
                                .runs = static_cast<double>(now.lsm.run_bytes_written) / user,
                                .unpaid = static_cast<double>(now.lsm.merge_debt_bytes) / user,
                                .sorted_runs = now.lsm.sorted_runs.size(),
                                .flush_user_bytes = user / static_cast<double>(now.lsm.flushes)};
  AETHER_TRY(env.drop_store(kStore));
  return figures;
}

}  // namespace aether::bench
