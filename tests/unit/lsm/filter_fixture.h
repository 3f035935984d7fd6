// What the tests of filters share: building one of keys, in any order.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "lsm/filter/filter.h"

namespace aether::lsm {

/// Sorts the keys; equal ones stay.
inline std::string build_filter(const FilterOptions& options, std::vector<std::string> keys) {
  std::sort(keys.begin(), keys.end());
  const std::unique_ptr<FilterBuilder> builder = FilterBuilder::create(options);
  for (const std::string& key : keys) builder->add(key, filter_hash(key));
  return builder->finish();
}

inline bool may_contain(const FilterView& view, Bytes key) {
  return view.may_contain(key, filter_hash(key));
}

inline FilterOptions surf_options(SurfSuffix suffix, uint32_t bits = 8) {
  FilterOptions options;
  options.kind = FilterKind::surf;
  options.suffix = suffix;
  options.suffix_bits = bits;
  return options;
}

/// 8 bytes, big-endian: in the order of the numbers.
inline std::string key_of(uint64_t number) {
  std::string key(8, '\0');
  for (int i = 0; i < 8; ++i) key[7 - static_cast<size_t>(i)] = static_cast<char>(number >> 8 * i);
  return key;
}

}  // namespace aether::lsm
