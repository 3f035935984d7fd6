// The towers of Hanoi: a store of sorted runs under the policy that gave HanoiDB its name. Runs fall onto level 0 as the nursery is
// written out; two of a level become one of the next. On a terminal the picture moves.
//
//   example_lsm DIR
//
// `aether --home DIR top` draws the same of any store of runs, while another process works with it.

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "aether/aether.hpp"

#include <unistd.h>

namespace {

using aether::KvStore;
using aether::Result;

constexpr int kPuts = 30'000;  // And more, until a merge has ended: they are done beside the puts.
constexpr int kPutsMax = 100 * kPuts;
constexpr int kPutsBetweenPictures = 1'500;
constexpr size_t kPeg = 18;

struct Disc {
  uint64_t bytes = 0;
  bool merging = false;
};

/// A peg for each level, the oldest run at the bottom.
std::vector<std::vector<Disc>> pegs_of(const aether::LsmStats& lsm) {
  std::vector<std::vector<Disc>> pegs;
  for (const aether::SortedRunStats& run : lsm.sorted_runs) {  // The newest first.
    pegs.resize(std::max<size_t>(pegs.size(), run.level + 1));
    pegs[run.level].push_back({run.bytes, run.merging});
  }
  return pegs;
}

std::string in_the_middle(const std::string& text) {
  const size_t before = (kPeg - std::min(kPeg, text.size())) / 2;
  std::string cell(before, ' ');
  cell.append(text).resize(kPeg, ' ');
  return cell;
}

std::string disc_text(const Disc& disc) {
  size_t length = 1;
  for (uint64_t bytes = disc.bytes; bytes > 32 * aether::KiB && length < kPeg - 2; bytes /= 2) {
    length += 2;
  }
  return std::string(length, disc.merging ? '~' : '=');
}

std::string picture_of(const aether::LsmStats& lsm) {
  const std::vector<std::vector<Disc>> pegs = pegs_of(lsm);
  size_t height = 4;
  for (const std::vector<Disc>& peg : pegs) height = std::max(height, peg.size());
  std::string text;
  for (size_t row = 0; row < height; ++row) {
    for (const std::vector<Disc>& peg : pegs) {
      const size_t empty = height - peg.size();
      text += in_the_middle(row < empty ? "|" : disc_text(peg[row - empty]));
    }
    text += '\n';
  }
  for (size_t level = 0; level < pegs.size(); ++level) {
    text += in_the_middle("level " + std::to_string(level));
  }
  text += '\n';
  return text;
}

Result<aether::LsmStats> look(aether::DbEnv& env) {
  for (const aether::StoreStats& store : env.stats().stores) {
    if (store.name == "events") return store.lsm;
  }
  return aether::Code::not_found;
}

Result<int> run(const std::string& home) {
  const bool moves = ::isatty(STDOUT_FILENO) == 1;
  aether::EnvOptions options;
  options.durability = aether::Durability::none;
  AETHER_TRY_ASSIGN(auto env, aether::DbEnv::open(home, options));
  aether::StoreOptions events_options;
  events_options.index = aether::IndexKind::lsm;
  events_options.lsm.policy = aether::MergePolicyKind::hanoi;
  events_options.lsm.nursery_bytes = 128 * aether::KiB;
  AETHER_TRY_ASSIGN(KvStore events, env->open_store("events", events_options));
  uint64_t key = 1;
  bool has_merged = false;
  for (int i = 0; i < kPuts || (!has_merged && i < kPutsMax); ++i) {
    key = key * 6364136223846793005 + 1442695040888963407;
    AETHER_TRY(events.put(std::to_string(key), std::string(100, 'e')));
    if (i % kPutsBetweenPictures != 0) continue;
    AETHER_TRY_ASSIGN(const aether::LsmStats lsm, look(*env));
    has_merged = lsm.merges > 0;
    if (!moves) continue;
    std::printf("\x1b[H\x1b[J%s", picture_of(lsm).c_str());
    std::fflush(stdout);
    ::usleep(100'000);  // For the eye alone.
  }
  AETHER_TRY_ASSIGN(const aether::LsmStats lsm, look(*env));
  std::printf("%s%s", moves ? "\x1b[H\x1b[J" : "", picture_of(lsm).c_str());
  std::printf("%llu merges, write amplification %.2f, %zu sorted runs\n",
              static_cast<unsigned long long>(lsm.merges), lsm.write_amplification,
              lsm.sorted_runs.size());
  AETHER_TRY_ASSIGN(const std::string last, events.get(std::to_string(key)));
  AETHER_TRY(env->close());
  return lsm.flushes > 0 && lsm.merges > 0 && last.size() == 100 ? 0 : 1;
}

}  // namespace

int main(int argument_count, char** arguments) {
  if (argument_count != 2) {
    std::fprintf(stderr, "Usage: example_lsm DIR\n");
    return 2;
  }
  const Result<int> status = run(arguments[1]);
  if (!status) std::fprintf(stderr, "%s\n", std::string(status.error().message()).c_str());
  return status ? *status : 1;
}
