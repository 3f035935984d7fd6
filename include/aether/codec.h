/// How a type becomes the bytes of a key or a value, and comes back: for GenericKvStore. A program specializes Codec for types
/// of its own.
///
///   Bytes, std::string     as they are; a reader is given the bytes where they lie
///   integers, enumerations as many bytes as they have, the highest first; of signed ones the sign bit turned over
///   float, double          as the integer of their bits, turned so that it ascends: -0.0 before 0.0, NaN outside of all
///   std::tuple             its parts one behind the other; strings in it escaped, so that each part counts before the next
///   other plain structs    their memory, padding included: values only, and for this machine only
///
/// Threads   Pure functions.
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "aether/error.h"
#include "aether/options.h"

namespace aether {

/// A specialization has:
///   Argument       how a value is handed in
///   View           how a reader is given it; may borrow the bytes
///   Owned          a View that borrows nothing
///   kKeepsOrder    two values compare as their bytes do: good for keys
///   encode         the bytes, in the value itself or in `room`; may throw std::bad_alloc, and so may decode
///   decode         Errors: corruption (the bytes are none of this type)
template <typename T>
struct Codec;

template <typename T>
concept Encodable = requires(typename Codec<T>::Argument value, std::string& room, Bytes bytes) {
  { Codec<T>::kKeepsOrder } -> std::convertible_to<bool>;
  { Codec<T>::encode(value, room) } -> std::same_as<Bytes>;
  { Codec<T>::decode(bytes) } -> std::same_as<Result<typename Codec<T>::View>>;
  requires std::constructible_from < typename Codec<T>::Owned,
  typename Codec<T>::View > ;
};

template <typename T>
concept EncodableInOrder = Encodable<T> && Codec<T>::kKeepsOrder;

template <>
struct Codec<Bytes> {
  using Argument = Bytes;
  using View = Bytes;
  using Owned = std::string;
  static constexpr bool kKeepsOrder = true;
  static Bytes encode(Bytes value, std::string&) noexcept { return value; }
  static Result<Bytes> decode(Bytes bytes) noexcept { return bytes; }
};

template <>
struct Codec<std::string> : Codec<Bytes> {};

namespace detail {

template <typename T>
concept Number = std::integral<T> || std::floating_point<T> || std::is_enum_v<T>;

/// The unsigned integer as wide as `T`.
template <typename T>
using BitsOf = std::conditional_t<
    sizeof(T) == 1, uint8_t,
    std::conditional_t<sizeof(T) == 2, uint16_t,
                       std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>>>;

/// A number that compares as `value` does.
template <Number T>
constexpr BitsOf<T> ordered_bits(T value) noexcept {
  using Bits = BitsOf<T>;
  constexpr Bits kTop = static_cast<Bits>(Bits{1} << (sizeof(T) * 8 - 1));
  if constexpr (std::floating_point<T>) {
    const Bits bits = std::bit_cast<Bits>(value);
    return (bits & kTop) != 0 ? static_cast<Bits>(~bits) : static_cast<Bits>(bits | kTop);
  } else if constexpr (std::is_enum_v<T>) {
    return ordered_bits(static_cast<std::underlying_type_t<T>>(value));
  } else {
    return static_cast<Bits>(static_cast<Bits>(value) ^ (std::signed_integral<T> ? kTop : Bits{0}));
  }
}

template <Number T>
constexpr T from_ordered_bits(BitsOf<T> bits) noexcept {
  using Bits = BitsOf<T>;
  constexpr Bits kTop = static_cast<Bits>(Bits{1} << (sizeof(T) * 8 - 1));
  if constexpr (std::floating_point<T>) {
    return std::bit_cast<T>((bits & kTop) != 0 ? static_cast<Bits>(bits & ~kTop)
                                               : static_cast<Bits>(~bits));
  } else if constexpr (std::is_enum_v<T>) {
    return static_cast<T>(from_ordered_bits<std::underlying_type_t<T>>(bits));
  } else {
    return static_cast<T>(static_cast<Bits>(bits ^ (std::signed_integral<T> ? kTop : Bits{0})));
  }
}

/// Puts `bytes` behind `to`, with an end of its own: what is compared behind it counts only where the bytes are equal.
inline void append_escaped(std::string& to, Bytes bytes) {
  for (size_t zero = 0; (zero = bytes.find('\0')) != Bytes::npos;) {
    to.append(bytes.substr(0, zero)).append("\0\xff", 2);
    bytes.remove_prefix(zero + 1);
  }
  to.append(bytes).append("\0\x01", 2);
}

/// What was put first; it is taken off `from`. Borrows `from`'s bytes where nothing in it was escaped, else `room`'s.
inline Result<Bytes> take_escaped(Bytes& from, std::string& room) {
  size_t zero = from.find('\0');
  if (zero != Bytes::npos && zero + 1 < from.size() && from[zero + 1] == '\x01') {
    const Bytes whole = from.substr(0, zero);
    from.remove_prefix(zero + 2);
    return whole;
  }
  room.clear();
  for (; zero != Bytes::npos && zero + 1 < from.size(); zero = from.find('\0')) {
    const char second = from[zero + 1];
    room.append(from.substr(0, zero));
    from.remove_prefix(zero + 2);
    if (second == '\x01') return Bytes(room);
    if (second != '\xff') break;
    room.push_back('\0');
  }
  return Error(Code::corruption, "a string inside a key has no end");
}

}  // namespace detail

template <detail::Number T>
struct Codec<T> {
  static_assert(sizeof(T) <= 8);
  using Argument = T;
  using View = T;
  using Owned = T;
  static constexpr bool kKeepsOrder = true;
  static Bytes encode(T value, std::string& room) {
    const auto bits = detail::ordered_bits(value);
    std::array<char, sizeof(T)> bytes{};
    for (size_t i = 0; i < sizeof(T); ++i) {
      bytes[i] = static_cast<char>(bits >> (8 * (sizeof(T) - 1 - i)));
    }
    return room.assign(bytes.data(), bytes.size());
  }
  static Result<T> decode(Bytes bytes) {
    if (bytes.size() != sizeof(T)) {
      return Error(Code::corruption, "a number of " + std::to_string(sizeof(T)) + " bytes has " +
                                         std::to_string(bytes.size()));
    }
    uint64_t bits = 0;
    for (const char byte : bytes) bits = bits << 8 | static_cast<uint8_t>(byte);
    return detail::from_ordered_bits<T>(static_cast<detail::BitsOf<T>>(bits));
  }
};

/// Of numbers and strings.
template <typename... Parts>
  requires((detail::Number<Parts> || std::same_as<Parts, std::string>)&&...)
struct Codec<std::tuple<Parts...>> {
  using Argument = const std::tuple<Parts...>&;
  using View = std::tuple<Parts...>;
  using Owned = std::tuple<Parts...>;
  static constexpr bool kKeepsOrder = true;
  static Bytes encode(Argument value, std::string& room) {
    room.clear();
    std::apply([&](const Parts&... parts) { (append(room, parts), ...); }, value);
    return room;
  }
  static Result<View> decode(Bytes bytes) {
    View value;
    Result<void> taken;
    std::apply([&](Parts&... parts) { ((taken = take(bytes, parts)).has_value() && ...); }, value);
    AETHER_TRY(std::move(taken));
    if (!bytes.empty()) return Error(Code::corruption, "a tuple has bytes behind its last part");
    return value;
  }

