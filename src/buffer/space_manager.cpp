#include "buffer/space_manager.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/no_memory.h"
#include "base/planted.h"
#include "base/reached.h"
#include "buffer/buffer_pool.h"
#include "buffer/page_images.h"
#include "page/space_map_page.h"

namespace aether::buffer {
namespace {

struct BitRange {
  uint32_t first = 0;
  uint32_t count = 0;
};

}  // namespace

/// The share of one group in a change. The latch is held while it lives.
struct SpaceManager::MapChange::Piece {
  explicit Piece(Frame& frame) : guard(ExclusiveGuard::lock(frame)) {}
  ExclusiveGuard guard;
  std::byte* page = nullptr;
  std::vector<BitRange> ranges;
  std::string data;
  std::string_view view;
  uint64_t first_page = 0;
};

Result<std::unique_ptr<SpaceManager>> SpaceManager::open(DataFile& data, wal::Log& log,
                                                         BufferPool* redone) {
  auto manager = std::unique_ptr<SpaceManager>(new SpaceManager(data, log, redone));
  const uint32_t page_bytes = data.page_bytes();
  const uint64_t per_group = page::pages_per_group(page_bytes);
  for (uint64_t index = 0; index * per_group + 1 < data.capacity_pages(); ++index) {
    auto next = std::make_unique<Group>();
    next->bytes = AlignedBuffer(page_bytes);
    next->unavailable = AlignedBuffer(page_bytes);
    const PageId id{index * per_group + 1};
    const LogPosition dirty = redone != nullptr ? redone->move_redone(id, next->bytes.data()) : 0;
    if (dirty == 0) {
      AETHER_TRY(data.read_raw(id, next->bytes.data()));
      // Room in the file behind the last group that was made: its map was never written.
      if (index > 0 && page::is_zero(next->bytes.data(), page_bytes)) {
        AETHER_TRY_ASSIGN(const bool lost, data.was_written(id));
        if (!lost) break;
      }
      if (!data.check(id, next->bytes.data()))
        AETHER_TRY(data.read_or_repair(id, next->bytes.data()));
    }
    page::SpaceMapPage map(next->bytes.data(), page_bytes);
    AETHER_TRY(map.check_map());
    page::SpaceMapPage(next->unavailable.data(), page_bytes).format(id);
    next->frame.page_id = id;
    next->frame.state = FrameState::hot;
    next->frame.pinned = true;
    next->frame.dirty_position = dirty;
    manager->groups_.push_back(std::move(next));
  }
  return manager;
}

SpaceManager::Group& SpaceManager::group(uint64_t index) noexcept {
  os::LockGuard lock(mutex_);
  return *groups_[index];
}

uint64_t SpaceManager::group_count() noexcept {
  os::LockGuard lock(mutex_);
  return groups_.size();
}

uint64_t SpaceManager::group_of(PageId id) const noexcept {
  return raw(id) / page::pages_per_group(data_.page_bytes());
}

Result<PageRange> SpaceManager::reserve(uint32_t count, LogContext context) {
  AETHER_ASSERT(count > 0 && count + 2 <= page::pages_per_group(data_.page_bytes()));
  for (;;) {
    const uint64_t groups = group_count();
    std::optional<PageRange> range;
    for (uint64_t index = 0; index < groups && !range; ++index) range = take(index, count);
    if (range) {
      Result<void> room = data_.ensure_capacity(raw(range->first) + range->count);
      if (room) room = data_.note_reserved(range->first, range->count);
      if (!room) {
        unreserve(*range);
        return std::move(room).error();
      }
      return *range;
    }
    AETHER_TRY(add_group(context, groups));
  }
}

std::optional<PageRange> SpaceManager::take(uint64_t index, uint32_t count) {
  os::LockGuard lock(mutex_);
  reclaim();
  Group& place = *groups_[index];
  const uint32_t page_bytes = data_.page_bytes();
  page::SpaceMapPage map(place.bytes.data(), page_bytes);
  page::SpaceMapPage unavailable(place.unavailable.data(), page_bytes);
  const uint64_t per_group = page::pages_per_group(page_bytes);
  // Bits of the map are flipped under the group's latch, not under mutex_. A stale look is harmless: whoever
  // flips a bit to 1 has it in `unavailable` meanwhile; one that turns 0 is seen later.
  const SharedGuard guard = SharedGuard::lock(place.frame);
  uint32_t from = place.hint;
  while (from + count <= per_group) {
    const std::optional<uint32_t> bit = map.find_free(from, count);
    if (!bit) break;
    const std::optional<uint32_t> open = unavailable.find_free(*bit, count);
    if (open && *open == *bit) {
      if (!AETHER_PLANTED("space.reserve_twice"))
        AETHER_ASSERT(unavailable.set(*bit, count).has_value());
      if (redone_ != nullptr) redone_->forget_redone(PageId{index * per_group + *bit}, count);
      if (count == 1) place.hint = *bit + 1;
      return PageRange{PageId{index * per_group + *bit}, count};
    }
    from = open ? std::max(*bit + 1, *open) : static_cast<uint32_t>(per_group);
  }
  if (place.hint != 0 && count == 1)
    place.hint = static_cast<uint32_t>(per_group);  // Full from here on.
  return std::nullopt;
}

void SpaceManager::reclaim() {
  const wal::LsnVector durable = log_.durable();
  while (!pending_.empty() && (pending_.front().vector.covered_by(durable) ||
                               AETHER_PLANTED("space.reuse_before_durable"))) {
    make_available(pending_.front().range);
    pending_.pop_front();
  }
  if (!pending_.empty()) AETHER_REACHED("space.freed_page_not_durably_free");
  if (held_.empty()) return;
  const bool has_horizon = horizon_ != nullptr && !AETHER_PLANTED("space.reuse_under_snapshot");
  const TxnId horizon = has_horizon ? horizon_() : ~TxnId{0};
  while (!held_.empty() && held_.front().txn < horizon &&
         held_.front().vector.covered_by(durable)) {
    if (held_.front().range.count > 1) AETHER_REACHED("space.extent_of_a_value_again_free");
    make_available(held_.front().range);
    held_.pop_front();
  }
  if (!held_.empty()) AETHER_REACHED("space.freed_page_held_for_a_snapshot");
}

void SpaceManager::make_available(const PageRange& range) noexcept {
  set_unavailable(range, false);
  Group& place = *groups_[group_of(range.first)];
  const auto bit = static_cast<uint32_t>(raw(range.first) %
                                         page::pages_per_group(data_.page_bytes()));
  place.hint = std::min(place.hint, bit);
}

void SpaceManager::set_unavailable(const PageRange& range, bool value) noexcept {
  Group& place = *groups_[group_of(range.first)];
  page::SpaceMapPage map(place.unavailable.data(), data_.page_bytes());
  const auto bit = static_cast<uint32_t>(raw(range.first) %
                                         page::pages_per_group(data_.page_bytes()));
  const Result<void> changed = value ? map.set(bit, range.count) : map.clear(bit, range.count);
  AETHER_ASSERT(changed.has_value());
}

void SpaceManager::unreserve(const PageRange& range) noexcept {
  AETHER_REACHED("space.reservation_given_back");
  os::LockGuard lock(mutex_);
  make_available(range);
}

Result<void> SpaceManager::add_group(LogContext context, uint64_t seen) {
  os::LockGuard lock(mutex_);
  if (groups_.size() > seen) return {};  // Somebody else was faster.
  const uint32_t page_bytes = data_.page_bytes();
  const uint64_t per_group = page::pages_per_group(page_bytes);
  const uint64_t index = groups_.size();
  AETHER_TRY(data_.ensure_capacity(index * per_group + 2));
  auto next = std::make_unique<Group>();
  next->bytes = AlignedBuffer(page_bytes);
  next->unavailable = AlignedBuffer(page_bytes);
  const PageId id{index * per_group + 1};
  page::SpaceMapPage(next->bytes.data(), page_bytes).format(id);
  page::SpaceMapPage(next->unavailable.data(), page_bytes).format(id);
  next->frame.page_id = id;
  next->frame.state = FrameState::hot;
  next->frame.pinned = true;
  base::make_room(groups_);
  const ExclusiveGuard guard = ExclusiveGuard::lock(next->frame);
  const PageRef page{&next->frame, next->bytes.data()};
  wal::PartSpec part;
  part.header.gsn_before = wal::kFormatGsn;
  part.header.manager = wal::ResourceManager::space;
  part.header.op = static_cast<uint8_t>(SpaceOp::format);
  LogContext system = context.system();
  AETHER_TRY(log_change(log_, system, {}, {&page, 1}, {&part, 1}));
  groups_.push_back(std::move(next));
  AETHER_REACHED("space.second_group");
  return {};
}

Result<void> SpaceManager::check_in_use(std::span<const PageRange> ranges) {
  std::vector<PageRange> sorted(ranges.begin(), ranges.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const PageRange& a, const PageRange& b) { return a.first < b.first; });
  const uint32_t page_bytes = data_.page_bytes();
  const uint64_t per_group = page::pages_per_group(page_bytes);
  uint64_t end = 0;  // Of the range before.
  os::LockGuard lock(mutex_);
  for (const PageRange& range : sorted) {
    const uint64_t index = group_of(range.first);
    const auto bit = static_cast<uint32_t>(raw(range.first) % per_group);
    bool in_use = index < groups_.size() && range.count <= per_group - bit &&
                  raw(range.first) >= end;
    if (in_use && range.count > 0) {
      Group& place = *groups_[index];
      const SharedGuard guard = SharedGuard::lock(place.frame);
      const auto free = page::SpaceMapPage(place.bytes.data(), page_bytes).find_free(bit, 1);
      const page::SpaceMapPage unavailable(place.unavailable.data(), page_bytes);
      in_use = (!free || *free >= bit + range.count) &&
               unavailable.find_free(bit, range.count) == bit;
    }
    if (!in_use) {
      return Error(Code::corruption,
                   data_.file().path() + ": page " + std::to_string(raw(range.first)) +
                       " is to be given back, but is not in use; run `aether verify`");
    }
    end = raw(range.first) + range.count;
  }
  return {};
}

