// Keys to measure maps with: what they look like decides what a map costs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace aether::bench {

enum class KeySet : int {
  random,      ///< 16 random bytes.
  dictionary,  ///< Names of cities as data/cities.tsv.xz has them, with country and number: 135,233.
  urls,        ///< Made up: few hosts, paths of common words, numbers.
  sequential,  ///< 8 bytes, big-endian, from 0.
};

const char* to_string(KeySet set) noexcept;

/// At most `count` different keys, in an order of chance (but `sequential`: ascending). The same each time.
std::vector<std::string> make_keys(KeySet set, size_t count);

}  // namespace aether::bench
