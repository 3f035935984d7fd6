#include "lsm/filter/filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <set>

#include "lsm/filter/header.h"
#include "unit/lsm/filter_fixture.h"

namespace aether::lsm {
namespace {

FilterOptions points(FilterKind kind, double bits_per_key) {
  FilterOptions options;
  options.kind = kind;
  options.bits_per_key = bits_per_key;
  return options;
}

std::vector<FilterOptions> every_kind() {
  return {points(FilterKind::bloom, 10),     points(FilterKind::bloom, 25.5),
          points(FilterKind::ribbon, 7),     points(FilterKind::ribbon, 12.3),
          surf_options(SurfSuffix::none),    surf_options(SurfSuffix::hash, 8),
          surf_options(SurfSuffix::real, 8), surf_options(SurfSuffix::real, 56)};
}

double share_found(const FilterView& view, uint64_t questions, uint64_t first) {
  uint64_t found = 0;
  for (uint64_t i = 0; i < questions; ++i) {
    found += may_contain(view, key_of(first + i * 0x9e37'79b9'7f4a'7c15)) ? 1 : 0;
  }
  return static_cast<double>(found) / static_cast<double>(questions);
}

// Goal:   a run that has less of a store is given a filter that errs less, in proportion, and none is given fewer bits than are asked for.
// Method: shares of a half, a quarter and so on; the share that filters of so many bits find of absent keys.
TEST(Filter, ASmallerShareHasMoreBits) {
  EXPECT_EQ(bits_of_share(10, 100, 100), 10);
  EXPECT_EQ(bits_of_share(10, 0, 100), 10);
  EXPECT_EQ(bits_of_share(10, 0, 0), 10);
  EXPECT_NEAR(bits_of_share(10, 50, 100), 11.44, 0.01);
  EXPECT_NEAR(bits_of_share(10, 25, 100), 12.89, 0.01);
  EXPECT_EQ(bits_of_share(10, 1, 1'000'000'000), 16);
  EXPECT_EQ(bits_of_share(38, 1, 1'000'000'000), 40);
  std::mt19937_64 random(7);
  std::vector<std::string> keys;
  for (uint64_t i = 0; i < 20000; ++i) keys.push_back(key_of(random()));
  double before = 1;
  for (const uint64_t part : {1u, 4u, 16u}) {
    const std::string bytes = build_filter(points(FilterKind::bloom, bits_of_share(10, 1, part)),
                                           keys);
    const auto view = FilterView::open(bytes);
    ASSERT_TRUE(view);
    const double found = share_found(*view, 200000, 1);
    EXPECT_LT(found, before * 0.6) << part;
    EXPECT_LT(found, 0.015 / static_cast<double>(part) + 0.001) << part;
    before = found;
  }
}

// Goal:   a question for many filters is answered by each as if it were asked alone.
TEST(Filter, OneQuestionServesFiltersOfAllKinds) {
  std::mt19937_64 random(11);
  std::vector<std::string> built;
  std::vector<std::string> keys;
  for (const double bits : {10.0, 4.0, 16.0, 20.0, 40.0, 10.0}) {
    keys.clear();
    for (uint64_t i = 0; i < 300; ++i) keys.push_back(key_of(random()));
    std::sort(keys.begin(), keys.end());
    built.push_back(build_filter(points(FilterKind::bloom, bits), keys));
    built.push_back(build_filter(points(FilterKind::ribbon, 7), keys));
  }
  std::vector<FilterView> views;
  for (const std::string& bytes : built) {
    auto view = FilterView::open(bytes);
    ASSERT_TRUE(view);
    views.push_back(*std::move(view));
  }
  for (int i = 0; i < 3000; ++i) {
    const std::string key = i < 300 ? keys[static_cast<size_t>(i)] : key_of(random());
    FilterQuestion question{key, filter_hash(key), {}};
    for (const FilterView& view : views)
      ASSERT_EQ(view.may_contain(question), may_contain(view, key)) << i;
  }
}

TEST(Filter, FindsAllItsKeysHoweverMany) {
  for (const FilterOptions& options : every_kind()) {
    for (const uint64_t count : {0u, 1u, 2u, 10u, 100u, 1000u, 40000u, 100000u}) {
      std::mt19937_64 random(count);
      std::vector<std::string> keys;
      for (uint64_t i = 0; i < count; ++i) keys.push_back(key_of(random()));
      const std::string bytes = build_filter(options, keys);
      const auto view = FilterView::open(bytes);
      ASSERT_TRUE(view) << view.error().message();
      EXPECT_EQ(view->keys(), count);
      EXPECT_EQ(view->bytes(), bytes.size());
      for (const std::string& key : keys) {
        ASSERT_TRUE(may_contain(*view, key))
            << "kind " << static_cast<int>(options.kind) << " of " << count;
      }
      if (count == 0) {
        EXPECT_FALSE(may_contain(*view, "a"));
        EXPECT_FALSE(options.kind == FilterKind::surf && view->may_contain_range("", std::nullopt));
      }
    }
  }
}

// Goal:   the bits buy what they should. Bounds a tenth above what the formulas say.
TEST(Filter, BitsAndFalsePositivesAreAsPromised) {
  struct Case {
    FilterOptions options;
    double bits_max;
    double share_max;
  };
  constexpr uint64_t kKeys = 200000;
  const std::vector<Case> cases = {{points(FilterKind::bloom, 10), 10.01, 0.0105},
                                   {points(FilterKind::bloom, 5), 5.01, 0.11},
                                   {points(FilterKind::bloom, 16), 16.01, 0.0009},
                                   {points(FilterKind::ribbon, 7), 7.1, 0.011},
                                   {points(FilterKind::ribbon, 8.5), 8.6, 0.004},
                                   {surf_options(SurfSuffix::hash, 8), 19, 0.0025},
                                   {surf_options(SurfSuffix::real, 8), 19, 0.004}};
  std::vector<std::string> keys;
  keys.reserve(kKeys);
  std::mt19937_64 random(3);
  for (uint64_t i = 0; i < kKeys; ++i) keys.push_back(key_of(random()));
  for (const Case& test : cases) {
    const std::string bytes = build_filter(test.options, keys);
    const auto view = FilterView::open(bytes);
    ASSERT_TRUE(view);
    const double bits = static_cast<double>(bytes.size()) * 8 / kKeys;
    const double share = share_found(*view, 200000, 12345);
    EXPECT_LE(bits, test.bits_max) << "kind " << static_cast<int>(test.options.kind);
    EXPECT_LE(share, test.share_max)
        << "kind " << static_cast<int>(test.options.kind) << ", " << bits;
  }
}

TEST(Filter, AKeyThatComesTwiceCountsOnce) {
  for (const FilterOptions& options : every_kind()) {
    EXPECT_EQ(build_filter(options, {"a", "b", "b", "b"}), build_filter(options, {"a", "b"}));
  }
}

TEST(Filter, OfNothingAnswersPerhaps) {
  const FilterView view;
  EXPECT_FALSE(view.has_filter());
  EXPECT_TRUE(may_contain(view, "a"));
  EXPECT_TRUE(view.may_contain_range("a", "b"));
  EXPECT_TRUE(view.may_contain_prefix("a"));
}

TEST(Filter, EveryFlippedBitIsCorruption) {
  for (const FilterOptions& options : every_kind()) {
    std::string bytes = build_filter(options, {"", "a", "ab", "b", "stone"});
    for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
      const auto view = FilterView::open(bytes);
      ASSERT_FALSE(view) << "bit " << bit;
      EXPECT_EQ(view.error().code(), Code::corruption);
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    }
    for (size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(FilterView::open(std::string_view(bytes).substr(0, size))) << size;
    }
  }
}

// Goal:   behind a checksum that was made right, whatever the bytes say: an error, or answers in bounded time.
TEST(Filter, AnyBytesBehindARightChecksumAreRefusedOrAnswered) {
  std::mt19937_64 random(4);
  std::vector<std::string> keys;
  keys.reserve(2000);
  for (int i = 0; i < 2000; ++i)
    keys.push_back(key_of(random() >> random() % 60).substr(random() % 8));
  uint64_t opened = 0;
  for (FilterOptions options : every_kind()) {
    for (const uint32_t dense_levels : {0u, 2u}) {
      options.dense_levels = dense_levels;
      const std::string good = build_filter(options, keys);
      for (int round = 0; round < 300; ++round) {
        std::string bytes = good;
        for (uint64_t edits = 1 + random() % 8; edits > 0; --edits) {
          // Headers and shapes more often than their share.
          const uint64_t at = random() % (random() % 2 == 0 ? 128 : bytes.size());
          bytes[at % bytes.size()] = static_cast<char>(random());
        }
        bytes[14] = good[14];  // The kind.
        seal_filter(bytes);
        const auto view = FilterView::open(bytes);
        if (!view) continue;
        ++opened;
        for (size_t i = 0; i + 1 < 100; ++i) {
          static_cast<void>(may_contain(*view, keys[i]));
          static_cast<void>(view->may_contain_prefix(keys[i]));
          static_cast<void>(view->may_contain_range(keys[i], keys[i + 1]));
        }
      }
    }
  }
  EXPECT_GT(opened, 1000u);
}

TEST(Filter, AnotherFormatIsUnsupported) {
  std::string bytes = build_filter(points(FilterKind::bloom, 10), {"a"});
  auto header = base::load<FilterHeader>(bytes.data());
  header.format = 2;
  base::store(bytes.data(), header);
  base::store(bytes.data(),
              base::checksum(bytes.data() + 8, bytes.size() - 8, FilterHeader::kMagic));
  const auto view = FilterView::open(bytes);
  ASSERT_FALSE(view);
  EXPECT_EQ(view.error().code(), Code::unsupported);
  EXPECT_THAT(std::string(view.error().message()), testing::HasSubstr("format 2"));
}

// --- SuRF ------------------------------------------------------------------------------------------

struct Built {
  explicit Built(const FilterOptions& options, std::vector<std::string> keys)
      : bytes(build_filter(options, std::move(keys))), view(FilterView::open(bytes).value()) {}
  /// Both bounds are in the range.
  bool closed(Bytes begin, std::string end) const {
    end.push_back('\0');
    return view.may_contain_range(begin, end);
  }
  const std::string bytes;
  const FilterView view;
};

// The public code of the paper answers "empty": its terminator byte shifts what is searched.
TEST(Surf, AKeyThatIsTheBeginningOfOthersHidesNone) {
  const Built surf(surf_options(SurfSuffix::none), {"zn", "zndy", "zne", "znk", "zno"});
  EXPECT_TRUE(surf.closed("znn", "zno"));
}

// There too: a suffix that is longer than the rest of the key compares as smaller.
TEST(Surf, ASuffixThatTheKeyDoesNotHaveIsNotSmaller) {
  const Built surf(surf_options(SurfSuffix::real, 16), {"cb"});
  EXPECT_TRUE(surf.closed("cac", "cb"));
}

TEST(Surf, ZeroBytesAndTheEndOfAKeyAreNotTheSame) {
  for (const uint32_t bits : {8u, 16u, 56u}) {
    const Built surf(surf_options(SurfSuffix::real, bits), {"a", std::string("b\0", 2), "b"});
    EXPECT_TRUE(surf.closed("a", "a"));
    EXPECT_TRUE(surf.view.may_contain_range("b", std::string("b\0", 2)));
    EXPECT_TRUE(surf.view.may_contain_range(std::string("b\0", 2), "c"));
    EXPECT_FALSE(surf.view.may_contain_range(std::string("a\1", 2), "b"));
  }
}

TEST(Surf, TellsMostEmptyRangesAndPrefixes) {
  const Built surf(surf_options(SurfSuffix::real, 8), {"far", "fast", "s", "top", "toy", "trie"});
  EXPECT_FALSE(surf.view.may_contain_range("g", "s"));
  EXPECT_FALSE(surf.view.may_contain_range("sa", "toa"));
  EXPECT_FALSE(surf.view.may_contain_range("fat", "fz"));
  EXPECT_FALSE(surf.view.may_contain_range("trj", std::nullopt));
  EXPECT_FALSE(surf.view.may_contain_range("", "f"));
  EXPECT_FALSE(surf.view.may_contain_range("to", "to"));
  EXPECT_FALSE(surf.view.may_contain_range("z", "a"));
  EXPECT_TRUE(surf.view.may_contain_range("", std::nullopt));
  EXPECT_TRUE(surf.view.may_contain_range("s", "sa"));
  EXPECT_FALSE(surf.view.may_contain_prefix("g"));
  EXPECT_FALSE(surf.view.may_contain_prefix("sa"));
  EXPECT_FALSE(surf.view.may_contain_prefix("fax"));
  EXPECT_TRUE(surf.view.may_contain_prefix("tri"));
  EXPECT_TRUE(surf.view.may_contain_prefix(""));
  EXPECT_FALSE(may_contain(surf.view, "to"));
  EXPECT_TRUE(may_contain(surf.view, "s"));
}

// A suffix of real bits tells the range behind the last byte of a key: what a scan that goes on asks.
TEST(Surf, TheRangeUpToAKeyIsToldIfItsBytesAreKept) {
  const Built surf(surf_options(SurfSuffix::real, 8), {"ab", "k1", "zz"});
  EXPECT_FALSE(surf.view.may_contain_range("c", "k1"));
  EXPECT_TRUE(surf.view.may_contain_range("c", "k2"));
}

class SurfRandom : public testing::TestWithParam<std::tuple<SurfSuffix, uint32_t>> {};

// Goal:   beside std::set: words that share beginnings, and numbers; with the levels as they come, and all sparse or dense.
TEST_P(SurfRandom, BesideASet) {
  const auto [suffix, bits] = GetParam();
  std::mt19937_64 random(bits);
  for (const int kind : {0, 1, 2}) {
    std::set<std::string> keys;
    for (int i = 0; i < 3000; ++i) {
      if (kind == 0) {
        keys.insert(key_of(random()));
      } else {
        std::string word;
        for (uint64_t length = 1 + random() % (kind == 1 ? 6 : 40); length > 0; --length) {
          word.push_back(kind == 1 ? static_cast<char>('a' + random() % 26)
                                   : "a\0\xff"[random() % 16 == 0 ? 1 + random() % 2 : 0]);
        }
        keys.insert(word);
      }
    }
    const std::vector<std::string> sorted(keys.begin(), keys.end());
    for (const std::optional<uint32_t> dense_levels :
         {std::optional<uint32_t>(), std::optional<uint32_t>(0), std::optional<uint32_t>(50)}) {
      FilterOptions options = surf_options(suffix, bits);
      options.dense_levels = dense_levels;
      const Built surf(options, sorted);
      for (int i = 0; i < 10000; ++i) {
        // A key, or something near one.
        std::string begin = sorted[random() % sorted.size()];
        if (random() % 2 == 0) begin.resize(random() % (begin.size() + 1));
        if (random() % 2 == 0) begin.push_back(static_cast<char>(random()));
        std::string end = random() % 2 == 0 ? sorted[random() % sorted.size()] : begin;
        end.push_back(static_cast<char>(random()));
        if (end < begin) std::swap(begin, end);
        const auto found = keys.lower_bound(begin);
        if (found != keys.end() && *found < end) {
          ASSERT_TRUE(surf.view.may_contain_range(begin, end))
              << "range " << i << " of kind " << kind;
        }
        if (found != keys.end()) {
          ASSERT_TRUE(surf.view.may_contain_range(begin, std::nullopt));
          if (found->starts_with(begin)) {
            ASSERT_TRUE(surf.view.may_contain_prefix(begin));
          }
          ASSERT_TRUE(may_contain(surf.view, *found));
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Suffixes, SurfRandom,
    testing::Values(std::tuple(SurfSuffix::none, 1u), std::tuple(SurfSuffix::hash, 7u),
                    std::tuple(SurfSuffix::real, 1u), std::tuple(SurfSuffix::real, 13u),
                    std::tuple(SurfSuffix::real, 32u), std::tuple(SurfSuffix::real, 56u)));

TEST(Surf, IsNotMadeOfKeysWhoseTrieWouldBeTooLarge) {
  FilterOptions options = surf_options(SurfSuffix::none);
  options.bytes_max = 10000;
  std::vector<std::string> keys;
  for (char c = 'a'; c < 'k'; ++c) {
    keys.push_back(std::string(60000, c) + "x");
    keys.push_back(std::string(60000, c) + "y");
  }
  EXPECT_EQ(build_filter(options, keys), "");
  options.bytes_max = 10 * MiB;
  const Built surf(options, keys);
  EXPECT_TRUE(surf.view.has_filter());
  for (const std::string& key : keys) EXPECT_TRUE(may_contain(surf.view, key));
  EXPECT_FALSE(may_contain(surf.view, std::string(59999, 'a')));
  EXPECT_FALSE(surf.view.may_contain_range(std::string(60000, 'a') + "z", "b"));
}

}  // namespace
}  // namespace aether::lsm