SpaceManager::MapChange SpaceManager::change(SpaceOp op, std::span<const PageRange> ranges,
                                             const LogContext& context) {
  MapChange result;
  result.manager_ = this;
  result.op_ = op;
  result.context_ = &context;
  const uint64_t per_group = page::pages_per_group(data_.page_bytes());
  std::map<uint64_t, std::vector<BitRange>> by_group;  // Ascending: the latch order.
  for (const PageRange& range : ranges) {
    by_group[group_of(range.first)].push_back(
        {static_cast<uint32_t>(raw(range.first) % per_group), range.count});
  }
  std::vector<Group*> places;
  {
    // All that needs the mutex comes before the first latch: take() latches under it.
    os::LockGuard lock(mutex_);
    for (const auto& entry : by_group) places.push_back(groups_[entry.first].get());
    // Before the bits turn free in the map: from then on nobody may take them until the record is durable.
    if (op == SpaceOp::free) {
      std::list<PendingFree> blocked;
      for (const PageRange& range : ranges) blocked.push_back({range, {}, 0});
      for (const PageRange& range : ranges) set_unavailable(range, true);
      result.blocked_.swap(blocked);
    }
  }
  size_t next_place = 0;
  for (auto& [index, bits] : by_group) {
    Group& place = *places[next_place++];
    auto piece = std::make_shared<MapChange::Piece>(place.frame);
    piece->page = place.bytes.data();
    piece->first_page = index * per_group;
    piece->ranges = std::move(bits);
    piece->data.assign(reinterpret_cast<const char*>(piece->ranges.data()),
                       piece->ranges.size() * sizeof(BitRange));
    piece->view = piece->data;
    result.pieces_.push_back(std::move(piece));
  }
  return result;
}

