// printlog, inspect: the log and the pages, decoded, as they lie on disk.

#include <algorithm>
#include <utility>

#include "apps/aether/inspect_store.h"
#include "apps/aether/report.h"
#include "apps/aether/signals.h"
#include "apps/aether/table.h"
#include "apps/aether/text.h"
#include "apps/aether/verbs.h"
#include "base/json_writer.h"
#include "db/introspection.h"
#include "os/os.h"

namespace aether::cli {
namespace {

using db::LogLine;
using db::PageDump;

bool is_wanted(const LogLine& line, const PrintlogOptions& options) {
  if (line.position < options.from) return false;
  if (options.txn && line.txn != *options.txn) return false;
  if (options.stream && line.stream != *options.stream) return false;
  if (!options.type.empty() && line.type != options.type) return false;
  if (!options.page) return true;
  return std::find(line.pages.begin(), line.pages.end(), *options.page) != line.pages.end();
}

std::string pages_text(const LogLine& line) {
  std::string text;
  for (const uint64_t page : line.pages) {
    if (!text.empty()) text += ',';
    text += std::to_string(page);
  }
  return text;
}

void append_json_line(std::string& text, const LogLine& line) {
  base::JsonWriter json(text);
  json.begin_object()
      .member("position", line.position)
      .member("epoch", line.epoch)
      .member("stream", line.stream)
      .member("lsn", line.lsn)
      .member("txn", line.txn)
      .member("type", line.type)
      .bytes("detail", line.detail)
      .name("pages")
      .begin_array();
  for (const uint64_t page : line.pages) json.value(page);
  json.end_array().end_object();
  text += '\n';
}

void append_plain_line(std::string& text, const LogLine& line) {
  text += std::to_string(line.position) + " epoch " + std::to_string(line.epoch) + " stream " +
          std::to_string(line.stream) + " lsn " + std::to_string(line.lsn) + " txn " +
          std::to_string(line.txn) + " " + line.type;
  if (!line.pages.empty()) text.append(" pages ").append(pages_text(line));
  if (!line.detail.empty()) text.append(" ").append(one_line(line.detail));
  text += '\n';
}

class LogPrinter {
 public:
  explicit LogPrinter(Session& session) : session_(session) {
    if (session.format() != Format::table) return;
    table_.emplace(std::vector<Table::Column>{{"position", true},
                                              {"epoch", true},
                                              {"stream", true},
                                              {"lsn", true},
                                              {"txn", true},
                                              {"type"},
                                              {"pages"},
                                              {"detail"}},
                   output_width(), session.colored_output());
  }

  Result<void> print(const LogLine& line) {
    text_.clear();
    if (table_) {
      table_->add({std::to_string(line.position), std::to_string(line.epoch),
                   std::to_string(line.stream), std::to_string(line.lsn), std::to_string(line.txn),
                   line.type, pages_text(line), one_line(line.detail)});
      if (table_->held() < kTableRowsHeld) return {};
      table_->print(text_);
    } else if (session_.format() == Format::json) {
      append_json_line(text_, line);
    } else {
      append_plain_line(text_, line);
    }
    return session_.out().write(text_);
  }

  Result<void> finish() {
    if (!table_) return {};
    text_.clear();
    table_->print(text_);
    return session_.out().write(text_);
  }

 private:
  Session& session_;
  std::optional<Table> table_;
  std::string text_;
};

using NamedTexts = std::vector<std::pair<std::string, std::string>>;

void append_page_json(std::string& text, const PageDump& page) {
  base::JsonWriter json(text);
  json.begin_object()
      .member("page_id", page.page_id)
      .member("kind", page.kind)
      .member("gsn", page.gsn)
      .member("store", page.store)
      .member("checksum_ok", page.checksum_ok)
      .name("fields")
      .begin_object();
  for (const auto& [name, value] : page.fields) json.bytes(name, value);
  json.end_object().name("entries").begin_array();
  for (const auto& [key, value] : page.entries) {
    json.begin_object().bytes("key", key).bytes("value", value).end_object();
  }
  json.end_array().end_object();
  text += '\n';
}

void append_page_plain(std::string& text, const PageDump& page) {
  text += "page_id " + std::to_string(page.page_id) + "\nkind " + page.kind + "\ngsn " +
          std::to_string(page.gsn) + "\nstore " + std::to_string(page.store) + "\nchecksum_ok " +
          (page.checksum_ok ? "true" : "false") + "\n";
  for (const auto& [name, value] : page.fields) text += name + " " + one_line(value) + "\n";
  for (const auto& [key, value] : page.entries) {
    text += "entry " + escaped(key) + "\t" + escaped(value) + "\n";
  }
}

void append_page_table(std::string& text, const PageDump& page, bool color) {
  const auto append_table = [&](const char* left, const char* right, const NamedTexts& rows) {
    Table table({{left}, {right}}, output_width(), color);
    for (const auto& [name, value] : rows) table.add({escaped(name), escaped(value)});
    table.print(text);
  };
  NamedTexts fields = {{"page_id", std::to_string(page.page_id)},
                       {"kind", page.kind},
                       {"gsn", std::to_string(page.gsn)},
                       {"store", std::to_string(page.store)},
                       {"checksum", page.checksum_ok ? "ok" : "WRONG"}};
  for (const auto& [name, value] : page.fields) fields.emplace_back(name, value);
  append_table("field", "value", fields);
  if (page.entries.empty()) return;
  text += '\n';
  append_table("key", "value", page.entries);
}

}  // namespace

Result<ExitCode> run_printlog(Session& session, const PrintlogOptions& options) {
  LogPrinter printer(session);
  Result<void> printed;
  uint64_t count = 0;
  const auto visit = [&](const LogLine& line) {
    if (line.position >= options.to || count >= options.limit || stop_requested()) return false;
    if (!is_wanted(line, options)) return true;
    ++count;
    printed = printer.print(line);
    return printed.has_value();
  };
  Result<void> read = db::print_log(os::production(), session.global().home, visit);
  AETHER_TRY(std::move(printed));
  AETHER_TRY(printer.finish());  // Also in front of damage: what was readable is shown.
  AETHER_TRY(std::move(read));
  return stop_requested() ? ExitCode::interrupted : ExitCode::ok;
}

Result<ExitCode> run_inspect(Session& session, const InspectOptions& options) {
  if (!options.page) return inspect_store(session, options);
  AETHER_TRY_ASSIGN(const PageDump page,
                    db::inspect_page(os::production(), session.global().home, *options.page));
  std::string text;
  if (session.format() == Format::json) {
    append_page_json(text, page);
  } else if (session.format() == Format::table) {
    append_page_table(text, page, session.colored_output());
  } else {
    append_page_plain(text, page);
  }
  AETHER_TRY(session.out().write(text));
  return page.checksum_ok ? ExitCode::ok : ExitCode::problem;
}

}  // namespace aether::cli
