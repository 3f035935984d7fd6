#include "report.h"

#include <algorithm>
#include <map>
#include <sstream>

#include "numbers.h"
#include "report_sections.h"
#include "results.h"

namespace aether::bench {
namespace {

class Report {
 public:
  explicit Report(const std::vector<JsonObject>& all) : results_(all) {}

  std::string make(const std::vector<Goal>& goals) {
    head();
    if (results_.engines().empty()) {
      write_devices(out_, results_);
      problems();
      return out_.str();
    }
    for (const DataSize& size : results_.sizes()) rates(size);
    write_goals(out_, goals, results_);
    write_growth(out_, results_);
    write_value_sizes(out_, results_);
    write_snapshots(out_, results_);
    write_devices(out_, results_);
    write_amplification(out_, results_);
    resources();
    configurations();
    problems();
    return out_.str();
  }

 private:
  void head() {
    out_ << "# Aether and its peers\n\n";
    if (results_.all().empty()) return;
    double repeats = 0;
    for (const JsonObject& result : results_.all()) {
      repeats = std::max(repeats, result.number("repeat") + 1);
    }
    const JsonObject& first = results_.all().front();
    out_ << "- Machine: " << first.text("machine") << "\n- Runs: median of "
         << format("%.0f", repeats) << ", " << format("%g", first.number("run_seconds"))
         << " s each (loads and single acts: to their end); ± is half the spread\n"
         << "- Cells: operations a second (p50/p99/p99.9 latency in microseconds; m = "
            "milliseconds).";
    if (!results_.engines().empty()) {
      out_ << " Ratios above 1: " << results_.subject() << " is faster";
    }
    out_ << "\n\n";
  }

  void rates(const DataSize& size) {
    const std::vector<std::string>& engines = results_.engines();
    const bool peers = engines.size() > 1;
    std::ostringstream rows;
    for (const Row& row : results_.rows()) {
      if (row.size == size) rate_row(rows, row);
    }
    if (rows.str().empty()) return;
    out_ << "## " << size.text() << "\n\n| workload | threads |";
    for (const std::string& engine : engines) out_ << ' ' << engine << " |";
    out_ << (peers ? " to the best peer | to each |" : "") << "\n|---|---|";
    for (size_t i = 0; i < engines.size() + (peers ? 2 : 0); ++i) out_ << "---|";
    out_ << '\n' << rows.str() << '\n';
  }

  void rate_row(std::ostream& out, const Row& row) const {
    const std::vector<std::string>& engines = results_.engines();
    out << "| " << row.workload << " | " << row.threads << " |";
    const Cell subject = results_.cell(row, results_.subject());
    std::string each;
    double best_peer = 0;
    for (const std::string& engine : engines) {
      const Cell runs = results_.cell(row, engine);
      out << ' ' << runs.text() << " |";
      if (runs.empty() || engine == results_.subject()) continue;
      if (!is_ours(engine)) best_peer = std::max(best_peer, runs.rate());
      if (subject.empty()) continue;
      each.append(each.empty() ? "" : ", ").append(engine);
      each += format(" %.2f", subject.rate() / runs.rate());
    }
    if (engines.size() > 1) {
      const bool known = !subject.empty() && best_peer > 0;
      out << ' ' << (known ? format("**%.2f**", subject.rate() / best_peer) : "-") << " | "
          << (each.empty() ? "-" : each) << " |";
    }
    out << '\n';
  }

  void resources() {
    out_ << "## Resources\n\nBytes for each operation as the kernel charges them to the process, "
            "from open to close; processor time of all its threads; disk after close. "
            "Longest: the longest operation, and the most that one spent working, waiting for a "
            "processor, and asleep.\n\n"
            "| data | workload | threads | engine | CPU us/op | written MB | written B/op | read "
            "B/op | disk MB | peak RSS MB | longest: us | working | for a processor | asleep | "
            "retries |\n"
            "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n";
    for (const Row& row : results_.rows()) {
      for (const std::string& engine : results_.engines()) {
        const Cell runs = results_.cell(row, engine);
        if (!runs.empty()) resource_row(runs, row, engine);
      }
    }
    out_ << '\n';
  }

