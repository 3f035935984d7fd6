#include <charconv>
#include <optional>
#include <system_error>
#include <utility>

#include "apps/aether/json_reader.h"
#include "apps/aether/row_reader.h"
#include "apps/aether/text.h"

namespace aether::cli {
namespace {

bool is_blank(Bytes line) noexcept { return line.find_first_not_of(" \t\r") == Bytes::npos; }

class JsonlReader final : public RowReader {
 public:
  JsonlReader(LineReader lines, const TextOptions& options)
      : RowReader(std::move(lines)), key_field_(options.key_field) {}

  Result<Event> next() override;

 private:
  using Complaint = std::optional<JsonError>;
  Result<void> read_pair();
  Result<void> read_field();
  static Complaint take(const JsonMember& member, bool hex, const char* what,
                        std::optional<std::string>& to);
  Complaint take_expiry(const JsonMember& member);
  Result<void> require(const std::optional<std::string>& found, const std::string& what) const;

  std::string key_field_;
  bool begun_ = false;
  std::optional<std::string> key_;
  std::optional<std::string> value_;
  std::optional<uint64_t> expires_at_ms_;
};

Result<RowReader::Event> JsonlReader::next() {
  if (!begun_) {
    begun_ = true;
    return Event::section;
  }
  do {
    AETHER_TRY_ASSIGN(const bool more, lines_.next());
    if (!more) return Event::end;
  } while (is_blank(lines_.line()));

  key_.reset();
  value_.reset();
  expires_at_ms_.reset();
  AETHER_TRY(key_field_.empty() ? read_pair() : read_field());
  if (row_.value.size() > kMaxValueBytes) {
    return Error(Code::too_large, lines_.name() + ", line " + with_commas(lines_.line_number()) +
                                      ": a value of " + human_bytes(row_.value.size()) +
                                      " is above the limit of " + human_bytes(kMaxValueBytes));
  }
  return Event::row;
}

/// Decodes one member into `to`; says what is wrong with it, if anything is.
JsonlReader::Complaint JsonlReader::take(const JsonMember& member, bool hex, const char* what,
                                         std::optional<std::string>& to) {
  if (to) {
    return JsonError{member.name_column,
                     std::string("expected one ") + what + " a line, found a second"};
  }
  if (member.kind != JsonKind::string) {
    return JsonError{member.column,
                     std::string("expected a string as ") + what + ", found " +
                         in_quotes(member.raw, 24) +
                         "; to store whole lines, name the key's field with --key-field"};
  }
  decode_json_string(member.raw, to.emplace());
  if (!hex) return std::nullopt;
  Result<std::string> bytes = from_hex(*to);
  if (!bytes) return JsonError{member.column, std::string(bytes.error().message())};
  to = *std::move(bytes);
  return std::nullopt;
}

JsonlReader::Complaint JsonlReader::take_expiry(const JsonMember& member) {
  if (expires_at_ms_) return JsonError{member.name_column, "expected one expiry, found a second"};
  uint64_t at_ms = 0;
  const char* const end = member.raw.data() + member.raw.size();
  const auto [read_to, error] = std::from_chars(member.raw.data(), end, at_ms);
  if (member.kind != JsonKind::number || error != std::errc() || read_to != end) {
    return JsonError{member.column, "expected milliseconds since 1970 as the expiry, found " +
                                        in_quotes(member.raw, 24)};
  }
  expires_at_ms_ = at_ms;
  return std::nullopt;
}

Result<void> JsonlReader::require(const std::optional<std::string>& found,
                                  const std::string& what) const {
  if (found) return {};
  return lines_.error_at(0, "expected a member " + what + " in the object, found none");
}

/// {"key": ..., "value": ...}, either with _hex; perhaps "expires_at_ms". Other members are errors: silence would lose them.
Result<void> JsonlReader::read_pair() {
  const auto visit = [&](const JsonMember& member) -> Complaint {
    if (member.name == "key") return take(member, false, "key", key_);
    if (member.name == "key_hex") return take(member, true, "key", key_);
    if (member.name == "value") return take(member, false, "value", value_);
    if (member.name == "value_hex") return take(member, true, "value", value_);
    if (member.name == "expires_at_ms") return take_expiry(member);
    return JsonError{
        member.name_column,
        "expected only key, key_hex, value, value_hex or expires_at_ms, found member " +
            in_quotes(member.name, 24) +
            "; to store whole lines, name the key's field with --key-field"};
  };
  if (const std::optional<JsonError> error = read_json_object(lines_.line(), visit)) {
    return lines_.error_at(error->column, error->message);
  }
  AETHER_TRY(require(key_, "\"key\" or \"key_hex\""));
  AETHER_TRY(require(value_, "\"value\" or \"value_hex\""));
  row_ = {*key_, *value_, expires_at_ms_.value_or(0)};
  return {};
}

/// Any object: one member is the key, the line is the value.
Result<void> JsonlReader::read_field() {
  const auto visit = [&](const JsonMember& member) -> Complaint {
    if (member.name != key_field_) return std::nullopt;
    if (member.kind == JsonKind::number && !key_) {
      key_ = std::string(member.raw);
      return std::nullopt;
    }
    return take(member, false, "key", key_);
  };
  if (const std::optional<JsonError> error = read_json_object(lines_.line(), visit)) {
    return lines_.error_at(error->column, error->message);
  }
  AETHER_TRY(require(key_, in_quotes(key_field_, 40)));
  row_ = {*key_, lines_.line(), 0};
  return {};
}

}  // namespace

std::unique_ptr<RowReader> make_jsonl_reader(LineReader lines, const TextOptions& options) {
  return std::make_unique<JsonlReader>(std::move(lines), options);
}

}  // namespace aether::cli
