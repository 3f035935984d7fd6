/// What an index needs from the rooms below it.
#pragma once

#include "buffer/block_cache.h"
#include "buffer/buffer_pool.h"
#include "buffer/page_writer.h"
#include "buffer/space_manager.h"
#include "txn/transaction_table.h"
#include "txn/version_store.h"
#include "wal/log.h"

namespace aether::index {

struct Services {
  buffer::BufferPool& pool;
  wal::Log& log;
  buffer::SpaceManager& space;
  buffer::PageWriter& writer;
  txn::TransactionTable& transactions;
  txn::VersionStore& versions;
  buffer::BlockCache& blocks;
};

/// A frame and a page id for a page that is going to be made; given back if nobody uses them. Taken before any
/// latch, because finding a frame may evict, write and wait for the log.
class NewPage {
 public:
  static Result<NewPage> take(Services& services, const buffer::LogContext& context);
  NewPage(NewPage&& other) noexcept;
  NewPage& operator=(NewPage&&) = delete;
  ~NewPage();

  /// Latches the frame, until `keep` or the end: right before the page is formatted, after all other latches.
  buffer::Frame& latch() noexcept;
  buffer::Frame& frame() const noexcept { return *frame_; }
  PageId id() const noexcept { return range_.first; }
  const buffer::PageRange& range() const noexcept { return range_; }
  /// The page is logged and linked: the frame is adopted by `parent`, unlatched, and no longer ours.
  void keep(buffer::Frame* parent) noexcept;

 private:
  NewPage(Services& services, buffer::PageRange range, buffer::Frame* frame) noexcept
      : services_(&services), range_(range), frame_(frame) {}
  Services* services_;
  buffer::PageRange range_;
  buffer::Frame* frame_;
  bool latched_ = false;
};

}  // namespace aether::index
