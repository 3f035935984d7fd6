/// One history of calls that any environment must answer alike, whatever its options are.
///
/// Source    Pebble's metamorphic tests: one list of operations, many option sets, equal answers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "aether/options.h"

namespace aether::program {

struct HistoryCall {
  enum class Kind : uint8_t {
    put,
    remove,
    get,
    scan,
    scan_back,
    begin,
    savepoint,
    rollback_to,
    commit,
    abort,
    make_store,
    drop_store,
    checkpoint,
    reopen,
    remove_range,
  };
  Kind kind = Kind::get;
  std::string store;
  std::string key, value;
};

std::vector<HistoryCall> make_history(uint64_t seed, size_t calls);

/// An answer for each call, and what is in the environment at the end.
using Answers = std::vector<std::string>;
Answers play(const std::vector<HistoryCall>& history, const EnvOptions& options, uint64_t seed);

std::string to_text(const HistoryCall& call);

}  // namespace aether::program
