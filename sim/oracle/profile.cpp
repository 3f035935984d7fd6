#include "sim/oracle/profile.h"

#include <iterator>

#include "sim/random.h"

namespace aether::oracle {

namespace {

struct Kind {
  Operation operation;
  const char* name;
  uint32_t weight;
  uint32_t kept_percent;  ///< The chance that a swarm profile knows it.
};

constexpr Kind kKinds[] = {
    {Operation::write_alone, "write_alone", 400, 90},
    {Operation::write_batch, "write_batch", 30, 60},
    {Operation::begin, "begin", 70, 95},
    {Operation::write_inside, "write_inside", 250, 95},
    {Operation::savepoint, "savepoint", 40, 60},
    {Operation::rollback_to, "rollback_to", 25, 80},
    {Operation::release, "release", 8, 60},
    {Operation::end, "end", 85, 95},
    {Operation::prepare, "prepare", 20, 60},
    {Operation::decide, "decide", 20, 85},
    {Operation::read, "read", 25, 80},
    {Operation::compare, "compare", 12, 60},
    {Operation::checkpoint, "checkpoint", 20, 70},
    {Operation::close, "close", 14, 50},
    {Operation::make_store, "make_store", 15, 90},
    {Operation::drop_store, "drop_store", 12, 60},
    {Operation::remove_range, "remove_range", 0, 0},
};
static_assert(std::size(kKinds) == kOperations);

/// A store of runs that is loaded with more rows than a removal takes one by one, and is emptied by ranges.
void widen(Profile& profile) {
  profile.wide = true;
  profile.deep = false;
  profile.keys = 1600;
  profile.large_percent = 0;
  profile.value_bytes = 100;
  profile.bulk_percent = 100;
  profile.range_percent = 15;
  profile.weight(Operation::make_store) = 40;
  profile.weight(Operation::drop_store) = 12;
  profile.weight(Operation::read) = 100;
  profile.operations = 80;
}

}  // namespace

const char* to_string(Operation operation) noexcept {
  for (const Kind& kind : kKinds) {
    if (kind.operation == operation) return kind.name;
  }
  return "unknown";
}

Profile make_profile(uint64_t seed) {
  sim::Random random(seed * 0x9e3779b97f4a7c15u + 1);
  Profile profile;
  profile.seed = seed;
  profile.env.pool_bytes = (random.percent(50) ? 288 : 512) * KiB;
  profile.env.page_bytes = 4 * KiB;
  profile.env.log_streams = static_cast<uint32_t>(1 + random.below(3));
  profile.env.log_segment_bytes = 256 * KiB;
  profile.env.log_bytes_max = 1 * MiB;
  profile.env.durability = random.percent(60) ? Durability::group : Durability::none;
  profile.env.background_threads = false;
  profile.env.redo_on_demand = seed % 4 != 0;
  profile.memory_stores = profile.outgrows_log = seed % 3 == 1;
  profile.same_stream = profile.env.log_streams == 1 || random.percent(20);
  for (const Kind& kind : kKinds) {
    profile.weight(kind.operation) = kind.weight;
  }
  return profile;
}

Profile make_swarm_profile(uint64_t seed) {
  Profile profile = make_profile(seed);
  sim::Random random(seed * 0x9e3779b97f4a7c15u + 2);
  for (const Kind& kind : kKinds) {
    if (kind.weight == 0) continue;
    uint32_t& weight = profile.weight(kind.operation);
    if (!random.percent(kind.kept_percent)) weight = 0;
    if (random.percent(15)) weight *= 4;
  }
  if (!profile.knows(Operation::write_alone) && !profile.knows(Operation::write_inside)) {
    profile.weight(Operation::write_alone) = 400;
  }
  profile.range_percent = seed % 7 < 3 ? 0 : seed % 7 == 3 ? 15 : 3;
  constexpr uint32_t kKeys[] = {12, 60, 150, 300};
  profile.keys = kKeys[random.below(std::size(kKeys))];
  profile.large_percent = random.percent(60) ? 0 : static_cast<uint32_t>(random.below(8));
  profile.value_bytes = static_cast<uint32_t>(random.percent(50) ? 120 : 1000);
  profile.operations = 20 + random.below(180);
  if (random.percent(10)) {
    profile.env.page_bytes = 8 * KiB;
    profile.env.pool_bytes = 640 * KiB;
    profile.env.log_segment_bytes = 512 * KiB;
    profile.env.log_bytes_max = 2 * MiB;
  }
  if (random.percent(25)) {
    profile.env.archive_directory = kArchive;
    profile.outgrows_log = true;
  }
  if (random.percent(40)) profile.env.version_bytes_max = 64 * KiB;
  if (random.percent(15)) {
    profile.deep = true;
    profile.keys = 300;
    profile.value_bytes = 1000;
    profile.operations = 200 + random.below(200);
    profile.env.pool_bytes = 72 * profile.env.page_bytes;
  } else if (random.percent(10)) {
    // Snapshots that see a long time go by.
    profile.weight(Operation::begin) = 70;
    profile.weight(Operation::write_inside) = 100;
    profile.weight(Operation::end) /= 8;
    profile.weight(Operation::close) = profile.weight(Operation::drop_store) = 0;
    profile.env.version_bytes_max = 64 * KiB;
    profile.outgrows_log = true;
    profile.keys = 150;
    profile.value_bytes = seed % 2 == 0 ? 1000 : 4000;  // The latter: runs of versions are merged.
    profile.operations = 200 + random.below(200);
  } else if (random.percent(10)) {
    profile.large_percent = 30;  // The data file grows.
    profile.keys = 300;
  }
  if (profile.memory_stores && seed % 15 == 4 && !profile.deep) {
    profile.favours_runs = true;
    profile.keys = 300;
    profile.large_percent = 0;
    profile.value_bytes = 4000;
    profile.operations = 300 + seed / 15 % 200;
  }
  if (profile.memory_stores && seed % 72 == 10) widen(profile);
  return profile;
}

Profile make_bench_profile(uint64_t seed) {
  Profile profile = make_profile(seed);
  profile.env.pool_bytes = 288 * KiB;
  profile.large_percent = 0;
  profile.operations = 150;
  return profile;
}

}  // namespace aether::oracle
