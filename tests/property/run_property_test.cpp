// Runs against a sorted vector: everything that was written is read as it was, forwards, backwards, by key and by writer, with
// every option; nothing else is.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "lsm/levels.h"
#include "support/run_world.h"

namespace aether {
namespace {

using lsm::EntryKind;
using lsm::FoundEntry;
using lsm::Run;
using lsm::RunCursor;
using lsm::RunOptions;
using lsm::RunReference;
using testing_support::own;
using testing_support::OwnEntry;
using testing_support::read_all;
using testing_support::RunWorld;

using Entries = std::vector<OwnEntry>;

RunOptions options_of(uint64_t run_id, Compression codec = Compression::lz4) {
  RunOptions options;
  options.run_id = run_id;
  options.store = 9;
  options.codec = codec;
  options.block_bytes = 4 * KiB;
  options.extent_bytes = 64 * KiB;
  return options;
}

std::string key_of(uint64_t i) {
  std::string key = "key/";
  const std::string digits = std::to_string(i);
  key.append(10 - digits.size(), '0').append(digits);
  return key;
}

Entries plain_entries(uint64_t count, size_t value_bytes) {
  Entries entries;
  for (uint64_t i = 0; i < count; ++i) {
    std::string value = "value of " + std::to_string(i) + " ";
    while (value.size() < value_bytes) value.append(std::to_string(i * 2654435761u)).append(" ");
    entries.push_back({key_of(i), 5 + i % 7, EntryKind::value, 0, std::move(value)});
  }
  return entries;
}

/// Keys of few letters, so that many are prefixes of others and many stand more than once.
Entries random_entries(std::mt19937_64& random, uint64_t count) {
  std::set<OwnEntry> entries;
  const std::string letters(
      "\x00\x01"
      "ab\xfe\xff",
      6);
  for (uint64_t i = 0; i < count; ++i) {
    OwnEntry entry;
    for (uint64_t length = random() % 7; length > 0; --length)
      entry.key.push_back(letters[random() % letters.size()]);
    entry.writer = random() % 40;
    entry.kind = random() % 5 == 0   ? EntryKind::tombstone
                 : random() % 9 == 0 ? EntryKind::value_apart
                                     : EntryKind::value;
    entry.expiry_ms = random() % 6 == 0 ? 1 + random() % 100'000'000'000 : 0;
    if (entry.kind != EntryKind::tombstone) {
      const uint64_t bytes = random() % 50 == 0 ? random() % 20'000 : random() % 60;
      entry.value.assign(bytes, static_cast<char>(random()));
    }
    entries.insert(std::move(entry));
  }
  return {entries.begin(), entries.end()};
}

void expect_all(RunWorld& world, const RunReference& reference, const Entries& entries) {
  const auto run = world.open(reference);
  ASSERT_NE(run, nullptr);
  for (const RunCursor::Use use : {RunCursor::Use::cached, RunCursor::Use::once}) {
    const Result<Entries> all = read_all(run, use);
    ASSERT_TRUE(all.has_value()) << all.error().message();
    ASSERT_EQ(all->size(), entries.size());
    ASSERT_TRUE(*all == entries);
  }
  RunCursor cursor(run);
  Result<bool> more = cursor.last();
  for (size_t i = entries.size(); i-- > 0; more = cursor.prev()) {
    ASSERT_TRUE(more.has_value() && *more);
    ASSERT_TRUE(own(cursor.entry()) == entries[i]) << i;
  }
  ASSERT_TRUE(more.has_value() && !*more);
  uint64_t pages = 0;
  const Result<void> checked = run->check([&](PageId) -> Result<void> {
    ++pages;
    return {};
  });
  ASSERT_TRUE(checked.has_value()) << checked.error().message();
  EXPECT_EQ(pages, reference.pages);
  EXPECT_EQ(run->summary().entries, entries.size());
  EXPECT_EQ(run->summary().smallest_key, entries.empty() ? "" : entries.front().key);
  EXPECT_EQ(run->summary().largest_key, entries.empty() ? "" : entries.back().key);
}

/// Every place that `key` and `writer` can lead to.
void expect_seeks(const std::shared_ptr<const Run>& run, const Entries& entries,
                  const std::string& key, TxnId writer) {
  RunCursor cursor(run);
  const OwnEntry place{key, writer, EntryKind::value, 0, {}};
  const auto expect_at = [&](const Result<bool>& at, Entries::const_iterator expected) {
    ASSERT_TRUE(at.has_value()) << at.error().message();
    ASSERT_EQ(*at, expected != entries.end());
    if (!*at) return;
    ASSERT_TRUE(own(cursor.entry()) == *expected);
  };
  auto expected = std::lower_bound(entries.begin(), entries.end(), place);
  expect_at(cursor.seek(key, writer), expected);
  if (expected != entries.begin() && cursor.valid()) expect_at(cursor.prev(), std::prev(expected));
  expected = std::upper_bound(entries.begin(), entries.end(), OwnEntry{.key = key, .value = {}});
  expected = expected == entries.begin() ? entries.end() : std::prev(expected);
  expect_at(cursor.seek_for_prev(key), expected);
  if (cursor.valid()) expect_at(cursor.next(), std::next(expected));

  const auto newest = std::lower_bound(entries.begin(), entries.end(),
                                       OwnEntry{.key = key, .writer = writer, .value = {}});
  FoundEntry found;
  const Result<bool> is_found = run->get(
      key, [&](TxnId by) { return by <= writer; }, found);
  ASSERT_TRUE(is_found.has_value()) << is_found.error().message();
  ASSERT_EQ(*is_found, newest != entries.end() && newest->key == key);
  if (!*is_found) return;
  EXPECT_EQ(found.writer, newest->writer);
  EXPECT_EQ(found.kind, newest->kind);
  EXPECT_EQ(found.expiry_ms, newest->expiry_ms);
  EXPECT_EQ(found.value, newest->value);
}

TEST(Run, AnEmptyRunIsARun) {
  RunWorld world;
  const Result<RunReference> reference = world.write({}, options_of(1));
  ASSERT_TRUE(reference.has_value()) << reference.error().message();
  expect_all(world, *reference, {});
  const auto run = world.open(*reference);
  FoundEntry found;
  EXPECT_FALSE(*run->get("", found));
  RunCursor cursor(run);
  EXPECT_FALSE(*cursor.first());
  EXPECT_FALSE(*cursor.seek("a"));
  EXPECT_FALSE(*cursor.seek_for_prev("a"));
}

TEST(Run, OneEntryIsFoundFromEverySide) {
  RunWorld world;
  for (const std::string& key : {std::string(), std::string("\0", 1), std::string("\xff\xff")}) {
    const Entries entries{{key, 7, EntryKind::value, 0, "v"}};
    const Result<RunReference> reference = world.write(entries, options_of(1));
    ASSERT_TRUE(reference.has_value());
    expect_all(world, *reference, entries);
    for (const std::string& asked : {std::string(), std::string("\0", 1), std::string("a"),
                                     std::string("\xff\xff"), std::string("\xff\xff\xff")}) {
      expect_seeks(world.open(*reference), entries, asked, lsm::kEveryWriter);
      expect_seeks(world.open(*reference), entries, asked, 7);
      expect_seeks(world.open(*reference), entries, asked, 6);
    }
  }
}

TEST(Run, EveryOptionGivesBackWhatWasWritten) {
  for (const uint32_t page_bytes : {4096u, 16384u}) {
    RunWorld world(page_bytes);
    const Entries entries = plain_entries(3000, 90);
    uint64_t run_id = 0;
    std::map<Compression, uint64_t> bytes;
    for (const Compression codec : {Compression::none, Compression::lz4, Compression::zstd}) {
      for (const uint32_t restarts : {1u, 16u, 256u}) {
        for (const uint32_t dictionary : {0u, 4096u}) {
          RunOptions options = options_of(++run_id, codec);
          options.restart_interval = restarts;
          options.dictionary_bytes = dictionary;
          const Result<RunReference> reference = world.write(entries, options);
          ASSERT_TRUE(reference.has_value()) << reference.error().message();
          expect_all(world, *reference, entries);
          bytes[codec] = reference->bytes;
        }
      }
    }
    EXPECT_LT(bytes[Compression::lz4] * 4, bytes[Compression::none] * 3);
    EXPECT_LT(bytes[Compression::zstd], bytes[Compression::lz4]);
  }
}

TEST(Run, RandomEntriesAreFoundByKeyAndWriter) {
  const uint64_t seed = 1;
  std::mt19937_64 random(seed);
  for (uint64_t round = 0; round < 12; ++round) {
    RunWorld world;
    const Entries entries = random_entries(random, 1 + random() % 3000);
    RunOptions options = options_of(round, Compression{static_cast<uint8_t>(random() % 3)});
    options.restart_interval = 1 + static_cast<uint32_t>(random() % 20);
    options.dictionary_bytes = round % 2 == 0 ? 2048 : 0;
    const Result<RunReference> reference = world.write(entries, options);
    ASSERT_TRUE(reference.has_value()) << reference.error().message();
    expect_all(world, *reference, entries);
    const auto run = world.open(*reference);
    for (uint64_t i = 0; i < 400; ++i) {
      std::string key = entries[random() % entries.size()].key;
      if (random() % 3 == 0) key.push_back(static_cast<char>(random()));
      if (random() % 3 == 0 && !key.empty()) key.pop_back();
      expect_seeks(run, entries, key, random() % 2 == 0 ? lsm::kEveryWriter : random() % 41);
      ASSERT_FALSE(testing::Test::HasFatalFailure()) << "seed " << seed << " round " << round;
    }
  }
}

TEST(Run, AKeyWhoseVersionsFillManyBlocks) {
  RunWorld world;
  Entries entries{{"a", 3, EntryKind::value, 0, "first"}};
  for (TxnId writer = 2000; writer > 0; --writer)
    entries.push_back(
        {"b", writer, EntryKind::value, 0, std::string(40, 'x') + std::to_string(writer)});
  entries.push_back({std::string("b\0", 2), 3, EntryKind::value, 0, "behind"});
  std::sort(entries.begin(), entries.end());
  const Result<RunReference> reference = world.write(entries, options_of(1, Compression::none));
  ASSERT_TRUE(reference.has_value());
  expect_all(world, *reference, entries);
  const auto run = world.open(*reference);
  EXPECT_TRUE(run->summary().many_versions);
  for (TxnId writer = 0; writer < 2003; writer += 13) expect_seeks(run, entries, "b", writer);
  expect_seeks(run, entries, "a", lsm::kEveryWriter);
  expect_seeks(run, entries, "c", lsm::kEveryWriter);
}

TEST(Run, KeysOf64KiBAndValuesOfMegabytes) {
  RunWorld world;
  Entries entries;
  for (char letter = 'a'; letter < 'f'; ++letter) {
    entries.push_back({std::string(64 * KiB, letter), 1, EntryKind::value, 0, "long"});
    entries.push_back({std::string(64 * KiB - 1, letter) + "z", 1, EntryKind::value, 0,
                       std::string(3 * MiB, letter)});
  }
  std::sort(entries.begin(), entries.end());
  const Result<RunReference> reference = world.write(entries, options_of(1));
  ASSERT_TRUE(reference.has_value()) << reference.error().message();
  expect_all(world, *reference, entries);
  const Entries longer{{std::string(64 * KiB + 1, 'a'), 1, EntryKind::value, 0, "v"}};
  EXPECT_EQ(world.write(longer, options_of(2)).error().code(), Code::too_large);
}

TEST(Run, WhatIsOutOfOrderIsRefused) {
  RunWorld world;
  const uint64_t free = world.free_pages();
  const Entries descending{{"b", 1, EntryKind::value, 0, ""}, {"a", 1, EntryKind::value, 0, ""}};
  EXPECT_EQ(world.write(descending, options_of(1)).error().code(), Code::invalid_argument);
  const Entries twice{{"b", 1, EntryKind::value, 0, ""}, {"b", 1, EntryKind::value, 0, ""}};
  EXPECT_EQ(world.write(twice, options_of(1)).error().code(), Code::invalid_argument);
  EXPECT_EQ(world.free_pages(), free);
}

// Goal:   the versions of a key stand in the order in which they were given: that of age, which need not be that of writers.
TEST(Run, VersionsStandByAgeWhoeverWroteThem) {
  RunWorld world;
  Entries entries;
  entries.push_back({"a", 3, EntryKind::value, 0, "a"});
  // More than a block of them.
  for (uint64_t i = 0; i < 3000; ++i)
    entries.push_back({"b", 1 + i * 7919 % 3001, EntryKind::value, 0, std::string(20, 'v')});
  entries.push_back({"c", 2, EntryKind::value, 0, "c"});
  const Result<RunReference> reference = world.write(entries, options_of(1));
  ASSERT_TRUE(reference.has_value()) << reference.error().message();
  const auto run = world.open(*reference);
  EXPECT_TRUE(*read_all(run) == entries);
  FoundEntry found;
  EXPECT_TRUE(*run->get("b", found));
  EXPECT_EQ(found.writer, entries[1].writer);
  EXPECT_TRUE(*run->get(
      "b", [&](TxnId writer) { return writer == entries[2900].writer; }, found));
  EXPECT_EQ(found.writer, entries[2900].writer);
  EXPECT_TRUE(*run->get("c", found));
  EXPECT_FALSE(*run->get("bb", found));
  RunCursor cursor(run);
  ASSERT_TRUE(*cursor.seek("b"));
  EXPECT_EQ(cursor.entry().writer, entries[1].writer);
  ASSERT_TRUE(*cursor.seek_for_prev("b"));
  EXPECT_EQ(cursor.entry().writer, entries[3000].writer);
  EXPECT_TRUE(run->check([](PageId) { return Result<void>(); }).has_value());
}

TEST(Run, RangeTombstonesAndSectionsStandBesideTheEntries) {
  RunWorld world;
  Entries entries = plain_entries(500, 40);
  const Entries points = entries;
  entries.insert(entries.begin() + 100, {"m", 9, EntryKind::range_tombstone, 0, "z"});
  entries.insert(entries.begin() + 300, {"a", 50, EntryKind::range_tombstone, 0, "c"});
  const std::string filter(100'000, '\x5a');
  const Result<RunReference> reference = world.write(entries, options_of(1),
                                                     {{1, filter}, {2, ""}});
  ASSERT_TRUE(reference.has_value()) << reference.error().message();
  const auto run = world.open(*reference);
  EXPECT_TRUE(*read_all(run) == points);
  ASSERT_EQ(run->range_tombstones().size(), 2u);
  EXPECT_EQ(run->range_tombstones()[0].begin, "a");
  EXPECT_EQ(run->range_tombstones()[0].end, "c");
  EXPECT_EQ(run->range_tombstones()[1].writer, 9u);
  EXPECT_EQ(run->summary().smallest_key, "a");
  EXPECT_EQ(run->summary().largest_key, "z");
  EXPECT_EQ(run->summary().newest_writer, 50u);
  EXPECT_EQ(*run->section(1), filter);
  EXPECT_EQ(*run->section(2), "");
  EXPECT_FALSE(run->has_section(3));
  EXPECT_EQ(run->section(3).error().code(), Code::not_found);
}

TEST(Run, AnAbandonedOrAbortedRunGivesItsPagesBack) {
  RunWorld world;
  const Entries entries = plain_entries(5000, 100);
  const uint64_t free = world.free_pages();
  {
    const db::TransactionPointer txn = *world.env->begin({});
    const auto writer = *lsm::RunWriter::create(world.env->services(), txn->context().log.stream,
                                                options_of(1));
    for (const OwnEntry& entry : entries) ASSERT_TRUE(writer->add(entry.view()).has_value());
  }
  EXPECT_EQ(world.free_pages(), free);
  {
    const db::TransactionPointer txn = *world.env->begin({});
    const auto writer = *lsm::RunWriter::create(world.env->services(), txn->context().log.stream,
                                                options_of(1));
    for (const OwnEntry& entry : entries) ASSERT_TRUE(writer->add(entry.view()).has_value());
    ASSERT_TRUE(writer->finish(txn->context()).has_value());
    EXPECT_LT(world.free_pages(), free);
    ASSERT_TRUE(txn->abort().has_value());
  }
  EXPECT_EQ(world.free_pages(), free);
  // Once the log is durable all of it can be taken anew, and a run that was committed goes when it is freed.
  const Result<RunReference> reference = world.write(entries, options_of(2));
  ASSERT_TRUE(reference.has_value());
  EXPECT_EQ(world.free_pages(), free - reference->pages);
  ASSERT_TRUE(world.free(*world.open(*reference)).has_value());
  EXPECT_EQ(world.free_pages(), free);
}

TEST(Run, IsThereWhenTheEnvironmentIsOpenedAgain) {
  RunWorld world;
  const Entries entries = plain_entries(3000, 100);
  const Result<RunReference> reference = world.write(entries, options_of(1));
  ASSERT_TRUE(reference.has_value());
  ASSERT_TRUE(world.env->close().has_value());
  world.env = *db::EnvImpl::open("/env", testing_support::run_world_options(), world.os);
  const Result<RunReference> decoded = RunReference::decode(reference->encode());
  ASSERT_TRUE(decoded.has_value() && *decoded == *reference);
  expect_all(world, *decoded, entries);
}

// Goal:   a run from before there was such a section is read, and nothing of it counts; one whose section is of other entries is damaged.
TEST(Run, HasTimesOfExpiryOrNone) {
  RunWorld world;
  const Entries entries{{.key = "a", .writer = 1, .expiry_ms = 1000, .value = "1"},
                        {.key = "b", .writer = 1, .expiry_ms = 2000, .value = "2"},
                        {.key = "c", .writer = 1, .value = "3"}};
  lsm::ExpiryTimes right;
  right.add(1000, 2);
  lsm::ExpiryTimes wrong = right;
  right.add(2000, 2);
  const auto open = [&](uint64_t id, const lsm::ExpiryTimes& times) {
    std::vector<std::pair<lsm::SectionType, std::string>> sections;
    if (!times.empty()) sections.emplace_back(lsm::kExpirySection, times.encode());
    const RunReference reference = world.write(entries, options_of(id), sections).value();
    lsm::ManifestRun described;
    described.reference = reference.encode();
    return lsm::OpenRun::open(world.env->services(), described);
  };
  EXPECT_EQ(open(1, right).value()->expiry().expired(1500).entries, 1u);
  const lsm::RunPart before = open(2, {}).value();
  EXPECT_EQ(before->summary().expiring, 2u);
  EXPECT_TRUE(before->expiry().empty());
  EXPECT_EQ(before->expiry().expired(~uint64_t{0}).entries, 0u);
  const auto damaged = open(3, wrong);
  ASSERT_FALSE(damaged.has_value());
  EXPECT_EQ(damaged.error().code(), Code::corruption);
  EXPECT_NE(damaged.error().message().find("run 3: "), std::string::npos);
}

}  // namespace
}  // namespace aether