void SpaceManager::MapChange::append_to(std::vector<PageRef>& pages,
                                        std::vector<wal::PartSpec>& parts) {
  for (const std::shared_ptr<Piece>& piece : pieces_) {
    pages.push_back({&piece->guard.frame(), piece->page});
    wal::PartSpec& part = parts.emplace_back();
    part.header.manager = wal::ResourceManager::space;
    part.header.op = static_cast<uint8_t>(op_);
    part.data = {&piece->view, 1};
  }
}

SpaceManager::MapChange::~MapChange() {
  if (blocked_.empty()) return;  // Applied, or nothing was to be freed.
  AETHER_REACHED("space.free_not_logged");
  pieces_.clear();  // Latches before the mutex.
  os::LockGuard lock(manager_->mutex_);
  for (const PendingFree& free : blocked_) manager_->set_unavailable(free.range, false);
}

void SpaceManager::MapChange::apply() noexcept {
  const base::NoAllocationScope no_allocation;
  for (const std::shared_ptr<Piece>& piece : pieces_) {
    page::SpaceMapPage map(piece->page, manager_->data_.page_bytes());
    for (const BitRange& range : piece->ranges) {
      const Result<void> changed = op_ == SpaceOp::allocate ? map.set(range.first, range.count)
                                                            : map.clear(range.first, range.count);
      AETHER_ASSERT(changed.has_value());
    }
  }
  for (PendingFree& free : blocked_) {
    free.vector = context_->lsn_vector;
    free.txn = context_->txn;
  }
  for (const std::shared_ptr<Piece>& piece : pieces_) piece->guard.release();
  os::LockGuard lock(manager_->mutex_);
  for (const std::shared_ptr<Piece>& piece : pieces_) {
    if (op_ != SpaceOp::allocate) break;
    for (const BitRange& range : piece->ranges) {
      const PageId first{piece->first_page + range.first};
      manager_->set_unavailable({first, range.count}, false);
    }
  }
  if (!blocked_.empty()) manager_->freed_.raise(context_->lsn_vector);
  std::list<PendingFree>& queue = context_->txn == 0 ? manager_->pending_ : manager_->held_;
  queue.splice(queue.end(), blocked_);
}

