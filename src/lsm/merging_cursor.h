/// One cursor over many that are sorted: nursery, runs, parts of a run. It takes no entry away; that is for `Merge`, which writes
/// runs, and for the reader, who knows his snapshot.
///
/// Order     By key, and within a key by the age of the source, the newest first; within a source as it has them. Age, not the
///           writer's id, tells which of two versions is newer: under read_committed a transaction may change a row after
///           one whose id is above its own has.
/// Cost      A step compares about log2(sources) keys, mostly their first 8 bytes, in a tournament tree (Knuth, TAOCP 3, 5.4.1:
///           a tree of losers). Turning round seeks in every source. Steps allocate nothing.
///
/// A source may know, without a read, from where on a seek would find something (SuRF does, and where runs begin). Then it is not sought
/// before it is the smallest: it stands ahead, at the bound, until all others have passed that. Within limits (`set_limits`) it
/// never is if the bound lies behind them: so a range that is empty is answered by filters.
///
/// Threads   One at a time.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aether/error.h"
#include "lsm/entry.h"

namespace aether::lsm {

/// Where a seek would lead.
enum class Outlook : uint8_t {
  unknown,
  nothing,     ///< To no entry.
  not_before,  ///< To none before a bound.
};

/// A sorted source. Each move answers whether it is at an entry; where it is at none, only a move that does not depend on
/// where it was is meant.
class EntryCursor {
 public:
  virtual ~EntryCursor() = default;

  virtual Result<bool> first() = 0;
  virtual Result<bool> last() = 0;
  /// To the first entry whose key is at least `key`: the newest version of the smallest such key.
  virtual Result<bool> seek(Bytes key) = 0;
  /// The same in steps, one after another; the last one answers.
  virtual Result<bool> seek_in_steps(Bytes key, SeekStep step) {
    return step == SeekStep::arrive ? seek(key) : Result<bool>(true);
  }
  /// To the last entry whose key is at most `key`: the oldest version of the largest such key.
  virtual Result<bool> seek_for_prev(Bytes key) = 0;
  virtual Result<bool> next() = 0;
  virtual Result<bool> prev() = 0;
  /// To the next entry, if it is at hand: as `next`, and cheaper. False: it has not moved, and `next` tells.
  virtual bool try_next() { return false; }
  /// Where it is. Borrowed until it moves.
  virtual const Entry& entry() const noexcept = 0;

  /// Of `seek(key)`, without it: with not_before `bound` is set, and is at least `key`. Nothing moves.
  virtual Outlook foresee(Bytes /*key*/, std::string& /*bound*/) const { return Outlook::unknown; }
  /// False: no entry's key is from `from` to `to`, both included.
  virtual bool may_have(Bytes /*from*/, Bytes /*to*/) const { return true; }
};

template <typename C>
concept SortedEntries = std::movable<C> && requires(C& cursor, const C& reader, Bytes key) {
  { cursor.first() } -> std::same_as<Result<bool>>;
  { cursor.last() } -> std::same_as<Result<bool>>;
  { cursor.seek(key) } -> std::same_as<Result<bool>>;
  { cursor.seek_for_prev(key) } -> std::same_as<Result<bool>>;
  { cursor.next() } -> std::same_as<Result<bool>>;
  { cursor.prev() } -> std::same_as<Result<bool>>;
  { reader.entry() } -> std::convertible_to<const Entry&>;
};

/// Which tell in advance what a seek would find, as an EntryCursor does.
template <typename C>
concept ForeseesEntries = requires(const C& reader, Bytes key, std::string& bound) {
  { reader.foresee(key, bound) } -> std::same_as<Outlook>;
  { reader.may_have(key, key) } -> std::same_as<bool>;
};

/// Which seek in steps, as an EntryCursor does.
template <typename C>
concept SeeksInSteps = requires(C& cursor, Bytes key, SeekStep step) {
  { cursor.seek_in_steps(key, step) } -> std::same_as<Result<bool>>;
};

/// Which may have the next entry at hand, as an EntryCursor does.
template <typename C>
concept TriesNext = requires(C& cursor) {
  { cursor.try_next() } -> std::same_as<bool>;
};

/// Any type that has these moves, as an EntryCursor.
template <SortedEntries C>
class EntryCursorOf final : public EntryCursor {
 public:
  explicit EntryCursorOf(C cursor) : cursor_(std::move(cursor)) {}

