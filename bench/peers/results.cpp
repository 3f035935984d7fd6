#include "results.h"

#include <algorithm>

#include "data.h"
#include "numbers.h"

namespace aether::bench {
namespace {

constexpr const char* kDevicePrefix = "device-";

template <typename T>
void add_new(std::vector<T>& list, const T& item) {
  if (std::find(list.begin(), list.end(), item) == list.end()) list.push_back(item);
}

bool is_device(const JsonObject& result) {
  return result.text("engine").rfind(kDevicePrefix, 0) == 0;
}

Row row_of(const JsonObject& result) {
  Row row;
  row.size.records = static_cast<uint64_t>(result.number("records"));
  row.size.value_bytes = static_cast<uint64_t>(result.number("value_bytes"));
  row.workload = result.text("workload");
  row.threads = static_cast<unsigned>(result.number("threads"));
  return row;
}

}  // namespace

std::string DataSize::text() const {
  return std::to_string(records) + " records of " + std::to_string(kKeyBytes) + " + " +
         std::to_string(value_bytes) + " bytes";
}

double Cell::of(const char* field) const {
  std::vector<double> numbers;
  for (const JsonObject* run : runs) numbers.push_back(run->number(field));
  return median(std::move(numbers));
}

double Cell::spread() const {
  double least = runs.front()->number("ops_per_s");
  double most = least;
  for (const JsonObject* run : runs) {
    least = std::min(least, run->number("ops_per_s"));
    most = std::max(most, run->number("ops_per_s"));
  }
  return (most - least) / 2 / rate() * 100;
}

std::string Cell::text() const {
  if (empty()) return "-";
  std::string text = aether::bench::rate(rate());
  text.append(" (").append(micros(of("p50_us"))).append("/").append(micros(of("p99_us")));
  text.append("/").append(micros(of("p999_us"))).append(")");
  if (runs.size() > 1) text += format(" ±%.0f%%", spread());
  return text;
}

Results::Results(const std::vector<JsonObject>& all) : all_(all) {
  for (const JsonObject& result : all) {
    const Row row = row_of(result);
    add_new(sizes_, row.size);
    if (is_device(result)) {
      add_new(device_rows_, row);
    } else {
      add_new(rows_, row);
      add_new(engines_, result.text("engine"));
    }
  }
}

Cell Results::cell(const Row& row, const std::string& engine) const {
  Cell found;
  for (const JsonObject& result : all_) {
    if (result.has("ops_per_s") && result.text("engine") == engine && row_of(result) == row) {
      found.runs.push_back(&result);
    }
  }
  return found;
}

Results::Best Results::best_peer(const Row& row, const std::vector<std::string>& among) const {
  Best best;
  for (const std::string& engine : engines_) {
    if (is_ours(engine)) continue;
    if (!among.empty() && std::find(among.begin(), among.end(), engine) == among.end()) continue;
    const Cell runs = cell(row, engine);
    if (!runs.empty() && runs.rate() > best.rate) best = {runs.rate(), engine};
  }
  return best;
}

Results::Best Results::best_device(const Row& row) const {
  Best best;
  for (const char* form : {"buffered", "direct"}) {
    const std::string engine = kDevicePrefix + std::string(form);
    Cell runs = cell(row, engine);
    if (runs.empty()) {
      Row single = row;
      single.threads = 1;
      runs = cell(single, engine);
    }
    if (!runs.empty() && runs.rate() > best.rate) best = {runs.rate(), engine};
  }
  return best;
}

bool is_ours(const std::string& engine) { return engine.rfind("aether", 0) == 0; }

}  // namespace aether::bench
