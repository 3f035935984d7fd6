// Runs in an environment on the simulated disk, without a store that refers to them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "db/env_impl.h"
#include "db/transaction_impl.h"
#include "lsm/run.h"
#include "lsm/run_writer.h"
#include "sim/sim_os.h"

namespace aether::testing_support {

/// An entry with bytes of its own.
struct OwnEntry {
  std::string key;
  TxnId writer = 0;
  lsm::EntryKind kind = lsm::EntryKind::value;
  uint64_t expiry_ms = 0;
  std::string value;

  lsm::Entry view() const {
    return {.key = key, .writer = writer, .kind = kind, .expiry_ms = expiry_ms, .value = value};
  }
  friend bool operator==(const OwnEntry&, const OwnEntry&) = default;
  friend bool operator<(const OwnEntry& left, const OwnEntry& right) {
    return lsm::compare_places(left.key, left.writer, right.key, right.writer) < 0;
  }
};

inline OwnEntry own(const lsm::Entry& entry) {
  return {std::string(entry.key), entry.writer, entry.kind, entry.expiry_ms,
          std::string(entry.value)};
}

inline EnvOptions run_world_options(uint32_t page_bytes = 4096) {
  EnvOptions options;
  options.page_bytes = page_bytes;
  options.pool_bytes = 4 * MiB;
  options.log_segment_bytes = 64 * page_bytes;
  options.log_bytes_max = 64 * MiB;
  options.log_streams = 2;
  options.background_threads = false;
  return options;
}

struct RunWorld {
  sim::SimOs os{sim::SimOptions{.seed = 1}};
  std::unique_ptr<db::EnvImpl> env;

  explicit RunWorld(uint32_t page_bytes = 4096) {
    Result<std::unique_ptr<db::EnvImpl>> opened = db::EnvImpl::open(
        "/env", run_world_options(page_bytes), os);
    EXPECT_TRUE(opened.has_value()) << opened.error().message();
    env = *std::move(opened);
  }
  ~RunWorld() { EXPECT_TRUE(env->close().has_value()); }

  /// Writes `entries` and `sections`, and commits.
  Result<lsm::RunReference> write(
      const std::vector<OwnEntry>& entries, const lsm::RunOptions& options,
      const std::vector<std::pair<lsm::SectionType, std::string>>& sections = {}) {
    AETHER_TRY_ASSIGN(const db::TransactionPointer txn, env->begin({}));
    AETHER_TRY_ASSIGN(const std::unique_ptr<lsm::RunWriter> writer,
                      lsm::RunWriter::create(env->services(), txn->context().log.stream, options));
    for (const OwnEntry& entry : entries) AETHER_TRY(writer->add(entry.view()));
    for (const auto& [type, bytes] : sections) AETHER_TRY(writer->add_section(type, bytes));
    AETHER_TRY_ASSIGN(const lsm::RunReference reference, writer->finish(txn->context()));
    AETHER_TRY(txn->commit());
    return reference;
  }
  std::shared_ptr<const lsm::Run> open(const lsm::RunReference& reference) {
    Result<std::shared_ptr<const lsm::Run>> run = lsm::Run::open(env->services(), reference);
    EXPECT_TRUE(run.has_value()) << run.error().message();
    return run ? *std::move(run) : nullptr;
  }
  Result<void> free(const lsm::Run& run) {
    AETHER_TRY_ASSIGN(const db::TransactionPointer txn, env->begin({}));
    txn->context().pin(env->services().transactions);
    txn->context().freed_pages = run.ranges();
    return txn->commit();
  }
  uint64_t free_pages() { return env->services().space.free_count(); }
};

/// All of a run, forwards.
inline Result<std::vector<OwnEntry>> read_all(
    std::shared_ptr<const lsm::Run> run, lsm::RunCursor::Use use = lsm::RunCursor::Use::cached) {
  lsm::RunCursor cursor(std::move(run), use);
  std::vector<OwnEntry> entries;
  AETHER_TRY_ASSIGN(bool more, cursor.first());
  while (more) {
    entries.push_back(own(cursor.entry()));
    AETHER_TRY_ASSIGN(more, cursor.next());
  }
  return entries;
}

}  // namespace aether::testing_support
