#include "apps/aether/report.h"

#include "apps/aether/table.h"
#include "apps/aether/text.h"

namespace aether::cli {
namespace {

template <typename... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <typename... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

}  // namespace

Report& Report::take(std::string name, Value value) {
  figures_.push_back({group_, std::move(name), std::move(value)});
  return *this;
}

std::string Report::plain_text(const Value& value) {
  return std::visit(Overloaded{[](const std::string& text) { return escaped(text); },
                               [](uint64_t number) { return std::to_string(number); },
                               [](bool truth) { return std::string(truth ? "true" : "false"); },
                               [](Size size) { return std::to_string(size.bytes); },
                               [](Number number) { return to_text(number.value); },
                               [](Microseconds time) { return to_text(time.value); },
                               [](double number) { return to_text(number); }},
                    value);
}

std::string Report::human_text(const Value& value) {
  return std::visit(Overloaded{[](const std::string& text) { return escaped(text); },
                               [](uint64_t number) { return with_commas(number); },
                               [](bool truth) { return std::string(truth ? "yes" : "no"); },
                               [](Size size) { return human_bytes(size.bytes); },
                               [](Number number) { return human_number(number.value); },
                               [](Microseconds time) { return human_seconds(time.value / 1e6); },
                               [](double number) { return human_seconds(number); }},
                    value);
}

void Report::append_plain(std::string& to) const {
  for (const Figure& figure : figures_) {
    if (!figure.group.empty()) to += figure.group + ".";
    to += figure.name + " " + plain_text(figure.value) + "\n";
  }
}

void Report::append_json(base::JsonWriter& json) const {
  std::string group;
  for (const Figure& figure : figures_) {
    if (figure.group != group) {
      if (!group.empty()) json.end_object();
      if (!figure.group.empty()) json.name(figure.group).begin_object();
      group = figure.group;
    }
    json.name(figure.name);
    std::visit(Overloaded{[&](Size size) { json.value(size.bytes); },
                          [&](Number number) { json.value(number.value); },
                          [&](Microseconds time) { json.value(time.value); },
                          [&](const auto& other) { json.value(other); }},
               figure.value);
  }
  if (!group.empty()) json.end_object();
}

void Report::append_table(std::string& to, size_t width, bool color) const {
  Table table({{"figure"}, {"value", true}}, width, color);
  for (const Figure& figure : figures_) {
    const std::string prefix = figure.group.empty() ? "" : figure.group + ".";
    table.add({prefix + figure.name, human_text(figure.value)});
  }
  table.print(to);
}

Result<void> Report::print(Session& session) const {
  std::string text;
  if (session.format() == Format::json) {
    base::JsonWriter json(text);
    json.begin_object();
    append_json(json);
    json.end_object();
    text += '\n';
  } else if (session.format() == Format::table) {
    append_table(text, output_width(), session.colored_output());
  } else {
    append_plain(text);
  }
  return session.out().write(text);
}

}  // namespace aether::cli
