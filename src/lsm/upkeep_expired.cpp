// Upkeep: merges for what has expired, and when to look for them.

#include <algorithm>
#include <utility>

#include "base/reached.h"
#include "lsm/policy/expired.h"
#include "lsm/upkeep.h"

namespace aether::lsm {
namespace {

/// What a reader or a snapshot holds up is looked at again when it has been held up for twice as long, and this at first.
constexpr uint64_t kHeldMsMin = 100;
/// Nobody rests for longer: meanwhile the wall clock may have been set forward.
constexpr uint64_t kRestMsMax = 3'600'000;
constexpr uint64_t kNsPerMs = 1'000'000;

}  // namespace

/// After all that the policy wants: who merges a run for another reason takes away what has expired, too.
void Upkeep::plan_expired(Manifest& manifest, ManifestChanges& changes) {
  if (manifest.next_rewrite_ms() > services_.transactions.now_ms()) return;
  const uint64_t nursery_bytes = nursery_bytes_.load(std::memory_order_relaxed);
  const uint64_t horizon_ms = services_.transactions.expiry_horizon_ms();
  for (;;) {
    const Shape shape = manifest.shape(nursery_bytes, horizon_ms);
    const std::optional<PlannedMerge> planned = lsm::plan_expired(shape);
    if (!planned) return;
    AETHER_REACHED("lsm.expired_run_is_rewritten");
    manifest.begin_merge(*planned, shape, changes);
  }
}

Result<bool> Upkeep::begin_expired() {
  os::LockGuard lock(mutex_);
  if (is_stopped_ || manifest_.next_rewrite_ms() > services_.transactions.now_ms()) return false;
  Manifest next = manifest_;
  ManifestChanges changes;
  plan_expired(next, changes);
  if (changes.empty()) return false;  // A snapshot still sees what has expired.
  AETHER_TRY(committer_.commit(committer_.stream(), false,
                               [&](txn::TransactionContext& txn)
                                   AETHER_NO_THREAD_SAFETY { return apply(txn, changes); }));
  manifest_ = std::move(next);
  return true;
}

uint64_t Upkeep::rest_ns() const {
  os::LockGuard lock(mutex_);
  if (is_stopped_) return kNever;
  const uint64_t now_ms = services_.transactions.now_ms();
  const auto held_ms = [now_ms](uint64_t since_ms) {
    return std::max(kHeldMsMin, now_ms - std::min(now_ms, since_ms));
  };
  const uint64_t due_ms = manifest_.next_rewrite_ms();
  uint64_t rest_ms = due_ms;
  if (due_ms != kNeverMs) rest_ms = due_ms > now_ms ? due_ms - now_ms : held_ms(due_ms);
  if (held_since_ms_ != 0) rest_ms = std::min(rest_ms, held_ms(held_since_ms_));
  return rest_ms == kNeverMs ? kNever : std::min(rest_ms, kRestMsMax) * kNsPerMs;
}

}  // namespace aether::lsm
