// aether-filters: bits a key, false positives and time of the filters of src/lsm/filter, as a table.
//
//   aether-filters [--keys 100000,1000000] [--sets uniform,clustered,correlated,cities] [--questions 200000]
//
// Keys: uniform      64-bit numbers of chance, big-endian
//       clustered    numbers within 1,024 spots, each 2^24 wide
//       cities       country, name and number of data/cities.tsv.xz; at most 135,233; every other one is asked for
// `correlated` has uniform keys, and each question is next to one: the key plus one, and ranges from there.
// Points: a key of the same kind that is not there. Ranges: of 2^8, 2^16 and 2^32 numbers that hold no key; of the cities, from a
// city that is not there to its successor in their bytes. Published figures: docs/decisions/0024-filters.md.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "lsm/filter/filter.h"
#include "micro/key_sets.h"
#include "os/os.h"

namespace aether::bench {
namespace {

using lsm::FilterKind;
using lsm::FilterOptions;
using lsm::FilterView;
using lsm::SurfSuffix;

uint64_t now_ns() { return os::production().monotonic_ns(); }

std::string key_of(uint64_t number) {
  std::string key(8, '\0');
  for (size_t i = 0; i < 8; ++i) key[7 - i] = static_cast<char>(number >> 8 * i);
  return key;
}

struct Range {
  std::string begin;
  std::string end;
};

/// Keys, and questions whose answer is no.
struct Data {
  std::string set;
  std::vector<uint64_t> numbers;  ///< Ascending; or words.
  std::vector<std::string> words;
  std::vector<std::string> points;
  std::vector<std::vector<Range>> ranges;  ///< Of three lengths.

