/// Where the data blocks of a run lie, and which of them may have a key: the index of a run as readers keep it.
///
/// Of each block's separator the 8 bytes behind what all have in common are kept, as numbers in one array: a look-up is a binary search
/// over it, without a branch that could be guessed wrong. Where those bytes do not decide, the index blocks themselves are asked. 24 bytes for each
/// block, whatever the keys are.
///
/// Threads   A builder is one thread's, a directory anybody's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aether/options.h"
#include "lsm/run_format.h"

namespace aether::lsm {

class BlockDirectory {
 public:
  uint64_t blocks() const noexcept { return places_.size(); }
  const BlockPlace& place(uint64_t block) const noexcept { return places_[block]; }

  /// The block in which the newest entry of `key` is, if it is anywhere. Nothing: the index has to be asked.
  std::optional<uint64_t> find(Bytes key) const noexcept;
  /// The block that begins at `offset`, if one does.
  std::optional<uint64_t> at_offset(uint64_t offset) const noexcept;

 private:
  friend class BlockDirectoryBuilder;
  std::string common_;           ///< What all separators but the first begin with.
  std::vector<uint64_t> heads_;  ///< What follows it, of block 1 and those behind.
  std::vector<BlockPlace> places_;
};

class BlockDirectoryBuilder {
 public:
  /// In the order of the run. False: it is not. May throw std::bad_alloc, and so may `take`.
  bool add(Bytes separator, const BlockPlace& place);
  BlockDirectory take();

 private:
  Bytes separator(size_t block) const noexcept;
  std::string separators_;      ///< One after another.
  std::vector<uint64_t> ends_;  ///< Of each.
  std::vector<BlockPlace> places_;
};

}  // namespace aether::lsm
