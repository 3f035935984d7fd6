#include <algorithm>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "lsm/run.h"
#include "lsm/run_file.h"

namespace aether::lsm {

using buffer::BlockHandle;
using At = BlockCursor::At;

namespace {

/// The first read ahead, once the cursor has gone from block to block so many times; then twice as much each time.
constexpr uint32_t kStepsBeforeReadAhead = 2;
constexpr uint64_t kReadAheadBegin = 64 * KiB;
constexpr uint64_t kReadAheadMax = 256 * KiB;
constexpr uint64_t kReadAheadOnce = 1 * MiB;

}  // namespace

struct RunCursor::State {
  enum class Way : uint8_t { forward, backward };

  std::shared_ptr<const Run> run;
  const RunFile& file;
  const Use use;
  const BlockDirectory* directory = nullptr;  ///< From the first move on, if there are blocks.
  uint64_t number = 0;                        ///< Of the block in it.
  BlockHandle block;
  BlockCursor cursor;
  bool valid = false;
  std::optional<uint64_t> located;  ///< The block that a seek in steps is on its way to.
  uint32_t blocks_in_a_row = 0;
  // Bytes of the run that were read ahead.
  std::string ahead;
  uint64_t ahead_at = 0;
  uint64_t ahead_next_bytes = kReadAheadBegin;

  State(std::shared_ptr<const Run> of, const RunFile& its_file, Use how)
      : run(std::move(of)), file(its_file), use(how) {}

  /// Before a move that does not depend on where it is. False: there are no entries.
  Result<bool> start() {
    valid = false;
    blocks_in_a_row = 0;
    if (file.footer().index_levels == 0) return false;
    if (directory == nullptr) {
      AETHER_TRY_ASSIGN(directory, file.directory());
    }
    return true;
  }

  Error malformed() const {
    return file.damaged(directory->place(number).offset, "a block is malformed");
  }

  Result<void> load(uint64_t wanted) {
    if (block && number == wanted) return {};
    number = wanted;
    block.reset();
    AETHER_TRY_ASSIGN(block, load_data(directory->place(number)));
    cursor.attach_headed(block.bytes());
    return {};
  }

  Result<BlockHandle> load_data(const BlockPlace& place) {
    if (use == Use::cached) {
      if (BlockHandle there = file.cached(place)) return there;
    }
    const bool ahead_has_it = place.offset >= ahead_at && place.bytes <= ahead.size() &&
                              place.offset - ahead_at <= ahead.size() - place.bytes;
    if (!ahead_has_it && (use == Use::once || blocks_in_a_row >= kStepsBeforeReadAhead))
      AETHER_TRY(read_ahead(place));
    const bool is_ahead = ahead_has_it || ahead_at == place.offset;
    if (!is_ahead || ahead.size() < place.bytes) {
      AETHER_TRY_ASSIGN(BlockHandle alone, file.read_block(place, BlockKind::data));
      if (use == Use::cached) file.keep(place, alone);
      return alone;
    }
    const std::string_view bytes = std::string_view(ahead).substr(place.offset - ahead_at,
                                                                  place.bytes);
    AETHER_TRY_ASSIGN(BlockHandle unpacked, file.unpack(place, BlockKind::data, bytes));
    if (use == Use::cached) file.keep(place, unpacked);
    return unpacked;
  }

  /// From the block on. Nothing, if it lies outside the run: who reads it says so.
  Result<void> read_ahead(const BlockPlace& place) {
    const uint64_t all = file.reference().bytes;
    if (place.offset >= all || place.bytes > all - place.offset) return {};
    const uint64_t wanted = use == Use::once ? kReadAheadOnce : ahead_next_bytes;
    ahead_next_bytes = std::min(ahead_next_bytes * 2, kReadAheadMax);
    ahead.clear();
    ahead.resize(std::min(std::max(wanted, place.bytes), all - place.offset));
    ahead_at = place.offset;
    Result<void> read = file.read_bytes(ahead_at, ahead.size(), ahead.data());
    // What is damaged may lie behind the block: it is met when somebody comes there.
    if (!read) ahead.clear();
    return {};
  }

  Result<bool> arrive(At at) {
    if (at == At::malformed) return malformed();
    valid = at == At::entry;
    return valid;
  }

  /// To the first entry of a block, or its last. Only a run without entries has an empty block, and it has no index.
  Result<bool> enter(uint64_t wanted, Way way) {
    AETHER_TRY(load(wanted));
    if ((way == Way::forward ? cursor.first() : cursor.last()) != At::entry) return malformed();
    valid = true;
    return true;
  }

