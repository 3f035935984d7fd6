/// An ordered index of any type behind one: what a catalogue of stores of several kinds holds.
///
/// Cost      One indirect call each; a cursor is one allocation.
/// Threads   As the index's own.
#pragma once

#include <memory>
#include <utility>

#include "aether/ordered_index.h"

namespace aether::index {

/// Cursors that gain by knowing which keys are wanted: `begin` up to, and without, `end` (empty: no end). Where one would come to another key
/// it may be at none instead. Borrowed.
template <typename C>
concept TakesLimits = requires(C& cursor, Bytes key) {
  cursor.set_limits(key, key);
};

class AnyCursor {
 public:
  /// May throw std::bad_alloc.
  template <OrderedCursor C>
  static AnyCursor of(C cursor) {
    return AnyCursor(std::make_unique<Body<C>>(std::move(cursor)));
  }

  Result<bool> seek(Bytes key) { return body_->seek_op(SeekOp::at_least, key); }
  Result<bool> seek_for_prev(Bytes key) { return body_->seek_op(SeekOp::at_most, key); }
  Result<bool> seek(SeekOp op, Bytes key) { return body_->seek_op(op, key); }
  Result<bool> first() { return body_->seek_op(SeekOp::first, {}); }
  Result<bool> last() { return body_->seek_op(SeekOp::last, {}); }
  Result<bool> next() { return body_->next(); }
  Result<bool> prev() { return body_->prev(); }
  /// Moves on, and shows each key and value where it lies, until `show` says no: then it stands on that one. False: there are no more.
  /// `show` must not move it.
  Result<bool> next_while(FunctionRef<bool(Bytes key, Bytes value)> show) {
    return body_->next_while(show);
  }
  /// Does nothing where the cursor does not take them.
  void set_limits(Bytes begin, Bytes end) { body_->set_limits(begin, end); }
  bool positioned() const { return body_->positioned(); }
  Bytes key() const { return body_->key(); }
  Result<Bytes> value() { return body_->value(); }

 private:
  struct Base {
    virtual ~Base() = default;
    virtual Result<bool> seek_op(SeekOp op, Bytes key) = 0;
    virtual Result<bool> next() = 0;
    virtual Result<bool> prev() = 0;
    virtual Result<bool> next_while(FunctionRef<bool(Bytes key, Bytes value)> show) = 0;
    virtual void set_limits(Bytes begin, Bytes end) = 0;
    virtual bool positioned() const = 0;
    virtual Bytes key() const = 0;
    virtual Result<Bytes> value() = 0;
  };
  template <OrderedCursor C>
  struct Body final : Base {
    explicit Body(C from) : cursor(std::move(from)) {}
    Result<bool> seek_op(SeekOp op, Bytes key) override { return index::seek(cursor, op, key); }
    Result<bool> next() override { return cursor.next(); }
    Result<bool> prev() override { return cursor.prev(); }
    Result<bool> next_while(FunctionRef<bool(Bytes key, Bytes value)> show) override {
      for (;;) {
        Result<bool> moved = cursor.next();
        if (!moved || !*moved) return moved;
        AETHER_TRY_ASSIGN(const Bytes value, cursor.value());
        if (!show(cursor.key(), value)) return true;
      }
    }
    void set_limits(Bytes begin, Bytes end) override {
      if constexpr (TakesLimits<C>) cursor.set_limits(begin, end);
    }
    bool positioned() const override { return cursor.positioned(); }
    Bytes key() const override { return cursor.key(); }
    Result<Bytes> value() override { return cursor.value(); }
    C cursor;
  };
  explicit AnyCursor(std::unique_ptr<Base> body) noexcept : body_(std::move(body)) {}
  std::unique_ptr<Base> body_;
};

class AnyIndex {
 public:
  /// Owns `index`. May throw std::bad_alloc, and so may `cursor`.
  template <OrderedIndex T>
  explicit AnyIndex(std::unique_ptr<T> index)
      : body_(std::make_unique<Body<T>>(std::move(index))) {}

  Result<void> get(Bytes key, std::string& value) const { return body_->get(key, value); }
  Result<void> visit(Bytes key, FunctionRef<void(Bytes)> visitor) const {
    return body_->visit(key, visitor);
  }
  Result<void> put(Bytes key, Bytes value) { return body_->put(key, value); }
  Result<void> insert(Bytes key, Bytes value) { return body_->insert(key, value); }
  Result<void> update(Bytes key, Bytes value) { return body_->update(key, value); }
  Result<void> remove(Bytes key) { return body_->remove(key); }
  AnyCursor cursor() const { return body_->cursor(); }
  /// A key of [begin, end) is there; an empty `end`: there is none. Allocates no cursor.
  Result<bool> has_any(Bytes begin, Bytes end) const { return body_->has_any(begin, end); }

  // Of an index in memory; 0 and nothing of others.
  uint64_t keys() const noexcept { return body_->keys(); }
  uint64_t memory_bytes() const noexcept { return body_->memory_bytes(); }
  /// Frees what nobody reads any more.
  void collect() noexcept { body_->collect(); }

 private:
  struct Base {
    virtual ~Base() = default;
    virtual Result<void> get(Bytes key, std::string& value) const = 0;
    virtual Result<void> visit(Bytes key, FunctionRef<void(Bytes)> visitor) const = 0;
    virtual Result<void> put(Bytes key, Bytes value) = 0;
    virtual Result<void> insert(Bytes key, Bytes value) = 0;
    virtual Result<void> update(Bytes key, Bytes value) = 0;
    virtual Result<void> remove(Bytes key) = 0;
    virtual AnyCursor cursor() const = 0;
    virtual Result<bool> has_any(Bytes begin, Bytes end) const = 0;
    virtual uint64_t keys() const noexcept = 0;
    virtual uint64_t memory_bytes() const noexcept = 0;
    virtual void collect() noexcept = 0;
  };
  template <OrderedIndex T>
  struct Body final : Base {
    explicit Body(std::unique_ptr<T> from) : index(std::move(from)) {}
    Result<void> get(Bytes key, std::string& value) const override {
      return std::as_const(*index).get(key, value);
    }
    Result<void> visit(Bytes key, FunctionRef<void(Bytes)> visitor) const override {
      return std::as_const(*index).visit(key, visitor);
    }
    Result<void> put(Bytes key, Bytes value) override { return index->put(key, value); }
    Result<void> insert(Bytes key, Bytes value) override { return index->insert(key, value); }
    Result<void> update(Bytes key, Bytes value) override { return index->update(key, value); }
    Result<void> remove(Bytes key) override { return index->remove(key); }
    AnyCursor cursor() const override { return AnyCursor::of(std::as_const(*index).cursor()); }
    Result<bool> has_any(Bytes begin, Bytes end) const override {
      auto cursor = std::as_const(*index).cursor();
      Result<bool> found = cursor.seek(begin);
      if (!found || !*found) return found;
      return end.empty() || cursor.key() < end;
    }
    uint64_t keys() const noexcept override {
      if constexpr (requires { index->stats().keys; }) return index->stats().keys;
      return 0;
    }
    uint64_t memory_bytes() const noexcept override {
      if constexpr (requires { index->stats().memory_bytes; }) return index->stats().memory_bytes;
      return 0;
    }
    void collect() noexcept override {
      if constexpr (requires { index->collect(); }) index->collect();
    }
    std::unique_ptr<T> index;
  };
  std::unique_ptr<Base> body_;
};

static_assert(OrderedIndex<AnyIndex>);

}  // namespace aether::index
