#include "capi/given_options.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "capi/answer.h"

namespace aether::capi {
namespace {

Error bad_field(const char* name, int64_t value) {
  return {Code::invalid_argument,
          std::string("option ") + name + " is " + std::to_string(value) + ": see aether/aether.h"};
}

/// What the caller's version knows of the structure; zeros for the rest.
template <typename Options>
Result<Options> known_part(const Options* given) {
  Options known{};
  if (given == nullptr) return known;
  const uint32_t size = given->size;
  if (size < sizeof given->size) {
    return Error(Code::invalid_argument, "option size is " + std::to_string(size) +
                                             ": set it to the sizeof of the structure");
  }
  const auto* const bytes = reinterpret_cast<const unsigned char*>(given);
  for (size_t i = sizeof known; i < size; ++i) {
    if (bytes[i] == 0) continue;
    return Error(Code::unsupported, "an option at byte " + std::to_string(i) +
                                        " is set, which this version of the library does not have");
  }
  std::memcpy(&known, given, std::min<size_t>(size, sizeof known));
  if (known.reserved != 0) return bad_field("reserved", known.reserved);
  return known;
}

/// `given`, unless it is 0.
template <typename T>
void set(T& option, T given) {
  if (given != T{}) option = given;
}

Result<Isolation> isolation_of(int32_t given) {
  switch (given) {
    case AETHER_ISOLATION_DEFAULT:
    case AETHER_SNAPSHOT: return Isolation::snapshot;
    case AETHER_READ_COMMITTED: return Isolation::read_committed;
    case AETHER_SERIALIZABLE: return Isolation::serializable;
    default: return bad_field("isolation", given);
  }
}

Result<IoMode> io_mode_of(int32_t given) {
  switch (given) {
    case AETHER_IO_AUTOMATIC: return IoMode::automatic;
    case AETHER_IO_URING: return IoMode::uring;
    case AETHER_IO_THREADS: return IoMode::threads;
    default: return bad_field("io_mode", given);
  }
}

BackupProgressCall progress_call(aether_progress progress, void* context) {
  if (progress == nullptr) return {};
  return [progress, context](const BackupProgress& at) {
    return progress(context, at.phase, at.bytes_done, at.bytes_total) == 0;
  };
}

}  // namespace

Result<Durability> durability_of(int32_t given, Durability otherwise) {
  switch (given) {
    case AETHER_DURABILITY_DEFAULT: return otherwise;
    case AETHER_DURABILITY_GROUP: return Durability::group;
    case AETHER_DURABILITY_SYNC: return Durability::sync;
    case AETHER_DURABILITY_NONE: return Durability::none;
    default: return bad_field("durability", given);
  }
}

Result<EnvOptions> env_options(const aether_env_options* given) {
  AETHER_TRY_ASSIGN(const aether_env_options known, known_part(given));
  EnvOptions options;
  options.create = known.must_exist == 0;
  options.read_only = known.read_only != 0;
  set(options.page_bytes, known.page_bytes);
  set(options.pool_bytes, known.pool_bytes);
  set(options.log_segment_bytes, known.log_segment_bytes);
  set(options.log_bytes_max, known.log_bytes_max);
  options.reopen_seconds_max = known.reopen_seconds_max;
  if (known.archive_directory != nullptr) options.archive_directory = known.archive_directory;
  set(options.transaction_bytes_max, known.transaction_bytes_max);
  set(options.version_bytes_max, known.version_bytes_max);
  set(options.log_streams, known.log_streams);
  set(options.flush_interval_ms, known.flush_interval_ms);
  set(options.scrub_bytes_per_second, known.scrub_bytes_per_second);
  AETHER_TRY_ASSIGN(options.durability, durability_of(known.durability, options.durability));
  AETHER_TRY_ASSIGN(options.io_mode, io_mode_of(known.io_mode));
  options.background_threads = known.no_background_threads == 0;
  options.redo_on_demand = known.no_redo_on_demand == 0;
  options.block_cache_bytes = known.block_cache_bytes;
  return options;
}

Result<LsmOptions> lsm_options(const aether_lsm_options* given) {
  AETHER_TRY_ASSIGN(const aether_lsm_options known, known_part(given));
  const bool has_nursery = known.nursery == AETHER_INDEX_DEFAULT ||
                           known.nursery == AETHER_SKIPLIST || known.nursery == AETHER_RAX;
  if (!has_nursery) return bad_field("nursery", known.nursery);
  if (known.policy < AETHER_POLICY_DEFAULT || known.policy > AETHER_ADAPTIVE)
    return bad_field("policy", known.policy);
  LsmOptions options;
  set(options.nursery_bytes, known.nursery_bytes);
  set(options.nursery, static_cast<IndexKind>(known.nursery));
  set(options.policy, static_cast<MergePolicyKind>(known.policy));
  options.size_ratio = known.size_ratio;
  options.runs_per_level = known.runs_per_level;
  options.runs_at_bottom = known.runs_at_bottom;
  options.runs_max = known.runs_max;
  options.expected_bytes = known.expected_bytes;
  switch (known.compression) {
    case AETHER_COMPRESSION_DEFAULT: break;
    case AETHER_LZ4: options.compression = Compression::lz4; break;
    case AETHER_ZSTD: options.compression = Compression::zstd; break;
    case AETHER_UNCOMPRESSED: options.compression = Compression::none; break;
    default: return bad_field("compression", known.compression);
  }
  set(options.zstd_level, known.zstd_level);
  options.dictionary_bytes = known.dictionary_bytes;
  set(options.block_bytes, known.block_bytes);
  set(options.inline_value_bytes, known.inline_value_bytes);
  switch (known.filter) {
    case AETHER_FILTER_DEFAULT: break;
    case AETHER_BLOOM: options.filter = RunFilter::bloom; break;
    case AETHER_RIBBON: options.filter = RunFilter::ribbon; break;
    case AETHER_SURF: options.filter = RunFilter::surf; break;
    case AETHER_NO_FILTER: options.filter = RunFilter::none; break;
    default: return bad_field("filter", known.filter);
  }
  set(options.filter_bits, known.filter_bits);
  return options;
}

Result<StoreOptions> store_options(const aether_store_options* given) {
  AETHER_TRY_ASSIGN(const aether_store_options known, known_part(given));
  if (known.index < AETHER_INDEX_DEFAULT || known.index > AETHER_RAX_PAGED)
    return bad_field("index", known.index);
  StoreOptions options;
  options.create = known.must_exist == 0;
  set(options.index, static_cast<IndexKind>(known.index));
  options.memory_bytes_max = known.memory_bytes_max;
  AETHER_TRY_ASSIGN(options.lsm, lsm_options(known.lsm));
  return options;
}

Result<BackupOptions> backup_options(const char* directory, const aether_backup_options* given) {
  AETHER_TRY_ASSIGN(const aether_backup_options known, known_part(given));
  BackupOptions options{.directory = directory, .bytes_per_second = known.bytes_per_second};
  if (known.parent != nullptr) options.parent = known.parent;
  options.progress = progress_call(known.progress, known.progress_context);
  return options;
}

Result<RestoreOptions> restore_options(const char* home, const aether_restore_options* given) {
  AETHER_TRY_ASSIGN(const aether_restore_options known, known_part(given));
  RestoreOptions options;
  options.home = home;
  AETHER_TRY_ASSIGN(options.backups, texts_of(known.backups, known.backup_count, "backups"));
  AETHER_TRY_ASSIGN(options.archives, texts_of(known.archives, known.archive_count, "archives"));
  if (known.until_ns != 0) options.until.wall_ns = known.until_ns;
  if (known.until_position != 0) options.until.position = known.until_position;
  set(options.pool_bytes, known.pool_bytes);
  options.progress = progress_call(known.progress, known.progress_context);
  return options;
}

Result<std::vector<std::string>> texts_of(const char* const* texts, size_t count,
                                          const char* name) {
  std::vector<std::string> result;
  if (texts == nullptr && count != 0) return null_argument(name);
  for (size_t i = 0; i < count; ++i) {
    if (texts[i] == nullptr) return null_argument(name);
    result.emplace_back(texts[i]);
  }
  return result;
}

Result<TxnOptions> txn_options(const aether_txn_options* given) {
  AETHER_TRY_ASSIGN(const aether_txn_options known, known_part(given));
  TxnOptions options;
  AETHER_TRY_ASSIGN(options.isolation, isolation_of(known.isolation));
  AETHER_TRY_ASSIGN(options.durability, durability_of(known.durability, options.durability));
  options.env_durability = known.durability == AETHER_DURABILITY_DEFAULT;
  options.read_only = known.read_only != 0;
  set(options.lock_timeout_ms, known.lock_timeout_ms);
  if (known.lock_timeout_ms == AETHER_NO_WAIT) options.lock_timeout_ms = 0;
  return options;
}

}  // namespace aether::capi
