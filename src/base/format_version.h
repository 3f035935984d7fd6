/// Whether this program reads what another release wrote.
///
/// Threads   A pure function.
/// Errors    unsupported: the format version is not ours; the message names both, and what to do.
#pragma once

#include <cstdint>
#include <string>

#include "aether/error.h"
#include "aether/version.h"

namespace aether::base {

inline Result<void> check_format_version(const std::string& path, uint32_t found) {
  if (found == kFormatVersion) return {};
  const std::string word = found > kFormatVersion ? "newer" : "older";
  return Error(Code::unsupported,
               path + ": format version " + std::to_string(found) + " is " + word +
                   " than this program's " + std::to_string(kFormatVersion) + ": use " +
                   (found > kFormatVersion ? "a newer" : "an older") + " release");
}

}  // namespace aether::base
