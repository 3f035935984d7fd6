#include "report_sections.h"

#include <algorithm>
#include <ostream>
#include <sstream>
#include <utility>

#include "data.h"
#include "numbers.h"
#include "workload.h"

namespace aether::bench {
namespace {

void write_table_head(std::ostream& out, const std::string& first,
                      const std::vector<std::string>& rest) {
  out << first;
  size_t columns = static_cast<size_t>(std::count(first.begin(), first.end(), '|')) - 1;
  for (const std::string& name : rest) out << ' ' << name << " |";
  columns += rest.size();
  out << "\n|";
  for (size_t i = 0; i < columns; ++i) out << "---|";
  out << '\n';
}

/// What a field of the sizes takes, ascending.
std::vector<uint64_t> all_of(uint64_t DataSize::*field, const Results& results) {
  std::vector<uint64_t> all;
  all.reserve(results.sizes().size());
  for (const DataSize& size : results.sizes()) all.push_back(size.*field);
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

std::vector<std::string> names_of(const std::vector<uint64_t>& numbers, const char* unit) {
  std::vector<std::string> names;
  names.reserve(numbers.size() + 1);
  for (const uint64_t number : numbers) {
    names.push_back(std::to_string(number));
    names.back() += unit;
  }
  return names;
}

/// Rows that differ in what `same` makes equal, once each.
template <typename Same>
std::vector<Row> rows_without(const Results& results, Same same) {
  std::vector<Row> rows;
  for (Row row : results.rows()) {
    if (find_workload(row.workload) != nullptr && find_workload(row.workload)->is_lone()) continue;
    same(row);
    if (std::find(rows.begin(), rows.end(), row) == rows.end()) rows.push_back(row);
  }
  return rows;
}

/// A thread's time for an operation.
double us_per_operation(const Cell& runs, unsigned threads) { return threads * 1e6 / runs.rate(); }

void write_growth_row(std::ostream& out, Row row, const std::string& engine,
                      const std::vector<uint64_t>& records, const Results& results) {
  std::ostringstream cells;
  std::vector<double> costs;
  for (const uint64_t count : records) {
    row.size.records = count;
    const Cell runs = results.cell(row, engine);
    if (!runs.empty()) costs.push_back(us_per_operation(runs, row.threads));
    cells << ' ' << (runs.empty() ? "-" : micros(costs.back())) << " |";
  }
  if (costs.size() < 2) return;
  out << "| " << row.workload << " | " << row.threads << " | " << row.size.value_bytes << " | "
      << engine << " |" << cells.str() << format(" %.2f |\n", costs.back() / costs.front());
}

/// In the largest store with values of that size.
Cell largest(Row row, uint64_t value_bytes, const std::string& engine, const Results& results) {
  Cell runs;
  for (const uint64_t count : all_of(&DataSize::records, results)) {
    row.size = {count, value_bytes};
    Cell found = results.cell(row, engine);
    if (!found.empty()) runs = std::move(found);
  }
  return runs;
}

void write_value_size_row(std::ostream& out, const Row& any, const std::string& engine,
                          const std::vector<uint64_t>& bytes, const Results& results) {
  std::ostringstream cells;
  size_t measured = 0;
  for (const uint64_t size : bytes) {
    const Cell runs = largest(any, size, engine, results);
    if (runs.empty()) {
      cells << " - |";
      continue;
    }
    ++measured;
    cells << ' ' << rate(runs.rate())
          << format(" (%.3g) |", runs.rate() * static_cast<double>(size) / 1e6);
  }
  if (measured < 2) return;
  out << "| " << any.workload << " | " << any.threads << " | " << engine << " |" << cells.str()
      << '\n';
}

}  // namespace

void write_growth(std::ostream& out, const Results& results) {
  const std::vector<uint64_t> records = all_of(&DataSize::records, results);
  if (records.size() < 2) return;
  std::ostringstream rows;
  for (const Row& row : rows_without(results, [](Row& r) { r.size.records = 0; })) {
    for (const std::string& engine : results.engines()) {
      write_growth_row(rows, row, engine, records, results);
    }
  }
  if (rows.str().empty()) return;
  std::vector<std::string> names = names_of(records, "");
  names.emplace_back("last to first");
  out << "## Growth\n\nMicroseconds of a thread for an operation, by the number of records.\n\n";
  write_table_head(out, "| workload | threads | value bytes | engine |", names);
  out << rows.str() << '\n';
}

void write_value_sizes(std::ostream& out, const Results& results) {
  const std::vector<uint64_t> bytes = all_of(&DataSize::value_bytes, results);
  if (bytes.size() < 2) return;
  out << "## Value sizes\n\nOperations a second, and in brackets as many values in MB a second (a "
         "scan of 100 moves a hundred "
         "times as much). Large values come with fewer records.\n\n";
  write_table_head(out, "| workload | threads | engine |", names_of(bytes, " B"));
  for (const Row& any : rows_without(results, [](Row& r) { r.size = DataSize(); })) {
    for (const std::string& engine : results.engines()) {
      write_value_size_row(out, any, engine, bytes, results);
    }
  }
  out << '\n';
}

void write_snapshots(std::ostream& out, const Results& results) {
  std::ostringstream rows;
  for (const Row& row : results.rows()) {
    if (row.workload != "txn-read-alone") continue;
    Row beside = row;
    beside.workload = "txn-read-mixed";
    for (const std::string& engine : results.engines()) {
      const Cell alone = results.cell(row, engine);
      const Cell mixed = results.cell(beside, engine);
      if (alone.empty() || mixed.empty()) continue;
      rows << "| " << engine << " | " << row.threads << " | " << alone.text() << " | "
           << mixed.text() << " | " << rate(mixed.of("background_ops_per_s")) << " | "
           << format("**%.2f**", mixed.rate() / alone.rate()) << " |\n";
    }
  }
  if (rows.str().empty()) return;
  out << "## Snapshot reads beside writers\n\nA snapshot of 100 reads is one operation. Alone: as "
         "many threads burn processor time; mixed: as many threads write.\n\n"
         "| engine | readers | alone | mixed | the writers' transactions a second | mixed to alone "
         "|\n|---|---|---|---|---|---|\n"
      << rows.str() << '\n';
}

namespace {

/// The workload that a device's rate is the bound of, and what it does on that device.
const char* bounded_by(const std::string& device) {
  if (device == "dev-append-sync") return "sync-put";
  return device == "dev-randread" ? "oom-get" : "oom-batch-get";
}

std::string parts_of(double best, Row row, const std::string& workload, const Results& results) {
  std::string text;
  row.workload = workload;
  for (const std::string& engine : results.engines()) {
    const Cell runs = results.cell(row, engine);
    if (runs.empty()) continue;
    text += text.empty() ? workload + ": " : ", ";
    text += engine + format(" %.2f", runs.rate() / best);
  }
  return text;
}

}  // namespace

void write_devices(std::ostream& out, const Results& results) {
  if (results.device_rows().empty()) return;
  out << "## The device\n\n| what | form | threads | file as large as | rate | engines, part of "
         "the best form |\n"
         "|---|---|---|---|---|---|\n";
  for (const Row& row : results.device_rows()) {
    const Results::Best best = results.best_device(row);
    for (const char* form : {"device-buffered", "device-direct"}) {
      const Cell runs = results.cell(row, form);
      if (runs.empty()) continue;
      out << "| " << row.workload << " | " << form << " | " << row.threads << " | "
          << row.size.text() << " | " << runs.text() << " | "
          << (form == best.engine ? parts_of(best.rate, row, bounded_by(row.workload), results)
                                  : "")
          << " |\n";
    }
  }
  out << '\n';
}

void write_amplification(std::ostream& out, const Results& results) {
  std::ostringstream rows;
  for (const Row& row : results.rows()) {
    if (row.workload != "space") continue;
    for (const std::string& engine : results.engines()) {
      const Cell runs = results.cell(row, engine);
      if (runs.empty()) continue;
      rows << "| " << engine << " | " << row.size.text() << " | "
           << format("%.2f", runs.of("load_write_amplification")) << " | "
           << format("%.2f", runs.of("update_write_amplification")) << " | "
           << format("**%.2f**", runs.of("space_amplification")) << " | "
           << format("%.0f", runs.of("disk_bytes") / 1e6) << " |\n";
    }
  }
  if (rows.str().empty()) return;
  out << "## Write and space amplification\n\nEvery record is put in random order, then as many "
         "new values of "
         "random ones. Bytes that the process wrote for a byte of key and value, by phase (the "
         "close "
         "belongs to the updates); disk after the close for a live byte.\n\n"
         "| engine | data | written, load | written, updates | disk to live bytes | disk MB |\n"
         "|---|---|---|---|---|---|\n"
      << rows.str() << '\n';
}

}  // namespace aether::bench
