/// Text helpers of the command: escapes, hexadecimal, numbers for people; and those of base/text.h.
///
/// Threads   Plain functions without state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "aether/error.h"
#include "aether/options.h"
#include "base/text.h"

namespace aether::cli {

using base::append_hex;
using base::append_utf8;
using base::decode_utf8;
using base::hex_digit;
using base::is_utf8;
using base::to_text;

/// Appends `bytes` for one line on a terminal: printable UTF-8 as it is, `\\` for a backslash, `\xNN`
/// for every byte of anything else (control characters, line ends, tabs, broken UTF-8).
void append_escaped(std::string& to, Bytes bytes);
std::string escaped(Bytes bytes);
/// `text` that is meant to be printable, and may come from a damaged file: as `escaped`, but backslashes
/// stay, since they may begin an escape already.
std::string one_line(Bytes text);
/// `escaped`, in quotes, cut to about `most` bytes: for messages.
std::string in_quotes(Bytes bytes, size_t most = 60);

/// The bytes that pairs of hexadecimal digits stand for. Errors: invalid_argument (names the column).
Result<std::string> from_hex(Bytes digits);

/// Columns that UTF-8 text takes on a terminal: 0 for combining marks, 2 for East Asian wide ones.
size_t display_width(std::string_view text) noexcept;
/// The longest beginning of `text` that takes at most `columns`, and "…" where something was cut.
std::string fitted(std::string_view text, size_t columns);

std::string with_commas(uint64_t n);                           ///< 135,233
std::string counted(uint64_t n, const std::string& singular);  ///< 1 row, 2 rows
std::string human_bytes(uint64_t bytes);                       ///< 9.7 MiB
std::string human_number(double number);                       ///< 12,346, 0.98
std::string human_seconds(double seconds);           ///< 850 us, 12.3 ms, 4.21 s, 3 min 20 s
std::string human_rate(uint64_t n, double seconds);  ///< 123,456; "-" if no time has passed

}  // namespace aether::cli
