#include "json.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace aether::bench {
namespace {

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
      out += escape;
    } else {
      out += c;
    }
  }
  out += '"';
}

void append_number(std::string& out, double number) {
  constexpr double kLargestExact = 9007199254740992.0;  // 2^53
  char text[40];
  if (!std::isfinite(number)) {
    out += "null";
    return;
  }
  if (std::floor(number) == number && std::fabs(number) < kLargestExact) {
    std::snprintf(text, sizeof text, "%.0f", number);
  } else {
    std::snprintf(text, sizeof text, "%.6g", number);
  }
  out += text;
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Result<JsonObject> object() {
    JsonObject object;
    if (!take('{')) return error("an object");
    if (take('}')) return object;
    do {
      AETHER_TRY_ASSIGN(std::string name, string());
      if (!take(':')) return error("a colon");
      AETHER_TRY_ASSIGN(JsonObject::Value value, value());
      object.set(name, std::move(value));
    } while (take(','));
    if (!take('}')) return error("the end of the object");
    return object;
  }

 private:
  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }

  bool take(char c) {
    skip_blanks();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  Result<std::string> string() {
    if (!take('"')) return error("a string");
    std::string out;
    for (; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] != '\\') {
        out += text_[at_];
        continue;
      }
      if (++at_ >= text_.size()) return error("the rest of an escape");
      if (text_[at_] == 'u') {
        if (text_.size() - at_ < 5) return error("four hexadecimal digits");
        const std::string digits(text_.substr(at_ + 1, 4));
        out += static_cast<char>(std::strtoul(digits.c_str(), nullptr, 16));
        at_ += 4;
      } else {
        out += text_[at_];
      }
    }
    if (!take('"')) return error("the end of a string");
    return out;
  }

  Result<JsonObject::Value> value() {
    skip_blanks();
    if (at_ < text_.size() && text_[at_] == '"') {
      AETHER_TRY_ASSIGN(std::string text, string());
      return JsonObject::Value(std::move(text));
    }
    if (text_.substr(at_, 4) == "null") {
      at_ += 4;
      return JsonObject::Value(std::nan(""));
    }
    const std::string digits(text_.substr(at_, text_.find_first_of(",}", at_) - at_));
    char* end = nullptr;
    const double number = std::strtod(digits.c_str(), &end);
    if (end == digits.c_str()) return error("a number or a string");
    at_ += static_cast<size_t>(end - digits.c_str());
    return JsonObject::Value(number);
  }

  Error error(const char* wanted) const {
    return Error(Code::corruption, "result line: expected " + std::string(wanted) + " at offset " +
                                       std::to_string(at_));
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Result<JsonObject> JsonObject::parse(std::string_view text) { return Reader(text).object(); }

void JsonObject::set(std::string_view name, Value value) {
  for (auto& field : fields_) {
    if (field.first == name) {
      field.second = std::move(value);
      return;
    }
  }
  fields_.emplace_back(name, std::move(value));
}

void JsonObject::append(const JsonObject& other) {
  for (const auto& field : other.fields_) set(field.first, field.second);
}

const JsonObject::Value* JsonObject::find(std::string_view name) const {
  for (const auto& field : fields_) {
    if (field.first == name) return &field.second;
  }
  return nullptr;
}

double JsonObject::number(std::string_view name) const {
  const Value* value = find(name);
  const double* number = value == nullptr ? nullptr : std::get_if<double>(value);
  return number == nullptr ? 0 : *number;
}

std::string JsonObject::text(std::string_view name) const {
  const Value* value = find(name);
  const std::string* text = value == nullptr ? nullptr : std::get_if<std::string>(value);
  return text == nullptr ? std::string() : *text;
}

std::string JsonObject::to_string() const {
  std::string out = "{";
  for (const auto& field : fields_) {
    if (out.size() > 1) out += ", ";
    append_quoted(out, field.first);
    out += ": ";
    if (const double* number = std::get_if<double>(&field.second)) {
      append_number(out, *number);
    } else {
      append_quoted(out, std::get<std::string>(field.second));
    }
  }
  return out + "}";
}

}  // namespace aether::bench
