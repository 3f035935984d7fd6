/// The kinds of fault that a run may meet, by name.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "sim/random.h"
#include "sim/sim_os.h"

namespace aether::program {

enum class FaultKind : uint8_t {
  crash,   ///< Power cuts at any step: unsynced sectors torn, reordered, garbage, lost.
  nested,  ///< And in the recovery from one, three deep.
  eio_read,
  eio_write,
  eio_sync,
  eio_directory,  ///< Of a directory: sync, list, create, rename, remove.
  enospc,         ///< Single calls answer that the disk is full.
  full,           ///< The disk has a size, and some bytes left.
  slow,           ///< Calls take ten seconds.
  alloc,  ///< An allocation of the engine fails, once or with all after it until the operation is over.
  clock,  ///< The wall clock jumps ten years on or back, or stands still.
  // A disk that lies. What was acknowledged may be damaged: right values or an error, never a wrong one.
  lost_page,         ///< A write of the data file is answered, and not done.
  misdirected_page,  ///< It is done elsewhere in the file.
  lost_area,         ///< The same two of the double-write area.
  misdirected_area,
  lost_log,
  misdirected_log,
  lost_sync,  ///< A sync is answered, and not done; the power fails later.
  rot,        ///< A bit changes of a file at rest.
};

using FaultSet = std::set<FaultKind>;

const char* to_string(FaultKind kind) noexcept;
/// What an engine must survive without a loss.
FaultSet default_faults();
/// What may damage what was acknowledged.
FaultSet lies();
/// Nothing: `wrong` is a word that is no fault. "all", "default" and "lies" are sets.
std::optional<FaultSet> parse_faults(const std::string& list, std::string& wrong);
std::string to_text(const FaultSet& faults);
std::string describe_faults();

/// Makes a machine meet a fault of this kind soon. Nothing for those that strike a disk at rest.
void plan_fault(sim::SimOs& os, FaultKind kind, sim::Random& random);
/// The kind of a fault that plan_fault has made.
FaultKind kind_of(const sim::Fault& fault);

}  // namespace aether::program
