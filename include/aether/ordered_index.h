/// What every index can do, whatever it is made of: the concepts `Index` and `OrderedIndex`, and what can be built on them.
///
/// The contract, which tests/conformance checks for every type that models them:
///
/// Keys        Any bytes, the empty key too; compared as unsigned bytes, a prefix before what it begins.
/// Writes      put sets; insert adds (exists); update replaces (not_found); remove takes away (not_found). A write that
///             fails has changed nothing. Errors beside these: too_large (the message names the bound), no_memory (an
///             allocation failed, or the bound on memory is reached: then the message says so), those of the store.
/// Reads       get replaces `value` only where the key is there. visit calls once, with the value where it lies: the
///             visitor is short, does not throw and does not call into the index.
/// Threads     Any method from any thread. Each call takes effect at one moment between its begin and its end.
/// Cursors     One thread at a time; must not outlive the index. seek: to the first key >= key; seek_for_prev: to the
///             last <= key; first, last, next, prev. True: positioned. False: there is none, and the cursor is
///             unpositioned; then next means first, and prev means last. key() and value() stay as they are until the
///             cursor moves, whatever others change. A walk yields keys in strict order, each that is there all the time
///             once, and none whose removal ended before the step to it began; what comes or goes meanwhile may be seen or
///             not. A step from a key that was removed goes on from where it was.
///
/// A cursor that stands may hold back memory of what others remove; the index's README says how much.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>

#include "aether/error.h"
#include "aether/function_ref.h"
#include "aether/store.h"

