/// Keys and values as text on one line: bytes outside printable ASCII, and the backslash, as \xNN.
///
/// Threads   A pure function.
#pragma once

#include <string>
#include <string_view>

namespace aether::db {

inline std::string printable(std::string_view bytes) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && byte != '\\') {
      text += c;
    } else {
      text += "\\x";
      text += kDigits[byte >> 4];
      text += kDigits[byte & 15];
    }
  }
  return text;
}

}  // namespace aether::db
