#include "goals.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <ostream>
#include <sstream>

#include "numbers.h"

namespace aether::bench {
namespace {

constexpr uint64_t kGoalValueBytes = 100;
constexpr size_t kFields = 7;
constexpr const char* kRate = "ops_per_s";

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, at);) parts.push_back(part);
  return parts;
}

Error wrong_line(size_t number, const std::string& what) {
  return Error(Code::invalid_argument, "goals, line " + std::to_string(number) + ": " + what +
                                           " (see bench/peers/goals.h)");
}

std::optional<double> number_of(const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0') return std::nullopt;
  return number;
}

Result<Goal> parse_goal(const std::vector<std::string>& parts, size_t number) {
  if (parts.size() != kFields)
    return wrong_line(number, "it needs seven fields, separated by tabs");
  const std::optional<double> threads = number_of(parts[1]);
  const std::optional<double> records = number_of(parts[2]);
  if (!threads || *threads < 1 || !records || *records < 1) {
    return wrong_line(number, "threads and records are numbers from 1 on");
  }
  const std::string& wanted = parts[6];
  const std::string sign = wanted.substr(0, 2);
  const std::optional<double> figure = number_of(wanted.size() > 2 ? wanted.substr(2) : "");
  if ((sign != ">=" && sign != "<=") || !figure) {
    return wrong_line(number, "what is wanted is >= or <= and a number, not '" + wanted + "'");
  }
  Goal goal;
  goal.workload = parts[0];
  goal.threads = static_cast<unsigned>(*threads);
  goal.records = static_cast<uint64_t>(*records);
  goal.engine = parts[3];
  goal.field = parts[4];
  goal.against = parts[5];
  goal.at_least = sign == ">=";
  goal.wanted = *figure;
  if (goal.against != "-" && goal.field != kRate) {
    return wrong_line(number, "only ops_per_s is compared; another field is a goal by itself");
  }
  return goal;
}

/// The row on data of the goal's size, or of the first size that was measured. A ratio travels; a figure does not.
std::optional<Row> row_of(const Goal& goal, const Results& results) {
  std::optional<Row> found;
  for (const Row& row : results.rows()) {
    if (row.workload != goal.workload || row.threads != goal.threads) continue;
    if (row.size.value_bytes != kGoalValueBytes || results.cell(row, goal.engine).empty()) continue;
    if (row.size.records == goal.records) return row;
    if (!found) found = row;
  }
  return found;
}

Results::Best best_of(const Goal& goal, const Row& row, const Results& results) {
  constexpr const char* kDevice = "dev:";
  if (goal.against.rfind(kDevice, 0) == 0) {
    Row device = row;
    device.workload = "dev-" + goal.against.substr(4);
    return results.best_device(device);
  }
  return results.best_peer(
      row, goal.against == "best" ? std::vector<std::string>() : split(goal.against, ','));
}

std::string figure_text(const std::string& field, double figure) {
  if (field == kRate) return rate(figure) + "/s";
  const bool time = field.size() > 3 && field.substr(field.size() - 3) == "_us";
  return time ? micros(figure) + (figure >= 9995 ? "s" : " us") : format("%.2f", figure);
}

const char* to_word(Verdict verdict) {
  switch (verdict) {
    case Verdict::met: return "met";
    case Verdict::missed: return "**missed**";
    case Verdict::not_measured: return "not measured";
  }
  return "unknown";
}

void write_row(std::ostream& out, const Goal& goal, const Judged& judged) {
  const bool measured = judged.verdict != Verdict::not_measured;
  out << "| " << goal.workload << (goal.field == kRate ? "" : ", " + goal.field) << " | "
      << goal.threads << " | " << goal.engine << " | ";
  if (measured) {
    out << judged.size.records << " | " << figure_text(goal.field, judged.measured) << " | "
        << judged.compared << " | " << (goal.against == "-" ? "" : format("%.2f", judged.figure));
  } else {
    out << "| | " << judged.why << " | ";
  }
  out << " | " << (goal.at_least ? "at least " : "at most ") << format("%g", goal.wanted) << " | "
      << to_word(judged.verdict);
  if (measured && judged.size.records != goal.records) {
    out << format(" (the goal is for %.0f records)", static_cast<double>(goal.records));
  }
  out << " |\n";
}

}  // namespace

Result<std::vector<Goal>> parse_goals(const std::string& text) {
  std::vector<Goal> goals;
  const std::vector<std::string> lines = split(text, '\n');
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].empty() || lines[i][0] == '#') continue;
    AETHER_TRY_ASSIGN(Goal goal, parse_goal(split(lines[i], '\t'), i + 1));
    goals.push_back(std::move(goal));
  }
  return goals;
}

Judged judge(const Goal& goal, const Results& results) {
  Judged judged;
  const std::optional<Row> row = row_of(goal, results);
  if (!row) {
    const std::vector<std::string>& engines = results.engines();
    const bool there = std::find(engines.begin(), engines.end(), goal.engine) != engines.end();
    judged.why = there ? "the workload was not run" : "no engine " + goal.engine + " in this run";
    return judged;
  }
  if (goal.against == "-" && row->size.records != goal.records) {
    judged.why = format("the goal is for %.0f records, ", static_cast<double>(goal.records));
    judged.why += format("not for %.0f", static_cast<double>(row->size.records));
    return judged;
  }
  const Cell own = results.cell(*row, goal.engine);
  judged.size = row->size;
  judged.measured = own.of(goal.field.c_str());
  judged.figure = judged.measured;
  if (!own.runs.front()->has(goal.field)) {
    judged.why = "runs of this workload have no " + goal.field;
    return judged;
  }
  if (goal.against != "-") {
    const Results::Best best = best_of(goal, *row, results);
    if (best.engine.empty()) {
      judged.why = "nothing to compare with: " + goal.against;
      return judged;
    }
    judged.figure = judged.measured / best.rate;
    judged.compared = best.engine + " " + figure_text(kRate, best.rate);
  }
  const bool met = goal.at_least ? judged.figure >= goal.wanted : judged.figure <= goal.wanted;
  judged.verdict = met ? Verdict::met : Verdict::missed;
  return judged;
}

void write_goals(std::ostream& out, const std::vector<Goal>& goals, const Results& results) {
  if (goals.empty()) return;
  out << "## Goals\n\n| workload | threads | engine | records | measured | against | ratio | goal "
         "| "
         "verdict |\n|---|---|---|---|---|---|---|---|---|\n";
  size_t met = 0;
  size_t missed = 0;
  for (const Goal& goal : goals) {
    const Judged judged = judge(goal, results);
    met += judged.verdict == Verdict::met;
    missed += judged.verdict == Verdict::missed;
    write_row(out, goal, judged);
  }
  out << '\n'
      << met << " met, " << missed << " missed, " << goals.size() - met - missed
      << " not measured.\n\n";
}

}  // namespace aether::bench