namespace aether::index {

template <typename T>
concept Index = requires(T& index, const T& reader, Bytes key, Bytes value, std::string& out,
                         FunctionRef<void(Bytes)> visitor) {
  { reader.get(key, out) } -> std::same_as<Result<void>>;
  { reader.visit(key, visitor) } -> std::same_as<Result<void>>;
  { index.put(key, value) } -> std::same_as<Result<void>>;
  { index.insert(key, value) } -> std::same_as<Result<void>>;
  { index.update(key, value) } -> std::same_as<Result<void>>;
  { index.remove(key) } -> std::same_as<Result<void>>;
};

template <typename C>
concept OrderedCursor = std::movable<C> && requires(C& cursor, const C& reader, Bytes key) {
  { cursor.seek(key) } -> std::same_as<Result<bool>>;
  { cursor.seek_for_prev(key) } -> std::same_as<Result<bool>>;
  { cursor.first() } -> std::same_as<Result<bool>>;
  { cursor.last() } -> std::same_as<Result<bool>>;
  { cursor.next() } -> std::same_as<Result<bool>>;
  { cursor.prev() } -> std::same_as<Result<bool>>;
  { reader.positioned() } -> std::same_as<bool>;
  { reader.key() } -> std::same_as<Bytes>;
  { cursor.value() } -> std::same_as<Result<Bytes>>;
};

template <typename T>
concept OrderedIndex = Index<T> && requires(const T& index) {
  { index.cursor() } -> OrderedCursor;
};

/// Where a seek goes, from a key.
enum class SeekOp : uint8_t {
  equal,           ///< ==
  greater,         ///< >
  at_least,        ///< >=
  less,            ///< <
  at_most,         ///< <=
  first,           ///< The key is not looked at.
  last,            ///< The key is not looked at.
  longest_prefix,  ///< The longest key that `key` begins with.
};

/// Cursors that have an operator for each of these do it in one descent.
template <typename C>
concept SeeksByOperator = requires(C& cursor, SeekOp op, Bytes key) {
  { cursor.seek(op, key) } -> std::same_as<Result<bool>>;
};

/// Cursors that can tell that no key before `end` follows without a visit to the one that does: a next that goes on only to
/// a key below `end`. False: there is none, and the cursor is unpositioned.
template <typename C>
concept StepsUpTo = requires(C& cursor, Bytes end) {
  { cursor.next_before(end) } -> std::same_as<Result<bool>>;
};

namespace detail {

/// Among keys in order, every key that `key` begins with lies before `key`, and the longest of them is nearest. Where
/// another key lies between, what both begin with is as long as it can be: so each round seeks a shorter one.
template <OrderedCursor C>
Result<bool> seek_longest_prefix(C& cursor, Bytes key) {
  for (std::string wanted(key);;) {
    AETHER_TRY_ASSIGN(const bool found, cursor.seek_for_prev(wanted));
    if (!found) return false;
    const Bytes at = cursor.key();
    size_t same = 0;
    while (same < at.size() && same < wanted.size() && at[same] == wanted[same]) ++same;
    if (same == at.size()) return true;
    wanted.resize(same);
  }
}

/// Where a seek found another key than the one that was meant: as if it had found none.
template <OrderedCursor C>
Result<bool> found_nothing(C& cursor) {
  AETHER_TRY_ASSIGN(bool there, cursor.last());  // What comes after the last is nowhere.
  while (there) {
    AETHER_TRY_ASSIGN(there, cursor.next());
  }
  return false;
}

/// One key on in `range`, which the cursor is in; or out of it.
template <OrderedCursor C>
Result<bool> step_in(C& cursor, const Range& range) {
  if (range.reverse) return cursor.prev();
  if constexpr (StepsUpTo<C>) {
    if (!range.end.empty()) return cursor.next_before(range.end);
  }
  return cursor.next();
}

}  // namespace detail

/// Puts `cursor` where `op` says. False: there is none.
template <OrderedCursor C>
Result<bool> seek(C& cursor, SeekOp op, Bytes key) {
  if constexpr (SeeksByOperator<C>) {
    return cursor.seek(op, key);
  } else {
    switch (op) {
      case SeekOp::first: return cursor.first();
      case SeekOp::last: return cursor.last();
      case SeekOp::at_least: return cursor.seek(key);
      case SeekOp::at_most: return cursor.seek_for_prev(key);
      case SeekOp::longest_prefix: return detail::seek_longest_prefix(cursor, key);
      case SeekOp::greater: {
        AETHER_TRY_ASSIGN(const bool found, cursor.seek(key));
        return found && cursor.key() == key ? cursor.next() : Result<bool>(found);
      }
      case SeekOp::less: {
        AETHER_TRY_ASSIGN(const bool found, cursor.seek_for_prev(key));
        return found && cursor.key() == key ? cursor.prev() : Result<bool>(found);
      }
      case SeekOp::equal: break;
    }
    AETHER_TRY_ASSIGN(const bool found, cursor.seek(key));
    if (found && cursor.key() != key) return detail::found_nothing(cursor);
    return found;
  }
}

/// Calls `visitor` for each key of `range` in its order until it returns false; returns how many were visited. The
/// arguments are valid during the call only; `visitor` may use the index.
template <OrderedIndex T>
Result<uint64_t> scan(const T& index, const Range& range,
                      FunctionRef<bool(Bytes key, Bytes value)> visitor) {
  auto cursor = index.cursor();
  uint64_t visited = 0;
  const auto is_inside = [&] {  // It begins inside and leaves on one side only.
    return range.reverse ? cursor.key() >= range.begin
                         : range.end.empty() || cursor.key() < range.end;
  };
  const auto start = [&]() -> Result<bool> {
    if (!range.reverse) return cursor.seek(range.begin);
    return range.end.empty() ? cursor.last() : seek(cursor, SeekOp::less, range.end);
  };
  AETHER_TRY_ASSIGN(bool there, start());
  while (there && is_inside()) {
    AETHER_TRY_ASSIGN(const Bytes value, cursor.value());
    ++visited;
    if (!visitor(cursor.key(), value)) break;
    AETHER_TRY_ASSIGN(there, detail::step_in(cursor, range));
  }
  return visited;
}

}  // namespace aether::index
