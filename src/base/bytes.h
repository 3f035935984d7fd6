/// Byte order and bounds: integers on disk are little-endian and may lie at any address.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

namespace aether::base {

static_assert(std::endian::native == std::endian::little,
              "the on-disk formats are little-endian and read in place");

/// Reads a trivially copyable value from any address.
template <typename T>
  requires std::is_trivially_copyable_v<T>
inline T load(const void* from) noexcept {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

/// Writes a trivially copyable value to any address.
template <typename T>
  requires std::is_trivially_copyable_v<T>
inline void store(void* to, T value) noexcept { std::memcpy(to, &value, sizeof value); }

/// memcpy for pieces that are mostly short: keys and heads of log records. A call costs more than such a copy.
inline void copy_short(void* to, const void* from, size_t size) noexcept {
  auto* const out = static_cast<std::byte*>(to);
  const auto* const in = static_cast<const std::byte*>(from);
  // Both ends, which may overlap: loaded before the first is stored.
  const auto both_ends = [=]<typename Word>(Word) {
    const auto first = load<Word>(in);
    const auto last = load<Word>(in + size - sizeof(Word));
    store(out, first);
    store(out + size - sizeof(Word), last);
  };
  struct Words {
    uint64_t at[2];
  };
  if (size > 2 * sizeof(Words)) {
    std::memcpy(to, from, size);
  } else if (size >= sizeof(Words)) {
    both_ends(Words{});
  } else if (size >= sizeof(uint64_t)) {
    both_ends(uint64_t{});
  } else if (size >= sizeof(uint32_t)) {
    both_ends(uint32_t{});
  } else if (size >= sizeof(uint16_t)) {
    both_ends(uint16_t{});
  } else if (size == 1) {
    *out = *in;
  }
}

inline constexpr uint64_t align_up(uint64_t n, uint64_t alignment) noexcept {
  return (n + alignment - 1) & ~(alignment - 1);
}

/// Reads fields from untrusted bytes in order; every read is bounds-checked. After a failed read
/// `ok()` is false, every later read yields zero or empty, and nothing out of bounds was touched.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) noexcept : bytes_(bytes) {}

  template <typename T>
    requires std::is_trivially_copyable_v<T> T read()
  noexcept {
    if (bytes_.size() < sizeof(T)) return fail<T>();
    const T value = load<T>(bytes_.data());
    bytes_.remove_prefix(sizeof(T));
    return value;
  }

  std::string_view read_bytes(uint64_t count) noexcept {
    if (bytes_.size() < count) return fail<std::string_view>();
    const std::string_view value = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return value;
  }

  bool ok() const noexcept { return ok_; }
  uint64_t remaining() const noexcept { return bytes_.size(); }

 private:
  template <typename T>
  T fail() noexcept {
    ok_ = false;
    bytes_ = {};
    return T{};
  }

  std::string_view bytes_;
  bool ok_ = true;
};

}  // namespace aether::base
