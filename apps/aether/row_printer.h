/// Prints keys and values, one row a line, in the session's format.
///
/// Threads   One thread.
/// Memory    The table format holds kTableRowsHeld rows; the others one.
#pragma once

#include <optional>
#include <string>

#include "aether/options.h"
#include "apps/aether/session.h"
#include "apps/aether/table.h"

namespace aether::cli {

class RowPrinter {
 public:
  struct Style {
    bool hex = false;
    bool keys_only = false;
  };

  RowPrinter(Session& session, Style style);
  /// `value` is ignored with keys_only.
  Result<void> print(Bytes key, Bytes value);
  Result<void> finish();

 private:
  std::string shown(Bytes bytes) const;

  Session& session_;
  Style style_;
  std::optional<Table> table_;
  std::string text_;
};

}  // namespace aether::cli
