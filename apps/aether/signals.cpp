#include "apps/aether/signals.h"

#include <signal.h>
#include <unistd.h>

namespace aether::cli {
namespace {

volatile sig_atomic_t stop_count = 0;

// Only async-signal-safe calls here.
void on_stop_signal(int) {
  stop_count = stop_count + 1;
  if (stop_count > 1) _exit(130);
}

}  // namespace

void install_signal_handlers() {
  struct sigaction stop = {};
  stop.sa_handler = on_stop_signal;
  // No SA_RESTART: a read from a terminal or a pipe must return, so that the request is seen.
  sigaction(SIGINT, &stop, nullptr);
  sigaction(SIGTERM, &stop, nullptr);

  struct sigaction ignore = {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, nullptr);
}

bool stop_requested() noexcept { return stop_count != 0; }

}  // namespace aether::cli
