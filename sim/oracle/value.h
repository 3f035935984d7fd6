/// Values of the oracle: a few bytes to remember, any number of bytes on the disk. And what they make up: rows, states,
/// and what a transaction writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "aether/options.h"

namespace aether::oracle {

/// A value by what makes it: two values are equal exactly if these are. Values of one family and size differ in their
/// stamps only, as the versions of a row do whose updates change little of it.
struct Value {
  uint64_t stamp = 0;
  uint32_t bytes = 0;
  uint16_t family = 0;
  bool operator==(const Value&) const = default;
};

inline constexpr size_t kValueBytesMax = size_t{512} * 1024;

/// A value of fewer than 10 bytes has no family, one of fewer than 8 only so many bytes of its stamp.
Value make_value(uint64_t stamp, uint32_t bytes, uint16_t family);
/// Of a family that is most likely no other's.
Value make_value(uint64_t stamp, uint32_t bytes);
/// The stamp, the family, then a stretch of random text that the family chooses; a longer one ends with the stamp once
/// more. A value of fewer than 10 bytes is its first bytes.
std::string bytes_of(const Value& value);
/// Nothing: these bytes were never written as a whole.
std::optional<Value> parse_value(Bytes bytes);
/// For messages.
std::string to_text(const std::optional<Value>& value);

/// A row, or the existence of a store.
struct Place {
  std::string store;
  std::optional<std::string> key;  ///< None: the store itself.
  auto operator<=>(const Place&) const = default;
};

using Rows = std::map<std::string, Value>;
using State = std::map<std::string, Rows>;
/// What a transaction leaves at each place; nothing: it is gone. A store that is made has Value{}.
using Writes = std::map<Place, std::optional<Value>>;

/// What an environment was found to hold.
struct Found {
  State stores;
  std::set<std::string> in_doubt;  ///< Global ids of the prepared transactions.
};

std::string to_text(const Writes& writes);
/// The first bytes, readable.
std::string text_of_key(const std::string& key);
void take_in(State& state, const Writes& writes);

}  // namespace aether::oracle
