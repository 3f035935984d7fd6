/// A run's bytes as they come from the disk: checked pages, checked blocks, decompressed, in the cache.
///
/// Threads   Any, once it is open.
/// Errors    io_error; corruption (names store, run, offset and page).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aether/error.h"
#include "aether/function_ref.h"
#include "buffer/block_cache.h"
#include "index/btree/services.h"
#include "lsm/block_directory.h"
#include "lsm/run.h"
#include "lsm/run_block.h"
#include "lsm/run_format.h"
#include "os/sync.h"

namespace aether::lsm {

class RunFile {
 public:
  RunFile(index::Services& services, const RunReference& reference) noexcept
      : services_(services), reference_(reference), owner_(services.blocks.new_owner()) {}
  /// Reads what stays in memory.
  Result<void> open();

  const RunReference& reference() const noexcept { return reference_; }
  const RunFooter& footer() const noexcept { return footer_; }
  const buffer::BlockHandle& root() const noexcept { return root_; }
  const std::vector<RangeTombstone>& range_tombstones() const noexcept { return range_tombstones_; }

  /// Of the data blocks; there are some. The first call reads the index. Errors: also of that.
  Result<const BlockDirectory*> directory() const {
    const BlockDirectory* const there = directory_.load(std::memory_order_acquire);
    return there != nullptr ? Result<const BlockDirectory*>(there) : read_directory();
  }
  /// Which of them has the first entry at (key, writer) or behind it, or the last one before.
  Result<uint64_t> find_block(const BlockDirectory& directory, Bytes key, TxnId writer) const {
    const std::optional<uint64_t> found = directory.find(key);
    return found ? Result<uint64_t>(*found) : find_in_index(directory, key, writer);
  }

  /// A block of data, with its head (run_block.h), or of the index; by way of the cache.
  Result<buffer::BlockHandle> block(const BlockPlace& place, BlockKind kind) const;
  /// The same without it. `bytes`: of the run, from `place` on, if somebody has them.
  Result<buffer::BlockHandle> read_block(const BlockPlace& place, BlockKind kind) const;
  Result<buffer::BlockHandle> unpack(const BlockPlace& place, BlockKind kind,
                                     std::string_view bytes) const;
  buffer::BlockHandle cached(const BlockPlace& place) const noexcept {
    return services_.blocks.find({owner_, place.offset});
  }
  /// `cached` soon.
  void prefetch(const BlockPlace& place) const noexcept {
    services_.blocks.prefetch({owner_, place.offset});
  }
  void keep(const BlockPlace& place, const buffer::BlockHandle& block) const {
    services_.blocks.insert({owner_, place.offset}, block);
  }
  /// The run's bytes from `offset` on; they lie within it.
  Result<void> read_bytes(uint64_t offset, uint64_t bytes, char* to) const;
  /// Every page, in order, and the chain that they make.
  Result<void> check_pages(FunctionRef<Result<void>(PageId)> visit) const;

  Error damaged(uint64_t offset, std::string_view what) const;

 private:
  Result<void> read_footer();
  Result<void> check_footer() const;
  Result<void> read_range_tombstones();
  Result<const BlockDirectory*> read_directory() const;
  Result<void> gather_blocks(uint32_t level, const BlockPlace& place, std::string_view bytes,
                             BlockDirectoryBuilder& builder) const;
  Result<uint64_t> find_in_index(const BlockDirectory& directory, Bytes key, TxnId writer) const;
  /// Reads and checks pages of one extent, and appends their payloads from `skip` on, `bytes` of them.
  Result<void> read_extent(const buffer::PageRange& extent, uint32_t first, uint64_t skip,
                           uint64_t bytes, char* to) const;
  bool is_within(const BlockPlace& place) const noexcept;
  std::string name() const;

  index::Services& services_;
  const RunReference reference_;
  const uint64_t owner_;
  RunFooter footer_;
  uint64_t extent_bytes_ = 0;  ///< Of the run, in every extent but the last.
  std::unique_ptr<Dictionary> dictionary_;
  buffer::BlockHandle root_;
  std::vector<RangeTombstone> range_tombstones_;
  mutable std::atomic<const BlockDirectory*> directory_{nullptr};
  mutable os::Mutex directory_mutex_;
  mutable std::unique_ptr<const BlockDirectory> owned_directory_
      AETHER_GUARDED_BY(directory_mutex_);
};

}  // namespace aether::lsm
