#include "sim/program/options_mode.h"

#include <algorithm>
#include <cstdio>
#include <initializer_list>
#include <string>
#include <vector>

#include "os/os.h"
#include "sim/program/history.h"

namespace aether::program {

namespace {

constexpr size_t kCalls = 150;

struct OptionSet {
  std::string name;
  EnvOptions options;
};

EnvOptions plain() {
  return {.pool_bytes = 1 * MiB,
          .page_bytes = 4 * KiB,
          .log_streams = 1,
          .log_segment_bytes = 256 * KiB,
          .log_bytes_max = 4 * MiB,
          .background_threads = false};
}

template <typename Change>
void add(std::vector<OptionSet>& sets, const std::string& name, Change change) {
  OptionSet set{name, plain()};
  change(set.options);
  sets.push_back(std::move(set));
}

std::vector<OptionSet> option_sets() {
  std::vector<OptionSet> sets;
  add(sets, "plain", [](EnvOptions&) {});
  for (const uint64_t kib : std::initializer_list<uint64_t>{288, 512, 4096, 16384}) {
    add(sets, "pool of " + std::to_string(kib) + " KiB",
        [&](EnvOptions& options) { options.pool_bytes = kib * KiB; });
  }
  for (const uint32_t kib : std::initializer_list<uint32_t>{8, 16, 32, 64}) {
    for (const uint64_t frames : std::initializer_list<uint64_t>{72, 200}) {
      add(sets, "pages of " + std::to_string(kib) + " KiB, " + std::to_string(frames) + " of them",
          [&](EnvOptions& options) {
            options.page_bytes = kib * 1024;
            options.pool_bytes = frames * kib * KiB;
            options.log_segment_bytes = 64 * kib * KiB;
            options.log_bytes_max = 4 * options.log_segment_bytes;
          });
    }
  }
  for (const uint32_t streams : std::initializer_list<uint32_t>{2, 3, 8}) {
    add(sets, std::to_string(streams) + " log streams",
        [&](EnvOptions& options) { options.log_streams = streams; });
  }
  for (const uint64_t kib : std::initializer_list<uint64_t>{512, 1024, 4096}) {
    add(sets, "segments of " + std::to_string(kib) + " KiB", [&](EnvOptions& options) {
      options.log_segment_bytes = kib * KiB;
      options.log_bytes_max = 4 * kib * KiB;
    });
  }
  add(sets, "checkpoints often", [](EnvOptions& options) { options.log_bytes_max = 1 * MiB; });
  add(sets, "no durability", [](EnvOptions& options) { options.durability = Durability::none; });
  add(sets, "sync", [](EnvOptions& options) { options.durability = Durability::sync; });
  add(sets, "few versions", [](EnvOptions& options) { options.version_bytes_max = 64 * KiB; });
  add(sets, "threads for files", [](EnvOptions& options) { options.io_mode = IoMode::threads; });
  add(sets, "background threads", [](EnvOptions& options) { options.background_threads = true; });
  add(sets, "background threads, small pool, no durability", [](EnvOptions& options) {
    options.background_threads = true;
    options.pool_bytes = 288 * KiB;
    options.durability = Durability::none;
    options.flush_interval_ms = 1;
  });
  add(sets, "all small", [](EnvOptions& options) {
    options.pool_bytes = 288 * KiB;
    options.log_streams = 3;
    options.log_bytes_max = 1 * MiB;
    options.version_bytes_max = 64 * KiB;
  });
  return sets;
}

/// Empty: equal.
std::string difference(const std::vector<HistoryCall>& history, const Answers& first,
                       const Answers& other) {
  for (size_t i = 0; i < first.size(); ++i) {
    if (first[i] == other[i]) continue;
    const std::string call = i < history.size() ? to_text(history[i]) : "the end";
    return "call " + std::to_string(i) + ", " + call + ":\n  plain answers " +
           first[i].substr(0, 200) + "\n  this one      " + other[i].substr(0, 200);
  }
  return {};
}

}  // namespace

int options_mode(uint64_t seed, uint64_t histories) {
  const std::vector<OptionSet> sets = option_sets();
  const uint64_t begin = os::production().monotonic_ns();
  uint64_t runs = 0;
  for (uint64_t history_seed = seed; history_seed < seed + histories; ++history_seed) {
    const std::vector<HistoryCall> history = make_history(history_seed, kCalls);
    Answers first;
    for (const OptionSet& set : sets) {
      const Answers answers = play(history, set.options, history_seed);
      ++runs;
      if (first.empty()) {
        first = answers;
        if (first.back().find("NOT whole") == std::string::npos) continue;
      }
      std::string wrong = difference(history, first, answers);
      if (answers.back().find("NOT whole") != std::string::npos) wrong = "verify finds problems";
      if (wrong.empty()) continue;
      std::printf(
          "BREACH at seed %llu, options '%s': %s\nreplay: aether-sim --mode options --seed %llu "
          "--cycles 1\n",
          static_cast<unsigned long long>(history_seed), set.name.c_str(), wrong.c_str(),
          static_cast<unsigned long long>(history_seed));
      return 1;
    }
  }
  const double seconds = static_cast<double>(os::production().monotonic_ns() - begin) / 1e9;
  std::printf(
      "%llu histories of %llu calls, %llu option sets, all answers equal\n"
      "rate: %.0f runs/s (%.2f s)\nok: no breach\n",
      static_cast<unsigned long long>(histories), static_cast<unsigned long long>(kCalls),
      static_cast<unsigned long long>(sets.size()), static_cast<double>(runs) / seconds, seconds);
  return 0;
}

}  // namespace aether::program
