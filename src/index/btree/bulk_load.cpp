// Bulk load: a sorted run becomes packed pages, written to free places without a log record each. One record at the
// end allocates them all and makes the root lead to them: before it, nothing has happened. It is the commit of the load's
// transaction, too: that the id stands in the log keeps it from being given out again after a crash.
//
// A page carries the GSN that the map of its group has when it is taken: no less than any change of its former lives, and
// less than any of its later ones, whose allocation changes the map. So redo can tell them apart, also where the load
// came to nothing and its pages are free with its bytes on them.
#include <algorithm>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/no_memory.h"
#include "base/planted.h"
#include "index/btree/btree.h"
#include "index/btree/extents.h"
#include "index/btree/overflow.h"
#include "index/btree/scratch_page.h"
#include "page/overflow_page.h"

namespace aether::index {

using buffer::ExclusiveGuard;
using buffer::PageRange;
using page::SlottedPage;

namespace {

/// Pages that are taken, filled and written together.
constexpr uint32_t kExtentPages = 64;

/// Fresh pages in order, written in extents.
class PageStream {
 public:
  PageStream(Services& services, StoreId store, uint32_t stream)
      : services_(services),
        store_(store),
        log_stream_(stream),
        buffer_(uint64_t{kExtentPages} * services.pool.page_bytes()) {}
  /// Gives back what no record mentions.
  ~PageStream() {
    for (const PageRange& range : ranges_) services_.space.unreserve(range);
  }
  PageStream(const PageStream&) = delete;
  PageStream& operator=(const PageStream&) = delete;

  /// Memory for the next page; its id is `id`.
  Result<std::byte*> next(PageId& id) {
    if (used_ == extent_.count) {
      AETHER_TRY(write_extent());
      extent_index_ = ranges_.size();  // Values take ranges, too.
      AETHER_TRY_ASSIGN(extent_, take(kExtentPages));
      AETHER_TRY_ASSIGN(extent_gsn_, services_.space.raise_gsn(extent_.first, log_stream_));
      used_ = 0;
    }
    id = PageId{raw(extent_.first) + used_};
    return buffer_.data() + uint64_t{used_++} * services_.pool.page_bytes();
  }

  Result<page::OverflowReference> write_value(Bytes value) {
    const uint32_t page_bytes = services_.pool.page_bytes();
    const uint64_t per_page = page::overflow_payload_bytes(page_bytes);
    const auto extent_max = static_cast<uint32_t>(MiB / page_bytes);
    page::OverflowReference whole{static_cast<uint32_t>(value.size()), 0, 0};
    page::ValueChecksum checksum;
    std::vector<PageRange> extents;
    for (uint64_t pages = std::max<uint64_t>(1, (value.size() + per_page - 1) / per_page);
         pages > 0;) {
      AETHER_TRY_ASSIGN(const PageRange extent,
                        take(static_cast<uint32_t>(std::min<uint64_t>(pages, extent_max))));
      extents.push_back(extent);
      pages -= extent.count;
    }
    buffer::AlignedBuffer memory(uint64_t{extents.front().count} * page_bytes);
    for (size_t i = 0; i < extents.size(); ++i) {
      const PageId following = i + 1 < extents.size() ? extents[i + 1].first : kNoPage;
      AETHER_TRY_ASSIGN(const Gsn gsn, services_.space.raise_gsn(extents[i].first, log_stream_));
      const std::span<std::byte> pages(memory.data(), uint64_t{extents[i].count} * page_bytes);
      value.remove_prefix(page::fill_extent(pages, page_bytes,
                                            services_.pool.data().environment_id(),
                                            extents[i].first, store_, gsn, following, value));
      checksum.add(pages, page_bytes);
      AETHER_TRY(services_.writer.write_unreferenced(log_stream_, extents[i].first, memory.data(),
                                                     extents[i].count));
    }
    forget_value(services_, extents.front().first);
    whole.checksum = checksum.value();
    whole.first_page = raw(extents.front().first);
    return whole;
  }

  /// Writes what is left and syncs the data file. Unused pages of the last extent go back.
  Result<void> finish() {
    const PageRange unused{PageId{raw(extent_.first) + used_}, extent_.count - used_};
    if (unused.count > 0) {
      services_.space.unreserve(unused);
      ranges_[extent_index_].count -= unused.count;
    }
    AETHER_TRY(write_extent());
    std::erase_if(ranges_, [](const PageRange& range) { return range.count == 0; });
    return AETHER_PLANTED("bulk_load.skip_sync") ? Result<void>() : services_.writer.sync();
  }

  /// All pages that were taken, neighbours joined.
  std::vector<PageRange> ranges() const {
    return join_ranges(ranges_, services_.pool.page_bytes());
  }
  /// A record mentions them now.
  void keep() noexcept { ranges_.clear(); }