  /// To the first entry of the next block, or the last of the one before.
  Result<bool> step_block(Way way) {
    valid = false;
    blocks_in_a_row = way == Way::forward ? blocks_in_a_row + 1 : 0;
    if (number == (way == Way::forward ? directory->blocks() - 1 : 0)) return false;
    return enter(way == Way::forward ? number + 1 : number - 1, way);
  }

  /// To the block in which (key, writer) would be.
  Result<void> descend_to(Bytes key, TxnId writer) {
    AETHER_TRY_ASSIGN(const uint64_t wanted, file.find_block(*directory, key, writer));
    return load(wanted);
  }
};

RunCursor::RunCursor(std::shared_ptr<const Run> run, Use use) {
  const RunFile& file = *run->file_;
  state_ = std::make_unique<State>(std::move(run), file, use);
}
RunCursor::~RunCursor() = default;
RunCursor::RunCursor(RunCursor&&) noexcept = default;
RunCursor& RunCursor::operator=(RunCursor&&) noexcept = default;

bool RunCursor::valid() const noexcept { return state_->valid; }
const Entry& RunCursor::entry() const noexcept {
  AETHER_ASSERT(state_->valid);
  return state_->cursor.entry();
}
BlockHandle RunCursor::block() const noexcept { return state_->block.share(); }
bool RunCursor::is_first_of_block() const noexcept { return state_->cursor.is_first(); }

Result<bool> RunCursor::first() {
  AETHER_TRY_ASSIGN(const bool has_entries, state_->start());
  return has_entries ? state_->enter(0, State::Way::forward) : Result<bool>(false);
}

Result<bool> RunCursor::last() {
  AETHER_TRY_ASSIGN(const bool has_entries, state_->start());
  if (!has_entries) return false;
  return state_->enter(state_->directory->blocks() - 1, State::Way::backward);
}

Result<bool> RunCursor::seek(Bytes key, TxnId writer) {
  State& state = *state_;
  AETHER_TRY_ASSIGN(const bool has_entries, state.start());
  if (!has_entries) return false;
  AETHER_TRY(state.descend_to(key, writer));
  state.cursor.approach(key, writer);
  return arrive_at_least(key, writer);
}

Result<bool> RunCursor::arrive_at_least(Bytes key, TxnId writer) {
  State& state = *state_;
  const At at = state.cursor.arrive_at_least(key, writer);
  if (at == At::nothing) return state.step_block(State::Way::forward);
  return state.arrive(at);
}

Result<bool> RunCursor::seek_in_steps(Bytes key, SeekStep step) {
  State& state = *state_;
  if (step == SeekStep::locate) {
    state.located.reset();
    AETHER_TRY_ASSIGN(const bool has_entries, state.start());
    if (!has_entries) return false;
    AETHER_TRY_ASSIGN(state.located, state.file.find_block(*state.directory, key, kEveryWriter));
    if (state.use == Use::cached) state.file.prefetch(state.directory->place(*state.located));
    return true;
  }
  if (!state.located) return false;
  if (step == SeekStep::load) {
    AETHER_TRY(state.load(*state.located));
    state.cursor.approach(key, kEveryWriter);
    return true;
  }
  return arrive_at_least(key, kEveryWriter);
}

Result<bool> RunCursor::seek_for_prev(Bytes key) {
  State& state = *state_;
  AETHER_TRY_ASSIGN(const bool has_entries, state.start());
  if (!has_entries) return false;
  constexpr TxnId kOldest = 0;
  AETHER_TRY(state.descend_to(key, kOldest));
  const At at = state.cursor.seek_at_most(key, kOldest);
  if (at == At::nothing) return state.step_block(State::Way::backward);
  return state.arrive(at);
}

bool RunCursor::try_next() {
  AETHER_ASSERT(state_->valid);
  return state_->cursor.next() == At::entry;
}

Result<bool> RunCursor::next() {
  State& state = *state_;
  AETHER_ASSERT(state.valid);
  const At at = state.cursor.next();
  if (at == At::nothing) return state.step_block(State::Way::forward);
  return state.arrive(at);
}

Result<bool> RunCursor::prev() {
  State& state = *state_;
  AETHER_ASSERT(state.valid);
  const At at = state.cursor.prev();
  if (at == At::nothing) return state.step_block(State::Way::backward);
  return state.arrive(at);
}

}  // namespace aether::lsm
