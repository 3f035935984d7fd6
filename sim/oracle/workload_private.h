/// What each answer of the engine means to the workload and to its model.
#pragma once

#include <string>

#include "sim/oracle/workload.h"

namespace aether::oracle {

/// Ok, or in a run with faults an answer that a fault may cause. True: ok.
template <typename T>
bool Workload::went_well(const Result<T>& result, const char* call) {
  if (result) return true;
  const Code code = result.error().code();
  errors_.insert(code);
  const bool may_be = code == Code::io_error || code == Code::no_space || code == Code::failed ||
                      (damage_ && code == Code::corruption) || (memory_ && code == Code::no_memory);
  expect(faults_ && may_be,
         std::string(call) + ": " + to_string(code) + ": " + std::string(result.error().message()));
  note_failure();
  return false;
}

/// After a commit: what the model has to think of it.
template <typename T>
void Workload::answered(const Result<T>& result, const char* call, Fate fate,
                        const Writes& writes) {
  ++transactions_;
  if (went_well(result, call)) {
    model_.answer(fate);
    take_in(live_, writes);
    note_changed(writes);
  } else if (failed_) {
    model_.answer(Fate::unknown);
  } else {
    model_.refuse();  // A refusal that leaves the environment well has done nothing.
  }
}

}  // namespace aether::oracle
