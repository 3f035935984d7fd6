/// Keys and values as text on one line: bytes outside printable ASCII, and the backslash, as \xNN.
///
/// Threads   A pure function.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace aether::base {

/// `shown`: what is longer is cut there, and ends in three dots.
inline std::string printable(std::string_view bytes, size_t shown = std::string_view::npos) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  for (const char c : bytes.substr(0, shown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && byte != '\\') {
      text += c;
    } else {
      text += "\\x";
      text += kDigits[byte >> 4];
      text += kDigits[byte & 15];
    }
  }
  if (bytes.size() > shown) text += "...";
  return text;
}

}  // namespace aether::base
