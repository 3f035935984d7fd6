/// A store in memory around any ordered index, a program's own type too, with typed keys and values.
///
/// The calls are those of KvStore, without transactions and without a disk: what the index holds is there at once, and gone
/// with it. With Bytes (the default) as both types the store is an ordered index itself.
///
///   GenericKvStore<MyIndex, std::tuple<std::string, uint64_t>, double> readings;
///   AETHER_TRY(readings.put({"attic", 1700000000}, 21.5));
///
/// Order     As the keys' own, where Codec says that it is kept.
/// Threads   As the index's own; by the contract of index::OrderedIndex any method from any thread. A Cursor: one at a time.
/// Errors    Those of the index; corruption: bytes in it are no key or value of these types; no_memory.
#pragma once

#include <memory>
#include <new>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "aether/codec.h"
#include "aether/error.h"
#include "aether/function_ref.h"
#include "aether/ordered_index.h"

namespace aether {

/// Which keys a typed scan visits: `begin` <= key < `end`; nothing means no bound.
template <typename Key>
struct KeyRange {
  std::optional<typename Codec<Key>::Owned> begin = {};
  std::optional<typename Codec<Key>::Owned> end = {};
  bool reverse = false;  ///< From the greatest key down.
};

template <index::OrderedIndex I, EncodableInOrder K = Bytes, Encodable V = Bytes>
class GenericKvStore {
  using KeyCodec = Codec<K>;
  using ValueCodec = Codec<V>;

 public:
  using Key = typename KeyCodec::Argument;
  using KeyView = typename KeyCodec::View;
  using Value = typename ValueCodec::Argument;
  using ValueView = typename ValueCodec::View;
  using OwnedValue = typename ValueCodec::Owned;
  class Cursor;

  /// Makes the index from `arguments`.
  template <typename... Arguments>
    requires std::constructible_from<I, Arguments...>
  explicit GenericKvStore(Arguments&&... arguments)
      : index_(std::forward<Arguments>(arguments)...) {}

  /// The value of `key`. Errors: not_found.
  Result<OwnedValue> get(Key key) const {
    return guarded([&]() -> Result<OwnedValue> {
      std::string room;
      std::string bytes;
      AETHER_TRY(index_.get(KeyCodec::encode(key, room), bytes));
      if constexpr (std::is_same_v<OwnedValue, std::string> && std::is_same_v<ValueView, Bytes>) {
        return bytes;
      } else {
        AETHER_TRY_ASSIGN(ValueView value, ValueCodec::decode(bytes));
        return OwnedValue(std::move(value));
      }
    });
  }
  /// As `get`, into what is reused; after an error it is as it was. Errors: not_found.
  Result<void> get(Key key, OwnedValue& value) const {
    if constexpr (std::is_same_v<OwnedValue, std::string> && std::is_same_v<ValueView, Bytes>) {
      return guarded([&]() -> Result<void> {
        std::string room;
        return index_.get(KeyCodec::encode(key, room), value);
      });
    } else {
      AETHER_TRY_ASSIGN(value, get(key));
      return {};
    }
  }
  /// Calls `visitor` once with the value where it lies; it is short, does not throw and does not call into the store.
  /// Errors: not_found.
  Result<void> visit(Key key, FunctionRef<void(ValueView)> visitor) const {
    return guarded([&]() -> Result<void> {
      std::string room;
      Result<void> decoded;
      AETHER_TRY(index_.visit(KeyCodec::encode(key, room), [&](Bytes bytes) {
        decoded = guarded([&]() -> Result<void> {
          AETHER_TRY_ASSIGN(ValueView value, ValueCodec::decode(bytes));
          visitor(std::move(value));
          return {};
        });
      }));
      return decoded;
    });
  }
  Result<bool> contains(Key key) const {
    return guarded([&]() -> Result<bool> {
      std::string room;
      const Result<void> found = index_.visit(KeyCodec::encode(key, room), [](Bytes) {});
      if (!found && found.error().code() != Code::not_found) return found.error().clone();
      return found.has_value();
    });
  }

  /// Sets `key` to `value`, whether it is there or not.
  Result<void> put(Key key, Value value) {
    return write(key, value, [&](Bytes at, Bytes bytes) { return index_.put(at, bytes); });
  }
  /// Adds a new key. Errors: exists.
  Result<void> insert(Key key, Value value) {
    return write(key, value, [&](Bytes at, Bytes bytes) { return index_.insert(at, bytes); });
  }
  /// Replaces the value of a key that is there. Errors: not_found.
  Result<void> update(Key key, Value value) {
    return write(key, value, [&](Bytes at, Bytes bytes) { return index_.update(at, bytes); });
  }
  /// Errors: not_found.
  Result<void> remove(Key key) {
    return guarded([&]() -> Result<void> {
      std::string room;
      return index_.remove(KeyCodec::encode(key, room));
    });
  }

