/// A vector of plain values whose first few lie in itself: what is short is there without an allocation.
///
/// Cost      A copy of its bytes when it moves or grows.
/// Threads   A value.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <type_traits>
#include <utility>

namespace aether::base {

template <typename T, size_t kInline>
class InlineVector {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  InlineVector() noexcept {}  // What lies in it is not set before it is used.
  InlineVector(InlineVector&& other) noexcept { take(other); }
  InlineVector& operator=(InlineVector&& other) noexcept {
    if (this != &other) take(other);
    return *this;
  }
  ~InlineVector() = default;

  size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  T* data() noexcept { return data_; }
  const T* data() const noexcept { return data_; }
  T& operator[](size_t index) noexcept { return data_[index]; }
  const T& operator[](size_t index) const noexcept { return data_[index]; }
  T& back() noexcept { return data_[size_ - 1]; }
  const T& back() const noexcept { return data_[size_ - 1]; }

  /// May throw std::bad_alloc, as append and assign; then it is as it was.
  void push_back(T value) {
    if (size_ == capacity_) grow(size_ + 1);
    data_[size_++] = value;
  }
  /// `values` lie elsewhere.
  void append(const T* values, size_t count) {
    if (count > capacity_ - size_) grow(size_ + count);
    if (count != 0) std::memcpy(data_ + size_, values, count * sizeof(T));
    size_ += count;
  }
  void assign(const T* values, size_t count) {
    if (count > capacity_) grow(count);
    if (count != 0) std::memmove(data_, values, count * sizeof(T));
    size_ = count;
  }
  /// Keeps the first `size`.
  void shorten(size_t size) noexcept { size_ = size; }
  void clear() noexcept { size_ = 0; }

 private:
  void grow(size_t least) {
    const size_t capacity = std::max(least, 2 * capacity_);
    std::unique_ptr<T[]> memory(new T[capacity]);
    if (size_ != 0) std::memcpy(memory.get(), data_, size_ * sizeof(T));
    heap_ = std::move(memory);
    data_ = heap_.get();
    capacity_ = capacity;
  }
  void take(InlineVector& other) noexcept {
    heap_ = std::move(other.heap_);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, kInline);
    other.data_ = other.inline_;
    data_ = heap_ ? heap_.get() : inline_;
    if (!heap_ && size_ != 0) std::memcpy(inline_, other.inline_, size_ * sizeof(T));
  }

  T* data_ = inline_;
  size_t size_ = 0;
  size_t capacity_ = kInline;
  std::unique_ptr<T[]> heap_;
  T inline_[kInline];
};

}  // namespace aether::base
