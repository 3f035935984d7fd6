#include "lsm/manifest.h"
#include "lsm/policy/expired.h"
#include "lsm/store_configuration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace aether::lsm {
namespace {

using testing::HasSubstr;
using Rows = std::map<std::string, std::string>;

void put_into(const ManifestChanges& changes, Rows& rows) {
  for (const ManifestChange& change : changes) {
    if (change.value) {
      rows[change.key] = *change.value;
    } else {
      EXPECT_EQ(rows.erase(change.key), 1u) << "removed, and was not there";
    }
  }
}

Result<Manifest> read(const Rows& rows) {
  Manifest manifest;
  for (const auto& [key, value] : rows) AETHER_TRY(manifest.add_row(key, value));
  AETHER_TRY(manifest.check());
  return manifest;
}

Rows rows_of(const Manifest& manifest) {
  Rows rows;
  for (const ManifestChange& row : manifest.all_rows()) rows[row.key] = *row.value;
  return rows;
}

ManifestRun run_of(uint64_t id, uint64_t bytes, std::string smallest, std::string largest) {
  ManifestRun run;
  run.run = {.id = id,
             .bytes = bytes,
             .entries = bytes / 10,
             .tombstones = bytes / 100,
             .newest_writer = id * 3,
             .smallest_key = std::move(smallest),
             .largest_key = std::move(largest)};
  run.reference = "a reference of 64 bytes, or of as many as a run's needs";
  run.earliest_expiry_ms = id % 2;
  return run;
}

/// A store's life: flushes out of order, merges of a policy with parts, given up or ended, changes of policy.
class Life {
 public:
  explicit Life(uint64_t seed) : random_(seed) {
    PolicyOptions policy{.kind = PolicyKind::tiered, .size_ratio = 3};
    manifest_ = Manifest(policy);
    put_into(manifest_.all_rows(), rows_);
    policy_ = make_policy(policy).value();
  }

  void step() {
    ManifestChanges changes;
    const uint64_t what = random_() % 10;
    if (what < 5) {
      flush(changes);
    } else if (what < 9) {
      work_on_a_merge(changes);
    } else {
      const PolicyOptions policy{.kind = random_() % 2 == 0 ? PolicyKind::leveled
                                                            : PolicyKind::hanoi};
      manifest_.set_policy(policy, changes);
      policy_ = make_policy(policy).value();
    }
    begin_merges(changes);
    put_into(changes, rows_);
  }

  const Manifest& manifest() const { return manifest_; }
  const Rows& rows() const { return rows_; }
  size_t merges_of_one() const { return of_one_; }

 private:
  void flush(ManifestChanges& changes) {
    uint64_t generation = manifest_.numbers().flushed_below;
    while (manifest_.is_flushed(generation) || random_() % 3 == 0) ++generation;
    if (random_() % 6 == 0) {
      manifest_.flush(generation, generation, std::nullopt, generation * 1000, changes);
      return;
    }
    std::string smallest(1, static_cast<char>('a' + random_() % 26));
    std::string largest = smallest + "z";
    const uint64_t id = manifest_.take_run_id(changes);
    manifest_.flush(generation, generation, run_of(id, 500 + random_() % 1000, smallest, largest),
                    generation * 1000, changes);
    EXPECT_TRUE(manifest_.is_flushed(generation));
  }

  void begin_merges(ManifestChanges& changes) {
    for (;;) {
      std::vector<PlannedMerge> plan = policy_->plan(manifest_.shape(1000));
      if (plan.empty()) break;
      const uint64_t bytes = manifest_.shape(1000).bytes();
      const uint64_t number = manifest_.begin_merge(plan.front(), manifest_.shape(1000), changes);
      if (number == 0) {
        EXPECT_EQ(manifest_.shape(1000).bytes(), bytes) << "moved, not rewritten";
      }
    }
    // Runs whose id is a multiple of 5 have expired.
    manifest_.set_rewrite_times([](uint64_t id) { return id % 5 == 0 ? id : kNeverMs; });
    while (manifest_.next_rewrite_ms() != kNeverMs) {
      const Shape shape = manifest_.shape(1000, 1'000'000);
      const uint64_t number = manifest_.begin_merge(plan_expired(shape).value(), shape, changes);
      ASSERT_EQ(manifest_.merges().at(number).inputs.size(), 1u);
      ASSERT_FALSE(manifest_.merges().at(number).rewritten.empty());
      ++of_one_;
    }
  }

