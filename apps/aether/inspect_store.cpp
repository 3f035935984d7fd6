#include "apps/aether/inspect_store.h"

#include <utility>
#include <vector>

#include "apps/aether/report.h"
#include "apps/aether/signals.h"
#include "apps/aether/table.h"
#include "apps/aether/text.h"
#include "base/json_writer.h"
#include "base/ratio.h"

namespace aether::cli {
namespace {

const char* word_of(IndexKind kind) { return kind == IndexKind::rax ? "rax" : "skiplist"; }

const char* word_of(Compression compression) {
  switch (compression) {
    case Compression::none: return "none";
    case Compression::lz4: return "lz4";
    case Compression::zstd: return "zstd";
  }
  return "";
}

const char* word_of(RunFilter filter) {
  switch (filter) {
    case RunFilter::none: return "none";
    case RunFilter::bloom: return "bloom";
    case RunFilter::ribbon: return "ribbon";
    case RunFilter::surf: return "surf";
  }
  return "";
}

/// What a walk through the rows has counted.
struct Counted {
  uint64_t rows = 0;
  uint64_t bytes = 0;
};

Result<Counted> count_rows(const KvStore& store) {
  Counted counted;
  AETHER_TRY(store.scan({}, [&](Bytes key, Bytes value) {
    ++counted.rows;
    counted.bytes += key.size() + value.size();
    return !stop_requested();
  }));
  return counted;
}

void add_options(Report& report, const LsmStats& lsm) {
  const LsmOptions& o = lsm.options;
  report.group("options")
      .add_bytes("nursery_bytes", o.nursery_bytes)
      .add("nursery", std::string(word_of(o.nursery)))
      .add("policy", lsm.policy)
      .add("size_ratio", uint64_t{o.size_ratio})
      .add("runs_per_level", uint64_t{o.runs_per_level})
      .add("runs_at_bottom", uint64_t{o.runs_at_bottom})
      .add("runs_max", uint64_t{o.runs_max})
      .add_bytes("expected_bytes", o.expected_bytes)
      .add("compression", std::string(word_of(o.compression)))
      .add("zstd_level", std::to_string(o.zstd_level))
      .add_bytes("dictionary_bytes", o.dictionary_bytes)
      .add_bytes("block_bytes", o.block_bytes)
      .add_bytes("inline_value_bytes", o.inline_value_bytes)
      .add("filter", std::string(word_of(o.filter)))
      .add_number("filter_bits", o.filter_bits);
}

void add_figures(Report& report, const LsmStats& lsm) {
  report.group("memory")
      .add_bytes("nursery_bytes", lsm.nursery_bytes)
      .add("sealed_generations", lsm.sealed_generations);
  report.group("merges")
      .add("under_way", lsm.merges_under_way)
      .add_bytes("debt_bytes", lsm.merge_debt_bytes)
      .add("dropped_runs", lsm.dropped_runs);
  report.group("write")
      .add_bytes("user_bytes", lsm.user_bytes)
      .add_bytes("log_bytes", lsm.log_bytes)
      .add_bytes("flush_bytes", lsm.flush_bytes)
      .add_bytes("merge_bytes", lsm.merge_bytes)
      .add_number("amplification", lsm.write_amplification);
  report.group("space")
      .add_bytes("disk_bytes", lsm.disk_bytes)
      .add_number("amplification_max", lsm.space_amplification_max);
}

Report report_of(const StoreStats& store) {
  Report report;
  report.add("store", store.name).add("id", uint64_t{store.id}).add("index", store.index);
  if (store.index == "lsm") {
    add_options(report, store.lsm);
    add_figures(report, store.lsm);
    return report;
  }
  report.add("height", uint64_t{store.height})
      .add("leaf_pages", store.leaf_pages)
      .add("inner_pages", store.inner_pages);
  if (store.memory_bytes_max == 0) return report;
  return report.add("rows", store.rows)
      .add_bytes("memory_bytes", store.memory_bytes)
      .add_bytes("memory_bytes_max", store.memory_bytes_max);
}

void append_runs_json(base::JsonWriter& json, const LsmStats& lsm) {
  json.name("sorted_runs").begin_array();
  for (const SortedRunStats& sorted : lsm.sorted_runs) {
    json.begin_object()
        .member("age", sorted.age)
        .member("level", sorted.level)
        .member("merging", sorted.merging)
        .name("runs")
        .begin_array();
    for (const RunStats& run : sorted.parts) {
      json.begin_object()
          .member("id", run.id)
          .member("entries", run.entries)
          .member("tombstones", run.tombstones)
          .member("expiring", run.expiring)
          .member("expired", run.expired)
          .member("range_tombstones", run.range_tombstones)
          .member("bytes", run.bytes)
          .member("data_bytes", run.data_bytes)
          .member("disk_bytes", run.disk_bytes)
          .member("filter_bytes", run.filter_bytes)
          .member("dictionary_bytes", run.dictionary_bytes)
          .member("oldest_generation", run.oldest_generation)
          .member("newest_generation", run.newest_generation)
          .bytes("smallest_key", run.smallest_key)
          .bytes("largest_key", run.largest_key)
          .end_object();
    }
    json.end_array().end_object();
  }
  json.end_array();
}

void append_runs_plain(std::string& text, const LsmStats& lsm) {
  for (const SortedRunStats& sorted : lsm.sorted_runs) {
    for (const RunStats& run : sorted.parts) {
      const auto add = [&text](const char* name, uint64_t value) {
        text.append(" ").append(name).append(" ").append(std::to_string(value));
      };
      text.append("run ").append(std::to_string(run.id));
      add("age", sorted.age);
      add("level", sorted.level);
      text.append(" merging ").append(sorted.merging ? "true" : "false");
      add("entries", run.entries);
      add("tombstones", run.tombstones);
      add("expiring", run.expiring);
      add("expired", run.expired);
      add("range_tombstones", run.range_tombstones);
      add("bytes", run.bytes);
      add("data_bytes", run.data_bytes);
      add("disk_bytes", run.disk_bytes);
      add("filter_bytes", run.filter_bytes);
      add("dictionary_bytes", run.dictionary_bytes);
      add("oldest_generation", run.oldest_generation);
      add("newest_generation", run.newest_generation);
      text.append(" smallest_key ").append(escaped(run.smallest_key));
      text.append(" largest_key ").append(escaped(run.largest_key)).append("\n");
    }
  }
}

/// What there is room for; the others have all. ~: it is being merged.
void append_runs_table(std::string& text, const LsmStats& lsm, bool color) {
  if (lsm.sorted_runs.empty()) return;
  Table table({{"level", true},
               {"run", true},
               {"entries", true},
               {"dead", true},
               {"bytes", true},
               {"disk", true},
               {"filter", true},
               {"dict.", true},
               {"from"},
               {"to"},
               {""}},
              output_width(), color);
  for (const SortedRunStats& sorted : lsm.sorted_runs) {
    for (const RunStats& run : sorted.parts) {
      table.add({std::to_string(sorted.level), std::to_string(run.id), with_commas(run.entries),
                 with_commas(run.tombstones + run.range_tombstones), human_bytes(run.bytes),
                 human_bytes(run.disk_bytes),
                 run.filter_bytes == 0 ? "-" : human_bytes(run.filter_bytes),
                 run.dictionary_bytes == 0 ? "-" : human_bytes(run.dictionary_bytes),
                 escaped(run.smallest_key), escaped(run.largest_key), sorted.merging ? "~" : ""});
    }
  }
  text += '\n';
  table.print(text);
}

Result<void> print(Session& session, const StoreStats& store, const Report& report) {
  std::string text;
  const bool is_lsm = store.index == "lsm";
  if (session.format() == Format::json) {
    base::JsonWriter json(text);
    json.begin_object();
    report.append_json(json);
    if (is_lsm) append_runs_json(json, store.lsm);
    json.end_object();
    text += '\n';
  } else if (session.format() == Format::table) {
    report.append_table(text, output_width(), session.colored_output());
    if (is_lsm) append_runs_table(text, store.lsm, session.colored_output());
  } else {
    report.append_plain(text);
    if (is_lsm) append_runs_plain(text, store.lsm);
  }
  return session.out().write(text);
}

}  // namespace

Result<ExitCode> inspect_store(Session& session, const InspectOptions& options) {
  AETHER_TRY_ASSIGN(const std::unique_ptr<DbEnv> env, session.open_for_reading());
  AETHER_TRY_ASSIGN(const KvStore store, Session::open_store(*env, *options.store));
  StoreStats stats;
  const EnvStats all = env->stats();
  for (const StoreStats& each : all.stores) {
    if (each.id == store.id()) stats = each;
  }
  Report report = report_of(stats);
  if (options.count) {
    AETHER_TRY_ASSIGN(const Counted counted, count_rows(store));
    if (stop_requested()) return ExitCode::interrupted;
    report.group("live").add("rows", counted.rows).add_bytes("bytes", counted.bytes);
    const uint64_t on_disk = stats.index == "lsm"
                                 ? stats.lsm.disk_bytes
                                 : (stats.leaf_pages + stats.inner_pages) * all.page_bytes;
    report.add_number("space_amplification", base::ratio(on_disk, counted.bytes));
  }
  AETHER_TRY(print(session, stats, report));
  AETHER_TRY(env->close());
  return ExitCode::ok;
}

}  // namespace aether::cli
