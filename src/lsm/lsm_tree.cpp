#include "lsm/lsm_tree.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "base/no_memory.h"
#include "base/reached.h"
#include "index/btree/overflow.h"
#include "lsm/tree_cursor.h"
#include "lsm/tree_row.h"
#include "table/row.h"

namespace aether::lsm {

using page::RecordMeta;

/// LsmTree as an OrderedIndex; outlived by it.
class LsmTree::Index {
 public:
  explicit Index(LsmTree& tree) noexcept : tree_(tree) {}
  Result<void> get(Bytes key, std::string& row) const {
    AETHER_TRY_ASSIGN(const bool found, tree_.find_newest(key, row));
    return found ? Result<void>() : Code::not_found;
  }
  Result<void> visit(Bytes key, FunctionRef<void(Bytes)> visitor) const {
    std::string row;
    AETHER_TRY(get(key, row));
    visitor(row);
    return {};
  }
  Result<void> put(Bytes key, Bytes row) { return tree_.active(key).put(key, row); }
  Result<void> insert(Bytes key, Bytes row) { return tree_.active(key).insert(key, row); }
  Result<void> update(Bytes key, Bytes row) { return tree_.active(key).update(key, row); }
  Result<void> remove(Bytes key) { return tree_.active(key).remove(key); }
  TreeCursor cursor() const { return TreeCursor(tree_, 0); }

  struct Stats {
    uint64_t keys = 0;
    uint64_t memory_bytes = 0;
  };
  /// Of what is in memory.
  Stats stats() const noexcept {
    Stats stats;
    const auto memory = tree_.memory_.read(os::worker_id());
    for (const GenerationPointer& generation : memory->newest_first) {
      stats.keys += generation->rows.keys();
      stats.memory_bytes += generation->rows.memory_bytes();
    }
    return stats;
  }

