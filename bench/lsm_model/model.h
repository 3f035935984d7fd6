/// What a merge policy costs, by a model that writes nothing: runs are sizes, keys are uniform, a merge's output is what is
/// expected of it. The policies and the pacing are the engine's own.
#pragma once

#include <cstdint>

#include "lsm/policy/merge_policy.h"

namespace aether::bench {

struct ModelOptions {
  lsm::PolicyOptions policy;
  uint64_t nursery_bytes = 1 << 20;
  /// What a flush of it has of keys and values; 0: as much. A nursery counts its memory, so the policy's unit is larger than a run.
  uint64_t flush_bytes = 0;
  /// Every flush: this many nurseries' bytes are accepted and flushed.
  uint64_t flushes = 100;
  /// 0: every key is new. Else a store of so many nurseries is there, and each flush overwrites a nursery of its keys.
  uint64_t overwritten_nurseries = 0;
  /// Flushes before the figures are taken.
  uint64_t warm_up_flushes = 0;
  bool are_keys_in_order = false;
  /// False: a merge takes no time. True: it is done in slices while bytes come in, as lsm/pacing.h says.
  bool is_paced = false;
  /// Above 0: flushes are of half a nursery to one and a half. The seed.
  uint64_t random_sizes = 0;
  /// The policy of the second half, where `changes_policy`.
  bool changes_policy = false;
  lsm::PolicyOptions second_policy;
};

/// Amplifications are per accepted byte; the log and the flush each count 1.
struct ModelFigures {
  double write_amplification = 0;  ///< Log, flush and rewriting.
  double rewritten = 0;            ///< Of that, by merges.
  double moved = 0;                ///< By edits of the manifest: not written.
  uint64_t runs_at_rest =
      0;  ///< At most, of sorted runs, after each flush (paced: once all merges have ended).
  uint64_t runs_at_end = 0;
  uint64_t runs_under_way = 0;  ///< At most, inputs of merges included.
  lsm::PolicyBounds bounds;     ///< Of the policy, for the largest size that was.
  double space_amplification =
      0;                    ///< At most: of runs, without what is being written; to what is live.
  double rate_max = 0;      ///< Paced: bytes merged for a byte accepted, at most as reserved.
  double work_max = 0;      ///< Paced: the most for one accepted slice, in its bytes.
  uint64_t merges_max = 0;  ///< Under way at once.
  uint64_t late = 0;        ///< Merges that missed their deadline: 0.
};

ModelFigures run_model(const ModelOptions& options);

}  // namespace aether::bench
