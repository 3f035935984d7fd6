/// A vector whose first few elements lie in it: mostly it needs no memory of its own.
///
/// Threads   As std::vector.
/// Memory    `reserve` and what grows may throw std::bad_alloc; within the capacity nothing does.
#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <type_traits>
#include <utility>

namespace aether::base {

template <typename T, size_t kFew>
class FewVector {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_default_constructible_v<T>);

 public:
  FewVector() noexcept {}  // NOLINT(modernize-use-equals-default): the room stays as it is.
  FewVector(std::initializer_list<T> elements) { assign(elements.begin(), elements.end()); }
  FewVector(const FewVector& other) { assign(other.begin(), other.end()); }
  FewVector(FewVector&& other) noexcept { take(other); }
  FewVector& operator=(const FewVector& other) {
    if (this != &other) assign(other.begin(), other.end());
    return *this;
  }
  FewVector& operator=(FewVector&& other) noexcept {
    if (this != &other) take(other);
    return *this;
  }
  ~FewVector() = default;

  T* begin() noexcept { return many_ ? many_.get() : few_; }
  T* end() noexcept { return begin() + size_; }
  const T* begin() const noexcept { return many_ ? many_.get() : few_; }
  const T* end() const noexcept { return begin() + size_; }
  const T& front() const noexcept { return *begin(); }
  const T& back() const noexcept { return end()[-1]; }
  size_t size() const noexcept { return size_; }
  size_t capacity() const noexcept { return capacity_; }
  bool empty() const noexcept { return size_ == 0; }

  void reserve(size_t capacity) {
    if (capacity <= capacity_) return;
    std::unique_ptr<T[]> larger(new T[capacity]);
    std::copy_n(begin(), size_, larger.get());
    many_ = std::move(larger);
    capacity_ = capacity;
  }
  void push_back(const T& element) {
    if (size_ == capacity_) reserve(2 * capacity_);
    begin()[size_++] = element;
  }
  template <typename Iterator>
  void assign(Iterator first, Iterator last) {
    size_ = 0;
    reserve(static_cast<size_t>(std::distance(first, last)));
    for (; first != last; ++first) begin()[size_++] = *first;
  }
  void pop_back() noexcept { --size_; }
  void clear() noexcept { size_ = 0; }

 private:
  void take(FewVector& other) noexcept {
    many_ = std::move(other.many_);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, kFew);
    if (!many_) std::copy_n(other.few_, size_, few_);
  }

  std::unique_ptr<T[]> many_;  ///< Null: they are in few_.
  size_t size_ = 0;
  size_t capacity_ = kFew;
  T few_[kFew];
};

}  // namespace aether::base
