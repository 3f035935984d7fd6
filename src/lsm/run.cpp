#include "lsm/run.h"

#include <utility>

#include "index/btree/extents.h"
#include "lsm/run_file.h"

namespace aether::lsm {

using buffer::BlockHandle;

Run::Run(std::unique_ptr<RunFile> file) noexcept : file_(std::move(file)) {}
Run::~Run() = default;

Result<std::shared_ptr<const Run>> Run::open(index::Services& services,
                                             const RunReference& reference) {
  auto file = std::make_unique<RunFile>(services, reference);
  AETHER_TRY(file->open());
  return std::shared_ptr<const Run>(new Run(std::move(file)));
}

const RunReference& Run::reference() const noexcept { return file_->reference(); }
const RunSummary& Run::summary() const noexcept { return file_->footer().summary; }

Result<bool> Run::get(Bytes key, FoundEntry& found) const {
  return get(
      key, [](TxnId) { return true; }, found);
}

Result<bool> Run::get(Bytes key, FunctionRef<bool(TxnId writer)> sees, FoundEntry& found) const {
  const RunFooter& footer = file_->footer();
  if (footer.index_levels == 0 || key < footer.summary.smallest_key ||
      key > footer.summary.largest_key) {
    return false;
  }
  AETHER_TRY_ASSIGN(const BlockDirectory* const directory, file_->directory());
  AETHER_TRY_ASSIGN(const uint64_t number, file_->find_block(*directory, key, kEveryWriter));
  const BlockPlace& place = directory->place(number);
  AETHER_TRY_ASSIGN(BlockHandle inner, file_->block(place, BlockKind::data));
  RawEntry entry;
  BlockView view;
  view.attach_headed(inner.bytes());
  switch (view.find(key, sees, entry)) {
    case BlockView::Answer::found:
      found = {.writer = entry.writer,
               .kind = entry.kind,
               .expiry_ms = entry.expiry_ms,
               .value = entry.value,
               .block = std::move(inner)};
      return true;
    case BlockView::Answer::absent: return false;
    case BlockView::Answer::malformed: return file_->damaged(place.offset, "a block is malformed");
    case BlockView::Answer::goes_on: break;
  }
  // Its versions fill the rest of the block, and none is seen: older ones may follow.
  RunCursor cursor(std::shared_ptr<const Run>(std::shared_ptr<const Run>(), this));
  AETHER_TRY_ASSIGN(bool more, cursor.seek(key));
  while (more && cursor.entry().key == key && !sees(cursor.entry().writer)) {
    AETHER_TRY_ASSIGN(more, cursor.next());
  }
  if (!more || cursor.entry().key != key) return false;
  const Entry& at = cursor.entry();
  found = {.writer = at.writer,
           .kind = at.kind,
           .expiry_ms = at.expiry_ms,
           .value = at.value,
           .block = cursor.block()};
  return true;
}

void Run::prepare_reads() const {
  // What is wrong with the index is said to who reads.
  if (file_->footer().index_levels > 0) static_cast<void>(file_->directory().has_value());
}

std::span<const RangeTombstone> Run::range_tombstones() const noexcept {
  return file_->range_tombstones();
}

uint64_t Run::dictionary_bytes() const noexcept { return file_->footer().dictionary.bytes; }

bool Run::has_section(SectionType type) const noexcept {
  for (const SectionPlace& section : file_->footer().sections) {
    if (section.type == type) return true;
  }
  return false;
}

Result<std::string> Run::section(SectionType type) const {
  for (const SectionPlace& section : file_->footer().sections) {
    if (section.type != type) continue;
    AETHER_TRY_ASSIGN(const BlockHandle bytes,
                      file_->read_block(section.place, BlockKind::section));
    return std::string(bytes.bytes());
  }
  return Code::not_found;
}

std::vector<buffer::PageRange> Run::ranges() const {
  return index::join_ranges(file_->footer().extents, file_->footer().page_bytes);
}

Result<void> Run::check(FunctionRef<Result<void>(PageId)> visit) const {
  AETHER_TRY(file_->check_pages(visit));
  for (const SectionPlace& section : file_->footer().sections)
    AETHER_TRY(file_->read_block(section.place, BlockKind::section));
  const RunSummary& said = summary();
  RunSummary seen;
  RunCursor cursor(std::shared_ptr<const Run>(std::shared_ptr<const Run>(), this),
                   RunCursor::Use::once);
  std::string last_key;
  TxnId last_writer = 0;
  AETHER_TRY_ASSIGN(bool more, cursor.first());
  while (more) {
    const Entry& entry = cursor.entry();
    const int order = seen.entries == 0 ? -1 : last_key.compare(entry.key);
    if (order > 0 || (order == 0 && last_writer == entry.writer))
      return file_->damaged(0, "entries are out of order");
    if (entry.key < said.smallest_key || entry.key > said.largest_key ||
        entry.writer > said.newest_writer || entry.writer < said.oldest_writer) {
      return file_->damaged(0, "an entry lies outside what the footer says of the run");
    }
    ++seen.entries;
    seen.tombstones += entry.kind == EntryKind::tombstone ? 1 : 0;
    seen.expiring += entry.expiry_ms != 0 ? 1 : 0;
    seen.values_apart += entry.kind == EntryKind::value_apart ? 1 : 0;
    seen.entry_bytes += entry.key.size() + entry.value.size();
    seen.many_versions |= seen.entries > 1 && entry.key == last_key;
    last_key = entry.key;
    last_writer = entry.writer;
    // By way of the index, too: what is there is found there.
    FoundEntry found;
    if (cursor.is_first_of_block()) {
      AETHER_TRY_ASSIGN(
          const bool is_found,
          get(
              entry.key, [&](TxnId writer) { return writer == entry.writer; }, found));
      if (!is_found) return file_->damaged(0, "the index does not lead to an entry");
    }
    AETHER_TRY_ASSIGN(more, cursor.next());
  }
  if (seen.entries != said.entries || seen.tombstones != said.tombstones ||
      seen.expiring != said.expiring || seen.values_apart != said.values_apart ||
      seen.entry_bytes != said.entry_bytes || seen.many_versions != said.many_versions) {
    return file_->damaged(0, "the footer's counts are not those of its entries");
  }
  return {};
}

}  // namespace aether::lsm