 private:
  template <typename Part>
  static void append(std::string& to, const Part& part) {
    if constexpr (std::same_as<Part, std::string>) {
      detail::append_escaped(to, part);
    } else {
      std::string room;
      to.append(Codec<Part>::encode(part, room));
    }
  }
  template <typename Part>
  static Result<void> take(Bytes& from, Part& part) {
    if constexpr (std::same_as<Part, std::string>) {
      std::string room;
      AETHER_TRY_ASSIGN(const Bytes taken, detail::take_escaped(from, room));
      part = taken;
    } else {
      AETHER_TRY_ASSIGN(part, Codec<Part>::decode(from.substr(0, sizeof(Part))));
      from.remove_prefix(sizeof(Part));
    }
    return {};
  }
};

/// Plain structs: their memory.
template <typename T>
  requires(
      std::is_class_v<T>&& std::is_trivially_copyable_v<T>&& std::is_default_constructible_v<T> &&
      !std::same_as<T, Bytes>)
struct Codec<T> {
  using Argument = const T&;
  using View = T;
  using Owned = T;
  static constexpr bool kKeepsOrder = false;
  static Bytes encode(const T& value, std::string&) noexcept {
    return {reinterpret_cast<const char*>(&value), sizeof(T)};
  }
  static Result<T> decode(Bytes bytes) {
    if (bytes.size() != sizeof(T)) {
      return Error(Code::corruption, "a value of " + std::to_string(sizeof(T)) + " bytes has " +
                                         std::to_string(bytes.size()));
    }
    T value;
    std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }
};

}  // namespace aether