 private:
  Result<PageRange> take(uint32_t count) {
    base::make_room(ranges_);
    AETHER_TRY_ASSIGN(const PageRange range, services_.space.reserve(count, {}));
    ranges_.push_back(range);
    return range;
  }

  Result<void> write_extent() {
    if (used_ == 0) return {};
    const uint32_t page_bytes = services_.pool.page_bytes();
    for (uint32_t i = 0; i < used_; ++i) {
      std::byte* page = buffer_.data() + uint64_t{i} * page_bytes;
      reinterpret_cast<page::PageHeader*>(page)->gsn = extent_gsn_;
      page::seal(page, page_bytes, services_.pool.data().environment_id());
    }
    return services_.writer.write_unreferenced(log_stream_, extent_.first, buffer_.data(), used_);
  }

  Services& services_;
  const StoreId store_;
  const uint32_t log_stream_;
  buffer::AlignedBuffer buffer_;
  std::vector<PageRange> ranges_;
  PageRange extent_;
  Gsn extent_gsn_ = 0;
  size_t extent_index_ = 0;  ///< Of it in `ranges_`.
  uint32_t used_ = 0;
};

/// One level of the tree while it is built: the node that is being filled.
struct Level {
  struct Row {
    std::string key;
    std::string payload;
  };
  bool has_lower = false;
  std::string lower;
  uint64_t leftmost = 0;  ///< Inner levels.
  std::vector<Row> rows;
  uint64_t bytes = 0;  ///< Of the rows with their slots, without prefix truncation.
};

class TreeBuilder {
 public:
  TreeBuilder(Services& services, StoreId store, TxnId txn, uint32_t stream)
      : store_(store),
        txn_(txn),
        page_bytes_(services.pool.page_bytes()),
        stream_(services, store, stream),
        levels_(1) {}

  Result<void> add(Bytes key, std::string payload) {
    const bool first = levels_[0].rows.empty();
    std::string separator = first ? std::string(key)
                                  : page::shortest_separator(levels_[0].rows.back().key, key);
    return add_row(0, std::move(separator), std::string(key), std::move(payload));
  }
  PageStream& stream() noexcept { return stream_; }

  /// The content of the root: the top level's only node.
  Result<void> finish(SlottedPage root, PageId root_id) {
    for (uint32_t level = 0; level + 1 < levels_.size(); ++level)
      AETHER_TRY(close_node(level, nullptr));
    AETHER_TRY(stream_.finish());
    fill(root, root_id, static_cast<uint32_t>(levels_.size() - 1), nullptr);
    return {};
  }

 private:
  /// For rows and the upper fence.
  uint64_t capacity(uint32_t level) const noexcept {
    return page_bytes_ - sizeof(page::NodeHeader) - levels_[level].lower.size() - 16;
  }
  static uint64_t cost(uint32_t level, size_t key_bytes, size_t payload_bytes) noexcept {
    const uint64_t record = key_bytes + payload_bytes;
    return sizeof(page::Slot) + (level == 0 ? record : base::align_up(record, 8));
  }

  /// `separator` parts the row from what is there already.
  Result<void> add_row(uint32_t level, std::string separator, std::string key,
                       std::string payload) {
    const uint64_t row_cost = cost(level, key.size(), payload.size());
    // A leaf's upper fence is at most a byte longer than its last key; an inner node's is guessed alike, and made
    // to fit in close_before.
    const bool fits = levels_[level].bytes + row_cost + key.size() + 1 <= capacity(level);
    if (!fits && !levels_[level].rows.empty()) {
      if (level > 0 && levels_[level].bytes + separator.size() > capacity(level)) {
        Level::Row last = std::move(levels_[level].rows.back());
        levels_[level].rows.pop_back();
        AETHER_TRY(close_before(level, std::move(last.key), last.payload));
      } else {
        AETHER_TRY(close_before(level, std::move(separator), payload));
        if (level > 0) return {};  // The separator has moved up; its child is the new node's first.
      }
    }
    levels_[level].bytes += row_cost;
    levels_[level].rows.push_back({std::move(key), std::move(payload)});
    return {};
  }

  /// Closes the node of `level` at `separator` and begins the next one; in inner levels with that separator's child.
  Result<void> close_before(uint32_t level, std::string separator, const std::string& payload) {
    AETHER_TRY(close_node(level, &separator));
    Level& fresh = levels_[level];
    fresh.has_lower = true;
    fresh.lower = std::move(separator);
    if (level > 0) fresh.leftmost = base::load<uint64_t>(payload.data());
    return {};
  }

