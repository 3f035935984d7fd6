/// Sections of the report that have a question of their own; each writes nothing where nothing answers it.
///
/// Threads  Values; no shared state.
#pragma once

#include <iosfwd>

#include "results.h"

namespace aether::bench {

/// What an operation costs on more and more data.
void write_growth(std::ostream& out, const Results& results);
/// Rates by the size of a value.
void write_value_sizes(std::ostream& out, const Results& results);
/// What writers cost readers: the same reads on the same share of the cores, without and with them.
void write_snapshots(std::ostream& out, const Results& results);
/// The device's own rates, and what part of them the engines reach.
void write_devices(std::ostream& out, const Results& results);
/// Bytes written for a byte that was put, and disk for a byte that is there.
void write_amplification(std::ostream& out, const Results& results);

}  // namespace aether::bench
