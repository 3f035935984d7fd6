#include "apps/aether/suggest.h"

#include <algorithm>
#include <vector>

namespace aether::cli {
namespace {

size_t edits_between(std::string_view a, std::string_view b) {
  // Row i of the table: edits that turn the first i characters of `a` into each beginning of `b`.
  std::vector<size_t> two_back(b.size() + 1);
  std::vector<size_t> back(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) back[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = back[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({change, back[j] + 1, row[j - 1] + 1});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], two_back[j - 2] + 1);
    }
    std::swap(two_back, back);
    std::swap(back, row);
  }
  return back[b.size()];
}

}  // namespace

std::string nearest(std::string_view typed, std::span<const std::string> known) {
  std::string best;
  size_t least = std::max<size_t>(1, typed.size() / 3) + 1;
  for (const std::string& word : known) {
    const size_t edits = edits_between(typed, word);
    const bool begins = typed.size() >= 3 && word.starts_with(typed);
    if (edits < least || (begins && best.empty())) {
      best = word;
      least = std::min(edits, least);
    }
  }
  return best;
}

}  // namespace aether::cli
