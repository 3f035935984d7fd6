/// How a run lies in its pages: docs/formats/run.md is the format.
///
/// Threads   Pure functions and values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "aether/error.h"
#include "base/ids.h"
#include "buffer/space_manager.h"
#include "lsm/run_codec.h"
#include "lsm/run_summary.h"

namespace aether::lsm {

inline constexpr uint32_t kRunFormatVersion = 1;

enum class BlockKind : uint8_t {
  data = 1,
  index = 2,
  dictionary = 3,
  range_tombstones = 4,
  section = 5,
  footer = 6,
};

/// Before the bytes of every block.
struct BlockHeader {
  uint64_t
      checksum = 0;  ///< Of the rest of the header and the stored bytes; its seed is block_seed.
  uint32_t stored_bytes = 0;
  uint32_t raw_bytes = 0;  ///< Once they are decompressed.
  BlockCodec codec = BlockCodec::none;
  BlockKind kind = BlockKind::data;
  uint16_t reserved = 0;
  uint32_t reserved_too = 0;
};
static_assert(sizeof(BlockHeader) == 24);

/// No block of another run, or of another place in this one, is taken for the one that should be there.
uint64_t block_seed(uint64_t run_id, uint64_t offset) noexcept;
/// `stored` with its header before it.
std::string frame_block(uint64_t run_id, uint64_t offset, BlockKind kind, BlockCodec codec,
                        uint32_t raw_bytes, std::string_view stored);

/// A block whose header and checksum are right. Borrows the bytes.
struct BlockFrame {
  BlockHeader header;
  std::string_view stored;
};
/// What is wrong with it is in `wrong`, if the answer is false.
bool open_frame(uint64_t run_id, uint64_t offset, BlockKind kind, std::string_view bytes,
                BlockFrame& frame, const char*& wrong) noexcept;

/// Where a block lies: offset in the run, and bytes with its header. 0 bytes: there is none.
struct BlockPlace {
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

struct SectionPlace {
  uint32_t type = 0;
  BlockPlace place;
};

/// The value of an entry of the index.
void append_place(std::string& to, const BlockPlace& place);
bool read_place(std::string_view from, BlockPlace& place) noexcept;

struct RunFooter {
  uint64_t run_id = 0;
  StoreId store = 0;
  uint32_t page_bytes = 0;
  uint32_t index_levels = 0;   ///< 0: there is no data block.
  uint64_t largest_block = 0;  ///< No block's raw bytes are more.
  BlockPlace root;             ///< Of the index.
  BlockPlace dictionary;
  BlockPlace range_tombstones;
  RunSummary summary;
  std::vector<SectionPlace> sections;
  /// In order; all but the last have the same number of pages.
  std::vector<buffer::PageRange> extents;

  std::string encode() const;
  /// Errors: corruption (what is wrong, without the place), unsupported (a newer format).
  static Result<RunFooter> decode(std::string_view bytes);
};

}  // namespace aether::lsm