  void work_on_a_merge(ManifestChanges& changes) {
    if (manifest_.merges().empty()) return;
    const uint64_t number = manifest_.merges().rbegin()->first;
    const ManifestMerge& merge = manifest_.merges().at(number);
    const uint64_t what = random_() % 4;
    if (what == 0 && merge.has_parts) {
      const size_t parts = manifest_.parts_of(number).size();
      EXPECT_EQ(manifest_.give_up_merge(number, changes).size(), parts);
    } else if (what < 3 && (!merge.has_parts || merge.last_key < bounds_of(merge).second)) {
      // At the first key, then at the last: what lies outside belongs to others.
      const auto [first, last] = bounds_of(merge);
      const std::string key = merge.has_parts ? last : first;
      const uint64_t id = manifest_.take_run_id(changes);
      manifest_.add_part(number, run_of(id, merge.bytes / 4, key, key), key, merge.bytes / 3,
                         changes);
      EXPECT_EQ(manifest_.merges().at(number).last_key, key);
    } else {
      const size_t rewritten = merge.rewritten.size();
      EXPECT_EQ(manifest_.end_merge(number, changes).size(), rewritten);
    }
  }

  std::pair<std::string, std::string> bounds_of(const ManifestMerge& merge) const {
    std::pair<std::string, std::string> bounds{"~", ""};
    for (const uint64_t age : merge.inputs) {
      for (const ManifestRun& run : manifest_.sorted_runs().at(age)) {
        if (std::count(merge.rewritten.begin(), merge.rewritten.end(), run.run.id) == 0) continue;
        bounds.first = std::min(bounds.first, run.run.smallest_key);
        bounds.second = std::max(bounds.second, run.run.largest_key);
      }
    }
    return bounds;
  }

  std::mt19937_64 random_;
  size_t of_one_ = 0;
  Manifest manifest_;
  std::unique_ptr<MergePolicy> policy_;
  Rows rows_;
};

// After each edit the rows tell all of it: who reads them has the same manifest, and it agrees with itself.
TEST(Manifest, RowsTellAllOfIt) {
  size_t merges = 0;
  size_t merges_of_one = 0;
  size_t parts = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Life life(seed);
    for (int i = 0; i < 100; ++i) {
      life.step();
      const Result<Manifest> again = read(life.rows());
      ASSERT_TRUE(again.has_value()) << again.error().message();
      ASSERT_EQ(rows_of(*again), life.rows());
      ASSERT_EQ(rows_of(life.manifest()), life.rows());
      merges += again->merges().size();
      for (const auto& [number, merge] : again->merges()) parts += again->parts_of(number).size();
    }
    merges_of_one += life.merges_of_one();
  }
  EXPECT_GT(merges, 100u);
  EXPECT_GT(merges_of_one, 20u);
  EXPECT_GT(parts, 100u);
}

// Any byte of any row changed, any row cut or longer or gone: read as something else that agrees with itself, or refused; and
// what was read is written again as it was read.
TEST(Manifest, DamagedRowsAreRefusedOrMeanSomethingElse) {
  Life life(7);
  while (life.manifest().merges().empty() ||
         life.manifest().parts_of(life.manifest().merges().rbegin()->first).empty()) {
    life.step();
  }
  const Rows& good = life.rows();
  size_t refused = 0;
  for (const auto& [key, value] : good) {
    for (size_t i = 0; i < value.size() + 2; ++i) {
      Rows rows = good;
      std::string& damaged = rows[key];
      if (i < value.size()) {
        damaged[i] = static_cast<char>(damaged[i] ^ 0x41);
      } else if (i == value.size()) {
        damaged.push_back('\0');
      } else if (!value.empty()) {
        damaged.pop_back();
      }
      const Result<Manifest> manifest = read(rows);
      if (manifest) {
        ASSERT_EQ(rows_of(*manifest), rows);
      } else {
        ++refused;
        EXPECT_THAT(std::string(manifest.error().message()), HasSubstr("lsm manifest"));
        EXPECT_TRUE(manifest.error().code() == Code::corruption ||
                    manifest.error().code() == Code::unsupported);
      }
    }
    for (size_t i = 0; i < key.size(); ++i) {
      Rows rows = good;
      std::string other = key;
      other[i] = static_cast<char>(other[i] ^ 0x15);
      rows[other] = value;
      rows.erase(key);
      const Result<Manifest> manifest = read(rows);
      if (manifest) {
        ASSERT_EQ(rows_of(*manifest).size(), rows.size());
      }
    }
  }
  EXPECT_GT(refused, good.size() * 10);
}

