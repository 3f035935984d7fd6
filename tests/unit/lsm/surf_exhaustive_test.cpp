// No SuRF says "no" of what is there: small sets of short keys over a, b, c, 0x00 and 0xFF, every range, every form.
//
// By default all sets of up to 3 keys of up to 2 bytes with all ranges between such bounds, and a sample of the sets of up to
// 5 keys of up to 4 bytes. There are 2.4 * 10^12 of the latter: nobody runs them all. More of them:
//   AETHER_SURF_KEYS=3 AETHER_SURF_LENGTH=3     complete: so many keys, so long (these: 632,866 sets of 12,402 ranges)
//   AETHER_SURF_SAMPLES=1000000                  sampled
//   AETHER_SEED=7                                of the sample
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "unit/lsm/filter_fixture.h"

namespace aether::lsm {
namespace {

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// All strings of up to `length` of the five bytes, ascending.
std::vector<std::string> all_strings(uint64_t length) {
  std::vector<std::string> all = {""};
  size_t begin = 0;
  for (uint64_t i = 0; i < length; ++i) {
    const size_t end = all.size();
    for (size_t at = begin; at < end; ++at) {
      for (const char byte : {'a', 'b', 'c', '\0', '\xff'}) all.push_back(all[at] + byte);
    }
    begin = end;
  }
  std::sort(all.begin(), all.end());
  return all;
}

std::vector<FilterOptions> all_forms() {
  std::vector<FilterOptions> forms;
  for (const uint32_t dense_levels : {0u, 1u, 9u}) {
    std::vector<FilterOptions> suffixes = {surf_options(SurfSuffix::none),
                                           surf_options(SurfSuffix::hash, 4)};
    for (const uint32_t bits : {3u, 8u, 16u, 24u, 56u}) {
      suffixes.push_back(surf_options(SurfSuffix::real, bits));
    }
    for (FilterOptions& options : suffixes) {
      options.dense_levels = dense_levels;
      forms.push_back(options);
    }
  }
  return forms;
}

std::string printable(Bytes bytes) {
  std::string text = "'";
  for (const char byte : bytes) {
    text.append(byte == '\0' ? "<00>" : byte == '\xff' ? "<ff>" : std::string(1, byte));
  }
  return text.append("'");
}

class SurfExhaustive : public testing::Test {
 protected:
  /// `keys` ascending. Asks for every key, every beginning of one, and whatever ranges `ask` asks for.
  template <typename Ask>
  void check(const std::vector<std::string>& keys, Ask&& ask) {
    ++sets_;
    for (const FilterOptions& options : forms_) {
      const std::string bytes = build_filter(options, keys);
      const auto opened = FilterView::open(bytes);
      ASSERT_TRUE(opened) << opened.error().message();
      for (const std::string& key : keys) {
        ASSERT_TRUE(may_contain(*opened, key)) << describe(keys, options) << printable(key);
        for (size_t length = 0; length <= key.size(); ++length) {
          ASSERT_TRUE(opened->may_contain_prefix(Bytes(key).substr(0, length)))
              << describe(keys, options) << "prefix " << printable(key.substr(0, length));
        }
      }
      ask(*opened, options);
      if (HasFatalFailure()) return;
    }
  }

  void check_range(const FilterView& view, const std::vector<std::string>& keys,
                   const FilterOptions& options, Bytes begin, std::optional<Bytes> end) {
    ++ranges_;
    const auto first = std::lower_bound(keys.begin(), keys.end(), begin);
    const bool is_there = first != keys.end() && (!end || *first < *end);
    const bool answer = view.may_contain_range(begin, end);
    ASSERT_TRUE(answer || !is_there) << describe(keys, options) << printable(begin) << " to "
                                     << (end ? printable(*end) : "the end");
    if (!end) check_bound(view, keys, options, begin, first);
    if (is_there) return;
    ++empty_;
    told_ += answer ? 0 : 1;
    // The bound tells no less: where the range has no key for certain, none is before its end.
    if (answer || !end || *end <= begin) return;
    std::string bound;
    ASSERT_TRUE(!view.first_at_least(begin, bound) || Bytes(bound) >= *end)
        << describe(keys, options) << printable(begin) << " to " << printable(*end)
        << ", but the bound is " << printable(bound);
  }

