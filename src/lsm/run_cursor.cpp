#include <algorithm>
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

/// Level 0 is data; above it the index, the root last.
struct RunCursor::State {
  struct Level {
    BlockPlace place;
    BlockHandle block;
    BlockCursor cursor;
  };
  enum class Way : uint8_t { forward, backward };

  std::shared_ptr<const Run> run;
  const RunFile& file;
  const Use use;
  std::vector<Level> levels;
  bool valid = false;
  uint32_t blocks_in_a_row = 0;
  // Bytes of the run that were read ahead.
  std::string ahead;
  uint64_t ahead_at = 0;
  uint64_t ahead_next_bytes = kReadAheadBegin;

  State(std::shared_ptr<const Run> of, const RunFile& its_file, Use how)
      : run(std::move(of)), file(its_file), use(how), levels(file.footer().index_levels + 1) {
    if (levels.size() == 1) return;
    levels.back().place = file.footer().root;
    levels.back().block = file.root().share();
  }

  Error malformed(const Level& level) const {
    return file.damaged(level.place.offset, "a block is malformed");
  }

  Result<void> attach(Level& level) const {
    if (!level.cursor.attach(level.block.bytes())) return malformed(level);
    return {};
  }

  /// The block that the entry of the level above leads to.
  Result<void> load(size_t depth) {
    Level& level = levels[depth];
    if (!read_place(levels[depth + 1].cursor.entry().value, level.place))
      return file.damaged(levels[depth + 1].place.offset, "an index block is malformed");
    const BlockKind kind = depth == 0 ? BlockKind::data : BlockKind::index;
    if (depth == 0) {
      AETHER_TRY_ASSIGN(level.block, load_data(level.place));
    } else {
      AETHER_TRY_ASSIGN(level.block, file.block(level.place, kind));
    }
    return attach(level);
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
    AETHER_TRY_ASSIGN(BlockHandle block, file.unpack(place, BlockKind::data,
                                                     std::string_view(ahead).substr(
                                                         place.offset - ahead_at, place.bytes)));
    if (use == Use::cached) file.keep(place, block);
    return block;
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

  Result<bool> arrive(At at, Level& level) {
    if (at == At::malformed) return malformed(level);
    valid = at == At::entry;
    return valid;
  }

  /// Down from the level at `depth`, along the first or last entries.
  Result<bool> descend(size_t depth, Way way) {
    for (;; --depth) {
      const At at = way == Way::forward ? levels[depth].cursor.first()
                                        : levels[depth].cursor.last();
      // Only a run without entries has an empty block, and it has no index.
      if (at != At::entry) return malformed(levels[depth]);
      if (depth == 0) break;
      AETHER_TRY(load(depth - 1));
    }
    valid = true;
    return true;
  }

  /// To the first entry of the next block, or the last of the one before.
  Result<bool> step_block(Way way) {
    valid = false;
    blocks_in_a_row = way == Way::forward ? blocks_in_a_row + 1 : 0;
    for (size_t depth = 1; depth < levels.size(); ++depth) {
      BlockCursor& cursor = levels[depth].cursor;
      const At at = way == Way::forward ? cursor.next() : cursor.prev();
      if (at == At::malformed) return malformed(levels[depth]);
      if (at == At::nothing) continue;
      AETHER_TRY(load(depth - 1));
      return descend(depth - 1, way);
    }
    return false;
  }

  Result<bool> begin(Way way) {
    valid = false;
    blocks_in_a_row = 0;
    if (levels.size() == 1) return false;
    AETHER_TRY(attach(levels.back()));
    return descend(levels.size() - 1, way);
  }

  /// Down to the block in which (key, writer) would be. False: it comes before all entries, and the cursor is at the first.
  Result<void> descend_to(Bytes key, TxnId writer) {
    valid = false;
    blocks_in_a_row = 0;
    AETHER_TRY(attach(levels.back()));
    for (size_t depth = levels.size() - 1; depth > 0; --depth) {
      // The first entry of an index has the smallest place there is, or the one that its parent has.
      if (levels[depth].cursor.seek_at_most(key, writer) != At::entry)
        return malformed(levels[depth]);
      AETHER_TRY(load(depth - 1));
    }
    return {};
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
  return state_->levels.front().cursor.entry();
}
BlockHandle RunCursor::block() const noexcept { return state_->levels.front().block.share(); }
bool RunCursor::is_first_of_block() const noexcept {
  return state_->levels.front().cursor.is_first();
}

Result<bool> RunCursor::first() { return state_->begin(State::Way::forward); }
Result<bool> RunCursor::last() { return state_->begin(State::Way::backward); }

Result<bool> RunCursor::seek(Bytes key, TxnId writer) {
  State& state = *state_;
  if (state.levels.size() == 1) return false;
  AETHER_TRY(state.descend_to(key, writer));
  State::Level& level = state.levels.front();
  const At at = level.cursor.seek_at_least(key, writer);
  if (at == At::nothing) return state.step_block(State::Way::forward);
  return state.arrive(at, level);
}

Result<bool> RunCursor::seek_for_prev(Bytes key) {
  State& state = *state_;
  if (state.levels.size() == 1) return false;
  constexpr TxnId kOldest = 0;
  AETHER_TRY(state.descend_to(key, kOldest));
  State::Level& level = state.levels.front();
  const At at = level.cursor.seek_at_most(key, kOldest);
  if (at == At::nothing) return state.step_block(State::Way::backward);
  return state.arrive(at, level);
}

Result<bool> RunCursor::next() {
  State& state = *state_;
  AETHER_ASSERT(state.valid);
  State::Level& level = state.levels.front();
  const At at = level.cursor.next();
  if (at == At::nothing) return state.step_block(State::Way::forward);
  return state.arrive(at, level);
}

Result<bool> RunCursor::prev() {
  State& state = *state_;
  AETHER_ASSERT(state.valid);
  State::Level& level = state.levels.front();
  const At at = level.cursor.prev();
  if (at == At::nothing) return state.step_block(State::Way::backward);
  return state.arrive(at, level);
}

}  // namespace aether::lsm
