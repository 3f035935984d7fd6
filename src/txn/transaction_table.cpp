#include "txn/transaction_table.h"

#include <algorithm>
#include <new>

#include "base/assert.h"
#include "base/planted.h"

namespace aether::txn {

void TransactionTable::Release::operator()(Slot* slots) const noexcept {
  os::release_memory(slots, kSlots * sizeof(Slot));
}

TransactionTable::TransactionTable(wal::Log& log, TxnId first_id)
    : log_(log),
      slots_(static_cast<Slot*>(os::reserve_memory(kSlots * sizeof(Slot)))),
      settled_below_(first_id),  // Those of lives before; but for whom recovery reopens.
      lowest_id_(first_id),
      next_id_(first_id) {
  AETHER_ASSERT(first_id > 0);
  if (slots_ == nullptr) throw std::bad_alloc();
  open_ids_.reserve(kSlots);
}

wal::LsnVector TransactionTable::vector_of(const Slot& slot) noexcept {
  wal::LsnVector vector;
  for (uint32_t i = 0; i < wal::kMaxStreams; ++i) {
    vector.at[i] = slot.vector[i].load(std::memory_order_relaxed);
  }
  return vector;
}

bool TransactionTable::is_durable(const Slot& slot) const noexcept {
  bool durable = true;
  const uint32_t streams = log_.stream_count();
  for (uint32_t i = 0; i < streams; ++i)
    durable &= slot.vector[i].load(std::memory_order_relaxed) <= log_.durable(i);
  return durable;
}

bool TransactionTable::reusable(const Slot& slot) const noexcept {
  switch (slot.state.load(std::memory_order_acquire)) {
    case State::none: return true;
    case State::open: return false;
    case State::ended: return is_durable(slot);
  }
  return false;
}

Result<TxnId> TransactionTable::open(Snapshot* snapshot, bool* is_safe) {
  for (;;) {
    const TxnId id = try_open(snapshot, is_safe);
    if (id != 0) return id;
    // Every slot is taken. By ends that wait for the log? Then a flush makes room.
    if (open_count() >= kSlots) break;
    AETHER_TRY(log_.flush_for_room());
  }
  return Error(Code::busy, std::to_string(kSlots) + " transactions are open: end some, then retry");
}

/// 0: no slot is free.
TxnId TransactionTable::try_open(Snapshot* snapshot, bool* is_safe) {
  os::LockGuard lock(mutex_);
  if (snapshot != nullptr) make_room(*snapshot);
  // Ids that fall on a slot in use are skipped: they cost nothing.
  for (uint32_t tries = 0; tries < kSlots; ++tries) {
    step(entered_ids_, 1);  // First, and released by the drawing: see lone_ids.
    const TxnId id = draw_id();
    Slot& slot = slots_[id % kSlots];
    if (!reusable(slot)) continue;
    slot.state.store(State::none, std::memory_order_relaxed);
    slot.id.store(id, std::memory_order_release);
    slot.pin.store(0, std::memory_order_relaxed);
    slot.commit_number.store(0, std::memory_order_relaxed);
    slot.begun_ns.store(0, std::memory_order_relaxed);
    slot.state.store(State::open, std::memory_order_release);
    step(open_count_, 1);
    open_ids_.push_back(id);
    if (snapshot != nullptr) enter(*snapshot);
    if (is_safe != nullptr) *is_safe = is_safe_moment();
    return id;
  }
  return 0;
}

void TransactionTable::reopen(TxnId id, LogPosition pin) noexcept {
  Slot& slot = slots_[id % kSlots];
  AETHER_ASSERT(slot.state.load() != State::open);
  slot.id.store(id, std::memory_order_release);
  slot.pin.store(pin, std::memory_order_relaxed);
  slot.state.store(State::open, std::memory_order_release);
  // Who has read before it was known took it for old history.
  settled_below_.store(std::min(settled_below(), id), std::memory_order_relaxed);
  lowest_id_.store(std::min(lowest_id_.load(std::memory_order_relaxed), id),
                   std::memory_order_relaxed);
  os::LockGuard lock(mutex_);
  ended_ids_ = {};
  step(open_count_, 1);
  open_ids_.insert(std::lower_bound(open_ids_.begin(), open_ids_.end(), id), id);
}

/// From here on snapshots see it, and reads without one: both at the same moment, so that nobody who has seen it
/// takes a snapshot without it.
void TransactionTable::leave(Slot& slot, State state, Snapshot* snapshot) noexcept {
  os::LockGuard lock(mutex_);
  const TxnId id = slot.id.load(std::memory_order_relaxed);
  uint64_t number = slot.commit_number.load(std::memory_order_relaxed);
  if (state == State::none) slot.id.store(0, std::memory_order_relaxed);
  slot.state.store(state, std::memory_order_seq_cst);
  // Who has written without a number comes after all that have drawn one and looked while it was open: it is first no
  // longer open, then asks how many those are; they first draw, then look.
  if (number == 0 && state == State::ended)
    number = next_commit_number_.load(std::memory_order_seq_cst) - 1;
  highest_ended_number_ = std::max(highest_ended_number_, number);
  if (state == State::ended) {
    const uint32_t streams = log_.stream_count();
    for (uint32_t i = 0; i < streams; ++i)
      ended_.raise(i, slot.vector[i].load(std::memory_order_relaxed));
  }
  if (open_ids_.back() == id) [[likely]] {
    open_ids_.pop_back();
  } else {
    open_ids_.erase(std::lower_bound(open_ids_.begin(), open_ids_.end(), id));
  }
  step(open_count_, -1);
  if (snapshot != nullptr && snapshot->is_open()) drop(*snapshot);
}

LogPosition TransactionTable::pin(TxnId id) noexcept {
  // Before the record is appended, as mark_dirty does, so that a checkpoint misses nothing.
  Slot& slot = slots_[id % kSlots];
  AETHER_ASSERT(slot.pin.load(std::memory_order_relaxed) == 0);
  const LogPosition position = log_.append_position();
  os::sim_point();
  slot.pin.store(position, std::memory_order_release);
  return position;
}

void TransactionTable::end(TxnId id, const wal::LsnVector& vector, Snapshot* snapshot) noexcept {
  Slot& slot = slots_[id % kSlots];
  AETHER_ASSERT(slot.id.load(std::memory_order_relaxed) == id);
  const uint32_t streams = log_.stream_count();  // Of others nobody has anything.
  for (uint32_t i = 0; i < streams; ++i)
    slot.vector[i].store(vector.at[i], std::memory_order_relaxed);
  os::sim_point();
  leave(slot, State::ended, snapshot);
}

void TransactionTable::forget(TxnId id, Snapshot* snapshot) noexcept {
  Slot& slot = slots_[id % kSlots];
  AETHER_ASSERT(slot.id.load(std::memory_order_relaxed) == id);
  leave(slot, State::none, snapshot);
}

void TransactionTable::open_snapshot(Snapshot& snapshot) {
  os::LockGuard lock(mutex_);
  make_room(snapshot);
  enter(snapshot);
}

void TransactionTable::renew_snapshot(Snapshot& snapshot) {
  os::LockGuard lock(mutex_);
  make_room(snapshot);
  if (snapshot.is_open()) drop(snapshot);
  if (snapshot.opened_ns_ != 0) snapshot.opened_ns_ = log_.os().monotonic_ns();
  enter(snapshot);
}

/// For those that are open, and the one that may be about to open with it. An open snapshot's own are kept.
void TransactionTable::make_room(Snapshot& snapshot) {
  auto& open = snapshot.bounds_.open;
  const size_t count = open_ids_.size() + 1;
  if (open.capacity() < count) open.reserve(std::max(count, 2 * open.capacity()));
}

void TransactionTable::enter(Snapshot& snapshot) noexcept {
  AETHER_ASSERT(!snapshot.is_open());
  // First the count, then the bound: who draws an id that this snapshot does not see, sees the count. Likewise the
  // newest bound, which is not known before.
  step(snapshot_count_, 1);
  newest_bound_.store(~TxnId{0}, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  SnapshotBounds& bounds = snapshot.bounds_;
  bounds.next = next_id_.load(std::memory_order_seq_cst);
  newest_bound_.store(bounds.next, std::memory_order_release);
  if (!AETHER_PLANTED("txn.snapshot_sees_open"))
    bounds.open.assign(open_ids_.begin(), open_ids_.end());
  bounds.low = open_ids_.empty() ? bounds.next : open_ids_.front();
  snapshot.now_ms_.store(0, std::memory_order_relaxed);
  snapshot.older_ = newest_;
  snapshot.newer_ = nullptr;
  (newest_ == nullptr ? oldest_ : newest_->newer_) = &snapshot;
  newest_ = &snapshot;
}

/// Ids of single records so far. Never too many, and exact under the mutex, where all others are drawn.
uint64_t TransactionTable::lone_ids() const noexcept {
  const TxnId next = next_id_.load(std::memory_order_seq_cst);
  return next - entered_ids_.load(std::memory_order_seq_cst);
}

/// A snapshot that was entered before sees nobody who comes later in the serial order than one it does not see.
bool TransactionTable::is_safe_moment() const noexcept {
  // Who has not drawn yet will draw a higher number than all that have ended, and will meet all they have written. Who
  // has drawn may have looked at a row before a single record changed it, which has no number.
  const uint64_t lone = lone_ids();
  for (const TxnId id : open_ids_) {
    const Slot& slot = slots_[id % kSlots];
    const uint64_t number = slot.commit_number.load(std::memory_order_acquire);
    if (number == 0) continue;
    if (number <= highest_ended_number_) return false;
    if (slot.lone_ids.load(std::memory_order_relaxed) != lone) return false;
  }
  return true;
}

bool TransactionTable::try_open_safe_snapshot(Snapshot& snapshot) {
  os::LockGuard lock(mutex_);
  make_room(snapshot);
  enter(snapshot);
  if (is_safe_moment()) return true;
  drop(snapshot);
  return false;
}

uint64_t TransactionTable::draw_commit_number(TxnId id) noexcept {
  if (id == 0) return next_commit_number_.fetch_add(1, std::memory_order_acq_rel);
  // Who draws a higher number sees that this one is drawing, and the rows it has written: both came before.
  std::atomic<uint64_t>& place = slots_[id % kSlots].commit_number;
  place.store(kDrawing, std::memory_order_release);
  os::sim_point();
  slots_[id % kSlots].lone_ids.store(lone_ids(), std::memory_order_relaxed);
  const uint64_t number = next_commit_number_.fetch_add(1, std::memory_order_seq_cst);
  os::sim_point();
  place.store(number, std::memory_order_release);
  return number;
}

void TransactionTable::restore_commit_number(TxnId id) noexcept {
  os::LockGuard lock(mutex_);
  Slot& slot = slots_[id % kSlots];
  slot.lone_ids.store(lone_ids(), std::memory_order_relaxed);
  slot.commit_number.store(kRestored, std::memory_order_release);
  // Others may have committed after it in the life before: while it is in doubt, no snapshot is safe.
  highest_ended_number_ = std::max(highest_ended_number_, kRestored);
}

bool TransactionTable::commits_after(TxnId id, uint64_t number) const noexcept {
  const Slot& slot = slots_[id % kSlots];
  if (slot.id.load(std::memory_order_acquire) != id) return false;
  uint64_t other = slot.commit_number.load(std::memory_order_acquire);
  for (os::Backoff backoff; other == kDrawing; backoff.wait()) {
    other = slot.commit_number.load(std::memory_order_acquire);
  }
  const bool is_open_still = slot.state.load(std::memory_order_seq_cst) == State::open &&
                             slot.id.load(std::memory_order_relaxed) == id;
  return is_open_still && (other == 0 || other > number);
}

void TransactionTable::close_snapshot(Snapshot& snapshot) noexcept {
  if (!snapshot.is_open()) return;
  os::LockGuard lock(mutex_);
  drop(snapshot);
}

void TransactionTable::drop(Snapshot& snapshot) noexcept {
  (snapshot.older_ == nullptr ? oldest_ : snapshot.older_->newer_) = snapshot.newer_;
  if (newest_ == &snapshot) {
    newest_bound_.store(snapshot.older_ == nullptr ? 0 : snapshot.older_->bounds_.next,
                        std::memory_order_release);  // Seen late: a version is kept for nothing.
  }
  (snapshot.newer_ == nullptr ? newest_ : snapshot.newer_->older_) = snapshot.older_;
  snapshot.bounds_.next = 0;
  step(snapshot_count_, -1);
}

TxnId TransactionTable::horizon() const noexcept {
  os::LockGuard lock(mutex_);
  return oldest_ == nullptr ? next_id_.load(std::memory_order_seq_cst) : oldest_->bounds_.low;
}

/// The monotonic clock stands still while the machine sleeps, and the wall clock may be set: it is followed forward.
uint64_t TransactionTable::clock_offset_ns() const noexcept {
  const uint64_t offset = log_.os().wall_ns() - log_.os().monotonic_ns();
  uint64_t known = clock_offset_ns_.load(std::memory_order_relaxed);
  while (known == 0 || static_cast<int64_t>(offset - known) > 0) {
    if (clock_offset_ns_.compare_exchange_weak(known, offset, std::memory_order_relaxed))
      return offset;
  }
  return known;
}

/// Under the mutex: who tells a horizon meets it, or comes before, and then it is not before that.
uint64_t TransactionTable::take_now(const Snapshot& snapshot) const noexcept {
  os::LockGuard lock(mutex_);
  const uint64_t now = now_of(snapshot);
  snapshot.now_ms_.store(now, std::memory_order_relaxed);
  return now;
}

uint64_t TransactionTable::now_of(const Snapshot& snapshot) const noexcept {
  const uint64_t known = snapshot.now_ms_.load(std::memory_order_relaxed);
  if (known != 0) return known;
  const uint64_t opened = snapshot.opened_ns_;
  const uint64_t now = opened == 0 ? now_ms() : to_ms(opened + clock_offset_ns());
  return std::max(now, told_horizon_ms_);
}

uint64_t TransactionTable::expiry_horizon_ms() const noexcept {
  os::LockGuard lock(mutex_);
  uint64_t horizon = now_ms();
  for (const Snapshot* s = oldest_; s != nullptr; s = s->newer_)
    horizon = std::min(horizon, now_of(*s));
  told_horizon_ms_ = std::max(told_horizon_ms_, horizon);
  return horizon;
}

std::vector<SnapshotBounds> TransactionTable::snapshots() const {
  os::LockGuard lock(mutex_);
  std::vector<SnapshotBounds> result;
  for (const Snapshot* s = oldest_; s != nullptr; s = s->newer_) result.push_back(s->bounds_);
  return result;
}

OldestOpen TransactionTable::oldest() const noexcept {
  os::LockGuard lock(mutex_);
  OldestOpen oldest;
  for (const TxnId id : open_ids_) {
    const uint64_t begun = slots_[id % kSlots].begun_ns.load(std::memory_order_relaxed);
    if (begun != 0 && (oldest.transaction_ns == 0 || begun < oldest.transaction_ns))
      oldest.transaction_ns = begun;
  }
  if (oldest_ != nullptr) {
    oldest.snapshot_ns = oldest_->opened_ns_;
    oldest.snapshot_ids_behind = next_id() - oldest_->bounds_.next;
  }
  return oldest;
}

void TransactionTable::add_unsettled(TxnId id, wal::LsnVector& vector) const noexcept {
  const Slot& slot = slots_[id % kSlots];
  if (slot.id.load(std::memory_order_acquire) != id) return;
  if (slot.state.load(std::memory_order_acquire) != State::ended) return;
  const wal::LsnVector found = vector_of(slot);
  os::sim_point();
  std::atomic_thread_fence(std::memory_order_acquire);
  // Reused meanwhile: then its end was durable, and nothing depends on it any more.
  if (slot.id.load(std::memory_order_relaxed) != id) return;
  if (AETHER_PLANTED("txn.drop_commit_vector")) return;
  vector.raise(found);
}

/// A few ids at a time as they come; all slots at once when many have come, but then only every kSlots ids.
void TransactionTable::settle(TxnId next) noexcept {
  constexpr TxnId kStep = 64;
  TxnId settled = first_in_use();
  if (next <= settled) return;
  if (next - settled > kSlots) {
    const TxnId tried = settle_tried_.load(std::memory_order_relaxed);
    if (next >= tried + kSlots) {
      settle_tried_.store(next, std::memory_order_relaxed);
      settled = settled_among_all(next);
    }
  }
  for (const TxnId end = std::min(next, settled + kStep); settled < end; ++settled) {
    const Slot& slot = slots_[settled % kSlots];
    // Another's id: this one was a single record's, or its slot was reused, and then its end was durable.
    if (slot.id.load(std::memory_order_acquire) == settled && !reusable(slot)) break;
  }
  raise_settled(settled);
}

void TransactionTable::raise_settled(TxnId settled) noexcept {
  TxnId known = settled_below();
  while (known < settled &&
         !settled_below_.compare_exchange_weak(known, settled, std::memory_order_relaxed)) {
  }
}

/// Ids are entered under the mutex in which they are drawn: of those below, none will be that is not by now.
void TransactionTable::settle_ended() noexcept {
  os::LockGuard lock(mutex_);
  if (!ended_ids_.ends.covered_by(log_.durable())) return;
  raise_settled(ended_ids_.below);
  const TxnId next = next_id_.load(std::memory_order_seq_cst);
  ended_ids_ = {.below = open_ids_.empty() ? next : open_ids_.front(), .ends = ended_};
}

TxnId TransactionTable::settled_among_all(TxnId next) const noexcept {
  TxnId settled = next;
  for (uint32_t i = 0; i < kSlots; ++i) {
    const Slot& slot = slots_[i];
    // The id first: if the slot is taken over meanwhile, that is an old id for a new transaction, which is too low.
    const TxnId id = slot.id.load(std::memory_order_acquire);
    if (id < settled && id != 0 && !reusable(slot)) settled = id;
  }
  return settled;
}

LogPosition TransactionTable::oldest_pin(LogPosition otherwise) const noexcept {
  LogPosition oldest = otherwise;
  const TxnId first = first_in_use();
  // Who draws an id later reads the log position for its pin later still.
  const TxnId end = std::min(next_id_.load(std::memory_order_seq_cst), first + kSlots);
  for (TxnId id = first; id < end; ++id) {
    const Slot& slot = slots_[id % kSlots];
    if (reusable(slot)) continue;
    const LogPosition pin = slot.pin.load(std::memory_order_seq_cst);
    if (pin != 0) oldest = std::min(oldest, pin);
  }
  return oldest;
}

}  // namespace aether::txn
