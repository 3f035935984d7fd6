// Runs and what may happen to them: a power cut at every step while one is written, a call that fails, every byte of a small
// one damaged. No page is lost, and no answer is wrong.
#include <gtest/gtest.h>

#include <cerrno>

#include "support/run_world.h"

namespace aether {
namespace {

using lsm::EntryKind;
using lsm::FoundEntry;
using lsm::Run;
using lsm::RunOptions;
using lsm::RunReference;
using testing_support::OwnEntry;
using testing_support::read_all;
using testing_support::run_world_options;
using testing_support::RunWorld;

using Entries = std::vector<OwnEntry>;

Entries some_entries(uint64_t count) {
  Entries entries;
  for (uint64_t i = 0; i < count; ++i) {
    std::string key = "k";
    key.append(1, static_cast<char>('a' + i / 26 % 26)).append(1, static_cast<char>('a' + i % 26));
    key.append(std::to_string(i));
    std::string value = "value ";
    for (uint64_t j = 0; j < 12; ++j) value.append(std::to_string(i * 7919 + j * 104729));
    entries.push_back({std::move(key), 3 + i % 5, EntryKind::value, 0, std::move(value)});
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

RunOptions small_options() {
  RunOptions options;
  options.run_id = 77;
  options.store = 9;
  options.codec = Compression::zstd;
  options.dictionary_bytes = 1024;
  options.block_bytes = 4 * KiB;
  options.extent_bytes = 64 * KiB;
  return options;
}

/// What refers to the run: a row of a store.
constexpr const char* kManifest = "manifest";

Result<void> write_with_row(db::EnvImpl& env, const Entries& entries) {
  AETHER_TRY_ASSIGN(db::StoreImpl * store, env.open_store(kManifest, {}));
  AETHER_TRY_ASSIGN(const db::TransactionPointer txn, env.begin({}));
  RunOptions options = small_options();
  options.codec = Compression::none;  // More of it: many extents.
  AETHER_TRY_ASSIGN(const std::unique_ptr<lsm::RunWriter> writer,
                    lsm::RunWriter::create(env.services(), txn->context().log.stream, options));
  for (const OwnEntry& entry : entries) AETHER_TRY(writer->add(entry.view()));
  AETHER_TRY_ASSIGN(const RunReference reference, writer->finish(txn->context()));
  AETHER_TRY(store->write(txn.get(), index::WriteMode::put, "run", reference.encode()));
  return txn->commit();
}

/// The row's run, or none.
Result<std::string> manifest_row(db::EnvImpl& env) {
  AETHER_TRY_ASSIGN(db::StoreImpl * store, env.open_store(kManifest, {}));
  std::string value;
  const Result<void> read = store->tree().get("run", value, nullptr);
  if (read) return value;
  if (read.error().code() == Code::not_found) return std::string();
  return read.error().clone();
}

struct Machine {
  std::unique_ptr<sim::SimOs> os = std::make_unique<sim::SimOs>(sim::SimOptions{.seed = 5});
  std::unique_ptr<db::EnvImpl> env;

  explicit Machine(std::unique_ptr<sim::SimOs> from = nullptr) {
    if (from != nullptr) os = std::move(from);
    Result<std::unique_ptr<db::EnvImpl>> opened = db::EnvImpl::open("/env", run_world_options(),
                                                                    *os);
    EXPECT_TRUE(opened.has_value()) << opened.error().message();
    if (opened) env = *std::move(opened);
  }
  uint64_t allocated() {
    buffer::SpaceManager& space = env->services().space;
    return space.page_count() - space.free_count();
  }
};

/// After `os` has lost its power: the run is there with all of its entries, or its pages are free.
void expect_all_or_nothing(std::unique_ptr<sim::SimOs> os, const Entries& entries,
                           uint64_t allocated_before, uint64_t& there, uint64_t& gone) {
  Machine machine(std::move(os));
  ASSERT_NE(machine.env, nullptr);
  const Result<std::string> row = manifest_row(*machine.env);
  ASSERT_TRUE(row.has_value()) << row.error().message();
  if (row->empty()) {
    ++gone;
    EXPECT_EQ(machine.allocated(), allocated_before);
    const Result<VerifyReport> report = machine.env->verify(
        [](uint64_t, uint64_t) { return Result<void>(); });
    ASSERT_TRUE(report.has_value());
    EXPECT_TRUE(report->ok());
    return;
  }
  ++there;
  const Result<RunReference> reference = RunReference::decode(*row);
  ASSERT_TRUE(reference.has_value());
  EXPECT_EQ(machine.allocated(), allocated_before + reference->pages);
  const auto run = Run::open(machine.env->services(), *reference);
  ASSERT_TRUE(run.has_value()) << run.error().message();
  const Result<Entries> all = read_all(*run);
  ASSERT_TRUE(all.has_value()) << all.error().message();
  EXPECT_TRUE(*all == entries);
}

TEST(RunCrash, APowerCutAtEveryStepLosesNoPage) {
  const Entries entries = some_entries(2500);
  Machine machine;
  ASSERT_TRUE(machine.env->open_store(kManifest, {}).has_value());
  ASSERT_TRUE(machine.env->checkpoint().has_value());
  const uint64_t allocated = machine.allocated();
  std::vector<std::unique_ptr<sim::SimOs>> crashed;
  machine.os->on_step([&](const sim::Step& step) {
    if (step.changes_disk) crashed.push_back(machine.os->crash({.seed = step.number}));
  });
  const Result<void> written = write_with_row(*machine.env, entries);
  machine.os->on_step({});
  ASSERT_TRUE(written.has_value()) << written.error().message();
  crashed.push_back(machine.os->crash({.seed = 1}));
  uint64_t there = 0;
  uint64_t gone = 0;
  for (size_t i = 0; i < crashed.size(); ++i) {
    expect_all_or_nothing(std::move(crashed[i]), entries, allocated, there, gone);
    ASSERT_FALSE(testing::Test::HasFailure()) << "crash " << i;
  }
  EXPECT_GE(there, 1u);
  EXPECT_GE(gone, 8u);
}

TEST(RunCrash, ACallThatFailsLosesNoPage) {
  const Entries entries = some_entries(1500);
  for (uint64_t nth = 1; nth < 200; ++nth) {
    Machine machine;
    ASSERT_TRUE(machine.env->open_store(kManifest, {}).has_value());
    const uint64_t allocated = machine.allocated();
    machine.os->add_fault({.kind = sim::StepKind::write, .nth = nth, .errnum = EIO});
    const Result<void> written = write_with_row(*machine.env, entries);
    const bool struck = machine.os->faults_fired() > 0;
    machine.os->clear_faults();
    if (!struck) {
      EXPECT_TRUE(written.has_value());
      EXPECT_GT(nth, 3u) << "some writes did fail";
      return;
    }
    machine.env.reset();
    uint64_t there = 0;
    uint64_t gone = 0;
    expect_all_or_nothing(machine.os->crash({.seed = nth}), entries, allocated, there, gone);
    ASSERT_FALSE(testing::Test::HasFailure()) << "write " << nth;
  }
  FAIL() << "no end of writes";
}

/// Everything that is asked of a run gives what was written, or an error that names a place. How many errors there were.
uint64_t expect_no_wrong_answer(db::EnvImpl& env, const RunReference& reference,
                                const Entries& entries, const std::string& section) {
  uint64_t errors = 0;
  const auto is_damage = [&](const Error& error) {
    ++errors;
    return error.code() == Code::corruption && !error.message().empty();
  };
  const auto run = Run::open(env.services(), reference);
  if (!run) {
    EXPECT_TRUE(is_damage(run.error())) << run.error().message();
    return errors;
  }
  for (size_t i = 0; i < entries.size(); i += 7) {
    FoundEntry found;
    const Result<bool> is_found = (*run)->get(entries[i].key, found);
    if (!is_found) {
      EXPECT_TRUE(is_damage(is_found.error())) << is_found.error().message();
      continue;
    }
    EXPECT_TRUE(*is_found && found.value == entries[i].value);
  }
  for (const lsm::RunCursor::Use use : {lsm::RunCursor::Use::cached, lsm::RunCursor::Use::once}) {
    const Result<Entries> all = read_all(*run, use);
    if (all) {
      EXPECT_TRUE(*all == entries);
    } else {
      EXPECT_TRUE(is_damage(all.error())) << all.error().message();
    }
  }
  const Result<std::string> read = (*run)->section(4);
  if (read) {
    EXPECT_EQ(*read, section);
  } else {
    EXPECT_TRUE(is_damage(read.error()));
  }
  return errors;
}

TEST(RunDamage, NoByteOfARunCanBeDamagedUnnoticed) {
  RunWorld world;
  Entries entries = some_entries(260);
  const Entries points = entries;
  entries.insert(entries.begin(), {"a", 9, EntryKind::range_tombstone, 0, "b"});
  const std::string section(600, 'f');
  RunOptions options = small_options();
  const Result<RunReference> reference = world.write(entries, options, {{4, section}});
  ASSERT_TRUE(reference.has_value());
  EXPECT_EQ(expect_no_wrong_answer(*world.env, *reference, points, section), 0u);
  const std::string data = "/env/data";
  const uint64_t begin = reference->first_page * 4096;
  const uint64_t bytes = reference->pages * 4096;
  uint64_t noticed = 0;
  for (uint64_t at = 0; at < bytes; ++at) {
    const uint64_t bit = (begin + at) * 8 + at % 8;
    ASSERT_TRUE(world.os.flip_bit(data, bit).has_value());
    noticed += expect_no_wrong_answer(*world.env, *reference, points, section) > 0 ? 1 : 0;
    ASSERT_TRUE(world.os.flip_bit(data, bit).has_value());
    ASSERT_FALSE(testing::Test::HasFailure()) << "byte " << at;
  }
  // Each page has a checksum of all of it.
  EXPECT_EQ(noticed, bytes);
  EXPECT_EQ(expect_no_wrong_answer(*world.env, *reference, points, section), 0u);
}

/// The reference is a row of the manifest: with a wrong one nothing else may happen than an error.
TEST(RunDamage, AWrongReferenceIsAnError) {
  RunWorld world;
  const Entries entries = some_entries(260);
  const Result<RunReference> reference = world.write(entries, small_options());
  ASSERT_TRUE(reference.has_value());
  const std::string row = reference->encode();
  for (size_t at = 0; at < row.size() * 8; ++at) {
    std::string damaged = row;
    damaged[at / 8] = static_cast<char>(damaged[at / 8] ^ 1 << at % 8);
    const Result<RunReference> decoded = RunReference::decode(damaged);
    if (!decoded) continue;
    const auto run = Run::open(world.env->services(), *decoded);
    ASSERT_FALSE(run.has_value()) << "bit " << at;
    EXPECT_EQ(run.error().code(), Code::corruption) << run.error().message();
  }
  std::string newer = row;
  newer[0] = 2;
  EXPECT_EQ(RunReference::decode(newer).error().code(), Code::unsupported);
  EXPECT_EQ(RunReference::decode(row.substr(1)).error().code(), Code::corruption);
}

}  // namespace
}  // namespace aether
