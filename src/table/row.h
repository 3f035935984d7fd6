/// What a table keeps for a key: the GSN of its last change, who made it (page::RecordMeta), and the value.
#pragma once

#include <cstring>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/ids.h"
#include "page/leaf_record.h"

namespace aether::table {

inline constexpr size_t kGsnBytes = sizeof(Gsn);

/// Shorter than its head (it never is): GSN 0, and an empty payload.
inline Gsn gsn_of(std::string_view row) noexcept {
  return row.size() < kGsnBytes ? 0 : base::load<Gsn>(row.data());
}
/// A row of a run has no GSN: in its place it has its writer, equal only for the same version of a key. Such a row has been committed,
/// and stays as it is.
inline constexpr Gsn kOfRun = Gsn{1} << 63;
inline bool is_of_run(std::string_view row) noexcept { return (gsn_of(row) & kOfRun) != 0; }

/// As it would stand in a leaf: meta word and value.
inline std::string_view payload_of(std::string_view row) noexcept {
  return row.size() < kGsnBytes ? std::string_view() : row.substr(kGsnBytes);
}

/// May throw std::bad_alloc.
inline void make_row(std::string& row, Gsn gsn, std::string_view head, std::string_view value) {
  row.resize(kGsnBytes + head.size() + value.size());
  char* const to = row.data();
  base::store(to, gsn);
  std::memcpy(to + kGsnBytes, head.data(), head.size());
  if (!value.empty()) std::memcpy(to + kGsnBytes + head.size(), value.data(), value.size());
}

}  // namespace aether::table
