#include "lsm/filter/filter.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/assert.h"
#include "lsm/filter/header.h"
#include "lsm/filter/surf_builder.h"

namespace aether::lsm {
namespace {

/// Keeps hashes: how large the filter is depends on how many there are.
class PointBuilder final : public FilterBuilder {
 public:
  explicit PointBuilder(const FilterOptions& options) : options_(options) {}
  void add(Bytes, uint64_t hash) override {
    if (hashes_.empty() || hashes_.back() != hash) hashes_.push_back(hash);
  }
  std::string finish() override {
    std::vector<uint64_t> hashes = std::move(hashes_);
    hashes_ = {};
    if (options_.kind == FilterKind::bloom) return build_bloom(hashes, options_.bits_per_key);
    return build_ribbon(hashes, options_.bits_per_key);
  }

 private:
  const FilterOptions options_;
  std::vector<uint64_t> hashes_;
};

}  // namespace

std::unique_ptr<FilterBuilder> FilterBuilder::create(const FilterOptions& options) {
  if (options.kind == FilterKind::surf) return std::make_unique<SurfBuilder>(options);
  AETHER_ASSERT(options.bits_per_key >= 1 && options.bits_per_key <= 40);
  return std::make_unique<PointBuilder>(options);
}

Result<FilterView> FilterView::open(std::string_view bytes) {
  auto header = read_filter_header(bytes);
  if (!header) return std::move(header.error());
  FilterView view;
  view.keys_ = header->keys;
  view.bytes_ = header->bytes;
  const auto take = [&view](auto opened) -> Result<FilterView> {
    if (!opened) return std::move(opened.error());
    view.view_ = std::move(opened).value();
    return std::move(view);
  };
  switch (static_cast<FilterKind>(header->kind)) {
    case FilterKind::bloom: return take(BloomView::open(*header, bytes));
    case FilterKind::ribbon: return take(RibbonView::open(*header, bytes));
    case FilterKind::surf: return take(SurfView::open(*header, bytes));
  }
  return damaged_filter("it is of no known kind");
}

bool FilterView::may_contain(FilterQuestion& question) const noexcept {
  if (const auto* bloom = std::get_if<BloomView>(&view_)) {
    if (question.mask.probes() != bloom->probes())
      question.mask = base::BloomMask(question.hash, bloom->probes());
    return bloom->may_contain(question.hash, question.mask);
  }
  if (const auto* ribbon = std::get_if<RibbonView>(&view_))
    return ribbon->may_contain(question.hash);
  if (const auto* surf = std::get_if<SurfView>(&view_))
    return surf->may_contain(question.key, question.hash);
  return true;
}

bool FilterView::may_contain_range(Bytes begin, std::optional<Bytes> end) const noexcept {
  if (const auto* surf = std::get_if<SurfView>(&view_)) return surf->may_contain_range(begin, end);
  return true;
}

bool FilterView::may_contain_prefix(Bytes prefix) const noexcept {
  if (const auto* surf = std::get_if<SurfView>(&view_)) return surf->may_contain_prefix(prefix);
  return true;
}

bool FilterView::first_at_least(Bytes key, std::string& bound) const {
  if (const auto* surf = std::get_if<SurfView>(&view_)) return surf->first_at_least(key, bound);
  bound.assign(key);
  return true;
}

double bits_of_share(double bits, uint64_t bytes, uint64_t all_bytes) noexcept {
  constexpr double kMoreMax = 6;
  constexpr double kBitsMax = 40;
  if (bytes == 0 || bytes >= all_bytes) return bits;
  const double halvings = std::log2(static_cast<double>(all_bytes) / static_cast<double>(bytes));
  return std::min(bits + std::min(halvings / std::log(2.0), kMoreMax), std::max(bits, kBitsMax));
}

// False positives of b bits a key are e^(-b ln(2)^2). Lagrange: the one that costs a bit least is the one whose false
// positives are many for its keys, so p = s * keys with one s for all, and p = 1 where that would be more.
std::vector<double> monkey_bits(const std::vector<uint64_t>& keys_of_runs, double bits_total) {
  const double ln2_squared = std::log(2.0) * std::log(2.0);
  std::vector<double> bits(keys_of_runs.size(), 0.0);
  std::vector<size_t> order(keys_of_runs.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return keys_of_runs[a] < keys_of_runs[b]; });
  std::erase_if(order, [&](size_t i) { return keys_of_runs[i] == 0; });
  for (; !order.empty(); order.pop_back()) {
    // sum of keys * -ln(s * keys) / ln(2)^2 = bits_total, solved for ln(s).
    double keys = 0;
    double weighted = 0;
    for (const size_t i : order) {
      const double n = static_cast<double>(keys_of_runs[i]);
      keys += n;
      weighted += n * std::log(n);
    }
    const double log_s = -(bits_total * ln2_squared + weighted) / keys;
    if (log_s + std::log(static_cast<double>(keys_of_runs[order.back()])) >= 0) continue;
    for (const size_t i : order) {
      bits[i] = -(log_s + std::log(static_cast<double>(keys_of_runs[i]))) / ln2_squared;
    }
    break;
  }
  return bits;
}

}  // namespace aether::lsm
