/// Text helpers of the command: UTF-8, escapes, hexadecimal, numbers for people.
///
/// Threads   Plain functions without state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "aether/error.h"
#include "aether/options.h"

namespace aether::cli {

/// Decodes the code point at `at` and moves `at` behind it. Negative, with `at` unmoved, if the bytes
/// there are no well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates). `at` < bytes.size().
int32_t decode_utf8(Bytes bytes, size_t& at) noexcept;
void append_utf8(std::string& to, uint32_t code_point);
bool is_utf8(Bytes bytes) noexcept;

/// Appends `bytes` for one line on a terminal: printable UTF-8 as it is, `\\` for a backslash, `\xNN`
/// for every byte of anything else (control characters, line ends, tabs, broken UTF-8).
void append_escaped(std::string& to, Bytes bytes);
std::string escaped(Bytes bytes);
/// `text` that is meant to be printable, and may come from a damaged file: as `escaped`, but backslashes
/// stay, since they may begin an escape already.
std::string one_line(Bytes text);
/// `escaped`, in quotes, cut to about `most` bytes: for messages.
std::string in_quotes(Bytes bytes, size_t most = 60);

void append_hex(std::string& to, Bytes bytes);
/// The value of one hexadecimal digit, or -1.
int hex_digit(char c) noexcept;
/// The bytes that pairs of hexadecimal digits stand for. Errors: invalid_argument (names the column).
Result<std::string> from_hex(Bytes digits);

/// Columns that UTF-8 text takes on a terminal: 0 for combining marks, 2 for East Asian wide ones.
size_t display_width(std::string_view text) noexcept;
/// The longest beginning of `text` that takes at most `columns`, and "…" where something was cut.
std::string fitted(std::string_view text, size_t columns);

std::string with_commas(uint64_t n);                           ///< 135,233
std::string counted(uint64_t n, const std::string& singular);  ///< 1 row, 2 rows
std::string human_bytes(uint64_t bytes);                       ///< 9.7 MiB
std::string human_seconds(double seconds);           ///< 850 us, 12.3 ms, 4.21 s, 3 min 20 s
std::string human_rate(uint64_t n, double seconds);  ///< 123,456; "-" if no time has passed
/// Shortest text that reads back as the same number; never "nan" or "inf" (then "0").
std::string to_text(double number);

}  // namespace aether::cli
