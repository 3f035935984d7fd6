/// How a failed system call becomes an `Error`: the code says what the caller should do, the message
/// names operation, path and place, the system's words for the errno, and what helps. The simulated body
/// uses the same. Without memory for the message: code and errno, so that a failed write never looks like less.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "aether/error.h"

namespace aether::os {

/// The table of os.h ("Errors"). Everything that is not listed there is an io_error.
Code code_of(int errnum) noexcept;

/// "open /db/data: Permission denied; check the owner and mode of the path".
Error os_error(int errnum, std::string_view operation, std::string_view path) noexcept;

/// "write /db/data at offset 8192 (4096 bytes): Input/output error; ...".
Error os_error_at(int errnum, std::string_view operation, std::string_view path, uint64_t offset,
                  uint64_t size) noexcept;

}  // namespace aether::os
