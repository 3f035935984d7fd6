/// Exit codes of the command: stable, and documented in docs/CLI.md.
#pragma once

#include <string_view>

#include "aether/error.h"

namespace aether::cli {

enum class ExitCode : int {
  ok = 0,
  problem = 1,        ///< The verb ran and found a problem: `verify`, `recover --dry-run`.
  usage = 2,          ///< The command line is wrong.
  not_found = 3,      ///< No such key, store, environment or file.
  busy = 4,           ///< Another process has the environment, or a wait reached its limit.
  corrupt = 5,        ///< Bytes on disk are not what was written.
  io = 6,             ///< The operating system refused: I/O error, no space, no memory.
  version = 7,        ///< Newer format, or not possible in this state (needs recovery first).
  bad_input = 8,      ///< Input data are malformed or beyond a limit.
  conflict = 9,       ///< The key is there already, or another transaction was first.
  interrupted = 130,  ///< SIGINT or SIGTERM; what was committed has been said.
  broken_pipe = 141,  ///< The reader of our output has gone; nothing is said.
};

/// The exit code that an error of the engine ends the command with.
ExitCode exit_code_of(const Error& error) noexcept;

/// One sentence that says what a person can do about an error of this kind; empty if there is none.
std::string_view hint_of(const Error& error) noexcept;

}  // namespace aether::cli
