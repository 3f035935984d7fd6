// Records a seeded run of the engine on a simulated disk, with crashes, as events for TLC (spec/README.md).
//
//   aether_record_trace SEED OPERATIONS LIVES > events
//
// Each life but the last ends in a power cut at a step of the seed; the next one recovers.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "base/trace.h"
#include "sim/oracle/model.h"
#include "sim/oracle/workload.h"
#include "sim/sim_os.h"

namespace {

bool writing = true;

void write_line(const std::string& line) {
  if (writing) std::printf("%s\n", line.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  using namespace aether;
  if (argc != 4) {
    std::fprintf(stderr, "usage: aether_record_trace SEED OPERATIONS LIVES > events\n");
    return 2;
  }
  const uint64_t seed = std::strtoull(argv[1], nullptr, 10);
  const uint64_t operations = std::strtoull(argv[2], nullptr, 10);
  const uint64_t lives = std::strtoull(argv[3], nullptr, 10);
  base::set_trace_sink(&write_line);
  auto disk = std::make_unique<sim::SimOs>(sim::SimOptions{.seed = seed});
  sim::Random random(seed);
  for (uint64_t life = 0; life < lives; ++life) {
    oracle::Profile profile = oracle::make_profile(seed);
    profile.memory_stores = false;  // The specifications know records of pages.
    profile.seed = seed * 1000 + life;
    profile.env.pool_bytes = 288 * KiB;  // The smallest: pages leave it.
    profile.env.log_streams = 3;
    profile.same_stream = false;
    // What the specifications do not speak of.
    using oracle::Operation;
    for (const Operation each :
         {Operation::write_batch, Operation::savepoint, Operation::rollback_to, Operation::release,
          Operation::prepare, Operation::decide}) {
      profile.weight(each) = 0;
    }
    profile.serializable_percent = 0;
    profile.bulk_percent = 0;
    std::unique_ptr<sim::SimOs> after;
    // Into the recovery too, every second time.
    uint64_t steps_left = life % 2 == 0 ? 200 + random.below(400) : 20 + random.below(200);
    if (life + 1 < lives) {
      disk->on_step([&](const sim::Step& step) {
        if (!step.changes_disk || after != nullptr || --steps_left > 0) return;
        after = disk->crash({.policy = sim::CrashPolicy::prefix, .seed = step.number});
        write_line("crash");
        writing = false;
      });
    }
    // The model starts anew with each life: this program checks nothing, TLC does.
    oracle::Model model;
    oracle::Workload workload(profile, model, *disk);
    if (workload.open()) workload.run(operations);
    disk->on_step({});
    if (after == nullptr) {
      after = disk->crash({.policy = sim::CrashPolicy::lost, .seed = seed + life});
      write_line("crash");
      writing = false;
    }
    workload.let_go();
    writing = life + 1 < lives;
    disk = std::move(after);
  }
  return 0;
}
