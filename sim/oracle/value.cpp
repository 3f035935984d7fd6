#include "sim/oracle/value.h"

#include <algorithm>
#include <cstring>

#include "sim/random.h"

namespace aether::oracle {

namespace {

const std::string& text() {
  static const std::string made = [] {
    sim::Random random(1);
    std::string bytes(2 * kValueBytesMax, '\0');
    for (char& c : bytes) c = static_cast<char>(random.next());
    return bytes;
  }();
  return made;
}

/// Where a value has its family, and how long one is that ends with its stamp once more.
constexpr size_t kFamilyAt = 8;
constexpr size_t kTextAt = 10;
constexpr size_t kStampedAtBothEnds = 64;

/// Where in the text a value of this family begins.
size_t text_of(uint16_t family) { return (family * 0x9e3779b97f4a7c15u >> 32) % kValueBytesMax; }

}  // namespace

Value make_value(uint64_t stamp, uint32_t bytes, uint16_t family) {
  if (bytes < 8) stamp &= (uint64_t{1} << (8 * bytes)) - 1;
  return {stamp, bytes, bytes < kTextAt ? uint16_t{0} : family};
}

Value make_value(uint64_t stamp, uint32_t bytes) {
  return make_value(stamp, bytes, static_cast<uint16_t>(stamp * 0x9e3779b97f4a7c15u >> 48));
}

std::string bytes_of(const Value& value) {
  std::string bytes(value.bytes, '\0');
  const size_t head = std::min<size_t>(sizeof value.stamp, value.bytes);
  std::memcpy(bytes.data(), &value.stamp, head);
  if (value.bytes < kTextAt) return bytes;
  std::memcpy(bytes.data() + kFamilyAt, &value.family, sizeof value.family);
  std::memcpy(bytes.data() + kTextAt, text().data() + text_of(value.family), value.bytes - kTextAt);
  if (value.bytes >= kStampedAtBothEnds)
    std::memcpy(bytes.data() + value.bytes - head, &value.stamp, head);
  return bytes;
}

std::optional<Value> parse_value(Bytes bytes) {
  if (bytes.size() > kValueBytesMax) return std::nullopt;
  uint64_t stamp = 0;
  uint16_t family = 0;
  std::memcpy(&stamp, bytes.data(), std::min(sizeof stamp, bytes.size()));
  if (bytes.size() >= kTextAt) std::memcpy(&family, bytes.data() + kFamilyAt, sizeof family);
  const Value value = make_value(stamp, static_cast<uint32_t>(bytes.size()), family);
  if (bytes_of(value) != bytes) return std::nullopt;
  return value;
}

std::string to_text(const std::optional<Value>& value) {
  if (!value) return "nothing";
  return "stamp " + std::to_string(value->stamp) + " of " + std::to_string(value->bytes) + " bytes";
}

std::string text_of_key(const std::string& key) {
  std::string text = "'";
  for (const char c : key.substr(0, 12))
    text += c < ' ' || c > '~' ? std::string("\\0") : std::string(1, c);
  return text + "'";
}

std::string to_text(const Writes& writes) {
  std::string text;
  for (const auto& [place, value] : writes) {
    if (!text.empty()) text += "; ";
    text += place.store;
    if (place.key) text += " " + text_of_key(*place.key);
    text += value ? " = " + to_text(value) : " removed";
  }
  return text;
}

void take_in(State& state, const Writes& writes) {
  for (const auto& [place, value] : writes) {
    if (!place.key) {
      state.erase(place.store);  // Made or dropped: without rows.
      if (value) state[place.store];
    } else if (const auto rows = state.find(place.store); rows == state.end()) {
      continue;  // Dropped since.
    } else if (value) {
      rows->second[*place.key] = *value;
    } else {
      rows->second.erase(*place.key);
    }
  }
}

}  // namespace aether::oracle