  void resource_row(const Cell& runs, const Row& row, const std::string& engine) {
    const double operations = std::max(runs.of("ops"), 1.0);
    const double all_operations = std::max(runs.of("ops") + runs.of("warm_up_ops"), 1.0);
    out_ << "| " << row.size.records << " x " << row.size.value_bytes << " | " << row.workload
         << " | " << row.threads << " | " << engine << " | "
         << format("%.2f", runs.of("cpu_seconds") * 1e6 / operations) << " | "
         << format("%.3g", runs.of("bytes_written") / 1e6) << " | "
         << format("%.0f", runs.of("bytes_written") / all_operations) << " | "
         << format("%.0f", runs.of("bytes_read") / all_operations) << " | "
         << format("%.0f", runs.of("disk_bytes") / 1e6) << " | "
         << format("%.0f", runs.of("peak_rss_mb")) << " | " << micros(runs.of("max_us")) << " | "
         << micros(runs.of("pause_work_us")) << " | " << micros(runs.of("pause_processor_us"))
         << " | " << micros(runs.of("pause_sleep_us")) << " | "
         << format("%.0f", runs.of("retries")) << " |\n";
  }

  void configurations() {
    out_ << "## Configurations\n\n";
    for (const std::string& engine : results_.engines()) configurations_of(engine);
    out_ << '\n';
  }

  void configurations_of(const std::string& engine) {
    std::vector<std::string> order;
    std::vector<std::string> names;
    std::string version;
    for (const JsonObject& result : results_.all()) {
      if (result.text("engine") != engine || !result.has("config")) continue;
      version = result.text("version");
      const std::string config = result.text("config");
      const auto at = static_cast<size_t>(std::find(order.begin(), order.end(), config) -
                                          order.begin());
      if (at == order.size()) {
        order.push_back(config);
        names.emplace_back();
      }
      add_name(names[at], result.text("workload"));
    }
    for (size_t i = 0; i < order.size(); ++i) {
      out_ << "- **" << engine << "** " << version << " (" << names[i] << "): " << order[i] << '\n';
    }
  }

  static void add_name(std::string& names, const std::string& name) {
    if ((", " + names + ",").find(", " + name + ",") != std::string::npos) return;
    names.append(names.empty() ? "" : ", ").append(name);
  }

  void problems() {
    std::map<std::string, std::string> workloads_of;  // By engine and reason.
    for (const JsonObject& result : results_.all()) {
      std::string workload = result.text("workload");
      std::string reason = "left out: " + result.text("left_out");
      if (result.has("error")) {
        reason = "FAILED: " + result.text("error");
        workload += format(" with %.0f threads", result.number("threads"));
      } else if (!result.has("left_out")) {
        continue;
      }
      std::string key = "**";
      key.append(result.text("engine")).append("** ").append(reason);
      add_name(workloads_of[key], workload);
    }
    if (workloads_of.empty()) return;
    out_ << "## Left out, and failed\n\n";
    for (const auto& entry : workloads_of) {
      out_ << "- " << entry.first << " (" << entry.second << ")\n";
    }
    out_ << '\n';
  }

  const Results results_;
  std::ostringstream out_;
};

}  // namespace

std::string make_report(const std::vector<JsonObject>& results, const std::vector<Goal>& goals) {
  return Report(results).make(goals);
}

std::string progress_line(const JsonObject& result) {
  std::string line = result.text("workload");
  line += format(", %.0f threads, ", result.number("threads"));
  line.append(result.text("engine")).append(": ");
  if (result.has("error")) return line.append("FAILED: ").append(result.text("error"));
  if (result.has("left_out")) return line.append("left out: ").append(result.text("left_out"));
  line.append(rate(result.number("ops_per_s"))).append("/s, p50 ");
  line.append(micros(result.number("p50_us"))).append(" us, p99 ");
  line.append(micros(result.number("p99_us"))).append(" us, p99.9 ");
  return line.append(micros(result.number("p999_us"))).append(" us");
}

}  // namespace aether::bench
