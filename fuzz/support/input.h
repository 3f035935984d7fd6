/// A fuzzer's bytes, read as decisions: after their end every number is zero and every string empty.
///
/// Threads   One.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace aether::fuzz {

class Input {
 public:
  Input(const uint8_t* data, size_t size) noexcept
      : rest_(reinterpret_cast<const char*>(data), size) {}
  explicit Input(std::string_view bytes) noexcept : rest_(bytes) {}

  template <typename T>
  T take() noexcept {
    T value{};
    const size_t there = std::min(sizeof value, rest_.size());
    std::copy_n(rest_.data(), there, reinterpret_cast<char*>(&value));
    rest_.remove_prefix(there);
    return value;
  }
  uint8_t byte() noexcept { return take<uint8_t>(); }
  /// 0 .. bound-1; two bytes of input.
  uint32_t below(uint32_t bound) noexcept { return bound == 0 ? 0 : take<uint16_t>() % bound; }
  /// At most `count` bytes.
  std::string_view bytes(size_t count) noexcept {
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  /// As many bytes as the next two say.
  std::string_view sized() noexcept { return bytes(take<uint16_t>()); }
  /// As many bytes as the next one says.
  std::string_view shortly_sized() noexcept { return bytes(byte()); }
  std::string_view rest() noexcept { return bytes(rest_.size()); }
  bool empty() const noexcept { return rest_.empty(); }

 private:
  std::string_view rest_;
};

/// The other way round: puts together what `Input` takes apart.
class InputWriter {
 public:
  template <typename T>
  InputWriter& put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  InputWriter& byte(unsigned value) { return put(static_cast<uint8_t>(value)); }
  InputWriter& raw(std::string_view bytes) {
    bytes_.append(bytes);
    return *this;
  }
  InputWriter& sized(std::string_view bytes) {
    return put(static_cast<uint16_t>(bytes.size())).raw(bytes);
  }
  InputWriter& shortly_sized(std::string_view bytes) {
    return put(static_cast<uint8_t>(bytes.size())).raw(bytes);
  }
  const std::string& bytes() const noexcept { return bytes_; }

 private:
  std::string bytes_;
};

}  // namespace aether::fuzz
