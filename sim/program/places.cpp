#include "sim/program/places.h"

#include <charconv>
#include <sstream>

namespace aether::program {

std::optional<uint64_t> parse_number(const std::string& text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string to_text(const CrashPoint& point) {
  return std::to_string(point.life) + ":" +
         (point.moment == CrashPoint::kEnd ? "end" : std::to_string(point.moment)) + ":" +
         std::to_string(point.variant);
}

std::optional<CrashPoint> parse_crash_point(const std::string& text) {
  std::istringstream words(text);
  std::string life, moment, variant;
  std::getline(words, life, ':');
  std::getline(words, moment, ':');
  std::getline(words, variant, ':');
  const std::optional<uint64_t> first = parse_number(life);
  const std::optional<uint64_t> second = moment == "end" ? CrashPoint::kEnd : parse_number(moment);
  const std::optional<uint64_t> third = variant.empty() ? 0 : parse_number(variant);
  if (!first || !second || !third || *first > 100) return std::nullopt;
  return CrashPoint{*first, *second, *third};
}

std::string to_text(const OperationSet& operations) {
  std::string text;
  for (auto it = operations.begin(); it != operations.end();) {
    const uint64_t first = *it;
    uint64_t last = first;
    for (++it; it != operations.end() && *it == last + 1; ++it) last = *it;
    text.append(text.empty() ? "" : ",").append(std::to_string(first));
    if (last != first) text.append("-").append(std::to_string(last));
  }
  return text.empty() ? "none" : text;
}

std::optional<OperationSet> parse_operations(const std::string& text) {
  OperationSet operations;
  if (text == "none") return operations;
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, ',');) {
    const size_t dash = word.find('-');
    const std::optional<uint64_t> first = parse_number(word.substr(0, dash));
    const std::optional<uint64_t> last = dash == std::string::npos
                                             ? first
                                             : parse_number(word.substr(dash + 1));
    if (!first || !last || *last < *first || *last > 1'000'000) return std::nullopt;
    for (uint64_t i = *first; i <= *last; ++i) operations.insert(i);
  }
  return operations;
}

}  // namespace aether::program
