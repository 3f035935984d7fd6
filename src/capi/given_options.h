/// Options as C gives them: a structure of some size, whose zeros ask for the defaults.
///
/// Threads   Pure functions.
#pragma once

#include "aether/aether.h"
#include "aether/error.h"
#include "aether/options.h"

namespace aether::capi {

/// NULL: the defaults. Errors: invalid_argument (names the field), unsupported (a later version's field is set).
Result<EnvOptions> env_options(const aether_env_options* given);
Result<TxnOptions> txn_options(const aether_txn_options* given);
/// `otherwise`: what AETHER_DURABILITY_DEFAULT means. Errors: invalid_argument.
Result<Durability> durability_of(int32_t given, Durability otherwise);

}  // namespace aether::capi
