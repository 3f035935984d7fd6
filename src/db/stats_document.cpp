#include "base/json_writer.h"
#include "db/documents.h"

namespace aether::db {
namespace {

void append(base::JsonWriter& json, const char* name, const LatencySummary& latency) {
  json.name(name)
      .begin_object()
      .member("count", latency.count)
      .member("mean_us", latency.mean_us)
      .member("p50_us", latency.p50_us)
      .member("p90_us", latency.p90_us)
      .member("p99_us", latency.p99_us)
      .member("p99_9_us", latency.p99_9_us)
      .member("max_us", latency.max_us)
      .end_object();
}

void append(base::JsonWriter& json, const char* name, const LengthSummary& length) {
  json.name(name)
      .begin_object()
      .member("count", length.count)
      .member("mean", length.mean)
      .member("p50", length.p50)
      .member("p90", length.p90)
      .member("p99", length.p99)
      .member("p99_9", length.p99_9)
      .member("max", length.max)
      .end_object();
}

const char* word_of(Durability durability) {
  switch (durability) {
    case Durability::group: return "group";
    case Durability::sync: return "sync";
    case Durability::none: return "none";
  }
  return "";
}

const char* word_of(IoMode mode) {
  switch (mode) {
    case IoMode::automatic: return "automatic";
    case IoMode::uring: return "uring";
    case IoMode::threads: return "threads";
  }
  return "";
}

void append_options(base::JsonWriter& json, const EnvStats& stats) {
  json.name("options")
      .begin_object()
      .member("pool_bytes", stats.pool_bytes)
      .member("log_bytes_max", stats.log_bytes_max)
      .member("version_bytes_max", stats.version_bytes_max)
      .member("durability", word_of(stats.durability))
      .member("flush_interval_ms", stats.flush_interval_ms)
      .member("io_mode", word_of(stats.io_mode))
      .end_object();
}

void append_storage(base::JsonWriter& json, const EnvStats& stats) {
  json.name("data")
      .begin_object()
      .member("pages", stats.data_pages)
      .member("pages_free", stats.data_pages_free)
      .member("bytes", stats.data_pages * stats.page_bytes)
      .member("pages_repaired", stats.pages_repaired)
      .end_object();
  json.name("pool")
      .begin_object()
      .member("frames", stats.pool_frames)
      .member("frames_free", stats.pool_frames_free)
      .member("frames_dirty", stats.pool_frames_dirty)
      .member("page_reads", stats.page_reads)
      .member("page_writes", stats.page_writes)
      .member("page_evictions", stats.page_evictions)
      .end_object();
  json.name("block_cache")
      .begin_object()
      .member("bytes_max", stats.block_cache_bytes_max)
      .member("bytes", stats.block_cache_bytes)
      .member("hits", stats.block_cache_hits)
      .member("misses", stats.block_cache_misses)
      .member("evictions", stats.block_cache_evictions)
      .end_object();
  json.name("log")
      .begin_object()
      .member("streams", stats.log_streams)
      .member("position", stats.log_position)
      .member("checkpoint_position", stats.checkpoint_position)
      .member("bytes_on_disk", stats.log_bytes_on_disk)
      .member("reopen_seconds", stats.reopen_seconds)
      .member("pages_to_redo", stats.pages_to_redo)
      .member("bytes_appended", stats.log_bytes_appended)
      .member("bytes_written", stats.log_bytes_written)
      .member("flushes", stats.log_flushes)
      .member("checkpoints", stats.checkpoints);
  append(json, "room_wait", stats.log_room_wait);
  json.end_object();
  json.name("archive")
      .begin_object()
      .bytes("directory", stats.archive_directory)
      .member("position", stats.archive_position)
      .member("segments", stats.archive_segments)
      .member("bytes", stats.archive_bytes)
      .member("failures", stats.archive_failures)
      .bytes("error", stats.archive_error)
      .end_object();
}

void append_scrub(base::JsonWriter& json, const EnvStats& stats) {
  json.name("scrub")
      .begin_object()
      .member("bytes_per_second", stats.scrub_bytes_per_second)
      .member("pages", stats.scrub_pages)
      .member("bytes", stats.scrub_bytes)
      .member("rounds", stats.scrub_rounds)
      .member("last_end_unix_ms", stats.scrub_last_end_ns / 1'000'000)
      .member("last_seconds", stats.scrub_last_seconds)
      .member("repaired", stats.scrub_repaired)
      .member("damaged", stats.scrub_damaged)
      .bytes("error", stats.scrub_error)
      .name("problems")
      .begin_array();
  for (const VerifyProblem& problem : stats.scrub_problems) {
    json.begin_object()
        .member("page_id", problem.page_id)
        .bytes("message", problem.message)
        .end_object();
  }
  json.end_array().end_object();
}

void append_transactions(base::JsonWriter& json, const EnvStats& stats) {
  const AbortCounts& by = stats.txn_aborted_by;
  json.name("txn")
      .begin_object()
      .member("begun", stats.txn_begun)
      .member("committed", stats.txn_committed)
      .member("aborted", stats.txn_aborted)
      .member("active", stats.txn_active)
      .member("conflicts", stats.txn_conflicts)
      .member("prepared", stats.txn_prepared)
      .member("oldest_seconds", stats.txn_oldest_seconds)
      .name("aborted_by")
      .begin_object()
      .member("user", by.user)
      .member("dropped", by.dropped)
      .member("conflict", by.conflict)
      .member("deadlock", by.deadlock)
      .member("timed_out", by.timed_out)
      .member("serialization", by.serialization)
      .member("error", by.error)
      .end_object();
  append(json, "begin", stats.txn_begin);
  append(json, "commit", stats.txn_commit);
  append(json, "durability_wait", stats.txn_durability_wait);
  json.end_object();
}

void append_snapshots(base::JsonWriter& json, const EnvStats& stats) {
  json.name("snapshots")
      .begin_object()
      .member("open", stats.snapshots)
      .member("oldest_seconds", stats.snapshot_oldest_seconds)
      .member("oldest_ids_behind", stats.snapshot_oldest_ids_behind)
      .member("versions_in_memory", stats.versions_in_memory)
      .member("version_bytes_in_memory", stats.version_bytes_in_memory)
      .member("versions_on_disk", stats.versions_on_disk)
      .member("version_bytes_on_disk", stats.version_bytes_on_disk)
      .member("version_runs", stats.version_runs)
      .member("version_spills", stats.version_spills)
      .member("version_spill_failures", stats.version_spill_failures)
      .member("version_disk_searches", stats.version_disk_searches);
  append(json, "versions_walked", stats.versions_walked);
  json.end_object();
}

void append_lsm(base::JsonWriter& json, const StoreStats& store) {
  const LsmStats& lsm = store.lsm;
  json.member("rows", store.rows)
      .member("memory_bytes", store.memory_bytes)
      .member("policy", lsm.policy)
      .member("nursery_bytes", lsm.nursery_bytes)
      .member("sealed_generations", lsm.sealed_generations)
      .member("put_bytes", lsm.put_bytes)
      .member("outside_bytes", lsm.outside_bytes)
      .member("flushes", lsm.flushes)
      .member("merges", lsm.merges)
      .member("merged_bytes", lsm.merged_bytes)
      .member("run_bytes_written", lsm.run_bytes_written)
      .member("merges_under_way", lsm.merges_under_way)
      .member("merge_debt_bytes", lsm.merge_debt_bytes)
      .member("dropped_runs", lsm.dropped_runs)
      .member("user_bytes", lsm.user_bytes)
      .member("log_bytes", lsm.log_bytes)
      .member("flush_bytes", lsm.flush_bytes)
      .member("merge_bytes", lsm.merge_bytes)
      .member("write_amplification", lsm.write_amplification)
      .member("run_reads", lsm.run_reads)
      .member("runs_read", lsm.runs_read)
      .member("read_amplification", lsm.read_amplification)
      .member("disk_bytes", lsm.disk_bytes)
      .member("space_amplification_max", lsm.space_amplification_max)
      .member("expiring", lsm.expiring)
      .member("expired", lsm.expired);
  json.name("sorted_runs").begin_array();
  for (const SortedRunStats& run : lsm.sorted_runs) {
    json.begin_object()
        .member("age", run.age)
        .member("level", run.level)
        .member("runs", run.runs)
        .member("entries", run.entries)
        .member("tombstones", run.tombstones)
        .member("expiring", run.expiring)
        .member("expired", run.expired)
        .member("values_outside", run.values_outside)
        .member("bytes", run.bytes)
        .member("disk_bytes", run.disk_bytes)
        .member("merging", run.merging)
        .end_object();
  }
  json.end_array();
}

void append_locks(base::JsonWriter& json, const EnvStats& stats) {
  json.name("locks")
      .begin_object()
      .member("deadlocks", stats.lock_deadlocks)
      .member("timeouts", stats.lock_timeouts)
      .member("escalations", stats.lock_escalations);
  append(json, "wait", stats.lock_wait);
  json.end_object();
}

}  // namespace

std::string stats_document(const EnvStats& stats) {
  std::string text;
  base::JsonWriter json(text);
  json.begin_object()
      .member("uuid", stats.uuid)
      .member("format_version", stats.format_version)
      .member("state", stats.state)
      .bytes("live", stats.live)
      .member("page_bytes", stats.page_bytes);
  append_options(json, stats);
  append_storage(json, stats);
  append_scrub(json, stats);
  append_transactions(json, stats);
  append_snapshots(json, stats);
  append_locks(json, stats);
  json.name("stores").begin_array();
  for (const StoreStats& store : stats.stores) {
    json.begin_object()
        .bytes("name", store.name)
        .member("id", store.id)
        .member("index", store.index)
        .member("height", store.height)
        .member("leaf_pages", store.leaf_pages)
        .member("inner_pages", store.inner_pages);
    if (store.memory_bytes_max != 0) {
      json.member("rows", store.rows)
          .member("memory_bytes", store.memory_bytes)
          .member("memory_bytes_max", store.memory_bytes_max);
    }
    if (store.index == "lsm") append_lsm(json, store);
    json.end_object();
  }
  json.end_array().end_object();
  return text;
}

}  // namespace aether::db
