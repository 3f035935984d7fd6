#include "apps/aether/clock_text.h"

#include <charconv>
#include <cstdio>

#include "apps/aether/text.h"

namespace aether::cli {
namespace {

constexpr uint64_t kNs = 1'000'000'000;
constexpr int64_t kDaySeconds = 86'400;

/// Days since 1970-01-01 of a date of the Gregorian calendar: years begin in March, so that the leap day is a year's last.
int64_t days_of(int64_t year, int64_t month, int64_t day) noexcept {
  year -= month <= 2 ? 1 : 0;
  const int64_t era = year / 400;
  const int64_t of_era = year - era * 400;
  const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146'097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719'468;
}

/// Takes exactly `digits` digits.
bool take(std::string_view& text, size_t digits, int64_t& value) noexcept {
  if (text.size() < digits) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, value);
  if (error != std::errc() || end != text.data() + digits || value < 0) return false;
  text.remove_prefix(digits);
  return true;
}

bool take(std::string_view& text, std::string_view any_of) noexcept {
  if (text.empty() || any_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

/// ".123": nanoseconds. Nothing: all of the second.
bool take_fraction(std::string_view& text, uint64_t& ns) noexcept {
  ns = kNs - 1;
  if (!take(text, ".")) return true;
  ns = 0;
  uint64_t scale = kNs / 10;
  size_t digits = 0;
  for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1)) {
    ns += static_cast<uint64_t>(text.front() - '0') * scale;
    scale /= 10;
    ++digits;
  }
  return digits > 0 && digits <= 9;
}

bool parse_date(std::string_view text, uint64_t& seconds, uint64_t& ns) noexcept {
  int64_t year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  const bool is_date = take(text, 4, year) && take(text, "-") && take(text, 2, month) &&
                       take(text, "-") && take(text, 2, day) && take(text, " T") &&
                       take(text, 2, hour) && take(text, ":") && take(text, 2, minute) &&
                       take(text, ":") && take(text, 2, second) && take_fraction(text, ns);
  if (!is_date) return false;
  take(text, "Z");
  const bool in_range = year >= 1970 && month >= 1 && month <= 12 && day >= 1 && day <= 31 &&
                        hour < 24 && minute < 60 && second < 60;
  if (!text.empty() || !in_range || year > 2500) return false;
  seconds = static_cast<uint64_t>(days_of(year, month, day) * kDaySeconds + hour * 3600 +
                                  minute * 60 + second);
  return true;
}

bool parse_seconds(std::string_view text, uint64_t& seconds, uint64_t& ns) noexcept {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || seconds > UINT64_MAX / kNs - 1) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return take_fraction(text, ns) && text.empty();
}

}  // namespace

std::string time_text(uint64_t wall_ns) {
  const auto seconds = static_cast<int64_t>(wall_ns / kNs);
  const int64_t shifted = seconds / kDaySeconds + 719'468;
  const int64_t era = shifted / 146'097;
  const int64_t of_era = shifted - era * 146'097;
  const int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36'524 - of_era / 146'096) / 365;
  const int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t from_march = (5 * of_year + 2) / 153;
  const int64_t day = of_year - (153 * from_march + 2) / 5 + 1;
  const int64_t month = from_march < 10 ? from_march + 3 : from_march - 9;
  const int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  const int64_t rest = seconds % kDaySeconds;
  char text[48];
  std::snprintf(text, sizeof text, "%04d-%02d-%02d %02d:%02d:%02d.%09d", static_cast<int>(year),
                static_cast<int>(month), static_cast<int>(day), static_cast<int>(rest / 3600),
                static_cast<int>(rest / 60 % 60), static_cast<int>(rest % 60),
                static_cast<int>(wall_ns % kNs));
  return text;
}

Result<uint64_t> parse_time(const std::string& text) {
  uint64_t seconds = 0, ns = 0;
  const std::string_view view = text;
  const bool parsed = view.starts_with("@") ? parse_seconds(view.substr(1), seconds, ns)
                                            : parse_date(view, seconds, ns);
  if (parsed) return seconds * kNs + ns;
  return Error(Code::invalid_argument,
               "not a moment: " + in_quotes(text) +
                   "; expected '2026-11-29 09:59:00' (UTC) or @SECONDS since 1970");
}

}  // namespace aether::cli
