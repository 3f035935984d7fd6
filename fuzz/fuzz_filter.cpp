// Filters: of keys from the input nothing is missed; of bytes from anywhere, checksum made right or not, each question has an
// answer or the filter is refused.
#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/checksum.h"
#include "fuzz/support/input.h"
#include "fuzz/support/target.h"
#include "lsm/filter/filter.h"
#include "lsm/filter/header.h"

namespace aether::fuzz {
namespace {

using lsm::FilterView;

lsm::FilterOptions options_from(Input& input) {
  lsm::FilterOptions options;
  options.kind = static_cast<lsm::FilterKind>(1 + input.below(3));
  options.bits_per_key = 1 + input.below(20);
  options.suffix = static_cast<lsm::SurfSuffix>(input.below(3));
  options.suffix_bits = 1 + input.below(lsm::kSurfSuffixBitsMax);
  if (const uint8_t dense = input.byte(); dense != 0) options.dense_levels = dense - 1u;
  return options;
}

void ask(const FilterView& view, const std::vector<std::string>& words) {
  for (const std::string& a : words) {
    static_cast<void>(view.may_contain(a, lsm::filter_hash(a)));
    static_cast<void>(view.may_contain_prefix(a));
    static_cast<void>(view.may_contain_range(a, std::nullopt));
    std::string bound;
    FUZZ_REQUIRE(!view.first_at_least(a, bound) || Bytes(bound) >= Bytes(a));
    for (const std::string& b : words) static_cast<void>(view.may_contain_range(a, Bytes(b)));
  }
}

void require_all(const FilterView& view, const std::set<std::string>& keys,
                 const std::vector<std::string>& bounds) {
  for (const std::string& key : keys) {
    FUZZ_REQUIRE(view.may_contain(key, lsm::filter_hash(key)));
    FUZZ_REQUIRE(view.may_contain_prefix(key));
    FUZZ_REQUIRE(view.may_contain_prefix(Bytes(key).substr(0, key.size() / 2)));
  }
  for (const std::string& begin : bounds) {
    const auto found = keys.lower_bound(begin);
    if (found == keys.end()) continue;
    FUZZ_REQUIRE(view.may_contain_range(begin, std::nullopt));
    for (const std::string& end : bounds) {
      if (*found < end) FUZZ_REQUIRE(view.may_contain_range(begin, Bytes(end)));
    }
  }
}

}  // namespace

std::vector<std::string> seeds() {
  std::vector<std::string> all;
  for (const unsigned kind : {0u, 1u, 2u}) {
    for (const unsigned suffix : {0u, 1u, 2u}) {
      for (const unsigned dense : {0u, 1u, 3u}) {
        for (const unsigned edit : {0u, 1u, 2u}) {
          InputWriter writer;
          writer.put(uint16_t(kind))
              .put(uint16_t{9})
              .put(uint16_t(suffix))
              .put(uint16_t{7})
              .byte(dense);
          writer.byte(6);
          for (const char* key : {"zn", "zndy", "zne", "znk", "zno", "\xff\x01"}) {
            writer.shortly_sized(key);
          }
          writer.byte(2).shortly_sized("znn").shortly_sized("zo");
          if (edit == 1) writer.byte(1).put(uint16_t{64}).shortly_sized("\x07");
          if (edit == 2) writer.byte(1).put(uint16_t{130}).shortly_sized("\xff\xff");
          all.push_back(writer.bytes());
        }
      }
    }
  }
  return all;
}

}  // namespace aether::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aether;
  using namespace aether::fuzz;
  Input input(data, size);
  const lsm::FilterOptions options = options_from(input);
  std::set<std::string> keys;
  for (uint8_t count = input.byte() % 64; count > 0; --count) {
    keys.emplace(input.shortly_sized());
  }
  std::vector<std::string> bounds;
  for (uint8_t count = input.byte() % 16; count > 0; --count) {
    bounds.emplace_back(input.shortly_sized());
  }
  for (const std::string& key : keys) {
    if (bounds.size() == 32) break;
    bounds.push_back(key);
  }
  const auto builder = lsm::FilterBuilder::create(options);
  for (const std::string& key : keys) builder->add(key, lsm::filter_hash(key));
  std::string bytes = builder->finish();
  {
    const auto view = FilterView::open(bytes);
    FUZZ_REQUIRE(view);
    require_all(*view, keys, bounds);
  }
  bool is_sealed = true;
  while (!input.empty()) {
    is_sealed = input.byte() % 2 != 0;
    const uint64_t at = input.below(static_cast<uint32_t>(bytes.size()));
    const std::string_view edit = input.shortly_sized();
    const size_t count = std::min<size_t>(edit.size(), bytes.size() - at);
    std::copy_n(edit.begin(), count, bytes.begin() + static_cast<std::ptrdiff_t>(at));
  }
  if (is_sealed) lsm::seal_filter(bytes);
  if (const auto view = FilterView::open(bytes)) ask(*view, bounds);
  return 0;
}