 private:
  LsmTree& tree_;
};

index::AnyIndex LsmTree::as_index() { return index::AnyIndex(std::make_unique<Index>(*this)); }

namespace {

std::unique_ptr<const LsmTree::Memory> first_memory(const LsmTree::MakeNursery& make_nursery) {
  auto memory = std::make_unique<LsmTree::Memory>();
  memory->newest_first.push_back(std::make_shared<Generation>(1, make_nursery(), 0));
  return memory;
}

table::Layers::Place place_of(Generation::State state) noexcept {
  using Place = table::Layers::Place;
  switch (state) {
    case Generation::State::waiting: break;
    case Generation::State::being_written: return Place::being_written;
    case Generation::State::written: return Place::written;
  }
  return Place::sealed;
}

bool is_absence(const Error& error) noexcept { return error.code() == Code::not_found; }

/// A 64th of what a generation holds at most: about 20 bits for a row of a hundred bytes.
constexpr uint64_t kFilterShare = 64;

/// Calls `visit` for the runs that may have `key`, the newest first, until it answers false.
Result<void> visit_parts(const Levels& levels, Bytes key, uint64_t hash,
                         FunctionRef<Result<bool>(const OpenRun& part)> visit) {
  constexpr size_t kAtOnce = 16;
  const OpenRun* parts[kAtOnce];
  FilterQuestion question{key, hash, {}};
  const size_t count = levels.newest_first.size();
  for (size_t from = 0; from < count; from += kAtOnce) {
    const size_t here = std::min(count - from, kAtOnce);
    // Their filters come from memory at the same time, not one after another.
    for (size_t i = 0; i < here; ++i) {
      parts[i] = levels.newest_first[from + i].find(key);
      if (parts[i] != nullptr) parts[i]->filter().prefetch(hash);
    }
    for (size_t i = 0; i < here; ++i) {
      if (parts[i] == nullptr || !parts[i]->filter().may_contain(question)) continue;
      AETHER_TRY_ASSIGN(const bool goes_on, visit(*parts[i]));
      if (!goes_on) return {};
    }
  }
  return {};
}

}  // namespace

LsmTree::LsmTree(MakeNursery make_nursery)
    : make_nursery_(std::move(make_nursery)),
      memory_(first_memory(make_nursery_)),
      levels_(std::make_unique<Levels>()) {}

LsmTree::~LsmTree() = default;

// --- Reading

Result<LsmTree::Seen> LsmTree::find_seen(Bytes key, FunctionRef<bool(TxnId writer)> sees,
                                         std::string& value) const {
  const uint64_t hash = filter_hash(key);
  for (;;) {
    const uint64_t moves = moves_.load(std::memory_order_seq_cst);
    Result<Seen> seen = try_find_seen(key, hash, sees, value);
    if (!seen || is_same(moves)) return seen;
  }
}

Result<LsmTree::Seen> LsmTree::try_find_seen(Bytes key, uint64_t hash,
                                             FunctionRef<bool(TxnId writer)> sees,
                                             std::string& value) const {
  Seen seen;
  const auto meet = [&](TxnId writer, Gsn gsn) {
    if (seen.newest == 0) seen.newest = gsn;
    if (sees(writer)) return true;
    seen.passed_by = true;
    return false;
  };
  bool has_memory = true;
  {
    const auto memory = memory_.read(os::worker_id());
    for (const GenerationPointer& generation : memory->newest_first) {
      if (!generation->filter.may_have(hash)) continue;
      Result<void> found = generation->rows.visit(key, [&](Bytes row) {
        const Bytes payload = table::payload_of(row);
        const RecordMeta meta = page::meta_of(payload);
        if (!meet(meta.txn(), table::gsn_of(row))) return;
        seen.found = true;
        seen.writer = meta.txn();
        seen.removed = meta.removed();
        seen.apart = meta.overflow();
        seen.expiry_ms = page::expiry_of(payload);
        if (!seen.removed)
          has_memory = base::if_memory_allows([&] { value.assign(page::value_of(payload, meta)); });
      });
      if (!found && !is_absence(found.error())) return std::move(found).error();
      if (!has_memory) return Error(Code::no_memory, "there was no memory for the value");
      if (seen.found) return seen;
    }
  }
  const auto levels = levels_.read(os::worker_id());
  if (levels->newest_first.empty()) return seen;
  FoundEntry entry;
  int64_t runs_read = 0;
  AETHER_TRY(visit_parts(*levels, key, hash, [&](const OpenRun& part) -> Result<bool> {
    ++runs_read;
    AETHER_TRY_ASSIGN(
        seen.found,
        part.run().get(
            key, [&](TxnId writer) { return meet(writer, gsn_of_writer(writer)); }, entry));
    return !seen.found;
  }));
  (seen.found ? found_ : missed_).add(1, os::worker_id());
  if (runs_read != 0) runs_read_.add(runs_read, os::worker_id());
  if (!seen.found) return seen;
  seen.writer = entry.writer;
  seen.removed = entry.kind == EntryKind::tombstone;
  seen.apart = entry.kind == EntryKind::value_apart;
  seen.expiry_ms = entry.expiry_ms;
  if (!seen.removed) value.assign(seen.apart ? reference_in(entry.value) : entry.value);
  return seen;
}

Result<void> LsmTree::visit_all(Bytes key, FunctionRef<bool(Bytes row)> visit) const {
  const uint64_t hash = filter_hash(key);
  std::vector<std::string> in_memory;
  for (uint64_t moves = ~uint64_t{0}; !is_same(moves);) {
    moves = moves_.load(std::memory_order_seq_cst);
    in_memory.clear();
    const MemoryRef memory = this->memory();
    for (const GenerationPointer& generation : memory->newest_first) {
      if (!generation->filter.may_have(hash)) continue;
      Result<void> found = generation->rows.get(key, in_memory.emplace_back());
      if (found) continue;
      if (!is_absence(found.error())) return found;
      in_memory.pop_back();
    }
  }
  for (const std::string& each : in_memory) {
    if (!visit(each)) return {};
  }
  std::string row;
  const LevelsRef levels = this->levels();
  return visit_parts(*levels, key, hash, [&](const OpenRun& part) -> Result<bool> {
    // The versions that lie in one run, one after another.
    RunCursor cursor(std::shared_ptr<const Run>(std::shared_ptr<const Run>(), &part.run()));
    AETHER_TRY_ASSIGN(bool more, cursor.seek(key));
    while (more && cursor.entry().key == key) {
      make_row_of(cursor.entry(), row);
      if (!visit(row)) return false;
      AETHER_TRY_ASSIGN(more, cursor.next());
    }
    return true;
  });
}

Result<bool> LsmTree::find_newest(Bytes key, std::string& row) const {
  for (;;) {
    const uint64_t moves = moves_.load(std::memory_order_seq_cst);
    AETHER_TRY_ASSIGN(const Place place, find_in_memory(key, row));
    if (!is_same(moves)) continue;
    return place != Place::nowhere ? Result<bool>(true) : find_in_runs(key, row);
  }
}

Result<LsmTree::Place> LsmTree::find_in_memory(Bytes key, std::string& row) const {
  const uint64_t hash = filter_hash(key);
  const auto memory = memory_.read(os::worker_id());
  for (const GenerationPointer& generation : memory->newest_first) {
    if (!generation->filter.may_have(hash)) continue;
    Result<void> found = generation->rows.get(key, row);
    if (found && generation == memory->newest_first.front()) return Place::active;
    if (found) return place_of(generation->state.load(std::memory_order_seq_cst));
    if (!is_absence(found.error())) return std::move(found).error();
  }
  return Place::nowhere;
}

Result<bool> LsmTree::find_in_runs(Bytes key, std::string& row) const {
  const auto levels = levels_.read(os::worker_id());
  bool is_there = false;
  FoundEntry found;
  AETHER_TRY(visit_parts(*levels, key, filter_hash(key), [&](const OpenRun& part) -> Result<bool> {
    AETHER_TRY_ASSIGN(is_there, part.run().get(key, found));
    return !is_there;
  }));
  if (!is_there) return false;
  make_row_of({.key = key,
               .writer = found.writer,
               .kind = found.kind,
               .expiry_ms = found.expiry_ms,
               .value = found.value},
              row);
  return true;
}

Result<void> LsmTree::visit_own_values(
    FunctionRef<void(const page::OverflowReference& reference)> visit) const {
  const MemoryRef memory = this->memory();
  TreeCursor newest(*this, ~TxnId{0});  // Of memory alone.
  Result<bool> more = newest.first();
  for (; more && *more; more = newest.next()) {
    for (const GenerationPointer& generation : memory->newest_first) {
      std::optional<page::OverflowReference> value;
      const Result<void> found = generation->rows.visit(
          newest.key(), [&](Bytes row) { value = index::value_outside(table::payload_of(row)); });
      if (!found) continue;
      const bool is_of_run = generation->state.load(std::memory_order_seq_cst) ==
                             Generation::State::written;
      if (value && !is_of_run) visit(*value);
      break;
    }
  }
  if (!more) return std::move(more).error();
  return {};
}

TxnId LsmTree::newest_writer_in_runs() const noexcept {
  return levels_.read(os::worker_id())->newest_writer;
}

index::AnyCursor LsmTree::cursor_of_later(TxnId from) const {
  return index::AnyCursor::of(TreeCursor(*this, from));
}

Result<bool> LsmTree::has_in_memory(Bytes begin, Bytes end) const {
  const auto memory = memory_.read(os::worker_id());
  for (const GenerationPointer& generation : memory->newest_first) {
    AETHER_TRY_ASSIGN(const bool has_any, generation->rows.has_any(begin, end));
    if (has_any) return true;
  }
  return false;
}

/// Runs first: their filters cost less than a look into memory, and mostly some run may have a key. What moves meanwhile from layer to
/// layer, which could be missed, changes the version.
Result<bool> LsmTree::may_have(Bytes begin, Bytes end) const {
  const uint64_t version = this->version();
  {
    const auto levels = levels_.read(os::worker_id());
    for (const SortedLevel& level : levels->newest_first) {
      if (level.may_have(begin, end)) return true;
    }
  }
  AETHER_TRY_ASSIGN(const bool in_memory, has_in_memory(begin, end));
  if (in_memory || version != this->version()) return true;
  AETHER_REACHED("lsm.empty_range_by_filters");
  count_scan();
  return false;
}

namespace {

/// Whose removals the whole of the part is, if `key` is among them; `below`: if what comes right before it is.
const RangeTombstone* covering(const OpenRun* part, Bytes key, bool below = false) noexcept {
  if (part == nullptr || part->summary().entries != part->summary().tombstones) return nullptr;
  for (const RangeTombstone& range : part->run().range_tombstones()) {
    const Bytes begin = range.begin;
    const Bytes end = range.end;
    if (below ? begin < key && key <= end : begin <= key && key < end) return &range;
  }
  return nullptr;
}

/// `at` to where the cursor finds the next row, if that comes before.
template <typename RowCursor>
Result<void> limit_to_next(RowCursor& rows, Bytes key, std::optional<std::string>& at) {
  AETHER_TRY_ASSIGN(const bool found, rows.seek(key));
  if (found && (!at || rows.entry().key < Bytes(*at))) at.emplace(rows.entry().key);
  return {};
}

/// The same downwards, where it finds the last row below `key`.
template <typename RowCursor>
Result<void> limit_to_previous(RowCursor& rows, Bytes key, std::optional<std::string>& at) {
  AETHER_TRY_ASSIGN(bool found, rows.seek_for_prev(key));
  while (found && rows.entry().key == key) {
    AETHER_TRY_ASSIGN(found, rows.prev());
  }
  if (found && (!at || rows.entry().key > Bytes(*at))) at.emplace(rows.entry().key);
  return {};
}

}  // namespace

Result<bool> LsmTree::pass_removed_below(Bytes key, FunctionRef<bool(TxnId writer)> sees,
                                         std::string& next) const {
  std::optional<std::string> limit;  // What lies between it and the key is in no layer so far.
  TreeCursor in_memory(*this, ~TxnId{0});
  AETHER_TRY_ASSIGN(bool has_any, in_memory.seek_for_prev(key));
  if (has_any && in_memory.key() == key) {
    AETHER_TRY_ASSIGN(has_any, in_memory.prev());
  }
  if (has_any) limit.emplace(in_memory.key());
  const LevelsRef levels = this->levels();
  for (const SortedLevel& level : levels->newest_first) {
    const RangeTombstone* const range = covering(level.find_below(key), key, true);
    if (range != nullptr && sees(range->writer)) {
      const bool ends_at_limit = limit && Bytes(*limit) >= Bytes(range->begin);
      next.assign(ends_at_limit ? *limit : range->begin);
      if (ends_at_limit) next.push_back('\0');  // Behind it.
      return true;
    }
    SortedLevelCursor rows(std::span<const RunPart>(level.parts), RunCursor::Use::cached);
    AETHER_TRY(limit_to_previous(rows, key, limit));
  }
  return false;
}

/// Memory first: what moves down from it meanwhile is found in runs.
Result<bool> LsmTree::pass_removed(Bytes key, FunctionRef<bool(TxnId writer)> sees,
                                   std::string& next) const {
  std::optional<std::string> limit;
  TreeCursor in_memory(*this, ~TxnId{0});
  AETHER_TRY_ASSIGN(const bool has_any, in_memory.seek(key));
  if (has_any) limit.emplace(in_memory.key());
  const LevelsRef levels = this->levels();
  for (const SortedLevel& level : levels->newest_first) {
    if (limit && Bytes(*limit) == key) return false;
    const RangeTombstone* const range = covering(level.find(key), key);
    if (range != nullptr && sees(range->writer)) {
      next.assign(limit ? std::min<Bytes>(*limit, range->end) : Bytes(range->end));
      return true;
    }
    SortedLevelCursor rows(std::span<const RunPart>(level.parts), RunCursor::Use::cached);
    AETHER_TRY(limit_to_next(rows, key, limit));
  }
  return false;
}

// --- Layers in memory

index::AnyIndex& LsmTree::home_of(Bytes key) {
  changes_.fetch_add(1, std::memory_order_acq_rel);
  const uint64_t hash = filter_hash(key);
  const auto memory = memory_.read(os::worker_id());
  for (const GenerationPointer& generation : memory->newest_first) {
    if (!generation->filter.may_have(hash)) continue;
    if (generation->rows.visit(key, [](Bytes) {})) return generation->rows;
  }
  const Generation& nursery = *memory->newest_first.front();
  nursery.filter.add(hash);
  return nursery.rows;
}

index::AnyIndex& LsmTree::active(Bytes key) noexcept {
  changes_.fetch_add(1, std::memory_order_acq_rel);
  const auto memory = memory_.read(os::worker_id());
  const Generation& nursery = *memory->newest_first.front();
  nursery.filter.add(filter_hash(key));
  return nursery.rows;
}

GenerationPointer LsmTree::make_generation(uint64_t number) const {
  return std::make_shared<Generation>(number, make_nursery_(), filter_bytes_);
}

Result<void> LsmTree::seal(Gsn fence, LogPosition redo_from) {
  return base::or_no_memory([&]() -> Result<void> {
    os::LockGuard lock(publish_mutex_);
    auto next = std::make_unique<Memory>(*memory());
    Generation& sealed = *next->newest_first.front();
    next->newest_first.insert(next->newest_first.begin(), make_generation(sealed.number + 1));
    sealed.fence = fence;
    sealed.redo_from = redo_from;
    memory_.publish(std::move(next), os::worker_id());
    version_.fetch_add(1, std::memory_order_acq_rel);
    return {};
  });
}

void LsmTree::drop_oldest() {
  os::LockGuard lock(publish_mutex_);
  auto next = std::make_unique<Memory>(*memory());
  AETHER_ASSERT(next->newest_first.size() > 1);
  GenerationPointer oldest = std::move(next->newest_first.back());
  next->newest_first.pop_back();
  base::make_room(leaving_);
  auto prepared = base::RcuPointer<Memory>::prepare(std::move(next));
  leaving_.push_back(std::move(oldest));
  memory_.publish(std::move(prepared), os::worker_id());
  version_.fetch_add(1, std::memory_order_acq_rel);
}

void LsmTree::set_next_generation(uint64_t number, uint64_t nursery_bytes) {
  os::LockGuard lock(publish_mutex_);
  filter_bytes_ = nursery_bytes / kFilterShare;
  auto next = std::make_unique<Memory>();
  next->newest_first.push_back(make_generation(number));
  memory_.publish(std::move(next), os::worker_id());
}

LogPosition LsmTree::sealed_redo_from() const noexcept {
  const auto memory = memory_.read(os::worker_id());
  LogPosition from = 0;
  for (size_t i = 1; i < memory->newest_first.size(); ++i) {
    const LogPosition each = memory->newest_first[i]->redo_from;
    if (each != 0) from = from == 0 ? each : std::min(from, each);
  }
  return from;
}

uint64_t LsmTree::nursery_bytes() const noexcept {
  return memory_.read(os::worker_id())->newest_first.front()->rows.memory_bytes();
}

uint64_t LsmTree::nursery_rows() const noexcept {
  return memory_.read(os::worker_id())->newest_first.front()->rows.keys();
}

uint64_t LsmTree::sealed_count() const noexcept {
  return memory_.read(os::worker_id())->newest_first.size() - 1;
}

GenerationPointer LsmTree::oldest_sealed() const {
  const auto memory = memory_.read(os::worker_id());
  return memory->newest_first.size() > 1 ? memory->newest_first.back() : nullptr;
}

void LsmTree::publish(PreparedLevels levels) noexcept {
  levels_.publish(std::move(levels), os::worker_id());
  version_.fetch_add(1, std::memory_order_acq_rel);
}

void LsmTree::collect() noexcept {
  memory_.collect();
  levels_.collect();
  for (GenerationPointer last = take_left(); last != nullptr; last = take_left()) {
    AETHER_REACHED("lsm.generation_freed");
  }
}

/// A generation that nobody else has, nor can get any more.
GenerationPointer LsmTree::take_left() noexcept {
  os::LockGuard lock(publish_mutex_);
  const auto left = std::find_if(
      leaving_.begin(), leaving_.end(),
      [](const GenerationPointer& generation) { return generation.use_count() == 1; });
  if (left == leaving_.end()) return nullptr;
  GenerationPointer taken = std::move(*left);
  leaving_.erase(left);
  return taken;
}

}  // namespace aether::lsm
