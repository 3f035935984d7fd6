// Restore: the files, then the recovery that a crash at that point would have needed.
#include "recovery/restore_files.h"

#include "aether/env.h"
#include "os/os.h"

namespace aether {

Result<RestoreReport> restore(const RestoreOptions& options, os::Os& os) {
  if (options.home.empty()) return Error(Code::invalid_argument, "restore needs a home");
  const uint64_t begun = os.monotonic_ns();
  AETHER_TRY_ASSIGN(RestoreReport report, recovery::restore_files(options, os));
  if (options.progress) static_cast<void>(options.progress({"recovery", 0, 0}));
  EnvOptions open;
  open.create = false;
  open.pool_bytes = options.pool_bytes;
  open.io_mode = options.io_mode;
  open.live = false;
  open.background_threads = options.background_threads;
  AETHER_TRY_ASSIGN(const std::unique_ptr<DbEnv> env, DbEnv::open(options.home, open, os));
  report.transactions_undone = env->recovery_report().transactions_undone;
  report.transactions_prepared = env->recovery_report().transactions_prepared;
  AETHER_TRY(env->close());
  report.seconds = static_cast<double>(os.monotonic_ns() - begun) / 1e9;
  return report;
}

Result<RestoreReport> restore(const RestoreOptions& options) {
  return restore(options, os::production());
}

}  // namespace aether
