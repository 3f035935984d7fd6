/// The version of the library and of the formats that it writes.
#pragma once

#include <cstdint>

namespace aether {

inline constexpr const char* kVersion = "0.1.0";
/// Raised when a directory written by this version could not be read by the one before; docs/formats/control.md says
/// what each has brought.
inline constexpr uint32_t kFormatVersion = 3;

}  // namespace aether
