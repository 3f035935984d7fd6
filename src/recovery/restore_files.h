/// The files of a new environment, made from backups and archived log, as a crash at the wanted point would have left them:
/// opening it recovers it.
///
/// The new environment has an id of its own, which seeds all its checksums: every page and every block of log is sealed
/// anew. So no log, page or backup of the old one can ever be taken for the new one's, or the other way round.
///
/// Threads   One.
#pragma once

#include <string>
#include <vector>

#include "aether/backup.h"
#include "aether/error.h"
#include "os/os.h"

namespace aether::recovery {

/// Fills the report but for what recovery will do. CONTROL comes last: before it `home` is none. Errors: as restore.
Result<RestoreReport> restore_files(const RestoreOptions& options, os::Os& os);

}  // namespace aether::recovery
