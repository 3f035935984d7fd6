/// SIGINT and SIGTERM ask for a stop at the next safe point; a second one ends the process at once.
/// SIGPIPE is ignored: a write to a pipe that nobody reads fails with EPIPE instead.
///
/// Threads   `stop_requested` from any thread.
#pragma once

namespace aether::cli {

void install_signal_handlers();
bool stop_requested() noexcept;

}  // namespace aether::cli
