/// The command line: from words to Options. CLI11, which compiles slowly, is included by parse.cpp and verb_options.cpp alone,
/// through verb_options.h.
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
