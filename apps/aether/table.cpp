#include "apps/aether/table.h"

#include <algorithm>
#include <numeric>

#include "apps/aether/text.h"

namespace aether::cli {
namespace {

constexpr size_t kGap = 2;
constexpr size_t kNarrowest = 6;

}  // namespace

void Table::settle_widths() {
  widths_.clear();
  for (const Column& column : columns_) widths_.push_back(display_width(column.heading));
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i)
      widths_[i] = std::max(widths_[i], display_width(row[i]));
  }
  // The widest column gives way, a character at a time, until the row fits.
  const size_t gaps = kGap * (columns_.size() - 1);
  while (std::accumulate(widths_.begin(), widths_.end(), gaps) > width_) {
    const auto widest = std::max_element(widths_.begin(), widths_.end());
    if (*widest <= kNarrowest) break;
    --*widest;
  }
}

void Table::print_row(std::string& to, const std::vector<std::string>& cells) const {
  for (size_t i = 0; i < cells.size(); ++i) {
    const std::string cell = fitted(cells[i], widths_[i]);
    const size_t space = widths_[i] - display_width(cell);
    const bool last = i + 1 == cells.size();
    if (columns_[i].right) to.append(space, ' ');
    to += cell;
    if (!columns_[i].right && !last) to.append(space, ' ');
    if (!last) to.append(kGap, ' ');
  }
  to += '\n';
}

void Table::print(std::string& to) {
  if (widths_.empty()) {
    settle_widths();
    std::vector<std::string> headings;
    std::vector<std::string> rules;
    for (size_t i = 0; i < columns_.size(); ++i) {
      headings.push_back(columns_[i].heading);
      rules.emplace_back(widths_[i], '-');
    }
    if (color_) to += "\x1b[1m";
    print_row(to, headings);
    if (color_) to += "\x1b[0m";
    print_row(to, rules);
  }
  for (const auto& row : rows_) print_row(to, row);
  rows_.clear();
}

}  // namespace aether::cli
