/// Opens an environment whose files may be anything, and uses all of it: whatever is damaged, every call returns, with an
/// error or with an answer.
///
/// Threads   One.
#pragma once

#include "sim/sim_os.h"
#include "tests/support/small_env.h"

namespace aether::fuzz {

struct Exercise {
  /// What answers must be where there is one; null: the files may say anything.
  const small::SmallEnv* truth = nullptr;
  bool drop_stores = false;
  /// What was refused is opened a second time.
  bool again_after_refusal = true;
};

void exercise(sim::SimOs& os, const Exercise& how);

/// Its part that changes nothing: walks both ways, and looks some keys up.
void read_store(KvStore& store);

}  // namespace aether::fuzz
