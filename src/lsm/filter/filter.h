/// Filters: what a run does not hold is mostly told without reading it.
///
///   builder = FilterBuilder::create(options);            keys in ascending order
///   for (...) builder->add(key, filter_hash(key));
///   bytes = builder->finish();                           stored with the run; empty: no filter
///
///   view = FilterView::open(bytes);                      no copy: `bytes` outlive it
///   view->may_contain(key, filter_hash(key));            false is certain, true is "perhaps"
///
///   bloom    points       10 bits a key, 0.96 %; one cache miss a question
///   ribbon   points       7 bits a key, 1 %; slower to build: for big runs that live long
///   surf     all three    a trie of the keys' beginnings: ranges and prefixes too
///
/// One hash of a key serves the filters of all runs. Points ask the hash alone, but for surf; ranges and prefixes are
/// "perhaps" for bloom and ribbon. A view of nothing answers "perhaps" always.
///
/// Threads     A builder is one thread's. A view is const: any number of threads ask it.
/// Invariants  No false "no" (tests/unit/lsm/surf_exhaustive_test.cpp). Bytes from anywhere: an error or some answer, in
///             time bounded by the length of the question (fuzz_filter).
/// Format      docs/formats/filter.md
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "aether/error.h"
#include "aether/options.h"
#include "base/checksum.h"
#include "lsm/filter/bloom.h"
#include "lsm/filter/ribbon.h"
#include "lsm/filter/surf.h"

namespace aether::lsm {

enum class FilterKind : uint8_t { bloom = 1, ribbon = 2, surf = 3 };

struct FilterOptions {
  FilterKind kind = FilterKind::bloom;
  double bits_per_key = 10;  ///< bloom and ribbon: 1 to 40. Small runs get more (`bits_of_share`).
  SurfSuffix suffix = SurfSuffix::real;  ///< surf: hash helps points alone, real ranges too.
  uint32_t suffix_bits = 8;              ///< surf: 1 to 56, if there is a suffix.
  /// surf: no filter is made of keys whose trie would be larger. Long keys that agree in long beginnings make it so.
  uint64_t bytes_max = 64 * MiB;
  /// surf: for tests: how many levels are dense, whatever room that takes.
  std::optional<uint32_t> dense_levels = {};
};

inline uint64_t filter_hash(Bytes key) noexcept {
  return base::checksum(key.data(), key.size(), 0x6165'7468'6572'2066);
}

class FilterBuilder {
 public:
  static std::unique_ptr<FilterBuilder> create(const FilterOptions& options);
  virtual ~FilterBuilder() = default;
  FilterBuilder() = default;
  FilterBuilder(const FilterBuilder&) = delete;
  FilterBuilder& operator=(const FilterBuilder&) = delete;

  /// No key is smaller than the one before; one that equals it adds nothing. Throws std::bad_alloc.
  virtual void add(Bytes key, uint64_t hash) = 0;
  /// The filter's bytes; empty if there is none. Once. Throws std::bad_alloc.
  virtual std::string finish() = 0;
};

/// A key that several filters are asked for: what they need of it is worked out once.
struct FilterQuestion {
  Bytes key;
  uint64_t hash = 0;     ///< filter_hash(key).
  base::BloomMask mask;  ///< Of the last Bloom filter that was asked.
};

class FilterView {
 public:
  /// Of nothing.
  FilterView() noexcept = default;
  /// Cost: one pass over the bytes for their checksum. Errors: corruption, unsupported (a newer format).
  static Result<FilterView> open(std::string_view bytes);

  /// Some key equals the question's.
  bool may_contain(FilterQuestion& question) const noexcept;
  /// The same for one filter. `hash`: filter_hash(key).
  bool may_contain(Bytes key, uint64_t hash) const noexcept {
    FilterQuestion question{key, hash, {}};
    return may_contain(question);
  }
  /// Asks memory for what `may_contain` will read, where that is one place.
  void prefetch(uint64_t hash) const noexcept {
    if (const auto* bloom = std::get_if<BloomView>(&view_)) bloom->prefetch(hash);
  }
  /// Some key is in [begin, end); nothing for `end`: no upper bound.
  bool may_contain_range(Bytes begin, std::optional<Bytes> end) const noexcept;
  /// Some key begins with `prefix`.
  bool may_contain_prefix(Bytes prefix) const noexcept;
  /// False: no key is at least `key`. True: every key that is, is at least `bound`, which is at least `key`. Only if `answers_ranges`.
  /// Throws std::bad_alloc.
  bool first_at_least(Bytes key, std::string& bound) const;

  bool has_filter() const noexcept { return !std::holds_alternative<std::monostate>(view_); }
  bool answers_ranges() const noexcept { return std::holds_alternative<SurfView>(view_); }
  uint64_t keys() const noexcept { return keys_; }
  uint64_t bytes() const noexcept { return bytes_; }

 private:
  std::variant<std::monostate, BloomView, RibbonView, SurfView> view_;
  uint64_t keys_ = 0;
  uint64_t bytes_ = 0;
};

/// Bits a key for a run of `bytes` of a store's `all_bytes`, where one that has all of them gets `bits`: false positives in proportion to
/// a run's share, which of all ways to spend as many bits reads the fewest runs in vain, and at most 6 bits more. Runs that are there already
/// keep their filters, so a budget for all of them is not kept to: with sizes of 16, 4, 4, 1 and 1 the average is 1.1 above `bits`.
/// Source: Dayan, Athanassoulis, Idreos: "Monkey: Optimal Navigable Key-Value Store", SIGMOD 2017.
double bits_of_share(double bits, uint64_t bytes, uint64_t all_bytes) noexcept;

}  // namespace aether::lsm
