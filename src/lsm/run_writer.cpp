#include "lsm/run_writer.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/bytes.h"
#include "lsm/extent_stream.h"
#include "lsm/run_block.h"
#include "lsm/run_format.h"
#include "page/overflow_page.h"
#include "page/slotted_page.h"

namespace aether::lsm {
namespace {

/// A dictionary is trained on so many times its size, as far as the run goes.
constexpr uint64_t kSamplesPerDictionaryByte = 64;
constexpr uint64_t kFooterExtentBytes = 16;

Result<void> check_options(const RunOptions& options, uint32_t page_bytes) {
  const auto wrong = [](const char* what) { return Error(Code::invalid_argument, what); };
  if (options.block_bytes < 4 * KiB || options.block_bytes > 64 * KiB)
    return wrong("a run's block_bytes must be from 4 to 64 KiB");
  if (options.restart_interval < 1 || options.restart_interval > 256)
    return wrong("a run's restart_interval must be from 1 to 256");
  if (options.extent_bytes < 64 * KiB || options.extent_bytes > 8 * MiB ||
      options.extent_bytes % page_bytes != 0) {
    return wrong("a run's extent_bytes must be from 64 KiB to 8 MiB, in whole pages");
  }
  if (options.dictionary_bytes > 1 * MiB)
    return wrong("a run's dictionary_bytes must be at most 1 MiB");
  if (options.zstd_level < -7 || options.zstd_level > 19)
    return wrong("a run's zstd_level must be from -7 to 19");
  if (options.codec > Compression::zstd) return wrong("a run's codec is none that is known");
  return {};
}

}  // namespace

class RunWriter::Impl {
 public:
  Impl(index::Services& services, uint32_t stream, const RunOptions& options)
      : services_(services),
        options_(options),
        log_stream_(stream),
        pages_(services, options.store, stream, options.extent_bytes / services.pool.page_bytes()),
        data_(options.restart_interval),
        trains_(options.codec == Compression::zstd && options.dictionary_bytes > 0) {
    footer_.run_id = options.run_id;
    footer_.store = options.store;
    footer_.page_bytes = services.pool.page_bytes();
  }

  Result<void> add(const Entry& entry);
  Result<void> add_section(SectionType type, std::string bytes);
  Result<RunReference> finish(txn::TransactionContext& txn);
  RunSummary& summary() noexcept { return footer_.summary; }
  uint64_t disk_bytes() const noexcept {
    return pages_.pages_written() * services_.pool.page_bytes();
  }

 private:
  /// Where a block begins in the order of the run: above all before it, and not above its first entry.
  struct Separator {
    std::string key;
    TxnId writer = kEveryWriter;
  };
  struct FullBlock {
    std::string bytes;
    Separator separator;
  };
  struct Level {
    BlockBuilder builder{1};
    Separator separator;
  };

  Result<void> add_range_tombstone(const Entry& entry);
  void note(const Entry& entry);
  Result<void> close_data_block();
  Result<void> write_data_block(const FullBlock& block);
  Result<void> write_samples();
  Result<BlockPlace> write_block(BlockKind kind, BlockCodec codec, std::string_view raw_bytes);
  Result<void> add_to_index(size_t level, const Separator& separator, const BlockPlace& place);
  Result<void> close_index_block(size_t level);
  Result<void> finish_index();
  Result<void> write_range_tombstones();
  Result<RunReference> write_footer();
  BlockCodec codec() const noexcept { return BlockCodec{static_cast<uint8_t>(options_.codec)}; }

