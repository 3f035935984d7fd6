#include "apps/demo/cities.h"

#include <algorithm>
#include <fstream>
#include <iterator>

namespace aether::demo {
namespace {

struct ByKey {
  bool operator()(const City& city, Bytes key) const noexcept { return city.key < key; }
};

}  // namespace

Result<Cities> Cities::read(const std::string& path) {
  Cities cities;
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error(Code::not_found, path + ": cannot open it");
  cities.text_.assign(std::istreambuf_iterator<char>(file), {});

  Bytes rest(cities.text_.data(), cities.text_.size());
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    const Bytes line = rest.substr(0, end);
    rest.remove_prefix(end == Bytes::npos ? rest.size() : end + 1);
    const size_t tab = line.find('\t');
    const bool ascends = cities.rows_.empty() || cities.rows_.back().key < line.substr(0, tab);
    if (tab == Bytes::npos || !ascends) {
      return Error(Code::invalid_argument,
                   path + ", line " + std::to_string(cities.rows_.size() + 1) +
                       ": expected a key greater than the one before, and a tab");
    }
    cities.rows_.push_back({line.substr(0, tab), line.substr(tab + 1)});
  }
  return cities;
}

std::optional<uint64_t> Cities::find(Bytes key) const noexcept {
  const auto at = std::lower_bound(rows_.begin(), rows_.end(), key, ByKey{});
  if (at == rows_.end() || at->key != key) return std::nullopt;
  return static_cast<uint64_t>(at - rows_.begin());
}

uint64_t Cities::count(Bytes begin, Bytes end) const noexcept {
  const auto first = std::lower_bound(rows_.begin(), rows_.end(), begin, ByKey{});
  const auto last = end.empty() ? rows_.end() : std::lower_bound(first, rows_.end(), end, ByKey{});
  return static_cast<uint64_t>(last - first);
}

Bytes column(Bytes value, int index) noexcept {
  for (; index > 0; --index) {
    const size_t tab = value.find('\t');
    if (tab == Bytes::npos) return {};
    value.remove_prefix(tab + 1);
  }
  return value.substr(0, value.find('\t'));
}

}  // namespace aether::demo