  /// Calls `visitor` for each key of `range` in its order until it returns false; returns how many were visited. The
  /// arguments are valid during the call only; `visitor` may use the store.
  Result<uint64_t> scan(const KeyRange<K>& range,
                        FunctionRef<bool(KeyView key, ValueView value)> visitor) const {
    return guarded([&]() -> Result<uint64_t> {
      std::string begin;
      std::string end;
      Range bytes;
      bytes.reverse = range.reverse;
      if (range.begin) bytes.begin = KeyCodec::encode(*range.begin, begin);
      if (range.end) {
        bytes.end = KeyCodec::encode(*range.end, end);
        if (bytes.end.empty()) return 0;  // Nothing is below the empty key.
      }
      return scan_bytes(bytes, visitor);
    });
  }
  /// As `scan`, of keys by their bytes; for prefixes (Range::prefix).
  Result<uint64_t> scan(const Range& range, FunctionRef<bool(KeyView key, ValueView value)> visitor)
      const requires std::same_as<KeyView, Bytes> {
    return guarded([&] { return scan_bytes(range, visitor); });
  }
  /// It must not outlive the store.
  Cursor cursor() const { return Cursor(index_.cursor()); }

  I& index() noexcept { return index_; }
  const I& index() const noexcept { return index_; }

 private:
  template <typename Call>
  static auto guarded(Call&& call) -> decltype(call()) {
    try {
      return std::forward<Call>(call)();
    } catch (const std::bad_alloc&) {
      return Code::no_memory;
    }
  }
  template <typename Write>
  Result<void> write(Key key, Value value, Write write_bytes) {
    return guarded([&]() -> Result<void> {
      std::string key_room;
      std::string value_room;
      return write_bytes(KeyCodec::encode(key, key_room), ValueCodec::encode(value, value_room));
    });
  }
  Result<uint64_t> scan_bytes(const Range& range,
                              FunctionRef<bool(KeyView, ValueView)> visitor) const {
    Result<void> decoded;
    AETHER_TRY_ASSIGN(const uint64_t visited,
                      index::scan(index_, range, [&](Bytes key, Bytes value) {
                        Result<bool> goes_on = guarded([&] { return show(key, value, visitor); });
                        if (goes_on) return *goes_on;
                        decoded = std::move(goes_on).error();
                        return false;
                      }));
    AETHER_TRY(std::move(decoded));
    return visited;
  }
  static Result<bool> show(Bytes key_bytes, Bytes value_bytes,
                           FunctionRef<bool(KeyView, ValueView)> visitor) {
    AETHER_TRY_ASSIGN(KeyView key, KeyCodec::decode(key_bytes));
    AETHER_TRY_ASSIGN(ValueView value, ValueCodec::decode(value_bytes));
    return visitor(std::move(key), std::move(value));
  }

  I index_;
};

/// Walks a store both ways, as the cursors of index::OrderedIndex. A move that finds bytes which are no key of this type
/// answers corruption and leaves it unpositioned; the next step goes on from there.
template <index::OrderedIndex I, EncodableInOrder K, Encodable V>
class GenericKvStore<I, K, V>::Cursor {
 public:
  Result<bool> seek(Key key) { return seek(index::SeekOp::at_least, key); }
  Result<bool> seek_for_prev(Key key) { return seek(index::SeekOp::at_most, key); }
  Result<bool> seek(index::SeekOp op, Key key) {
    return arrived([&] {
      std::string room;
      return index::seek(inner_, op, KeyCodec::encode(key, room));
    });
  }
  Result<bool> first() {
    return arrived([&] { return inner_.first(); });
  }
  Result<bool> last() {
    return arrived([&] { return inner_.last(); });
  }
  Result<bool> next() {
    return arrived([&] { return inner_.next(); });
  }
  Result<bool> prev() {
    return arrived([&] { return inner_.prev(); });
  }

  bool positioned() const noexcept { return key_.has_value(); }
  /// Valid until the cursor moves. Call only when positioned.
  KeyView key() const {
    if constexpr (std::is_same_v<KeyView, Bytes>) {
      return inner_.key();  // A short one may lie in the cursor itself, and that may have moved.
    } else {
      return *key_;
    }
  }
  /// Valid until the cursor moves. Errors: invalid_argument (not positioned).
  Result<ValueView> value() {
    if (!positioned()) return Error(Code::invalid_argument, "the cursor is not positioned");
    return guarded([&]() -> Result<ValueView> {
      AETHER_TRY_ASSIGN(const Bytes bytes, inner_.value());
      return ValueCodec::decode(bytes);
    });
  }

 private:
  friend class GenericKvStore;
  using Inner = decltype(std::declval<const I&>().cursor());
  explicit Cursor(Inner inner) : inner_(std::move(inner)) {}

  template <typename Move>
  Result<bool> arrived(Move move) {
    key_.reset();
    return guarded([&]() -> Result<bool> {
      AETHER_TRY_ASSIGN(const bool found, move());
      if (!found) return false;
      AETHER_TRY_ASSIGN(key_, KeyCodec::decode(inner_.key()));
      return true;
    });
  }

  Inner inner_;
  std::optional<KeyView> key_;
};

}  // namespace aether
