// An index of a program's own: std::map behind a lock that readers share. It has what aether::index::OrderedIndex asks for,
// and keeps its contract (aether/ordered_index.h).
#pragma once

#include <map>
#include <mutex>
#include <new>
#include <shared_mutex>
#include <string>
#include <utility>

#include "aether/ordered_index.h"

class LockedMap {
  using Bytes = aether::Bytes;
  using Code = aether::Code;
  template <typename T>
  using Result = aether::Result<T>;
  using Rows = std::map<std::string, std::string, std::less<>>;

 public:
  static constexpr size_t kKeyBytesMax = 64 << 10;

  Result<void> visit(Bytes key, aether::FunctionRef<void(Bytes)> visitor) const {
    const std::shared_lock lock(mutex_);
    const auto row = rows_.find(key);
    if (row == rows_.end()) return Code::not_found;
    visitor(row->second);
    return {};
  }
  Result<void> get(Bytes key, std::string& value) const {
    try {
      return visit(key, [&](Bytes found) { value.assign(found); });
    } catch (const std::bad_alloc&) {
      return Code::no_memory;
    }
  }

  Result<void> put(Bytes key, Bytes value) { return write(key, value, true, true); }
  Result<void> insert(Bytes key, Bytes value) { return write(key, value, true, false); }
  Result<void> update(Bytes key, Bytes value) { return write(key, value, false, true); }
  Result<void> remove(Bytes key) {
    const std::unique_lock lock(mutex_);
    const auto row = rows_.find(key);
    if (row == rows_.end()) return Code::not_found;
    rows_.erase(row);
    return {};
  }

  /// Keeps copies of its row, so that it stands whatever others change, and finds its way anew at each step.
  class Cursor {
   public:
    Result<bool> seek(Bytes key) {
      return move([&](const Rows& rows) { return rows.lower_bound(key); });
    }
    Result<bool> seek_for_prev(Bytes key) {
      return move([&](const Rows& rows) { return before(rows, rows.upper_bound(key)); });
    }
    Result<bool> first() {
      return move([](const Rows& rows) { return rows.begin(); });
    }
    Result<bool> last() {
      return move([](const Rows& rows) { return before(rows, rows.end()); });
    }
    Result<bool> next() {
      if (!positioned_) return first();
      return move([&](const Rows& rows) { return rows.upper_bound(key_); });
    }
    Result<bool> prev() {
      if (!positioned_) return last();
      return move([&](const Rows& rows) { return before(rows, rows.lower_bound(key_)); });
    }
    bool positioned() const { return positioned_; }
    Bytes key() const { return key_; }
    Result<Bytes> value() {
      if (!positioned_) return Code::invalid_argument;
      return Bytes(value_);
    }

   private:
    friend class LockedMap;
    explicit Cursor(const LockedMap& map) : map_(&map) {}
    static Rows::const_iterator before(const Rows& rows, Rows::const_iterator place) {
      return place == rows.begin() ? rows.end() : std::prev(place);
    }
    template <typename Find>
    Result<bool> move(Find find) {
      try {
        const std::shared_lock lock(map_->mutex_);
        const auto row = find(map_->rows_);
        positioned_ = false;
        if (row == map_->rows_.end()) return false;
        key_ = row->first;
        value_ = row->second;
        positioned_ = true;
        return true;
      } catch (const std::bad_alloc&) {
        return Code::no_memory;
      }
    }
    const LockedMap* map_;
    std::string key_;
    std::string value_;
    bool positioned_ = false;
  };
  Cursor cursor() const { return Cursor(*this); }

 private:
  Result<void> write(Bytes key, Bytes value, bool may_add, bool may_replace) {
    if (key.size() > kKeyBytesMax) {
      return aether::Error(Code::too_large, "a key of a LockedMap has at most 65536 bytes");
    }
    try {
      std::string copy(value);
      const std::unique_lock lock(mutex_);
      const auto row = rows_.find(key);
      if (row != rows_.end()) {
        if (!may_replace) return Code::exists;
        row->second.swap(copy);
        return {};
      }
      if (!may_add) return Code::not_found;
      rows_.emplace(std::string(key), std::move(copy));
      return {};
    } catch (const std::bad_alloc&) {
      return Code::no_memory;
    }
  }

  mutable std::shared_mutex mutex_;
  Rows rows_;
};

static_assert(aether::index::OrderedIndex<LockedMap>);
