/// The command line: from words to Options. The only file that includes CLI11, which compiles slowly, is
/// parse.cpp.
///
/// Threads   One thread.
#pragma once

#include <variant>

#include "apps/aether/exit_code.h"
#include "apps/aether/options.h"

namespace aether::cli {

/// What to run; or the exit code, where help, the version or an error has been printed.
std::variant<Options, ExitCode> parse_command_line(int argument_count,
                                                   const char* const* arguments);

}  // namespace aether::cli