  Result<bool> first() override { return cursor_.first(); }
  Result<bool> last() override { return cursor_.last(); }
  Result<bool> seek(Bytes key) override { return cursor_.seek(key); }
  Result<bool> seek_in_steps(Bytes key, SeekStep step) override {
    if constexpr (SeeksInSteps<C>) return cursor_.seek_in_steps(key, step);
    return EntryCursor::seek_in_steps(key, step);
  }
  Result<bool> seek_for_prev(Bytes key) override { return cursor_.seek_for_prev(key); }
  Result<bool> next() override { return cursor_.next(); }
  Result<bool> prev() override { return cursor_.prev(); }
  bool try_next() override {
    if constexpr (TriesNext<C>) return cursor_.try_next();
    return false;
  }
  const Entry& entry() const noexcept override { return cursor_.entry(); }
  Outlook foresee(Bytes key, std::string& bound) const override {
    if constexpr (ForeseesEntries<C>) return cursor_.foresee(key, bound);
    return EntryCursor::foresee(key, bound);
  }
  bool may_have(Bytes from, Bytes to) const override {
    if constexpr (ForeseesEntries<C>) return cursor_.may_have(from, to);
    return true;
  }

 private:
  C cursor_;
};

class MergingCursor {
 public:
  /// The newest source first. None is moved before the first move of this.
  explicit MergingCursor(std::vector<std::unique_ptr<EntryCursor>> newest_first);

  /// Nobody asks for keys below `begin`, nor from `end` on (empty: there is no end): where it would come to one of those it may be at none
  /// instead. Borrowed.
  void set_limits(Bytes begin, Bytes end) noexcept {
    begin_ = begin;
    end_ = end;
    has_limits_ = true;
  }

  /// As those of a source. After an error: only first, last and the seeks.
  Result<bool> first();
  Result<bool> last();
  Result<bool> seek(Bytes key);
  Result<bool> seek_for_prev(Bytes key);
  /// Only where it is at an entry.
  Result<bool> next();
  Result<bool> prev();

  bool valid() const noexcept { return !heads_.empty() && heads_[winner()].entry != nullptr; }
  /// Where it is. Borrowed until it moves.
  const Entry& entry() const noexcept { return *heads_[winner()].entry; }
  /// Which source it comes from: 0 is the newest.
  size_t source() const noexcept { return winner(); }

 private:
  /// Where a source is.
  struct Head {
    const Entry* entry = nullptr;  // Null: at none.
    uint64_t begin = 0;            // Of the key: 8 bytes that compare as it does.
    bool is_ahead = false;         // The entry is the bound of `ahead_`: nothing has been read.
  };
  /// Where a source stands that has not been sought.
  struct Ahead {
    std::string bound;
    Entry entry;
    bool is_sought = false;  // By the seek that is under way.
  };
  template <typename Move>
  Result<bool> move_all(bool forward, Move move);
  template <bool kForward>
  Result<bool> step();
  template <bool kForward>
  Result<void> turn();
  void arrived(size_t source, bool is_there) noexcept;
  void leave() noexcept;
  Error lost(Error error) noexcept;
  Result<void> seek_all(Bytes key);
  bool foresees(size_t source, Bytes key);
  Result<bool> settled();
  template <bool kForward>
  void replay(size_t moved) noexcept;
  template <bool kForward>
  bool is_before(size_t a, size_t b) const noexcept;
  template <bool kForward>
  void play_all() noexcept;
  template <bool kForward>
  size_t play(size_t node) noexcept;
  size_t winner() const noexcept { return losers_[0]; }

  std::vector<std::unique_ptr<EntryCursor>> sources_;
  std::vector<Head> heads_;
  // [0]: the winner of all. [n]: who lost the match of node n, whose children are 2n and 2n + 1; source s is leaf s + count.
  std::vector<uint32_t> losers_;
  std::vector<Ahead> ahead_;  // By source, from the first seek on.
  bool forward_ = true;
  bool has_limits_ = false;
  Bytes begin_;
  Bytes end_;
};

}  // namespace aether::lsm
