#include "lsm/filter/surf_builder.h"

#include <algorithm>

#include "base/assert.h"
#include "lsm/filter/header.h"

namespace aether::lsm {
namespace {

constexpr uint64_t kLabelBits = 10;
constexpr uint64_t kDenseNodeBits = 2 * 256;
/// Dense levels are faster: they may take this share of the trie more than sparse ones would.
constexpr uint64_t kDenseShare = 64;

size_t shared_bytes(Bytes a, Bytes b) noexcept {
  const size_t most = std::min(a.size(), b.size());
  return static_cast<size_t>(std::mismatch(a.begin(), a.begin() + most, b.begin()).first -
                             a.begin());
}

}  // namespace

SurfBuilder::SurfBuilder(const FilterOptions& options) : options_(options) {
  AETHER_ASSERT(options.suffix == SurfSuffix::none ||
                (options.suffix_bits >= 1 && options.suffix_bits <= kSurfSuffixBitsMax));
}

void SurfBuilder::add(Bytes key, uint64_t hash) {
  if (gave_up_) return;
  size_t shared = 0;
  if (keys_ != 0) {
    if (key == last_) return;
    AETHER_ASSERT(last_ < key);
    shared = shared_bytes(last_, key);
    insert(last_, last_hash_, shared);
  }
  last_.assign(key);
  last_hash_ = hash;
  shared_before_ = shared;
  ++keys_;
  if (bits_ / 8 > options_.bytes_max) give_up();
}

// A key that is the beginning of the next one ends at a node, which the next one then fills; any other at a leaf.
void SurfBuilder::insert(Bytes key, uint64_t hash, size_t shared_with_next) {
  const bool ends_at_node = key.size() == shared_with_next;
  const size_t depth = ends_at_node ? key.size() : std::max(shared_before_, shared_with_next) + 1;
  if (levels_.size() < depth + 1) levels_.resize(depth + 1);
  for (size_t i = shared_before_; i < depth; ++i) {
    Level& level = levels_[i];
    const bool is_new = i > shared_before_ || level.nodes() == 0;
    if (is_new) level.ends.push(false);
    level.first.push(is_new || level.waits);
    level.waits = false;
    level.labels.push_back(key[i]);
    level.has_child.push(i + 1 < depth || ends_at_node);
  }
  bits_ += (depth - shared_before_) * (kLabelBits + 1);
  Level& last = levels_[ends_at_node ? depth : depth - 1];
  if (ends_at_node) {
    last.ends.push(true);
    last.waits = true;
  } else if (options_.suffix != SurfSuffix::none) {
    const uint32_t bits = options_.suffix_bits;
    last.suffixes.push_bits(options_.suffix == SurfSuffix::hash
                                ? hash_suffix(hash, bits)
                                : real_suffix(key.substr(depth), bits),
                            bits);
    bits_ += bits;
  }
}

void SurfBuilder::give_up() noexcept {
  gave_up_ = true;
  levels_ = {};
  last_ = {};
}

size_t SurfBuilder::dense_levels() const noexcept {
  if (options_.dense_levels) return std::min<size_t>(*options_.dense_levels, levels_.size());
  uint64_t all = 0;
  for (const Level& level : levels_) all += level.labels.size() * kLabelBits;
  uint64_t dense = 0;
  uint64_t sparse = 0;
  size_t best = 0;
  for (size_t i = 0; i < levels_.size() && levels_[i].nodes() != 0; ++i) {
    dense += levels_[i].nodes() * kDenseNodeBits;
    sparse += levels_[i].labels.size() * kLabelBits;
    if (dense <= sparse + all / kDenseShare) best = i + 1;
  }
  return best;
}

void SurfBuilder::write_dense(size_t levels, std::string& out) const {
  BitList labels;
  BitList has_child;
  uint64_t nodes = 0;
  for (size_t i = 0; i < levels; ++i) nodes += levels_[i].nodes();
  labels.grow(nodes * 256);
  has_child.grow(nodes * 256);
  uint64_t node = 0;
  for (size_t i = 0; i < levels; ++i) {
    const Level& level = levels_[i];
    for (size_t at = 0; at < level.labels.size(); ++at) {
      if (level.first.get(at) && at != 0) ++node;
      const uint64_t bit = node * 256 + static_cast<unsigned char>(level.labels[at]);
      labels.set(bit);
      if (level.has_child.get(at)) has_child.set(bit);
    }
    ++node;
  }
  labels.write(false, out);
  has_child.write(false, out);
}

void SurfBuilder::write_sparse(size_t from, std::string& out) const {
  BitList has_child;
  BitList first;
  for (size_t i = from; i < levels_.size(); ++i) {
    has_child.append(levels_[i].has_child);
    first.append(levels_[i].first);
  }
  has_child.write(false, out);
  first.write(true, out);
}

std::string SurfBuilder::finish() {
  if (keys_ != 0 && !gave_up_) insert(last_, last_hash_, 0);
  if (gave_up_) return {};
  const size_t dense = dense_levels();
  SurfShape shape{};
  BitList ends;
  BitList suffixes;
  std::string labels;
  for (size_t i = 0; i < levels_.size(); ++i) {
    const Level& level = levels_[i];
    ends.append(level.ends);
    suffixes.append(level.suffixes);
    shape.nodes += level.nodes();
    shape.leaves += level.leaves();
    if (i < dense) {
      shape.dense_nodes += level.nodes();
      shape.dense_children += level.has_child.ones();
      shape.dense_leaves += level.leaves();
    } else {
      labels.append(level.labels);
    }
  }
  shape.sparse_labels = labels.size();
  shape.suffix = static_cast<uint8_t>(options_.suffix);
  shape.suffix_bits = static_cast<uint8_t>(
      options_.suffix == SurfSuffix::none ? 0 : options_.suffix_bits);
  shape.has_ends = ends.ones() != 0 ? 1 : 0;

  FilterHeader header{};
  header.kind = static_cast<uint8_t>(FilterKind::surf);
  header.keys = keys_;
  std::string out(FilterHeader::kBytes + sizeof(SurfShape), '\0');
  base::store(out.data(), header);
  base::store(out.data() + FilterHeader::kBytes, shape);
  write_dense(dense, out);
  write_sparse(dense, out);
  if (shape.has_ends != 0) ends.write(false, out);
  labels.resize(base::align_up(labels.size(), 8), '\0');
  out.append(labels);
  if (options_.suffix != SurfSuffix::none) suffixes.write_plain(out);
  give_up();  // Once.
  if (out.size() > options_.bytes_max) return {};
  seal_filter(out);
  return out;
}

}  // namespace aether::lsm