  uint64_t size() const { return numbers.size() + words.size(); }
  std::string key(uint64_t i) const { return words.empty() ? key_of(numbers[i]) : words[i]; }
};

constexpr std::array kRangeBits = {8u, 16u, 32u};

void ask_numbers(Data& data, uint64_t questions, std::mt19937_64& random,
                 const std::vector<uint64_t>& near) {
  const auto is_empty = [&](uint64_t begin, uint64_t last) {
    const auto found = std::lower_bound(data.numbers.begin(), data.numbers.end(), begin);
    return last >= begin && (found == data.numbers.end() || *found > last);
  };
  const auto candidate = [&] { return near.empty() ? random() : near[random() % near.size()]; };
  while (data.points.size() < questions) {
    const uint64_t number = candidate();
    if (is_empty(number, number)) data.points.push_back(key_of(number));
  }
  for (const uint32_t bits : kRangeBits) {
    std::vector<Range>& ranges = data.ranges.emplace_back();
    const uint64_t length = uint64_t{1} << bits;
    // Where no such range is empty, there are none to ask for.
    for (uint64_t tries = 0; ranges.size() < questions && tries < 4 * questions; ++tries) {
      const uint64_t begin = candidate();
      if (is_empty(begin, begin + length))
        ranges.push_back({key_of(begin), key_of(begin + length)});
    }
  }
}

Data make_data(const std::string& set, uint64_t keys, uint64_t questions) {
  Data data;
  data.set = set;
  std::mt19937_64 random(keys);
  if (set == "cities") {
    std::vector<std::string> all = make_keys(KeySet::dictionary, 1 << 20);
    std::sort(all.begin(), all.end());
    data.ranges.resize(1);
    for (size_t i = 0; i < all.size(); ++i) {
      if (i % 2 == 0) {
        if (data.words.size() < keys) data.words.push_back(all[i]);
      } else {
        data.points.push_back(all[i]);
        data.ranges[0].push_back({all[i], all[i] + '\xff'});
      }
    }
    return data;
  }
  std::vector<uint64_t> near;
  std::vector<uint64_t> spots;
  spots.reserve(1024);
  for (int i = 0; i < 1024; ++i) spots.push_back(random());
  const auto draw = [&]() -> uint64_t {
    return set == "clustered" ? spots[random() % spots.size()] + random() % (1 << 24) : random();
  };
  for (uint64_t i = 0; i < keys; ++i) data.numbers.push_back(draw());
  std::sort(data.numbers.begin(), data.numbers.end());
  data.numbers.erase(std::unique(data.numbers.begin(), data.numbers.end()), data.numbers.end());
  if (set == "clustered") {
    for (uint64_t i = 0; i < questions; ++i) near.push_back(draw());
  } else if (set == "correlated") {
    for (uint64_t i = 0; i < questions; ++i) {
      near.push_back(data.numbers[random() % data.numbers.size()] + 1);
    }
  }
  ask_numbers(data, questions, random, near);
  return data;
}

struct Form {
  const char* name;
  FilterOptions options;
};

std::vector<Form> all_forms() {
  std::vector<Form> forms;
  for (const auto& [name, kind, bits] : {std::tuple("bloom 10", FilterKind::bloom, 10.0),
                                         std::tuple("bloom 16", FilterKind::bloom, 16.0),
                                         std::tuple("ribbon 7", FilterKind::ribbon, 7.0),
                                         std::tuple("ribbon 10", FilterKind::ribbon, 10.0)}) {
    FilterOptions options;
    options.kind = kind;
    options.bits_per_key = bits;
    forms.push_back({name, options});
  }
  for (const auto& [name, suffix, bits] : {std::tuple("surf base", SurfSuffix::none, 1u),
                                           std::tuple("surf hash 4", SurfSuffix::hash, 4u),
                                           std::tuple("surf hash 8", SurfSuffix::hash, 8u),
                                           std::tuple("surf real 4", SurfSuffix::real, 4u),
                                           std::tuple("surf real 8", SurfSuffix::real, 8u)}) {
    FilterOptions options;
    options.kind = FilterKind::surf;
    options.suffix = suffix;
    options.suffix_bits = bits;
    options.bytes_max = 4 * GiB;
    forms.push_back({name, options});
  }
  return forms;
}

void print_share(uint64_t yes, uint64_t asked) {
  if (asked == 0) {
    std::printf(" - |");
  } else {
    std::printf(" %.3g %% |", 100.0 * static_cast<double>(yes) / static_cast<double>(asked));
  }
}

void measure(const Data& data, const Form& form) {
  const auto builder = lsm::FilterBuilder::create(form.options);
  const double keys = static_cast<double>(data.size());
  uint64_t begin = now_ns();
  for (uint64_t i = 0; i < data.size(); ++i) {
    const std::string key = data.key(i);
    builder->add(key, lsm::filter_hash(key));
  }
  const std::string bytes = builder->finish();
  const double build_ns = static_cast<double>(now_ns() - begin) / keys;
  const auto view = FilterView::open(bytes);
  if (!view) {
    std::fprintf(stderr, "aether-filters: %s\n", std::string(view.error().message()).c_str());
    std::exit(1);
  }
  for (uint64_t i = 0; i < data.size(); i += 1 + data.size() / 100000) {
    const std::string key = data.key(i);
    if (view->may_contain(key, lsm::filter_hash(key))) continue;
    std::fprintf(stderr, "aether-filters: %s misses a key\n", form.name);
    std::exit(1);
  }
  std::printf("| %s | %lu | %s | %.2f |", data.set.c_str(), data.size(), form.name,
              static_cast<double>(bytes.size()) * 8 / keys);
  begin = now_ns();
  uint64_t yes = 0;
  for (const std::string& key : data.points)
    yes += view->may_contain(key, lsm::filter_hash(key)) ? 1 : 0;
  const double point_ns = static_cast<double>(now_ns() - begin) /
                          static_cast<double>(data.points.size());
  print_share(yes, data.points.size());
  double range_ns = 0;
  for (size_t i = 0; i < kRangeBits.size(); ++i) {
    if (i >= data.ranges.size() || !view->answers_ranges()) {
      std::printf(" - |");
      continue;
    }
    yes = 0;
    begin = now_ns();
    for (const Range& range : data.ranges[i]) {
      yes += view->may_contain_range(range.begin, Bytes(range.end)) ? 1 : 0;
    }
    const double count = static_cast<double>(std::max<size_t>(data.ranges[i].size(), 1));
    if (i == 0) range_ns = static_cast<double>(now_ns() - begin) / count;
    print_share(yes, data.ranges[i].size());
  }
  std::printf(" %.0f | %.0f | ", build_ns, point_ns);
  if (range_ns > 0) std::printf("%.0f", range_ns);
  std::printf(" |\n");
  std::fflush(stdout);
}

std::vector<std::string> split(const char* list) {
  std::vector<std::string> parts(1);
  for (const char* at = list; *at != '\0'; ++at) {
    if (*at == ',') {
      parts.emplace_back();
    } else {
      parts.back().push_back(*at);
    }
  }
  return parts;
}

int run(int count, char** words) {
  const char* keys = "100000,1000000";
  const char* sets = "uniform,clustered,correlated,cities";
  uint64_t questions = 200000;
  for (int i = 1; i < count; i += 2) {
    const bool has_value = i + 1 < count;
    if (has_value && std::strcmp(words[i], "--keys") == 0) {
      keys = words[i + 1];
    } else if (has_value && std::strcmp(words[i], "--sets") == 0) {
      sets = words[i + 1];
    } else if (has_value && std::strcmp(words[i], "--questions") == 0) {
      questions = std::strtoull(words[i + 1], nullptr, 10);
    } else {
      std::fprintf(stderr, "usage: aether-filters [--keys N,...] [--sets S,...] [--questions N]\n");
      return 2;
    }
  }
  std::printf(
      "| keys | number | filter | bits a key | points | 2^8 | 2^16 | 2^32 | build, ns a key | "
      "point, ns | range, ns |\n");
  std::printf("|---|---|---|---|---|---|---|---|---|---|---|\n");
  for (const std::string& set : split(sets)) {
    uint64_t last = 0;
    for (const std::string& number : split(keys)) {
      const Data data = make_data(set, std::strtoull(number.c_str(), nullptr, 10), questions);
      if (data.size() == last) continue;  // There are no more of these.
      last = data.size();
      for (const Form& form : all_forms()) measure(data, form);
    }
  }
  return 0;
}

}  // namespace
}  // namespace aether::bench

int main(int count, char** words) { return aether::bench::run(count, words); }
