#include "data.h"

#include <algorithm>
#include <cmath>

namespace aether::bench {
namespace {
constexpr double kTheta = 0.99;
}

Zipf::Zipf(uint64_t records) : records_(records) {
  for (uint64_t rank = 1; rank <= records; ++rank) {
    zeta_n_ += std::pow(static_cast<double>(rank), -kTheta);
  }
  second_ = 1.0 + std::pow(2.0, -kTheta);
  alpha_ = 1.0 / (1.0 - kTheta);
  eta_ = (1.0 - std::pow(2.0 / static_cast<double>(records), 1.0 - kTheta)) /
         (1.0 - second_ / zeta_n_);
}

uint64_t Zipf::draw_rank(Rng& rng) const noexcept {
  const double u = rng.unit();
  const double uz = u * zeta_n_;
  uint64_t rank = 0;
  if (uz >= second_) {
    rank = static_cast<uint64_t>(static_cast<double>(records_) *
                                 std::pow(eta_ * u - eta_ + 1.0, alpha_));
  } else if (uz >= 1.0) {
    rank = 1;
  }
  return std::min(rank, records_ - 1);
}

std::vector<uint64_t> sorted_hashes(uint64_t records) {
  std::vector<uint64_t> hashes(records);
  for (uint64_t record = 0; record < records; ++record) hashes[record] = key_hash(record);
  std::sort(hashes.begin(), hashes.end());
  return hashes;
}

}  // namespace aether::bench
