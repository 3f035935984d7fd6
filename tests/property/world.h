// An environment for property tests: on real files or on the simulated disk, with the smallest pool there is, so
// that eviction, splits and merges run all the time.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "aether/aether.hpp"
#include "sim/sim_os.h"
#include "support/slowdown.h"
#include "unit/os/temp_directory.h"

namespace aether::testing_support {

/// AETHER_SEED, or a fixed one: a failure prints it, and the same seed gives the same operations.
inline uint64_t base_seed() {
  const char* text = std::getenv("AETHER_SEED");
  return text == nullptr ? 1 : std::strtoull(text, nullptr, 0);
}

/// As part of a test's name.
inline const char* name_of(IndexKind kind) {
  switch (kind) {
    case IndexKind::btree: break;
    case IndexKind::skiplist: return "Skiplist";
    case IndexKind::rax: return "Rax";
    case IndexKind::rax_paged: return "RaxPaged";
    case IndexKind::lsm: return "Lsm";
  }
  return "";
}

struct World {
  EnvOptions options;
  std::unique_ptr<TempDirectory> directory;
  std::unique_ptr<sim::SimOs> sim;
  os::Os* os = nullptr;
  std::string home;
  std::unique_ptr<DbEnv> env;

  /// `seed`: of the simulated disk; without one, real files.
  World(uint32_t page_bytes, uint64_t pool_pages, std::optional<uint64_t> seed) {
    options.page_bytes = page_bytes;
    options.pool_bytes = pool_pages * page_bytes;
    options.log_segment_bytes = 64 * page_bytes;
    // Checkpoints follow each other; a thread that the system lets wait while others fill the log keeps its transaction.
    options.log_bytes_max = 256 * MiB;
    options.reopen_seconds_max = 0.001;
    options.log_streams = 3;
    options.durability = Durability::none;
    if (seed) {
      options.background_threads = false;
      sim = std::make_unique<sim::SimOs>(sim::SimOptions{.seed = *seed});
      os = sim.get();
      home = "/env";
    } else {
      directory = std::make_unique<TempDirectory>();
      os = &os::production();
      home = *directory / "env";
    }
  }

  void open() {
    Result<std::unique_ptr<DbEnv>> opened = DbEnv::open(home, options, *os);
    ASSERT_TRUE(opened.has_value()) << opened.error().message();
    env = *std::move(opened);
  }

  void close() {
    const Result<void> closed = env->close();
    env.reset();
    ASSERT_TRUE(closed.has_value()) << closed.error().message();
  }

  /// Every page is well, and each is either reachable or free.
  void verify() {
    const Result<VerifyReport> report = env->verify();
    ASSERT_TRUE(report.has_value()) << report.error().message();
    for (const VerifyProblem& problem : report->problems) {
      ADD_FAILURE() << "page " << problem.page_id << " of '" << problem.store
                    << "': " << problem.message;
    }
  }

  KvStore store(const std::string& name, IndexKind kind = IndexKind::btree) {
    Result<KvStore> opened = env->open_store(name, {.index = kind,
                                                    .lsm = {.nursery_bytes = 32 * KiB,
                                                            .block_bytes = 4 * KiB,
                                                            .inline_value_bytes = 1 * KiB}});
    EXPECT_TRUE(opened.has_value()) << opened.error().message();
    return *std::move(opened);
  }
};

}  // namespace aether::testing_support
