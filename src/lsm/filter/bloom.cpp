#include "lsm/filter/bloom.h"

#include <cmath>

#include "lsm/filter/filter.h"
#include "lsm/filter/header.h"

namespace aether::lsm {

// Of its own fields: lines, probes.
Result<BloomView> BloomView::open(const FilterHeader& header, std::string_view bytes) {
  BloomView view;
  view.first_ = bytes.data() + FilterHeader::kBytes;
  view.lines_ = header.own[0];
  view.probes_ = static_cast<uint32_t>(header.own[1]);
  if (view.lines_ != (bytes.size() - FilterHeader::kBytes) / base::kBloomLineBytes ||
      bytes.size() % base::kBloomLineBytes != 0) {
    return damaged_filter("its lines are not as many as its size says");
  }
  if (header.own[1] < 1 || header.own[1] > base::kBloomProbesMax) {
    return damaged_filter("it has no valid number of probes");
  }
  return view;
}

std::string build_bloom(const std::vector<uint64_t>& hashes, double bits_per_key) {
  const double keys = static_cast<double>(hashes.size());
  const auto lines = static_cast<uint64_t>(std::ceil(keys * bits_per_key / base::kBloomLineBits));
  const uint32_t probes = lines == 0 ? 1
                                     : base::bloom_cheap_probes(keys / static_cast<double>(lines));
  std::string bytes(FilterHeader::kBytes + lines * base::kBloomLineBytes, '\0');
  char* const first = bytes.data() + FilterHeader::kBytes;
  for (const uint64_t hash : hashes) {
    base::bloom_add(first + base::scale(hash, lines) * base::kBloomLineBytes, hash, probes);
  }
  FilterHeader header{};
  header.kind = static_cast<uint8_t>(FilterKind::bloom);
  header.keys = hashes.size();
  header.own[0] = lines;
  header.own[1] = probes;
  base::store(bytes.data(), header);
  seal_filter(bytes);
  return bytes;
}

}  // namespace aether::lsm