  /// Writes the node of `level` and tells the level above. `upper`: its fence; null for the last one.
  Result<void> close_node(uint32_t level, const std::string* upper) {
    PageId id = kNoPage;
    AETHER_TRY_ASSIGN(std::byte* const memory, stream_.next(id));
    fill(SlottedPage(memory, page_bytes_), id, level, upper);
    const std::string lower = levels_[level].lower;
    const bool is_first = !levels_[level].has_lower;
    levels_[level] = Level();
    if (level + 1 == levels_.size()) levels_.emplace_back();
    if (is_first) {
      levels_[level + 1].leftmost = raw(id);
      return {};
    }
    const uint64_t child = raw(id);
    return add_row(level + 1, lower, lower,
                   std::string(reinterpret_cast<const char*>(&child), sizeof child));
  }

  void fill(SlottedPage node, PageId id, uint32_t level, const std::string* upper) noexcept {
    const Level& from = levels_[level];
    node.format(id, store_, static_cast<uint8_t>(level),
                from.has_lower ? page::Fence(from.lower) : std::nullopt,
                upper != nullptr ? page::Fence(*upper) : std::nullopt);
    node.header().leftmost = from.leftmost;
    node.header().page.newest_txn = level == 0 ? txn_ : 0;
    for (uint32_t i = 0; i < from.rows.size(); ++i) {
      const Level::Row& row = from.rows[i];
      AETHER_ASSERT(node.fits(static_cast<uint32_t>(row.key.size()),
                              static_cast<uint32_t>(row.payload.size())));
      node.insert(i, row.key, row.payload);
    }
  }

  const StoreId store_;
  const TxnId txn_;
  const uint32_t page_bytes_;
  PageStream stream_;
  std::vector<Level> levels_;
};

}  // namespace

/// Under the root's exclusive latch.
Result<void> BTree::check_loadable() {
  const SlottedPage root = services_.pool.node(root_);
  if (!root.is_leaf() || root.count() != 0)
    return Error(Code::exists, "bulk load: the store is not empty");
  // A lock of a range holds for rows that are not there yet.
  if (has_lockers())
    return Error(Code::busy, "bulk load: transactions have locks in the store: retry later");
  return {};
}

Result<uint64_t> BTree::bulk_load(buffer::LogContext& context,
                                  FunctionRef<Result<bool>(Bytes& key, Bytes& value)> next) {
  {
    const ExclusiveGuard root = ExclusiveGuard::lock(
        root_);  // Before the work is done for nothing.
    AETHER_TRY(check_loadable());
  }
  TreeBuilder builder(services_, store_, context.txn, context.stream);
  std::string last_key;
  uint64_t rows = 0;
  for (Bytes key, value;; ++rows) {
    AETHER_TRY_ASSIGN(const bool more, next(key, value));
    if (!more) break;
    AETHER_TRY(check_arguments(WriteMode::insert, key, value));
    if (rows > 0 && key <= Bytes(last_key)) {
      return Error(Code::invalid_argument,
                   "bulk load: key " + std::to_string(rows) +
                       " (from 0) is not above the one before it: sort the input");
    }
    uint8_t flags = 0;
    page::OverflowReference reference;
    if (value.size() > inline_value_max(services_.pool.page_bytes(), key.size())) {
      AETHER_TRY_ASSIGN(reference, builder.stream().write_value(value));
      value = Bytes(reinterpret_cast<const char*>(&reference), sizeof reference);
      flags = page::RecordMeta::kOverflow;
    }
    const uint64_t meta = page::RecordMeta(context.txn, flags).word();
    std::string payload(reinterpret_cast<const char*>(&meta), sizeof meta);
    AETHER_TRY(builder.add(key, std::move(payload.append(value))));
    last_key = key;
  }
  ScratchPage scratch(services_.pool.page_bytes());
  AETHER_TRY(builder.finish(scratch.node(), root_.page_id.load()));
  const std::vector<PageRange> ranges = builder.stream().ranges();

  const ExclusiveGuard root = ExclusiveGuard::lock(root_);
  SlottedPage root_node = services_.pool.node(root_);
  AETHER_TRY(check_loadable());
  const std::string image = scratch.node().image();
  const Bytes image_view = image;
  std::vector<buffer::PageRef> pages{services_.pool.ref(root_)};
  std::vector<wal::PartSpec> parts(1);
  PageParts::format(parts[0], store_, image_view);
  buffer::SpaceManager::MapChange map = services_.space.change(buffer::SpaceOp::allocate, ranges,
                                                               context);
  map.append_to(pages, parts);
  AETHER_TRY(
      buffer::log_change(services_.log, context, {.flags = wal::kFlagCommits}, pages, parts));
  map.apply();
  builder.stream().keep();
  scratch.node().header().page.gsn = root_node.header().page.gsn;
  std::copy_n(scratch.node().bytes(), root_node.page_bytes(), root_node.bytes());
  return rows;
}

}  // namespace aether::index
