/// Moments as people write them, UTC.
///
/// Threads   Pure functions.
#pragma once

#include <cstdint>
#include <string>

#include "aether/error.h"

namespace aether::cli {

/// "2026-11-29 09:59:00.123456789" for nanoseconds since 1970.
std::string time_text(uint64_t wall_ns);
/// The same back; also with a T between, without a fraction, with a Z behind, and @SECONDS[.FRACTION]. Without a fraction the
/// whole second is meant. Errors: invalid_argument.
Result<uint64_t> parse_time(const std::string& text);

}  // namespace aether::cli
