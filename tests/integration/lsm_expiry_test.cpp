// Stores of runs of which much expires: merges are begun for it, whatever the policy, and whether somebody writes or not.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "aether/aether.hpp"
#include "sim/sim_os.h"

namespace aether {
namespace {

using Rows = std::map<std::string, std::string>;

constexpr uint64_t kNsPerMs = 1'000'000;
constexpr uint64_t kHourMs = 3'600'000;

std::string key_of(uint64_t number) {
  const std::string digits = std::to_string(number);
  return "key" + std::string(6 - digits.size(), '0') + digits;
}

Rows scan(KvStore& store, Transaction* txn = nullptr) {
  Rows rows;
  const auto take = [&](Bytes key, Bytes value) { return rows.emplace(key, value).second; };
  EXPECT_TRUE((txn != nullptr ? store.scan(*txn, {}, take) : store.scan({}, take)).has_value());
  return rows;
}

void ok(const Result<void>& done) { ASSERT_TRUE(done.has_value()) << done.error().message(); }

/// An environment with one store of runs.
struct Place {
  std::unique_ptr<DbEnv> env;
  std::optional<KvStore> store;

  Place(sim::SimOs& os, const LsmOptions& lsm, bool background_threads) {
    Result<std::unique_ptr<DbEnv>> opened = DbEnv::open("/env",
                                                        {.pool_bytes = 4 * MiB,
                                                         .log_streams = 1,
                                                         .log_segment_bytes = 1 * MiB,
                                                         .log_bytes_max = 8 * MiB,
                                                         .background_threads = background_threads},
                                                        os);
    EXPECT_TRUE(opened.has_value()) << opened.error().message();
    env = *std::move(opened);
    store = env->open_store("rows", {.index = IndexKind::lsm, .lsm = lsm}).value();
  }
  LsmStats lsm() const { return env->stats().stores.at(0).lsm; }
  void verify() const {
    const Result<VerifyReport> report = env->verify();
    ASSERT_TRUE(report.has_value()) << report.error().message();
    for (const VerifyProblem& problem : report->problems) ADD_FAILURE() << problem.message;
  }
};

// --- Without background threads: writers do the work

class LsmExpiryOfPolicy : public testing::TestWithParam<MergePolicyKind> {
 protected:
  /// Rows that stay, and newer ones over half of them that expire in an hour: in runs of their own or not.
  void fill(KvStore& store, uint64_t rows = 600) {
    const uint64_t soon_ms = os_.wall_ns() / kNsPerMs + kHourMs;
    for (uint64_t i = 0; i < rows; ++i) {
      const std::string key = key_of(i * 7919 % rows);
      ok(store.put(key, std::string(value_bytes_, 'o')));
      rows_[key].assign(value_bytes_, 'o');
    }
    for (uint64_t i = 0; i < rows; i += 2) {
      ok(store.put(key_of(i), std::string(value_bytes_, 'n'), {.expires_at_ms = soon_ms}));
      rows_.erase(key_of(i));
    }
  }
  /// A quarter of some run, or more.
  bool has_much_expired(const Place& place) const {
    const uint64_t row_bytes = key_of(0).size() + value_bytes_;
    const LsmStats lsm = place.lsm();
    return std::any_of(lsm.sorted_runs.begin(), lsm.sorted_runs.end(), [&](const auto& sorted) {
      return std::any_of(sorted.parts.begin(), sorted.parts.end(), [&](const RunStats& run) {
        return run.expired > 0 && 4 * run.expired * row_bytes >= run.bytes;
      });
    });
  }
  LsmOptions options() const {
    return {.nursery_bytes = 16 * KiB, .policy = GetParam(), .block_bytes = 4 * KiB};
  }
  /// Of other keys, so that no other merge meets what has expired.
  void write_beside(Place& place, uint64_t number) {
    rows_["~" + key_of(number)].assign(2 * value_bytes_, 'b');
    ok(place.store->put("~" + key_of(number), rows_["~" + key_of(number)]));
  }