TEST(Manifest, ANewerFormatIsUnsupported) {
  std::string row = ManifestNumbers().encode();
  row[0] = 3;
  const Result<ManifestNumbers> read = ManifestNumbers::decode(row);
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().code(), Code::unsupported);
}

// Goal:   a merge of one sorted run has a format of its own, which older versions refuse; the others have theirs.
TEST(Manifest, AMergeOfOneRunHasAFormatOfItsOwn) {
  ManifestMerge merge;
  merge.output_age = 3;
  merge.inputs = {3};
  merge.rewritten = {7};
  std::string row = merge.encode();
  EXPECT_EQ(row[0], 2);
  EXPECT_EQ(ManifestMerge::decode(row)->inputs, merge.inputs);
  row[0] = 1;
  EXPECT_EQ(ManifestMerge::decode(row).error().code(), Code::corruption);
  row[0] = 3;
  EXPECT_EQ(ManifestMerge::decode(row).error().code(), Code::unsupported);
  merge.inputs = {3, 4};
  row = merge.encode();
  EXPECT_EQ(row[0], 1);
  EXPECT_EQ(ManifestMerge::decode(row)->inputs, merge.inputs);
  row[0] = 2;
  EXPECT_EQ(ManifestMerge::decode(row).error().code(), Code::corruption);
}

TEST(Manifest, NumbersOfTheFirstFormatHaveNoCounts) {
  ManifestNumbers numbers;
  numbers.next_run_id = 7;
  numbers.flushed_gsn = 9;
  numbers.log_bytes = 1;
  numbers.flush_bytes = 2;
  numbers.merge_bytes = 3;
  std::string row = numbers.encode();
  const Result<ManifestNumbers> read = ManifestNumbers::decode(row);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->log_bytes, 1u);
  EXPECT_EQ(read->flush_bytes, 2u);
  EXPECT_EQ(read->merge_bytes, 3u);
  row.resize(row.size() - 3 * sizeof(uint64_t));
  EXPECT_EQ(ManifestNumbers::decode(row).error().code(), Code::corruption);
  row[0] = 1;
  const Result<ManifestNumbers> first = ManifestNumbers::decode(row);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->next_run_id, 7u);
  EXPECT_EQ(first->flushed_gsn, 9u);
  EXPECT_EQ(first->merge_bytes, 0u);
}

TEST(Manifest, GenerationsAreCountedOnce) {
  Manifest manifest;
  ManifestChanges changes;
  manifest.flush(2, 2, std::nullopt, 10, changes);
  manifest.flush(4, 4, std::nullopt, 20, changes);
  EXPECT_FALSE(manifest.is_flushed(1));
  EXPECT_TRUE(manifest.is_flushed(2));
  EXPECT_FALSE(manifest.is_flushed(3));
  manifest.flush(1, 1, std::nullopt, 30, changes);
  EXPECT_EQ(manifest.numbers().flushed_below, 3u);
  manifest.flush(3, 3, std::nullopt, 40, changes);
  EXPECT_EQ(manifest.numbers().flushed_below, 5u);
  EXPECT_FALSE(manifest.is_flushed(5));
  Rows rows;
  for (const ManifestChange& change : changes) {
    if (change.value) {
      rows[change.key] = *change.value;
    } else {
      rows.erase(change.key);
    }
  }
  EXPECT_EQ(rows.size(), 1u) << "no row of a generation is left";
}

TEST(Manifest, AConfigurationOfBeforeKeepsItsValuesInline) {
  StoreConfiguration now;
  now.inline_value_bytes = 1000;
  std::string row = encode(now);
  EXPECT_EQ(decode_configuration(row)->inline_value_bytes, 1000u);
  row.resize(row.size() - sizeof now.inline_value_bytes);
  EXPECT_EQ(decode_configuration(row).error().code(), Code::corruption);
  row[0] = 1;
  const Result<StoreConfiguration> before = decode_configuration(row);
  ASSERT_TRUE(before.has_value());
  EXPECT_EQ(before->inline_value_bytes, 32 * KiB);
  EXPECT_EQ(before->nursery_bytes, now.nursery_bytes);
  row[0] = 3;
  EXPECT_EQ(decode_configuration(row).error().code(), Code::unsupported);
}

}  // namespace
}  // namespace aether::lsm
