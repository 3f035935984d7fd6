#include "apps/aether/text.h"

#include <array>
#include <cmath>
#include <cstdio>

namespace aether::cli {
namespace {

bool is_control(int32_t code_point) noexcept {
  return code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0) || code_point == 0x2028 ||
         code_point == 0x2029 || (code_point >= 0x202a && code_point <= 0x202e);
}

struct CodePointRange {
  int32_t first;
  int32_t last;
};

// Ranges of the Unicode blocks, not of single characters: enough to keep the columns of names straight.
constexpr std::array kZeroWidth = {CodePointRange{0x0300, 0x036f}, CodePointRange{0x1ab0, 0x1aff},
                                   CodePointRange{0x1dc0, 0x1dff}, CodePointRange{0x200b, 0x200f},
                                   CodePointRange{0x20d0, 0x20ff}, CodePointRange{0xfe00, 0xfe0f},
                                   CodePointRange{0xfe20, 0xfe2f}};
constexpr std::array kDoubleWidth = {
    CodePointRange{0x1100, 0x115f},  CodePointRange{0x2e80, 0xa4cf},
    CodePointRange{0xac00, 0xd7a3},  CodePointRange{0xf900, 0xfaff},
    CodePointRange{0xfe30, 0xfe6f},  CodePointRange{0xff00, 0xff60},
    CodePointRange{0xffe0, 0xffe6},  CodePointRange{0x1f300, 0x1faff},
    CodePointRange{0x20000, 0x3fffd}};

template <typename Ranges>
bool lies_in(const Ranges& ranges, int32_t code_point) noexcept {
  for (const CodePointRange& range : ranges) {
    if (code_point >= range.first && code_point <= range.last) return true;
  }
  return false;
}

size_t columns_of(int32_t code_point) noexcept {
  if (lies_in(kZeroWidth, code_point)) return 0;
  return lies_in(kDoubleWidth, code_point) ? 2 : 1;
}

void append_byte_escape(std::string& to, char byte) {
  to += "\\x";
  append_hex(to, std::string_view(&byte, 1));
}

std::string printed(const char* format, double number) {
  std::array<char, 64> text{};
  const int size = std::snprintf(text.data(), text.size(), format, number);
  return std::string(text.data(), static_cast<size_t>(size));
}

void append_escaped_but(std::string& to, Bytes bytes, bool escape_backslash) {
  for (size_t at = 0; at < bytes.size();) {
    const size_t begin = at;
    const int32_t code_point = decode_utf8(bytes, at);
    if (code_point < 0) {
      append_byte_escape(to, bytes[at++]);
    } else if (code_point == '\\' && escape_backslash) {
      to += "\\\\";
    } else if (is_control(code_point)) {
      for (size_t i = begin; i < at; ++i) append_byte_escape(to, bytes[i]);
    } else {
      to.append(bytes.substr(begin, at - begin));
    }
  }
}

}  // namespace

void append_escaped(std::string& to, Bytes bytes) { append_escaped_but(to, bytes, true); }

std::string one_line(Bytes text) {
  std::string line;
  append_escaped_but(line, text, false);
  return line;
}

std::string escaped(Bytes bytes) {
  std::string text;
  append_escaped(text, bytes);
  return text;
}

std::string in_quotes(Bytes bytes, size_t most) {
  std::string text = "\"";
  if (bytes.size() <= most) {
    append_escaped(text, bytes);
    text += '"';
    return text;
  }
  // Cut in front of a character, not inside one.
  while (most > 0 && (static_cast<unsigned char>(bytes[most]) & 0xc0) == 0x80) --most;
  append_escaped(text, bytes.substr(0, most));
  text.append("...\" (").append(with_commas(bytes.size())).append(" bytes)");
  return text;
}

Result<std::string> from_hex(Bytes digits) {
  if (digits.size() % 2 != 0) {
    return Error(Code::invalid_argument,
                 "expected pairs of hexadecimal digits, found an odd number (" +
                     with_commas(digits.size()) + ")");
  }
  std::string bytes(digits.size() / 2, '\0');
  for (size_t i = 0; i < digits.size(); i += 2) {
    const int high = hex_digit(digits[i]);
    const int low = hex_digit(digits[i + 1]);
    if (high < 0 || low < 0) {
      const size_t wrong = high < 0 ? i : i + 1;
      return Error(Code::invalid_argument, "expected a hexadecimal digit, found " +
                                               in_quotes(digits.substr(wrong, 1)) + " as digit " +
                                               with_commas(wrong + 1));
    }
    bytes[i / 2] = static_cast<char>(high << 4 | low);
  }
  return bytes;
}

size_t display_width(std::string_view text) noexcept {
  size_t width = 0;
  for (size_t at = 0; at < text.size();) {
    const int32_t code_point = decode_utf8(text, at);
    if (code_point < 0) ++at;
    width += columns_of(code_point);
  }
  return width;
}

std::string fitted(std::string_view text, size_t columns) {
  if (display_width(text) <= columns) return std::string(text);
  if (columns == 0) return "";
  size_t width = 0;
  size_t at = 0;
  while (at < text.size()) {
    size_t next = at;
    const int32_t code_point = decode_utf8(text, next);
    if (code_point < 0) ++next;
    const size_t wider = width + columns_of(code_point);
    if (wider > columns - 1) break;
    width = wider;
    at = next;
  }
  return std::string(text.substr(0, at)) + "…";
}

std::string with_commas(uint64_t n) {
  const std::string digits = std::to_string(n);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string counted(uint64_t n, const std::string& singular) {
  return with_commas(n) + " " + singular + (n == 1 ? "" : "s");
}

std::string human_bytes(uint64_t bytes) {
  constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < KiB) return std::to_string(bytes) + " bytes";
  double amount = static_cast<double>(bytes) / 1024.0;
  size_t unit = 0;
  while (amount >= 1023.95 && unit + 1 < kUnits.size()) {
    amount /= 1024.0;
    ++unit;
  }
  return printed("%.1f ", amount) + kUnits[unit];
}

std::string human_seconds(double seconds) {
  if (seconds < 0.001) return printed("%.0f us", seconds * 1e6);
  if (seconds < 1) return printed("%.1f ms", seconds * 1e3);
  if (seconds < 60) return printed("%.2f s", seconds);
  const double minutes = std::floor(seconds / 60);
  return printed("%.0f min ", minutes) + printed("%.0f s", std::floor(seconds - minutes * 60));
}

std::string human_number(double number) {
  if (number >= 100) return with_commas(static_cast<uint64_t>(number + 0.5));
  return printed("%.3g", number);
}

std::string human_rate(uint64_t n, double seconds) {
  if (seconds <= 0) return "-";
  const double rate = static_cast<double>(n) / seconds;
  if (rate >= 100) return with_commas(static_cast<uint64_t>(rate + 0.5));
  return printed("%.1f", rate);
}

}  // namespace aether::cli
