/// Named figures, printed in each of the three formats.
///
///   plain   `group.name value`, one a line, numbers in base units (bytes, seconds)
///   json    one object, a member a figure, an object a group
///   table   names and values for people: 9.7 MiB, 12.3 ms
///
/// Threads   One thread.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "apps/aether/options.h"
#include "apps/aether/session.h"
#include "base/json_writer.h"

namespace aether::cli {

class Report {
 public:
  /// Figures added from now on belong to `name`; empty: to no group.
  Report& group(std::string name) {
    group_ = std::move(name);
    return *this;
  }
  Report& add(std::string name, std::string value) {
    return take(std::move(name), std::move(value));
  }
  Report& add(std::string name, uint64_t value) { return take(std::move(name), value); }
  Report& add(std::string name, bool value) { return take(std::move(name), value); }
  /// Printed as bytes for people; the name ends in or holds "bytes".
  Report& add_bytes(std::string name, uint64_t value) { return take(std::move(name), Size{value}); }
  /// Shown as a whole number for people, or with three digits.
  Report& add_number(std::string name, double value) {
    return take(std::move(name), Number{value});
  }
  /// Printed as a time for people; the name ends in "_us".
  Report& add_us(std::string name, double value) {
    return take(std::move(name), Microseconds{value});
  }
  Report& add_seconds(std::string name, double value) { return take(std::move(name), value); }

  void append_plain(std::string& to) const;
  /// The members only: the caller opens and closes the object and may add its own.
  void append_json(base::JsonWriter& json) const;
  void append_table(std::string& to, size_t width, bool color) const;
  /// All of it, in the session's format.
  Result<void> print(Session& session) const;

 private:
  struct Size {
    uint64_t bytes;
  };
  struct Number {
    double value;
  };
  struct Microseconds {
    double value;
  };
  using Value = std::variant<std::string, uint64_t, bool, Size, double, Number, Microseconds>;
  struct Figure {
    std::string group;
    std::string name;
    Value value;
  };

  Report& take(std::string name, Value value);
  static std::string plain_text(const Value& value);
  static std::string human_text(const Value& value);

  std::string group_;
  std::vector<Figure> figures_;
};

}  // namespace aether::cli