  index::Services& services_;
  const RunOptions options_;
  const uint32_t log_stream_;
  ExtentStream pages_;
  Compressor compressor_;
  std::string compressed_;
  BlockBuilder data_;
  Separator separator_;  ///< Of the data block that is being filled.
  std::vector<Level> levels_;
  std::string last_key_;
  TxnId last_writer_ = 0;
  bool trains_;
  std::vector<FullBlock> samples_;
  uint64_t sample_bytes_ = 0;
  std::vector<RangeTombstone> range_tombstones_;  ///< In no order yet.
  std::vector<std::pair<SectionType, std::string>> sections_;
  RunFooter footer_;
  bool finished_ = false;
};

Result<void> RunWriter::Impl::add(const Entry& entry) {
  AETHER_ASSERT(!finished_);
  if (entry.key.size() > kMaxRunKeyBytes || entry.value.size() > kMaxValueBytes) {
    return Error(Code::too_large, "a run takes keys of at most " + std::to_string(kMaxRunKeyBytes) +
                                      " bytes and values of " + std::to_string(kMaxValueBytes));
  }
  if (entry.writer == kEveryWriter)
    return Error(Code::invalid_argument, "an entry of a run has no writer that could be");
  if (entry.kind == EntryKind::range_tombstone) return add_range_tombstone(entry);
  RunSummary& summary = footer_.summary;
  const bool is_first = summary.entries == 0;
  const int order = is_first ? -1 : last_key_.compare(entry.key);
  if (order > 0 || (order == 0 && last_writer_ == entry.writer)) {
    return Error(Code::invalid_argument, "entry " + std::to_string(summary.entries) +
                                             " of a run (from 0) is not above the one before it");
  }
  const bool is_same_key = order == 0;
  const uint64_t bytes = entry.key.size() + entry.value.size();
  if (!data_.empty() && data_.bytes() + bytes > options_.block_bytes)
    AETHER_TRY(close_data_block());
  if (data_.empty() && !is_first) {
    separator_.key = is_same_key ? last_key_ : page::shortest_separator(last_key_, entry.key);
    separator_.writer = is_same_key ? entry.writer : kEveryWriter;
  }
  data_.add(entry);
  if (is_first) summary.smallest_key = entry.key;
  summary.many_versions |= is_same_key;
  summary.newest_writer = std::max(summary.newest_writer, entry.writer);
  summary.oldest_writer = is_first ? entry.writer : std::min(summary.oldest_writer, entry.writer);
  note(entry);
  last_key_.assign(entry.key);
  last_writer_ = entry.writer;
  return {};
}

void RunWriter::Impl::note(const Entry& entry) {
  RunSummary& summary = footer_.summary;
  ++summary.entries;
  summary.tombstones += entry.kind == EntryKind::tombstone ? 1 : 0;
  summary.values_apart += entry.kind == EntryKind::value_apart ? 1 : 0;
  summary.entry_bytes += entry.key.size() + entry.value.size();
  if (entry.expiry_ms == 0) return;
  ++summary.expiring;
  summary.earliest_expiry_ms = summary.earliest_expiry_ms == 0
                                   ? entry.expiry_ms
                                   : std::min(summary.earliest_expiry_ms, entry.expiry_ms);
}

Result<void> RunWriter::Impl::add_range_tombstone(const Entry& entry) {
  if (entry.key >= entry.value || entry.value.size() > kMaxRunKeyBytes + 1)
    return Error(Code::invalid_argument, "a range tombstone's end is not above its begin");
  range_tombstones_.push_back({std::string(entry.key), std::string(entry.value), entry.writer});
  ++footer_.summary.range_tombstones;
  return {};
}

Result<void> RunWriter::Impl::add_section(SectionType type, std::string bytes) {
  const auto is_same = [type](const auto& section) { return section.first == type; };
  if (std::any_of(sections_.begin(), sections_.end(), is_same))
    return Error(Code::invalid_argument,
                 "a run has a section " + std::to_string(type) + " already");
  if (bytes.size() > std::numeric_limits<uint32_t>::max() - sizeof(BlockHeader))
    return Error(Code::too_large, "a section of a run must be smaller than 4 GiB");
  sections_.emplace_back(type, std::move(bytes));
  return {};
}

Result<void> RunWriter::Impl::close_data_block() {
  FullBlock block{.bytes = data_.take(), .separator = std::move(separator_)};
  separator_ = {};
  if (!trains_) return write_data_block(block);
  sample_bytes_ += block.bytes.size();
  samples_.push_back(std::move(block));
  if (sample_bytes_ < options_.dictionary_bytes * kSamplesPerDictionaryByte) return {};
  return write_samples();
}

/// There are as many as there will be: the dictionary is made, and they are written with it.
Result<void> RunWriter::Impl::write_samples() {
  trains_ = false;
  std::vector<std::string_view> views;
  for (const FullBlock& sample : samples_) views.push_back(sample.bytes);
  const std::string dictionary = Dictionary::train(views, options_.dictionary_bytes);
  if (!dictionary.empty() && compressor_.use_dictionary(dictionary, options_.zstd_level)) {
    AETHER_TRY_ASSIGN(footer_.dictionary,
                      write_block(BlockKind::dictionary, BlockCodec::none, dictionary));
  }
  for (const FullBlock& sample : samples_) AETHER_TRY(write_data_block(sample));
  samples_ = {};
  return {};
}

Result<void> RunWriter::Impl::write_data_block(const FullBlock& block) {
  AETHER_TRY_ASSIGN(const BlockPlace place, write_block(BlockKind::data, codec(), block.bytes));
  ++footer_.summary.data_blocks;
  footer_.summary.data_bytes += place.bytes;
  return add_to_index(0, block.separator, place);
}

Result<BlockPlace> RunWriter::Impl::write_block(BlockKind kind, BlockCodec wanted,
                                                std::string_view raw_bytes) {
  const BlockCodec used = compressor_.compress(wanted, options_.zstd_level, raw_bytes, compressed_);
  const std::string_view stored = used == BlockCodec::none ? raw_bytes : compressed_;
  const BlockPlace place{pages_.offset(), sizeof(BlockHeader) + stored.size()};
  if (kind == BlockKind::data || kind == BlockKind::index)
    footer_.largest_block = std::max<uint64_t>(footer_.largest_block, raw_bytes.size());
  AETHER_TRY(pages_.append(frame_block(options_.run_id, place.offset, kind, used,
                                       static_cast<uint32_t>(raw_bytes.size()), stored)));
  return place;
}

Result<void> RunWriter::Impl::add_to_index(size_t level, const Separator& separator,
                                           const BlockPlace& place) {
  if (level == levels_.size()) levels_.emplace_back();
  // Two at least, however long they are: else there would be no end of levels.
  if (levels_[level].builder.entries() >= 2 &&
      levels_[level].builder.bytes() + separator.key.size() > options_.block_bytes) {
    AETHER_TRY(close_index_block(level));
  }
  std::string where;
  append_place(where, place);
  if (levels_[level].builder.empty()) levels_[level].separator = separator;
  levels_[level].builder.add({.key = separator.key,
                              .writer = separator.writer,
                              .kind = EntryKind::value,
                              .expiry_ms = 0,
                              .value = where});
  return {};
}

Result<void> RunWriter::Impl::close_index_block(size_t level) {
  const Separator separator = std::move(levels_[level].separator);
  const std::string bytes = levels_[level].builder.take();
  const BlockCodec wanted = options_.codec == Compression::none ? BlockCodec::none
                                                                : BlockCodec::lz4;
  AETHER_TRY_ASSIGN(const BlockPlace place, write_block(BlockKind::index, wanted, bytes));
  return add_to_index(level + 1, separator, place);
}

/// From below: each level's last block, until there is one that has no other beside it.
Result<void> RunWriter::Impl::finish_index() {
  if (levels_.empty()) return {};
  size_t level = 0;
  while (level + 1 < levels_.size()) AETHER_TRY(close_index_block(level++));
  const std::string bytes = levels_[level].builder.take();
  AETHER_TRY_ASSIGN(footer_.root, write_block(BlockKind::index, BlockCodec::none, bytes));
  footer_.index_levels = static_cast<uint32_t>(level + 1);
  return {};
}

Result<void> RunWriter::Impl::write_range_tombstones() {
  if (range_tombstones_.empty()) return {};
  std::sort(range_tombstones_.begin(), range_tombstones_.end(),
            [](const RangeTombstone& left, const RangeTombstone& right) {
              const int order = compare_places(left.begin, left.writer, right.begin, right.writer);
              return order != 0 ? order < 0 : left.end < right.end;
            });
  BlockBuilder builder(options_.restart_interval);
  RunSummary& summary = footer_.summary;
  const bool alone = summary.entries == 0;
  for (const RangeTombstone& range : range_tombstones_) {
    builder.add({.key = range.begin,
                 .writer = range.writer,
                 .kind = EntryKind::range_tombstone,
                 .expiry_ms = 0,
                 .value = range.end});
    if ((alone && &range == &range_tombstones_.front()) || range.begin < summary.smallest_key)
      summary.smallest_key = range.begin;
    if (range.end > summary.largest_key) summary.largest_key = range.end;
    if (alone && &range == &range_tombstones_.front()) summary.oldest_writer = range.writer;
    summary.newest_writer = std::max(summary.newest_writer, range.writer);
    summary.oldest_writer = std::min(summary.oldest_writer, range.writer);
  }
  AETHER_TRY_ASSIGN(footer_.range_tombstones,
                    write_block(BlockKind::range_tombstones, BlockCodec::none, builder.take()));
  return {};
}

Result<RunReference> RunWriter::Impl::write_footer() {
  AETHER_TRY(pages_.append({}));
  AETHER_TRY(pages_.pad_to_page());
  footer_.extents = pages_.extents().ranges();
  const uint64_t bytes = sizeof(BlockHeader) + footer_.encode().size();
  if (bytes > std::numeric_limits<uint32_t>::max())
    return Error(Code::too_large, "a run has too many extents: make them larger");
  AETHER_TRY_ASSIGN(footer_.extents, pages_.begin_last(bytes, kFooterExtentBytes));
  const std::string content = footer_.encode();
  const uint64_t offset = pages_.offset();
  const std::string frame = frame_block(options_.run_id, offset, BlockKind::footer,
                                        BlockCodec::none, static_cast<uint32_t>(content.size()),
                                        content);
  RunReference reference;
  reference.run_id = options_.run_id;
  reference.store = options_.store;
  reference.first_page = raw(pages_.first_page());
  reference.footer_page = raw(pages_.page_of_last(offset));
  reference.footer_bytes = static_cast<uint32_t>(frame.size());
  reference.bytes = offset + frame.size();
  reference.checksum = base::load<uint64_t>(frame.data());
  for (const buffer::PageRange& extent : footer_.extents) reference.pages += extent.count;
  AETHER_TRY(pages_.append(frame));
  AETHER_TRY(pages_.finish());
  return reference;
}

Result<RunReference> RunWriter::Impl::finish(txn::TransactionContext& txn) {
  AETHER_ASSERT(!finished_ && txn.log.stream == log_stream_);
  finished_ = true;
  if (footer_.summary.entries > 0) {
    footer_.summary.largest_key = last_key_;
    AETHER_TRY(close_data_block());
  }
  if (trains_) AETHER_TRY(write_samples());
  AETHER_TRY(finish_index());
  AETHER_TRY(write_range_tombstones());
  for (const auto& [type, bytes] : sections_) {
    AETHER_TRY_ASSIGN(const BlockPlace place,
                      write_block(BlockKind::section, BlockCodec::none, bytes));
    footer_.sections.push_back({type, place});
  }
  AETHER_TRY_ASSIGN(const RunReference reference, write_footer());
  AETHER_TRY(index::log_allocation(services_, txn, options_.store, pages_.extents()));
  footer_.summary.bytes = reference.bytes;
  footer_.summary.pages = reference.pages;
  return reference;
}

RunWriter::RunWriter(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
RunWriter::~RunWriter() = default;

Result<std::unique_ptr<RunWriter>> RunWriter::create(index::Services& services, uint32_t stream,
                                                     const RunOptions& options) {
  AETHER_TRY(check_options(options, services.pool.page_bytes()));
  return std::unique_ptr<RunWriter>(
      new RunWriter(std::make_unique<Impl>(services, stream, options)));
}

Result<void> RunWriter::add(const Entry& entry) { return impl_->add(entry); }
void RunWriter::note_gsn(Gsn gsn) noexcept {
  impl_->summary().newest_gsn = std::max(impl_->summary().newest_gsn, gsn);
}
Result<void> RunWriter::add_section(SectionType type, std::string bytes) {
  return impl_->add_section(type, std::move(bytes));
}
Result<RunReference> RunWriter::finish(txn::TransactionContext& txn) { return impl_->finish(txn); }
const RunSummary& RunWriter::summary() const noexcept { return impl_->summary(); }
uint64_t RunWriter::disk_bytes() const noexcept { return impl_->disk_bytes(); }

}  // namespace aether::lsm
