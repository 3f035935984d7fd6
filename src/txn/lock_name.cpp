#include "txn/lock_name.h"

namespace aether::txn {
namespace {

constexpr size_t kPrintedBytesMax = 32;

std::string quoted(std::string_view bytes) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text = "'";
  for (const char c : bytes.substr(0, kPrintedBytesMax)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && byte != '\\' && byte != '\'') {
      text += c;
    } else {
      text += "\\x";
      text += kDigits[byte >> 4];
      text += kDigits[byte & 15];
    }
  }
  if (bytes.size() > kPrintedBytesMax) text += "...";
  return text + "'";
}

}  // namespace

const char* to_string(LockMode mode) noexcept {
  switch (mode) {
    case LockMode::none: return "none";
    case LockMode::is: return "IS";
    case LockMode::ix: return "IX";
    case LockMode::s: return "S";
    case LockMode::six: return "SIX";
    case LockMode::x: return "X";
  }
  return "?";
}

std::string to_string(const LockName& name) {
  const std::string of_store = " of store " + std::to_string(name.store);
  switch (name.level) {
    case LockLevel::environment: return "the environment";
    case LockLevel::store: return "store " + std::to_string(name.store);
    case LockLevel::key: return "key " + quoted(name.begin) + of_store;
    case LockLevel::range: break;
  }
  const std::string end = name.end.empty() ? "the end" : quoted(name.end);
  return "keys " + quoted(name.begin) + " to " + end + of_store;
}

}  // namespace aether::txn
