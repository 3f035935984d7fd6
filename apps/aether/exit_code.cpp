#include "apps/aether/exit_code.h"

#include <cerrno>

namespace aether::cli {

ExitCode exit_code_of(const Error& error) noexcept {
  if (error.os_errno() == EPIPE) return ExitCode::broken_pipe;
  switch (error.code()) {
    case Code::not_found: return ExitCode::not_found;
    case Code::exists:
    case Code::conflict:
    case Code::deadlock: return ExitCode::conflict;
    case Code::busy:
    case Code::timed_out: return ExitCode::busy;
    case Code::invalid_argument: return ExitCode::usage;
    case Code::unsupported: return ExitCode::version;
    case Code::too_large: return ExitCode::bad_input;
    case Code::corruption: return ExitCode::corrupt;
    case Code::closed:
    case Code::io_error:
    case Code::no_space:
    case Code::no_memory:
    case Code::failed: return ExitCode::io;
  }
  return ExitCode::io;
}

std::string_view hint_of(const Error& error) noexcept {
  switch (error.code()) {
    case Code::not_found: return "";  // The verbs know what was looked for, and say it themselves.
    case Code::busy:
      return "one process at a time may open an environment: end the other one, then try again";
    case Code::no_space:
      return "free some space and run the command again: what was committed is kept";
    case Code::no_memory:
      return "give a full store in memory more with --memory-max, the page pool less with --pool, "
             "or "
             "the machine more";
    case Code::corruption:
      return "do not write to this environment; run `verify` on a copy, and restore from a backup";
    case Code::io_error:
      return "look at the system log for errors of the disk, and at the permissions of the files";
    case Code::failed:
      return "run the command again: opening recovers everything that was committed";
    case Code::conflict:
    case Code::deadlock:
    case Code::timed_out: return "run the command again";
    default: return "";
  }
}

}  // namespace aether::cli
