/// Prints rows in columns that fit the terminal.
///
/// Threads   One thread at a time.
/// Memory    Holds the rows until `print`; `kTableRowsHeld` at a time where rows stream through.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace aether::cli {

inline constexpr size_t kTableRowsHeld = 1000;

class Table {
 public:
  struct Column {
    std::string heading;
    bool right = false;  ///< Numbers are set to the right.
  };

  Table(std::vector<Column> columns, size_t width, bool color)
      : columns_(std::move(columns)), width_(width), color_(color) {}

  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  size_t held() const noexcept { return rows_.size(); }
  /// Appends the heading, at the first call, and the rows held, and forgets them. The widths of the first
  /// call stay. The widest columns are cut where the terminal has no room.
  void print(std::string& to);

 private:
  void settle_widths();
  void print_row(std::string& to, const std::vector<std::string>& cells) const;

  std::vector<Column> columns_;
  size_t width_;
  bool color_;
  std::vector<size_t> widths_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace aether::cli
