/// Names for what is in a run, so that a command can name them: a moment to crash at, some of its operations.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

namespace aether::program {

/// Where a run is crashed: before the `moment`-th step of a life that changes the disk, from 0; `variant`: the how-manieth
/// crash there.
struct CrashPoint {
  static constexpr uint64_t kEnd = UINT64_MAX;  ///< After the last operation.
  uint64_t life = 0;
  uint64_t moment = kEnd;
  uint64_t variant = 0;
};

/// "LIFE:MOMENT:VARIANT", with "end" for kEnd.
std::string to_text(const CrashPoint& point);
std::optional<CrashPoint> parse_crash_point(const std::string& text);

inline constexpr uint64_t
    kOperationsOfALife = 1000;  ///< Operation i of life n has the number 1000 n + i.
using OperationSet = std::set<uint64_t>;
/// "3,17-20,1004"
std::string to_text(const OperationSet& operations);
std::optional<OperationSet> parse_operations(const std::string& text);

/// Nothing: no number, or one too many.
std::optional<uint64_t> parse_number(const std::string& text);

}  // namespace aether::program
