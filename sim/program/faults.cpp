#include "sim/program/faults.h"

#include <cerrno>
#include <cstring>
#include <iterator>
#include <sstream>

namespace aether::program {

namespace {

using sim::Effect;
using sim::StepKind;

struct Name {
  FaultKind kind;
  const char* name;
  bool is_default;
  bool is_lie;
  const char* meaning;
};

constexpr Name kNames[] = {
    {FaultKind::crash, "crash", true, false,
     "power cuts at any step; unsynced sectors torn, reordered, garbage, lost"},
    {FaultKind::nested, "nested", true, false, "power cuts in recovery too, three deep"},
    {FaultKind::eio_read, "eio-read", true, false, "reads of data and log fail"},
    {FaultKind::eio_write, "eio-write", true, false, "writes fail, some of their sectors done"},
    {FaultKind::eio_sync, "eio-sync", true, false,
     "syncs fail, and lose what they should have saved"},
    {FaultKind::eio_directory, "eio-directory", true, false,
     "open, list, rename, remove, directory syncs fail"},
    {FaultKind::enospc, "enospc", true, false, "single calls find no space"},
    {FaultKind::full, "full", true, false, "the disk is full but for some bytes"},
    {FaultKind::slow, "slow", true, false, "calls take ten simulated seconds"},
    {FaultKind::clock, "clock", true, false, "the wall clock jumps ten years, or stands still"},
    {FaultKind::alloc, "alloc", true, false,
     "an allocation of memory fails, or all in an operation"},
    {FaultKind::lost_page, "lost-page", false, true, "a page write is answered and not done"},
    {FaultKind::misdirected_page, "misdirected-page", false, true,
     "a page write is done elsewhere in the file"},
    {FaultKind::lost_area, "lost-area", false, true, "the same of the double-write area"},
    {FaultKind::misdirected_area, "misdirected-area", false, true,
     "the same of the double-write area"},
    {FaultKind::lost_log, "lost-log", false, true, "the same of the log"},
    {FaultKind::misdirected_log, "misdirected-log", false, true, "the same of the log"},
    {FaultKind::lost_sync, "lost-sync", false, false,
     "syncs are answered and not done: a breach is to be expected"},
    {FaultKind::rot, "rot", false, true, "a bit of a file changes at rest"},
};

const Name& find(FaultKind kind) {
  for (const Name& each : kNames) {
    if (each.kind == kind) return each;
  }
  return kNames[0];
}

/// Where calls of a kind of fault fail; the rare ones early, so that a run meets them.
struct FaultPlace {
  FaultKind fault;
  StepKind kind;
  const char* path;
  uint64_t nth_max;
};

constexpr FaultPlace kPlaces[] = {
    {FaultKind::eio_read, StepKind::read, "/data", 15},
    {FaultKind::eio_read, StepKind::read, "", 40},
    {FaultKind::eio_write, StepKind::write, "/log/", 40},
    {FaultKind::eio_write, StepKind::write, "/data", 20},
    {FaultKind::eio_write, StepKind::write, "/CONTROL", 2},
    {FaultKind::eio_write, StepKind::write, "/double", 3},
    {FaultKind::eio_write, StepKind::write, "/archive/", 3},
    {FaultKind::eio_write, StepKind::write, "/versions/", 3},
    {FaultKind::eio_write, StepKind::truncate, "", 2},
    {FaultKind::eio_sync, StepKind::sync, "/log/", 40},
    {FaultKind::eio_sync, StepKind::sync, "/data", 5},
    {FaultKind::eio_sync, StepKind::sync, "/CONTROL", 2},
    {FaultKind::eio_sync, StepKind::sync, "/double", 3},
    {FaultKind::eio_directory, StepKind::open, "", 2},
    {FaultKind::eio_directory, StepKind::rename, "", 2},
    {FaultKind::eio_directory, StepKind::sync_directory, "", 2},
    {FaultKind::eio_directory, StepKind::remove, "", 1},
    {FaultKind::eio_directory, StepKind::list, "", 1},
    {FaultKind::enospc, StepKind::write, "/log/", 40},
    {FaultKind::enospc, StepKind::write, "/data", 20},
    {FaultKind::enospc, StepKind::write, "/archive/", 3},
    {FaultKind::enospc, StepKind::write, "", 60},
    {FaultKind::enospc, StepKind::allocate, "/data", 1},
    {FaultKind::enospc, StepKind::allocate, "/log/", 2},
    {FaultKind::enospc, StepKind::open, "", 2},
    {FaultKind::enospc, StepKind::sync_directory, "", 2},
    {FaultKind::slow, StepKind::any, "", 30},
    {FaultKind::lost_page, StepKind::write, "/data", 30},
    {FaultKind::misdirected_page, StepKind::write, "/data", 30},
    {FaultKind::lost_area, StepKind::write, "/double", 5},
    {FaultKind::misdirected_area, StepKind::write, "/double", 5},
    {FaultKind::lost_log, StepKind::write, "/log/", 40},
    {FaultKind::misdirected_log, StepKind::write, "/log/", 40},
    {FaultKind::lost_sync, StepKind::sync, "/log/", 20},
    {FaultKind::lost_sync, StepKind::sync, "/data", 3},
    {FaultKind::lost_sync, StepKind::sync, "/double", 3},
    {FaultKind::lost_sync, StepKind::sync, "/CONTROL", 2},
};

Effect effect_of(FaultKind kind) {
  switch (kind) {
    case FaultKind::slow: return Effect::delay;
    case FaultKind::lost_page:
    case FaultKind::lost_area:
    case FaultKind::lost_log:
    case FaultKind::lost_sync: return Effect::lose;
    case FaultKind::misdirected_page:
    case FaultKind::misdirected_area:
    case FaultKind::misdirected_log: return Effect::misdirect;
    default: return Effect::fail;
  }
}

void disturb_clock(sim::SimOs& os, sim::Random& random) {
  constexpr int64_t kTenYears = int64_t{10} * 365 * 86'400 * 1'000'000'000;
  const uint64_t dice = random.below(3);
  if (dice == 0) return os.hold_wall_clock(true);
  os.hold_wall_clock(false);
  os.jump_wall_clock(dice == 1 ? kTenYears : -kTenYears);
}

}  // namespace

const char* to_string(FaultKind kind) noexcept { return find(kind).name; }

FaultSet default_faults() {
  FaultSet set;
  for (const Name& each : kNames) {
    if (each.is_default) set.insert(each.kind);
  }
  return set;
}

FaultSet lies() {
  FaultSet set;
  for (const Name& each : kNames) {
    if (each.is_lie) set.insert(each.kind);
  }
  return set;
}

std::optional<FaultSet> parse_faults(const std::string& list, std::string& wrong) {
  FaultSet set;
  std::istringstream words(list);
  for (std::string word; std::getline(words, word, ',');) {
    bool known = word == "none" || word.empty();
    for (const Name& each : kNames) {
      const bool takes = word == "all" || word == each.name ||
                         (word == "default" && each.is_default) || (word == "lies" && each.is_lie);
      if (takes) set.insert(each.kind);
      known = known || takes;
    }
    if (!known) {
      wrong = word;
      return std::nullopt;
    }
  }
  return set;
}

std::string to_text(const FaultSet& faults) {
  if (faults == default_faults()) return "default";
  std::string text;
  for (const FaultKind kind : faults) text.append(text.empty() ? "" : ",").append(to_string(kind));
  return text.empty() ? "none" : text;
}

std::string describe_faults() {
  std::string text;
  for (const Name& each : kNames) {
    std::string line = std::string("  ") + each.name;
    line.resize(20, ' ');
    text += line + each.meaning + (each.is_default ? "" : " (not by default)") + "\n";
  }
  return text;
}

void plan_fault(sim::SimOs& os, FaultKind kind, sim::Random& random) {
  if (kind == FaultKind::clock) return disturb_clock(os, random);
  if (kind == FaultKind::full) {
    // Of 600 KB two segments of the log are for the log alone; with more the data may grow by some.
    const uint64_t left = random.percent(40)   ? random.below(20'000)
                          : random.percent(50) ? random.below(600'000)
                                               : 500'000 + random.below(1'100'000);
    return os.set_capacity(os.total_bytes() + left);
  }
  const FaultPlace* place = nullptr;
  uint64_t matching = 0;
  for (const FaultPlace& each : kPlaces) {
    if (each.fault == kind && random.below(++matching) == 0) place = &each;
  }
  if (place == nullptr) return;
  const bool fails = effect_of(kind) == Effect::fail;
  os.add_fault(
      {.kind = place->kind,
       .path_contains = place->path,
       .nth = 1 + random.below(place->nth_max),
       .errnum = kind == FaultKind::enospc ? ENOSPC : EIO,
       .sticky = (fails || kind == FaultKind::lost_sync) && random.percent(40),
       .effect = effect_of(kind),
       .shift = (random.percent(50) ? 4096 : -4096) * static_cast<int64_t>(1 + random.below(6))});
}

FaultKind kind_of(const sim::Fault& fault) {
  const FaultPlace* best = &kPlaces[0];
  for (const FaultPlace& each : kPlaces) {
    if (each.kind != fault.kind || each.path != fault.path_contains) continue;
    if (effect_of(each.fault) != fault.effect) continue;
    if ((each.fault == FaultKind::enospc) != (fault.errnum == ENOSPC)) continue;
    best = &each;
  }
  return best->fault;
}

}  // namespace aether::program
