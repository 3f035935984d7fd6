#include "lsm/filter/surf.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "lsm/filter/header.h"

namespace aether::lsm {
namespace {

constexpr uint64_t kFanout = 256;
/// A bound that is shorter than it could be is a bound.
constexpr uint64_t kSmallestSteps = 256;

unsigned char first_byte(Bytes bytes) noexcept { return static_cast<unsigned char>(bytes.front()); }

}  // namespace

uint64_t real_suffix(Bytes rest, uint32_t bits) noexcept {
  uint64_t value = 0;
  const size_t bytes = std::min<size_t>(rest.size(), 8);
  for (size_t i = 0; i < bytes; ++i) {
    value |= uint64_t{static_cast<unsigned char>(rest[i])} << (56 - 8 * i);
  }
  return value >> (64 - bits);
}

// The parts behind the header, in the order in which they are written (surf_builder.cpp).
Result<SurfView> SurfView::open(const FilterHeader& header, std::string_view bytes) {
  const char* const kSize = "its parts are not as large as its size says";
  if (bytes.size() < FilterHeader::kBytes + sizeof(SurfShape)) return damaged_filter(kSize);
  SurfView view;
  SurfShape& shape = view.shape_;
  shape = base::load<SurfShape>(bytes.data() + FilterHeader::kBytes);
  // No part has more bits than all of them: so no product below wraps round.
  const uint64_t most = bytes.size() * 8;
  for (const uint64_t count : {shape.nodes, shape.dense_nodes, shape.dense_children,
                               shape.dense_leaves, shape.sparse_labels, shape.leaves}) {
    if (count > most) return damaged_filter(kSize);
  }
  if (shape.dense_nodes > shape.nodes || shape.dense_leaves > shape.leaves || header.own[0] != 0) {
    return damaged_filter("its counts contradict each other");
  }
  const auto kind = static_cast<SurfSuffix>(shape.suffix);
  const bool has_suffix = kind == SurfSuffix::hash || kind == SurfSuffix::real;
  if ((kind != SurfSuffix::none && !has_suffix) ||
      (has_suffix ? shape.suffix_bits < 1 || shape.suffix_bits > kSurfSuffixBitsMax
                  : shape.suffix_bits != 0) ||
      shape.has_ends > 1) {
    return damaged_filter("its suffixes are of no known kind");
  }
  const uint64_t sparse_nodes = std::min(shape.nodes - shape.dense_nodes, shape.sparse_labels);
  const uint64_t dense_bits = shape.dense_nodes * kFanout;
  const uint64_t label_bytes = base::align_up(shape.sparse_labels, 8);
  const uint64_t suffix_bytes = has_suffix ? (shape.leaves * shape.suffix_bits + 63) / 64 * 8 + 8
                                           : 0;
  const uint64_t size = FilterHeader::kBytes + sizeof(SurfShape) +
                        2 * BitVector::bytes_for(dense_bits, false, 0) +
                        BitVector::bytes_for(shape.sparse_labels, false, 0) +
                        BitVector::bytes_for(shape.sparse_labels, true, sparse_nodes) +
                        (shape.has_ends != 0 ? BitVector::bytes_for(shape.nodes, false, 0) : 0) +
                        label_bytes + suffix_bytes;
  if (size != bytes.size()) return damaged_filter(kSize);
  const char* at = bytes.data() + FilterHeader::kBytes + sizeof(SurfShape);
  const auto take_bits = [&at](uint64_t bits, bool selects, uint64_t ones) {
    BitVector taken(at, bits, selects, ones);
    at += BitVector::bytes_for(bits, selects, ones);
    return taken;
  };
  view.dense_labels_ = take_bits(dense_bits, false, 0);
  view.dense_has_child_ = take_bits(dense_bits, false, 0);
  view.sparse_has_child_ = take_bits(shape.sparse_labels, false, 0);
  view.sparse_first_ = take_bits(shape.sparse_labels, true, sparse_nodes);
  view.sparse_first_.keep_places();
  if (shape.has_ends != 0) view.ends_ = take_bits(shape.nodes, false, 0);
  view.sparse_label_ = reinterpret_cast<const unsigned char*>(at);
  if (has_suffix) view.suffixes_ = at + label_bytes;
  return view;
}

// --- The trie ----------------------------------------------------------------------------------------

SurfView::Node SurfView::node(uint64_t number) const noexcept {
  if (number < shape_.dense_nodes) {
    return {number, number * kFanout, number * kFanout + kFanout};
  }
  const uint64_t begin = sparse_first_.select(number - shape_.dense_nodes);
  if (begin >= shape_.sparse_labels) return {number, 0, 0};
  const uint64_t most = std::min(begin + kFanout, shape_.sparse_labels);
  return {number, begin, std::min(sparse_first_.next_one(begin + 1, most), most)};
}

bool SurfView::ends_at(const Node& node) const noexcept { return ends_.get(node.number); }

/// Most nodes have so few labels that a call costs more than a look at each.
uint64_t SurfView::find_label(const Node& node, unsigned char label) const noexcept {
  constexpr uint64_t kFew = 8;
  if (node.end - node.begin <= kFew) {
    uint64_t at = node.begin;
    while (at != node.end && sparse_label_[at] != label) ++at;
    return at;
  }
  const void* const found = std::memchr(sparse_label_ + node.begin, label, node.end - node.begin);
  if (found == nullptr) return node.end;
  return static_cast<uint64_t>(static_cast<const unsigned char*>(found) - sparse_label_);
}

SurfView::Step SurfView::step(const Node& node, unsigned char label) const noexcept {
  constexpr Step kNothing{Found::nothing, 0};
  if (is_dense(node)) {
    const uint64_t at = node.begin + label;
    if (!dense_labels_.get(at)) return kNothing;
    const uint64_t children = dense_has_child_.rank(at);
    if (dense_has_child_.get(at)) return {Found::child, children + 1};
    return {Found::leaf, suffixes_ == nullptr ? 0 : dense_labels_.rank(at) - children};
  }
  const uint64_t at = find_label(node, label);
  if (at == node.end) return kNothing;
  const bool is_leaf = !sparse_has_child_.get(at);
  if (is_leaf && suffixes_ == nullptr) return {Found::leaf, 0};
  const uint64_t children = sparse_has_child_.rank(at);
  if (is_leaf) return {Found::leaf, shape_.dense_leaves + at - children};
  return {Found::child, shape_.dense_children + children + 1};
}

int SurfView::next_label(const Node& node, int above) const noexcept {
  if (is_dense(node)) {
    const uint64_t at = node.begin + static_cast<uint64_t>(above + 1);
    const uint64_t found = dense_labels_.next_one(at, node.end);
    return static_cast<int>(found < node.end ? found - node.begin : kFanout);
  }
  const unsigned char* const begin = sparse_label_ + node.begin;
  const unsigned char* const end = sparse_label_ + node.end;
  const unsigned char* found = begin;
  if (above >= 0) found = std::upper_bound(begin, end, static_cast<unsigned char>(above));
  return found == end ? static_cast<int>(kFanout) : int{*found};
}

// --- Leaves: what the bits that are kept say of the key's rest against the question's -----------------

std::optional<uint64_t> SurfView::suffix(uint64_t leaf, SurfSuffix kind) const noexcept {
  if (shape_.suffix != static_cast<uint8_t>(kind) || leaf >= shape_.leaves) return std::nullopt;
  const uint64_t at = leaf * shape_.suffix_bits;
  const auto bits = base::load<uint64_t>(suffixes_ + at / 8) >> at % 8;
  return bits & ((uint64_t{1} << shape_.suffix_bits) - 1);
}

bool SurfView::leaf_may_equal(uint64_t leaf, Bytes rest, uint64_t hash) const noexcept {
  if (const auto bits = suffix(leaf, SurfSuffix::hash)) {
    return *bits == hash_suffix(hash, shape_.suffix_bits);
  }
  if (const auto bits = suffix(leaf, SurfSuffix::real)) {
    return *bits == real_suffix(rest, shape_.suffix_bits);
  }
  return true;
}

// Zero bytes may stand for the end of the key as well as for themselves. Where two padded rests differ, the one that is
// greater has a byte there, which is not zero: so it is greater, whatever comes behind. Where they agree nothing is known.
bool SurfView::leaf_is_less(uint64_t leaf, Bytes rest) const noexcept {
  const auto bits = suffix(leaf, SurfSuffix::real);
  return bits && *bits < real_suffix(rest, shape_.suffix_bits);
}

bool SurfView::leaf_is_at_least(uint64_t leaf, Bytes rest) const noexcept {
  if (rest.empty()) return true;
  const auto bits = suffix(leaf, SurfSuffix::real);
  if (!bits) return false;
  const uint64_t bound = real_suffix(rest, shape_.suffix_bits);
  if (*bits != bound) return *bits > bound;
  // The key has all of `rest` if that is within the bits, and its last byte is no zero that the key's end could be.
  return rest.size() * 8 <= shape_.suffix_bits && rest.back() != '\0';
}

// --- Questions ---------------------------------------------------------------------------------------

bool SurfView::may_contain(Bytes key, uint64_t hash) const noexcept {
  if (shape_.nodes == 0) return false;
  Node at = node(0);
  for (size_t i = 0; i < key.size(); ++i) {
    const Step next = step(at, static_cast<unsigned char>(key[i]));
    if (next.found == Found::nothing) return false;
    if (next.found == Found::leaf) return leaf_may_equal(next.next, key.substr(i + 1), hash);
    at = node(next.next);
  }
  return ends_at(at);
}

bool SurfView::may_contain_prefix(Bytes prefix) const noexcept {
  if (shape_.nodes == 0) return false;
  Node at = node(0);
  for (size_t i = 0; i < prefix.size(); ++i) {
    const Step next = step(at, static_cast<unsigned char>(prefix[i]));
    if (next.found == Found::nothing) return false;
    if (next.found == Found::leaf) {
      const auto bits = suffix(next.next, SurfSuffix::real);
      const Bytes rest = prefix.substr(i + 1);
      if (!bits || rest.empty()) return true;
      const auto compared = static_cast<uint32_t>(
          std::min<uint64_t>(shape_.suffix_bits, rest.size() * 8));
      return *bits >> (shape_.suffix_bits - compared) == real_suffix(rest, compared);
    }
    at = node(next.next);
  }
  return true;
}

// Of the keys below `at`, whose rest begins here.
bool SurfView::any_at_least(Node at, Bytes bound) const noexcept {
  for (; !bound.empty(); bound.remove_prefix(1)) {
    const unsigned char label = first_byte(bound);
    if (next_label(at, label) < static_cast<int>(kFanout)) return true;
    const Step next = step(at, label);
    if (next.found == Found::nothing) return false;
    if (next.found == Found::leaf) return !leaf_is_less(next.next, bound.substr(1));
    at = node(next.next);
  }
  return true;
}

bool SurfView::any_below(Node at, Bytes bound) const noexcept {
  for (; !bound.empty(); bound.remove_prefix(1)) {
    if (ends_at(at)) return true;
    const unsigned char label = first_byte(bound);
    if (next_label(at, -1) < int{label}) return true;
    const Step next = step(at, label);
    if (next.found == Found::nothing) return false;
    if (next.found == Found::leaf) return !leaf_is_at_least(next.next, bound.substr(1));
    at = node(next.next);
  }
  return false;
}

bool SurfView::may_contain_range(Bytes begin, std::optional<Bytes> end) const noexcept {
  if (shape_.nodes == 0) return false;
  Node at = node(0);
  if (!end) return any_at_least(at, begin);
  if (*end <= begin) return false;
  Bytes upper = *end;
  while (!begin.empty() && begin.front() == upper.front()) {
    const Step next = step(at, first_byte(begin));
    begin.remove_prefix(1);
    upper.remove_prefix(1);
    if (next.found == Found::nothing) return false;
    if (next.found == Found::leaf) {
      return !leaf_is_less(next.next, begin) && !leaf_is_at_least(next.next, upper);
    }
    at = node(next.next);
  }
  // The bounds part here, or `begin` ends; `upper` does not.
  const int high = first_byte(upper);
  int low = -1;
  if (begin.empty()) {
    if (ends_at(at)) return true;
  } else {
    low = first_byte(begin);
  }
  if (next_label(at, low) < high) return true;
  if (low >= 0) {
    const Step next = step(at, static_cast<unsigned char>(low));
    if (next.found == Found::leaf && !leaf_is_less(next.next, begin.substr(1))) return true;
    if (next.found == Found::child && any_at_least(node(next.next), begin.substr(1))) return true;
  }
  const Step next = step(at, static_cast<unsigned char>(high));
  if (next.found == Found::leaf) return !leaf_is_at_least(next.next, upper.substr(1));
  return next.found == Found::child && any_below(node(next.next), upper.substr(1));
}

/// What is known of the rest of the leaf's key: as many bytes as make no rest smaller that it could be.
void SurfView::append_suffix(uint64_t leaf, std::string& bound) const {
  const auto bits = suffix(leaf, SurfSuffix::real);
  if (!bits) return;
  // Zero bits behind the last one that is set may be those of no byte.
  for (uint64_t rest = *bits << (64 - shape_.suffix_bits); rest != 0; rest <<= 8)
    bound.push_back(static_cast<char>(rest >> 56));
}

/// `bound` leads to where the step came from, label included.
void SurfView::append_smallest(Step step, std::string& bound) const {
  for (uint64_t steps = 0; step.found == Found::child && steps < kSmallestSteps; ++steps) {
    const Node at = node(step.next);
    if (ends_at(at)) return;
    const int label = next_label(at, -1);
    if (label == static_cast<int>(kFanout)) return;  // No trie has such a node.
    bound.push_back(static_cast<char>(label));
    step = this->step(at, static_cast<unsigned char>(label));
  }
  if (step.found == Found::leaf) append_suffix(step.next, bound);
}

bool SurfView::first_at_least(Bytes key, std::string& bound) const {
  bound.clear();
  if (shape_.nodes == 0) return false;
  // The lowest node on the way that has a label above the key's.
  Node branch{};
  size_t branch_depth = 0;
  int branch_label = -1;
  Step at{Found::child, 0};
  size_t depth = 0;
  for (; at.found == Found::child && depth < key.size(); ++depth) {
    const Node here = node(at.next);
    const auto label = static_cast<unsigned char>(key[depth]);
    if (const int above = next_label(here, label); above < static_cast<int>(kFanout)) {
      branch = here;
      branch_depth = depth;
      branch_label = above;
    }
    at = step(here, label);
  }
  const bool goes_on = at.found == Found::child ||
                       (at.found == Found::leaf && !leaf_is_less(at.next, key.substr(depth)));
  if (goes_on) {
    bound.assign(key.substr(0, depth));
    append_smallest(at, bound);
    if (Bytes(bound) < key) bound.assign(key);
    return true;
  }
  if (branch_label < 0) return false;
  bound.assign(key.substr(0, branch_depth));
  bound.push_back(static_cast<char>(branch_label));
  append_smallest(step(branch, static_cast<unsigned char>(branch_label)), bound);
  return true;
}

}  // namespace aether::lsm