  sim::SimOs os_{sim::SimOptions{.seed = 1}};
  uint64_t value_bytes_ = 100;
  Rows rows_;
};
INSTANTIATE_TEST_SUITE_P(Every, LsmExpiryOfPolicy,
                         testing::Values(MergePolicyKind::hanoi, MergePolicyKind::leveled,
                                         MergePolicyKind::tiered, MergePolicyKind::lazy_leveled,
                                         MergePolicyKind::adaptive));

// Goal:   what has expired goes from all runs, and what it hid stays hidden.
TEST_P(LsmExpiryOfPolicy, RunsAreRewrittenAndNothingComesBack) {
  Place place(os_, options(), false);
  fill(*place.store);
  ok(place.env->checkpoint());
  EXPECT_GE(place.lsm().expiring, 300u);
  os_.sleep_ns(2 * kHourMs * kNsPerMs);
  EXPECT_TRUE(scan(*place.store) == rows_);
  EXPECT_TRUE(has_much_expired(place));
  uint64_t written = 0;
  while (has_much_expired(place) && written < 2000) write_beside(place, written++);
  EXPECT_LT(written, 2000u);
  EXPECT_TRUE(scan(*place.store) == rows_);
  place.verify();
}

// Goal:   a power cut at any step of such a merge loses nothing and brings nothing back, and it goes on after it.
// Method: writes beside it do its work; at each step of the disk (of large runs, of several parts: at some) the power goes on a copy,
//         which a worker finishes.
TEST_P(LsmExpiryOfPolicy, APowerCutAtAnyStepLosesNothing) {
  const bool is_large = GetParam() == MergePolicyKind::leveled;
  const uint64_t every = is_large ? 29 : 1;
  if (is_large) value_bytes_ = 2000;
  Place place(os_, options(), false);
  fill(*place.store, is_large ? 2000 : 600);
  ok(place.env->checkpoint());
  os_.sleep_ns(2 * kHourMs * kNsPerMs);
  uint64_t parts_max = 0;
  for (const SortedRunStats& run : place.lsm().sorted_runs)
    parts_max = std::max(parts_max, run.runs);
  EXPECT_EQ(parts_max > 1, is_large);
  constexpr sim::CrashPolicy kHow[] = {sim::CrashPolicy::sectors, sim::CrashPolicy::lost,
                                       sim::CrashPolicy::kept};
  uint64_t crashes = 0;
  uint64_t found_under_way = 0;
  Rows before;
  os_.on_step([&](const sim::Step& step) {
    if (!step.changes_disk || step.number % every != 0 || HasFailure()) return;
    SCOPED_TRACE("step " + std::to_string(step.number));
    ++crashes;
    const std::unique_ptr<sim::SimOs> os = os_.crash(
        {.policy = kHow[step.number % std::size(kHow)], .seed = step.number});
    {
      Place after(*os, options(), false);
      const Rows found = scan(*after.store);
      EXPECT_TRUE(found == rows_ || found == before) << found.size() << ", not " << rows_.size();
      found_under_way += after.lsm().merges_under_way > 0 ? 1 : 0;
      ok(after.env->close());
    }
    Place after(*os, options(), true);
    const Rows found = scan(*after.store);
    for (uint64_t ms = 0;
         ms < 100'000 && (has_much_expired(after) || after.lsm().merges_under_way > 0 ||
                          after.lsm().dropped_runs > 0);
         ++ms) {
      os::production().sleep_ns(kNsPerMs);
    }
    EXPECT_FALSE(has_much_expired(after));
    EXPECT_EQ(after.lsm().merges_under_way + after.lsm().dropped_runs, 0u);
    EXPECT_TRUE(scan(*after.store) == found);
    after.verify();
    ok(after.env->close());
  });
  for (uint64_t i = 0; i < 5000 && !HasFailure() && has_much_expired(place); ++i) {
    before = rows_;
    write_beside(place, i);
  }
  os_.on_step({});
  EXPECT_GT(crashes, 20u);
  EXPECT_GT(found_under_way, 3u);
  EXPECT_FALSE(has_much_expired(place));
  EXPECT_TRUE(scan(*place.store) == rows_);
  place.verify();
}

// --- With them, by the clock of the machine

class LsmExpiryConcurrent : public testing::Test {
 protected:
  static constexpr uint64_t kSoonMs = 1500;
  static constexpr LsmOptions kOptions{
      .nursery_bytes = 64 * KiB, .compression = Compression::none, .block_bytes = 4 * KiB};

  LsmExpiryConcurrent() : place_(std::in_place, os_, kOptions, true) {
    const uint64_t soon_ms = os_.wall_ns() / kNsPerMs + kSoonMs;
    for (uint64_t i = 0; i < 2000; ++i) {
      const bool stays = i % 20 == 0;
      ok(place_->store->put(key_of(i * 7919 % 2000), std::string(300, 'v'),
                            {.expires_at_ms = stays ? 0 : soon_ms}));
    }
    // Pages of its own, which go as well.
    ok(place_->store->put("large", std::string(100'000, 'l'), {.expires_at_ms = soon_ms}));
    ok(place_->env->checkpoint());
    bytes_ = place_->lsm().disk_bytes;
    EXPECT_GT(bytes_, 100'000u);
  }
  bool is_given_back() const {
    const LsmStats lsm = place_->lsm();
    return lsm.expiring == 0 && lsm.merges_under_way == 0 && lsm.dropped_runs == 0;
  }
  void wait_until(const std::function<bool()>& is_so) {
    constexpr uint64_t kForLongNs = 100'000'000'000;
    for (uint64_t begin = os_.monotonic_ns(); !is_so();) {
      ASSERT_LT(os_.monotonic_ns() - begin, kForLongNs);
      os_.sleep_ns(5 * kNsPerMs);
    }
  }
  void expect_given_back() {
    EXPECT_EQ(scan(*place_->store).size(), 100u);
    EXPECT_LT(place_->lsm().disk_bytes, bytes_ / 4);
    place_->verify();
  }

  sim::SimOs os_{sim::SimOptions{.seed = 1, .real_clock = true}};
  std::optional<Place> place_;
  uint64_t bytes_ = 0;
};

// Goal:   a store that nobody writes to, reads or opens again gives its space back.
TEST_F(LsmExpiryConcurrent, AStoreThatNobodyWritesToGivesItsSpaceBack) {
  wait_until([this] { return is_given_back(); });
  expect_given_back();
}

TEST_F(LsmExpiryConcurrent, SoDoesOneThatIsOpenedWhenItHasExpired) {
  ok(place_->env->close());
  place_.reset();
  const uint64_t end_ns = os_.wall_ns() + kSoonMs * kNsPerMs;
  wait_until([&] { return os_.wall_ns() > end_ns; });
  place_.emplace(os_, kOptions, true);
  wait_until([this] { return is_given_back(); });
  expect_given_back();
}

// Goal:   a snapshot from before keeps what it sees, and when it has gone the space comes back although nobody calls.
TEST_F(LsmExpiryConcurrent, ASnapshotKeepsWhatItSeesUntilItGoes) {
  {
    Transaction snapshot = place_->env->begin().value();
    const size_t seen = scan(*place_->store, &snapshot).size();
    wait_until([this] { return place_->lsm().expired >= 1900; });
    EXPECT_EQ(scan(*place_->store, &snapshot).size(), seen);
    ok(snapshot.commit());
  }
  wait_until([this] { return is_given_back(); });
  expect_given_back();
}

}  // namespace
}  // namespace aether
