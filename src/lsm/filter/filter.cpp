#include "lsm/filter/filter.h"

#include <algorithm>
#include <cmath>

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
  return std::min(bits + std::min(halvings / std::log(2.0), kMoreMax), kBitsMax);
}

}  // namespace aether::lsm
