/// Inputs that once found a bug: fuzz/regressions/<target>/*.hex, pairs of hexadecimal digits with white space between
/// them as one likes, and lines of comment that begin with #.
///
/// Threads   One.
#pragma once

#include <string>
#include <vector>

namespace aether::fuzz {

struct Regression {
  std::string name;
  std::string bytes;
};

/// In the order of their names. Ends the process if a file is no hexadecimal text.
std::vector<Regression> read_regressions(const std::string& directory);

/// One such file. Ends the process if it is no hexadecimal text.
std::string read_hex_file(const std::string& path);

}  // namespace aether::fuzz