wal::LsnVector SpaceManager::freed() {
  os::LockGuard lock(mutex_);
  return freed_;
}

std::vector<PageWriter::Target> SpaceManager::map_pages() {
  os::LockGuard lock(mutex_);
  std::vector<PageWriter::Target> targets;
  for (const std::unique_ptr<Group>& place : groups_)
    targets.push_back({&place->frame, place->bytes.data()});
  return targets;
}

bool SpaceManager::is_allocated(PageId id) {
  if (group_of(id) >= group_count()) return false;
  Group& place = group(group_of(id));
  const SharedGuard guard = SharedGuard::lock(place.frame);
  return page::SpaceMapPage(place.bytes.data(), data_.page_bytes())
      .test(static_cast<uint32_t>(raw(id) % page::pages_per_group(data_.page_bytes())));
}

SpaceManager::UsedPages SpaceManager::used_pages(uint64_t index) {
  const uint32_t page_bytes = data_.page_bytes();
  const uint64_t per_group = page::pages_per_group(page_bytes);
  UsedPages used{std::vector<bool>(per_group), std::vector<bool>(per_group)};
  // The mutex for both: a page that goes from reserved to allocated is in one of them at least.
  os::LockGuard lock(mutex_);
  Group& place = *groups_[index];
  const SharedGuard guard = SharedGuard::lock(place.frame);
  const auto mark = [&](AlignedBuffer& bytes, std::vector<bool>& to) {
    const page::SpaceMapPage map(bytes.data(), page_bytes);
    for (uint32_t bit = map.find_allocated(0); bit < per_group; bit = map.find_allocated(bit + 1))
      to[bit] = true;
  };
  mark(place.bytes, used.allocated);
  mark(place.unavailable, used.taken);
  return used;
}

