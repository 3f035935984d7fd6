/// Options as C gives them: a structure of some size, whose zeros ask for the defaults.
///
/// Threads   Pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "aether/aether.h"
#include "aether/backup.h"
#include "aether/error.h"
#include "aether/options.h"

namespace aether::capi {

/// NULL: the defaults. Errors: invalid_argument (names the field), unsupported (a later version's field is set).
Result<EnvOptions> env_options(const aether_env_options* given);
Result<TxnOptions> txn_options(const aether_txn_options* given);
Result<StoreOptions> store_options(const aether_store_options* given);
Result<LsmOptions> lsm_options(const aether_lsm_options* given);
Result<BackupOptions> backup_options(const char* directory, const aether_backup_options* given);
Result<RestoreOptions> restore_options(const char* home, const aether_restore_options* given);
/// Errors: invalid_argument (one is NULL).
Result<std::vector<std::string>> texts_of(const char* const* texts, size_t count, const char* name);
/// `otherwise`: what AETHER_DURABILITY_DEFAULT means. Errors: invalid_argument.
Result<Durability> durability_of(int32_t given, Durability otherwise);

}  // namespace aether::capi
