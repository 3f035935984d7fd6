/// Builds a SuRF level by level from ascending keys, of which it keeps one.
///
/// A key is cut once the next one is known: behind the longer of the beginnings that it shares with its neighbours. What
/// it adds to the trie begins where it parts from the one before: a label on each level from there on.
///
/// Threads   One.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lsm/filter/bit_vector.h"
#include "lsm/filter/filter.h"

namespace aether::lsm {

class SurfBuilder final : public FilterBuilder {
 public:
  explicit SurfBuilder(const FilterOptions& options);
  void add(Bytes key, uint64_t hash) override;
  std::string finish() override;

 private:
  struct Level {
    std::string labels;
    BitList has_child;
    BitList first;  ///< Of each label: it is its node's first.
    BitList ends;   ///< Of each node: a key ends there.
    BitList suffixes;
    bool waits = false;  ///< The last node has no label yet.

    uint64_t nodes() const noexcept { return ends.size(); }
    uint64_t leaves() const noexcept { return labels.size() - has_child.ones(); }
  };

  void insert(Bytes key, uint64_t hash, size_t shared_with_next);
  void give_up() noexcept;
  size_t dense_levels() const noexcept;
  void write_dense(size_t levels, std::string& out) const;
  void write_sparse(size_t from, std::string& out) const;

  const FilterOptions options_;
  std::vector<Level> levels_;
  std::string last_;  ///< The newest key, which is not in the trie yet.
  uint64_t last_hash_ = 0;
  size_t shared_before_ = 0;  ///< Bytes that it shares with the one before.
  uint64_t keys_ = 0;
  uint64_t bits_ = 0;  ///< Of the trie, as sparse levels.
  bool gave_up_ = false;
};

}  // namespace aether::lsm
