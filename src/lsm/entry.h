/// An entry of a run: what a key has become, and who made it so.
///
/// The order of a run is by key, and within a key the newest first: by age, which is that of writers but under
/// read_committed, where a transaction may change a row after one with a higher id has. A key stands more than once where an
/// open snapshot still needs an older one.
///
/// Threads   A value; its bytes belong to somebody else.
#pragma once

#include <cstdint>
#include <string>

#include "aether/options.h"
#include "base/ids.h"

namespace aether::lsm {

/// Numbers of the format (docs/formats/run.md).
enum class EntryKind : uint8_t {
  value = 1,
  tombstone = 2,        ///< The key is no more.
  range_tombstone = 3,  ///< From `key` on, up to and without `value`, nothing older is.
  value_apart = 4,      ///< `value` says where the value lies.
};

/// Borrows its bytes.
struct Entry {
  Bytes key;
  TxnId writer = 0;
  EntryKind kind = EntryKind::value;
  uint64_t expiry_ms = 0;  ///< Since 1970: from then on it is as a tombstone. 0: it stays.
  Bytes value;

  bool has_expired(uint64_t now_ms) const noexcept { return expiry_ms != 0 && expiry_ms <= now_ms; }
};

/// Of [begin, end), whatever is older than `writer`.
struct RangeTombstone {
  std::string begin;
  std::string end;
  TxnId writer = 0;
};

/// Places between entries, and the order of most: below 0 if (key, writer) comes before (other_key, other_writer). Before all
/// versions of a key is (key, kEveryWriter), behind them (key, 0), whatever their order.
inline int compare_places(Bytes key, TxnId writer, Bytes other_key, TxnId other_writer) noexcept {
  const int by_key = key.compare(other_key);
  if (by_key != 0 || writer == other_writer) return by_key;
  return writer > other_writer ? -1 : 1;
}

inline constexpr TxnId kEveryWriter = ~TxnId{
    0};  ///< As a place's writer: before all versions of the key.

/// A seek in many sources, each of which waits for memory several times: so that they wait at the same time, all take the first step, then
/// all the next one.
enum class SeekStep : uint8_t {
  locate,  ///< Where in the source the key would be.
  load,    ///< What is read there.
  arrive,
};

/// The longest key that a run takes.
inline constexpr uint64_t kMaxRunKeyBytes = 64 * KiB;

}  // namespace aether::lsm
