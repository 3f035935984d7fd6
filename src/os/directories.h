/// Making directories whose names are durable.
///
/// Threads   Pure functions of the file system.
#pragma once

#include <string>

#include "aether/error.h"
#include "os/os.h"

namespace aether::os {

/// "." for a name without a slash.
std::string parent_of(const std::string& path);
/// Makes the directory `path` if it is not there, durable with its name; its parent must be there. Errors: io_error,
/// not_found (the parent), no_space.
Result<void> make_directory(Os& os, const std::string& path);

}  // namespace aether::os