  void check_bound(const FilterView& view, const std::vector<std::string>& keys,
                   const FilterOptions& options, Bytes key,
                   std::vector<std::string>::const_iterator first) {
    std::string bound;
    const bool is_any = view.first_at_least(key, bound);
    ASSERT_TRUE(is_any || first == keys.end())
        << describe(keys, options) << printable(key) << ": no key is at least that";
    if (!is_any) return;
    ASSERT_TRUE(Bytes(bound) >= key && (first == keys.end() || bound <= *first))
        << describe(keys, options) << printable(key) << ": the bound is " << printable(bound);
  }

  static std::string describe(const std::vector<std::string>& keys, const FilterOptions& options) {
    std::string text = "suffix " + std::to_string(static_cast<int>(options.suffix)) + " of " +
                       std::to_string(options.suffix_bits) + " bits, " +
                       std::to_string(*options.dense_levels) + " dense levels, keys";
    for (const std::string& key : keys) text.append(" ").append(printable(key));
    return text.append(": ");
  }

  void TearDown() override {
    const double share = static_cast<double>(told_) /
                         static_cast<double>(std::max<uint64_t>(empty_, 1));
    std::printf("%lu sets, %zu forms, %lu ranges, %lu of them empty, of which %.1f %% were told\n",
                sets_, forms_.size(), ranges_, empty_, 100 * share);
    EXPECT_GT(share, 0.5) << "a filter that says yes to everything has no false negatives either";
  }

  const std::vector<FilterOptions> forms_ = all_forms();
  uint64_t sets_ = 0;
  uint64_t ranges_ = 0;
  uint64_t empty_ = 0;
  uint64_t told_ = 0;
};

TEST_F(SurfExhaustive, AllSmallSets) {
  const uint64_t keys_max = from_environment("AETHER_SURF_KEYS", 3);
  const std::vector<std::string> strings = all_strings(from_environment("AETHER_SURF_LENGTH", 2));
  const auto ask = [&](const std::vector<std::string>& keys) {
    check(keys, [&](const FilterView& view, const FilterOptions& options) {
      for (size_t begin = 0; begin < strings.size(); ++begin) {
        check_range(view, keys, options, strings[begin], std::nullopt);
        for (size_t end = begin; end < strings.size(); ++end) {
          check_range(view, keys, options, strings[begin], strings[end]);
        }
        if (HasFatalFailure()) return;
      }
    });
  };
  // All ascending choices of up to keys_max: the next one in the order of a dictionary.
  std::vector<size_t> chosen;
  std::vector<std::string> keys;
  for (size_t next = 0;;) {
    if (chosen.size() < keys_max && next < strings.size()) {
      chosen.push_back(next);
      keys.push_back(strings[next]);
      ask(keys);
      if (HasFatalFailure()) return;
      ++next;
      continue;
    }
    if (chosen.empty()) break;
    next = chosen.back() + 1;
    chosen.pop_back();
    keys.pop_back();
  }
}

TEST_F(SurfExhaustive, ASampleOfLargerSets) {
  const uint64_t samples = from_environment("AETHER_SURF_SAMPLES", 4000);
  const uint64_t seed = from_environment("AETHER_SEED", 1);
  SCOPED_TRACE("AETHER_SEED=" + std::to_string(seed));
  const std::vector<std::string> strings = all_strings(4);
  std::mt19937_64 random(seed);
  for (uint64_t sample = 0; sample < samples && !HasFatalFailure(); ++sample) {
    std::vector<std::string> keys;
    const uint64_t count = 1 + random() % 5;
    while (keys.size() < count) {
      // Half of them extend or shorten another: chance alone makes few prefixes of four bytes.
      std::string key = strings[random() % strings.size()];
      if (!keys.empty() && random() % 2 == 0) {
        key.insert(0, keys[random() % keys.size()]);
        key.resize(std::min<size_t>(key.size(), random() % 5));
      }
      keys.push_back(key);
    }
    std::sort(keys.begin(), keys.end());
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    check(keys, [&](const FilterView& view, const FilterOptions& options) {
      for (int i = 0; i < 100; ++i) {
        const std::string& a = strings[random() % strings.size()];
        // Half of the bounds are near a key.
        const std::string b = random() % 2 == 0
                                  ? strings[random() % strings.size()]
                                  : keys[random() % keys.size()] +
                                        (random() % 2 == 0 ? "" : std::string(1, '\0'));
        check_range(view, keys, options, std::min(a, b), std::max(a, b));
        check_range(view, keys, options, b, std::nullopt);
        if (HasFatalFailure()) return;
      }
    });
  }
}

}  // namespace
}  // namespace aether::lsm
