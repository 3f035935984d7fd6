// stat: the figures of an environment and of its stores; of one that another process has open, by its live channel.

#include <utility>
#include <vector>

#include "apps/aether/json_fields.h"
#include "apps/aether/report.h"
#include "apps/aether/table.h"
#include "apps/aether/text.h"
#include "apps/aether/verbs.h"

namespace aether::cli {
namespace {

/// A histogram's summary: "txn.commit" and its figures.
struct Summary {
  std::string name;
  JsonFields figures;
};

/// The document (docs/CLI.md), taken apart for people.
struct Figures {
  Report report;
  std::vector<Summary> summaries;
  std::vector<JsonFields> stores;
  std::vector<JsonFields> problems;  ///< What scrubbing knows to be damaged.
};

void add_figure(Report& report, const JsonFields& fields, const JsonFields::Field& field) {
  const std::string text = fields.text(field.name);
  if (field.kind == JsonKind::boolean) {
    report.add(field.name, text == "true");
  } else if (field.kind != JsonKind::number) {
    report.add(field.name, text);
  } else if (field.name.ends_with("seconds")) {
    report.add_seconds(field.name, fields.number(field.name));
  } else if (field.name.find("bytes") != std::string::npos) {
    report.add_bytes(field.name, std::strtoull(text.c_str(), nullptr, 10));
  } else {
    report.add(field.name, uint64_t{std::strtoull(text.c_str(), nullptr, 10)});
  }
}

Result<void> add_group(const std::string& group, std::string_view object, Figures& to) {
  AETHER_TRY_ASSIGN(JsonFields fields, JsonFields::read(object));
  if (fields.has("p50") || fields.has("p50_us")) {
    to.summaries.push_back({group, std::move(fields)});
    return {};
  }
  to.report.group(group);
  for (const JsonFields::Field& field : fields.all()) {
    if (field.kind != JsonKind::object && field.kind != JsonKind::array) {
      add_figure(to.report, fields, field);
    }
  }
  for (const JsonFields::Field& field : fields.all()) {
    const std::string name = group.empty() ? field.name : group + "." + field.name;
    if (field.kind == JsonKind::object) AETHER_TRY(add_group(name, field.raw, to));
  }
  return {};
}

Result<Figures> figures_of(std::string_view document) {
  Figures figures;
  AETHER_TRY(add_group("", document, figures));
  AETHER_TRY_ASSIGN(const JsonFields all, JsonFields::read(document));
  for (const std::string_view store : all.elements("stores")) {
    AETHER_TRY_ASSIGN(JsonFields fields, JsonFields::read(store));
    figures.stores.push_back(std::move(fields));
  }
  if (!all.has("scrub")) return figures;  // Of an older release.
  AETHER_TRY_ASSIGN(const JsonFields scrub, all.object("scrub"));
  for (const std::string_view problem : scrub.elements("problems")) {
    AETHER_TRY_ASSIGN(JsonFields fields, JsonFields::read(problem));
    figures.problems.push_back(std::move(fields));
  }
  return figures;
}

void append_summaries_table(std::string& text, const std::vector<Summary>& summaries, bool color) {
  Table table({{"of"},
               {"count", true},
               {"mean", true},
               {"p50", true},
               {"p90", true},
               {"p99", true},
               {"p99.9", true},
               {"max", true}},
              output_width(), color);
  for (const Summary& summary : summaries) {
    const bool timed = summary.figures.has("p50_us");
    const auto figure = [&](const std::string& name) {
      return timed ? human_seconds(summary.figures.number(name + "_us") / 1e6)
                   : summary.figures.text(name);
    };
    table.add({summary.name, summary.figures.text("count"), figure("mean"), figure("p50"),
               figure("p90"), figure("p99"), figure("p99_9"), figure("max")});
  }
  text += '\n';
  table.print(text);
}

void append_stores_table(std::string& text, const std::vector<JsonFields>& stores, bool color) {
  Table table({{"store"},
               {"id", true},
               {"index"},
               {"height", true},
               {"leaf pages", true},
               {"inner pages", true}},
              output_width(), color);
  const auto with_commas_of = [](const JsonFields& store, const char* name) {
    return with_commas(std::strtoull(store.text(name).c_str(), nullptr, 10));
  };
  for (const JsonFields& store : stores) {
    table.add({escaped(store.bytes("name")), store.text("id"), store.text("index"),
               store.text("height"), with_commas_of(store, "leaf_pages"),
               with_commas_of(store, "inner_pages")});
  }
  text += '\n';
  table.print(text);
}

/// As a tower: a disc of a length that tells the size, the newest run on top.
std::string disc_of(uint64_t bytes, bool is_merging) {
  size_t length = 1;
  for (constexpr uint64_t kDisc = 64 * KiB; bytes > kDisc; bytes /= 2) ++length;
  return std::string(length, is_merging ? '~' : '=');
}

/// The sorted runs of stores of kind lsm, and what has been written for what was put.
Result<void> append_runs_tables(std::string& text, const std::vector<JsonFields>& stores,
                                bool color) {
  for (const JsonFields& store : stores) {
    if (store.text("index") != "lsm") continue;
    const auto number = [](const JsonFields& fields, const char* name) {
      return std::strtoull(fields.text(name).c_str(), nullptr, 10);
    };
    text.append("\n").append(escaped(store.bytes("name")));
    text.append(": ").append(store.text("policy"));
    text.append(", nursery ").append(with_commas(number(store, "nursery_bytes")));
    text.append(" bytes, merges owe ").append(with_commas(number(store, "merge_debt_bytes")));
    text.append(" bytes; ").append(with_commas(number(store, "run_bytes_written")));
    text.append(" bytes written for ").append(with_commas(number(store, "put_bytes")));
    text.append(" put since it was opened\namplification: write ");
    text.append(human_number(store.number("write_amplification")));
    text.append(" since it was made, read ");
    text.append(human_number(store.number("read_amplification")));
    text.append(" runs a get, space ");
    text.append(human_number(store.number("space_amplification_max"))).append(" at most\n");
    if (number(store, "expiring") != 0) {
      text.append("entries of runs that expire: ").append(with_commas(number(store, "expiring")));
      text.append(", of which about ").append(with_commas(number(store, "expired")));
      text.append(" have\n");
    }
    Table table({{"sorted run", true},
                 {"level", true},
                 {"runs", true},
                 {"entries", true},
                 {"tombstones", true},
                 {"bytes", true},
                 {"on disk", true},
                 {"newest on top, ~ merging"}},
                output_width(), color);
    for (const std::string_view element : store.elements("sorted_runs")) {
      AETHER_TRY_ASSIGN(const JsonFields run, JsonFields::read(element));
      table.add({run.text("age"), run.text("level"), run.text("runs"),
                 with_commas(number(run, "entries")), with_commas(number(run, "tombstones")),
                 with_commas(number(run, "bytes")), with_commas(number(run, "disk_bytes")),
                 disc_of(number(run, "bytes"), run.text("merging") == "true")});
    }
    table.print(text);
  }
  return {};
}

void append_problems_table(std::string& text, const std::vector<JsonFields>& problems, bool color) {
  if (problems.empty()) return;
  Table table({{"damaged page", true}, {"problem"}}, output_width(), color);
  for (const JsonFields& problem : problems)
    table.add({problem.text("page_id"), one_line(problem.bytes("message"))});
  text += '\n';
  table.print(text);
}

void append_plain(std::string& text, const Figures& figures) {
  figures.report.append_plain(text);
  for (const Summary& summary : figures.summaries) {
    for (const JsonFields::Field& field : summary.figures.all()) {
      text += summary.name + "." + field.name + " " + std::string(field.raw) + "\n";
    }
  }
  for (const JsonFields& store : figures.stores) {
    text += "store." + escaped(store.bytes("name"));
    for (const char* name : {"id", "index", "height", "leaf_pages", "inner_pages"}) {
      text.append(" ").append(name).append(" ").append(store.text(name));
    }
    if (store.text("index") == "lsm") {
      for (const char* name :
           {"policy", "nursery_bytes", "put_bytes", "run_bytes_written", "merge_debt_bytes",
            "merges_under_way", "write_amplification", "read_amplification",
            "space_amplification_max", "expiring", "expired"}) {
        text.append(" ").append(name).append(" ").append(store.text(name));
      }
    }
    text += "\n";
  }
  for (const JsonFields& problem : figures.problems) {
    text += "scrub.problem page " + problem.text("page_id") + ": " +
            one_line(problem.bytes("message")) + "\n";
  }
}

}  // namespace

Result<ExitCode> run_stat(Session& session, const StatOptions& /*options*/) {
  AETHER_TRY_ASSIGN(const std::string document, session.stat_document());
  std::string text;
  if (session.format() == Format::json) {
    text = document + "\n";
  } else {
    AETHER_TRY_ASSIGN(const Figures figures, figures_of(document));
    if (session.format() == Format::table) {
      figures.report.append_table(text, output_width(), session.colored_output());
      append_summaries_table(text, figures.summaries, session.colored_output());
      append_stores_table(text, figures.stores, session.colored_output());
      AETHER_TRY(append_runs_tables(text, figures.stores, session.colored_output()));
      append_problems_table(text, figures.problems, session.colored_output());
    } else {
      append_plain(text, figures);
    }
  }
  AETHER_TRY(session.out().write(text));
  return ExitCode::ok;
}

}  // namespace aether::cli