Result<Gsn> SpaceManager::raise_gsn(PageId id, uint32_t stream) {
  Group& place = group(group_of(id));
  const ExclusiveGuard guard = ExclusiveGuard::lock(place.frame);
  const PageRef page{&place.frame, place.bytes.data()};
  wal::PartSpec part;
  part.header.manager = wal::ResourceManager::space;
  part.header.op = static_cast<uint8_t>(SpaceOp::allocate);
  LogContext system;
  system.stream = stream;
  AETHER_TRY(log_change(log_, system, {}, {&page, 1}, {&part, 1}));
  return system.gsn;
}

Gsn SpaceManager::map_gsn(PageId id) {
  Group& place = group(group_of(id));
  const SharedGuard guard = SharedGuard::lock(place.frame);
  return reinterpret_cast<const page::PageHeader*>(place.bytes.data())->gsn;
}

uint64_t SpaceManager::page_count() {
  return std::min(group_count() * page::pages_per_group(data_.page_bytes()),
                  data_.capacity_pages());
}

uint64_t SpaceManager::free_count() {
  uint64_t allocated = 0;
  const uint64_t groups = group_count();
  for (uint64_t index = 0; index < groups; ++index) {
    Group& place = group(index);
    const SharedGuard guard = SharedGuard::lock(place.frame);
    allocated += page::SpaceMapPage(place.bytes.data(), data_.page_bytes()).count_allocated();
  }
  return page_count() - std::min(page_count(), allocated);
}

Result<void> forget_changed(DataFile& data, const wal::PartView& part) {
  const PageId id{part.header.page_id};
  if (!data.may_hold(id)) return {};  // Redo refuses it.
  AETHER_TRY(data.forget_versions(id, 1));
  const bool allocates = part.header.manager == wal::ResourceManager::space &&
                         part.header.op == static_cast<uint8_t>(SpaceOp::allocate);
  if (!allocates) return {};
  const uint64_t per_group = page::pages_per_group(data.page_bytes());
  const uint64_t begin = raw(id) / per_group * per_group;
  base::ByteReader reader(part.data);
  while (reader.remaining() > 0) {
    const auto first = reader.read<uint32_t>();
    const auto count = reader.read<uint32_t>();
    if (!reader.ok() || count == 0 || first >= per_group || count > per_group - first) break;
    AETHER_TRY(data.forget_versions(PageId{begin + first}, count));
  }
  return {};
}

Result<void> redo_space(std::byte* page, uint32_t page_bytes, PageId id, uint8_t op,
                        std::string_view data) {
  if (op == static_cast<uint8_t>(SpaceOp::image)) return redo_image(page, page_bytes, id, data);
  page::SpaceMapPage map(page, page_bytes);
  if (op == static_cast<uint8_t>(SpaceOp::format)) {
    map.format(id);
    return {};
  }
  const bool is_known = op == static_cast<uint8_t>(SpaceOp::allocate) ||
                        op == static_cast<uint8_t>(SpaceOp::free);
  if (!is_known || map.header().page.kind != page::PageKind::space_map)
    return Error(Code::corruption, "a space map change of no known kind, or of no space map");
  base::ByteReader reader(data);
  while (reader.remaining() > 0) {
    const auto first = reader.read<uint32_t>();
    const auto count = reader.read<uint32_t>();
    if (!reader.ok()) return Error(Code::corruption, "a space map change is cut short");
    const bool allocates = op == static_cast<uint8_t>(SpaceOp::allocate);
    if (!allocates && AETHER_PLANTED("space.redo_forgets_free")) continue;
    if (allocates && AETHER_PLANTED("space.redo_forgets_allocation")) continue;
    AETHER_TRY(allocates ? map.set(first, count) : map.clear(first, count));
  }
  return {};
}

}  // namespace aether::buffer
