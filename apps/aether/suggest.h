/// "Did you mean": the known word that is nearest to a mistyped one.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace aether::cli {

/// The word of `known` that the fewest insertions, deletions, changes and swaps of neighbours turn
/// `typed` into (Damerau, CACM 1964); empty if none is near.
std::string nearest(std::string_view typed, std::span<const std::string> known);

}  // namespace aether::cli
