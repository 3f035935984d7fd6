/// Runs of which much has expired are rewritten, each alone, whatever the policy: so a store that nobody writes to gives their space back.
///
/// It is worth it from the moment on at which a quarter of a run's bytes has expired for certain: then a merge reads four bytes at most for
/// one that goes, and what stays expired is less than a quarter, but for what is in a step of ExpiryTimes that is not over. Each such merge
/// takes away what it was begun for, so none is begun again for the same entries. In the oldest run nothing stays of them; in a newer one a tombstone, where an older run may
/// have the key, which goes down as all removals do (tombstone_private.h).
///
/// The moment depends on the run alone (ExpiryTimes), so nobody has to look before it has come.
///
/// Threads   Values.
#pragma once

#include <cstdint>
#include <optional>

#include "lsm/expiry_times.h"
#include "lsm/policy/shape.h"

namespace aether::lsm {

/// RunDescription::rewrite_at_ms of a run of `run_bytes`; values outside count as what goes, and not as what has to be read.
uint64_t rewrite_at_ms(const ExpiryTimes& times, uint64_t run_bytes) noexcept;

/// The next merge to begin, of one sorted run that is not busy, by `shape.now_ms`. Empty: there is none.
std::optional<PlannedMerge> plan_expired(const Shape& shape);

}  // namespace aether::lsm
