/// SuRF: a trie of the beginnings that tell the keys of a run apart, for points, prefixes and ranges.
///
///   keys   far fast s toy top trie     trie, * an end of its own       f: (a) (s*)   s   t: (o) (r)
///   far, fast                          f-a-r, f-a-s  leaves            cut at the byte that makes a key unique
///
/// Levels from the root on are LOUDS-Dense (two bitmaps of 256 bits a node) as long as that takes at most 1/64 more room
/// than LOUDS-Sparse (labels, "has a child", "first of its node": 10 bits a label). That a key ends at an inner node is a
/// bit of the node's, beside the labels and not among them, in both. A leaf may keep bits of the key's hash, for
/// points, or the next bits of the key, for ranges too; compared with a question they say less, greater, or unknown.
///
/// A range needs no iterator: its bounds agree in a beginning, and part in one node. Between their labels any label is an
/// answer; below the two labels one asks for any key at least, and any below.
///
/// Where the next key could be at the earliest is told for a cursor: down along the question as far as the trie goes, to the next
/// label of the lowest node that has one, and from there along the smallest labels.
///
/// Threads     A builder is one thread's, a view anybody's.
/// Invariants  A question's steps are at most its bytes, even where the bits make no trie; first_at_least's 256 more.
/// Source      Zhang et al.: "SuRF: Practical Range Query Filtering with Fast Succinct Tries", SIGMOD 2018. We differ: no
///             terminator byte, three-valued suffixes (its code answers "empty" for ranges that are not), no iterators.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "aether/error.h"
#include "aether/options.h"
#include "lsm/filter/bit_vector.h"

namespace aether::lsm {

struct FilterHeader;

enum class SurfSuffix : uint8_t { none = 0, hash = 1, real = 2 };
inline constexpr uint32_t kSurfSuffixBitsMax = 56;

/// The first `bits` of `rest`, as if zero bytes followed it. 1 to 56.
uint64_t real_suffix(Bytes rest, uint32_t bits) noexcept;
inline uint64_t hash_suffix(uint64_t hash, uint32_t bits) noexcept { return hash >> (64 - bits); }

/// What a view needs to find its parts; at the end of the header and behind it.
struct SurfShape {
  uint64_t nodes;
  uint64_t dense_nodes;
  uint64_t dense_children;  ///< Nodes whose parent is dense.
  uint64_t dense_leaves;
  uint64_t sparse_labels;
  uint64_t leaves;
  uint8_t suffix;
  uint8_t suffix_bits;
  uint8_t has_ends;  ///< Some key ends at a node: then there are bits that say so.
  uint8_t reserved[5];
};
static_assert(sizeof(SurfShape) == 56);

class SurfView {
 public:
  static Result<SurfView> open(const FilterHeader& header, std::string_view bytes);

  bool may_contain(Bytes key, uint64_t hash) const noexcept;
  bool may_contain_prefix(Bytes prefix) const noexcept;
  bool may_contain_range(Bytes begin, std::optional<Bytes> end) const noexcept;
  /// As FilterView's.
  bool first_at_least(Bytes key, std::string& bound) const;

 private:
  /// Where a node's labels are: of a dense one 256 positions.
  struct Node {
    uint64_t number;
    uint64_t begin;
    uint64_t end;
  };
  enum class Found : uint8_t { nothing, leaf, child };
  struct Step {
    Found found;
    uint64_t next;  ///< A leaf's or a child's number.
  };

  bool is_dense(const Node& node) const noexcept { return node.number < shape_.dense_nodes; }
  Node node(uint64_t number) const noexcept;
  bool ends_at(const Node& node) const noexcept;
  Step step(const Node& node, unsigned char label) const noexcept;
  /// Of a sparse node; its end if it has no such label.
  uint64_t find_label(const Node& node, unsigned char label) const noexcept;
  /// The smallest label above `above` (-1: of all); 256 if there is none.
  int next_label(const Node& node, int above) const noexcept;

  bool any_at_least(Node node, Bytes bound) const noexcept;
  bool any_below(Node node, Bytes bound) const noexcept;
  void append_smallest(Step step, std::string& bound) const;
  void append_suffix(uint64_t leaf, std::string& bound) const;
  bool leaf_may_equal(uint64_t leaf, Bytes rest, uint64_t hash) const noexcept;
  bool leaf_is_less(uint64_t leaf, Bytes rest) const noexcept;
  bool leaf_is_at_least(uint64_t leaf, Bytes rest) const noexcept;
  std::optional<uint64_t> suffix(uint64_t leaf, SurfSuffix kind) const noexcept;

  SurfShape shape_{};
  BitVector dense_labels_;
  BitVector dense_has_child_;
  BitVector sparse_has_child_;
  BitVector sparse_first_;
  BitVector ends_;
  const unsigned char* sparse_label_ = nullptr;
  const char* suffixes_ = nullptr;
};

}  // namespace aether::lsm
