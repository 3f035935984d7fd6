/// A flat JSON object: names with strings or numbers, in the order they were set.
///
/// Enough for one result a line, written by a child process and read by its parent. No nesting.
/// Threads  Values; no shared state.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "aether/error.h"

namespace aether::bench {

class JsonObject {
 public:
  using Value = std::variant<double, std::string>;

  /// Reads one object. Errors: corruption (names the offset), also for nested values.
  static Result<JsonObject> parse(std::string_view text);

  /// Replaces the field if it is there.
  void set(std::string_view name, Value value);
  /// Sets every field of `other`.
  void append(const JsonObject& other);
  bool has(std::string_view name) const { return find(name) != nullptr; }
  /// The number, or 0 if there is no such number.
  double number(std::string_view name) const;
  /// The string, or empty if there is no such string.
  std::string text(std::string_view name) const;
  /// One line without a newline. Whole numbers are written without a fraction.
  std::string to_string() const;

 private:
  const Value* find(std::string_view name) const;
  std::vector<std::pair<std::string, Value>> fields_;
};

}  // namespace aether::bench
