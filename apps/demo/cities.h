/// The rows of data/cities.tsv in memory: what is loaded, and what everything is compared with.
///
/// Threads   Immutable after `read`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "aether/error.h"
#include "aether/options.h"

namespace aether::demo {

struct City {
  Bytes key;    ///< Country, name and id: "IS:Reykjavík:3413829".
  Bytes value;  ///< The other columns, between tabs.
};

class Cities {
 public:
  /// Errors: not_found, invalid_argument (names the line: no tab, or keys that do not ascend).
  static Result<Cities> read(const std::string& path);
  Cities(const Cities&) = delete;
  Cities(Cities&&) noexcept = default;

  /// In ascending order of keys.
  const std::vector<City>& rows() const noexcept { return rows_; }
  uint64_t text_bytes() const noexcept { return text_.size(); }
  /// The index of `key`.
  std::optional<uint64_t> find(Bytes key) const noexcept;
  /// How many keys lie in [begin, end).
  uint64_t count(Bytes begin, Bytes end) const noexcept;

 private:
  Cities() = default;
  std::vector<char>
      text_;  ///< A vector keeps its bytes in place when it is moved; a string may not.
  std::vector<City> rows_;
};

/// Column `index` of a city's value: 0 id, 1 name, 2 country, 3 admin, 4 latitude, 5 longitude,
/// 6 population, 7 feature. Empty if there are fewer.
Bytes column(Bytes value, int index) noexcept;

}  // namespace aether::demo
